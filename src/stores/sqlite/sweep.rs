//! Forgetting what is past its retention, in small batches so that no commit waits long behind one.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use crate::contract::store::{Result, Retention, StoreError, Swept};
use crate::model::MediaId;
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::rows;
use crate::stores::sqlite::tx::{Tx, first};

/// Turns, rows or files at once.
const BATCH: i64 = 64;

/// One batch up to a time: how much it did, and whether there may be more.
type Step = fn(&Tx<'_>, i64) -> Result<(u64, bool)>;

impl SqliteStore {
    pub(super) async fn sweep_all(&self, retention: Retention) -> Result<Swept> {
        let now = self.clock.now();
        let bodies = now.minus(retention.bodies).0;
        let keys = now.minus(retention.bodies.saturating_add(retention.keys_beyond)).0;
        let mut swept = Swept::default();
        for step in [forget_turns as Step, forget_spoken] {
            swept.bodies += self.batches(step, bodies).await?;
        }
        self.batches(delete_calls, bodies).await?;
        for step in [delete_turns as Step, delete_spoken, delete_announced] {
            swept.keys += self.batches(step, keys).await?;
        }
        swept.media = self.sweep_media(now.minus(retention.orphans).0).await?;
        swept.files = self.sweep_files(retention.orphans).await?;
        Ok(swept)
    }

    async fn batches(&self, step: Step, up_to: i64) -> Result<u64> {
        let mut sum = 0;
        loop {
            let (done, more) = self.writer.write(move |tx| step(tx, up_to)).await?;
            sum += done;
            if !more {
                return Ok(sum);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Rows first, then their files: what a crash leaves between is a file without a row.
    async fn sweep_media(&self, up_to: i64) -> Result<u64> {
        let mut sum = 0;
        loop {
            let gone = self.writer.write(move |tx| delete_media(tx, up_to)).await?;
            let (count, dir) = (gone.len(), Arc::clone(&self.media));
            blocking(move || gone.into_iter().for_each(|(id, bytes)| dir.remove(id, bytes))).await?;
            sum += u64::try_from(count).unwrap_or_default();
            if i64::try_from(count).unwrap_or(BATCH) < BATCH {
                return Ok(sum);
            }
        }
    }

    /// Files without a row: a crash fell between the two, or into the writing.
    async fn sweep_files(&self, age: Duration) -> Result<u64> {
        let dir = Arc::clone(&self.media);
        let found = blocking(move || dir.old_files(age)).await?;
        let read = move |conn: &_| {
            let mut stray = Vec::new();
            for (path, id) in found {
                let has_row = match id {
                    Some(id) => {
                        first(conn, "SELECT 1 FROM media WHERE id = ?1", [id.as_bytes()], |_| Ok(()))?.is_some()
                    }
                    None => false,
                };
                if !has_row {
                    stray.push(path);
                }
            }
            Ok(stray)
        };
        let stray = self.readers.read(read).await?;
        let removed = blocking(move || stray.iter().filter(|path| fs::remove_file(path).is_ok()).count()).await?;
        Ok(u64::try_from(removed).unwrap_or_default())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn numbers(tx: &Tx<'_>, sql: &str, up_to: i64) -> Result<Vec<i64>> {
    Ok(rows::all(tx.conn, sql, params![up_to, BATCH], |row| Ok(row.get(0)?))?.0)
}

fn is_full(found: &[i64]) -> bool {
    i64::try_from(found.len()).unwrap_or(BATCH) >= BATCH
}

fn count(changed: usize) -> u64 {
    u64::try_from(changed).unwrap_or_default()
}

/// The bodies of ended turns, their answers and the hold on their media; not while a call of theirs waits.
fn forget_turns(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    const SQL: &str = "
        SELECT seq FROM turns INDEXED BY turns_ended
        WHERE ended_at IS NOT NULL AND forgotten = 0 AND ended_at <= ?1
          AND seq NOT IN (SELECT turn FROM outbox INDEXED BY outbox_open WHERE state < 2 AND turn IS NOT NULL)
        ORDER BY ended_at LIMIT ?2";
    let found = numbers(tx, SQL, up_to)?;
    let mut bodies = 0;
    for seq in &found {
        tx.run("DELETE FROM media_refs WHERE entry IN (SELECT n FROM journal WHERE turn = ?1)", [seq])?;
        bodies += count(tx.run("UPDATE journal SET body = NULL WHERE turn = ?1 AND body IS NOT NULL", [seq])?);
        tx.run("UPDATE asks SET answer = NULL, digest = zeroblob(16) WHERE turn = ?1", [seq])?;
        tx.run("UPDATE turns SET forgotten = 1, error = NULL WHERE seq = ?1", [seq])?;
    }
    Ok((bodies, is_full(&found)))
}

/// The same of what was spoken first.
fn forget_spoken(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    const SQL: &str = "
        SELECT n FROM journal INDEXED BY journal_spoken
        WHERE turn IS NULL AND at <= ?1 AND body IS NOT NULL AND n NOT IN (SELECT action FROM unrendered)
          AND n NOT IN (SELECT action FROM outbox INDEXED BY outbox_open WHERE state < 2)
        ORDER BY at LIMIT ?2";
    let found = numbers(tx, SQL, up_to)?;
    for n in &found {
        tx.run("DELETE FROM media_refs WHERE entry = ?1", [n])?;
        tx.run("UPDATE journal SET body = NULL WHERE n = ?1", [n])?;
    }
    Ok((count(found.len()), is_full(&found)))
}

/// Calls that have ended. The youngest row stays, emptied, so that its number is not given again.
fn delete_calls(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    const SQL: &str = "
        SELECT seq FROM outbox INDEXED BY outbox_ended
        WHERE ended_at IS NOT NULL AND ended_at <= ?1 AND seq < (SELECT max(seq) FROM outbox)
        ORDER BY ended_at LIMIT ?2";
    let found = numbers(tx, SQL, up_to)?;
    for seq in &found {
        tx.run("DELETE FROM outbox WHERE seq = ?1", [seq])?;
    }
    tx.run(
        "UPDATE outbox SET payload = '', plain = NULL, ids = NULL, error = NULL
         WHERE seq = (SELECT max(seq) FROM outbox) AND ended_at <= ?1 AND payload <> ''",
        [up_to],
    )?;
    Ok((count(found.len()), is_full(&found)))
}

/// Forgotten turns with their keys. Those with the largest numbers stay.
fn delete_turns(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    const SQL: &str = "
        SELECT seq FROM turns INDEXED BY turns_ended
        WHERE ended_at IS NOT NULL AND forgotten = 1 AND ended_at <= ?1 AND seq < (SELECT max(seq) FROM turns)
          AND seq IS NOT (SELECT turn FROM journal ORDER BY n DESC LIMIT 1)
        ORDER BY ended_at LIMIT ?2";
    let found = numbers(tx, SQL, up_to)?;
    let mut keys = 0;
    for seq in &found {
        keys += count(tx.run("DELETE FROM journal WHERE turn = ?1 AND key IS NOT NULL", [seq])?);
        tx.run("DELETE FROM journal WHERE turn = ?1", [seq])?;
        tx.run("DELETE FROM asks WHERE turn = ?1", [seq])?;
        tx.run("DELETE FROM turns WHERE seq = ?1", [seq])?;
    }
    Ok((keys, is_full(&found)))
}

fn delete_spoken(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    const SQL: &str = "
        SELECT n FROM journal INDEXED BY journal_spoken
        WHERE turn IS NULL AND at <= ?1 AND body IS NULL AND n < (SELECT max(n) FROM journal) ORDER BY at LIMIT ?2";
    let found = numbers(tx, SQL, up_to)?;
    for n in &found {
        tx.run("DELETE FROM journal WHERE n = ?1", [n])?;
    }
    Ok((0, is_full(&found)))
}

/// Keys of announcements; not while a part is still to be rendered or sent, which keeps its body.
fn delete_announced(tx: &Tx<'_>, up_to: i64) -> Result<(u64, bool)> {
    let gone = tx.run(
        "DELETE FROM announced WHERE (channel, key) IN (
             SELECT a.channel, a.key FROM announced a WHERE a.at <= ?1
               AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.n = a.action AND j.body IS NOT NULL)
             LIMIT ?2)",
        params![up_to, BATCH],
    )?;
    Ok((count(gone), i64::try_from(gone).unwrap_or(BATCH) >= BATCH))
}

/// Media that nothing in the journal names.
fn delete_media(tx: &Tx<'_>, up_to: i64) -> Result<Vec<(MediaId, u64)>> {
    const SQL: &str = "SELECT m.id, m.bytes FROM media m WHERE m.created_at <= ?1
                       AND NOT EXISTS (SELECT 1 FROM media_refs r WHERE r.media = m.id) ORDER BY m.created_at LIMIT ?2";
    let mut statement = tx.conn.prepare_cached(SQL)?;
    let mut found = statement.query(params![up_to, BATCH])?;
    let mut gone = Vec::new();
    while let Some(row) = found.next()? {
        gone.push((MediaId::from_bytes(row.get(0)?), rows::unsigned(row, 1)?));
    }
    for (id, _) in &gone {
        tx.run("DELETE FROM media WHERE id = ?1", [id.as_bytes()])?;
    }
    Ok(gone)
}
