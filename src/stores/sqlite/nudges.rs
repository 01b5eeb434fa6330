//! What another process (the command line) changed and the daemon must look at.

use std::sync::Arc;

use rusqlite::params;

use crate::contract::store::Result;
use crate::model::TurnId;
use crate::stores::sqlite::rows::{self, limit_of};
use crate::stores::sqlite::tx::{Effect, Tx};

/// What another process leaves for the daemon to look at.
#[derive(Clone, Copy)]
pub(super) enum Nudge {
    Turn = 0,
    Row = 1,
    Ended = 2,
}

/// The version of the database that makes the daemon look.
pub(super) const LOOK: i64 = -1;

pub(super) fn nudge(tx: &Tx<'_>, kind: Nudge, seq: i64) -> Result<()> {
    tx.run("INSERT INTO nudges (kind, seq) VALUES (?1, ?2)", params![kind as i64, seq]).map(|_| ())
}

/// Takes the nudges of a kind, unless no other process has written since `seen`. Answers with what is to be given next time.
pub(super) fn nudged(tx: &mut Tx<'_>, seen: i64, kind: Nudge, limit: usize) -> Result<(Vec<i64>, i64)> {
    let version = tx.first("PRAGMA data_version", [], |row| Ok(row.get::<_, i64>(0)?))?.unwrap_or(LOOK);
    if version == seen {
        return Ok((Vec::new(), seen));
    }
    if matches!(kind, Nudge::Turn) {
        // Turns that another process ended: whoever waits for them in this one is told.
        for seq in take(tx, Nudge::Ended, usize::MAX)? {
            let id =
                tx.first("SELECT id FROM turns WHERE seq = ?1", [seq], |row| Ok(TurnId::from_bytes(row.get(0)?)))?;
            if let Some(id) = id {
                tell_ended(tx, id)?;
            }
        }
    }
    let mut seqs = take(tx, kind, limit)?;
    let next = if seqs.len() >= limit { LOOK } else { version };
    seqs.sort_unstable();
    seqs.dedup();
    Ok((seqs, next))
}

fn take(tx: &Tx<'_>, kind: Nudge, limit: usize) -> Result<Vec<i64>> {
    const SQL: &str = "SELECT id, seq FROM nudges WHERE kind = ?1 ORDER BY id LIMIT ?2";
    let params = params![kind as i64, limit_of(limit)];
    let (found, _) = rows::all(tx.conn, SQL, params, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (id, _) in &found {
        tx.run("DELETE FROM nudges WHERE id = ?1", [id])?;
    }
    Ok(found.into_iter().map(|(_, seq)| seq).collect())
}

/// Wakes whoever waits for a turn that has ended.
pub(super) fn tell_ended(tx: &mut Tx<'_>, id: TurnId) -> Result<()> {
    if let Some(view) = rows::view(tx.conn, id)?
        && view.state.has_ended()
    {
        tx.effect(Effect::Ended(Arc::clone(&view)));
    }
    Ok(())
}
