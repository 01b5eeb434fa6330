//! The journal, read.

use async_trait::async_trait;
use rusqlite::{Connection, Params, params};
use tokio::sync::watch;

use crate::contract::store::{Entry, Journal, Result, StoreError, Utterance};
use crate::model::{ContactId, Timestamp, TurnId};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::rows::json;
use crate::stores::sqlite::rows::limit_of;

#[async_trait]
impl Journal for SqliteStore {
    async fn entries(&self, contact: ContactId, after: i64, limit: usize) -> Result<Vec<Entry>> {
        const SQL: &str = "SELECT j.n, t.id, j.at, j.kind, j.body, j.contact FROM journal j INDEXED BY journal_contact
                           LEFT JOIN turns t ON t.seq = j.turn
                           WHERE j.contact = ?1 AND j.kind < 2 AND j.n > ?2 ORDER BY j.n LIMIT ?3";
        self.readers.read(move |conn| entries(conn, SQL, contact, after, limit)).await
    }

    async fn last_entries(&self, contact: ContactId, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
        const SQL: &str = "SELECT j.n, t.id, j.at, j.kind, j.body, j.contact FROM journal j INDEXED BY journal_contact
                           LEFT JOIN turns t ON t.seq = j.turn
                           WHERE j.contact = ?1 AND j.kind < 2 AND j.n < ?2 ORDER BY j.n DESC LIMIT ?3";
        let before = before.unwrap_or(i64::MAX);
        let mut last = self.readers.read(move |conn| entries(conn, SQL, contact, before, limit)).await?;
        last.reverse();
        Ok(last)
    }

    async fn turn_entries(&self, turn: TurnId) -> Result<Vec<Entry>> {
        const SQL: &str = "SELECT j.n, t.id, j.at, j.kind, j.body, j.contact FROM turns t
                           JOIN journal j INDEXED BY journal_turn ON j.turn = t.seq
                           WHERE t.id = ?1 AND j.kind < 2 ORDER BY j.n";
        self.readers.read(move |conn| collect(conn, SQL, [turn.as_bytes()])).await
    }

    fn watch_contact(&self, contact: ContactId) -> watch::Receiver<i64> {
        self.registry.watch_contact(contact)
    }
}

fn entries(conn: &Connection, sql: &str, contact: ContactId, n: i64, limit: usize) -> Result<Vec<Entry>> {
    collect(conn, sql, params![contact.0, n, limit_of(limit)])
}

fn collect(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<Entry>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Option<String> = row.get(4)?;
        let said = match (row.get::<_, i64>(3)?, body) {
            (_, None) => Ok(Utterance::Forgotten),
            (0, Some(body)) => json(&body).map(Utterance::In),
            (_, Some(body)) => json(&body).map(Utterance::Out),
        };
        let n = row.get(0)?;
        // One entry that cannot be read does not hide the others.
        let said = said.unwrap_or_else(|error: StoreError| {
            tracing::error!(n, %error, "an entry of the journal cannot be read");
            Utterance::Forgotten
        });
        let contact = row.get::<_, Option<i64>>(5)?.map(ContactId);
        let turn = row.get::<_, Option<[u8; 16]>>(1)?.map(TurnId::from_bytes);
        entries.push(Entry { n, contact, turn, at: Timestamp(row.get(2)?), said });
    }
    Ok(entries)
}
