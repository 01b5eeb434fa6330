//! The keys of `channels.<id>` for `kind = "discord"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channels::discord::ids;
use crate::channels::discord::render::MAX_TEXT;
use crate::config::{HumanDuration, Id, LateEdits, Mistake, RawSection, is_address};
use crate::contract::Parsed;
use crate::contract::channel::ListensAs;
use crate::model::Secret;
use crate::model::capabilities::{Capabilities, Dedupes, Delivery, Markup, Overflow, SendRate, TextLimits, TextUnit};

/// Where Discord's own API is.
pub const OFFICIAL: &str = "https://discord.com";

/// Where Discord keeps stickers.
pub const OFFICIAL_CDN: &str = "https://cdn.discordapp.com";

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    /// The bot's token, from the page "Bot" of the application in Discord's developer portal.
    #[schemars(extend("examples" = ["REPLACE-ME with the token from the developer portal"]))]
    pub token: Secret,
    /// Where Discord's API is. Another server is for tests and for proxies that speak it.
    #[serde(default = "official")]
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"))]
    pub api_url: String,
    /// Where stickers are.
    #[serde(default = "official_cdn")]
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"))]
    pub cdn_url: String,
    /// Proxy for every call and for the gateway; without one, `HTTPS_PROXY` and its like count.
    #[schemars(extend("examples" = ["http://proxy.example:3128"]))]
    pub proxy: Option<Secret>,
    /// How long any call may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "2m"))]
    pub timeout: HumanDuration,
    /// Into how many connections the gateway is divided; each has a lease of its own, so that replicas share them. Without a
    /// number there are as many as Discord recommends, all in one replica.
    #[schemars(range(min = 1, max = 1000))]
    pub shards: Option<u16>,
    /// Whether the bot wants to read messages that do not mention it. Needs the switch "Message Content Intent" in the portal;
    /// while that is off, the bot answers mentions, direct messages and slash commands only.
    #[serde(default = "yes")]
    pub message_content: bool,
    /// When the bot answers in servers.
    #[serde(default)]
    pub servers: Servers,
    /// Ids of channels, forums or categories in which every message is for the bot.
    #[serde(default)]
    #[schemars(extend("examples" = [["1100000000000000001"]]))]
    pub always_in: Vec<Id>,
    /// Whether every message is for the bot in threads that it takes part in.
    #[serde(default = "yes")]
    pub follow_threads: bool,
    /// Ids of channels in which the bot opens a thread for each question and answers there.
    #[serde(default)]
    #[schemars(extend("examples" = [["1100000000000000002"]]))]
    pub threads_in: Vec<Id>,
    /// Regular expressions that address the bot in a server as a mention would.
    #[serde(default)]
    #[schemars(extend("examples" = [["(?i)^bot[,:]"]]))]
    pub patterns: Vec<String>,
    /// Whether slash commands are registered with Discord, and answered.
    #[serde(default = "yes")]
    pub commands: bool,
    /// Ids of the servers in which slash commands are registered; none = everywhere.
    #[serde(default)]
    #[schemars(extend("examples" = [["1100000000000000003"]]))]
    pub commands_in: Vec<Id>,
    /// Slash commands whose answers only the person who used them can see.
    #[serde(default = "private_by_default")]
    pub private: Vec<SlashCommand>,
    /// What becomes of a message that is edited after it was asked. Before that, the new text replaces the old one.
    #[serde(default)]
    pub late_edits: LateEdits,
    /// Whether the message that somebody replies to is passed along, with its picture.
    #[serde(default = "yes")]
    pub quotes: bool,
    /// Where an answer names the message that it answers.
    #[serde(default)]
    pub replies: Replies,
    /// Whether links in answers show a preview.
    #[serde(default)]
    pub link_previews: bool,
    /// Answers that need more messages than this are sent as a file.
    #[serde(default = "default_max_messages")]
    #[schemars(range(min = 1, max = 50))]
    pub max_messages: u8,
    /// Messages that were missed while there was no connection are read again if they are not older than this; 0 = never.
    #[serde(default = "default_catch_up")]
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "14d"))]
    pub catch_up: HumanDuration,
    /// How many missed messages of one chat are read at most, the newest of them.
    #[serde(default = "default_catch_up_messages")]
    #[schemars(range(min = 1, max = 10_000))]
    pub catch_up_messages: u16,
    /// Whether sending keeps ahead of Discord's global limit of 50 calls a second. By default it does with Discord's own API
    /// only.
    pub pace: Option<bool>,
}

/// When the bot answers in servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Servers {
    /// When it is mentioned or replied to, or a pattern fits.
    #[default]
    Addressed,
    /// Always.
    Always,
    /// Never, but for slash commands.
    Never,
}

/// Where an answer names the message that it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replies {
    /// In servers, where others write in between.
    #[default]
    Servers,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// What can be asked with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlashCommand {
    Ask,
    Help,
    Reset,
    History,
    Lang,
    Id,
}

