//! How a send ended, and what that means for the rows behind it.

use rusqlite::params;

use crate::contract::store::{ClaimToken, OutboxRow, Result, SendFinished, SendResult, StoreError};
use crate::model::clock::millis;
use crate::model::outbound::Rendered;
use crate::stores::sqlite::gone;
use crate::stores::sqlite::moves;
use crate::stores::sqlite::rows::{self, has_fallback, select_outbox, to_json};
use crate::stores::sqlite::tx::Tx;
use crate::stores::sqlite::work;

struct Sending {
    channel: i64,
    target_key: String,
    action: i64,
    has_plain: bool,
}

pub(super) fn finish(
    tx: &mut Tx<'_>,
    seq: i64,
    claim: ClaimToken,
    result: &SendResult,
    next: Option<i64>,
) -> Result<SendFinished> {
    const SQL: &str = "SELECT channel, target_key, action, plain IS NOT NULL FROM outbox
                       WHERE seq = ?1 AND state = 1 AND claim = ?2 AND EXISTS (SELECT 1 FROM leases WHERE token = ?2)";
    let sending = tx.first(SQL, params![seq, claim.0], |row| {
        Ok(Sending { channel: row.get(0)?, target_key: row.get(1)?, action: row.get(2)?, has_plain: row.get(3)? })
    })?;
    let sending = sending.ok_or(StoreError::LeaseLost)?;
    let mut finished = SendFinished::default();
    match result {
        SendResult::Sent { ids } => {
            tx.run(
                "UPDATE outbox SET state = 2, claim = NULL, ids = ?2, ended_at = ?3 WHERE seq = ?1",
                params![seq, to_json(ids)?, tx.now.0],
            )?;
        }
        SendResult::Retry { delay, spent, in_doubt, error } => {
            tx.run(
                "UPDATE outbox SET state = 0, claim = NULL, due_at = ?2, attempts = attempts + 1, spent = spent + ?3,
                                   in_doubt = in_doubt OR ?4, error = ?5
                 WHERE seq = ?1",
                params![seq, tx.now.plus(*delay).0, millis(*spent), in_doubt, error],
            )?;
        }
        SendResult::Wait { delay, error } => {
            tx.run(
                "UPDATE outbox SET state = 0, claim = NULL, due_at = ?2, error = ?3 WHERE seq = ?1",
                params![seq, tx.now.plus(*delay).0, error],
            )?;
        }
        SendResult::Plain if sending.has_plain => {
            tx.run(
                "UPDATE outbox SET state = 0, claim = NULL, due_at = ?2, payload = plain, plain = NULL WHERE seq = ?1",
                params![seq, tx.now.0],
            )?;
        }
        // Nothing plainer is left: sending the same again would be refused for ever.
        SendResult::Plain => work::bury_row(tx, seq, "rejected", "there is no plain fallback")?,
        SendResult::GiveUp { reason, error, notice } => {
            tx.run(
                "UPDATE outbox INDEXED BY outbox_open SET state = 4, claim = NULL, reason = ?4, ended_at = ?5
                 WHERE channel = ?1 AND target_key = ?2 AND action = ?3 AND state < 2",
                params![sending.channel, sending.target_key, sending.action, reason, tx.now.0],
            )?;
            tx.run("UPDATE outbox SET error = ?2 WHERE seq = ?1", params![seq, error])?;
            if let Some(notice) = notice {
                finished.notice = Some(become_notice(tx, seq, notice)?);
            }
        }
        SendResult::Dead { reason, error } => work::bury_row(tx, seq, reason, error)?,
        SendResult::TargetGone { error } => gone::leave(tx, sending.channel, &sending.target_key, error)?,
        SendResult::Migrated { to } => {
            tx.run("UPDATE outbox SET state = 0, claim = NULL, due_at = ?2 WHERE seq = ?1", params![seq, tx.now.0])?;
            finished.moved = if *to.key == *sending.target_key {
                moves::readdress(tx, sending.channel, seq, to)?
            } else {
                moves::migrate(tx, sending.channel, &sending.target_key, to)?
            };
        }
    }
    if let Some(next) = next {
        finished.next_claimed = matches!(claim_row(tx, next, claim)?, Claimed::Yes);
    }
    Ok(finished)
}

