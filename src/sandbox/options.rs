//! What a sandbox is started with, and what of it can be changed while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Secret;

/// One chatbot. Its conversations are its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxBot {
    /// How the log names it.
    pub name: String,
    pub api_key: Secret,
}

/// How a sandbox starts. The default has one bot `demo` with the api key `sandbox-key`, the access token
/// `sandbox-token`, no latency, no faults and no control endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxOptions {
    pub bots: Vec<SandboxBot>,
    pub access_token: Secret,
    /// Whether calls need a valid access token; if not, it is not looked at (a refresh always needs one).
    pub require_token: bool,
    /// How long a `talk` or `vision` takes. In milliseconds when read from a file.
    #[serde(rename = "latency_ms", with = "millis")]
    pub latency: Duration,
    /// Up to so much more, evenly distributed. In milliseconds when read from a file.
    #[serde(rename = "latency_jitter_ms", with = "millis")]
    pub latency_jitter: Duration,
    /// The share (0 to 1) of conversation calls that fail in a random way.
    pub failure_rate: f64,
    /// How long a token is valid; without it, until it is expired by hand. In milliseconds when read from a file.
    #[serde(rename = "token_ttl_ms", with = "optional_millis")]
    pub token_ttl: Option<Duration>,
    /// Whether the token that was refreshed stops being valid at once (open in the API's documents).
    pub old_token_dies: bool,
    /// Whether an expired token can still refresh itself (open in the API's documents).
    pub expired_token_refreshes: bool,
    /// Whether `messages` and `uids` list the newest first (open in the API's documents).
    pub newest_first: bool,
    /// Whether the participant's side of a message is `receive` (what the bot received) or `send` (open as well).
    pub participant_is_receive: bool,
    /// Whether a `nickname` filters `messages` (open as well).
    pub nickname_filters: bool,
    /// By how many milliseconds the clock behind `created_at` is ahead.
    pub clock_skew_ms: i64,
    /// The most entries one answer of `messages` or `uids` lists; a larger `limit` is cut to it.
    pub max_limit: usize,
    /// Whether conversations are kept at all; if not, only their turns are counted.
    pub keep_history: bool,
    /// The most entries kept per conversation; the oldest goes first.
    pub history_limit: usize,
    /// The most calls kept in the log; the oldest goes first.
    pub log_limit: usize,
    /// The most bytes of an image.
    pub max_image_bytes: usize,
    /// Whether `/_sandbox/…` is served. It has no password: only for loopback.
    pub control: bool,
    /// Decides jitter and random failures.
    pub seed: u64,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            bots: vec![SandboxBot { name: "demo".to_owned(), api_key: Secret::new("sandbox-key") }],
            access_token: Secret::new("sandbox-token"),
            require_token: true,
            latency: Duration::ZERO,
            latency_jitter: Duration::ZERO,
            failure_rate: 0.0,
            token_ttl: None,
            old_token_dies: true,
            expired_token_refreshes: true,
            newest_first: true,
            participant_is_receive: true,
            nickname_filters: false,
            clock_skew_ms: 0,
            max_limit: 100,
            keep_history: true,
            history_limit: 1_000,
            log_limit: 10_000,
            max_image_bytes: 20 * 1024 * 1024,
            control: false,
            seed: 0,
        }
    }
}

/// The part of the options that can change while the sandbox runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) latency: Duration,
    pub(super) latency_jitter: Duration,
    pub(super) failure_rate: f64,
    pub(super) token_ttl: Option<Duration>,
    pub(super) require_token: bool,
    pub(super) old_token_dies: bool,
    pub(super) expired_token_refreshes: bool,
    pub(super) newest_first: bool,
    pub(super) participant_is_receive: bool,
    pub(super) nickname_filters: bool,
    pub(super) clock_skew_ms: i64,
    pub(super) max_limit: usize,
    pub(super) keep_history: bool,
}

impl Settings {
    pub(super) fn of(options: &SandboxOptions) -> Self {
        Self {
            latency: options.latency,
            latency_jitter: options.latency_jitter,
            failure_rate: options.failure_rate,
            token_ttl: options.token_ttl,
            require_token: options.require_token,
            old_token_dies: options.old_token_dies,
            expired_token_refreshes: options.expired_token_refreshes,
            newest_first: options.newest_first,
            participant_is_receive: options.participant_is_receive,
            nickname_filters: options.nickname_filters,
            clock_skew_ms: options.clock_skew_ms,
            max_limit: options.max_limit,
            keep_history: options.keep_history,
        }
    }

    pub(super) fn apply(&mut self, patch: &SettingsPatch) {
        fn set<T: Copy>(value: Option<T>, to: &mut T) {
            if let Some(value) = value {
                *to = value;
            }
        }
        set(patch.latency_ms.map(Duration::from_millis), &mut self.latency);
        set(patch.latency_jitter_ms.map(Duration::from_millis), &mut self.latency_jitter);
        set(patch.failure_rate, &mut self.failure_rate);
        set(patch.token_ttl_ms.map(|ms| (ms > 0).then(|| Duration::from_millis(ms))), &mut self.token_ttl);
        set(patch.require_token, &mut self.require_token);
        set(patch.old_token_dies, &mut self.old_token_dies);
        set(patch.expired_token_refreshes, &mut self.expired_token_refreshes);
        set(patch.newest_first, &mut self.newest_first);
        set(patch.participant_is_receive, &mut self.participant_is_receive);
        set(patch.nickname_filters, &mut self.nickname_filters);
        set(patch.clock_skew_ms, &mut self.clock_skew_ms);
        set(patch.max_limit, &mut self.max_limit);
        set(patch.keep_history, &mut self.keep_history);
    }
}

/// A change of settings; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    pub latency_ms: Option<u64>,
    pub latency_jitter_ms: Option<u64>,
    pub failure_rate: Option<f64>,
    /// 0 means: tokens do not expire by themselves.
    pub token_ttl_ms: Option<u64>,
    pub require_token: Option<bool>,
    pub old_token_dies: Option<bool>,
    pub expired_token_refreshes: Option<bool>,
    pub newest_first: Option<bool>,
    pub participant_is_receive: Option<bool>,
    pub nickname_filters: Option<bool>,
    pub clock_skew_ms: Option<i64>,
    pub max_limit: Option<usize>,
    pub keep_history: Option<bool>,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}
