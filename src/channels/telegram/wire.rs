//! What Telegram writes, as far as it is read here (<https://core.telegram.org/bots/api#available-types>).
//!
//! Own types, because a message must never be lost to a part of it that this version does not know: everything but the ids is
//! optional, and a part that cannot be read counts as absent (see ADR 0005).

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Who the bot is, as `getMe` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Identity {
    pub id: i64,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub first_name: String,
    /// Whether privacy mode is off.
    #[serde(default)]
    pub can_read_all_group_messages: bool,
    #[serde(default)]
    pub can_join_groups: bool,
}

/// What `getWebhookInfo` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WebhookInfo {
    /// Empty where none is set.
    pub url: String,
    pub pending_update_count: u64,
    pub last_error_date: Option<i64>,
    pub last_error_message: Option<String>,
    pub max_connections: Option<u32>,
    pub allowed_updates: Vec<String>,
}

/// A file as `getFile` tells.
#[derive(Clone, Debug, Deserialize)]
pub struct FilePath {
    pub file_path: Option<String>,
    pub file_size: Option<u64>,
}

/// What is read of a message that was sent.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sent {
    pub message_id: i32,
}

/// An update whose content is not looked at yet.
#[derive(Debug, Deserialize)]
pub struct Update<'a> {
    pub update_id: i64,
    #[serde(borrow, default)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub edited_message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub channel_post: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub edited_channel_post: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub my_chat_member: Option<&'a RawValue>,
}

