//! How far a shard's events are stored, as its cursor says, and the chats that have spoken to the bot.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::channels::discord::Discord;
use crate::channels::discord::gateway::{Session, Shard};
use crate::channels::discord::ids::{self, Snowflake};
use crate::contract::store::StoreError;

/// A shard's cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The session, at the last event that is stored.
    pub(super) session: Option<Session>,
    /// What the session was asked to tell.
    pub(super) intents: u64,
    /// The newest message or interaction that was heard of, whoever it was for.
    pub(super) heard: Option<Snowflake>,
    /// What was said after this is still to be read over REST.
    pub(super) behind: Option<Snowflake>,
}

/// A chat that has spoken to the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chat {
    pub(super) id: Snowflake,
    /// `None`: direct messages.
    pub(super) guild: Option<Snowflake>,
    /// Its last message that was for the bot.
    pub(super) last: Snowflake,
}

/// The chats that are looked at after a gap: the most recent ones.
const MOST_CHATS: usize = 1_000;

/// A chat that has not spoken to the bot for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 24 * 60 * 60);

impl Chat {
    pub(super) fn cursor(&self, bot: Snowflake) -> (String, String) {
        let guild = self.guild.unwrap_or_default();
        (ids::chat_source(bot, self.id), format!("{}@{guild}", self.last))
    }

    fn read(bot: Snowflake, source: &str, cursor: &str) -> Option<Self> {
        let id = source.strip_prefix(ids::chat_sources(bot).as_str())?.parse().ok()?;
        let (last, guild) = cursor.split_once('@')?;
        let guild = guild.parse().ok().filter(|guild| *guild != 0).map(Snowflake);
        Some(Self { id: Snowflake(id), guild, last: Snowflake(last.parse().ok()?) })
    }

    /// Whose events tell of the chat (<https://docs.discord.com/developers/events/gateway#sharding>).
    pub(super) fn is_of(&self, shard: Shard) -> bool {
        self.guild.map_or(0, |guild| (guild.0 >> 22) % u64::from(shard.of.max(1))) == u64::from(shard.number)
    }
}

impl Discord {
    /// What is stored of a shard. Of one that is new, as the bot was divided otherwise before: how far it was heard then.
    pub(super) async fn kept(&self, shard: Shard) -> Result<Kept, StoreError> {
        let read = |cursor: &str| serde_json::from_str::<Kept>(cursor).ok();
        let source = ids::session_source(self.bot, shard.number, shard.of);
        if let Some(kept) = self.context.store.cursor(&source).await?.as_deref().and_then(read) {
            return Ok(kept);
        }
        let mut others: HashMap<u16, Vec<Kept>> = HashMap::new();
        for (source, cursor) in self.context.store.cursors(&ids::session_sources(self.bot)).await? {
            if let (Some(of), Some(kept)) = (ids::shards_of(&source), read(&cursor)) {
                others.entry(of).or_default().push(kept);
            }
        }
        Ok(Kept { heard: heard_by(others.into_values()), ..Kept::default() })
    }

    /// The chats of a shard that have spoken to the bot, the most recent first. Those that have long been silent are forgotten.
    pub(super) async fn chats(&self, shard: Shard) -> Result<Vec<Chat>, StoreError> {
        let store = &self.context.store;
        let cursors = store.cursors(&ids::chat_sources(self.bot)).await?;
        let mut chats: HashMap<Snowflake, Chat> = HashMap::new();
        let mut forgotten = Vec::new();
        let oldest = Snowflake::at(self.context.clock.now()).earlier(FORGOTTEN_AFTER);
        for (source, cursor) in cursors {
            match Chat::read(self.bot, &source, &cursor) {
                Some(chat) if chat.last >= oldest => {
                    if chat.is_of(shard) {
                        chats.insert(chat.id, chat);
                    }
                }
                _ => forgotten.push(source),
            }
        }
        if !forgotten.is_empty() {
            store.forget_cursors(forgotten).await?;
        }
        let mut chats: Vec<Chat> = chats.into_values().collect();
        chats.sort_unstable_by_key(|chat| std::cmp::Reverse(chat.last));
        if chats.len() > MOST_CHATS {
            tracing::warn!(channel = %self.context.id, all = chats.len(), looked_at = MOST_CHATS, "not all chats are looked at after a gap");
            chats.truncate(MOST_CHATS);
        }
        Ok(chats)
    }
}

/// How far all shards of the latest division have heard.
fn heard_by(divisions: impl Iterator<Item = Vec<Kept>>) -> Option<Snowflake> {
    let latest = divisions.max_by_key(|shards| shards.iter().filter_map(|kept| kept.heard).max())?;
    latest.iter().filter_map(|kept| kept.behind.or(kept.heard)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_division_goes_on_where_the_last_shard_of_the_latest_one_was() {
        let kept = |heard, behind: Option<u64>| Kept {
            heard: Some(Snowflake(heard)),
            behind: behind.map(Snowflake),
            ..Kept::default()
        };
        let heard = |divisions: Vec<Vec<Kept>>| heard_by(divisions.into_iter()).map(|heard| heard.0);
        assert_eq!(heard(vec![]), None);
        assert_eq!(heard(vec![vec![Kept::default()]]), None);
        assert_eq!(heard(vec![vec![kept(3, None)], vec![kept(9, None), kept(7, None)]]), Some(7));
        assert_eq!(heard(vec![vec![kept(3, None)], vec![kept(9, Some(5)), kept(7, None)]]), Some(5));
    }

    #[test]
    fn a_chat_is_read_as_it_was_written() {
        let bot = Snowflake(7);
        for guild in [None, Some(Snowflake(41_771_983_423_143_937))] {
            let chat = Chat { id: Snowflake(5), guild, last: Snowflake(9) };
            let (source, cursor) = chat.cursor(bot);
            assert_eq!(Chat::read(bot, &source, &cursor), Some(chat));
            assert_eq!(Chat::read(Snowflake(8), &source, &cursor), None, "another bot's");
        }
    }

    #[test]
    fn direct_messages_are_the_first_shards_and_guilds_are_spread() {
        let chat = |guild| Chat { id: Snowflake(5), guild, last: Snowflake(9) };
        let of = |number| Shard { number, of: 2 };
        assert!(chat(None).is_of(of(0)) && !chat(None).is_of(of(1)));
        let odd = Some(Snowflake(1 << 22));
        assert!(chat(odd).is_of(of(1)) && !chat(odd).is_of(of(0)));
    }

    #[test]
    fn a_cursor_of_another_version_is_read_as_far_as_it_goes() {
        let kept = Kept { heard: Some(Snowflake(3)), ..Kept::default() };
        assert_eq!(serde_json::from_str::<Kept>(r#"{"heard": "3", "new": 1}"#).unwrap(), kept);
    }
}
