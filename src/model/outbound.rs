//! What goes out: actions, and the single platform calls they are rendered to.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::ids::{ChannelId, EventKey, MediaId};

/// Where an answer goes. Only the channel's `ids.rs` reads the strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The chat: fixes the order of sends.
    pub key: Arc<str>,
    /// How to reach it now; may be the same as the key. Never part of a rendered payload, so that a fallback or a
    /// migration needs no new rendering.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub address: Arc<str>,
    /// When the address stops working (an interaction's token, say).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The address to use when `address` has expired or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Arc<str>>,
    /// The chat as people know it, where the key is another: what only one person sees there has an order of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Arc<str>>,
}

impl Target {
    /// A target that is reached under its own key.
    pub fn of(key: impl Into<Arc<str>>) -> Self {
        let key = key.into();
        Self { address: Arc::clone(&key), key, expires_at: None, fallback: None, chat: None }
    }

    /// The chat as people know it, and as `access` names it.
    pub fn chat(&self) -> &str {
        self.chat.as_ref().unwrap_or(&self.key)
    }

    /// The address to use at `now`: the fallback once the first one has expired.
    pub fn address_at(&self, now: Timestamp) -> &str {
        match (&self.expires_at, &self.fallback) {
            (Some(end), Some(fallback)) if *end <= now => fallback,
            _ => &self.address,
        }
    }
}

/// Something the bridge says, before any platform's form is given to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutboundAction {
    Send {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        media: Vec<MediaId>,
        /// The message that this one answers, in the platform's own reference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
        #[serde(default, skip_serializing_if = "Voice::is_bot")]
        voice: Voice,
    },
    /// Replaces the text of something sent before (by the event key under which it was recorded).
    Edit { of: EventKey, text: String },
}

impl OutboundAction {
    pub fn answer(text: impl Into<String>, reply_to: Option<String>) -> Self {
        Self::Send { text: text.into(), media: Vec::new(), reply_to, voice: Voice::Bot }
    }

    pub fn notice(text: impl Into<String>, reply_to: Option<String>) -> Self {
        Self::Send { text: text.into(), media: Vec::new(), reply_to, voice: Voice::Notice }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Send { text, .. } | Self::Edit { text, .. } => text,
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// The chatbot.
    #[default]
    Bot,
    /// The bridge itself: plain text, never markup.
    Notice,
}

impl Voice {
    fn is_bot(&self) -> bool {
        *self == Self::Bot
    }
}

/// One platform call, rendered: what becomes one outbox row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The call's body, without any address.
    pub payload: String,
    /// The same as plain text, for a platform that rejects the markup.
    pub plain: Option<String>,
    /// What the platform counts this call against, narrowest first (a chat, the whole bot).
    pub scopes: Vec<String>,
    /// After how long the call is no longer worth making.
    pub expires_in: Option<Duration>,
}

/// The lane of a row: bulk yields to conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    #[default]
    Reply,
    Bulk,
}

impl Lane {
    pub fn as_number(self) -> i64 {
        match self {
            Self::Reply => 0,
            Self::Bulk => 1,
        }
    }

    pub fn from_number(number: i64) -> Self {
        if number == 0 { Self::Reply } else { Self::Bulk }
    }
}

/// A message spoken without being asked.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub channel: ChannelId,
    pub target: Target,
    pub actions: Vec<OutboundAction>,
    /// A second announcement with this key on this channel is dropped.
    pub dedupe_key: String,
    pub lane: Lane,
}