/// The number of an update that cannot be read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Number {
    pub update_id: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Message {
    /// 0 for one that only the bot sees and that is gone soon: then `ephemeral_message_id` has a number.
    pub message_id: i32,
    #[serde(default)]
    pub ephemeral_message_id: Option<i64>,
    pub date: i64,
    pub chat: Chat,
    #[serde(default, deserialize_with = "readable")]
    pub from: Option<User>,
    #[serde(default, deserialize_with = "readable")]
    pub sender_chat: Option<Chat>,
    #[serde(default, deserialize_with = "readable")]
    pub via_bot: Option<User>,
    #[serde(default)]
    pub message_thread_id: Option<i32>,
    #[serde(default)]
    pub is_topic_message: bool,
    #[serde(default)]
    pub author_signature: Option<String>,
    #[serde(default)]
    pub edit_date: Option<i64>,
    #[serde(default)]
    pub media_group_id: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub caption: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    pub entities: Option<Vec<Entity>>,
    #[serde(default, deserialize_with = "readable")]
    pub caption_entities: Option<Vec<Entity>>,
    #[serde(default, deserialize_with = "readable")]
    pub reply_to_message: Option<Box<Self>>,
    #[serde(default, deserialize_with = "readable")]
    pub quote: Option<Quote>,
    #[serde(default, deserialize_with = "readable")]
    pub photo: Option<Vec<Photo>>,
    #[serde(default, deserialize_with = "readable")]
    pub document: Option<Document>,
    #[serde(default, deserialize_with = "readable")]
    pub sticker: Option<Sticker>,
    #[serde(default)]
    pub animation: Option<IgnoredAny>,
    #[serde(default)]
    pub audio: Option<IgnoredAny>,
    #[serde(default)]
    pub voice: Option<IgnoredAny>,
    #[serde(default)]
    pub video: Option<IgnoredAny>,
    #[serde(default)]
    pub video_note: Option<IgnoredAny>,
    #[serde(default)]
    pub location: Option<IgnoredAny>,
    #[serde(default)]
    pub contact: Option<IgnoredAny>,
    #[serde(default)]
    pub poll: Option<IgnoredAny>,
    #[serde(default)]
    pub forum_topic_created: Option<IgnoredAny>,
    #[serde(default)]
    pub migrate_to_chat_id: Option<i64>,
    #[serde(default)]
    pub migrate_from_chat_id: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Chat {
    pub id: i64,
    #[serde(rename = "type", default)]
    pub kind: ChatKind,
    #[serde(default)]
    pub title: Option<String>,
    /// The inbox of a channel, where each person has a topic.
    #[serde(default)]
    pub is_direct_messages: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    #[default]
    Private,
    Group,
    Supergroup,
    Channel,
    /// A kind that is newer than this version: taken for a group, where the bot waits to be addressed.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    pub id: i64,
    #[serde(default)]
    pub is_bot: bool,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: Option<String>,
    #[serde(default)]
    pub language_code: Option<String>,
}

/// Offset and length in UTF-16 units.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub offset: usize,
    pub length: usize,
    #[serde(default)]
    pub user: Option<User>,
    /// Of a `text_link`.
    #[serde(default)]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Quote {
    pub text: String,
    /// Chosen by the person, not added by the server.
    #[serde(default)]
    pub is_manual: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Photo {
    pub file_id: String,
    #[serde(default)]
    pub width: u32,
    #[serde(default)]
    pub height: u32,
    #[serde(default)]
    pub file_size: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    pub file_id: String,
    #[serde(default)]
    pub file_name: Option<String>,
    #[serde(default)]
    pub mime_type: Option<String>,
    #[serde(default)]
    pub file_size: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Sticker {
    pub file_id: String,
    #[serde(default)]
    pub is_animated: bool,
    #[serde(default)]
    pub is_video: bool,
    #[serde(default)]
    pub file_size: Option<u64>,
}

/// A change of the bot's own standing in a chat.
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    pub chat: Chat,
    #[serde(default, deserialize_with = "readable")]
    pub from: Option<User>,
    pub date: i64,
    #[serde(default, deserialize_with = "readable")]
    pub old_chat_member: Option<Member>,
    pub new_chat_member: Member,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub status: String,
    /// With the status `restricted`.
    #[serde(default)]
    pub is_member: bool,
}

impl Member {
    /// Whether a member of this standing is in the chat.
    pub fn is_present(&self) -> bool {
        match self.status.as_str() {
            "left" | "kicked" => false,
            "restricted" => self.is_member,
            _ => true,
        }
    }
}

/// A part that may be missing, and counts as missing when it cannot be read.
fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// The fields of messages about something that happened in a chat, which nobody wrote.
const SERVICE: &[&str] = &[
    "boost_added",
    "channel_chat_created",
    "chat_background_set",
    "chat_owner_changed",
    "chat_owner_left",
    "chat_shared",
    "checklist_tasks_added",
    "checklist_tasks_done",
    "community_chat_added",
    "community_chat_removed",
    "connected_website",
    "delete_chat_photo",
    "direct_message_price_changed",
    "forum_topic_closed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "gift",
    "gift_upgrade_sent",
    "giveaway_completed",
    "giveaway_created",
    "group_chat_created",
    "left_chat_member",
    "managed_bot_created",
    "message_auto_delete_timer_changed",
    "migrate_from_chat_id",
    "migrate_to_chat_id",
    "new_chat_members",
    "new_chat_photo",
    "new_chat_title",
    "paid_message_price_changed",
    "passport_data",
    "pinned_message",
    "poll_option_added",
    "poll_option_deleted",
    "proximity_alert_triggered",
    "refunded_payment",
    "successful_payment",
    "suggested_post_approval_failed",
    "suggested_post_approved",
    "suggested_post_declined",
    "suggested_post_paid",
    "suggested_post_refunded",
    "supergroup_chat_created",
    "unique_gift",
    "users_shared",
    "video_chat_ended",
    "video_chat_participants_invited",
    "video_chat_scheduled",
    "video_chat_started",
    "web_app_data",
    "write_access_allowed",
];

/// Whether a message tells of something that nobody wrote.
pub fn is_service(message: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Keys(std::collections::HashMap<String, IgnoredAny>);
    serde_json::from_str::<Keys>(message.get())
        .is_ok_and(|Keys(keys)| SERVICE.iter().any(|key| keys.contains_key(*key)))
}
