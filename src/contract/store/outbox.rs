//! Platform calls out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::store::{ClaimToken, Result};
use crate::model::capabilities::Delivery;
use crate::model::outbound::{Announcement, Lane, OutboundAction, Rendered, Target};
use crate::model::{ChannelId, Contact, TurnId};

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
    /// Not sent, and no fault of the row: once more after the delay, without having been an attempt.
    Wait { delay: Duration, error: String },
    /// Send `plain` instead, at once.
    Plain,
    /// Drop this row and the rest of its action; say `notice` instead, if given, as one row at the same place.
    GiveUp { reason: &'static str, error: String, notice: Option<Rendered> },
    /// Dead-letter this row; the rows behind it go on.
    Dead { reason: &'static str, error: String },
    /// Every queued row of this target ends as `target_gone` with these words of the platform, as after an event that shut the
    /// bot out ([`Intake::accept`](super::Intake::accept)).
    TargetGone { error: String },
    /// The target goes on elsewhere: the queued rows and the contacts move. With the same key, only its address was refused:
    /// what has that address moves, what has another one stays.
    Migrated { to: Target },
}

#[async_trait]
pub trait Outbox: Send + Sync {
    /// Commits actions without a turn; `false` if the dedupe key was seen on this channel. Push actions wait to be
    /// rendered ([`Outbox::unrendered`]); those for a target that is gone end at once.
    async fn enqueue(&self, announcement: Announcement, delivery: Delivery) -> Result<bool>;

    /// Actions committed by `enqueue` and not yet rendered, in order, with a number beyond `after`, at most `limit`.
    async fn unrendered(&self, after: i64, limit: usize) -> Result<Vec<Unrendered>>;

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
    async fn finish_send(
        &self,
        seq: i64,
        claim: ClaimToken,
        result: SendResult,
        next: Option<i64>,
    ) -> Result<SendFinished>;
}

#[derive(Clone, Debug, Default)]
pub struct SendFinished {
    pub next_claimed: bool,
    pub notice: Option<OutboxRow>,
    /// The contacts that have moved, as they now stand.
    pub moved: Vec<Arc<Contact>>,
}

#[derive(Clone, Debug)]
pub struct Unrendered {
    pub action: i64,
    pub channel: ChannelId,
    pub target: Target,
    pub lane: Lane,
    pub what: OutboundAction,
}
