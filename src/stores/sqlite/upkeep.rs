//! Upkeep: figures, a probe, the word from another process.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::Connection;

use crate::contract::store::{Gauges, Result, Retention, Swept, Trouble, Upkeep, WorkFilter, WorkId, WorkItem};
use crate::model::{ChannelId, Timestamp};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::files::beside;
use crate::stores::sqlite::nudges;
use crate::stores::sqlite::rows;
use crate::stores::sqlite::tx::first;
use crate::stores::sqlite::work;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn sweep(&self, retention: Retention) -> Result<Swept> {
        self.sweep_all(retention).await
    }

    async fn gauges(&self) -> Result<Gauges> {
        let now = self.clock.now();
        let mut gauges = self.readers.read(move |conn| gauges(conn, now)).await?;
        gauges.media_bytes = self.media.used();
        let files = [self.db.clone(), beside(&self.db, "-wal")];
        gauges.store_bytes = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum();
        Ok(gauges)
    }

    fn trouble(&self) -> Option<Trouble> {
        self.troubles.of_late()
    }

    async fn work(&self, filter: WorkFilter) -> Result<Vec<WorkItem>> {
        let now = self.clock.now();
        self.readers.read(move |conn| work::list(conn, &filter, now)).await
    }

    async fn retry(&self, id: WorkId) -> Result<()> {
        self.writer
            .write(move |tx| match id {
                WorkId::Turn(id) => work::retry_turn(tx, id),
                WorkId::Row(seq) => work::retry_row(tx, seq),
            })
            .await?;
        // Our own dispatcher hears of it the same way as of another process's.
        self.seen_turns.store(nudges::LOOK, Ordering::Release);
        self.seen_rows.store(nudges::LOOK, Ordering::Release);
        Ok(())
    }

    async fn drop_item(&self, id: WorkId) -> Result<()> {
        self.writer
            .write(move |tx| match id {
                WorkId::Turn(id) => work::drop_turn(tx, id),
                WorkId::Row(seq) => work::drop_row(tx, seq),
            })
            .await
    }

    async fn channels_with_work(&self) -> Result<Vec<(ChannelId, u64)>> {
        const SQL: &str = "
            SELECT ch.name, count(*) FROM (
                SELECT channel FROM turns INDEXED BY turns_open WHERE state < 2
                UNION ALL SELECT channel FROM outbox INDEXED BY outbox_open WHERE state < 2
                UNION ALL SELECT channel FROM unrendered) open
            JOIN names ch ON ch.id = open.channel GROUP BY ch.name ORDER BY ch.name";
        self.readers
            .read(move |conn| {
                let mut statement = conn.prepare_cached(SQL)?;
                let mut open = statement.query([])?;
                let mut found = Vec::new();
                while let Some(row) = open.next()? {
                    found.push((ChannelId::new(row.get::<_, String>(0)?), rows::unsigned(row, 1)?));
                }
                Ok(found)
            })
            .await
    }

    async fn probe(&self) -> Result<Duration> {
        let began = Instant::now();
        self.writer
            .write(|tx| tx.run("UPDATE meta SET value = ?1 WHERE name = 'probed_at'", [tx.now.0]).map(|_| ()))
            .await?;
        Ok(began.elapsed())
    }

    async fn close(&self) {
        // Readers first: the last connection to go takes the log along.
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn gauges(conn: &Connection, now: Timestamp) -> Result<Gauges> {
    const TURNS: &str = "
        SELECT coalesce(sum(state = 0), 0), coalesce(sum(state = 1), 0), min(CASE WHEN due_at <= ?1 THEN received_at END)
        FROM turns INDEXED BY turns_open WHERE state < 2";
    const ROWS: &str = "SELECT count(*), min(CASE WHEN due_at <= ?1 THEN queued_at END) FROM outbox INDEXED BY outbox_open WHERE state < 2";
    const DEAD: &str = "SELECT (SELECT count(*) FROM turns INDEXED BY turns_dead WHERE state = 3),
                               (SELECT count(*) FROM outbox INDEXED BY outbox_dead WHERE state = 3)";
    let mut gauges = Gauges::default();
    let age = |at: Option<i64>| at.map(|at| now.since(Timestamp(at)));
    first(conn, TURNS, [now.0], |row| {
        (gauges.turns_pending, gauges.turns_claimed, gauges.oldest_turn) =
            (rows::unsigned(row, 0)?, rows::unsigned(row, 1)?, age(row.get(2)?));
        Ok(())
    })?;
    first(conn, ROWS, [now.0], |row| {
        (gauges.rows_queued, gauges.oldest_row) = (rows::unsigned(row, 0)?, age(row.get(1)?));
        Ok(())
    })?;
    first(conn, DEAD, [], |row| {
        (gauges.turns_dead, gauges.rows_dead) = (rows::unsigned(row, 0)?, rows::unsigned(row, 1)?);
        Ok(())
    })?;
    Ok(gauges)
}
