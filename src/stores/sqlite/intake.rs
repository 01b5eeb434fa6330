//! Events in: one commit for the events of a call and the cursors behind them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params;

use crate::contract::store::{Accepted, Intake, NewEvent, Result};
use crate::model::capabilities::Overflow;
use crate::model::clock::millis;
use crate::model::inbound::{InboundEvent, LateEdit, MediaPlace, Message};
use crate::model::turn::{Outcome, Reason, Turn, TurnEvent, TurnState, TurnView};
use crate::model::{Contact, EventKey, MediaId, Target, Timestamp, TurnId};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::contacts;
use crate::stores::sqlite::cursors;
use crate::stores::sqlite::gone;
use crate::stores::sqlite::moves;
use crate::stores::sqlite::rows::{json, to_json};
use crate::stores::sqlite::tx::{Effect, Tx};

/// An event with what can be prepared before the writer's thread has it.
struct Prepared {
    event: NewEvent,
    body: String,
    target: String,
}

#[async_trait]
impl Intake for SqliteStore {
    async fn accept(&self, events: Vec<NewEvent>, cursors: Vec<(String, String)>) -> Result<Vec<Accepted>> {
        let mut prepared = Vec::with_capacity(events.len());
        for event in events {
            let (body, target) = (to_json(&event.incoming.event)?, to_json(&event.incoming.target)?);
            prepared.push(Prepared { event, body, target });
        }
        self.writer
            .write(move |tx| {
                let accepted = prepared.iter().map(|event| accept(tx, event)).collect::<Result<Vec<_>>>()?;
                cursors::keep(tx, &cursors)?;
                Ok(accepted)
            })
            .await
    }

    async fn cursor(&self, source: &str) -> Result<Option<String>> {
        let source = source.to_owned();
        self.readers.read(move |conn| cursors::of(conn, &source)).await
    }

    async fn cursors(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let prefix = prefix.to_owned();
        self.readers.read(move |conn| cursors::beginning(conn, &prefix)).await
    }

    async fn forget_cursors(&self, sources: Vec<String>) -> Result<()> {
        self.writer.write(move |tx| cursors::forget(tx, &sources)).await
    }
}

/// Where the event of a key is.
struct Known {
    turn: i64,
    id: Option<TurnId>,
    contact: Option<i64>,
    n: i64,
    note: Option<String>,
    /// The turn can still take it up: pending, unclaimed, never attempted.
    untouched: bool,
}

fn known(tx: &Tx<'_>, channel: i64, key: &EventKey) -> Result<Option<Known>> {
    const SQL: &str =
        "SELECT j.turn, t.id, j.contact, j.n, t.state = 0 AND t.begun = 0 AND t.attempts = 0 AND j.kind = 0, j.note
                       FROM journal j LEFT JOIN turns t ON t.seq = j.turn WHERE j.channel = ?1 AND j.key = ?2";
    tx.first(SQL, params![channel, key.as_str()], |row| {
        Ok(Known {
            turn: row.get::<_, Option<i64>>(0)?.unwrap_or_default(),
            id: row.get::<_, Option<[u8; 16]>>(1)?.map(TurnId::from_bytes),
            contact: row.get(2)?,
            n: row.get(3)?,
            note: row.get(5)?,
            untouched: row.get::<_, Option<bool>>(4)?.unwrap_or_default(),
        })
    })
}

