//! Work that has not ended well: listed, given a new start, dropped, set aside.

use rusqlite::{Connection, Row, params};

use crate::contract::store::{Result, StoreError, WorkFilter, WorkId, WorkItem};
use crate::model::turn::{Outcome, Reason, TurnState};
use crate::model::{BotName, ChannelId, ContactKey, Timestamp, TurnId};
use crate::stores::sqlite::gone;
use crate::stores::sqlite::nudges::{Nudge, nudge, tell_ended};
use crate::stores::sqlite::rows::limit_of;
use crate::stores::sqlite::rows::{self, until};
use crate::stores::sqlite::tx::{Effect, Tx};

const NONE: StoreError =
    StoreError::NotFound("dead or waiting item of this id (it has ended, or somebody works on it)");

const FORGOTTEN: StoreError = StoreError::NotFound("text of this message any more: it is past its retention");

pub(super) fn list(conn: &Connection, filter: &WorkFilter, now: Timestamp) -> Result<Vec<WorkItem>> {
    const TURNS: &str = "
        SELECT t.seq, t.id, ch.name, bo.name, c.key, t.state, coalesce(t.reason, t.verdict), t.error, t.attempts, t.received_at,
               t.due_at, NULL
        FROM turns t JOIN names ch ON ch.id = t.channel JOIN names bo ON bo.id = t.bot JOIN contacts c ON c.id = t.contact
        WHERE t.seq IN (SELECT seq FROM turns INDEXED BY turns_dead WHERE state = 3
                        UNION ALL SELECT seq FROM turns INDEXED BY turns_open WHERE state < 2 AND NOT ?1)
          AND (?2 IS NULL OR ch.name = ?2) AND t.received_at <= ?3
        ORDER BY t.received_at, t.seq LIMIT ?4";
    const ROWS: &str = "
        SELECT o.seq, NULL, ch.name, bo.name, c.key, o.state, o.reason, o.error, o.attempts, o.queued_at, o.due_at,
               t.id
        FROM outbox o JOIN names ch ON ch.id = o.channel LEFT JOIN turns t ON t.seq = o.turn
        LEFT JOIN names bo ON bo.id = t.bot LEFT JOIN contacts c ON c.id = t.contact
        WHERE o.seq IN (SELECT seq FROM outbox INDEXED BY outbox_dead WHERE state = 3
                        UNION ALL SELECT seq FROM outbox INDEXED BY outbox_open WHERE state < 2 AND NOT ?1
                        UNION ALL SELECT seq FROM outbox INDEXED BY outbox_gone
                                  WHERE state = 4 AND reason = 'target_gone' AND ?5)
          AND (?2 IS NULL OR ch.name = ?2) AND o.queued_at <= ?3
        ORDER BY o.queued_at, o.seq LIMIT ?4";
    let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
    let channel = filter.channel.as_ref().map(ChannelId::as_str);
    let oldest = now.minus(filter.older_than).0;
    let (dead_only, limit_number) = (filter.dead_only, limit_of(limit));
    let (mut items, _) =
        rows::all(conn, TURNS, params![dead_only, channel, oldest, limit_number], |row| item(row, now))?;
    let with_gone = params![dead_only, channel, oldest, limit_number, filter.gone];
    items.extend(rows::all(conn, ROWS, with_gone, |row| item(row, now))?.0);
    items.sort_by_key(|item| std::cmp::Reverse(item.age));
    items.truncate(limit);
    Ok(items)
}

fn item(row: &Row<'_>, now: Timestamp) -> Result<WorkItem> {
    let turn: Option<[u8; 16]> = row.get(1)?;
    Ok(WorkItem {
        id: match turn {
            Some(id) => WorkId::Turn(TurnId::from_bytes(id)),
            None => WorkId::Row(row.get(0)?),
        },
        channel: ChannelId::new(row.get::<_, String>(2)?),
        bot: row.get::<_, Option<String>>(3)?.map(BotName::new),
        contact: row.get::<_, Option<String>>(4)?.map(|key| ContactKey::from_stored(&key)),
        state: TurnState::from_number(row.get(5)?),
        reason: row.get(6)?,
        error: row.get(7)?,
        attempts: row.get(8)?,
        age: now.since(Timestamp(row.get(9)?)),
        due_in: until(row.get(10)?, now),
        turn: row.get::<_, Option<[u8; 16]>>(11)?.map(TurnId::from_bytes),
    })
}

struct Stuck {
    seq: i64,
    dead: bool,
    forgotten: bool,
}

/// A turn that is dead or waits, and that nobody works on.
fn stuck_turn(tx: &Tx<'_>, id: TurnId) -> Result<Stuck> {
    const SQL: &str = "SELECT seq, state = 3, forgotten FROM turns WHERE id = ?1 AND state <> 2
                         AND NOT (state = 1 AND EXISTS (SELECT 1 FROM leases WHERE token = turns.claim AND until > ?2))";
    let found = tx.first(SQL, params![id.as_bytes(), tx.now.0], |row| {
        Ok(Stuck { seq: row.get(0)?, dead: row.get(1)?, forgotten: row.get(2)? })
    })?;
    found.ok_or(NONE)
}

