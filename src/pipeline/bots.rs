//! One configured bot at run time: its client, its breaker, and whether it is paused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caigunn::{self, AccountState, ErrorKind, Page, RetryClass, UidsFilter};
use crate::model::BotName;
use crate::pipeline::breaker::{Breaker, BreakerRules, Gate};
use crate::pipeline::retry::Backoff;

/// What health reports of a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BotState {
    Ready,
    /// The breaker is open: turns wait.
    Unreachable,
    /// CaiGunn refuses a credential: turns wait, nothing is lost.
    Paused {
        why: String,
    },
}

impl BotState {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unreachable => "unreachable",
            Self::Paused { .. } => "paused",
        }
    }
}

pub struct BotRuntime {
    pub name: BotName,
    /// Its key and its account; a reload replaces them.
    client: ArcSwap<caigunn::Bot>,
    relinked: Notify,
    rules: BreakerRules,
    breaker: Mutex<Breaker>,
    paused: watch::Sender<Option<String>>,
    /// Wakes the dispatcher when a gate may have opened.
    changed: Arc<Notify>,
}

impl BotRuntime {
    pub fn new(name: BotName, client: caigunn::Bot, rules: BreakerRules, changed: Arc<Notify>) -> Arc<Self> {
        let (paused, _) = watch::channel(None);
        let (client, breaker) = (ArcSwap::from_pointee(client), Mutex::new(Breaker::new(rules)));
        Arc::new(Self { name, client, relinked: Notify::new(), rules, breaker, paused, changed })
    }

    /// How it is called now. How a call of it ended is told with it: [`BotRuntime::note`].
    pub fn client(&self) -> Arc<caigunn::Bot> {
        self.client.load_full()
    }

    /// Another key or account from now on: what the one before was refused for is over. Its calls under way go on.
    pub fn relink(&self, client: caigunn::Bot) {
        self.client.store(Arc::new(client));
        *self.breaker() = Breaker::new(self.rules);
        self.relinked.notify_one();
        self.try_again();
    }

    /// Its credentials have changed: a pause for them ends, and the next turn tries at once.
    pub fn try_again(&self) {
        self.paused.send_if_modified(|paused| paused.take().is_some());
        self.changed.notify_one();
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> BotState {
        if let Some(why) = self.paused.borrow().as_ref() {
            return BotState::Paused { why: why.clone() };
        }
        if let AccountState::TokenRejected { hint } = self.client.load().account().state() {
            return BotState::Paused { why: format!("the access token was rejected; {hint}") };
        }
        if self.breaker().is_open() { BotState::Unreachable } else { BotState::Ready }
    }

    /// Whether a turn may be tried now.
    pub fn gate(&self, now: Instant) -> Gate {
        let refused = self.paused.borrow().is_some()
            || matches!(self.client.load().account().state(), AccountState::TokenRejected { .. });
        if refused { Gate::Closed } else { self.breaker().gate(now) }
    }

    pub fn probe_begins(&self) {
        self.breaker().probe();
    }

    pub fn probe_unused(&self) {
        self.breaker().probe_unused();
    }

    /// Takes note of how a call ended. What was said to a key or an account that were replaced meanwhile concerns nobody.
    pub fn note(&self, client: &Arc<caigunn::Bot>, result: Result<(), &caigunn::Error>) {
        let now = Instant::now();
        if !self.is_current(client) {
            return self.changed.notify_one();
        }
        let Err(error) = result else { return self.answered() };
        match error.class {
            RetryClass::Final => return self.answered(),
            RetryClass::Credentials => {
                self.breaker().probe_unused();
                if error.kind == ErrorKind::KeyRefused {
                    let why =
                        format!("CaiGunn refuses the API key ({error}); set a valid `bots.{}.api_key`", self.name);
                    self.pause(client, why);
                } else if client.account().state() == AccountState::NoToken {
                    // The account has no token that could be rejected: without a pause its turns would run in circles.
                    let account = client.account().name();
                    self.pause(client, format!("CaiGunn wants an access token; set `accounts.{account}.access_token`"));
                }
            }
            RetryClass::NotProcessed if error.retry_after.is_some() || error.status == Some(429) => {
                self.breaker().hold(now + error.retry_after.unwrap_or(Duration::from_secs(1)));
            }
            RetryClass::NotProcessed | RetryClass::Ambiguous => {
                if self.breaker().failure(now) {
                    metrics::counter!("bridge_breaker_opened_total", "bot" => self.name.as_str().to_owned())
                        .increment(1);
                    tracing::warn!(bot = %self.name, %error, "the chatbot does not answer; its turns wait");
                }
            }
        }
        self.changed.notify_one();
    }

    /// The usual end of a call: the dispatcher is woken only if the gate was closed until now.
    fn answered(&self) {
        if self.breaker().success() {
            self.changed.notify_one();
        }
    }

    fn is_current(&self, client: &Arc<caigunn::Bot>) -> bool {
        Arc::ptr_eq(&self.client.load(), client)
    }

    fn pause(&self, client: &Arc<caigunn::Bot>, why: String) {
        self.paused.send_if_modified(|now| {
            // Looked at under the lock that ends a pause: one for a replaced key would outlast the replacement.
            if now.is_none() && self.is_current(client) {
                tracing::error!(bot = %self.name, "paused: {why}");
                *now = Some(why);
                return true;
            }
            false
        });
    }

    /// Watches over a paused bot until `stop`: a cheap call now and then finds out whether its credentials work again.
    pub async fn watch_over(self: Arc<Self>, backoff: Backoff, stop: CancellationToken) {
        let mut paused = self.paused.subscribe();
        let mut client = self.client();
        let mut account = client.account().watch();
        let mut tries = 0;
        loop {
            let refused = paused.borrow_and_update().is_some()
                || matches!(*account.borrow_and_update(), AccountState::TokenRejected { .. });
            if !refused {
                tries = 0;
                self.changed.notify_one();
            }
            let delay =
                if refused { backoff.delay(tries, 0.5 + fastrand::f64() / 2.0) } else { Duration::from_secs(3600) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.relinked.notified() => {
                    client = self.client();
                    account = client.account().watch();
                    continue;
                }
                _ = paused.changed() => continue,
                _ = account.changed() => continue,
                () = tokio::time::sleep(delay) => {}
            }
            if !refused {
                continue;
            }
            tries += 1;
            let page = Page { offset: 0, limit: 1 };
            match client.uids(page, UidsFilter::default()).await {
                Ok(_) => {
                    tracing::info!(bot = %self.name, "the credentials work again; its turns go on");
                    self.paused.send_replace(None);
                    self.changed.notify_one();
                }
                Err(error) => tracing::debug!(bot = %self.name, %error, "still paused"),
            }
        }
    }
}

type ByName = HashMap<BotName, Arc<BotRuntime>>;

/// All bots by name; a reload replaces them.
#[derive(Default)]
pub struct Bots(ArcSwap<ByName>);

impl Bots {
    pub fn new(bots: ByName) -> Self {
        Self(ArcSwap::from_pointee(bots))
    }

    pub fn get(&self, name: &BotName) -> Option<Arc<BotRuntime>> {
        self.0.load().get(name).cloned()
    }

    /// As they are now.
    pub fn all(&self) -> Arc<ByName> {
        self.0.load_full()
    }

    pub fn replace(&self, bots: ByName) {
        self.0.store(Arc::new(bots));
    }
}
