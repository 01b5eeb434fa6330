//! How chats, messages and files are named. No other file reads or writes these strings.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::contract::store::OutboxRow;
use crate::model::hex::hex;
use crate::model::{EventKey, Target, Timestamp};

/// An id of Discord's: a number that begins with the time it was made at
/// (<https://docs.discord.com/developers/reference#snowflakes>). Written as text in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snowflake(pub u64);

/// The first millisecond of 2015, from which Discord counts.
const EPOCH: i64 = 1_420_070_400_000;

impl Snowflake {
    /// The smallest id that can be made at a time.
    pub fn at(time: Timestamp) -> Self {
        Self(u64::try_from(time.0 - EPOCH).unwrap_or(0) << 22)
    }

    /// When it was made.
    pub fn time(self) -> Timestamp {
        Timestamp(i64::try_from(self.0 >> 22).unwrap_or(i64::MAX).saturating_add(EPOCH))
    }

    /// The smallest id of so much earlier.
    pub fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX >> 22) << 22))
    }
}

impl std::fmt::Display for Snowflake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<'a> {
            Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
            Number(u64),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(id) => Ok(Self(id)),
            Either::Text(text) => text.parse().map(Self).map_err(|_| serde::de::Error::custom("an id is no number")),
        }
    }
}

impl Serialize for Snowflake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An id as people write it.
pub(super) fn snowflake(text: &str) -> Option<Snowflake> {
    let plausible = (15..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plausible).map(Snowflake)
}

/// The bot that a token is for: the first of its parts is the bot's id in Base64.
pub(super) fn account(token: &str) -> Option<Snowflake> {
    let mut parts = token.split('.');
    let (first, rest) = (parts.next()?, [parts.next()?, parts.next()?]);
    let alphabet = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if parts.next().is_some() || !rest.iter().all(|part| !part.is_empty() && alphabet(part)) {
        return None;
    }
    let first = first.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(first).or_else(|_| URL_SAFE_NO_PAD.decode(first)).ok()?;
    String::from_utf8(bytes).ok()?.parse().ok().map(Snowflake)
}

/// The source of a shard's cursor: its session, and how far it was heard. It belongs to the bot, not to the channel.
pub(super) fn session_source(bot: Snowflake, shard: u16, shards: u16) -> String {
    format!("{}{shard}/{shards}", session_sources(bot))
}

/// How the sources of a bot's shards begin.
pub(super) fn session_sources(bot: Snowflake) -> String {
    format!("discord:{bot}:shard:")
}

/// Among how many the shard of a source is.
pub(super) fn shards_of(source: &str) -> Option<u16> {
    source.rsplit_once('/')?.1.parse().ok()
}

/// The source of a chat's cursor: its last message that was for the bot.
pub(super) fn chat_source(bot: Snowflake, chat: Snowflake) -> String {
    format!("{}{chat}", chat_sources(bot))
}

/// How the sources of a bot's chats begin.
pub(super) fn chat_sources(bot: Snowflake) -> String {
    format!("discord:{bot}:chat:")
}

pub(super) fn message(channel: Snowflake, message: Snowflake) -> EventKey {
    EventKey::new(format!("m:{channel}:{message}"))
}

/// An edit of it; `at` is Discord's own time of the edit.
pub(super) fn edit(channel: Snowflake, message: Snowflake, at: &str) -> EventKey {
    EventKey::new(format!("e:{channel}:{message}:{at}"))
}

pub(super) fn interaction(id: Snowflake) -> EventKey {
    EventKey::new(format!("i:{id}"))
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A channel, a thread or a direct-message channel.
    Channel(Snowflake),
    /// A thread that is opened on a message when something is first said there. It has the message's id.
    ThreadOn { channel: Snowflake, message: Snowflake, name: String },
    /// The answer to an interaction, through its token.
    Interaction { id: Snowflake, token: String },
    /// The direct messages of a person.
    User(Snowflake),
}

