//! How messages come in: [`poll`] asks Telegram for them, [`webhook`] has them delivered.

mod poll;
mod webhook;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;
use teloxide::payloads;
use teloxide::types::AllowedUpdate;

use crate::channels::telegram::api::CallError;
use crate::channels::telegram::config::Receive;
use crate::channels::telegram::normalize::{self, Heard, Rules};
use crate::channels::telegram::wire::{Identity, Number, Update, WebhookInfo};
use crate::channels::telegram::{Telegram, ids};
use crate::contract::channel::{ChannelState, Ingress};
use crate::contract::store::StoreError;
use crate::model::Incoming;
use crate::model::hex::hex;

pub(super) fn ingress(channel: &Arc<Telegram>) -> Ingress {
    match channel.config.receive {
        Receive::Polling => Ingress { listeners: vec![Box::new(poll::Poll(Arc::clone(channel)))], routes: None },
        Receive::Webhook => Ingress {
            listeners: vec![Box::new(webhook::Keeper(Arc::clone(channel)))],
            routes: Some(webhook::routes(channel)),
        },
    }
}

/// Updates as events, ready to be accepted, and the number of the last one: the cursor of whoever polls. A webhook has none,
/// because deliveries that failed come again after later ones: a cursor beyond them would have Telegram forget them.
pub(super) struct Batch {
    pub(super) events: Vec<Incoming>,
    pub(super) last: Option<i64>,
}

impl Telegram {
    /// Who the bot is, asked once and again by [`Telegram::learn_identity`].
    pub(super) async fn rules(&self) -> Result<Arc<Rules>, CallError> {
        match &*self.rules.load() {
            Some(rules) => Ok(Arc::clone(rules)),
            None => self.learn_identity().await,
        }
    }

    /// The name of a bot can change while it runs.
    pub(super) async fn learn_identity(&self) -> Result<Arc<Rules>, CallError> {
        let bot: Identity = self.api.ask(&payloads::GetMe::new()).await?;
        let rules = Arc::new(Rules::new(&self.config, bot));
        self.rules.store(Some(Arc::clone(&rules)));
        Ok(rules)
    }

