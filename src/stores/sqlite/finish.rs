//! The end of a turn, in one commit: the last ask, the outcome, what is said, its calls, the contact.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use crate::contract::store::{ContactChange, FinishTurn, Finished, OutboxRow, Result, StoreError};
use crate::model::capabilities::Delivery;
use crate::model::clock::millis;
use crate::model::outbound::{Lane, OutboundAction, Rendered, Target};
use crate::model::turn::{Outcome, TurnView};
use crate::model::{ChannelId, Contact, ContactId, TurnId};
use crate::stores::sqlite::gone;
use crate::stores::sqlite::hold::{Hold, owned, record_ask};
use crate::stores::sqlite::intake::refer;
use crate::stores::sqlite::rows::{self, json, to_json};
use crate::stores::sqlite::tx::{Effect, Tx};

/// The end with what can be prepared before the writer's thread has it.
pub(super) struct Prepared {
    end: FinishTurn,
    /// The actions as stored.
    bodies: Vec<String>,
}

impl Prepared {
    pub(super) fn new(end: FinishTurn) -> Result<Self> {
        let bodies = end.said.iter().map(|said| to_json(&said.action)).collect::<Result<_>>()?;
        Ok(Self { end, bodies })
    }

    pub(super) fn commit(&self, tx: &mut Tx<'_>) -> Result<Finished> {
        let end = &self.end;
        let hold = owned(tx, end.seq, end.claim)?;
        if !hold.mine && end.version.is_some_and(|version| version != hold.version) {
            return Err(StoreError::Changed);
        }
        if let Some(ask) = &end.ask {
            record_ask(tx, &hold, ask)?;
        }
        let contact = change_contact(tx, hold.contact, &end.contact)?;
        let reason = end.outcome.reason().map(|reason| reason.as_str());
        tx.run(
            "UPDATE turns SET state = ?2, claim = NULL, outcome = ?3, reason = ?4, ended_at = ?5, attempts = attempts + ?6
             WHERE seq = ?1",
            params![hold.seq, end.outcome.state().as_number(), end.outcome.as_str(), reason, tx.now.0, end.ask.is_some()],
        )?;
        let (rows, first_claimed) = self.say(tx, &hold)?;
        let mut replies: Vec<OutboundAction> = end.said.iter().map(|said| said.action.clone()).collect();
        if hold.retries > 0 {
            replies = rows::replies(tx.conn, hold.seq)?;
        }
        let view = view(&hold, end.outcome, replies);
        tx.effect(Effect::Ended(Arc::clone(&view)));
        Ok(Finished { view, rows, first_claimed, contact })
    }

    fn say(&self, tx: &mut Tx<'_>, hold: &Hold) -> Result<(Vec<OutboxRow>, bool)> {
        let end = &self.end;
        if end.said.is_empty() {
            return Ok((Vec::new(), false));
        }
        let target: Target = json(&hold.target)?;
        let gone = gone::why(tx, hold.channel, &target.key)?;
        let mut claim = end.claim_first && hold.lives && gone.is_none() && !is_open(tx, hold.channel, &target.key)?;
        let place = Place {
            channel: hold.channel,
            channel_name: &hold.channel_name,
            turn: Some((hold.seq, hold.id)),
            target: &target,
            target_json: &hold.target,
            lane: Lane::Reply,
        };
        let (mut rows, mut first_claimed) = (Vec::new(), false);
        for (said, body) in end.said.iter().zip(&self.bodies) {
            let n = record_action(tx, hold.channel, Some(hold.contact), Some(hold.seq), &said.action, body)?;
            if said.delivery == Delivery::Pull {
                continue;
            }
            for (part, call) in (0_u16..).zip(&said.calls) {
                let claimed = std::mem::take(&mut claim).then_some(end.claim.0);
                first_claimed |= claimed.is_some();
                rows.push(insert_row(tx, &place, n, (part, said.calls.len()), call, claimed)?);
            }
        }
        if let Some(error) = gone {
            gone::refuse_rows(tx, hold.channel, &std::mem::take(&mut rows), &error)?;
        }
        Ok((rows, first_claimed))
    }
}

