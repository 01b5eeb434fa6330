//! Events in.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::store::Result;
use crate::model::capabilities::Overflow;
use crate::model::turn::{Reason, Turn};
use crate::model::{BotName, ChannelId, Contact, ContactId, ContactKey, Incoming, Target, TurnId};

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
    /// Decided before the store was asked (the access lists): recorded by its key alone, and ended at once without a word.
    pub dropped: Option<Reason>,
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
    Joined { turn: TurnId, contact: ContactId, seq: i64, due_in: Duration },
    /// An edit replaced the text of a turn that nobody had begun; the turn's `seq`.
    Replaced { turn: TurnId, contact: ContactId, seq: i64 },
    /// The bot may not write to the target any more: what waited for it has ended with `target_gone`. The event's own turn
    /// has ended too.
    Left { turn: TurnId, target: Arc<str> },
    /// A chat goes on elsewhere, and everything with it; with the contacts as they now stand. The event's own turn has ended.
    Moved { turn: TurnId, from: Arc<str>, to: Target, contacts: Vec<Arc<Contact>> },
    /// Recorded, and its turn has ended at once without a word (a further overflow; an edit that came too late; access).
    Ended { turn: TurnId, reason: Reason },
    /// The event key was seen before; the turn it belongs to, if that is still stored, and the channel's note.
    Duplicate { turn: Option<TurnId>, note: Option<String> },
    /// [`Overflow::Refuse`]: nothing was stored.
    Refused { reason: Reason },
}

#[async_trait]
pub trait Intake: Send + Sync {
    /// Stores events, in order, and cursors (sources with theirs; of one source the last counts), in one commit. The answers
    /// are in the order of the events.
    ///
    /// Of one event: a known `(channel, key)` is a duplicate. A contact that is new is created; a changed nickname or
    /// target is updated, and the platform's language is taken where the contact has none. A `group` joins the contact's
    /// turn of that group if it is pending, unclaimed, never attempted and has no verdict; `addressed` is or-ed, its due time
    /// becomes now + `not_before` if that is later, its `version` grows. `Edit { of }` replaces the message of event `of` if
    /// its turn is pending and never attempted (its `version` grows); later it opens a turn like a message if it is to be
    /// asked ([`LateEdit::Ask`](crate::model::LateEdit)), `of` is known as the contact's and said something else (or what it
    /// said is forgotten). With `or_new` and an unknown `of` it is a message of that key. Otherwise it ends as `EditedTooLate`. An event whose key is known is a duplicate before all else.
    /// With `max_pending` open turns: `Refuse` stores nothing; `Notice` opens a turn with the verdict `TooManyPending`, or,
    /// while such a turn is open, ends the event as `Ended`. A given `verdict` while a turn of the same verdict is open for
    /// the contact: `Ended` too (one notice per burst).
    ///
    /// `Membership` `Removed` and `Blocked` make the event's target gone, in any case: its queued rows, what is not rendered
    /// yet, and the open turns that nobody has claimed end with `target_gone`. Until any other event comes from the target,
    /// what is committed for it ends in the same way. `Migration { to }` moves the contacts, open turns, rows and what is not
    /// rendered from the event's target to `to`. A contact that `to` has already keeps its own conversation.
    async fn accept(&self, events: Vec<NewEvent>, cursors: Vec<(String, String)>) -> Result<Vec<Accepted>>;

    /// The cursor that was last stored for a source.
    async fn cursor(&self, source: &str) -> Result<Option<String>>;

    /// The sources that begin with `prefix`, byte by byte, with their cursors; sorted by source.
    async fn cursors(&self, prefix: &str) -> Result<Vec<(String, String)>>;

    /// Forgets the cursors of these sources, in one commit; one that has none is passed over.
    async fn forget_cursors(&self, sources: Vec<String>) -> Result<()>;
}
