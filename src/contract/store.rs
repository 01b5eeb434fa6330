//! The store's contract: whole state changes, one trait per reader.
//!
//! - Every method that changes something is one commit (several callers' changes may share one). When it returns, the
//!   change is on disk; when it fails, nothing has changed.
//! - Writes to a claimed row carry the claim's token. A stale token answers [`StoreError::LeaseLost`], never a change.
//! - Durations, not instants, cross the contract: the store has the clock. (What is only shown to people may be an instant.)
//! - No transaction stays open during I/O.
//! - Dropping a future of this contract does not undo the change that it asked for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::capabilities::{Delivery, Overflow};
use crate::model::outbound::{Lane, OutboundAction, Rendered, Target};
use crate::model::turn::{Ask, AskState, Outcome, Reason, Turn, TurnState, TurnView};
use crate::model::{BotName, ChannelId, Contact, ContactId, ContactKey, EventKey, Incoming, Lang, MediaId, Mode, Timestamp, TurnId};

/// The fencing token of a claimant: the token of its lease. Later leases have larger tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimToken(pub i64);

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The claim or lease is somebody else's by now, or the row has ended. Drop the work: its new owner goes on.
    #[error("the claim has passed to somebody else")]
    LeaseLost,
    /// An unclaimed turn is no longer what the caller has read: more events joined. Nothing was changed; read it again.
    #[error("the turn has changed meanwhile")]
    Changed,
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// The byte budget of media is used up; retry later.
    #[error("the media budget of {budget} bytes is used up\nhint: raise `store.media_budget` or lower `store.retention`")]
    MediaFull { budget: u64 },
    /// The database cannot take the change now (disk full, I/O error, busy). Nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database is not what this version can use: newer schema, damaged file, wrong file, in use by another bridge.
    #[error("{0}")]
    Unusable(String),
    /// A stored value cannot be read back.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// All of it, as the pipeline holds it.
pub trait Store: Intake + Turns + Outbox + Contacts + Leases + Journal + Media + Kv + Upkeep {}

impl<T: Intake + Turns + Outbox + Contacts + Leases + Journal + Media + Kv + Upkeep> Store for T {}

// ── Intake ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// One event with all that the store needs to place it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub channel: ChannelId,
    pub bot: BotName,
    pub incoming: Incoming,
    /// The contact's key, and the uid it gets if it is seen for the first time.
    pub contact: ContactKey,
    pub uid: Arc<str>,
    /// The id of the turn, if a new one is opened.
    pub turn: TurnId,
    /// Decided before the store was asked (the per-user rate): the turn ends with a notice of this reason.
    pub verdict: Option<Reason>,
    /// How many open turns the contact may have before this event counts as an overflow.
    pub max_pending: u32,
    pub overflow: Overflow,
}

/// What became of an event.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// A new turn, to be dispatched; with the contact as it now stands.
    Opened { turn: Box<Turn>, contact: Arc<Contact> },
    /// Joined a held turn. `due_in` is how much longer that is held, counted from this event.
    Joined { turn: TurnId, seq: i64, due_in: Duration },
    /// An edit replaced the text of a turn that nobody had begun; the turn's `seq`.
    Replaced { turn: TurnId, seq: i64 },
    /// Recorded, and its turn has ended at once without a word (a further overflow; an edit that came too late).
    Ended { turn: TurnId, reason: Reason },
    /// The event key was seen before; the turn it belongs to, if that is still stored, and the channel's note.
    Duplicate { turn: Option<TurnId>, note: Option<String> },
    /// [`Overflow::Refuse`]: nothing was stored.
    Refused { reason: Reason },
}

