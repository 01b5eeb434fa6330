//! What an account's calls share: the token in use and what is known of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::Error;
use super::http::HttpClient;
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

/// What the account's lock guards besides the token itself.
#[derive(Default)]
pub(super) struct Control {
    pub(super) flight: Option<Flight>,
    pub(super) refused: Option<Refused>,
    rejections: u64,
}

/// A refresh under way; its sender is dropped after the result.
pub(super) struct Flight {
    pub(super) version: TokenVersion,
    pub(super) done: watch::Receiver<Option<Result<(), Error>>>,
}

/// A refusal that stands for a while.
pub(super) struct Refused {
    pub(super) version: TokenVersion,
    pub(super) at: Instant,
    pub(super) error: Error,
}

/// An account as its calls share it.
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) base: Url,
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