/// The failed row becomes the notice: so it keeps its place before the later rows of the target.
fn become_notice(tx: &Tx<'_>, seq: i64, notice: &Rendered) -> Result<OutboxRow> {
    const SQL: &str = select_outbox!("WHERE o.seq = ?1");
    let expires_at = notice.expires_in.map(|expires_in| tx.now.plus(expires_in).0);
    tx.run(
        "UPDATE outbox SET state = 0, reason = NULL, ended_at = NULL, part = 0, parts = 1, payload = ?2, plain = ?3, scopes = ?4,
                           attempts = 0, spent = 0, queued_at = ?5, due_at = ?5, expires_at = ?6, in_doubt = 0,
                           first_sent_at = NULL
         WHERE seq = ?1",
        params![seq, notice.payload, notice.plain, to_json(&notice.scopes)?, tx.now.0, expires_at],
    )?;
    let row = tx.first(SQL, [seq], |row| rows::outbox(row, tx.now))?;
    row.ok_or_else(|| StoreError::Corrupt(format!("outbox row {seq} has gone")))
}

pub(super) enum Claimed {
    Yes,
    No,
    LeaseLost,
}

/// Claims a row if it is the first open one of its target. One whose time has passed is ended instead, unless another
/// address is left to try.
pub(super) fn claim_row(tx: &Tx<'_>, seq: i64, claim: ClaimToken) -> Result<Claimed> {
    const SQL: &str = "
        SELECT o.state, o.claim IS ?2, o.expires_at, o.target,
               o.state = 1 AND EXISTS (SELECT 1 FROM leases l WHERE l.token = o.claim AND l.until > ?3),
               EXISTS (SELECT 1 FROM outbox e INDEXED BY outbox_open
                       WHERE e.channel = o.channel AND e.target_key = o.target_key AND e.state < 2 AND e.seq <> o.seq
                         AND (e.seq < o.seq OR (e.state = 1 AND EXISTS
                              (SELECT 1 FROM leases l WHERE l.token = e.claim AND l.until > ?3)))),
               EXISTS (SELECT 1 FROM leases WHERE token = ?2 AND until > ?3)
        FROM outbox o WHERE o.seq = ?1";
    struct Found {
        state: i64,
        mine: bool,
        expires_at: Option<i64>,
        target: String,
        held: bool,
        blocked: bool,
        lives: bool,
    }
    let found = tx.first(SQL, params![seq, claim.0, tx.now.0], |row| {
        Ok(Found {
            state: row.get(0)?,
            mine: row.get(1)?,
            expires_at: row.get(2)?,
            target: row.get(3)?,
            held: row.get(4)?,
            blocked: row.get(5)?,
            lives: row.get(6)?,
        })
    })?;
    let Some(row) = found.filter(|row| row.state < 2) else { return Ok(Claimed::No) };
    if !row.lives {
        return Ok(Claimed::LeaseLost);
    }
    if row.state == 1 && row.mine {
        return Ok(Claimed::Yes);
    }
    if row.held || row.blocked {
        return Ok(Claimed::No);
    }
    if row.expires_at.is_some_and(|at| at <= tx.now.0) && !has_fallback(&row.target)? {
        tx.run(
            "UPDATE outbox SET state = 4, claim = NULL, reason = 'expired', ended_at = ?2 WHERE seq = ?1",
            params![seq, tx.now.0],
        )?;
        return Ok(Claimed::No);
    }
    tx.run(
        "UPDATE outbox SET in_doubt = in_doubt OR state = 1, state = 1, claim = ?2, first_sent_at = coalesce(first_sent_at, ?3)
         WHERE seq = ?1",
        params![seq, claim.0, tx.now.0],
    )?;
    Ok(Claimed::Yes)
}
