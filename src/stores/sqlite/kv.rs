//! Small values under a space and a key.

use async_trait::async_trait;
use rusqlite::params;

use crate::contract::store::{Kv, Result};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::tx::first;

#[async_trait]
impl Kv for SqliteStore {
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>> {
        let place = [space.to_owned(), key.to_owned()];
        let read = move |conn: &_| {
            first(conn, "SELECT value FROM kv WHERE space = ?1 AND key = ?2", place, |row| Ok(row.get(0)?))
        };
        self.readers.read(read).await
    }

    async fn put(&self, space: &str, key: &str, value: &str) -> Result<()> {
        let row = [space.to_owned(), key.to_owned(), value.to_owned()];
        self.writer
            .write(move |tx| {
                tx.run(
                    "INSERT OR REPLACE INTO kv (space, key, value) VALUES (?1, ?2, ?3)",
                    params![row[0], row[1], row[2]],
                )
                .map(|_| ())
            })
            .await
    }

    async fn remove(&self, space: &str, key: &str) -> Result<()> {
        let place = [space.to_owned(), key.to_owned()];
        self.writer
            .write(move |tx| {
                tx.run("DELETE FROM kv WHERE space = ?1 AND key = ?2", params![place[0], place[1]]).map(|_| ())
            })
            .await
    }
}
