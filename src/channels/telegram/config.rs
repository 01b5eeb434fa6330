//! The keys of `channels.<id>` for `kind = "telegram"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channels::telegram::ids;
use crate::config::{HumanDuration, Id, LateEdits, Mistake, RawSection, is_address};
use crate::contract::Parsed;
use crate::contract::channel::ListensAs;
use crate::model::Secret;
use crate::model::capabilities::{Capabilities, Delivery, Markup, Overflow, SendRate, TextLimits, TextUnit};

/// Where Telegram's own Bot API server is.
pub const OFFICIAL: &str = "https://api.telegram.org";

/// The longest text of a message, in UTF-16 units after entity parsing (<https://core.telegram.org/bots/api#sendmessage>).
pub const MAX_TEXT: usize = 4096;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    /// The bot's token, as @BotFather gave it.
    #[schemars(extend("examples" = ["REPLACE-ME with the token from @BotFather"]))]
    pub token: Secret,
    /// The Bot API server: Telegram's, or one of your own.
    #[serde(default = "official")]
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"))]
    pub api_url: String,
    /// Proxy for every call to the Bot API server; without one, `HTTPS_PROXY` and its like count.
    #[schemars(extend("examples" = ["http://proxy.example:3128"]))]
    pub proxy: Option<Secret>,
    /// How messages come in.
    #[serde(default)]
    pub receive: Receive,
    /// How long Telegram may hold a poll while there is nothing to tell.
    #[serde(default = "default_poll_timeout")]
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "50s"))]
    pub poll_timeout: HumanDuration,
    /// How long any other call may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "2m"))]
    pub timeout: HumanDuration,
    /// With `receive = "webhook"`: the bridge's address as Telegram reaches it, without a path. It must be https.
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+/?$"), extend("examples" = ["https://bot.example.com"]))]
    pub webhook_url: Option<String>,
    /// Deliveries that Telegram makes at once. Only with 1 do messages arrive in the order in which they were written.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub webhook_connections: u8,
    /// How often Telegram is asked whether the webhook is still set as it should be.
    #[serde(default = "default_webhook_check")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub webhook_check: HumanDuration,
    /// Takes the bot over from a webhook that somebody else has set for it.
    #[serde(default)]
    pub take_over: bool,
    /// When the bot answers in groups.
    #[serde(default)]
    pub groups: Groups,
    /// Ids of groups in which every message is for the bot.
    #[serde(default)]
    #[schemars(extend("examples" = [[-1_001_234_567_890_i64]]))]
    pub always_in: Vec<Id>,
    /// Regular expressions that address the bot in a group as its name would.
    #[serde(default)]
    #[schemars(extend("examples" = [["(?i)^bot[,:]"]]))]
    pub patterns: Vec<String>,
    /// Whether `/help` without the bot's name counts in a group. With several bots there, all of them would answer.
    #[serde(default)]
    pub bare_commands: bool,
    /// Whether posts in channels are answered.
    #[serde(default)]
    pub channel_posts: bool,
    /// Whether the bot greets when it is added to a group (with the text `welcome`).
    #[serde(default)]
    pub welcome: bool,
    /// What becomes of a message that is edited after it was asked. Before that, the new text replaces the old one.
    #[serde(default)]
    pub late_edits: LateEdits,
    /// Whether the message that somebody replies to is passed along, with its picture.
    #[serde(default = "yes")]
    pub quotes: bool,
    /// How long an album is held for its further pictures.
    #[serde(default = "default_album_wait")]
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "30s"))]
    pub album_wait: HumanDuration,
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
    /// Whether sending keeps to Telegram's published rates (30 a second, one a second in a chat, 20 a minute in a group). By
    /// default it does with Telegram's own server only.
    pub pace: Option<bool>,
}

/// How messages come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Receive {
    /// The bridge asks Telegram for them. Needs no public address.
    #[default]
    Polling,
    /// Telegram delivers them to `webhook_url`.
    Webhook,
}

/// When the bot answers in groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// When it is mentioned, replied to, given a command, or a pattern fits.
    #[default]
    Addressed,
    /// Always. With privacy mode on, Telegram shows the bot only what addresses it.
    Always,
    /// Never.
    Never,
}

/// Where an answer names the message that it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replies {
    /// In groups, where others write in between.
    #[default]
    Groups,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

fn official() -> String {
    OFFICIAL.to_owned()
}

fn default_poll_timeout() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn default_webhook_check() -> HumanDuration {
    HumanDuration::from_mins(1)
}

fn default_album_wait() -> HumanDuration {
    HumanDuration::from_millis(1_500)
}

fn default_max_messages() -> u8 {
    5
}

fn one() -> u8 {
    1
}

fn yes() -> bool {
    true
}

impl TelegramConfig {
    /// The bot's own id: the part of the token before the colon.
    pub fn bot_id(&self) -> i64 {
        self.token.expose().split(':').next().and_then(|id| id.parse().ok()).unwrap_or_default()
    }

    pub fn paced(&self) -> bool {
        self.pace.unwrap_or(self.api_url == OFFICIAL)
    }
}