impl Address {
    fn written(&self) -> String {
        match self {
            Self::Channel(id) => id.to_string(),
            Self::ThreadOn { channel, message, name } => format!("t:{channel}:{message}:{name}"),
            Self::Interaction { id, token } => format!("{INTERACTION}{id}:{token}"),
            Self::User(id) => format!("u:{id}"),
        }
    }
}

/// How the addresses of answers to interactions begin.
pub(super) const INTERACTION: &str = "i:";

/// A message that is replied to, as rows name it.
pub(super) fn replied_to(text: &str) -> Option<Snowflake> {
    text.parse().ok().map(Snowflake)
}

/// What an address names; `None` if it was not written here.
pub(super) fn address(address: &str) -> Option<Address> {
    let id = |text: &str| text.parse().ok().map(Snowflake);
    let Some((kind, rest)) = address.split_once(':') else {
        return id(address).map(Address::Channel);
    };
    match kind {
        "u" => id(rest).map(Address::User),
        "i" => {
            let (interaction, token) = rest.split_once(':')?;
            Some(Address::Interaction { id: id(interaction)?, token: token.to_owned() })
        }
        "t" => {
            let mut parts = rest.splitn(3, ':');
            let (channel, message) = (id(parts.next()?)?, id(parts.next()?)?);
            Some(Address::ThreadOn { channel, message, name: parts.next()?.to_owned() })
        }
        _ => None,
    }
}

/// A chat: sends are in order in it.
pub(super) fn channel(id: Snowflake) -> Target {
    Target::of(id.to_string())
}

/// The thread that is opened on a question. Where it cannot be, the answer goes to the channel.
pub(super) fn thread_on(channel: Snowflake, message: Snowflake, name: String) -> Target {
    Target {
        key: message.to_string().into(),
        address: Address::ThreadOn { channel, message, name }.written().into(),
        expires_at: None,
        fallback: Some(channel.to_string().into()),
        chat: None,
    }
}

/// An interaction's token lives for 15 minutes (<https://docs.discord.com/developers/interactions/receiving-and-responding>);
/// a call takes a while.
const TOKEN_LIVES: Duration = Duration::from_secs(15 * 60 - 15);

/// What everybody in the chat sees: through the interaction while its token lives, as a message after.
pub(super) fn public_answer(id: Snowflake, token: String, channel: Snowflake) -> Target {
    Target {
        key: channel.to_string().into(),
        address: Address::Interaction { id, token }.written().into(),
        expires_at: Some(token_end(id)),
        fallback: Some(channel.to_string().into()),
        chat: None,
    }
}

/// What only one person sees: through the interaction while its token lives, as a direct message after. It has an order of its
/// own.
pub(super) fn private_answer(id: Snowflake, token: String, user: Snowflake, channel: Snowflake) -> Target {
    Target {
        key: format!("i:{id}").into(),
        address: Address::Interaction { id, token }.written().into(),
        expires_at: Some(token_end(id)),
        fallback: Some(Address::User(user).written().into()),
        chat: Some(channel.to_string().into()),
    }
}

/// Whether only one person may see what goes there.
pub(super) fn is_private(target: &Target) -> bool {
    target.key.starts_with("i:")
}

pub(super) fn token_end(interaction: Snowflake) -> Timestamp {
    let end = interaction.time().0.saturating_add(i64::try_from(TOKEN_LIVES.as_millis()).unwrap_or(i64::MAX));
    Timestamp(end)
}

/// What Discord counts calls against: the chat, and the bot as a whole
/// (<https://docs.discord.com/developers/topics/rate-limits>).
pub(super) fn scopes(target: &Target) -> Vec<String> {
    vec![chat_scope(target), BOT_SCOPE.to_owned()]
}

pub(super) fn chat_scope(target: &Target) -> String {
    format!("{CHAT_SCOPE}{}", target.key)
}

