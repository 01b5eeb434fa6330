//! What a pulled channel has to send: nothing. Its answers are read from the journal.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::channels::http::{HttpChannel, ingress};
use crate::contract::channel::{Channel, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::capabilities::{Capabilities, Delivery, Markup, Overflow, TextLimits, TextUnit};
use crate::model::{MediaRef, OutboundAction, Rendered, Target};

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        delivery: Delivery::Pull,
        text: TextLimits { max: usize::MAX, unit: TextUnit::Bytes },
        attachment_bytes: 0,
        markup: Markup::Markdown,
        replies: false,
        edits: false,
        typing: None,
        dedupes_sends: None,
        rates: Vec::new(),
        maintain_every: None,
        overflow: Overflow::Refuse,
    }
}

#[async_trait]
impl Channel for HttpChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.context.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        Ingress { listeners: Vec::new(), routes: Some(ingress::routes(self)) }
    }

    fn render(&self, _: &OutboundAction, _: &Target) -> Vec<Rendered> {
        Vec::new()
    }

    async fn send(&self, _: &OutboxRow) -> Result<SendReceipt, SendError> {
        Err(SendError::Rejected { reason: "answers of an HTTP channel are read, not sent".into() })
    }

    async fn fetch(&self, _: &MediaRef, _: u64) -> Result<Bytes, FetchError> {
        Err(FetchError::Gone("pictures of an HTTP channel come with the request".into()))
    }

    async fn signal(&self, _: &Target, _: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        let keys = self.config.keys.len();
        let path = &self.config.path;
        Ok(vec![Finding::ok(format!("answers at {path}/v1/messages for {keys} API key(s)"))])
    }
}
