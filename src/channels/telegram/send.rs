//! One call, one file, one signal: made, and what their failures mean.

mod refusals;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::multipart::{Form, Part};
use teloxide::payloads::{self, SendChatActionSetters, SendMessageSetters};
use teloxide::types::{
    ChatAction, ChatId, FileId, LinkPreviewOptions, MessageId, ParseMode, ReplyParameters, ThreadId,
};
use tokio::time::Instant;

use crate::channels::telegram::api::CallError;
use crate::channels::telegram::render::{self, Call, Style};
use crate::channels::telegram::wire::{FilePath, Sent};
use crate::channels::telegram::{Telegram, duties, ids, ingress};
use crate::contract::channel::{Channel, ChannelState, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::OutboxRow;
use crate::model::inbound::MediaPlace;
use crate::model::{Capabilities, MediaRef, OutboundAction, Rendered, Target};

pub(super) use refusals::Refusals;

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
        let sent = match body {
            Call::Message { text, html, preview, reply_to } => {
                self.api.ask::<_, Sent>(&message(chat, topic, text, html, preview, reply_to)).await
            }
            Call::Document { name, content, caption, reply_to } => {
                self.api.upload("sendDocument", document(chat, topic, name, content, caption, reply_to)).await
            }
        };
        match sent {
            Ok(sent) => Ok(SendReceipt { ids: vec![sent.message_id.to_string()], pauses: Vec::new() }),
            Err(error) => Err(self.refused(chat, topic, &call.target, error)),
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
        if self.refusals.is_resting(chat, Instant::now()) {
            return;
        }
        let mut payload = payloads::SendChatAction::new(ChatId(chat), ChatAction::Typing);
        if let Some(topic) = topic {
            payload = payload.message_thread_id(ThreadId(MessageId(topic)));
        }
        if let Err(error) = self.api.tell(&payload).await {
            tracing::debug!(channel = %self.context.id, %error, "typing cannot be shown");
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
    /// What a failed call means for its row. The descriptions are not documented; these are the Bot API server's own words
    /// (<https://github.com/tdlib/telegram-bot-api>, Client.cpp).
    fn refused(&self, chat: i64, topic: Option<i32>, target: &Target, error: CallError) -> SendError {
        let (code, description, parameters) = match error {
            CallError::Connect(_) => return SendError::Transient(error.to_string()),
            CallError::Lost(_) => return SendError::Ambiguous(error.to_string()),
            // What stands before the server said that it did not get there; any other odd answer leaves it open.
            CallError::Odd { status: 413, .. } => return SendError::Rejected { reason: error.to_string() },
            CallError::Odd { .. } => return SendError::Ambiguous(error.to_string()),
            CallError::Refused { code, description, parameters } => (code, description, parameters),
        };
        let says = |part: &str| description.to_ascii_lowercase().contains(part);
        let says_any = |parts: &[&str]| parts.iter().any(|part| says(part));
        if let Some(retry_after) = parameters.retry_after {
            let retry_after = Duration::from_secs(retry_after.max(1));
            let scope = self.refusals.note(chat, target, retry_after, Instant::now());
            return SendError::RateLimited { scope, retry_after };
        }
        if let Some(to) = parameters.migrate_to_chat_id {
            return SendError::Migrated { to: ids::target(to, topic) };
        }
        match code {
            401 | 404 => {
                let hint = format!("Telegram refuses the token: set a valid `channels.{}.token`", self.context.id);
                self.context.state.set(ChannelState::BadCredentials { hint });
                SendError::Unauthorized { reason: description }
            }
            403 => SendError::TargetGone { reason: description },
            429 => SendError::RateLimited {
                scope: self.refusals.note(chat, target, NO_RETRY_AFTER, Instant::now()),
                retry_after: NO_RETRY_AFTER,
            },
            400 if says("can't parse entities") => SendError::Downgrade { reason: description },
            400 if topic.is_some() && says_any(&["message thread not found", "topic_deleted", "topic_closed"]) => {
                SendError::AddressRefused { reason: description }
            }
            400 if says_any(GONE) => SendError::TargetGone { reason: description },
            500.. => SendError::Ambiguous(format!("{description} ({code})")),
            _ => SendError::Rejected { reason: description },
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
        while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Transient("cut off".to_owned()))? {
            if (bytes.len() + chunk.len()) as u64 > max_bytes {
                return Err(FetchError::TooLarge { max_bytes });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

/// A pause where Telegram names none.
const NO_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Refusals that will not change by trying again.
const GONE: &[&str] = &[
    "chat not found",
    "chat_write_forbidden",
    "not enough rights to send",
    "have no rights to send",
    "need administrator rights",
    "user is deactivated",
    "peer_id_invalid",
    "group chat was deactivated",
    "user_is_blocked",
    "bot was kicked",
    "chat_restricted",
];
