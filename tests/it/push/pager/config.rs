//! The keys of `channels.<id>` for `kind = "pager"`.

use std::time::Duration;

use caigunn_bridge::config::{HumanDuration, Mistake, RawSection};
use caigunn_bridge::contract::Parsed;
use caigunn_bridge::model::Secret;
use caigunn_bridge::model::capabilities::{Capabilities, Delivery, Markup, Overflow, TextLimits, TextUnit};
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
    Ok(Box::new(config))
}

pub(super) fn capabilities(parsed: &Parsed) -> Capabilities {
    let nonce_window = parsed.downcast_ref::<PagerConfig>().map_or(Duration::ZERO, |config| *config.nonce_window);
    Capabilities {
        delivery: Delivery::Push,
        text: TextLimits { max: MAX_TEXT, unit: TextUnit::Utf16 },
        attachment_bytes: 0,
        markup: Markup::Own,
        replies: true,
        edits: false,
        typing: Some(Duration::from_secs(1)),
        dedupes_sends: (!nonce_window.is_zero()).then_some(nonce_window),
        overflow: Overflow::Notice,
    }
}
