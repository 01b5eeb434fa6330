//! What Discord writes, as far as it is read here (<https://docs.discord.com/developers/resources/message>,
//! <https://docs.discord.com/developers/events/gateway-events>).
//!
//! Own types, because a message must never be lost to a part of it that this version does not know: everything but the ids is
//! optional, and a part that cannot be read counts as absent, or is left out of its list (see ADR 0005).

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use crate::channels::discord::ids::Snowflake;

/// What a history answers, newest first. Each is read for itself, so that an odd one costs no other.
pub type History = Vec<Box<RawValue>>;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Message {
    pub id: Snowflake,
    pub channel_id: Snowflake,
    /// Only events tell it: whoever reads a message over REST fills it in.
    #[serde(default, deserialize_with = "lenient")]
    pub guild_id: Option<Snowflake>,
    #[serde(default, deserialize_with = "lenient")]
    pub author: Option<User>,
    /// The author in the server. As with `guild_id`, only events tell it.
    #[serde(default, deserialize_with = "lenient")]
    pub member: Option<Member>,
    #[serde(default, deserialize_with = "lenient")]
    pub webhook_id: Option<Snowflake>,
    /// Empty, like all that comes with the message, when the bot may not read it
    /// (<https://docs.discord.com/developers/events/gateway#message-content-intent>).
    #[serde(default, deserialize_with = "lenient")]
    pub content: String,
    #[serde(default, deserialize_with = "lenient")]
    pub edited_timestamp: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: u16,
    #[serde(default, deserialize_with = "lenient")]
    pub flags: u64,
    /// Whom the text mentions, and whom a reply pings.
    #[serde(default, deserialize_with = "list")]
    pub mentions: Vec<User>,
    #[serde(default, deserialize_with = "list")]
    pub mention_roles: Vec<Snowflake>,
    #[serde(default, deserialize_with = "list")]
    pub attachments: Vec<Attachment>,
    #[serde(default, deserialize_with = "list")]
    pub sticker_items: Vec<Sticker>,
    /// What is replied to; `None` also if that was deleted.
    #[serde(default, deserialize_with = "lenient")]
    pub referenced_message: Option<Box<Self>>,
    /// What was forwarded.
    #[serde(default, deserialize_with = "list")]
    pub message_snapshots: Vec<Snapshot>,
    #[serde(default, deserialize_with = "lenient")]
    pub poll: Option<IgnoredAny>,
}

/// The kinds of messages that somebody wrote (<https://docs.discord.com/developers/resources/message#message-object-message-types>):
/// a message, a reply, and what a slash command or a menu's command brought.
pub const WRITTEN: &[u16] = &[0, 19, 20, 23];

/// Flags of messages (<https://docs.discord.com/developers/resources/message#message-object-message-flags>).
pub mod flags {
    /// Only one person sees it.
    pub const EPHEMERAL: u64 = 1 << 6;
    /// "… is thinking": the answer is still to come.
    pub const LOADING: u64 = 1 << 7;
    pub const IS_VOICE_MESSAGE: u64 = 1 << 13;
}

