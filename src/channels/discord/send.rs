//! One call, one file, one signal: made, and what their failures mean.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::channels::discord::render::{self, Style};
use crate::channels::discord::{Discord, duties, ingress};
use crate::contract::channel::{Channel, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::{Capabilities, MediaRef, OutboundAction, Rendered, Target};

#[async_trait]
impl Channel for Discord {
    fn capabilities(&self) -> &Capabilities {
        &self.context.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        ingress::ingress(&self)
    }

    fn render(&self, action: &OutboundAction, to: &Target) -> Vec<Rendered> {
        let style = Style { previews: self.config.link_previews, max_messages: usize::from(self.config.max_messages) };
        render::render(action, to, style)
    }

    async fn send(&self, _call: &OutboxRow) -> Result<SendReceipt, SendError> {
        Err(SendError::Transient("not built yet".to_owned()))
    }

    async fn fetch(&self, _media: &MediaRef, _max_bytes: u64) -> Result<Bytes, FetchError> {
        Err(FetchError::Transient("not built yet".to_owned()))
    }

    async fn signal(&self, _to: &Target, _signal: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        duties::maintain(self).await
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(duties::probe(self).await)
    }
}
