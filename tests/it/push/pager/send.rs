//! One call, one file, one signal: made, and what their failures mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use caigunn_bridge::contract::store::OutboxRow;
use caigunn_bridge::contract::{Channel, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use caigunn_bridge::model::inbound::MediaPlace;
use caigunn_bridge::model::{Capabilities, MediaRef, OutboundAction, Rendered, Target};
use serde::Deserialize;
use serde_json::json;

use super::ids::{self, Address};
use super::render::{self, Body};
use super::{Pager, ingress};

#[derive(Deserialize)]
struct Sent {
    id: String,
    /// The platform asks to leave the chat alone for so many milliseconds.
    #[serde(default)]
    rest_ms: u64,
}

/// How the platform refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    to: String,
    scope: String,
    retry_after_ms: u64,
}

#[async_trait]
impl Channel for Pager {
    fn capabilities(&self) -> &Capabilities {
        &self.context.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        ingress::ingress(self)
    }

    fn render(&self, action: &OutboundAction, to: &Target) -> Vec<Rendered> {
        render::render(action, to)
    }

    async fn send(&self, call: &OutboxRow) -> Result<SendReceipt, SendError> {
        let body: Body = serde_json::from_str(&call.payload)
            .map_err(|error| SendError::Rejected { reason: format!("the stored call cannot be read: {error}") })?;
        let mut request = json!({ "text": body.text, "stars": body.stars, "reply_to": body.reply_to });
        match ids::address(call.target.address_at(self.context.clock.now())) {
            Address::Chat(chat) => request["chat"] = chat.into(),
            Address::Reply(token) => request["reply"] = token.into(),
        }
        // The row's number, not its place in the answer: a notice that takes a rejected part's place is another message.
        request["nonce"] = format!("{}:{}", self.context.id, call.seq).into();
        let response = match self.post("/send").json(&request).send().await {
            Ok(response) => response,
            // Before there is a connection nothing can have been sent.
            Err(error) if error.is_connect() => return Err(SendError::Transient(error.to_string())),
            Err(error) => return Err(SendError::Ambiguous(error.to_string())),
        };
        let status = response.status().as_u16();
        if status == 200 {
            let sent: Sent = response.json().await.map_err(|error| SendError::Ambiguous(error.to_string()))?;
            let rest = Duration::from_millis(sent.rest_ms);
            let pauses = if rest.is_zero() { Vec::new() } else { vec![(ids::chat_scope(&call.target.key), rest)] };
            return Ok(SendReceipt { ids: vec![sent.id], pauses });
        }
        let refusal: Refusal = response.json().await.unwrap_or_default();
        Err(self.failed(status, refusal, call))
    }

    async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        let MediaPlace::Remote(file) = &media.place else { return Err(FetchError::Gone("no file".to_owned())) };
        // A new link each time: they expire, and the last one may have.
        let link = self.get(&format!("/files/{file}")).send().await.map_err(passing)?;
        if link.status() == 404 {
            return Err(FetchError::Gone(format!("there is no file {file}")));
        }
        let link = link.error_for_status().map_err(passing)?.text().await.map_err(passing)?;
        let mut file = self.get(&link).send().await.and_then(reqwest::Response::error_for_status).map_err(passing)?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = file.chunk().await.map_err(passing)? {
            if (bytes.len() + chunk.len()) as u64 > max_bytes {
                return Err(FetchError::TooLarge { max_bytes });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    async fn signal(&self, to: &Target, Signal::Typing: Signal) {
        // Best effort: nobody waits for it, and a failure says nothing.
        let _ = self.post("/typing").json(&json!({ "chat": &*to.key })).send().await;
    }

    async fn maintain(&self) -> Result<(), SendError> {
        let set = self.put("/commands").send().await.and_then(reqwest::Response::error_for_status);
        set.map(drop).map_err(|error| SendError::Transient(error.without_url().to_string()))
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        let me = self.get("/me").send().await.map_err(|error| SendError::Transient(error.to_string()))?;
        Ok(vec![match me.status().as_u16() {
            200 => Finding::ok("the platform accepts the token"),
            401 => Finding::wrong("the platform refuses the token", "set a valid `token`"),
            status => Finding::wrong(format!("the platform answers {status}"), "is `url` right?"),
        }])
    }
}

fn passing(error: reqwest::Error) -> FetchError {
    FetchError::Transient(error.without_url().to_string())
}

impl Pager {
    fn failed(&self, status: u16, refusal: Refusal, call: &OutboxRow) -> SendError {
        let reason = refusal.error;
        match (status, reason.as_str()) {
            (429, _) => {
                let scope =
                    if refusal.scope == "bot" { ids::BOT_SCOPE.to_owned() } else { ids::chat_scope(&call.target.key) };
                SendError::RateLimited { scope, retry_after: Duration::from_millis(refusal.retry_after_ms) }
            }
            (401, _) => {
                self.refused();
                SendError::Unauthorized { reason }
            }
            (403, "gone") => SendError::TargetGone { reason },
            (404, "no_such_reply") => SendError::AddressRefused { reason },
            (409, "moved") => SendError::Migrated { to: Target::of(refusal.to) },
            (400, "markup") => SendError::Downgrade { reason },
            (400..500, _) => SendError::Rejected { reason },
            // The platform may have sent it before it failed.
            _ => SendError::Ambiguous(format!("the platform answers {status}")),
        }
    }
}
