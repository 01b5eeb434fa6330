//! What was said, in order.

use async_trait::async_trait;

use crate::contract::store::Result;
use crate::model::outbound::OutboundAction;
use crate::model::{ContactId, InboundEvent, Timestamp, TurnId};

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
    In(InboundEvent),
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

    /// What was said in one turn, in order.
    async fn turn_entries(&self, turn: TurnId) -> Result<Vec<Entry>>;

    /// Signals that the contact has new entries (a hint: read to know).
    fn watch_contact(&self, contact: ContactId) -> tokio::sync::watch::Receiver<i64>;
}
