//! One call, one file, one signal: made, and what their failures mean.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::channels::telegram::render::{self, Style};
use crate::channels::telegram::{Telegram, ingress};
use crate::contract::channel::{Channel, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::{Capabilities, MediaRef, OutboundAction, Rendered, Target};

#[async_trait]
impl Channel for Telegram {
    fn capabilities(&self) -> &Capabilities {
        &self.context.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        ingress::ingress(&self)
    }

    fn render(&self, action: &OutboundAction, to: &Target) -> Vec<Rendered> {
        let style =
            Style { previews: self.config.link_previews, max_messages: usize::from(self.config.max_messages) };
        render::render(action, to, style)
    }

    async fn send(&self, _call: &OutboxRow) -> Result<SendReceipt, SendError> {
        Err(SendError::Rejected { reason: "not written yet".to_owned() })
    }

    async fn fetch(&self, _media: &MediaRef, _max_bytes: u64) -> Result<Bytes, FetchError> {
        Err(FetchError::Gone("not written yet".to_owned()))
    }

    async fn signal(&self, _to: &Target, _signal: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(Vec::new())
    }
}
