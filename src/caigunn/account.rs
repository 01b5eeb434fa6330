//! An account: one base URL and one access token, shared by its bots, and whether that token is any good.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::{Error, ErrorKind};
use super::http::HttpClient;
use super::refresh::Control;
use crate::model::Secret;

/// Where a refreshed token survives a restart.
#[async_trait]
pub trait TokenKeep: Send + Sync {
    async fn load(&self, account: &str) -> Result<Option<KeptToken>, KeepError>;
    async fn save(&self, account: &str, token: &KeptToken) -> Result<(), KeepError>;
}

/// A refreshed token as it is kept.
#[derive(Debug, Clone)]
pub struct KeptToken {
    pub token: Secret,
    /// SHA-256, in hex, of the configured token at the start of the chain: a newly configured token beats the kept one.
    pub descends_from: String,
}

/// Why a token could not be loaded or saved; holds no token.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct KeepError(pub String);

/// Whether an account can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountState {
    Ready,
    /// The server refuses the token and would not renew it. `hint` says what the server said and what to do.
    TokenRejected {
        hint: String,
    },
    /// No token is configured: calls go out without one.
    NoToken,
}

/// Which token a call was made with; any change of the token changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenVersion(pub(super) u64);

/// One access token in use.
pub(super) struct Token {
    pub(super) version: TokenVersion,
    pub(super) value: Option<HeaderValue>,
    /// The configured token's hash; empty without one.
    pub(super) descends_from: Arc<str>,
    /// Some call with exactly this token was answered: a 401 is then the fault of the caller's key.
    pub(super) worked: AtomicBool,
}

/// An account of the CaiGunn API.
pub struct Account {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) host: Arc<str>,
    base: Url,
    pub(super) refresh_url: Url,
    pub(super) http: HttpClient,
    pub(super) client: Client,
    pub(super) keep: Arc<dyn TokenKeep>,
    pub(super) token: ArcSwap<Token>,
    /// Every change of `token`, `rejection` and `state` is made under this lock; readers need none of it.
    pub(super) control: Mutex<Control>,
    /// Zero, or the number of the rejection that stands: an answer clears only a rejection its call already knew of.
    pub(super) rejection: AtomicU64,
    pub(super) state: watch::Sender<AccountState>,
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

    /// The URL of a call, given its path under `/api/external/`.
    pub(super) fn endpoint(&self, path: &str) -> Url {
        join(&self.inner.base, path)
    }
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a token into use and ends a rejection.
    pub(super) fn install(&self, control: &mut Control, value: HeaderValue, descends_from: Arc<str>) {
        let version = TokenVersion(self.token.load().version.0 + 1);
        self.token.store(Arc::new(Token {
            version,
            value: Some(value),
            descends_from,
            worked: AtomicBool::new(false),
        }));
        self.ready(control);
    }

    /// The token in use is refused.
    pub(super) fn reject(&self, control: &mut Control, hint: String) {
        control.rejections += 1;
        self.rejection.store(control.rejections, Ordering::Release);
        self.state.send_if_modified(|state| {
            let next = AccountState::TokenRejected { hint };
            let changed = *state != next;
            *state = next;
            changed
        });
    }

    fn ready(&self, control: &mut Control) {
        control.refused = None;
        self.rejection.store(0, Ordering::Release);
        self.state.send_if_modified(|state| std::mem::replace(state, AccountState::Ready) != AccountState::Ready);
    }

    /// A call with this token, made while rejection number `known` stood (0: none), was answered.
    pub(super) fn worked(&self, token: &Token, known: u64) {
        if !token.worked.load(Ordering::Relaxed) {
            token.worked.store(true, Ordering::Relaxed);
        }
        if known == 0 || token.value.is_none() {
            return;
        }
        let mut control = self.lock();
        if self.rejection.load(Ordering::Acquire) == known && self.token.load().version == token.version {
            self.ready(&mut control);
        }
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

/// A header value that is never shown; the error names the field, not the value.
pub(super) fn secret_header(call: &'static str, field: &str, secret: &Secret) -> Result<HeaderValue, Error> {
    let mut value = plain_header(call, field, secret.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

/// `HeaderValue` itself would let bytes beyond ASCII through, which servers read in their own ways, and spaces at the ends,
/// which they drop: two uids could become one.
pub(super) fn plain_header(call: &'static str, field: &str, value: &str) -> Result<HeaderValue, Error> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.trim() != value {
        "begins or ends with white space"
    } else if let (true, Ok(header)) = (value.is_ascii(), HeaderValue::from_str(value)) {
        return Ok(header);
    } else {
        "has characters that an HTTP header cannot hold"
    };
    Err(Error::local(call, ErrorKind::InvalidInput, format!("the {field} {problem}")))
}

fn fingerprint(token: &Secret) -> String {
    Sha256::digest(token.expose()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn parse_base(base_url: &str) -> Result<Url, Error> {
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

fn is_loopback(base: &Url) -> bool {
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
