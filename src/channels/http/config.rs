//! The keys of `channels.<id>` for `kind = "http"`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channels::http::callback::address::address;
use crate::channels::http::callback::sign;
use crate::channels::http::caller::GUEST;
use crate::channels::http::cors;
use crate::config::{HumanDuration, Mistake, RawSection};
use crate::contract::Parsed;
use crate::contract::channel::ListensAs;
use crate::http::address::Network;
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
    /// Sites whose pages may call this channel with a session token, and may hold the chat widget.
    #[serde(default)]
    #[schemars(extend("examples" = [["https://shop.example"]]))]
    pub origins: Vec<String>,
    /// How long a session token is good for when the request for it does not say.
    #[serde(default = "default_session_ttl")]
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1d"))]
    pub session_ttl: HumanDuration,
    /// Serves a chat page at `/chat` to whoever can reach the listener. For trying things out.
    #[serde(default)]
    pub playground: bool,
    /// Whether messages may name pictures by URL, which the bridge then fetches. Only public addresses are called.
    #[serde(default)]
    pub image_urls: bool,
    /// Networks that pictures may be fetched from though they are not public.
    #[serde(default)]
    #[schemars(extend("examples" = [["10.20.0.0/16"]]))]
    pub image_networks: Vec<String>,
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
    /// Whom this key may speak to first (`POST /v1/outbound`).
    #[serde(default)]
    pub outbound: OutboundScope,
    /// Where the replies to this key's users are posted as well, signed.
    pub callback: Option<Callback>,
}

/// Whom an API key may speak to without having been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutboundScope {
    /// Nobody.
    #[default]
    None,
    /// Its own users.
    Own,
    /// Everybody whom the bridge knows, on every channel, by uid.
    All,
}

/// Replies as signed requests (Standard Webhooks).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Where to post.
    #[schemars(extend("examples" = ["https://shop.example/bridge"]))]
    pub url: String,
    /// What requests are signed with: `whsec_` and 24 to 64 bytes in base64.
    #[schemars(extend("examples" = ["whsec_REPLACE-ME"]))]
    pub secret: Secret,
    /// The secret before this one: while it is set, requests carry both signatures.
    #[schemars(extend("examples" = ["whsec_REPLACE-ME"]))]
    pub previous_secret: Option<Secret>,
    /// How long the receiver may take.
    #[serde(default = "default_callback_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1m"))]
    pub timeout: HumanDuration,
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

fn default_session_ttl() -> HumanDuration {
    HumanDuration::from_secs(60 * 60)
}

fn default_callback_timeout() -> HumanDuration {
    HumanDuration::from_secs(15)
}

/// The fewest characters of an API key.
const MIN_KEY: usize = 16;

/// How the key in the example configuration begins.
const PLACEHOLDER: &str = "REPLACE-ME";

/// A path is one channel's: two under one would hide each other.
pub(super) fn listens_as(parsed: &Parsed) -> Option<ListensAs> {
    let config: &HttpConfig = parsed.downcast_ref()?;
    let hint = "give this one a `path` of its own, such as \"/shop\"";
    Some(ListensAs { key: "path", account: config.path.clone(), taken: "is that of", hint })
}

pub(super) fn parse(section: &RawSection) -> Result<Parsed, Vec<Mistake>> {
    let config: HttpConfig = section.parse()?;
    let mut mistakes = Vec::new();
    if config.keys.is_empty() && !config.playground {
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
    for (n, origin) in config.origins.iter().enumerate() {
        if let Err(why) = cors::check(origin) {
            let hint = "scheme, host and port alone, as in https://shop.example".to_owned();
            mistakes.push(section.mistake(&format!("origins.[{n}]"), why).hint(hint));
        }
    }
    if config.playground && config.keys.contains_key(GUEST) {
        let reason = "is the name of the playground's own guests";
        mistakes.push(section.mistake(&format!("keys.{GUEST}"), reason).hint("give the key another name".to_owned()));
    }
    for (name, key) in &config.keys {
        if let Some(callback) = &key.callback {
            mistakes.extend(callback_mistakes(section, &format!("keys.{name}.callback"), callback));
        }
    }
    for (n, network) in config.image_networks.iter().enumerate() {
        if network.parse::<Network>().is_err() {
            let hint = "such as 10.20.0.0/16, 10.20.30.40 or fd00:1234::/32".to_owned();
            mistakes.push(section.mistake(&format!("image_networks.[{n}]"), "is no network").hint(hint));
        }
    }
    if *config.wait > *config.max_wait {
        mistakes.push(section.mistake("wait", "is longer than `max_wait`"));
    }
    if mistakes.is_empty() { Ok(Box::new(config)) } else { Err(mistakes) }
}

/// No reason or hint repeats a value: URLs of callbacks may hold tokens.
fn callback_mistakes(section: &RawSection, at: &str, callback: &Callback) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if address(&callback.url).is_none() {
        let hint = "http or https, without a user name and a password: https://shop.example/bridge".to_owned();
        mistakes.push(section.mistake(&format!("{at}.url"), "is no address to post to").hint(hint));
    }
    let previous = callback.previous_secret.as_ref().map(|secret| ("previous_secret", secret));
    for (field, secret) in [("secret", &callback.secret)].into_iter().chain(previous) {
        let reason = if secret.expose().contains(PLACEHOLDER) {
            "is still the example's, which everybody knows"
        } else if sign::key(secret).is_none() {
            "is no secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64"
        } else {
            continue;
        };
        let hint = "make one with `echo whsec_$(openssl rand -base64 32)`".to_owned();
        mistakes.push(section.mistake(&format!("{at}.{field}"), reason).hint(hint));
    }
    mistakes
}
