//! The keys of `channels.<id>` for `kind = "http"`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{HumanDuration, Mistake, RawSection};
use crate::contract::Parsed;
use crate::model::Secret;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Path before `/v1`. Two HTTP channels need different ones.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(/[a-z0-9_-]+)*$"), extend("examples" = ["/shop"]))]
    pub path: String,
    /// Who may call: API keys by name. A key sees only its own users and conversations.
    #[serde(default)]
    #[schemars(extend("x-essential" = true))]
    pub keys: BTreeMap<String, ApiKey>,
    /// How long a request waits for its answer when it does not say (`Prefer: wait=`, in seconds).
    #[serde(default = "default_wait")]
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "10m"))]
    pub wait: HumanDuration,
    /// The longest wait that a request may ask for.
    #[serde(default = "default_max_wait")]
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "10m"))]
    pub max_wait: HumanDuration,
    /// Longest text, in characters.
    #[serde(default = "default_max_text")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_text: u32,
    /// Most pictures in one message.
    #[serde(default = "default_max_images")]
    #[schemars(range(min = 1, max = 100))]
    pub max_images: u32,
}

/// One caller.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What the caller sends as `Authorization: Bearer <key>`. At least 16 characters, hard to guess.
    #[schemars(extend("examples" = ["REPLACE-ME with a long random text"]))]
    pub key: Secret,
    /// Requests per minute that this key may make; 0 = no bound.
    #[serde(default = "default_rate")]
    pub rate_per_minute: u32,
}

fn default_wait() -> HumanDuration {
    HumanDuration::from_secs(60)
}

fn default_max_wait() -> HumanDuration {
    HumanDuration::from_secs(300)
}

fn default_max_text() -> u32 {
    20_000
}

fn default_max_images() -> u32 {
    10
}

fn default_rate() -> u32 {
    600
}

/// The fewest characters of an API key.
const MIN_KEY: usize = 16;

/// How the key in the example configuration begins.
const PLACEHOLDER: &str = "REPLACE-ME";

pub(super) fn parse(section: &RawSection) -> Result<Parsed, Vec<Mistake>> {
    let config: HttpConfig = section.parse()?;
    let mut mistakes = Vec::new();
    if config.keys.is_empty() {
        let reason = "is missing: without an API key nobody can call this channel";
        mistakes.push(
            section.mistake("keys", reason).hint("add `[channels.<id>.keys.<name>]` with `key = \"…\"`".to_owned()),
        );
    }
    for (name, key) in &config.keys {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
            let reason = "is no name for a key";
            let hint = "use lower-case letters, digits and `_`, at most 32".to_owned();
            mistakes.push(section.mistake(&format!("keys.{name}"), reason).hint(hint));
        }
        if key.key.expose().chars().count() < MIN_KEY {
            let reason = format!("is shorter than {MIN_KEY} characters");
            let hint = "make one with `openssl rand -hex 32`".to_owned();
            mistakes.push(section.mistake(&format!("keys.{name}.key"), reason).hint(hint));
        }
        if key.key.expose().starts_with(PLACEHOLDER) {
            let hint = "make one with `openssl rand -hex 32`".to_owned();
            mistakes.push(
                section
                    .mistake(&format!("keys.{name}.key"), "is still the example's, which everybody knows")
                    .hint(hint),
            );
        }
        if config.keys.iter().any(|(other, known)| other < name && known.key.expose() == key.key.expose()) {
            mistakes.push(section.mistake(&format!("keys.{name}.key"), "is the same as another key's"));
        }
    }
    if *config.wait > *config.max_wait {
        mistakes.push(section.mistake("wait", "is longer than `max_wait`"));
    }
    if mistakes.is_empty() { Ok(Box::new(config)) } else { Err(mistakes) }
}
