//! Speaks to whoever the bridge knows, by uid: on the contact's own channel, in that channel's way.

use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::contract::channel::{Speak, Spoken};
use crate::contract::store::StoreError;
use crate::model::outbound::{Announcement, Lane, OutboundAction};
use crate::pipeline::shared::Shared;

/// Weak: what is shared holds the channels, and they hold this. By itself it speaks to nobody.
#[derive(Default)]
pub struct Speaker(Weak<Shared>);

impl Speaker {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }
}

#[async_trait]
impl Speak for Speaker {
    async fn speak(
        &self,
        uid: &str,
        actions: Vec<OutboundAction>,
        dedupe_key: String,
        lane: Lane,
    ) -> Result<Spoken, StoreError> {
        let Some(shared) = self.0.upgrade() else { return Ok(Spoken::Unknown) };
        let Some((channel, contact)) = shared.store.contact_by_uid(uid).await? else { return Ok(Spoken::Unknown) };
        let Some(entry) = shared.channel(&channel) else { return Ok(Spoken::NotRunning(channel)) };
        let delivery = entry.channel.capabilities().delivery;
        let target = contact.target.clone();
        let added = shared.store.enqueue(Announcement { channel, target, actions, dedupe_key, lane }, delivery).await?;
        if !added {
            return Ok(Spoken::Duplicate);
        }
        shared.deliver.spoken().notify_one();
        Ok(Spoken::Queued)
    }
}
