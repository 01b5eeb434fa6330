//! What goes out by itself. Answers are read from the journal; where an API key has a callback, they are posted there as well.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::channels::http::config::HttpConfig;
use crate::channels::http::{HttpChannel, ingress};
use crate::contract::channel::{Channel, FetchError, Finding, Ingress, Parsed, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::capabilities::{Capabilities, Dedupes, Delivery, Markup, Overflow, TextLimits, TextUnit};
use crate::model::{MediaRef, OutboundAction, Rendered, Target};

pub(super) fn capabilities(parsed: &Parsed) -> Capabilities {
    let config = parsed.downcast_ref::<HttpConfig>();
    let calls = config.is_some_and(|config| config.keys.values().any(|key| key.callback.is_some()));
    Capabilities {
        delivery: if calls { Delivery::Both } else { Delivery::Pull },
        text: TextLimits { max: usize::MAX, unit: TextUnit::Bytes },
        attachment_bytes: 0,
        markup: Markup::Markdown,
        replies: false,
        edits: false,
        typing: None,
        // Receivers drop what they have seen, by its `webhook-id`.
        dedupes_sends: calls.then_some(Dedupes { within: Duration::MAX, except: None }),
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

    fn render(&self, action: &OutboundAction, to: &Target) -> Vec<Rendered> {
        // The time of saying is told to the receiver.
        Vec::from_iter(self.callbacks.render(action, to, self.context.clock.now()))
    }

    async fn send(&self, call: &OutboxRow) -> Result<SendReceipt, SendError> {
        self.callbacks.post(call, &self.context).await
    }

    async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        self.pictures.fetch(media, max_bytes).await
    }

    async fn signal(&self, _: &Target, _: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        self.callbacks.remember(&self.context).await
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        let keys = self.config.keys.len();
        let path = &self.config.path;
        let keys = if keys == 1 { "1 API key".to_owned() } else { format!("{keys} API keys") };
        Ok(vec![Finding::ok(format!("answers at {path}/v1/messages for {keys}"))])
    }
}