/// What the schema cannot say is checked here; every mistake is reported at once.
pub(super) fn parse(section: &RawSection) -> Result<Parsed, Vec<Mistake>> {
    let mut config: TelegramConfig = section.parse()?;
    for url in config.webhook_url.iter_mut().chain([&mut config.api_url]) {
        url.truncate(url.trim_end_matches('/').len());
    }
    let mut mistakes = Vec::new();
    let mut wrong = |key: &str, reason: &str, hint: &str| {
        mistakes.push(section.mistake(key, reason).hint(hint.to_owned()));
    };
    if !is_token(config.token.expose()) {
        let hint = "copy the whole of it from @BotFather: digits, a colon, letters and digits, such as 123456789:AAF…";
        wrong("token", "is no bot token", hint);
    }
    if !is_address(&config.api_url) {
        wrong("api_url", "is no address of a server", "such as http://127.0.0.1:8081");
    }
    match config.webhook_url.as_deref().map(|url| (url, reqwest::Url::parse(url))) {
        None if config.receive == Receive::Webhook => {
            let hint = "set it to the https address under which Telegram reaches this bridge";
            wrong("webhook_url", "is missing with `receive = \"webhook\"`", hint);
        }
        None => {}
        Some((text, Ok(url))) if is_address(text) => {
            if url.path() != "/" {
                let hint =
                    "the bridge adds `/telegram/<id of the channel>` itself, and Telegram has to reach just that";
                wrong("webhook_url", "must not have a path", hint);
            }
            if config.api_url == OFFICIAL && url.scheme() != "https" {
                wrong("webhook_url", "must be https", "only a Bot API server of your own takes plain http");
            } else if config.api_url == OFFICIAL && !PORTS.contains(&url.port_or_known_default().unwrap_or(0)) {
                wrong("webhook_url", "names a port that Telegram does not deliver to", "it takes 443, 80, 88 and 8443");
            }
        }
        Some(_) => wrong("webhook_url", "is no address of a server", "such as https://bot.example.com"),
    }
    for (n, id) in config.always_in.iter().enumerate() {
        if !id.0.parse::<i64>().is_ok_and(|id| id < 0) {
            let hint = "a negative number such as -1001234567890; `/id@yourbot` in the group tells it";
            wrong(&format!("always_in.[{n}]"), "is no id of a group", hint);
        }
    }
    mistakes.extend(section.check_patterns("patterns", &config.patterns));
    mistakes.extend(section.check_proxy("proxy", config.proxy.as_ref()));
    if mistakes.is_empty() { Ok(Box::new(config)) } else { Err(mistakes) }
}

/// Where Telegram delivers to (<https://core.telegram.org/bots/api#setwebhook>).
const PORTS: [u16; 4] = [443, 80, 88, 8443];

/// `123456789:AA…`. Of the second part only the alphabet is known for sure.
fn is_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(id, secret)| {
        id.parse::<i64>().is_ok_and(|id| id > 0)
            && secret.len() >= 20
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    })
}

/// Telegram shows "typing" for 5 seconds (<https://core.telegram.org/bots/api#sendchataction>).
const TYPING: Duration = Duration::from_secs(4);

/// What Telegram asks bots to keep to (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).
fn rates() -> Vec<SendRate> {
    let rate = |scope: &'static str, calls, seconds| SendRate {
        scope: scope.into(),
        calls,
        per: Duration::from_secs(seconds),
    };
    vec![rate(ids::CHAT_SCOPE, 1, 1), rate(ids::GROUP_SCOPE, 20, 60), rate(ids::BOT_SCOPE, 30, 1)]
}

/// Telegram gives a bot's updates to one poller or one webhook. The token may differ: an old one and its successor are one bot's.
pub(super) fn listens_as(parsed: &Parsed) -> Option<ListensAs> {
    let config = parsed.downcast_ref::<TelegramConfig>()?;
    Some(ListensAs::bot("token", config.bot_id().to_string()))
}

pub(super) fn capabilities(parsed: &Parsed) -> Capabilities {
    let paced = parsed.downcast_ref::<TelegramConfig>().is_some_and(TelegramConfig::paced);
    Capabilities {
        delivery: Delivery::Push,
        text: TextLimits { max: MAX_TEXT, unit: TextUnit::Utf16 },
        attachment_bytes: 50_000_000,
        markup: Markup::Own,
        replies: true,
        edits: false,
        typing: Some(TYPING),
        dedupes_sends: None,
        rates: if paced { rates() } else { Vec::new() },
        maintain_every: None,
        overflow: Overflow::Notice,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TelegramConfig, capabilities};
    use crate::channels::telegram::ids;
    use crate::model::Target;

    #[test]
    fn telegrams_own_server_is_paced_and_every_scope_of_a_call_has_its_rate() {
        let rates = |section: serde_json::Value| {
            let config: TelegramConfig = serde_json::from_value(section).unwrap();
            capabilities(&(Box::new(config) as _)).rates
        };
        let own = json!({ "token": "t", "api_url": "http://127.0.0.1:8081" });
        assert!(rates(own.clone()).is_empty());
        let mut paced = own;
        paced["pace"] = true.into();
        assert_eq!(rates(paced).len(), 3);
        let rates = rates(json!({ "token": "t" }));
        let counted = |chat: &str| {
            let scopes = ids::scopes(&Target::of(chat));
            let per_scope =
                scopes.iter().map(|scope| rates.iter().filter(|rate| scope.starts_with(&*rate.scope)).count());
            per_scope.collect::<Vec<_>>()
        };
        assert_eq!((counted("42"), counted("-10042")), (vec![1, 1], vec![1, 1, 1]));
    }
}
