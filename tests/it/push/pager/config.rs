//! The keys of `channels.<id>` for `kind = "pager"`.

use std::time::Duration;

use caigunn_bridge::config::{HumanDuration, Mistake, RawSection};
use caigunn_bridge::contract::Parsed;
use caigunn_bridge::model::Secret;
use caigunn_bridge::model::capabilities::{
    Capabilities, Dedupes, Delivery, Markup, Overflow, SendRate, TextLimits, TextUnit,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest text that the platform takes, in UTF-16 units.
pub(crate) const MAX_TEXT: usize = 120;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PagerConfig {
    /// Where the platform is.
    #[schemars(regex(pattern = "^https?://"))]
    pub(crate) url: String,
    /// The token that the platform gave the bot.
    pub(crate) token: Secret,
    /// How long the platform may hold a poll while there is nothing to tell.
    #[serde(default = "default_poll")]
    pub(crate) poll: HumanDuration,
    /// How long any other call may take.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: HumanDuration,
    /// How long an album is held for its further members.
    #[serde(default = "default_album")]
    pub(crate) album: HumanDuration,
    /// Whether a message that is edited after it was asked is asked again.
    #[serde(default)]
    pub(crate) late_edits: bool,
    /// For how long the platform knows a repeated send by its nonce; 0 = it does not.
    #[serde(default = "zero")]
    pub(crate) nonce_window: HumanDuration,
    /// The rates that the platform publishes, as `chat: 1/1s, bot 30/1s`.
    #[serde(default)]
    pub(crate) rates: String,
    /// After how long the list of commands is set again; 0 = never.
    #[serde(default = "zero")]
    pub(crate) maintain_every: HumanDuration,
    /// How often at least the platform should be heard; 0 = no promise.
    #[serde(default = "zero")]
    pub(crate) heard_every: HumanDuration,
}

fn default_poll() -> HumanDuration {
    HumanDuration::from_secs(20)
}

fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn default_album() -> HumanDuration {
    HumanDuration::from_secs(1)
}

fn zero() -> HumanDuration {
    HumanDuration::from_secs(0)
}

/// What the schema cannot say is checked here; every mistake is reported at once.
pub(super) fn parse(section: &RawSection) -> Result<Parsed, Vec<Mistake>> {
    let config: PagerConfig = section.parse()?;
    if config.url.ends_with('/') {
        return Err(vec![section.mistake("url", "ends with a `/`")]);
    }
    if rates(&config.rates).is_none() {
        return Err(vec![section.mistake("rates", "cannot be read")]);
    }
    Ok(Box::new(config))
}

/// `chat: 1/1s`: at most one call a second for each scope that begins with `chat:`.
pub(crate) fn rates(text: &str) -> Option<Vec<SendRate>> {
    let rate = |text: &str| {
        let (scope, rate) = text.trim().split_once(' ')?;
        let (calls, per) = rate.split_once('/')?;
        let per = HumanDuration::parse(per).ok()?;
        Some(SendRate { scope: scope.to_owned().into(), calls: calls.parse().ok()?, per: *per })
    };
    text.split(',').filter(|text| !text.is_empty()).map(rate).collect()
}

/// Nothing for zero.
fn some(duration: HumanDuration) -> Option<Duration> {
    (!duration.is_zero()).then_some(*duration)
}

pub(super) fn capabilities(parsed: &Parsed) -> Capabilities {
    let config = parsed.downcast_ref::<PagerConfig>().expect("parsed here");
    Capabilities {
        delivery: Delivery::Push,
        text: TextLimits { max: MAX_TEXT, unit: TextUnit::Utf16 },
        attachment_bytes: 0,
        markup: Markup::Own,
        replies: true,
        edits: false,
        typing: Some(Duration::from_secs(1)),
        dedupes_sends: some(config.nonce_window).map(|within| Dedupes { within, except: None }),
        rates: rates(&config.rates).unwrap_or_default(),
        maintain_every: some(config.maintain_every),
        overflow: Overflow::Notice,
    }
}
