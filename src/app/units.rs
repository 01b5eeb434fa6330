//! One unit per channel: built, its listeners supervised, its state reported. What goes wrong in one stops no other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::rules;
use crate::config::{Channel as Section, Config};
use crate::contract::channel::{Channel, ChannelContext, ChannelState, History, Listener, Registration, Routes, StateReporter};
use crate::contract::inbox::{InboxRules, InboxWriter, WakeSender};
use crate::contract::outbox::OutboundWriter;
use crate::contract::store::{ClaimToken, Store};
use crate::model::uid::UidTemplate;
use crate::model::{BotName, ChannelId, Clock};
use crate::pipeline::queue::Deliver;
use crate::pipeline::retry::Backoff;
use crate::pipeline::shared::ChannelEntry;

/// What every unit is built from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) wake: &'a WakeSender,
    pub(crate) deliver: &'a Deliver,
    pub(crate) history: Arc<dyn History>,
    pub(crate) clock: &'a Clock,
    pub(crate) stop: &'a CancellationToken,
}

/// A channel of the configuration, running or not.
pub(crate) struct Unit {
    pub(crate) id: ChannelId,
    pub(crate) state: watch::Receiver<ChannelState>,
    /// Kept so that the state stays readable, and for what the supervisor reports.
    reporter: StateReporter,
    pub(crate) entry: Option<ChannelEntry>,
    pub(crate) routes: Option<Routes>,
    listeners: Vec<Box<dyn Listener>>,
    stop: CancellationToken,
}

impl Unit {
    /// A unit that cannot run, for a reason that health names.
    pub(crate) fn broken(id: ChannelId, why: String) -> Self {
        let (reporter, state) = StateReporter::new();
        tracing::error!(channel = %id, "the channel cannot run: {why}");
        reporter.set(ChannelState::BadConfig { why });
        Self { id, state, reporter, entry: None, routes: None, listeners: Vec::new(), stop: CancellationToken::new() }
    }

    pub(crate) fn build(parts: &Parts<'_>, id: &str, section: &Section, registration: &Registration) -> Self {
        let id = ChannelId::new(id);
        match Self::try_build(parts, &id, section, registration) {
            Ok(unit) => unit,
            Err(why) => Self::broken(id, why),
        }
    }

    fn try_build(parts: &Parts<'_>, id: &ChannelId, section: &Section, registration: &Registration) -> Result<Self, String> {
        let parsed = (registration.parse)(&section.own).map_err(|mistakes| {
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })?;
        let capabilities = (registration.capabilities)(&parsed);
        let template = section.uid_template.as_deref().unwrap_or(registration.default_uid_template);
        let bot = BotName::new(section.bot.as_str());
        let rules = InboxRules {
            channel: id.clone(),
            bot: bot.clone(),
            scope: section.scope.unwrap_or(registration.default_scope),
            template: UidTemplate::parse(template).map_err(|error| format!("uid_template: {error}"))?,
            uid_key: parts.config.identity.uid_hash_key.clone(),
            max_pending: parts.config.pipeline.max_pending_per_conversation,
            overflow: capabilities.overflow,
            rate: rules::user_rate(parts.config),
        };
        let (reporter, state) = StateReporter::new();
        let stop = parts.stop.child_token();
        let context = ChannelContext {
            id: id.clone(),
            bot: bot.clone(),
            inbox: InboxWriter::new(rules, Arc::clone(parts.store), parts.wake.clone()),
            outbound: OutboundWriter::new(id.clone(), capabilities.delivery, Arc::clone(parts.store), parts.deliver.spoken()),
            capabilities,
            store: Arc::clone(parts.store),
            state: reporter.clone(),
            clock: parts.clock.clone(),
            stop: stop.clone(),
            history: Arc::clone(&parts.history),
        };
        let channel: Arc<dyn Channel> = (registration.build)(parsed, context)?;
        let ingress = Arc::clone(&channel).ingress();
        let max_age = section.max_age.map_or(*parts.config.pipeline.max_age, |age| *age);
        let fetches = Arc::new(Semaphore::new(parts.config.pipeline.fetch_concurrency as usize));
        let entry = ChannelEntry { channel, bot, lang: section.language, max_age, fetches };
        let (routes, listeners) = (ingress.routes, ingress.listeners);
        Ok(Self { id: id.clone(), state, reporter, entry: Some(entry), routes, listeners, stop })
    }

    /// Takes the channel out again, with a reason.
    pub(crate) fn refuse(&mut self, why: String) {
        tracing::error!(channel = %self.id, "the channel cannot run: {why}");
        self.reporter.set(ChannelState::BadConfig { why });
        self.entry = None;
        self.routes = None;
        self.listeners.clear();
    }

    /// Starts the listeners.
    pub(crate) fn start(&mut self, store: &Arc<dyn Store>, tasks: &TaskTracker) {
        if self.entry.is_none() {
            return;
        }
        if self.listeners.is_empty() && *self.state.borrow() == ChannelState::Starting {
            self.reporter.set(ChannelState::Connected);
        }
        for listener in self.listeners.drain(..) {
            let (store, stop) = (Arc::clone(store), self.stop.clone());
            let (id, reporter) = (self.id.clone(), self.reporter.clone());
            tasks.spawn(async move { supervise(&*store, &id, listener, &reporter, stop).await });
        }
    }
}