fn view(hold: &Hold, outcome: Outcome, replies: Vec<OutboundAction>) -> Arc<TurnView> {
    Arc::new(TurnView {
        id: hold.id,
        channel: hold.channel_name.clone(),
        contact: hold.contact,
        state: outcome.state(),
        outcome: Some(outcome),
        received_at: hold.received_at,
        replies,
    })
}

fn change_contact(tx: &Tx<'_>, id: ContactId, change: &ContactChange) -> Result<Option<Arc<Contact>>> {
    if change.is_nothing() {
        return Ok(None);
    }
    tx.run(
        "UPDATE contacts SET generation = generation + ?2, lang = coalesce(?3, lang),
                             noticed = CASE WHEN ?4 THEN ?5 ELSE noticed END
         WHERE id = ?1",
        params![
            id.0,
            change.reset,
            change.lang.map(|lang| lang.tag()),
            change.noticed.is_some(),
            change.noticed.clone().flatten()
        ],
    )?;
    rows::contact_by_id(tx.conn, id.0)
}

/// Whether a row of the target waits or is being sent.
pub(super) fn is_open(tx: &Tx<'_>, channel: i64, target: &str) -> Result<bool> {
    const SQL: &str =
        "SELECT 1 FROM outbox INDEXED BY outbox_open WHERE channel = ?1 AND target_key = ?2 AND state < 2";
    tx.exists(SQL, params![channel, target])
}

/// Writes an action of ours into the journal.
pub(super) fn record_action(
    tx: &mut Tx<'_>,
    channel: i64,
    contact: Option<ContactId>,
    turn: Option<i64>,
    action: &OutboundAction,
    body: &str,
) -> Result<i64> {
    let n = tx.insert(
        "INSERT INTO journal (contact, turn, at, kind, channel, body) VALUES (?1, ?2, ?3, 1, ?4, ?5)",
        params![contact.map(|contact| contact.0), turn, tx.now.0, channel, body],
    )?;
    if let OutboundAction::Send { media, .. } = action {
        refer(tx, n, media.iter().copied())?;
    }
    if let Some(contact) = contact {
        tx.effect(Effect::Said(contact, n));
    }
    Ok(n)
}

/// What the rows of one answer share.
pub(super) struct Place<'a> {
    pub(super) channel: i64,
    pub(super) channel_name: &'a ChannelId,
    pub(super) turn: Option<(i64, TurnId)>,
    pub(super) target: &'a Target,
    pub(super) target_json: &'a str,
    pub(super) lane: Lane,
}

/// Queues one call; `claimed`: it is being sent already.
pub(super) fn insert_row(
    tx: &Tx<'_>,
    place: &Place<'_>,
    action: i64,
    (part, parts): (u16, usize),
    call: &Rendered,
    claimed: Option<i64>,
) -> Result<OutboxRow> {
    let parts = u16::try_from(parts).unwrap_or(u16::MAX);
    let seq = tx.insert(
        "INSERT INTO outbox (channel, turn, action, part, parts, target_key, target, lane, payload, plain, scopes, state,
                             claim, queued_at, due_at, expires_at, first_sent_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, ?16)",
        params![
            place.channel,
            place.turn.map(|(seq, _)| seq),
            action,
            part,
            parts,
            &*place.target.key,
            place.target_json,
            place.lane.as_number(),
            call.payload,
            call.plain,
            to_json(&call.scopes)?,
            claimed.is_some(),
            claimed,
            tx.now.0,
            call.expires_in.map(|expires_in| tx.now.0.saturating_add(millis(expires_in))),
            claimed.map(|_| tx.now.0)
        ],
    )?;
    Ok(OutboxRow {
        seq,
        turn: place.turn.map(|(_, id)| id),
        action,
        part,
        parts,
        channel: place.channel_name.clone(),
        target: place.target.clone(),
        lane: place.lane,
        payload: call.payload.clone(),
        plain: call.plain.clone(),
        scopes: call.scopes.clone(),
        attempts: 0,
        spent: Duration::ZERO,
        due_in: Duration::ZERO,
        in_doubt: false,
        first_sent_ago: None,
    })
}
