//! `[pipeline]`: bounds, retries and ages on a message's way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, HumanDuration};

/// Bounds, retries and ages on a message's way from the inbox to its answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Asks open at CaiGunn at once, over all bots.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_in_flight: u32,
    /// Messages of one conversation that may wait; further ones are refused with one notice.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_pending_per_conversation: u32,
    /// Messages a minute from one user; further ones are refused with one notice. 0 turns the limit off.
    #[schemars(range(min = 0, max = 100_000))]
    pub user_rate: u32,
    /// Messages one user may send at once before `user_rate` bites.
    #[schemars(range(min = 1, max = 100_000))]
    pub user_burst: u32,
    /// Time of attempts after which a message is given up and its sender told. Waiting for an open breaker or a paused
    /// bot does not count.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "7d"))]
    pub give_up_after: HumanDuration,
    /// After an ask whose outcome is unknown: how long to look for its answer in the history before asking again. 0 looks
    /// once.
    #[schemars(extend("x-maximum" = "1h"))]
    pub recovery_window: HumanDuration,
    /// A message older than this at its turn gets a short apology instead of a late answer.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "30d"))]
    pub max_age: HumanDuration,
    /// Waiting turns kept in memory; further ones are read back from the store when their time comes.
    #[schemars(range(min = 100, max = 10_000_000))]
    pub window: u32,
    /// Pictures fetched at once, per channel.
    #[schemars(range(min = 1, max = 1_000))]
    pub fetch_concurrency: u32,
    /// What to do with a send of unknown outcome where the platform cannot tell a double.
    pub ambiguous_send: AmbiguousSend,
    /// Waiting time between attempts.
    pub retry: Retry,
    /// The circuit breaker of each bot.
    pub breaker: Breaker,
    /// Limits of the pictures that are passed on.
    pub image: Image,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_pending_per_conversation: 20,
            user_rate: 20,
            user_burst: 10,
            give_up_after: HumanDuration::from_mins(15),
            recovery_window: HumanDuration::from_secs(30),
            max_age: HumanDuration::from_mins(60),
            window: 100_000,
            fetch_concurrency: 8,
            ambiguous_send: AmbiguousSend::default(),
            retry: Retry::default(),
            breaker: Breaker::default(),
            image: Image::default(),
        }
    }
}

/// What to do with a send of unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmbiguousSend {
    /// Send again: nothing is lost, a double is possible.
    #[default]
    Resend,
    /// Do not send again: nothing is doubled, a reply may be lost.
    Drop,
}

/// Exponential backoff with full jitter between attempts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Longest wait before the second attempt; it doubles with each further one.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "10m"))]
    pub min: HumanDuration,
    /// Longest wait between two attempts.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub max: HumanDuration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { min: HumanDuration::from_millis(500), max: HumanDuration::from_secs(60) }
    }
}

/// While a bot's breaker is open its messages wait; they do not fail.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open it.
    #[schemars(range(min = 1, max = 10_000))]
    pub failures: u32,
    /// Time until one ask is let through to try again.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1h"))]
    pub open_for: HumanDuration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, open_for: HumanDuration::from_secs(15) }
    }
}

/// Limits of the pictures that are passed on; what exceeds them is scaled down or explained to the sender.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// Largest file that is read.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
    pub max_bytes: ByteSize,
    /// Most pixels that are decoded (a small file can unpack to a very large picture).
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_pixels: u64,
    /// Longest side passed on, in pixels; a larger picture is scaled down.
    #[schemars(range(min = 16, max = 65_535))]
    pub max_side: u32,
}

impl Default for Image {
    fn default() -> Self {
        Self { max_bytes: ByteSize::mib(20), max_pixels: 50_000_000, max_side: 4096 }
    }
}