/// How long a listener's lease lasts without renewal.
const LEASE: Duration = Duration::from_secs(30);
const TAKE_OVER: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(10) };
const RESTART: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };

/// A run of this length counts as a success: the next failure is restarted soon again.
const STEADY: Duration = Duration::from_secs(60);

/// Runs a listener, again and again, while this process holds its lease: one replica at a time.
async fn supervise(
    store: &dyn Store,
    channel: &ChannelId,
    mut listener: Box<dyn Listener>,
    reporter: &StateReporter,
    stop: CancellationToken,
) {
    let name = format!("listener:{channel}:{}", listener.name());
    let holder = uuid::Uuid::new_v4().to_string();
    let mut failures = 0;
    while let Some(token) = take_lease(store, channel, &name, &holder, reporter, &stop).await {
        let began = Instant::now();
        let ended = run_under_lease(store, channel, &mut *listener, (&name, &holder, token), &stop).await;
        if let Err(error) = store.release(&name, token).await {
            tracing::warn!(%channel, %error, "a listener's lease cannot be released");
        }
        if stop.is_cancelled() {
            break;
        }
        failures = if began.elapsed() > STEADY { 0 } else { failures + 1 };
        let why = ended.err().unwrap_or_else(|| "the listener ended by itself".to_owned());
        tracing::error!(%channel, why, "a listener ended; it is started again");
        reporter.set(ChannelState::Reconnecting { why });
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(RESTART.delay(failures, fastrand::f64())) => {}
        }
    }
    reporter.set(ChannelState::Stopped);
}

/// Waits for the lease; `None` when stopping.
async fn take_lease(
    store: &dyn Store,
    channel: &ChannelId,
    name: &str,
    holder: &str,
    reporter: &StateReporter,
    stop: &CancellationToken,
) -> Option<ClaimToken> {
    let mut waits = 0;
    loop {
        match store.lease(name, holder, LEASE).await {
            Ok(Some(token)) => return Some(token),
            Ok(None) => reporter.set(ChannelState::Paused { why: "another replica listens".to_owned() }),
            Err(error) => tracing::warn!(%channel, %error, "a listener's lease cannot be taken now"),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(TAKE_OVER.delay(waits, 1.0)) => waits += 1,
        }
    }
}

/// Runs the listener; renews its lease meanwhile and stops it when that is lost.
async fn run_under_lease(
    store: &dyn Store,
    channel: &ChannelId,
    listener: &mut dyn Listener,
    (name, holder, token): (&str, &str, ClaimToken),
    stop: &CancellationToken,
) -> Result<(), String> {
    let inner = stop.child_token();
    let running = AssertUnwindSafe(listener.run(inner.clone())).catch_unwind();
    let mut running = std::pin::pin!(running);
    let mut renew = tokio::time::interval_at(Instant::now() + LEASE / 3, LEASE / 3);
    loop {
        tokio::select! {
            ended = &mut running => return ended.unwrap_or_else(|_| Err("the listener panicked".to_owned())),
            _ = renew.tick() => match store.lease(name, holder, LEASE).await {
                Ok(Some(kept)) if kept == token => {}
                Ok(_) => {
                    tracing::error!(%channel, "a listener's lease was lost; it stops");
                    inner.cancel();
                }
                Err(error) => tracing::warn!(%channel, %error, "a listener's lease cannot be renewed now"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio_util::sync::CancellationToken;

    use super::supervise;
    use crate::contract::channel::{ChannelState, Listener, StateReporter};
    use crate::contract::store::Store;
    use crate::stores::sqlite::{SqliteOptions, SqliteStore};

    /// Panics, then works.
    struct Shaky {
        runs: u32,
        state: StateReporter,
    }

    #[async_trait]
    impl Listener for Shaky {
        fn name(&self) -> String {
            "shaky".to_owned()
        }

        async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
            self.runs += 1;
            assert!(self.runs > 1, "asked to panic");
            self.state.set(ChannelState::Connected);
            stop.cancelled().await;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_listener_that_panics_is_reported_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = SqliteStore::open(folder.path().join("s.db"), SqliteOptions::default()).unwrap();
        let (reporter, mut state) = StateReporter::new();
        let stop = CancellationToken::new();
        let listener = Box::new(Shaky { runs: 0, state: reporter.clone() });
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { supervise(&*store, &"page".into(), listener, &reporter, stop).await }
        });
        let seen = async {
            state.wait_for(|state| matches!(state, ChannelState::Reconnecting { why } if why.contains("panicked"))).await.unwrap();
            state.wait_for(|state| *state == ChannelState::Connected).await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
        stop.cancel();
        running.await.unwrap();
        assert_eq!(*state.borrow(), ChannelState::Stopped);
    }
}
