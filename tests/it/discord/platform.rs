//! A Discord, made up for the tests after its documentation (<https://discord.com/developers/docs>): REST v10 and a gateway
//! v10 on ports of their own, strict in what they take, that keep a log of what they were asked and fail as they are told.
//!
//! [`people`] who and where · [`draft`] messages of people · [`slash`] their commands · [`scenes`] what else happens ·
//! [`messages`] what a message looks like, and to whom · [`gateway`], [`sessions`], [`control`] the socket ·
//! [`wire`], [`routes`], [`form`], [`errors`] how calls come in · [`send`], [`reads`], [`threads`], [`responses`],
//! [`commands`], [`cdn`] the calls · [`rates`], [`faults`] when they fail · [`state`] what is kept.

mod cdn;
mod commands;
mod control;
mod draft;
mod errors;
mod faults;
mod form;
mod gateway;
mod guilds;
mod messages;
mod people;
mod rates;
mod reads;
mod responses;
mod routes;
mod scenes;
mod send;
mod sessions;
mod slash;
mod state;
#[cfg(test)]
mod tests;
mod threads;
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
pub(crate) use faults::{BAD_GATEWAY, Fault};
pub(crate) use people::deny;
pub(crate) use rates::{Rate, Rates};
pub(crate) use slash::Slash;
pub(crate) use state::{Attempt, Response, Sent};

use state::{Inner, Shared};

pub(crate) const BOT: u64 = 1_100_000_000_000_000_001;
/// Of a bot made today the same number as its user.
pub(crate) const APPLICATION: u64 = BOT;
pub(crate) const BOT_NAME: &str = "bridge_test_bot";
pub(crate) const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.token-of-the-tests-0123456789abcdefghij";

/// The running servers. Dropped, they stop.
pub(crate) struct Platform {
    shared: Arc<Shared>,
    url: String,
    _stop: DropGuard,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", rest.local_addr().unwrap());
        let gateway = format!("ws://{}", socket.local_addr().unwrap());
        let shared = Arc::new(Shared::new(Inner::new(&url, &gateway)));
        let app =
            Router::new().fallback(wire::entry).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        let limits = ServerLimits { grace: Duration::from_millis(50), ..ServerLimits::default() };
        tokio::spawn(serve(rest, app, limits, stop.clone()));
        tokio::spawn(gateway::accept_all(socket, Arc::clone(&shared), stop.clone()));
        Self { shared, url, _stop: stop.drop_guard() }
    }

    /// Where REST is, without `/api/v10`: what a client takes for `https://discord.com`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where the gateway is, as `GET /gateway` tells.
    pub(crate) fn gateway_url(&self) -> String {
        self.lock().gateway_url.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// From now on the token is another one: the old one is refused, with 401 and with close code 4004.
    pub(crate) fn set_token(&self, token: &str) {
        self.lock().token = token.to_owned();
    }

    /// Whether the bot may read messages in guilds that do not mention it: a switch in Discord's portal, on at first.
    pub(crate) fn grants_message_content(&self, granted: bool) {
        self.lock().message_content = granted;
    }

    /// What the bot has posted into a chat, first first, through interactions too; what only one person sees is not
    /// among it.
    pub(crate) fn sent(&self, channel: u64) -> Vec<Sent> {
        self.lock().sent.iter().filter(|sent| sent.channel == channel).cloned().collect()
    }

    pub(crate) fn sent_count(&self, channel: u64) -> usize {
        self.lock().sent.iter().filter(|sent| sent.channel == channel).count()
    }

    pub(crate) fn sent_in_all(&self) -> usize {
        self.lock().sent.len()
    }

    /// The texts that a chat has got from the bot, as they are now, without those that are deleted.
    pub(crate) fn texts(&self, channel: u64) -> Vec<String> {
        let inner = self.lock();
        let messages = inner.messages.get(&channel).into_iter().flat_map(|messages| messages.values());
        let own = messages.filter(|message| state::id(&message["author"]["id"]) == Some(BOT));
        own.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }

    /// What interactions were answered with, in order: `("callback" | "edit_original" | "follow_up" …, …)`.
    pub(crate) fn responses(&self, interaction: u64) -> Vec<Response> {
        self.lock().interactions.get(&interaction).map(|found| found.responses.clone()).unwrap_or_default()
    }

    /// When typing was shown in a chat by the bot.
    pub(crate) fn typing(&self, channel: u64) -> Vec<Instant> {
        let inner = self.lock();
        inner.typing.iter().filter(|(at, _)| *at == channel).map(|(_, when)| *when).collect()
    }

    /// The commands that are registered, for all or for one guild.
    pub(crate) fn commands(&self, guild: Option<u64>) -> Vec<Value> {
        self.lock().commands.get(&guild).cloned().unwrap_or_default()
    }

    /// How many commands were made that had not been there: Discord allows 200 a day
    /// (<https://discord.com/developers/docs/interactions/application-commands#registering-a-command>).
    pub(crate) fn commands_created(&self) -> u32 {
        self.lock().commands_created
    }

    /// Calls by a name of [`routes`] (`"*"` for all), in order.
    pub(crate) fn attempts(&self, route: &str) -> Vec<Attempt> {
        let inner = self.lock();
        inner.attempts.iter().filter(|attempt| route == "*" || attempt.route == route).cloned().collect()
    }

    /// Answers of 401, 403 and 429: ten thousand in ten minutes, and Discord locks an address out
    /// (<https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>).
    pub(crate) fn invalid_requests(&self) -> u64 {
        self.lock().invalid_requests
    }

    /// A message as the server keeps it.
    pub(crate) fn message(&self, channel: u64, message: u64) -> Option<Value> {
        self.lock().messages.get(&channel)?.get(&message).cloned()
    }

    /// How often a send came for a chat for which another one was open.
    pub(crate) fn overlaps(&self) -> u64 {
        self.lock().overlaps
    }

    /// What the real servers let pass and a good client does not do. A test ends with none.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }
}