    /// Reads updates. One that cannot be read, or that makes the reading panic, is counted and passed over: it would come
    /// again for ever, with all that is behind it.
    pub(super) fn read(&self, updates: &[&RawValue], rules: &Rules) -> Batch {
        let mut batch = Batch { events: Vec::with_capacity(updates.len()), last: None };
        for raw in updates {
            let Ok(update) = serde_json::from_str::<Update<'_>>(raw.get()) else {
                self.pass_over("unreadable");
                // Its number is needed all the same, or it would never be acknowledged.
                let number = serde_json::from_str::<Number>(raw.get()).ok().map(|number| number.update_id);
                batch.last = number.or(batch.last);
                continue;
            };
            batch.last = Some(update.update_id);
            let heard = catch_unwind(AssertUnwindSafe(|| normalize::event(&update, rules)));
            match heard.unwrap_or(Heard::Nothing("poisoned")) {
                Heard::Event(event) => batch.events.push(*event),
                Heard::Nothing(reason) => self.pass_over(reason),
            }
        }
        batch
    }

    fn pass_over(&self, reason: &'static str) {
        if matches!(reason, "unreadable" | "poisoned") {
            tracing::error!(channel = %self.context.id, reason, "an update is passed over");
        }
        let channel = self.context.id.as_str().to_owned();
        metrics::counter!("bridge_events_total", "channel" => channel, "result" => reason).increment(1);
    }

    /// Stores a batch and, with it, the cursor. An event that the store can never take is left out and counted; for everything
    /// else that goes wrong the batch comes again, and what of it is stored by then is known.
    pub(super) async fn accept(&self, batch: Batch) -> Result<(), StoreError> {
        let context = &self.context;
        let source = ids::source(self.config.bot_id());
        let cursor = batch.last.map(|last| (source, ids::cursor(last, context.clock.now())));
        let cursors = Vec::from_iter(cursor);
        match context.inbox.accept(batch.events.clone(), cursors.clone()).await {
            Ok(_) => Ok(()),
            Err(error) if !is_poison(&error) => Err(error),
            Err(error) => {
                tracing::error!(channel = %context.id, %error, "a batch of updates cannot be stored; one by one");
                for event in batch.events {
                    match context.inbox.accept(vec![event], Vec::new()).await {
                        Ok(_) => {}
                        Err(error) if !is_poison(&error) => return Err(error),
                        Err(error) => {
                            tracing::error!(channel = %context.id, %error, "an update cannot be stored");
                            self.pass_over("poisoned");
                        }
                    }
                }
                context.inbox.accept(Vec::new(), cursors).await.map(drop)
            }
        }
    }

    /// Reports that all is well; said once, until it is not.
    fn connected(&self, rules: &Rules) {
        let state = &self.context.state;
        if state.state() != ChannelState::Connected {
            tracing::info!(channel = %self.context.id, bot = format!("@{}", rules.bot.username), "connected to Telegram");
            state.set(ChannelState::Connected);
        }
    }

    /// Reports what a failed call says about the channel; answers how long to wait before the next one, at least.
    pub(super) fn troubled(&self, error: &CallError) -> Duration {
        let state = &self.context.state;
        let least = match error {
            CallError::Refused { code: 409, description, .. } => {
                // Two pollers of one bot cut each other off; hot attempts would keep the other one from working as well.
                let hint = format!(
                    "{description}. Another program (or another channel) uses this bot's token: stop it, or give this channel a bot of its own"
                );
                state.set(ChannelState::Conflict { hint });
                Duration::from_secs(5)
            }
            error if error.is_unauthorized() => {
                let hint = format!("Telegram refuses the token: set a valid `channels.{}.token`", self.context.id);
                state.set(ChannelState::BadCredentials { hint });
                Duration::from_secs(10)
            }
            CallError::Refused { parameters, .. } => {
                state.set(ChannelState::Reconnecting { why: error.to_string() });
                Duration::from_secs(parameters.retry_after.unwrap_or(0))
            }
            _ => {
                state.set(ChannelState::Reconnecting { why: error.to_string() });
                Duration::ZERO
            }
        };
        tracing::warn!(channel = %self.context.id, %error, "Telegram cannot be heard");
        least
    }

    /// What Telegram is to send. What is not listed stays there, unread.
    pub(super) fn wanted(&self) -> Vec<AllowedUpdate> {
        let mut wanted = vec![AllowedUpdate::Message, AllowedUpdate::EditedMessage, AllowedUpdate::MyChatMember];
        if self.config.channel_posts {
            wanted.extend([AllowedUpdate::ChannelPost, AllowedUpdate::EditedChannelPost]);
        }
        wanted
    }

    /// The same as Telegram names them, sorted.
    pub(super) fn wanted_names(&self) -> Vec<String> {
        let name = |update| serde_json::to_value(update).ok().and_then(|name| name.as_str().map(str::to_owned));
        let mut names: Vec<String> = self.wanted().into_iter().filter_map(name).collect();
        names.sort_unstable();
        names
    }

    pub(super) async fn webhook_info(&self) -> Result<WebhookInfo, CallError> {
        self.api.ask(&payloads::GetWebhookInfo::new()).await
    }

    /// Where this channel has its updates delivered.
    pub(super) fn webhook_url(&self) -> Option<String> {
        let base = self.config.webhook_url.as_deref()?;
        Some(format!("{base}{}", self.webhook_path()))
    }

    pub(super) fn webhook_path(&self) -> String {
        format!("/telegram/{}", self.context.id)
    }

    /// What Telegram proves with that a delivery is its own: made of the token, so that every replica knows it.
    pub(super) fn webhook_secret(&self) -> String {
        let key = self.config.token.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(b"webhook secret of ");
        mac.update(self.context.id.as_str().as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// Whether a webhook is one that this bridge has set, under this address or an earlier one.
    pub(super) async fn is_own_webhook(&self, url: &str) -> bool {
        if self.webhook_url().as_deref() == Some(url) {
            return true;
        }
        let known = self.context.store.get(KV, &self.webhook_key()).await;
        matches!(known, Ok(Some(known)) if known.lines().any(|known| known == url))
    }

    /// `replaced` is our own as well: it is still set if setting the new one fails.
    pub(super) async fn remember_webhook(&self, url: &str, replaced: &str) -> Result<(), StoreError> {
        self.context.store.put(KV, &self.webhook_key(), format!("{url}\n{replaced}").trim_end()).await
    }

    fn webhook_key(&self) -> String {
        format!("webhook:{}", self.config.bot_id())
    }
}

/// Whether the store's refusal is about the events themselves, and would be the same for ever.
fn is_poison(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt(_) | StoreError::NotFound(_) => true,
        StoreError::Unavailable(_)
        | StoreError::MediaFull { .. }
        | StoreError::Unusable(_)
        | StoreError::LeaseLost
        | StoreError::Changed => false,
    }
}

pub(super) const KV: &str = "telegram";