/// Of a message that was forwarded: what it said, not where and by whom.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Snapshot {
    #[serde(default, deserialize_with = "lenient")]
    pub message: Forwarded,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Forwarded {
    #[serde(default, deserialize_with = "lenient")]
    pub content: String,
    #[serde(default, deserialize_with = "lenient")]
    pub flags: u64,
    #[serde(default, deserialize_with = "list")]
    pub mentions: Vec<User>,
    #[serde(default, deserialize_with = "list")]
    pub attachments: Vec<Attachment>,
    #[serde(default, deserialize_with = "list")]
    pub sticker_items: Vec<Sticker>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    pub id: Snowflake,
    #[serde(default, deserialize_with = "lenient")]
    pub username: String,
    #[serde(default, deserialize_with = "lenient")]
    pub global_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub bot: bool,
    /// Discord itself.
    #[serde(default, deserialize_with = "lenient")]
    pub system: bool,
    /// Where somebody is mentioned in a server.
    #[serde(default, deserialize_with = "lenient")]
    pub member: Option<Member>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Member {
    #[serde(default, deserialize_with = "lenient")]
    pub nick: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub roles: Vec<Snowflake>,
    /// Of interactions, and in answers to a question for the member.
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<Box<User>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    pub id: Snowflake,
    /// Without the signs that Discord does not keep; `title` has them then.
    #[serde(default, deserialize_with = "lenient")]
    pub filename: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub content_type: Option<String>,
    /// In bytes.
    #[serde(default, deserialize_with = "lenient")]
    pub size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Sticker {
    pub id: Snowflake,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// 1 PNG, 2 APNG, 3 Lottie, 4 GIF.
    #[serde(default, deserialize_with = "lenient")]
    pub format_type: u8,
}

/// Somebody used a command (<https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Interaction {
    pub id: Snowflake,
    #[serde(default, deserialize_with = "lenient")]
    pub application_id: Option<Snowflake>,
    /// 2: a command.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: u8,
    #[serde(default, deserialize_with = "lenient")]
    pub token: String,
    #[serde(default, deserialize_with = "lenient")]
    pub channel_id: Option<Snowflake>,
    #[serde(default, deserialize_with = "lenient")]
    pub channel: Option<Channel>,
    #[serde(default, deserialize_with = "lenient")]
    pub guild_id: Option<Snowflake>,
    /// In servers.
    #[serde(default, deserialize_with = "lenient")]
    pub member: Option<Member>,
    /// Elsewhere.
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<User>,
    /// The person's language.
    #[serde(default, deserialize_with = "lenient")]
    pub locale: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub data: Option<CommandData>,
    /// 0 in a server, 1 in the bot's direct messages, 2 in those of other people.
    #[serde(default, deserialize_with = "lenient")]
    pub context: Option<u8>,
}

impl Interaction {
    /// Who used the command.
    pub fn person(&self) -> Option<&User> {
        let member = self.member.as_ref().and_then(|member| member.user.as_deref());
        member.or(self.user.as_ref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct CommandData {
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    #[serde(default, deserialize_with = "list")]
    pub options: Vec<CommandOption>,
    #[serde(default, deserialize_with = "lenient")]
    pub resolved: Resolved,
}

#[derive(Clone, Debug, Deserialize)]
pub struct CommandOption {
    pub name: String,
    /// 3 a text, 4 a number, 11 a file.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: u8,
    #[serde(default)]
    pub value: serde_json::Value,
}

/// What options name by their ids.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Resolved {
    #[serde(default, deserialize_with = "map")]
    pub attachments: HashMap<String, Attachment>,
    #[serde(default, deserialize_with = "map")]
    pub users: HashMap<String, User>,
}

/// The first event of a session.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ready {
    pub user: User,
    #[serde(default, deserialize_with = "lenient")]
    pub application: Option<Application>,
    /// To be told of later, one by one.
    #[serde(default, deserialize_with = "list")]
    pub guilds: Vec<Guild>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Application {
    pub id: Snowflake,
}

/// A server; of one that is gone or not available there is little more than the id.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Guild {
    pub id: Snowflake,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// Of one that is gone: Discord has an outage. Otherwise the bot was removed.
    #[serde(default, deserialize_with = "lenient")]
    pub unavailable: bool,
    #[serde(default, deserialize_with = "list")]
    pub channels: Vec<Channel>,
    /// Those that are active and that the bot can see.
    #[serde(default, deserialize_with = "list")]
    pub threads: Vec<Channel>,
    #[serde(default, deserialize_with = "list")]
    pub roles: Vec<Role>,
}

/// `GUILD_DELETE`.
pub type GuildDelete = Guild;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Role {
    pub id: Snowflake,
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub tags: RoleTags,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RoleTags {
    /// The bot that the role was made for.
    #[serde(default, deserialize_with = "lenient")]
    pub bot_id: Option<Snowflake>,
}

/// `GUILD_ROLE_CREATE` and `GUILD_ROLE_UPDATE`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct GuildRole {
    pub guild_id: Snowflake,
    pub role: Role,
}

/// `GUILD_ROLE_DELETE`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct GuildRoleDelete {
    pub guild_id: Snowflake,
    pub role_id: Snowflake,
}

/// A channel or a thread (<https://docs.discord.com/developers/resources/channel#channel-object>).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Channel {
    pub id: Snowflake,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: u8,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// Of a channel its category, of a thread its channel.
    #[serde(default, deserialize_with = "lenient")]
    pub parent_id: Option<Snowflake>,
    #[serde(default, deserialize_with = "lenient")]
    pub guild_id: Option<Snowflake>,
    #[serde(default, deserialize_with = "lenient")]
    pub last_message_id: Option<Snowflake>,
    /// Who opened a thread.
    #[serde(default, deserialize_with = "lenient")]
    pub owner_id: Option<Snowflake>,
    /// The bot's own membership of a thread.
    #[serde(default, deserialize_with = "lenient")]
    pub member: Option<IgnoredAny>,
    /// Of `THREAD_CREATE`: whether it was opened just now.
    #[serde(default, deserialize_with = "lenient")]
    pub newly_created: bool,
}

