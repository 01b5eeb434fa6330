//! Turns: what is asked, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::store::outbox::OutboxRow;
use crate::contract::store::{ClaimToken, Result};
use crate::model::capabilities::Delivery;
use crate::model::outbound::{OutboundAction, Rendered};
use crate::model::turn::{Ask, AskState, Outcome, Turn, TurnEvent, TurnView};
use crate::model::{ChannelId, Contact, EventKey, Lang, Mode, TurnId};

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
    pub mode: Mode,
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
    /// ([`StoreError::Changed`](super::StoreError::Changed)): what joined would be lost unseen. `None` ends it all the same.
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
    /// Attempts of such asks that may have been processed without our knowing. Earlier attempts of the ask in question are
    /// not counted: whichever of its attempts was processed, its answer is the answer.
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
    /// `finish_ask` and `release_turn`. Rows for a target that is gone end at once, and are not among
    /// [`Finished::rows`].
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
    async fn put_event(&self, seq: i64, event: &TurnEvent) -> Result<()>;

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

/// Reads the asks of a turn out of it.
pub fn ask(turn: &Turn, n: u16) -> Option<&Ask> {
    turn.asks.iter().find(|ask| ask.n == n)
}