#[async_trait]
pub trait Intake: Send + Sync {
    /// Stores events, in order, and the cursor, in one commit. The answers are in the order of the events.
    ///
    /// Of one event: a known `(channel, key)` is a duplicate. A contact that is new is created; a changed nickname or
    /// target is updated, and the platform's language is taken where the contact has none. A `group` joins the contact's
    /// turn of that group if it is pending, unclaimed, never attempted and has no verdict; `addressed` is or-ed, its due time
    /// becomes now + `not_before` if that is later, its `version` grows. `Edit { of }` replaces the message of event `of` if its turn is pending and never attempted (its
    /// `version` grows), else ends as `EditedTooLate`. An event whose key is known is a duplicate before all else. With `max_pending` open turns: `Refuse` stores nothing; `Notice` opens a turn with the verdict
    /// `TooManyPending`, or, while such a turn is open, ends the event as `Ended`. A given `verdict` while a turn of the
    /// same verdict is open for the contact: `Ended` too (one notice per burst).
    async fn accept(&self, events: Vec<NewEvent>, cursor: Option<(String, String)>) -> Result<Vec<Accepted>>;

    /// The cursor that was last stored for a source.
    async fn cursor(&self, source: &str) -> Result<Option<String>>;
}

// ── Turns ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Begins an ask: the claim of the turn rides in the same commit.
#[derive(Clone, Debug)]
pub struct BeginAsk {
    pub seq: i64,
    pub claim: ClaimToken,
    /// 0 for the first ask of the turn.
    pub n: u16,
    /// What the caller believes; when it is no longer so the answer is [`Begun::Changed`].
    pub version: u32,
    pub generation: u32,
    pub uid: Arc<str>,
    /// Digest of the text asked, for counting equal texts in a recovery.
    pub digest: [u8; 16],
}

#[derive(Clone, Debug)]
pub enum Begun {
    /// `asked_at` is committed: make the call.
    Yes,
    /// More events joined or the contact changed meanwhile; nothing was committed. Look again.
    Changed { turn: Box<Turn>, contact: Arc<Contact> },
    /// An earlier turn of this contact has not ended; nothing was committed.
    NotYet,
    /// The turn has ended or somebody else has claimed it: forget it.
    Gone,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct AskResult {
    pub n: u16,
    pub state: AskState,
}

/// Ends a turn.
#[derive(Clone, Debug)]
pub struct FinishTurn {
    pub seq: i64,
    pub claim: ClaimToken,
    /// The version that the caller has read. A turn that nobody has claimed and that has another one by now is not ended
    /// ([`StoreError::Changed`]): what joined would be lost unseen. `None` ends it all the same.
    pub version: Option<u32>,
    /// The last ask's result, if there was one.
    pub ask: Option<AskResult>,
    pub outcome: Outcome,
    /// What is said, in order, each with the calls it was rendered to (none for [`Delivery::Pull`]).
    pub said: Vec<Said>,
    pub contact: ContactChange,
    /// The caller has reserved the target's lane and will send the first row at once: it is committed as claimed.
    pub claim_first: bool,
}

#[derive(Clone, Debug)]
pub struct Said {
    pub action: OutboundAction,
    pub delivery: Delivery,
    pub calls: Vec<Rendered>,
}

/// What a turn changes about its contact. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ContactChange {
    /// Start a new generation of the uid.
    pub reset: bool,
    pub lang: Option<Lang>,
    /// `Some(None)` forgets the notice: the conversation goes well again.
    pub noticed: Option<Option<Arc<str>>>,
}

impl ContactChange {
    pub fn is_nothing(&self) -> bool {
        !self.reset && self.lang.is_none() && self.noticed.is_none()
    }
}

#[derive(Clone, Debug)]
pub struct Finished {
    pub view: Arc<TurnView>,
    /// The outbox rows, in order.
    pub rows: Vec<OutboxRow>,
    /// Whether the first row is claimed: it was asked for, the lease lives, and no other row of its target is open.
    pub first_claimed: bool,
    /// The contact, if it was changed.
    pub contact: Option<Arc<Contact>>,
}

/// Counts equal texts for the recovery of an ambiguous ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EqualAsks {
    /// Asks of this contact and uid with this digest that were answered, the one in question not counted.
    pub answered: u32,
    /// Attempts of such asks, other than the one in question, that may have been processed without our knowing.
    pub doubtful: u32,
}