fn accept(tx: &mut Tx<'_>, prepared: &Prepared) -> Result<Accepted> {
    let event = &prepared.event;
    let channel = tx.name(event.channel.as_str())?;
    if let Some(known) = known(tx, channel, &event.incoming.key)? {
        return Ok(Accepted::Duplicate { turn: known.id, note: known.note });
    }
    let contact = contacts::find(tx, channel, &event.contact)?;
    let contact_id = contact.as_ref().map(|contact| contact.id.0);

    if let Some(reason) = event.dropped {
        let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
        return end(tx, channel, prepared, &contact, reason);
    }
    match &event.incoming.event {
        InboundEvent::Membership { .. } if gone::shuts_out(&event.incoming.event) => {
            let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
            return leave(tx, channel, prepared, &contact);
        }
        InboundEvent::Migration { to } => {
            let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
            return migrate(tx, channel, prepared, &contact, to);
        }
        InboundEvent::Edit { of, message, or_new: true, .. } if known(tx, channel, of)?.is_none() => {
            return accept(tx, &as_new(prepared, of, message)?);
        }
        InboundEvent::Edit { of, message, late, .. } => match edited(tx, channel, of, contact_id, message)? {
            Edited::Untouched(edited) => {
                let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
                return replace(tx, channel, prepared, &contact, &edited, message);
            }
            Edited::Begun if *late == LateEdit::Ask => {}
            Edited::Begun | Edited::NotOurs => {
                let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
                return end(tx, channel, prepared, &contact, Reason::EditedTooLate);
            }
        },
        _ => {}
    }
    if event.verdict.is_none()
        && let Some(contact_id) = contact_id
        && let Some(held) = held(tx, contact_id, event.incoming.group.as_deref())?
    {
        let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
        return join(tx, channel, prepared, &contact, &held);
    }
    let open = match contact_id {
        Some(contact) => {
            const SQL: &str = "SELECT count(*) FROM turns INDEXED BY turns_open WHERE contact = ?1 AND state < 2";
            tx.first(SQL, [contact], |row| Ok(row.get::<_, u32>(0)?))?.unwrap_or_default()
        }
        None => 0,
    };
    let too_many = open >= event.max_pending;
    if too_many && event.overflow == Overflow::Refuse {
        return Ok(Accepted::Refused { reason: Reason::TooManyPending });
    }
    let contact = contacts::see(tx, channel, contact, event, &prepared.target)?;
    let verdict = event.verdict.or(too_many.then_some(Reason::TooManyPending));
    match verdict {
        Some(reason) if is_said_already(tx, contact.id.0, reason)? => end(tx, channel, prepared, &contact, reason),
        _ => open_turn(tx, channel, prepared, contact, verdict),
    }
}

/// An edit of what was never heard, as the message that it has become. Under that one's own key, so that the next edit finds it.
fn as_new(prepared: &Prepared, of: &EventKey, message: &Message) -> Result<Prepared> {
    let mut event = prepared.event.clone();
    event.incoming.key = of.clone();
    event.incoming.event = InboundEvent::Message(message.clone());
    Ok(Prepared { body: to_json(&event.incoming.event)?, target: prepared.target.clone(), event })
}

/// What an edit is about.
enum Edited {
    /// Something that nobody has begun to work on.
    Untouched(Known),
    Begun,
    /// Nothing that is known (it may be from before the bot was there), another's words, or no change: a platform reports
    /// an edit as well when a link has got its preview.
    NotOurs,
}

fn edited(tx: &Tx<'_>, channel: i64, of: &EventKey, contact: Option<i64>, message: &Message) -> Result<Edited> {
    let own = known(tx, channel, of)?.filter(|known| contact.is_some() && known.contact == contact);
    let Some(known) = own else { return Ok(Edited::NotOurs) };
    if known.untouched {
        return Ok(Edited::Untouched(known));
    }
    let body =
        tx.first("SELECT body FROM journal WHERE n = ?1", [known.n], |row| Ok(row.get::<_, Option<String>>(0)?))?;
    let same = match body.flatten().map(|body| json(&body)).transpose()? {
        Some(InboundEvent::Message(said)) => {
            said.text == message.text
                && said.media.iter().map(|media| media.kind).eq(message.media.iter().map(|media| media.kind))
        }
        _ => false,
    };
    Ok(if same { Edited::NotOurs } else { Edited::Begun })
}

/// The bot was shut out of the event's target.
fn leave(tx: &mut Tx<'_>, channel: i64, prepared: &Prepared, contact: &Contact) -> Result<Accepted> {
    let event = &prepared.event;
    end(tx, channel, prepared, contact, Reason::NoAnswerNeeded)?;
    let target = Arc::clone(&event.incoming.target.key);
    gone::leave(tx, channel, &target, gone::word_of(&event.incoming.event))?;
    Ok(Accepted::Left { turn: event.turn, target })
}

/// The event's target goes on elsewhere.
fn migrate(tx: &mut Tx<'_>, channel: i64, prepared: &Prepared, contact: &Contact, to: &Target) -> Result<Accepted> {
    let event = &prepared.event;
    end(tx, channel, prepared, contact, Reason::NoAnswerNeeded)?;
    let from = Arc::clone(&event.incoming.target.key);
    let contacts = moves::migrate(tx, channel, &from, to)?;
    Ok(Accepted::Moved { turn: event.turn, from, to: to.clone(), contacts })
}

struct Held {
    seq: i64,
    id: TurnId,
    due_at: i64,
}

