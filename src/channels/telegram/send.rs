//! One call, one file, one signal: made, and what their failures mean ([`refused`], [`rest`]).

mod refused;
pub(super) mod rest;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::multipart::{Form, Part};
use teloxide::payloads::{self, SendChatActionSetters, SendMessageSetters};
use teloxide::types::{
    ChatAction, ChatId, FileId, LinkPreviewOptions, MessageId, ParseMode, ReplyParameters, ThreadId,
};
use tokio::time::Instant;

use crate::channels::telegram::api::CallError;
use crate::channels::telegram::config::Receive;
use crate::channels::telegram::render::{self, Call, Style};
use crate::channels::telegram::send::refused::{Meaning, meaning};
use crate::channels::telegram::send::rest::Who;
use crate::channels::telegram::wire::{FilePath, Sent};
use crate::channels::telegram::{Telegram, duties, ids, ingress};
use crate::contract::channel::{Channel, ChannelState, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::inbound::MediaPlace;
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
        let style = Style { previews: self.config.link_previews, max_messages: usize::from(self.config.max_messages) };
        render::render(action, to, style)
    }

    async fn send(&self, call: &OutboxRow) -> Result<SendReceipt, SendError> {
        let body: Call = serde_json::from_str(&call.payload)
            .map_err(|error| SendError::Rejected { reason: format!("the stored call cannot be read: {error}") })?;
        let (chat, topic) = ids::address(call.target.address_at(self.context.clock.now()))
            .ok_or_else(|| SendError::Rejected { reason: "the stored address is none of Telegram's".to_owned() })?;
        let is_document = matches!(body, Call::Document { .. });
        let sent = match body {
            Call::Message { text, html, preview, reply_to } => {
                self.api.ask::<_, Sent>(&message(chat, topic, text, html, preview, reply_to)).await
            }
            Call::Document { name, content, caption, reply_to } => {
                self.api.upload("sendDocument", document(chat, topic, name, content, caption, reply_to)).await
            }
        };
        match sent {
            Ok(sent) => {
                self.token_works();
                Ok(SendReceipt { ids: vec![sent.message_id.to_string()], pauses: Vec::new() })
            }
            Err(error) => Err(self.refused(chat, topic, is_document, &call.target, error)),
        }
    }

    async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        let MediaPlace::Remote(file_id) = &media.place else {
            return Err(FetchError::Gone("there is nothing to fetch".to_owned()));
        };
        // A link lasts an hour at least; one that has expired all the same is asked for once more.
        match self.download(file_id, max_bytes).await {
            Err(FetchError::Gone(_)) => self.download(file_id, max_bytes).await,
            fetched => fetched,
        }
    }

    async fn signal(&self, to: &Target, signal: Signal) {
        let Signal::Typing = signal;
        let Some((chat, topic)) = ids::address(&to.address) else { return };
        // Whoever asked to be left alone is, as far as that goes.
        if self.rests.is_resting(chat, Instant::now()) {
            return;
        }
        let mut payload = payloads::SendChatAction::new(ChatId(chat), ChatAction::Typing);
        if let Some(topic) = topic {
            payload = payload.message_thread_id(ThreadId(MessageId(topic)));
        }
        if let Err(error) = self.api.tell(&payload).await {
            tracing::debug!(channel = %self.context.id, %error, "typing cannot be shown");
            if let Meaning::RateLimited(pause) = meaning(error, refused::Call { in_topic: false, is_document: false }) {
                self.rests.note(chat, pause, Instant::now());
            }
        }
    }

    async fn maintain(&self) -> Result<(), SendError> {
        duties::maintain(self).await
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(duties::probe(self).await)
    }
}

fn message(
    chat: i64,
    topic: Option<i32>,
    text: String,
    html: bool,
    preview: bool,
    reply_to: Option<i32>,
) -> payloads::SendMessage {
    let mut payload = payloads::SendMessage::new(ChatId(chat), text);
    if html {
        payload = payload.parse_mode(ParseMode::Html);
    }
    if !preview {
        payload = payload.link_preview_options(LinkPreviewOptions {
            is_disabled: true,
            url: None,
            prefer_small_media: false,
            prefer_large_media: false,
            show_above_text: false,
        });
    }
    if let Some(topic) = topic {
        payload = payload.message_thread_id(ThreadId(MessageId(topic)));
    }
    if let Some(id) = reply_to {
        payload = payload.reply_parameters(reply(id));
    }
    payload
}