pub(super) const CHAT_SCOPE: &str = "chat:";
pub(super) const BOT_SCOPE: &str = "bot";

/// At most 25 characters by which Discord knows a message again that is sent once more. The same for a row each time, and for
/// no other row; with the payload, because a row whose text was refused goes on as a notice.
pub(super) fn nonce(channel: &str, row: &OutboxRow) -> String {
    let turn = row.turn.map(|turn| turn.to_string()).unwrap_or_default();
    let place = format!("{channel}\n{turn}\n{}\n{}\n{}\n", row.seq, row.action, row.part);
    let digest = Sha256::new().chain_update(place).chain_update(&row.payload).finalize();
    hex(&digest[..12])
}

/// A file of a message: its link, and where the message is that has another one when the link has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileRef {
    /// Channel, message and the attachment's own id; `None` for what can be had by its link alone.
    pub(super) of: Option<(Snowflake, Snowflake, Snowflake)>,
    pub(super) url: String,
}

impl FileRef {
    pub(super) fn written(&self) -> String {
        match self.of {
            Some((channel, message, id)) => format!("a:{channel}:{message}:{id}:{}", self.url),
            None => format!("l:{}", self.url),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let id = |text: &str| text.parse().ok().map(Snowflake);
        match kind {
            "l" => Some(Self { of: None, url: rest.to_owned() }),
            "a" => {
                let mut parts = rest.splitn(4, ':');
                let of = (id(parts.next()?)?, id(parts.next()?)?, id(parts.next()?)?);
                Some(Self { of: Some(of), url: parts.next()?.to_owned() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_whose_it_is() {
        let token = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.token-of-the-tests-0123456789abcdefghij";
        assert_eq!(account(token), Some(Snowflake(1_100_000_000_000_000_001)));
        for bad in
            ["", "Bot x", "a.b.c", "MTEw.b", "MTEwMDAwMDAwMDAwMDAwMDAwMQ.a b.c", "MTEwMDAwMDAwMDAwMDAwMDAwMQ.a.b.c"]
        {
            assert_eq!(account(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_has_a_time() {
        // Discord's own example (https://docs.discord.com/developers/reference#snowflakes).
        let id = Snowflake(175_928_847_299_117_063);
        assert_eq!(id.time(), Timestamp(1_462_015_105_796));
        assert!(Snowflake::at(id.time()) <= id && id < Snowflake::at(Timestamp(id.time().0 + 1)));
        assert_eq!(id.earlier(Duration::from_secs(1)).time(), Timestamp(1_462_015_104_796));
        assert_eq!(Snowflake(7).earlier(Duration::from_secs(1)), Snowflake(0));
    }

    #[test]
    fn what_is_written_is_read() {
        let (one, two, three) = (Snowflake(1), Snowflake(2), Snowflake(3));
        for here in [
            Address::Channel(one),
            Address::ThreadOn { channel: one, message: two, name: "why: a:b?".to_owned() },
            Address::Interaction { id: one, token: "a_b:c-d".to_owned() },
            Address::User(three),
        ] {
            assert_eq!(address(&here.written()), Some(here));
        }
        for strange in ["", "x", "z:1", "u:x", "i:1", "t:1:2"] {
            assert_eq!(address(strange), None, "{strange}");
        }
        for of in [Some((one, two, three)), None] {
            let file = FileRef { of, url: "https://cdn.example/a:b?x=1".to_owned() };
            assert_eq!(FileRef::read(&file.written()), Some(file));
        }
    }

    #[test]
    fn ids_are_read_as_text_and_as_numbers() {
        assert_eq!(serde_json::from_str::<Vec<Snowflake>>(r#"["12", 13]"#).unwrap(), [Snowflake(12), Snowflake(13)]);
        assert!(serde_json::from_str::<Snowflake>(r#""x""#).is_err());
        assert_eq!(serde_json::to_string(&Snowflake(5)).unwrap(), r#""5""#);
    }
}
