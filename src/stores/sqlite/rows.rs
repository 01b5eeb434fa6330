//! Rows into values.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;

use crate::contract::store::{OutboxRow, Result, StoreError};
use crate::model::outbound::Lane;
use crate::model::turn::{Ask, AskState, Outcome, Reason, Turn, TurnEvent, TurnState, TurnView};
use crate::model::{
    BotName, ChannelId, Contact, ContactId, ContactKey, EventKey, Lang, Mode, OutboundAction, Target, Timestamp, TurnId,
};

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A count or a size, which SQLite keeps signed.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is negative")))
}

/// How much longer until `at`.
pub(super) fn until(at: i64, now: Timestamp) -> Duration {
    Timestamp(at).since(now)
}

fn column<'a>(row: &'a Row<'_>, index: usize) -> Result<&'a str> {
    Ok(row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?)
}

fn reason(text: Option<String>) -> Result<Option<Reason>> {
    text.map(|text| Reason::from_stored(&text).ok_or_else(|| StoreError::Corrupt(format!("reason `{text}`"))))
        .transpose()
}

/// The columns that [`contact`] reads, of `contacts c`.
macro_rules! contact_columns {
    () => {
        "c.id, c.key, c.base_uid, c.generation, c.nickname, c.lang, c.mode, c.target, c.noticed"
    };
}
pub(super) use contact_columns;

pub(super) fn contact(row: &Row<'_>) -> Result<Contact> {
    Ok(Contact {
        id: ContactId(row.get(0)?),
        key: ContactKey::from_stored(column(row, 1)?),
        base_uid: row.get(2)?,
        generation: row.get(3)?,
        nickname: row.get(4)?,
        lang: row.get::<_, Option<String>>(5)?.and_then(|tag| Lang::from_tag(&tag)),
        mode: Mode::from_stored(column(row, 6)?),
        target: json(column(row, 7)?)?,
        noticed: row.get(8)?,
    })
}

/// `SELECT` of what [`turn`] reads, with the rest of the statement.
macro_rules! select_turn {
    ($rest:literal) => {
        concat!(
            "SELECT t.seq, t.id, ch.name, bo.name, t.contact, t.target, t.version, t.addressed, t.received_at, t.due_at, \
             t.attempts, t.spent, t.verdict FROM turns t JOIN names ch ON ch.id = t.channel JOIN names bo ON bo.id = t.bot ",
            $rest
        )
    };
}
pub(super) use select_turn;

/// A turn without its events and asks.
pub(super) fn turn(row: &Row<'_>, now: Timestamp) -> Result<Turn> {
    Ok(Turn {
        seq: row.get(0)?,
        id: TurnId::from_bytes(row.get(1)?),
        channel: ChannelId::new(column(row, 2)?),
        bot: BotName::new(column(row, 3)?),
        contact: ContactId(row.get(4)?),
        target: json(column(row, 5)?)?,
        events: Vec::new(),
        version: row.get(6)?,
        addressed: row.get(7)?,
        received_at: Timestamp(row.get(8)?),
        due_in: until(row.get(9)?, now),
        attempts: row.get(10)?,
        spent: duration(row.get(11)?),
        verdict: reason(row.get(12)?)?,
        asks: Vec::new(),
    })
}

/// Fills in the events and asks.
pub(super) fn fill(conn: &Connection, turn: &mut Turn, now: Timestamp) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT key, body FROM journal WHERE turn = ?1 AND kind = 0 ORDER BY n")?;
    let mut rows = statement.query([turn.seq])?;
    while let Some(row) = rows.next()? {
        turn.events.push(TurnEvent { key: EventKey::new(column(row, 0)?), event: json(column(row, 1)?)? });
    }
    let mut statement =
        conn.prepare_cached("SELECT n, state, uid, asked_at, answer, reason FROM asks WHERE turn = ?1 ORDER BY n")?;
    let mut rows = statement.query([turn.seq])?;
    while let Some(row) = rows.next()? {
        turn.asks.push(Ask {
            n: row.get(0)?,
            state: ask_state(row.get(1)?, row.get(4)?, row.get(5)?)?,
            uid: row.get(2)?,
            age: now.since(Timestamp(row.get(3)?)),
        });
    }
    Ok(())
}

fn ask_state(number: i64, answer: Option<String>, failed: Option<String>) -> Result<AskState> {
    Ok(match number {
        0 => AskState::Open,
        1 => AskState::Ambiguous,
        2 => AskState::NotProcessed,
        3 => AskState::Answered(answer.unwrap_or_default()),
        4 => AskState::Failed(reason(failed)?.unwrap_or(Reason::Refused)),
        other => return Err(StoreError::Corrupt(format!("state {other} of an ask"))),
    })
}

