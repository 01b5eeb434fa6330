//! One call, one file, one signal: made, and what their failures mean ([`refused`]).
//!
//! [`body`] what is said · [`place`] in channels, threads and direct messages · [`interaction`] as an answer to a slash command ·
//! [`fetch`] one file.

mod body;
mod fetch;
mod interaction;
mod place;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use crate::channels::discord::api::{Answer, Call, CallError, LimitScope};
use crate::channels::discord::ids::{Address, FileRef, Snowflake};
use crate::channels::discord::memory::Rest;
use crate::channels::discord::render::{self, Style};
use crate::channels::discord::send::body::Said;
use crate::channels::discord::send::refused::{Meaning, Step};
use crate::channels::discord::{Discord, duties, ids, ingress};
use crate::contract::channel::{Channel, ChannelState, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::inbound::MediaPlace;
use crate::model::{Capabilities, MediaRef, OutboundAction, Rendered, Target};

/// For how long typing is not shown where Discord refuses it: what is refused is counted.
const TYPING_REFUSED: Duration = Duration::from_secs(5 * 60);

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

    async fn send(&self, row: &OutboxRow) -> Result<SendReceipt, SendError> {
        let call: render::Call = serde_json::from_str(&row.payload)
            .map_err(|error| SendError::Rejected { reason: format!("the stored call cannot be read: {error}") })?;
        let address = ids::address(row.target.address_at(self.context.clock.now()))
            .ok_or_else(|| SendError::Rejected { reason: "the stored address is none of Discord's".to_owned() })?;
        let mut said = Said::of(call, self.config.link_previews);
        match address {
            Address::Channel(channel) => self.say(Step::Channel, channel, &said, row).await,
            Address::User(user) => {
                let channel = self.direct(user, row).await?;
                self.say(Step::Direct, channel, &said, row).await
            }
            Address::ThreadOn { channel, message, name } => {
                self.open_thread(channel, message, &name, row).await?;
                // The question stands above the thread, in another channel.
                said.reply_to = None;
                let sent = self.say(Step::Thread, message, &said, row).await;
                if let Err(SendError::AddressRefused { reason }) = &sent {
                    // The next question would only get a thread in which nothing can be said.
                    self.sending.threadless.insert(channel, reason.as_str().into()).await;
                }
                sent
            }
            Address::Interaction { id, token } => self.answer(id, &token, &said, row).await,
        }
    }

    async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        let MediaPlace::Remote(file) = &media.place else {
            return Err(FetchError::Gone("there is nothing to fetch".to_owned()));
        };
        let file =
            FileRef::read(file).ok_or_else(|| FetchError::Gone("the stored file is none of Discord's".to_owned()))?;
        self.read_file(&file, max_bytes).await
    }

    async fn signal(&self, to: &Target, signal: Signal) {
        let Signal::Typing = signal;
        let channel = match ids::address(to.address_at(self.context.clock.now())) {
            Some(Address::Channel(channel)) => channel,
            Some(Address::ThreadOn { message, .. }) if self.sending.threads.contains_key(&message) => message,
            Some(Address::ThreadOn { channel, .. }) => channel,
            // The person sees "thinking…" already, or nothing at all before the answer.
            Some(Address::Interaction { .. } | Address::User(_)) | None => return,
        };
        // Whoever asked to be left alone is, as far as that goes.
        let typing = Rest::Typing(channel);
        if self.sending.rests_for(typing).await.is_some() {
            return;
        }
        if self.config.paced() && !self.sending.place_for_typing().await {
            return;
        }
        let path = format!("channels/{channel}/typing");
        let pause = match self.api.ask::<serde::de::IgnoredAny>(Call::new(Method::POST, &path)).await {
            Ok(answer) => answer.pause,
            Err(error) => {
                tracing::debug!(channel = %self.context.id, %error, "typing cannot be shown");
                match error {
                    CallError::Limited { scope: LimitScope::Global, .. } => None,
                    CallError::Limited { retry_after, .. } => Some(retry_after),
                    CallError::Refused { .. } => Some(TYPING_REFUSED),
                    CallError::Connect(_) | CallError::Lost(_) | CallError::Odd { .. } => None,
                }
            }
        };
        if let Some(pause) = pause {
            self.sending.leave_alone(typing, pause).await;
        }
    }

    async fn maintain(&self) -> Result<(), SendError> {
        duties::maintain(self).await
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(duties::probe(self).await)
    }
}

impl Discord {
    /// What a failed call is to the pipeline.
    fn failed(&self, meaning: Meaning, row: &OutboxRow) -> SendError {
        match meaning {
            Meaning::RateLimited { retry_after, whole_bot } => {
                let scope = if whole_bot { ids::BOT_SCOPE.to_owned() } else { ids::chat_scope(&row.target) };
                SendError::RateLimited { scope, retry_after }
            }
            Meaning::Unauthorized(reason) => {
                let hint = format!("Discord refuses the token: set a valid `channels.{}.token`", self.context.id);
                self.links.token_refused(ChannelState::BadCredentials { hint });
                SendError::Unauthorized { reason }
            }
            Meaning::Address(reason) => SendError::AddressRefused { reason },
            Meaning::Gone(reason) => SendError::TargetGone { reason },
            Meaning::Rejected(reason) => SendError::Rejected { reason },
            Meaning::NotArrived(error) => SendError::Transient(error),
            Meaning::InDoubt(error) => SendError::Ambiguous(error),
            // Both are about messages in channels, and dealt with where those are made.
            Meaning::Unquotable { .. } | Meaning::SentBefore => {
                SendError::Rejected { reason: "refused as a reply, and it is none".to_owned() }
            }
        }
    }
}

/// Whether a send of the row has begun before.
fn was_tried(row: &OutboxRow) -> bool {
    row.in_doubt || row.first_sent_ago.is_some()
}

/// What was sent, and whether its chat must pause now.
fn receipt(target: &Target, answer: Answer<Value>) -> SendReceipt {
    let ids = id_of(&answer.body).iter().map(Snowflake::to_string).collect();
    let pauses = answer.pause.into_iter().map(|pause| (ids::chat_scope(target), pause)).collect();
    SendReceipt { ids, pauses }
}

/// The number of a thing of Discord's.
fn id_of(thing: &Value) -> Option<Snowflake> {
    serde_json::from_value(thing["id"].clone()).ok()
}
