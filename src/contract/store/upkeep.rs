//! Forgetting, counting, and an operator's hand.

use std::time::Duration;

use async_trait::async_trait;

use crate::contract::store::Result;
use crate::model::turn::TurnState;
use crate::model::{BotName, ChannelId, ContactKey, TurnId};

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
    /// Also the rows that ended as `target_gone`. They count as no dead letters, and can be retried like those.
    pub gone: bool,
    /// Only what is at least this old.
    pub older_than: Duration,
    /// 0 = all.
    pub limit: usize,
}

/// A turn or outbox row that has not ended well.
#[derive(Clone, Debug)]
pub struct WorkItem {
    pub id: WorkId,
    /// The turn that a row answers.
    pub turn: Option<TurnId>,
    pub channel: ChannelId,
    pub bot: Option<BotName>,
    pub contact: Option<ContactKey>,
    pub state: TurnState,
    pub reason: Option<String>,
    pub error: Option<String>,
    /// With the one that ended it.
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

/// Changes that a store could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How many, each within a minute of the one before.
    pub failures: u32,
    /// How long ago the last one was.
    pub last: Duration,
    /// What was wrong with the last one.
    pub error: String,
}

#[async_trait]
pub trait Upkeep: Send + Sync {
    async fn sweep(&self, retention: Retention) -> Result<Swept>;

    async fn gauges(&self) -> Result<Gauges>;

    /// What this process's store could not take in the last minute, if anything.
    fn trouble(&self) -> Option<Trouble>;

    /// What has not ended well, oldest first.
    async fn work(&self, filter: WorkFilter) -> Result<Vec<WorkItem>>;

    /// Gives a dead or waiting item a new start: due now, attempts forgotten, its age counted from now. A row that ended as
    /// `target_gone` as well: its target counts as there again, until the platform says otherwise.
    async fn retry(&self, id: WorkId) -> Result<()>;

    /// Ends an item that nobody works on as dropped by the operator; a row that ended as `target_gone` is no longer listed.
    async fn drop_item(&self, id: WorkId) -> Result<()>;

    /// Channels that have open turns or rows, with their number: to name those that left the configuration.
    async fn channels_with_work(&self) -> Result<Vec<(ChannelId, u64)>>;

    /// Commits something small and says how long it took.
    async fn probe(&self) -> Result<Duration>;

    /// Finishes what is queued and closes. Later calls answer `Unavailable`.
    async fn close(&self);
}
