//! How chats are named. No other file reads or writes these strings.

use crate::model::Target;

/// What Discord counts calls against: the chat, and the bot as a whole
/// (<https://docs.discord.com/developers/topics/rate-limits>).
pub(super) fn scopes(target: &Target) -> Vec<String> {
    vec![format!("{CHAT_SCOPE}{}", target.key), BOT_SCOPE.to_owned()]
}

pub(super) const CHAT_SCOPE: &str = "chat:";
pub(super) const BOT_SCOPE: &str = "bot";
