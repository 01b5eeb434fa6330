//! Keeps a channel at work: its listeners run again and again, under a lease; its maintenance is done at the start and, where
//! the platform's side may change, now and then.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contract::channel::{Channel, ChannelState, Listener, StateReporter};
use crate::contract::store::{ClaimToken, Store};
use crate::model::ChannelId;
use crate::pipeline::retry::Backoff;

/// How long a listener's lease lasts without renewal.
const LEASE: Duration = Duration::from_secs(30);
const TAKE_OVER: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(10) };
const RESTART: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };

/// A run of this length counts as a success: the next failure is restarted soon again.
const STEADY: Duration = Duration::from_secs(60);

/// Runs a listener, again and again, while this process holds its lease: one replica at a time.
pub(crate) async fn supervise(
    store: &dyn Store,
    channel: &ChannelId,
    mut listener: Box<dyn Listener>,
    reporter: &StateReporter,
    stop: CancellationToken,
    grace: Duration,
) {
    let name = format!("listener:{channel}:{}", listener.name());
    let holder = uuid::Uuid::new_v4().to_string();
    let mut failures = 0;
    while let Some(token) = take_lease(store, channel, &name, &holder, reporter, &stop).await {
        let (began, reports) = (Instant::now(), reporter.reports());
        let ended = run_under_lease(store, channel, &mut *listener, (&name, &holder, token), &stop, grace).await;
        if let Err(error) = store.release(&name, token).await {
            tracing::warn!(%channel, %error, "a listener's lease cannot be released");
        }
        if stop.is_cancelled() {
            break;
        }
        failures = if began.elapsed() > STEADY { 0 } else { failures + 1 };
        let why = ended.err().unwrap_or_else(|| "the listener ended by itself".to_owned());
        tracing::error!(%channel, why, "a listener ended; it is started again");
        // What the run itself has said of its end is more to the point.
        let said = reporter.reports() != reports
            && matches!(reporter.state(), ChannelState::BadCredentials { .. } | ChannelState::Conflict { .. });
        if !said {
            reporter.set(ChannelState::Reconnecting { why });
        }
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
    grace: Duration,
) -> Result<(), String> {
    let inner = stop.child_token();
    let running = AssertUnwindSafe(listener.run(inner.clone())).catch_unwind();
    let mut running = std::pin::pin!(running);
    let mut overdue = std::pin::pin!(overdue(stop, grace));
    let mut renew = tokio::time::interval_at(Instant::now() + LEASE / 3, LEASE / 3);
    loop {
        tokio::select! {
            ended = &mut running => return ended.unwrap_or_else(|_| Err("the listener panicked".to_owned())),
            () = &mut overdue => {
                tracing::warn!(%channel, "a listener does not stop; it is cut off");
                return Ok(());
            }
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

/// Ends so long after the stop.
async fn overdue(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// Does a channel's maintenance at the start, whenever `again` says so, and as often as its capabilities say.
pub(crate) async fn maintain(
    store: &dyn Store,
    id: &ChannelId,
    channel: &dyn Channel,
    again: &Notify,
    stop: CancellationToken,
    grace: Duration,
) {
    let every = channel.capabilities().maintain_every.filter(|every| !every.is_zero());
    loop {
        maintain_once(store, id, channel, &stop, grace).await;
        // Replicas and channels that started together spread out.
        let wait = every.map(|every| every.mul_f64(0.9 + 0.2 * fastrand::f64()));
        tokio::select! {
            () = stop.cancelled() => return,
            () = again.notified() => {}
            () = async { tokio::time::sleep(wait.unwrap_or_default()).await }, if wait.is_some() => {}
        }
    }
}

/// Under a lease, so that replicas do not all do it at once; again until it succeeds.
async fn maintain_once(
    store: &dyn Store,
    id: &ChannelId,
    channel: &dyn Channel,
    stop: &CancellationToken,
    grace: Duration,
) {
    let name = format!("maintain:{id}");
    let holder = uuid::Uuid::new_v4().to_string();
    let mut failures = 0;
    loop {
        match store.lease(&name, &holder, LEASE).await {
            Ok(Some(token)) => {
                let doing = AssertUnwindSafe(channel.maintain()).catch_unwind();
                let done = tokio::select! {
                    done = doing => done,
                    // Its lease is released all the same: a successor must not take it for another replica's.
                    () = overdue(stop, grace) => Ok(Ok(())),
                };
                if let Err(error) = store.release(&name, token).await {
                    tracing::warn!(channel = %id, %error, "a lease cannot be released");
                }
                match done {
                    Ok(Ok(())) => return tracing::debug!(channel = %id, "the channel is maintained"),
                    Ok(Err(error)) => {
                        tracing::warn!(channel = %id, %error, "the channel's maintenance failed; trying again")
                    }
                    // It would panic again.
                    Err(_) => return tracing::error!(channel = %id, "the channel's maintenance panicked"),
                }
            }
            // Another replica is at it.
            Ok(None) => return,
            Err(error) => tracing::warn!(channel = %id, %error, "a lease cannot be taken now"),
        }
        failures += 1;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART.delay(failures, fastrand::f64())) => {}
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
            async move { supervise(&*store, &"page".into(), listener, &reporter, stop, Duration::from_secs(1)).await }
        });
        let seen = async {
            state
                .wait_for(|state| matches!(state, ChannelState::Reconnecting { why } if why.contains("panicked")))
                .await
                .unwrap();
            state.wait_for(|state| *state == ChannelState::Connected).await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
        stop.cancel();
        running.await.unwrap();
        assert_eq!(*state.borrow(), ChannelState::Stopped);
    }

    /// Says why its first run ends, and not why the second one does.
    struct Rival {
        runs: u32,
        state: StateReporter,
    }

    #[async_trait]
    impl Listener for Rival {
        fn name(&self) -> String {
            "rival".to_owned()
        }

        async fn run(&mut self, _: CancellationToken) -> Result<(), String> {
            self.runs += 1;
            if self.runs == 1 {
                self.state.set(ChannelState::Conflict { hint: "stop the other one".to_owned() });
            }
            Err(format!("end of run {}", self.runs))
        }
    }

    #[tokio::test]
    async fn what_a_run_says_of_its_own_end_is_kept_until_the_next_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = SqliteStore::open(folder.path().join("s.db"), SqliteOptions::default()).unwrap();
        let (reporter, mut state) = StateReporter::new();
        let stop = CancellationToken::new();
        let listener = Box::new(Rival { runs: 0, state: reporter.clone() });
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { supervise(&*store, &"page".into(), listener, &reporter, stop, Duration::from_secs(1)).await }
        });
        let seen = async {
            let first = state.wait_for(|state| *state != ChannelState::Starting).await.unwrap().clone();
            let second = state.wait_for(|state| *state != first).await.unwrap().clone();
            (first, second)
        };
        let (first, second) = tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
        assert_eq!((first.as_str(), first.detail()), ("conflict", "stop the other one"));
        assert_eq!(second.detail(), "end of run 2");
        stop.cancel();
        running.await.unwrap();
    }
}