/// The contact's turn that a member of the group may join.
fn held(tx: &Tx<'_>, contact: i64, group: Option<&str>) -> Result<Option<Held>> {
    const SQL: &str = "SELECT seq, id, due_at FROM turns INDEXED BY turns_open
                       WHERE contact = ?1 AND state < 2 AND state = 0 AND group_key = ?2
                         AND begun = 0 AND attempts = 0 AND verdict IS NULL
                       ORDER BY seq DESC LIMIT 1";
    let Some(group) = group else { return Ok(None) };
    tx.first(SQL, params![contact, group], |row| {
        Ok(Held { seq: row.get(0)?, id: TurnId::from_bytes(row.get(1)?), due_at: row.get(2)? })
    })
}

/// One notice per burst: the contact has an open turn that will say the same.
fn is_said_already(tx: &Tx<'_>, contact: i64, reason: Reason) -> Result<bool> {
    const SQL: &str = "SELECT 1 FROM turns INDEXED BY turns_open WHERE contact = ?1 AND state < 2 AND verdict = ?2";
    tx.exists(SQL, params![contact, reason.as_str()])
}

fn join(tx: &mut Tx<'_>, channel: i64, prepared: &Prepared, contact: &Contact, held: &Held) -> Result<Accepted> {
    let incoming = &prepared.event.incoming;
    let due_at = held.due_at.max(tx.now.plus(incoming.not_before).0);
    tx.run(
        "UPDATE turns SET addressed = addressed OR ?2, due_at = ?3, version = version + 1 WHERE seq = ?1",
        params![held.seq, incoming.addressed, due_at],
    )?;
    record(tx, channel, prepared, contact, held.seq)?;
    Ok(Accepted::Joined { turn: held.id, contact: contact.id, seq: held.seq, due_in: Timestamp(due_at).since(tx.now) })
}

fn replace(
    tx: &mut Tx<'_>,
    channel: i64,
    prepared: &Prepared,
    contact: &Contact,
    edited: &Known,
    message: &Message,
) -> Result<Accepted> {
    let Some(id) = edited.id else { return end(tx, channel, prepared, contact, Reason::EditedTooLate) };
    let body = to_json(&InboundEvent::Message(message.clone()))?;
    tx.run("UPDATE journal SET body = ?2 WHERE n = ?1", params![edited.n, body])?;
    tx.run("DELETE FROM media_refs WHERE entry = ?1", [edited.n])?;
    refer(tx, edited.n, stored_media(message))?;
    tx.run(
        "UPDATE turns SET version = version + 1, addressed = addressed OR ?2 WHERE seq = ?1",
        params![edited.turn, prepared.event.incoming.addressed],
    )?;
    // The edit's own key is kept, so that it is known when it is delivered again; what it said is in the event it replaced.
    tx.run(
        "INSERT INTO journal (contact, turn, at, kind, channel, key, note) VALUES (?1, ?2, ?3, 2, ?4, ?5, ?6)",
        params![
            contact.id.0,
            edited.turn,
            tx.now.0,
            channel,
            prepared.event.incoming.key.as_str(),
            prepared.event.incoming.note
        ],
    )?;
    Ok(Accepted::Replaced { turn: id, contact: contact.id, seq: edited.turn })
}

/// Records the event in a turn that has ended at once.
fn end(tx: &mut Tx<'_>, channel: i64, prepared: &Prepared, contact: &Contact, reason: Reason) -> Result<Accepted> {
    let event = &prepared.event;
    let outcome = Outcome::Dropped(reason);
    let bot = tx.name(event.bot.as_str())?;
    let seq = tx.insert(
        "INSERT INTO turns (id, channel, bot, contact, target, state, addressed, received_at, due_at, outcome, reason, ended_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?8)",
        params![
            event.turn.as_bytes(),
            channel,
            bot,
            contact.id.0,
            prepared.target,
            TurnState::Done.as_number(),
            event.incoming.addressed,
            tx.now.0,
            outcome.as_str(),
            reason.as_str()
        ],
    )?;
    record(tx, channel, prepared, contact, seq)?;
    tx.effect(Effect::Ended(Arc::new(TurnView {
        id: event.turn,
        channel: event.channel.clone(),
        contact: contact.id,
        state: TurnState::Done,
        outcome: Some(outcome),
        received_at: tx.now,
        replies: Vec::new(),
    })));
    Ok(Accepted::Ended { turn: event.turn, reason })
}