fn official() -> String {
    OFFICIAL.to_owned()
}

fn official_cdn() -> String {
    OFFICIAL_CDN.to_owned()
}

fn private_by_default() -> Vec<SlashCommand> {
    use SlashCommand::{Help, History, Id, Lang, Reset};
    vec![Help, Reset, History, Lang, Id]
}

fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn default_max_messages() -> u8 {
    5
}

fn default_catch_up() -> HumanDuration {
    HumanDuration::from_mins(24 * 60)
}

fn default_catch_up_messages() -> u16 {
    200
}

fn yes() -> bool {
    true
}

impl DiscordConfig {
    pub fn paced(&self) -> bool {
        self.pace.unwrap_or(self.api_url == OFFICIAL)
    }

    pub fn is_private(&self, command: SlashCommand) -> bool {
        self.private.contains(&command)
    }
}

/// What the schema cannot say is checked here; every mistake is reported at once.
pub(super) fn parse(section: &RawSection) -> Result<Parsed, Vec<Mistake>> {
    let mut config: DiscordConfig = section.parse()?;
    for url in [&mut config.api_url, &mut config.cdn_url] {
        url.truncate(url.trim_end_matches('/').len());
    }
    let mut mistakes = Vec::new();
    let mut wrong = |key: &str, reason: &str, hint: &str| {
        mistakes.push(section.mistake(key, reason).hint(hint.to_owned()));
    };
    if ids::account(config.token.expose()).is_none() {
        let hint = "copy the whole of it, without \"Bot\" before it, from the page \"Bot\" of the developer portal (\"Reset Token\" shows it once): three \
                    parts with dots between them. The client secret and the public key are something else";
        wrong("token", "is no bot token", hint);
    }
    for (key, url) in [("api_url", &config.api_url), ("cdn_url", &config.cdn_url)] {
        if !is_address(url) {
            wrong(key, "is no address of a server", "such as https://discord.com");
        }
    }
    let lists =
        [("always_in", &config.always_in), ("threads_in", &config.threads_in), ("commands_in", &config.commands_in)];
    for (key, list) in lists {
        for (n, id) in list.iter().enumerate() {
            if ids::snowflake(&id.0).is_none() {
                let hint = "a number of 17 to 20 digits: turn Discord's developer mode on (settings, advanced), then \"Copy ID\" in \
                            the menu of the channel or server";
                wrong(&format!("{key}.[{n}]"), "is no id of Discord's", hint);
            }
        }
    }
    mistakes.extend(section.check_patterns("patterns", &config.patterns));
    mistakes.extend(section.check_proxy("proxy", config.proxy.as_ref()));
    if mistakes.is_empty() { Ok(Box::new(config)) } else { Err(mistakes) }
}

/// Discord shows "typing" for 10 seconds (<https://docs.discord.com/developers/resources/channel#trigger-typing-indicator>).
const TYPING: Duration = Duration::from_secs(8);

/// For how long Discord surely knows a nonce again: it says "a few minutes"
/// (<https://docs.discord.com/developers/resources/message#create-message>).
const NONCES_LAST: Duration = Duration::from_secs(2 * 60);

/// The largest file that a bot may send where nobody has paid for more
/// (<https://docs.discord.com/developers/reference#uploading-files>).
const MAX_UPLOAD: u64 = 10 << 20;

/// Fifty calls a second in all (<https://docs.discord.com/developers/topics/rate-limits#global-rate-limit>); some are left for
/// what is no answer: eight for signals of typing, two for the rest. Discord tells the limits of chats itself, call by call.
fn rates() -> Vec<SendRate> {
    vec![SendRate { scope: ids::BOT_SCOPE.into(), calls: 40, per: Duration::from_secs(1) }]
}

/// Two connections of one bot would both answer everything. The token may differ: an old one and its successor are one bot's.
pub(super) fn listens_as(parsed: &Parsed) -> Option<ListensAs> {
    let config = parsed.downcast_ref::<DiscordConfig>()?;
    Some(ListensAs::bot("token", ids::account(config.token.expose())?.to_string()))
}

pub(super) fn capabilities(parsed: &Parsed) -> Capabilities {
    let paced = parsed.downcast_ref::<DiscordConfig>().is_some_and(DiscordConfig::paced);
    Capabilities {
        delivery: Delivery::Push,
        text: TextLimits { max: MAX_TEXT, unit: TextUnit::Chars },
        attachment_bytes: MAX_UPLOAD,
        markup: Markup::Own,
        replies: true,
        edits: false,
        typing: Some(TYPING),
        // Answers to interactions take no nonce.
        dedupes_sends: Some(Dedupes { within: NONCES_LAST, except: Some(ids::INTERACTION.into()) }),
        rates: if paced { rates() } else { Vec::new() },
        // A server that invites the bot later gets its commands, too.
        maintain_every: Some(Duration::from_secs(60 * 60)),
        overflow: Overflow::Notice,
    }
}
