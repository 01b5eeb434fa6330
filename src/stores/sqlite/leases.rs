//! Leases and their fencing tokens.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params;

use crate::contract::store::{ClaimToken, Leases, Result, StoreError};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::tx::Tx;

#[async_trait]
impl Leases for SqliteStore {
    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<ClaimToken>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.writer.write(move |tx| lease(tx, &name, &holder, ttl)).await
    }

    async fn release(&self, name: &str, token: ClaimToken) -> Result<()> {
        let name = name.to_owned();
        self.writer
            .write(move |tx| {
                let ended = tx.run("DELETE FROM leases WHERE name = ?1 AND token = ?2", params![name, token.0])?;
                if ended > 0 {
                    hand_back(tx, "claim = ?1", params![token.0])?;
                }
                Ok(())
            })
            .await
    }
}

fn lease(tx: &Tx<'_>, name: &str, holder: &str, ttl: Duration) -> Result<Option<ClaimToken>> {
    const SQL: &str = "SELECT holder, token, until FROM leases WHERE name = ?1";
    let known =
        tx.first(SQL, [name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let until = tx.now.plus(ttl).0;
    if let Some((known, token, ends)) = known {
        // A holder that comes back late, before anybody has taken it, still holds it.
        if known == holder {
            tx.run("UPDATE leases SET until = ?2 WHERE name = ?1", params![name, until])?;
            return Ok(Some(ClaimToken(token)));
        }
        if ends > tx.now.0 {
            return Ok(None);
        }
    }
    tx.run("UPDATE meta SET value = value + 1 WHERE name = 'last_token'", [])?;
    let token = tx.first("SELECT value FROM meta WHERE name = 'last_token'", [], |row| Ok(row.get(0)?))?;
    let token: i64 = token.ok_or_else(|| StoreError::Corrupt("no `last_token`".into()))?;
    tx.run(
        "INSERT OR REPLACE INTO leases (name, holder, token, until) VALUES (?1, ?2, ?3, ?4)",
        params![name, holder, token, until],
    )?;
    Ok(Some(ClaimToken(token)))
}

/// Ends every lease: the lock on the file proves that their holders are gone. What was left for the last daemon to look at
/// is found by the next one in its first reading.
pub(super) fn end_all(tx: &Tx<'_>) -> Result<()> {
    tx.run("DELETE FROM leases", [])?;
    tx.run("DELETE FROM nudges", [])?;
    hand_back(tx, "true", [])
}

/// What was claimed is runnable; a send that was open may have arrived.
fn hand_back<P: rusqlite::Params + Clone>(tx: &Tx<'_>, whose: &str, params: P) -> Result<()> {
    let turns = format!(
        "UPDATE turns INDEXED BY turns_open SET state = 0, claim = NULL WHERE state < 2 AND state = 1 AND {whose}"
    );
    tx.run(&turns, params.clone())?;
    let rows = format!(
        "UPDATE outbox INDEXED BY outbox_open SET state = 0, claim = NULL, in_doubt = 1 WHERE state < 2 AND state = 1 AND {whose}"
    );
    tx.run(&rows, params)?;
    Ok(())
}