/// The columns `state, answer, reason` of an ask.
pub(super) fn ask_columns(state: &AskState) -> (i64, Option<&str>, Option<&'static str>) {
    match state {
        AskState::Open => (0, None, None),
        AskState::Ambiguous => (1, None, None),
        AskState::NotProcessed => (2, None, None),
        AskState::Answered(text) => (3, Some(text), None),
        AskState::Failed(reason) => (4, None, Some(reason.as_str())),
    }
}

/// The view of a turn.
pub(super) fn view(conn: &Connection, id: TurnId) -> Result<Option<Arc<TurnView>>> {
    const SQL: &str = "SELECT t.seq, ch.name, t.contact, t.state, t.outcome, t.reason, t.received_at
                       FROM turns t JOIN names ch ON ch.id = t.channel WHERE t.id = ?1";
    let found = crate::stores::sqlite::tx::first(conn, SQL, [id.as_bytes()], |row| {
        let (outcome, reason): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
        let view = TurnView {
            id,
            channel: ChannelId::new(column(row, 1)?),
            contact: ContactId(row.get(2)?),
            state: TurnState::from_number(row.get(3)?),
            outcome: outcome.and_then(|outcome| Outcome::from_stored(&outcome, reason.as_deref())),
            received_at: Timestamp(row.get(6)?),
            replies: Vec::new(),
        };
        Ok((row.get::<_, i64>(0)?, view))
    })?;
    let Some((seq, mut view)) = found else { return Ok(None) };
    view.replies = replies(conn, seq)?;
    Ok(Some(Arc::new(view)))
}

/// What was said to a turn and is not forgotten.
pub(super) fn replies(conn: &Connection, seq: i64) -> Result<Vec<OutboundAction>> {
    let mut statement =
        conn.prepare_cached("SELECT body FROM journal WHERE turn = ?1 AND kind = 1 AND body IS NOT NULL ORDER BY n")?;
    let mut rows = statement.query([seq])?;
    let mut replies = Vec::new();
    while let Some(row) = rows.next()? {
        replies.push(json(column(row, 0)?)?);
    }
    Ok(replies)
}

/// `SELECT` of what [`outbox`] reads, with the rest of the statement.
macro_rules! select_outbox {
    ($rest:literal) => {
        concat!(
            "SELECT o.seq, t.id, o.action, o.part, o.parts, ch.name, o.target, o.lane, o.payload, o.plain, o.scopes, \
             o.attempts, o.spent, o.due_at, o.in_doubt OR o.state = 1, o.first_sent_at \
             FROM outbox o JOIN names ch ON ch.id = o.channel LEFT JOIN turns t ON t.seq = o.turn ",
            $rest
        )
    };
}
pub(super) use select_outbox;

pub(super) fn outbox(row: &Row<'_>, now: Timestamp) -> Result<OutboxRow> {
    Ok(OutboxRow {
        seq: row.get(0)?,
        turn: row.get::<_, Option<[u8; 16]>>(1)?.map(TurnId::from_bytes),
        action: row.get(2)?,
        part: row.get(3)?,
        parts: row.get(4)?,
        channel: ChannelId::new(column(row, 5)?),
        target: json(column(row, 6)?)?,
        lane: Lane::from_number(row.get(7)?),
        payload: row.get(8)?,
        plain: row.get(9)?,
        scopes: json(column(row, 10)?)?,
        attempts: row.get(11)?,
        spent: duration(row.get(12)?),
        due_in: until(row.get(13)?, now),
        in_doubt: row.get(14)?,
        first_sent_ago: row.get::<_, Option<i64>>(15)?.map(|at| now.since(Timestamp(at))),
    })
}

/// Whether a call to this target may be made though its time has passed.
pub(super) fn has_fallback(target: &str) -> Result<bool> {
    Ok(json::<Target>(target)?.fallback.is_some())
}

/// What was read, and the numbers of the rows that could not be, each with the reason.
pub(super) type Sorted<T> = (Vec<T>, Vec<(i64, String)>);

/// Reads all rows of a statement; what cannot be read is told apart by its number, which is the first column.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Sorted<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(value) => good.push(value),
            Err(StoreError::Corrupt(error)) => bad.push((row.get(0)?, error)),
            Err(error) => return Err(error),
        }
    }
    Ok((good, bad))
}

/// One contact by its number.
pub(super) fn contact_by_id(conn: &Connection, id: i64) -> Result<Option<Arc<Contact>>> {
    const SQL: &str = concat!("SELECT ", contact_columns!(), " FROM contacts c WHERE c.id = ?1");
    crate::stores::sqlite::tx::first(conn, SQL, params![id], |row| contact(row).map(Arc::new))
}

/// A page's size as SQLite takes it.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
