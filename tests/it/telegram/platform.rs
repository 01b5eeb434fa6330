//! A Bot API server, made up for the tests after Telegram's documentation (<https://core.telegram.org/bots/api>): a real
//! server on a port of its own, strict in what it takes, that keeps a log of what it was asked and fails as it is told.
//!
//! [`draft`] messages of people · [`people`] who and where they are · [`scenes`] what happens to chats · [`samples`] all
//! other kinds of updates · [`updates`] the queue and polling · [`webhook`] the other way · [`methods`], [`send`], [`files`]
//! the calls · [`rates`], [`faults`] when they fail · [`params`], [`wire`] how they come in · [`state`] what is kept.

mod draft;
mod faults;
mod files;
mod methods;
mod params;
mod people;
mod rates;
mod samples;
mod scenes;
mod send;
mod state;
#[cfg(test)]
mod tests;
mod updates;
mod webhook;
mod wire;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use caigunn_bridge::http::{ServerLimits, serve};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use draft::Draft;
pub(crate) use faults::{BAD_GATEWAY, CONFLICT, Fault};
pub(crate) use people::{ANONYMOUS_ADMIN, CHANNEL_BOT, TELEGRAM};
pub(crate) use rates::{Rate, Rates};
use state::Action;
pub(crate) use state::{Attempt, Sent};

use state::{Inner, Shared};

pub(crate) const BOT_ID: i64 = 123_456_789;
pub(crate) const BOT_NAME: &str = "bridge_test_bot";
pub(crate) const TOKEN: &str = "123456789:AAFakeTokenOfTheTests_0123456789-abc";

/// The running server. Dropped, it stops.
pub(crate) struct Platform {
    shared: Arc<Shared>,
    url: String,
    _stop: DropGuard,
    _deliveries: Deliveries,
}

/// The task that delivers to the webhook; ends with the server.
struct Deliveries(tokio::task::JoinHandle<()>);

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut inner = Inner { token: TOKEN.to_owned(), ..Inner::default() };
        people::settle(&mut inner);
        let shared = Arc::new(Shared::new(inner));
        let app =
            Router::new().fallback(wire::entry).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        let limits = ServerLimits { grace: Duration::from_millis(50), ..ServerLimits::default() };
        tokio::spawn(serve(listener, app, limits, stop.clone()));
        let deliveries = Deliveries(tokio::spawn(webhook::deliver_all(Arc::clone(&shared))));
        Self { shared, url, _stop: stop.drop_guard(), _deliveries: deliveries }
    }

    /// What `api_url` is set to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same server under a path of its own: what comes in there is told apart. The plain one is door 0.
    pub(crate) fn door(&self, door: usize) -> String {
        format!("{}/door{door}", self.url)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// From now on the token is another one: the old one is refused with 401.
    pub(crate) fn set_token(&self, token: &str) {
        self.lock().token = token.to_owned();
    }

    /// Whether privacy mode is off, as `getMe` tells.
    pub(crate) fn reads_all(&self, reads_all: bool) {
        self.lock().reads_all = reads_all;
    }

    /// What was asked, in order.
    pub(crate) fn attempts(&self, method: &str) -> Vec<Attempt> {
        let method = method.to_ascii_lowercase();
        self.lock().attempts.iter().filter(|attempt| attempt.method == method).cloned().collect()
    }

    /// When "typing" and its like were signalled to a chat.
    pub(crate) fn actions(&self, chat: i64) -> Vec<Action> {
        self.lock().actions.iter().filter(|action| action.chat == chat).cloned().collect()
    }

    pub(crate) fn typing(&self, chat: i64) -> Vec<Instant> {
        self.actions(chat).iter().filter(|action| action.action == "typing").map(|action| action.at).collect()
    }

    /// The commands that are set for a scope (`"default"`, `"all_group_chats"`, …) and language (`""` for all).
    pub(crate) fn commands(&self, scope: &str, language: &str) -> Option<Vec<(String, String)>> {
        let key = (serde_json::json!({ "type": scope }).to_string(), language.to_owned());
        self.lock().commands.get(&key).cloned()
    }

    /// A message as the server keeps it.
    pub(crate) fn message(&self, chat: i64, message: i64) -> Option<Value> {
        self.lock().messages.get(&(chat, message)).cloned()
    }

    /// What the real server lets pass and a good client does not do. A test ends with none.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// How often a send came for a chat for which another one was open.
    pub(crate) fn overlaps(&self) -> u64 {
        self.lock().overlaps
    }
}
