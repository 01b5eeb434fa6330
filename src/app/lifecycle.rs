//! Signals, and the process's lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::contract::store::{ClaimToken, Store, StoreError};

/// The exit code after a second signal: 128 + SIGINT, as a shell would report it.
pub const EXIT_INTERRUPTED: i32 = 130;

/// SIGTERM and SIGINT, received from [`Signals::listen`] on: one that comes while the bridge still starts does not end the
/// process, but stops the bridge in order as soon as it runs.
pub struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Needs the runtime.
    pub fn listen() -> Self {
        let both = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(terminate), Ok(interrupt)) = both else {
            tracing::warn!("signals cannot be received; the bridge stops only when it is killed");
            return Self(None);
        };
        Self(Some((terminate, interrupt)))
    }

    /// Cancels `stop` at the first signal; a second one ends the process at once.
    pub async fn stop(self, stop: CancellationToken) {
        let Some((mut terminate, mut interrupt)) = self.0 else { return };
        let mut stopping = false;
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if stopping {
                tracing::warn!(signal = name, "stopping at once; what was in flight goes on at the next start");
                std::process::exit(EXIT_INTERRUPTED);
            }
            stopping = true;
            tracing::info!(signal = name, "stopping; a second signal stops at once");
            stop.cancel();
        }
    }
}

/// SIGHUP, received from [`Hangups::listen`] on: it asks for a reload of the configuration, and never ends the process.
pub struct Hangups(Option<Signal>);

impl Hangups {
    /// Needs the runtime.
    pub fn listen() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    /// Waits for the next one; several that came meanwhile are one.
    pub(crate) async fn next(&mut self) {
        let heard = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending().await
        }
    }
}

/// How long a process may be silent before another takes over what it had claimed.
const TTL: Duration = Duration::from_secs(30);

/// The lease under which this process claims turns and rows.
pub(crate) struct ProcessLease {
    store: Arc<dyn Store>,
    name: String,
    pub(crate) token: ClaimToken,
}

impl ProcessLease {
    pub(crate) async fn take(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let name = format!("process:{}", uuid::Uuid::new_v4().as_simple());
        let token = store.lease(&name, &name, TTL).await?;
        // The name is new, so nobody can hold it.
        let token = token.ok_or_else(|| StoreError::Unavailable("a new lease is held by somebody else".to_owned()))?;
        Ok(Self { store, name, token })
    }

    /// Renews until `stop`. `false`: the lease was lost (the process was suspended for long, say), and what this process
    /// believes to hold may be somebody else's by now.
    pub(crate) async fn keep(&self, stop: CancellationToken) -> bool {
        loop {
            tokio::select! {
                () = stop.cancelled() => return true,
                () = tokio::time::sleep(TTL / 3) => {}
            }
            match self.store.lease(&self.name, &self.name, TTL).await {
                Ok(Some(token)) if token == self.token => {}
                Ok(_) => {
                    tracing::error!("the process's lease was lost; stopping");
                    return false;
                }
                Err(error) => tracing::warn!(%error, "the process's lease cannot be renewed now"),
            }
        }
    }

    pub(crate) async fn release(&self) {
        if let Err(error) = self.store.release(&self.name, self.token).await {
            tracing::warn!(%error, "the process's lease cannot be released");
        }
    }
}
