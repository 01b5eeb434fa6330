//! Speaking first: a message that answers no turn.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::contract::store::{Result, Store};
use crate::model::ChannelId;
use crate::model::capabilities::Delivery;
use crate::model::outbound::{Announcement, Lane, OutboundAction, Target};

/// Commits actions to the outbox of one channel; the pipeline renders and sends them. Cheap to clone.
#[derive(Clone)]
pub struct OutboundWriter {
    channel: ChannelId,
    delivery: Delivery,
    store: Arc<dyn Store>,
    wake: Arc<Notify>,
}

impl OutboundWriter {
    pub fn new(channel: ChannelId, delivery: Delivery, store: Arc<dyn Store>, wake: Arc<Notify>) -> Self {
        Self { channel, delivery, store, wake }
    }

    /// On disk when it returns. `false`: the dedupe key was used before, nothing was added.
    pub async fn enqueue(
        &self,
        target: Target,
        actions: Vec<OutboundAction>,
        dedupe_key: String,
        lane: Lane,
    ) -> Result<bool> {
        let channel = self.channel.clone();
        let announcement = Announcement { channel, target, actions, dedupe_key, lane };
        let added = self.store.enqueue(announcement, self.delivery).await?;
        if added {
            self.wake.notify_one();
        }
        Ok(added)
    }
}
