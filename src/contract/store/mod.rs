//! The store's contract: whole state changes, one trait per reader.
//!
//! - Every method that changes something is one commit (several callers' changes may share one). When it returns, the
//!   change is on disk; when it fails, nothing has changed.
//! - Writes to a claimed row carry the claim's token. A stale token answers [`StoreError::LeaseLost`], never a change.
//! - Durations, not instants, cross the contract: the store has the clock. (What is only shown to people may be an instant.)
//! - No transaction stays open during I/O.
//! - Dropping a future of this contract does not undo the change that it asked for.

mod intake;
mod journal;
mod keep;
mod outbox;
mod turns;
mod upkeep;

pub use intake::{Accepted, Intake, NewEvent};
pub use journal::{Entry, Journal, Utterance};
pub use keep::{Contacts, Kv, Leases, Media};
pub use outbox::{Outbox, OutboxRow, SendFinished, SendResult, Unrendered};
pub use turns::{
    AskResult, BeginAsk, Begun, ContactChange, EqualAsks, FinishTurn, Finished, Said, TurnWatch, Turns, ask,
};
pub use upkeep::{Gauges, Retention, Swept, Trouble, Upkeep, WorkFilter, WorkId, WorkItem};

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
    #[error(
        "the media budget of {budget} bytes is used up\nhint: raise `store.media_budget` or lower `store.retention`"
    )]
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
