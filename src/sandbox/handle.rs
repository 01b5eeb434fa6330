//! Starting a sandbox, and the handle to a running one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http::{ServerLimits, serve};
use crate::model::Secret;
use crate::sandbox::asks::{self, MAX_TEXT_BYTES};
use crate::sandbox::control;
use crate::sandbox::fault::Scripted;
use crate::sandbox::history::Entry;
use crate::sandbox::log::LogEntry;
use crate::sandbox::options::{SandboxOptions, SettingsPatch};
use crate::sandbox::reads;
use crate::sandbox::state::{State, lock};
use crate::sandbox::wire::Refusal;

/// A sandbox that does not listen: not yet, or not any more. It keeps its state either way.
pub struct Sandbox {
    state: Arc<State>,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Self {
        Self { state: Arc::new(State::new(options)) }
    }

    /// A new sandbox, listening.
    ///
    /// # Errors
    /// When the listener has no address.
    pub async fn start(listener: TcpListener, options: SandboxOptions) -> io::Result<SandboxHandle> {
        Self::new(options).listen(listener)
    }

    /// Listens, in a task of its own on the current runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn listen(self, listener: TcpListener) -> io::Result<SandboxHandle> {
        let addr = listener.local_addr()?;
        let stop = CancellationToken::new();
        // Short: whoever stops a sandbox wants a backend that is gone.
        let limits =
            ServerLimits { max_connections: 20_480, grace: Duration::from_millis(100), ..ServerLimits::default() };
        let task = tokio::spawn(serve(listener, app(Arc::clone(&self.state)), limits, stop.clone()));
        Ok(SandboxHandle { state: self.state, addr, task, stop: stop.drop_guard() })
    }
}

fn app(state: Arc<State>) -> Router {
    let image_limit = DefaultBodyLimit::max(state.options.max_image_bytes + MAX_TEXT_BYTES);
    let mut router = Router::new()
        .route("/api/external/user/token/refresh", get(reads::refresh))
        .route("/api/external/chatbot/talk", post(asks::talk))
        .route("/api/external/chatbot/vision", post(asks::vision).layer(image_limit))
        .route("/api/external/chatbot/uids", get(reads::uids))
        .route("/api/external/chatbot/messages", get(reads::messages));
    if state.options.control {
        router = router.merge(control::routes());
    }
    router
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
        .with_state(state)
}

/// A running sandbox. Dropped, it stops.
pub struct SandboxHandle {
    state: Arc<State>,
    addr: SocketAddr,
    task: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl SandboxHandle {
    /// Like `http://127.0.0.1:4711`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The calls received, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.state.log.snapshot()
    }

    pub fn clear_log(&self) {
        self.state.log.clear();
    }

    /// A fault for the next call that matches: a [`Fault`](super::Fault) alone is for the next call of any kind.
    pub fn push_fault(&self, fault: impl Into<Scripted>) {
        self.state.script(|script| script.push(fault.into()));
    }

    pub fn clear_faults(&self) {
        self.state.script(|script| script.clear());
    }

    /// How many scripted faults have not been used up.
    pub fn pending_faults(&self) -> usize {
        self.state.script(|script| script.len())
    }

    pub fn change(&self, patch: &SettingsPatch) {
        self.state.change_settings(|settings| settings.apply(patch));
    }

    pub fn set_latency(&self, latency: Duration) {
        self.state.change_settings(|settings| settings.latency = latency);
    }

    pub fn set_failure_rate(&self, rate: f64) {
        self.state.change_settings(|settings| settings.failure_rate = rate);
    }

    /// Every token given out so far stops being valid.
    pub fn expire_token(&self) {
        lock(&self.state.tokens).expire_all();
    }

    pub fn add_token(&self, token: &Secret) {
        lock(&self.state.tokens).add(token);
    }

    pub fn refuse_refresh(&self, refuse: bool) {
        lock(&self.state.tokens).refuse_refresh(refuse);
    }

    /// The bot's key is refused with 403 until it is restored. Whether there is such a bot.
    pub fn revoke_key(&self, bot: &str) -> bool {
        self.revoke(bot, true)
    }

    pub fn restore_key(&self, bot: &str) -> bool {
        self.revoke(bot, false)
    }

    fn revoke(&self, bot: &str, revoked: bool) -> bool {
        let known = self.state.bot_by_name(bot);
        known.inspect(|bot| bot.revoked.store(revoked, Ordering::Relaxed)).is_some()
    }

    /// A bot's conversation, oldest first.
    pub fn history(&self, bot: &str, uid: &str) -> Vec<Entry> {
        self.state.bot_by_name(bot).map(|bot| lock(&bot.history).entries(uid)).unwrap_or_default()
    }

    /// Calls that were read and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight()
    }

    pub fn peak_in_flight(&self) -> usize {
        self.state.peak_in_flight()
    }

    /// Back to the start: tokens, keys, settings, script, log and conversations.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Stops listening and cuts open connections after 100 ms; asks that were accepted are still carried out. What
    /// comes back has the state and can listen again.
    pub async fn stop(self) -> Sandbox {
        drop(self.stop);
        if let Ok(Err(error)) = self.task.await {
            tracing::warn!(%error, "the sandbox ended with an error");
        }
        Sandbox { state: self.state }
    }
}