impl Channel {
    pub fn is_thread(&self) -> bool {
        is_thread(self.kind)
    }
}

/// Whether a kind of channel is one of the kinds of threads
/// (<https://docs.discord.com/developers/resources/channel#channel-object-channel-types>).
pub fn is_thread(kind: u8) -> bool {
    matches!(kind, 10..=12)
}

/// The active threads of some channels, or of a whole server, anew.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ThreadListSync {
    pub guild_id: Snowflake,
    #[serde(default, deserialize_with = "list")]
    pub threads: Vec<Channel>,
    /// Of those threads that the bot is in.
    #[serde(default, deserialize_with = "list")]
    pub members: Vec<ThreadMember>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ThreadMembersUpdate {
    /// The thread.
    pub id: Snowflake,
    #[serde(default, deserialize_with = "list")]
    pub added_members: Vec<ThreadMember>,
    #[serde(default, deserialize_with = "list")]
    pub removed_member_ids: Vec<Snowflake>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct ThreadMember {
    /// The thread.
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<Snowflake>,
    #[serde(default, deserialize_with = "lenient")]
    pub user_id: Option<Snowflake>,
}

/// A part that may be missing, and counts as missing when it cannot be read (`null` among them).
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// A list from which what cannot be read is left out.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let parts: Vec<Box<RawValue>> = lenient(deserializer)?;
    Ok(parts.iter().filter_map(|part| serde_json::from_str(part.get()).ok()).collect())
}

/// The same by names.
fn map<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<HashMap<String, T>, D::Error> {
    let parts: HashMap<String, Box<RawValue>> = lenient(deserializer)?;
    Ok(parts.into_iter().filter_map(|(name, part)| Some((name, serde_json::from_str(part.get()).ok()?))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_part_that_cannot_be_read_costs_no_other() {
        let odd = json!({
            "id": "5", "channel_id": 6, "content": "hi", "guild_id": {}, "author": { "id": "7", "username": 1, "bot": "?" },
            "member": [], "type": "new", "flags": null, "mentions": [{ "id": "8" }, { "name": "nobody" }, 3],
            "mention_roles": ["9", "x"], "attachments": [{ "id": "1", "size": -1 }, "odd"], "sticker_items": "?",
            "referenced_message": { "content": "no id" }, "message_snapshots": [{}, 1], "poll": 5, "novelty": { "a": [1] },
        });
        let by_value: Message = serde_json::from_value(odd.clone()).unwrap();
        for message in [serde_json::from_str(&odd.to_string()).unwrap(), by_value] {
            let Message { id, channel_id, guild_id, author, .. } = &message;
            assert_eq!((id.0, channel_id.0, *guild_id), (5, 6, None));
            assert_eq!(author.as_ref().map(|user| user.id), Some(Snowflake(7)));
            assert_eq!((&*message.content, message.kind, message.mentions.len()), ("hi", 0, 1));
            assert_eq!((message.mention_roles.len(), message.attachments.len()), (1, 1));
            assert!(message.referenced_message.is_none() && message.sticker_items.is_empty());
        }
    }

    #[test]
    fn only_the_ids_are_needed() {
        let empty = |value: Value| value.to_string();
        assert!(serde_json::from_str::<Message>(&empty(json!({ "id": "1", "channel_id": "2" }))).is_ok());
        assert!(serde_json::from_str::<Message>(&empty(json!({ "channel_id": "2" }))).is_err());
        assert!(serde_json::from_str::<Interaction>(&empty(json!({ "id": "1" }))).is_ok());
        assert!(serde_json::from_str::<GuildDelete>(&empty(json!({ "id": "1" }))).is_ok_and(|gone| !gone.unavailable));
        assert!(serde_json::from_str::<Channel>(&empty(json!({ "id": "1" }))).is_ok());
        assert!(serde_json::from_str::<ThreadListSync>(&empty(json!({ "guild_id": "1" }))).is_ok());
        assert!(serde_json::from_str::<ThreadMembersUpdate>(&empty(json!({ "id": "1" }))).is_ok());
        assert!(serde_json::from_str::<Ready>(&empty(json!({ "user": { "id": "1" } }))).is_ok());
    }
}
