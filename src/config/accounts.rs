//! `[accounts.<name>]`: a CaiGunn account and how it is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::HumanDuration;
use crate::model::Secret;

/// The JSON schema `format` of a base address: http or https, no user, query or fragment.
pub const BASE_URL_FORMAT: &str = "base-url";

/// A CaiGunn account: one access token, shared and refreshed by all its bots.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// The account's access token (header `caigunn-access-token`). A newly configured token replaces the refreshed one in the store.
    #[serde(skip_serializing)]
    #[schemars(extend("x-essential" = true))]
    pub access_token: Option<Secret>,
    /// Base address of the CaiGunn API.
    #[schemars(extend("format" = BASE_URL_FORMAT))]
    pub base_url: String,
    /// Time to open a connection.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "5m"))]
    pub connect_timeout: HumanDuration,
    /// Time from the request to the first byte of the answer. A model is slow: be generous.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub first_byte_timeout: HumanDuration,
    /// Time for a whole call.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub total_timeout: HumanDuration,
    /// Proxy for this account's calls, `http://user:password@host:port`.
    #[serde(skip_serializing)]
    #[schemars(extend("examples" = ["http://user:password@proxy.example:3128"]))]
    pub proxy: Option<Secret>,
    /// How often the access token is refreshed before it is needed; 0 refreshes only when it is refused.
    #[schemars(extend("x-maximum" = "365d"))]
    pub refresh_every: HumanDuration,
    /// Random share of time taken off `refresh_every`, so that accounts do not refresh together.
    #[schemars(extend("x-maximum" = "30d"))]
    pub refresh_jitter: HumanDuration,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            access_token: None,
            base_url: "https://caigunn-api.ap-mic.com".into(),
            connect_timeout: HumanDuration::from_secs(5),
            first_byte_timeout: HumanDuration::from_secs(120),
            total_timeout: HumanDuration::from_secs(130),
            proxy: None,
            refresh_every: HumanDuration::from_days(1),
            refresh_jitter: HumanDuration::from_mins(60),
        }
    }
}

/// A base address without a trailing slash, or why it is none; never quotes it (it may hold a password).
pub(super) fn check_base_url(text: &str) -> Result<(), &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "is not a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must start with http:// or https://");
    }
    let authority = uri.authority().ok_or("names no host")?;
    if authority.host().is_empty() {
        return Err("names no host");
    }
    if authority.as_str().contains('@') {
        return Err("must not hold a user or password");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("must not have a query or fragment");
    }
    Ok(())
}

/// A proxy's address, or why it is none; never quotes it.
pub(super) fn check_proxy(text: &str) -> Result<(), &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "is not a URL")?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err("must be http://host:port or https://host:port, with user:password@ before the host where needed"),
    }
}

/// Whether calls to this address travel unencrypted over a network.
pub(super) fn is_plain_remote(base_url: &str) -> bool {
    base_url.parse::<http::Uri>().is_ok_and(|uri| {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        uri.scheme_str() == Some("http") && !local
    })
}