pub(super) fn retry_turn(tx: &mut Tx<'_>, id: TurnId) -> Result<()> {
    let stuck = stuck_turn(tx, id)?;
    if stuck.forgotten {
        return Err(FORGOTTEN);
    }
    tx.run(
        "UPDATE turns SET state = 0, claim = NULL, due_at = ?2, received_at = ?2, attempts = 0, spent = 0, outcome = NULL,
                          reason = NULL, error = NULL, ended_at = NULL, retries = retries + ?3
         WHERE seq = ?1",
        params![stuck.seq, tx.now.0, stuck.dead],
    )?;
    // A refusal was final for the turn's last life only.
    tx.run("UPDATE asks SET state = 2, reason = NULL WHERE turn = ?1 AND state = 4", [stuck.seq])?;
    tx.effect(Effect::Opened(id));
    nudge(tx, Nudge::Turn, stuck.seq)
}

pub(super) fn drop_turn(tx: &mut Tx<'_>, id: TurnId) -> Result<()> {
    let stuck = stuck_turn(tx, id)?;
    let outcome = Outcome::Dropped(Reason::DroppedByOperator);
    tx.run(
        "UPDATE turns SET state = 2, claim = NULL, outcome = ?2, reason = ?3, ended_at = ?4 WHERE seq = ?1",
        params![stuck.seq, outcome.as_str(), Reason::DroppedByOperator.as_str(), tx.now.0],
    )?;
    tell_ended(tx, id)?;
    if tx.exclusive { Ok(()) } else { nudge(tx, Nudge::Ended, stuck.seq) }
}

const STUCK_ROW: &str =
    "seq = ?1 AND (state IN (0, 3) OR state = 4 AND reason = 'target_gone' OR state = 1 AND NOT EXISTS
                         (SELECT 1 FROM leases WHERE token = outbox.claim AND until > ?2))";

pub(super) fn retry_row(tx: &Tx<'_>, seq: i64) -> Result<()> {
    const GONE: &str = "SELECT channel, target_key, parts, payload <> '' FROM outbox
                        WHERE seq = ?1 AND state = 4 AND reason = 'target_gone'";
    let gone = tx.first(GONE, [seq], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, u16>(2)?, row.get::<_, bool>(3)?))
    })?;
    if let Some((channel, target, parts, is_kept)) = gone {
        // The operator says that its target is there again; the platform has the last word.
        gone::forget(tx, channel, &target)?;
        if parts == 0 {
            return say_again(tx, seq);
        }
        if !is_kept {
            return Err(FORGOTTEN);
        }
    }
    // Its time to live counts from now as well; a send that was open may have arrived. What was set aside because it may have
    // arrived is sent all the same: the operator has decided.
    let sql = format!(
        "UPDATE outbox SET expires_at = ?2 + (expires_at - queued_at),
                           in_doubt = (in_doubt AND reason IS NOT 'in_doubt') OR state = 1, state = 0, claim = NULL,
                           queued_at = ?2, due_at = ?2, attempts = 0, spent = 0, reason = NULL, error = NULL, ended_at = NULL
         WHERE {STUCK_ROW}"
    );
    if tx.run(&sql, params![seq, tx.now.0])? == 0 {
        return Err(NONE);
    }
    nudge(tx, Nudge::Row, seq)
}

/// What was announced to a target that is gone left a trace, and no call: it waits to be rendered now. The trace stays, as no
/// number of a row is given twice.
fn say_again(tx: &Tx<'_>, seq: i64) -> Result<()> {
    let waits = tx.run(
        "INSERT INTO unrendered (action, channel, target, lane) SELECT action, channel, target, lane FROM outbox
         WHERE seq = ?1 AND EXISTS (SELECT 1 FROM journal j WHERE j.n = outbox.action AND j.body IS NOT NULL)",
        [seq],
    )?;
    if waits == 0 {
        return Err(FORGOTTEN);
    }
    tx.run("UPDATE outbox SET reason = 'retried', error = NULL WHERE seq = ?1", [seq]).map(|_| ())
}

pub(super) fn drop_row(tx: &Tx<'_>, seq: i64) -> Result<()> {
    let sql = format!(
        "UPDATE outbox SET state = 4, claim = NULL, reason = '{}', ended_at = ?2 WHERE {STUCK_ROW}",
        Reason::DroppedByOperator.as_str()
    );
    if tx.run(&sql, params![seq, tx.now.0])? == 0 { Err(NONE) } else { Ok(()) }
}

/// Sets an open turn aside as dead.
pub(super) fn bury_turn(tx: &mut Tx<'_>, seq: i64, reason: Reason, error: &str) -> Result<()> {
    let outcome = Outcome::Dead(reason);
    let id = tx.first(
        "UPDATE turns SET state = ?2, claim = NULL, outcome = ?3, reason = ?4, error = ?5, ended_at = ?6
         WHERE seq = ?1 AND state < 2 RETURNING id",
        params![seq, outcome.state().as_number(), outcome.as_str(), reason.as_str(), error, tx.now.0],
        |row| Ok(TurnId::from_bytes(row.get(0)?)),
    )?;
    match id {
        Some(id) => tell_ended(tx, id),
        None => Ok(()),
    }
}

/// Sets an outbox row aside as dead.
pub(super) fn bury_row(tx: &Tx<'_>, seq: i64, reason: &str, error: &str) -> Result<()> {
    tx.run(
        "UPDATE outbox SET state = 3, claim = NULL, reason = ?2, error = ?3, ended_at = ?4, attempts = attempts + 1
         WHERE seq = ?1 AND state < 2",
        params![seq, reason, error, tx.now.0],
    )
    .map(|_| ())
}
