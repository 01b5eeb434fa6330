//! How chats, messages and files are named. No other file reads or writes these strings.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::model::hex::hex;
use crate::model::{EventKey, Target, Timestamp};

/// The source of the cursor. It belongs to the bot, not to the channel: another token under the same name is another queue.
pub(super) fn source(bot_id: i64) -> String {
    format!("telegram:{bot_id}:updates")
}

/// How old a cursor may be to be used: after a week without updates Telegram numbers them anew, at random
/// (<https://core.telegram.org/bots/api#update>).
const CURSOR_LASTS: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The last update that was stored, and when.
pub(super) fn cursor(update_id: i64, at: Timestamp) -> String {
    format!("{update_id}@{}", at.0)
}

/// The offset to ask from after a cursor; `None` if it is too old to mean anything.
pub(super) fn offset(cursor: &str, now: Timestamp) -> Option<i64> {
    let (id, at) = cursor.split_once('@')?;
    let at = Timestamp(at.parse().ok()?);
    (now.since(at) < CURSOR_LASTS).then(|| id.parse::<i64>().ok().map(|id| id + 1)).flatten()
}

/// A message, by what Telegram keeps stable about it.
pub(super) fn message(chat: i64, message: i32) -> EventKey {
    EventKey::new(format!("m:{chat}:{message}"))
}

/// A message that has no number of its own in the chat; the one it has is used again once it is gone.
pub(super) fn ephemeral(chat: i64, number: i64, date: i64) -> EventKey {
    EventKey::new(format!("v:{chat}:{number}:{date}"))
}

/// An edit of it. Two edits within one second have the same date: the text tells them apart.
pub(super) fn edit(chat: i64, message: i32, date: i64, text: &str) -> EventKey {
    let digest = Sha256::digest(text.as_bytes());
    EventKey::new(format!("e:{chat}:{message}:{date}:{}", hex(&digest[..4])))
}

/// A change of the bot's standing in a chat.
pub(super) fn membership(chat: i64, date: i64, status: &str) -> EventKey {
    EventKey::new(format!("s:{chat}:{date}:{status}"))
}

/// The move of a group. Both chats report it.
pub(super) fn migration(from: i64, to: i64) -> EventKey {
    EventKey::new(format!("g:{from}:{to}"))
}

/// A chat, and the topic in it. Sends are in order per chat: that is what Telegram counts.
pub(super) fn target(chat: i64, topic: Option<i32>) -> Target {
    let plain = Target::of(chat.to_string());
    match topic {
        None => plain,
        // A topic can be deleted: then the chat itself has to do.
        Some(topic) => {
            Target { address: format!("{chat}/{topic}").into(), fallback: Some(plain.address.clone()), ..plain }
        }
    }
}

/// What an address names; `None` if it was not written here.
pub(super) fn address(address: &str) -> Option<(i64, Option<i32>)> {
    match address.split_once('/') {
        None => Some((address.parse().ok()?, None)),
        Some((chat, topic)) => Some((chat.parse().ok()?, Some(topic.parse().ok()?))),
    }
}

/// What Telegram counts calls against: the chat, the chat again if it is a group, and the bot as a whole.
pub(super) fn scopes(target: &Target) -> Vec<String> {
    let chat = &*target.key;
    let group = chat.starts_with('-').then(|| format!("{GROUP_SCOPE}{chat}"));
    [format!("{CHAT_SCOPE}{chat}")].into_iter().chain(group).chain([BOT_SCOPE.to_owned()]).collect()
}

pub(super) const CHAT_SCOPE: &str = "chat:";
pub(super) const GROUP_SCOPE: &str = "group:";
pub(super) const BOT_SCOPE: &str = "bot";
