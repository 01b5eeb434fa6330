//! An account: one base URL and one access token, shared by its bots: opened, watched, renewed and configured anew.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Url;
use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::{Error, ErrorKind};
use super::headers::secret_header;
use super::http::HttpClient;
use super::inner::{AccountState, Inner, Token, TokenKeep, TokenVersion};
use crate::model::Secret;
use crate::model::hex::hex;

/// An account of the CaiGunn API.
pub struct Account {
    pub(super) inner: Arc<Inner>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("name", &self.inner.name).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Account {
    /// Opens the account with the kept token when it descends from the configured one, else with the configured one. No
    /// request is made. A `keep` that cannot be read costs the refreshed token, not the account.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when `base_url` is not an http(s) URL without user, query and fragment, or the client cannot
    /// be built; [`ErrorKind::InvalidInput`] when the token cannot stand in a header.
    pub async fn open(
        name: &str,
        base_url: &str,
        configured: Option<Secret>,
        http: HttpClient,
        keep: Arc<dyn TokenKeep>,
    ) -> Result<Arc<Self>, Error> {
        let base = parse_base(base_url)?;
        let host = host_of(&base);
        let client = http.client(is_loopback(&base))?;
        let (value, descends_from) = match &configured {
            None => (None, Arc::from("")),
            Some(token) => {
                let value = secret_header("account", "access token", token)?;
                let descends_from = fingerprint(token);
                let kept = kept(name, &descends_from, &*keep).await;
                (Some(kept.unwrap_or(value)), Arc::from(descends_from))
            }
        };
        let state = if value.is_some() { AccountState::Ready } else { AccountState::NoToken };
        let token = Token { version: TokenVersion(1), value, descends_from, worked: AtomicBool::new(false) };
        let inner = Inner {
            name: Arc::from(name),
            host,
            refresh_url: join(&base, "user/token/refresh"),
            base,
            http,
            client,
            keep,
            token: ArcSwap::from_pointee(token),
            control: Mutex::default(),
            rejection: AtomicU64::new(0),
            state: watch::Sender::new(state),
        };
        Ok(Arc::new(Self { inner: Arc::new(inner) }))
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The version of the token that a call made now would carry.
    pub fn token_version(&self) -> TokenVersion {
        self.inner.token.load().version
    }

    /// Renews the token unless it has changed since `seen`. Callers at one time share one request and its result; it
    /// runs to its end, and the new token is kept, even when all of them stop waiting.
    ///
    /// # Errors
    /// [`ErrorKind::TokenRejected`] when the server refuses or there is no token, [`ErrorKind::TokenRefresh`] when it
    /// failed for a passing reason.
    pub async fn refresh(&self, seen: TokenVersion) -> Result<(), Error> {
        self.inner.renew(seen, false).await
    }

    pub fn state(&self) -> AccountState {
        self.inner.state.borrow().clone()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<AccountState> {
        self.inner.state.subscribe()
    }

    /// Renews the token about `every`, give or take `jitter` (a fraction, 0 to 1), until `stop`. The first time comes
    /// sooner, so that a process that is restarted daily renews it too. After a failure it tries again with backoff;
    /// after a refusal hourly, so that a server that recovers is noticed. An `every` of zero turns it off.
    pub async fn keep_fresh(self: Arc<Self>, every: Duration, jitter: f64, stop: CancellationToken) {
        if every.is_zero() {
            return;
        }
        let inner = Arc::clone(&self.inner);
        drop(self);
        tokio::select! {
            () = stop.cancelled() => {}
            () = inner.keep_fresh(every, jitter.clamp(0.0, 1.0)) => {}
        }
    }

    /// Takes a newly configured token: it beats the one in use and ends a rejection. The token that is configured already
    /// changes nothing, unless the one refreshed from it was rejected.
    pub fn configure(&self, token: Secret) {
        let inner = &self.inner;
        let mut control = inner.lock();
        let current = inner.token.load_full();
        let descends_from = fingerprint(&token);
        let same = *descends_from == *current.descends_from;
        if same && inner.rejection.load(Ordering::Acquire) == 0 {
            return;
        }
        match secret_header("account", "access token", &token) {
            Ok(value) => inner.install(&mut control, value, Arc::from(descends_from)),
            Err(e) => inner.reject(&mut control, format!("{}: configure another access token", e.detail)),
        }
    }

    /// Whether a token can be configured.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it cannot stand in a header.
    pub fn check_token(token: &Secret) -> Result<(), Error> {
        secret_header("account", "access token", token).map(drop)
    }

    /// The URL of a call, given its path under `/api/external/`.
    pub(super) fn endpoint(&self, path: &str) -> Url {
        join(&self.inner.base, path)
    }
}

async fn kept(account: &str, descends_from: &str, keep: &dyn TokenKeep) -> Option<HeaderValue> {
    let kept = match keep.load(account).await {
        Ok(kept) => kept.filter(|kept| kept.descends_from == descends_from)?,
        Err(error) => {
            tracing::warn!(account, %error, "the refreshed access token cannot be loaded; starting with the configured one");
            return None;
        }
    };
    let value = secret_header("account", "kept access token", &kept.token);
    if value.is_err() {
        tracing::warn!(account, "the kept access token is unusable; starting with the configured one");
    }
    value.ok()
}

fn fingerprint(token: &Secret) -> String {
    hex(&Sha256::digest(token.expose()))
}

pub(super) fn parse_base(base_url: &str) -> Result<Url, Error> {
    // A base with a password is a secret, so no message repeats it.
    let wrong = |what: &str| Error::local("account", ErrorKind::Setup, format!("base_url {what}"));
    let base = Url::parse(base_url).map_err(|e| wrong(&format!("is not a URL: {e}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
        return Err(wrong("must begin with https:// or http:// and name a host"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(wrong("must not hold a user name or a password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("must not hold a query or a fragment"));
    }
    Ok(base)
}

fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/api/external/{path}", base.path().trim_end_matches('/')));
    url
}

fn host_of(base: &Url) -> Arc<str> {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| Arc::from(host), |port| Arc::from(format!("{host}:{port}")))
}

pub(super) fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_may_have_a_path_and_a_trailing_slash() {
        for (base, talk) in [
            ("https://caigunn-api.ap-mic.com", "https://caigunn-api.ap-mic.com/api/external/chatbot/talk"),
            ("http://localhost:8081/", "http://localhost:8081/api/external/chatbot/talk"),
            ("http://[::1]:8081/pre/fix/", "http://[::1]:8081/pre/fix/api/external/chatbot/talk"),
        ] {
            assert_eq!(join(&parse_base(base).unwrap(), "chatbot/talk").as_str(), talk);
        }
    }

    #[test]
    fn a_wrong_base_url_is_told_without_its_password() {
        for base in ["caigunn-api.ap-mic.com", "ftp://x", "https://u:hunter2@x", "https://x/?a=hunter2", "https://", ""]
        {
            let error = parse_base(base).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Setup);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (base, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("https://caigunn-api.ap-mic.com", false),
        ] {
            assert_eq!(is_loopback(&parse_base(base).unwrap()), loopback, "{base}");
        }
    }
}
