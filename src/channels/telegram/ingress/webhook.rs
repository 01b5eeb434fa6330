//! The webhook: a route in the bridge's own server, and the loop that keeps it set at Telegram.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;
use teloxide::payloads::{self, SetWebhookSetters};
use tokio_util::sync::CancellationToken;

use crate::channels::telegram::Telegram;
use crate::channels::telegram::ingress::Batch;
use crate::channels::telegram::wire::WebhookInfo;
use crate::contract::channel::{ChannelState, Listener, Routes};

/// The largest update is far below it.
const MAX_UPDATE: usize = 1 << 20;

const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A delivery that failed longer ago than this says nothing about now.
const RECENTLY: i64 = 150;

pub(super) fn routes(channel: &Arc<Telegram>) -> Routes {
    let router = Router::new()
        .route("/", post(deliver))
        .layer(DefaultBodyLimit::max(MAX_UPDATE))
        .with_state(Arc::clone(channel));
    Routes { prefix: channel.webhook_path(), router }
}

/// Answered with 200 only once the update is on disk: anything else, and Telegram delivers it again.
async fn deliver(State(channel): State<Arc<Telegram>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers.get("x-telegram-bot-api-secret-token").map(|value| value.as_bytes()).unwrap_or_default();
    if !bool::from(given.ct_eq(channel.webhook_secret().as_bytes())) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(update) = serde_json::from_slice::<&RawValue>(&body) else { return StatusCode::BAD_REQUEST };
    let rules = match channel.rules().await {
        Ok(rules) => rules,
        Err(error) => {
            channel.troubled(&error);
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    };
    let batch = Batch { last: None, ..channel.read(&[update], &rules) };
    match channel.accept(batch).await {
        Ok(()) => {
            channel.context.state.beat();
            StatusCode::OK
        }
        Err(error) => {
            tracing::error!(channel = %channel.context.id, %error, "what came in cannot be stored; Telegram keeps it");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Sets the webhook and looks after it.
pub(super) struct Keeper(pub(super) Arc<Telegram>);

#[async_trait]
impl Listener for Keeper {
    fn name(&self) -> String {
        "webhook".to_owned()
    }

    /// Ends with `stop` only. The webhook stays: Telegram keeps what comes meanwhile and delivers it at the next start.
    async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
        let channel = &*self.0;
        let every = *channel.config.webhook_check;
        channel.context.state.expect_beats(every * 2 + LONGEST_PAUSE);
        let mut failures = 0;
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                looked = channel.look_after() => looked,
            };
            let pause = match looked {
                Ok(()) => {
                    failures = 0;
                    every
                }
                Err(least) => {
                    let doubled = PAUSE.saturating_mul(1 << u32::min(failures, 10)).min(LONGEST_PAUSE);
                    failures += 1;
                    doubled.mul_f64(0.75 + fastrand::f64() / 4.0).max(least)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

impl Telegram {
    /// One look at the webhook; sets it where it is not as it should be. `Err`: how long to wait before the next look, at least.
    async fn look_after(&self) -> Result<(), Duration> {
        let state = &self.context.state;
        let rules = self.learn_identity().await.map_err(|error| self.troubled(&error))?;
        let info = self.webhook_info().await.map_err(|error| self.troubled(&error))?;
        let url = self.webhook_url().unwrap_or_default();
        if info.url != url && !info.url.is_empty() && !self.config.take_over && !self.is_own_webhook(&info.url).await {
            let host = info.url.split('/').nth(2).unwrap_or("another server").to_owned();
            let hint = format!(
                "a webhook at {host} receives this bot's messages: remove it there, or set `channels.{}.take_over = true`",
                self.context.id
            );
            tracing::error!(channel = %self.context.id, hint, "somebody else has a webhook for this bot");
            state.set(ChannelState::Conflict { hint });
            return Err(*self.config.webhook_check / 2);
        }
        let failure = recent_failure(&info, self.context.clock.now().0 / 1000);
        // The secret is not told; but whoever has set the same address with another one (or none) is refused by us.
        let refused = failure.as_ref().is_some_and(|why| why.contains("401"));
        let is_first = !self.set.load(Ordering::Relaxed);
        if is_first || refused || !self.is_as_wanted(&info, &url) {
            self.set_webhook(&url, &info.url).await?;
            self.set.store(true, Ordering::Relaxed);
        }
        state.beat();
        match failure.filter(|_| !refused) {
            Some(why) => state.set(ChannelState::Reconnecting { why }),
            None => self.connected(&rules),
        }
        Ok(())
    }

    fn is_as_wanted(&self, info: &WebhookInfo, url: &str) -> bool {
        let mut allowed = info.allowed_updates.clone();
        allowed.sort_unstable();
        info.url == url
            && info.max_connections.is_none_or(|max| max == u32::from(self.config.webhook_connections))
            && allowed == self.wanted_names()
    }

    async fn set_webhook(&self, url: &str, replaced: &str) -> Result<(), Duration> {
        let parsed = url.parse().map_err(|_| {
            self.context.state.set(ChannelState::BadConfig { why: "`webhook_url` is no URL".to_owned() });
            LONGEST_PAUSE
        })?;
        // Before it is set: what we are about to do must be known as our own after a crash.
        self.remember_webhook(url, replaced).await.map_err(|error| {
            tracing::warn!(channel = %self.context.id, %error, "the webhook cannot be remembered now");
            PAUSE
        })?;
        let payload = payloads::SetWebhook::new(parsed)
            .allowed_updates(self.wanted())
            .max_connections(self.config.webhook_connections)
            .secret_token(self.webhook_secret());
        self.api.tell(&payload).await.map_err(|error| self.troubled(&error))?;
        tracing::info!(channel = %self.context.id, "the webhook is set");
        Ok(())
    }
}

/// What Telegram says of its last deliveries, as long as something waits.
fn recent_failure(info: &WebhookInfo, now: i64) -> Option<String> {
    let at = info.last_error_date.filter(|at| now - at < RECENTLY && info.pending_update_count > 0)?;
    let what = info.last_error_message.as_deref().unwrap_or("no reason given");
    Some(format!("Telegram could not deliver {} s ago: {what} ({} waiting)", now - at, info.pending_update_count))
}
