//! Targets that the bot may not write to any more: remembered until something comes from there, and nothing is kept waiting
//! for them.

use rusqlite::params;

use crate::contract::store::{OutboxRow, Result};
use crate::model::inbound::{InboundEvent, Membership};
use crate::model::outbound::{Lane, Target};
use crate::model::turn::{Outcome, Reason};
use crate::model::{ChannelId, Incoming, TurnId};
use crate::stores::sqlite::nudges::tell_ended;
use crate::stores::sqlite::rows;
use crate::stores::sqlite::tx::{Effect, Tx};

const REASON: &str = Reason::TargetGone.as_str();

/// Whether the event says that the bot was shut out.
pub(super) fn shuts_out(event: &InboundEvent) -> bool {
    matches!(event, InboundEvent::Membership { change: Membership::Removed | Membership::Blocked })
}

/// What such an event says, for whoever reads the list of what was not delivered.
pub(super) fn word_of(event: &InboundEvent) -> &'static str {
    match event {
        InboundEvent::Membership { change: Membership::Blocked } => "the bot was blocked there",
        _ => "the bot was removed there",
    }
}

/// An event has come from its target: whatever it is, but for the word that the bot was shut out, the target is there.
pub(super) fn heard_from(tx: &Tx<'_>, channel: i64, incoming: &Incoming) -> Result<()> {
    if shuts_out(&incoming.event) {
        return Ok(());
    }
    forget(tx, channel, &incoming.target.key)
}

pub(super) fn forget(tx: &Tx<'_>, channel: i64, key: &str) -> Result<()> {
    tx.run("DELETE FROM gone WHERE channel = ?1 AND target_key = ?2", params![channel, key]).map(|_| ())
}

/// Why the target is gone; `None` if it is not.
pub(super) fn why(tx: &Tx<'_>, channel: i64, key: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT error FROM gone WHERE channel = ?1 AND target_key = ?2";
    tx.first(SQL, params![channel, key], |row| Ok(row.get(0)?))
}

/// The target is gone: it is remembered, with the platform's word for it, and what waits for it ends.
pub(super) fn leave(tx: &mut Tx<'_>, channel: i64, key: &str, error: &str) -> Result<()> {
    tx.run(
        "INSERT OR REPLACE INTO gone (channel, target_key, at, error) VALUES (?1, ?2, ?3, ?4)",
        params![channel, key, tx.now.0, error],
    )?;
    let mut ended = tx.run(
        "UPDATE outbox INDEXED BY outbox_open SET state = 4, claim = NULL, reason = ?3, error = ?5, ended_at = ?4
         WHERE channel = ?1 AND target_key = ?2 AND state < 2",
        params![channel, key, REASON, tx.now.0, error],
    )?;
    for (action, target, lane) in unrendered(tx, channel, key)? {
        tx.run("DELETE FROM unrendered WHERE action = ?1", [action])?;
        end_unrendered(tx, channel, action, (key, &target), lane, error)?;
        ended += 1;
    }
    let turns = open_turns(tx, channel, key)?;
    let outcome = Outcome::Dropped(Reason::TargetGone);
    for (seq, _) in &turns {
        tx.run(
            "UPDATE turns SET state = ?2, claim = NULL, outcome = ?3, reason = ?4, ended_at = ?5 WHERE seq = ?1",
            params![seq, outcome.state().as_number(), outcome.as_str(), REASON, tx.now.0],
        )?;
    }
    for (_, id) in &turns {
        tell_ended(tx, *id)?;
    }
    tell(tx, channel, turns.len(), ended)
}

fn unrendered(tx: &Tx<'_>, channel: i64, key: &str) -> Result<Vec<(i64, String, i64)>> {
    const SQL: &str = "SELECT action, target, lane FROM unrendered WHERE channel = ?1 AND target ->> '$.key' = ?2";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    Ok(rows::all(tx.conn, SQL, params![channel, key], read)?.0)
}

/// Turns to be answered there that nobody works on. A look at every open turn: it happens seldom, and an index by target
/// would be paid for with each message.
fn open_turns(tx: &Tx<'_>, channel: i64, key: &str) -> Result<Vec<(i64, TurnId)>> {
    const SQL: &str = "SELECT seq, id FROM turns INDEXED BY turns_open
                       WHERE state < 2 AND channel = ?1 AND target ->> '$.key' = ?2
                         AND NOT (state = 1 AND EXISTS (SELECT 1 FROM leases l WHERE l.token = turns.claim AND l.until > ?3))";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, TurnId::from_bytes(row.get(1)?)));
    Ok(rows::all(tx.conn, SQL, params![channel, key, tx.now.0], read)?.0)
}

/// Leaves a trace of an action that was never rendered.
fn end_unrendered(
    tx: &Tx<'_>,
    channel: i64,
    action: i64,
    (key, target): (&str, &str),
    lane: i64,
    error: &str,
) -> Result<()> {
    tx.run(
        "INSERT INTO outbox (channel, action, part, parts, target_key, target, lane, payload, scopes, state, queued_at, due_at,
                             reason, error, ended_at)
         VALUES (?1, ?2, 0, 0, ?3, ?4, ?5, '', '[]', 4, ?6, ?6, ?7, ?8, ?6)",
        params![channel, action, key, target, lane, tx.now.0, REASON, error],
    )
    .map(|_| ())
}

/// Ends an action that is committed for a target that is gone.
pub(super) fn refuse_spoken(
    tx: &mut Tx<'_>,
    channel: i64,
    action: i64,
    target: (&Target, &str),
    lane: Lane,
    error: &str,
) -> Result<()> {
    end_unrendered(tx, channel, action, (&target.0.key, target.1), lane.as_number(), error)?;
    tell(tx, channel, 0, 1)
}

/// Ends the rows of a turn whose target went while it was worked on.
pub(super) fn refuse_rows(tx: &mut Tx<'_>, channel: i64, refused: &[OutboxRow], error: &str) -> Result<()> {
    for row in refused {
        tx.run(
            "UPDATE outbox SET state = 4, claim = NULL, reason = ?2, error = ?4, ended_at = ?3 WHERE seq = ?1",
            params![row.seq, REASON, tx.now.0, error],
        )?;
    }
    tell(tx, channel, 0, refused.len())
}

fn tell(tx: &mut Tx<'_>, channel: i64, turns: usize, calls: usize) -> Result<()> {
    if turns == 0 && calls == 0 {
        return Ok(());
    }
    let name = tx.first("SELECT name FROM names WHERE id = ?1", [channel], |row| Ok(row.get::<_, String>(0)?))?;
    tx.effect(Effect::Gone { channel: ChannelId::new(name.unwrap_or_default()), turns, calls });
    Ok(())
}