#[async_trait]
pub trait Turns: Send + Sync {
    /// Turns to work on: pending, or claimed by a claimant whose lease has ended; in order of `seq`, after `after`, at
    /// most `limit`. Their `asks` are filled in. What is held is included, with its `due_in`.
    async fn runnable(&self, after: i64, limit: usize) -> Result<Vec<Turn>>;

    /// The same, limited to what another process may have made runnable since the last call; empty, at next to no cost,
    /// when no other process wrote.
    async fn foreign(&self, limit: usize) -> Result<Vec<Turn>>;

    /// One turn as it stands, if it has not ended, with its contact.
    async fn turn(&self, seq: i64) -> Result<Option<(Turn, Arc<Contact>)>>;

    async fn begin_ask(&self, begin: BeginAsk) -> Result<Begun>;

    /// Commits the result of an ask that is not the turn's last, or that the turn does not end with. An ask that failed
    /// before it was begun (a picture that cannot be read) is recorded as well. A turn that nobody has claimed is claimed.
    async fn finish_ask(&self, seq: i64, claim: ClaimToken, result: AskResult) -> Result<()>;

    /// Asks with this digest to this uid in the last `within`.
    async fn equal_asks(&self, seq: i64, n: u16, uid: &str, digest: [u8; 16], within: Duration) -> Result<EqualAsks>;

    /// Ends a turn: result of the last ask, outcome, journal, outbox rows and the contact's change in one commit. A turn
    /// that was never claimed (a command, a notice), or whose claimant's lease has ended, may be finished by any claimant
    /// unless an earlier turn of its contact is open or somebody else has claimed it: then `LeaseLost`. The same goes for
    /// `finish_ask` and `release_turn`.
    async fn finish_turn(&self, finish: FinishTurn) -> Result<Finished>;

    /// Gives a turn back: pending again, due after `delay`, unclaimed. `ask` is recorded first. With `spent`, one failed
    /// attempt and the time it took are counted.
    async fn release_turn(
        &self,
        seq: i64,
        claim: ClaimToken,
        ask: Option<AskResult>,
        delay: Duration,
        spent: Option<Duration>,
    ) -> Result<()>;

    /// Replaces the place of media after they were fetched: the whole event, by its key. An event that was edited
    /// meanwhile, or whose turn has ended, is left as it is.
    async fn put_event(&self, seq: i64, event: &crate::model::turn::TurnEvent) -> Result<()>;

    /// The turn as the outside sees it.
    async fn view(&self, id: TurnId) -> Result<Option<Arc<TurnView>>>;

    /// The turn that an event key belongs to, with the channel's note.
    async fn turn_of(&self, channel: &ChannelId, key: &EventKey) -> Result<Option<(TurnId, Option<String>)>>;

    /// Resolves when the turn has ended, at once if it has by then. Register before `accept` to miss nothing; the future
    /// holds no connection. Pending for ever for a turn that does not exist.
    fn watch(&self, id: TurnId) -> TurnWatch;
}

/// Resolves to the ended turn.
pub type TurnWatch = std::pin::Pin<Box<dyn Future<Output = Arc<TurnView>> + Send>>;

// ── Outbox ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// One row = one platform call.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub seq: i64,
    /// The turn it answers; none for what was spoken first.
    pub turn: Option<TurnId>,
    /// The journal's number of the action that it is a part of, and its place in it.
    pub action: i64,
    pub part: u16,
    /// How many parts the action has.
    pub parts: u16,
    pub channel: ChannelId,
    pub target: Target,
    pub lane: Lane,
    /// What to send now: the payload, or the plain fallback once that was chosen.
    pub payload: String,
    pub plain: Option<String>,
    pub scopes: Vec<String>,
    pub attempts: u32,
    pub spent: Duration,
    /// How much longer it must wait.
    pub due_in: Duration,
    /// An earlier send of this row ended without telling whether it arrived (or the process died in it).
    pub in_doubt: bool,
    /// How long ago the first send began, for a platform that dedupes within a window.
    pub first_sent_ago: Option<Duration>,
}