fn open_turn(
    tx: &mut Tx<'_>,
    channel: i64,
    prepared: &Prepared,
    contact: Contact,
    verdict: Option<Reason>,
) -> Result<Accepted> {
    let event = &prepared.event;
    let incoming = &event.incoming;
    // A notice waits for nobody to join.
    let (group, due_in) = match verdict {
        None => (incoming.group.as_deref(), incoming.not_before),
        Some(_) => (None, Duration::ZERO),
    };
    let bot = tx.name(event.bot.as_str())?;
    let seq = tx.insert(
        "INSERT INTO turns (id, channel, bot, contact, target, state, group_key, addressed, received_at, due_at, verdict)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10)",
        params![
            event.turn.as_bytes(),
            channel,
            bot,
            contact.id.0,
            prepared.target,
            group,
            incoming.addressed,
            tx.now.0,
            tx.now.0.saturating_add(millis(due_in)),
            verdict.map(Reason::as_str)
        ],
    )?;
    record(tx, channel, prepared, &contact, seq)?;
    tx.effect(Effect::Opened(event.turn));
    let turn = Turn {
        seq,
        id: event.turn,
        channel: event.channel.clone(),
        bot: event.bot.clone(),
        contact: contact.id,
        target: incoming.target.clone(),
        events: vec![TurnEvent { key: incoming.key.clone(), event: incoming.event.clone() }],
        version: 0,
        addressed: incoming.addressed,
        received_at: tx.now,
        due_in,
        attempts: 0,
        spent: Duration::ZERO,
        verdict,
        asks: Vec::new(),
    };
    Ok(Accepted::Opened { turn: Box::new(turn), contact: Arc::new(contact) })
}

/// Writes the event into the journal.
fn record(tx: &mut Tx<'_>, channel: i64, prepared: &Prepared, contact: &Contact, turn: i64) -> Result<()> {
    let incoming = &prepared.event.incoming;
    // What nobody will read is not kept: only that it was there.
    let body = prepared.event.dropped.is_none().then_some(&prepared.body);
    let n = tx.insert(
        "INSERT INTO journal (contact, turn, at, kind, channel, key, note, body) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7)",
        params![contact.id.0, turn, tx.now.0, channel, incoming.key.as_str(), incoming.note, body],
    )?;
    if body.is_some()
        && let InboundEvent::Message(message) | InboundEvent::Edit { message, .. } = &incoming.event
    {
        refer(tx, n, stored_media(message))?;
    }
    tx.effect(Effect::Said(contact.id, n));
    Ok(())
}

fn stored_media(message: &Message) -> impl Iterator<Item = MediaId> {
    message.media.iter().filter_map(|media| match media.place {
        MediaPlace::Stored(id) => Some(id),
        _ => None,
    })
}

/// An entry of the journal that names media keeps them.
pub(super) fn refer(tx: &Tx<'_>, entry: i64, media: impl Iterator<Item = MediaId>) -> Result<()> {
    for id in media {
        tx.run("INSERT OR IGNORE INTO media_refs (media, entry) VALUES (?1, ?2)", params![id.as_bytes(), entry])?;
    }
    Ok(())
}

/// Takes over the places of fetched media, if the event is otherwise still what was fetched for.
pub(super) fn put_event(tx: &Tx<'_>, seq: i64, event: &TurnEvent) -> Result<()> {
    const SQL: &str = "SELECT j.n, j.body FROM journal j JOIN turns t ON t.seq = j.turn
                       WHERE j.turn = ?1 AND j.kind = 0 AND j.key = ?2 AND t.state < 2";
    let found =
        tx.first(SQL, params![seq, event.key.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let Some((n, body)) = found else { return Ok(()) };
    if without_places(json(&body)?) != without_places(event.event.clone()) {
        return Ok(());
    }
    tx.run("UPDATE journal SET body = ?2 WHERE n = ?1", params![n, to_json(&event.event)?])?;
    if let InboundEvent::Message(message) | InboundEvent::Edit { message, .. } = &event.event {
        refer(tx, n, stored_media(message))?;
    }
    Ok(())
}

fn without_places(mut event: InboundEvent) -> InboundEvent {
    if let InboundEvent::Message(message) | InboundEvent::Edit { message, .. } = &mut event {
        for media in &mut message.media {
            media.place = MediaPlace::Absent;
        }
    }
    event
}
