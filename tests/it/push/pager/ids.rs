//! How chats, messages and files are named. No other file reads or writes these strings.

use std::time::Duration;

use caigunn_bridge::model::{EventKey, Target, Timestamp};

/// The source of the cursor: one per listener of the channel.
pub(super) fn source(channel: &str) -> String {
    format!("{channel}:updates")
}

/// A message, by what the platform keeps stable about it. Update numbers start over when the platform is restored from a
/// backup: they would make old messages of new ones.
pub(super) fn message(chat: &str, message: &str) -> EventKey {
    EventKey::new(format!("m:{chat}:{message}"))
}

/// An edit: the same message, at another revision.
pub(super) fn edit(chat: &str, message: &str, revision: u32) -> EventKey {
    EventKey::new(format!("e:{chat}:{message}:{revision}"))
}

/// Something that happened in a chat and is no message.
pub(super) fn happening(chat: &str, what: &str) -> EventKey {
    EventKey::new(format!("h:{chat}:{what}"))
}

/// A chat under its own name. With a reply token, answers go through that while it lasts: it may work where the bot may not
/// write by itself.
pub(super) fn target(chat: &str, reply: Option<(&str, Duration)>, now: Timestamp) -> Target {
    let plain = Target::of(chat);
    match reply {
        None => plain,
        Some((token, valid)) => Target {
            address: format!("reply:{token}").into(),
            expires_at: Some(now.plus(valid)),
            fallback: Some(plain.address),
            chat: None,
            key: plain.key,
        },
    }
}

/// What the platform calls an address: a chat, or a reply token.
pub(super) enum Address<'a> {
    Chat(&'a str),
    Reply(&'a str),
}

pub(super) fn address(address: &str) -> Address<'_> {
    address.strip_prefix("reply:").map_or(Address::Chat(address), Address::Reply)
}

/// What the platform counts calls against: the chat, the chat again if it is a group, and the bot as a whole.
pub(crate) fn scopes(chat: &str) -> Vec<String> {
    let group = chat.starts_with("group").then(|| format!("group:{chat}"));
    [chat_scope(chat)].into_iter().chain(group).chain([BOT_SCOPE.to_owned()]).collect()
}

pub(super) fn chat_scope(chat: &str) -> String {
    format!("chat:{chat}")
}

pub(super) const BOT_SCOPE: &str = "bot";