/// How a send ended.
#[derive(Clone, Debug)]
pub enum SendResult {
    /// With the platform's ids of what was sent.
    Sent { ids: Vec<String> },
    /// Try again after the delay. With `in_doubt`, the call may have arrived.
    Retry { delay: Duration, spent: Duration, in_doubt: bool, error: String },
    /// Send `plain` instead, at once.
    Plain,
    /// Drop this row and the rest of its action; say `notice` instead, if given, as one row at the same place.
    GiveUp { reason: &'static str, error: String, notice: Option<Rendered> },
    /// Dead-letter this row; the rows behind it go on.
    Dead { reason: &'static str, error: String },
    /// Every queued row of this target ends with this reason.
    TargetGone { reason: &'static str },
    /// The target goes on elsewhere: the queued rows and the contacts move.
    Migrated { to: Target },
}

#[async_trait]
pub trait Outbox: Send + Sync {
    /// Commits actions without a turn; `false` if the dedupe key was seen on this channel. Push actions wait to be
    /// rendered ([`Outbox::unrendered`]).
    async fn enqueue(&self, announcement: crate::model::outbound::Announcement, delivery: Delivery) -> Result<bool>;

    /// Actions committed by `enqueue` and not yet rendered: number, channel, target, lane, action.
    async fn unrendered(&self, limit: usize) -> Result<Vec<Unrendered>>;

    /// Commits the calls of an action; a second time changes nothing.
    async fn rendered(&self, action: i64, calls: Vec<Rendered>) -> Result<Vec<OutboxRow>>;

    /// Rows to send: queued, or claimed by a claimant whose lease has ended (those are `in_doubt`); in order of `seq`,
    /// after `after`, at most `limit`.
    async fn sendable(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>>;

    /// The same for what another process may have queued.
    async fn foreign_rows(&self, limit: usize) -> Result<Vec<OutboxRow>>;

    /// Commits that the row is about to be sent. `false`: it is not the first open row of its target, or has ended, or
    /// expired.
    async fn claim_send(&self, seq: i64, claim: ClaimToken) -> Result<bool>;

    /// Commits how a send ended, and claims `next` in the same commit. Answers whether `next` was claimed, and the notice
    /// row that `GiveUp` made.
    async fn finish_send(&self, seq: i64, claim: ClaimToken, result: SendResult, next: Option<i64>) -> Result<SendFinished>;
}

#[derive(Clone, Debug, Default)]
pub struct SendFinished {
    pub next_claimed: bool,
    pub notice: Option<OutboxRow>,
}

#[derive(Clone, Debug)]
pub struct Unrendered {
    pub action: i64,
    pub channel: ChannelId,
    pub target: Target,
    pub lane: Lane,
    pub what: OutboundAction,
}

// ── Contacts ────────────────────────────────────────────────────────────────────────────────────────────────────────

#[async_trait]
pub trait Contacts: Send + Sync {
    async fn contact(&self, id: ContactId) -> Result<Option<Arc<Contact>>>;

    async fn contact_by_key(&self, channel: &ChannelId, key: &ContactKey) -> Result<Option<Arc<Contact>>>;

    async fn set_mode(&self, id: ContactId, mode: Mode) -> Result<Arc<Contact>>;
}

// ── Leases ──────────────────────────────────────────────────────────────────────────────────────────────────────────

#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes or renews the lease `name` for `holder`. `None` while somebody else holds it. A renewal keeps the token; a
    /// taking gets a larger one than any before.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<ClaimToken>>;

    /// Ends the lease if it is still this token's. What it had claimed is runnable at once.
    async fn release(&self, name: &str, token: ClaimToken) -> Result<()>;
}

// ── Journal ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// One line of the journal: what was said, by whom, in order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The journal's number; grows.
    pub n: i64,
    pub contact: Option<ContactId>,
    pub turn: Option<TurnId>,
    pub at: Timestamp,
    pub said: Utterance,
}

#[derive(Clone, Debug)]
pub enum Utterance {
    In(crate::model::InboundEvent),
    Out(OutboundAction),
    /// The body is past its retention.
    Forgotten,
}

#[async_trait]
pub trait Journal: Send + Sync {
    /// A contact's entries after number `after`, oldest first.
    async fn entries(&self, contact: ContactId, after: i64, limit: usize) -> Result<Vec<Entry>>;

    /// A contact's last `limit` entries before number `before` (`None` = the end), oldest first.
    async fn last_entries(&self, contact: ContactId, before: Option<i64>, limit: usize) -> Result<Vec<Entry>>;

    /// Signals that the contact has new entries (a hint: read to know).
    fn watch_contact(&self, contact: ContactId) -> tokio::sync::watch::Receiver<i64>;
}

// ── Media ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#[async_trait]
pub trait Media: Send + Sync {
    /// Keeps the bytes; durable when it returns. What no event names is removed after an hour.
    async fn put_media(&self, bytes: Bytes) -> Result<MediaId>;

    async fn media(&self, id: MediaId) -> Result<Bytes>;
}

// ── Kv ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[async_trait]
pub trait Kv: Send + Sync {
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>>;
    async fn put(&self, space: &str, key: &str, value: &str) -> Result<()>;
    async fn remove(&self, space: &str, key: &str) -> Result<()>;
}

// ── Upkeep ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Bodies and media of what has ended.
    pub bodies: Duration,
    /// Event keys, beyond the bodies.
    pub keys_beyond: Duration,
    /// Media that no event names.
    pub orphans: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub bodies: u64,
    pub keys: u64,
    pub media: u64,
    pub files: u64,
}

/// What `messages list` asks for.
#[derive(Clone, Debug, Default)]
pub struct WorkFilter {
    pub channel: Option<ChannelId>,
    /// Only what was given up; else all that has not ended well: pending, claimed, dead.
    pub dead_only: bool,
    /// Only what is at least this old.
    pub older_than: Duration,
    /// 0 = all.
    pub limit: usize,
}

/// A turn or outbox row that has not ended well.
#[derive(Clone, Debug)]
pub struct WorkItem {
    pub id: WorkId,
    pub channel: ChannelId,
    pub bot: Option<BotName>,
    pub contact: Option<ContactKey>,
    pub state: TurnState,
    pub reason: Option<String>,
    pub error: Option<String>,
    pub attempts: u32,
    pub age: Duration,
    pub due_in: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkId {
    Turn(TurnId),
    /// An outbox row, shown as `out_<seq>`.
    Row(i64),
}

/// Figures for metrics and health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub turns_pending: u64,
    pub turns_claimed: u64,
    pub turns_dead: u64,
    /// Age of the oldest turn that is due and has not ended.
    pub oldest_turn: Option<Duration>,
    pub rows_queued: u64,
    pub rows_dead: u64,
    pub oldest_row: Option<Duration>,
    pub media_bytes: u64,
    /// Size of the database in bytes, with its log.
    pub store_bytes: u64,
}

#[async_trait]
pub trait Upkeep: Send + Sync {
    async fn sweep(&self, retention: Retention) -> Result<Swept>;

    async fn gauges(&self) -> Result<Gauges>;

    /// What has not ended well, oldest first.
    async fn work(&self, filter: WorkFilter) -> Result<Vec<WorkItem>>;

    /// Gives a dead or waiting item a new start: due now, attempts forgotten, its age counted from now.
    async fn retry(&self, id: WorkId) -> Result<()>;

    /// Ends an item that nobody works on as dropped by the operator.
    async fn drop_item(&self, id: WorkId) -> Result<()>;

    /// Channels that have open turns or rows, with their number: to name those that left the configuration.
    async fn channels_with_work(&self) -> Result<Vec<(ChannelId, u64)>>;

    /// Commits something small and says how long it took.
    async fn probe(&self) -> Result<Duration>;

    /// Finishes what is queued and closes. Later calls answer `Unavailable`.
    async fn close(&self);
}

/// Reads the asks of a turn out of it.
pub fn ask(turn: &Turn, n: u16) -> Option<&Ask> {
    turn.asks.iter().find(|ask| ask.n == n)
}
