//! Long polling: asks, hands over, and only then acknowledges, by asking for what comes after.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use teloxide::payloads::{self, GetUpdatesSetters};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channels::telegram::api::CallError;
use crate::channels::telegram::{Telegram, ids};
use crate::contract::channel::{ChannelState, Listener};

/// How much longer than Telegram holds a poll we wait for its answer, at most; no longer than for any other call.
const SLACK: Duration = Duration::from_secs(10);

/// The pause after a failure, doubled with each further one.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The least pause after a webhook was found in the way.
const IN_THE_WAY: Duration = Duration::from_secs(5);

/// So many failures in a row, and the next poll goes over a new connection pool: a dead connection may look alive.
const RENEW_AFTER: u32 = 3;

/// The longest pause after an empty answer that came too early.
const UNHELD: Duration = Duration::from_secs(1);

/// How often the bot's own name is asked for again.
const IDENTITY_LASTS: Duration = Duration::from_secs(60 * 60);

pub(super) struct Poll(pub(super) Arc<Telegram>);

#[async_trait]
impl Listener for Poll {
    fn name(&self) -> String {
        "updates".to_owned()
    }

    /// Goes on through every failure of Telegram's; ends with `stop` only.
    async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
        let channel = &*self.0;
        // Between two answers of a healthy server lies one poll, and storing what it brought.
        channel.context.state.expect_beats(*channel.config.poll_timeout + 2 * slack(channel));
        let mut polling = Polling {
            channel,
            client: None,
            failures: 0,
            offset: None,
            known_since: None,
            greeted: false,
            brief: true,
        };
        // Read at each start: another replica may have listened meanwhile.
        let source = ids::source(channel.config.bot_id());
        let cursor = channel.context.store.cursor(&source).await.map_err(|error| error.to_string())?;
        polling.offset = cursor.and_then(|cursor| ids::offset(&cursor, channel.context.clock.now()));
        loop {
            let pause = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                pause = polling.round() => pause,
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

fn slack(channel: &Telegram) -> Duration {
    SLACK.min(*channel.config.timeout)
}

struct Polling<'a> {
    channel: &'a Telegram,
    /// A pool of its own: a poll that hangs takes no connection from what is being sent.
    client: Option<reqwest::Client>,
    failures: u32,
    /// What to ask from: names what is stored, and so acknowledges it. `None` once Telegram has forgotten that: then it gives
    /// all it has, under whatever numbers (it starts anew, at random, after a week without updates).
    offset: Option<i64>,
    known_since: Option<Instant>,
    /// Whether the way was found free of webhooks.
    greeted: bool,
    /// Whether the next poll is not to be held: so it is known at once, and not only when somebody writes, that all is well.
    brief: bool,
}

impl Polling<'_> {
    /// One poll, and the pause after it.
    async fn round(&mut self) -> Duration {
        match self.poll().await {
            Ok(pause) => {
                self.failures = 0;
                pause
            }
            Err(Trouble::Call(error)) => {
                let least = self.channel.troubled(&error);
                let conflict = matches!(error, CallError::Refused { code: 409, .. });
                // A brief poll would find no rival, as it does not last until the rival's next one.
                (self.greeted, self.brief) = (self.greeted && !conflict, !conflict);
                self.pause().max(least)
            }
            Err(Trouble::Webhook(hint)) => {
                tracing::error!(channel = %self.channel.context.id, hint, "somebody else has a webhook for this bot");
                self.channel.context.state.set(ChannelState::Conflict { hint });
                self.brief = true;
                self.pause().max(IN_THE_WAY)
            }
            Err(Trouble::Store(why)) => {
                tracing::error!(channel = %self.channel.context.id, why, "what came in cannot be stored; Telegram keeps it");
                self.channel.context.state.set(ChannelState::Reconnecting { why });
                self.pause()
            }
        }
    }

    fn pause(&mut self) -> Duration {
        self.failures += 1;
        if self.failures.is_multiple_of(RENEW_AFTER) {
            self.client = None;
        }
        let doubled = PAUSE.saturating_mul(1 << self.failures.min(10).saturating_sub(1)).min(LONGEST_PAUSE);
        doubled.mul_f64(0.75 + fastrand::f64() / 4.0)
    }

    async fn poll(&mut self) -> Result<Duration, Trouble> {
        let channel = self.channel;
        if self.known_since.is_none_or(|since| since.elapsed() > IDENTITY_LASTS) {
            let learned = channel.learn_identity().await;
            // The name that is known will do for another while; what is wrong with the way to Telegram the poll will say.
            if let (Err(error), None) = (learned, self.known_since) {
                return Err(error.into());
            }
            self.known_since = Some(Instant::now());
        }
        let rules = channel.rules().await?;
        if !self.greeted {
            self.make_way().await?;
            self.greeted = true;
        }
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(channel.api.new_client()?).clone(),
        };
        let hold = if self.brief { Duration::ZERO } else { *channel.config.poll_timeout };
        let mut ask = payloads::GetUpdates::new().limit(100).allowed_updates(channel.wanted());
        ask.timeout = Some(u32::try_from(hold.as_secs()).unwrap_or(0));
        ask.offset = self.offset.map(|offset| i32::try_from(offset).unwrap_or_default());
        let asked = Instant::now();
        let updates: Vec<Box<RawValue>> = channel.api.call_for(&client, &ask, hold + slack(channel)).await?;
        channel.context.state.beat();
        self.brief = false;
        if updates.is_empty() {
            channel.connected(&rules);
            // Whatever the offset named is acknowledged and gone by now.
            self.offset = None;
            // A server that does not hold the poll, or is not to, is not asked in a hot loop.
            return Ok(hold.max(UNHELD).saturating_sub(asked.elapsed()).min(UNHELD));
        }
        let raw: Vec<&RawValue> = updates.iter().map(|raw| &**raw).collect();
        let batch = channel.read(&raw, &rules);
        let next = batch.last.map(|last| last + 1);
        channel.accept(batch).await.map_err(|error| Trouble::Store(error.to_string()))?;
        // Not before: a bridge that can hear and not keep is not well, however often it hears.
        channel.connected(&rules);
        // A server that gives the same again, whatever it is asked, is not asked in a hot loop either.
        let goes_on = next.is_some() && next != self.offset;
        self.offset = next;
        Ok(if goes_on { Duration::ZERO } else { UNHELD })
    }

    /// Telegram answers no poll while a webhook is set. One of our own, from before, is taken away; nothing that waits is lost.
    async fn make_way(&self) -> Result<(), Trouble> {
        let channel = self.channel;
        let url = channel.webhook_info().await?.url;
        if url.is_empty() {
            return Ok(());
        }
        if !channel.config.take_over && !channel.is_own_webhook(&url).await {
            let host = url.split('/').nth(2).unwrap_or("another server");
            return Err(Trouble::Webhook(format!(
                "a webhook at {host} receives this bot's messages: remove it there, or set `channels.{}.take_over = true`",
                channel.context.id
            )));
        }
        tracing::info!(channel = %channel.context.id, "the bot's webhook is taken away; what waits is polled");
        channel.api.tell(&payloads::DeleteWebhook::new()).await?;
        Ok(())
    }
}

enum Trouble {
    Call(CallError),
    Webhook(String),
    Store(String),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}