/// A question that was deleted meanwhile is answered all the same.
fn reply(to: i32) -> ReplyParameters {
    ReplyParameters::new(MessageId(to)).allow_sending_without_reply()
}

fn document(
    chat: i64,
    topic: Option<i32>,
    name: String,
    content: String,
    caption: String,
    reply_to: Option<i32>,
) -> Form {
    let file = Part::bytes(content.into_bytes()).file_name(name);
    let file = file.mime_str("text/markdown; charset=utf-8").expect("a media type of our own");
    let mut form = Form::new().text("chat_id", chat.to_string()).part("document", file);
    if !caption.is_empty() {
        form = form.text("caption", caption);
    }
    if let Some(topic) = topic {
        form = form.text("message_thread_id", topic.to_string());
    }
    if let Some(id) = reply_to {
        form = form.text("reply_parameters", serde_json::to_string(&reply(id)).expect("numbers can be written"));
    }
    form
}

impl Telegram {
    /// A token that was refused is good again. Who polls finds out by the next poll; by webhook the next look may be far.
    fn token_works(&self) {
        let state = &self.context.state;
        if self.config.receive == Receive::Webhook && matches!(state.state(), ChannelState::BadCredentials { .. }) {
            state.set(ChannelState::Connected);
        }
    }

    /// What a failed call means for its row.
    fn refused(
        &self,
        chat: i64,
        topic: Option<i32>,
        is_document: bool,
        target: &Target,
        error: CallError,
    ) -> SendError {
        match meaning(error, refused::Call { in_topic: topic.is_some(), is_document }) {
            Meaning::RateLimited(retry_after) => {
                let scope = match self.rests.note(chat, retry_after, Instant::now()) {
                    Who::Chat => format!("{}{}", ids::CHAT_SCOPE, target.key),
                    Who::Bot => ids::BOT_SCOPE.to_owned(),
                };
                SendError::RateLimited { scope, retry_after }
            }
            Meaning::Migrated(to) => SendError::Migrated { to: ids::target(to, topic) },
            Meaning::Unauthorized(reason) => {
                let hint = format!("Telegram refuses the token: set a valid `channels.{}.token`", self.context.id);
                self.context.state.set(ChannelState::BadCredentials { hint });
                SendError::Unauthorized { reason }
            }
            Meaning::Markup(reason) => SendError::Downgrade { reason },
            Meaning::Topic(reason) => SendError::AddressRefused { reason },
            Meaning::Gone(reason) => SendError::TargetGone { reason },
            Meaning::Rejected(reason) => SendError::Rejected { reason },
            Meaning::NotArrived(error) => SendError::Transient(error),
            Meaning::InDoubt(error) => SendError::Ambiguous(error),
        }
    }

    async fn download(&self, file_id: &str, max_bytes: u64) -> Result<Bytes, FetchError> {
        let file: FilePath = match self.api.ask(&payloads::GetFile::new(FileId(file_id.to_owned()))).await {
            Ok(file) => file,
            Err(CallError::Refused { code: 400, description, .. }) if description.contains("too big") => {
                return Err(FetchError::TooLarge { max_bytes });
            }
            Err(CallError::Refused { code: 400, description, .. }) => return Err(FetchError::Gone(description)),
            Err(error) => return Err(FetchError::Transient(error.to_string())),
        };
        if file.file_size.is_some_and(|bytes| bytes > max_bytes) {
            return Err(FetchError::TooLarge { max_bytes });
        }
        let path = file.file_path.ok_or_else(|| FetchError::Gone("Telegram names no path".to_owned()))?;
        let mut response = self.api.file(&path).await.map_err(|error| FetchError::Transient(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Err(FetchError::Gone("the link has expired".to_owned())),
            status => return Err(FetchError::Transient(format!("the file is answered with {status}"))),
        }
        if response.content_length().is_some_and(|bytes| bytes > max_bytes) {
            return Err(FetchError::TooLarge { max_bytes });
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) =
            self.api.piece(&mut response).await.map_err(|error| FetchError::Transient(error.to_string()))?
        {
            if (bytes.len() + chunk.len()) as u64 > max_bytes {
                return Err(FetchError::TooLarge { max_bytes });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}
