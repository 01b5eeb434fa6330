//! One unit per channel: built, its listeners supervised, its state reported. What goes wrong in one stops no other.

use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::duties::{maintain, supervise};
use crate::app::rules;
use crate::config::{Channel as Section, Config, Mistake};
use crate::contract::access::Access;
use crate::contract::channel::{
    Channel, ChannelContext, ChannelState, History, Listener, Registration, Routes, Speak, StateReporter,
};
use crate::contract::inbox::{InboxRules, InboxWriter, WakeSender};
use crate::contract::outbox::OutboundWriter;
use crate::contract::store::Store;
use crate::model::texts::{LiveTexts, Text};
use crate::model::uid::UidTemplate;
use crate::model::{BotName, ChannelId, Clock, Lang, Scope};
use crate::pipeline::queue::Deliver;
use crate::pipeline::shared::ChannelEntry;

/// What every unit is built from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) wake: &'a WakeSender,
    pub(crate) deliver: &'a Deliver,
    pub(crate) history: Arc<dyn History>,
    pub(crate) speak: Arc<dyn Speak>,
    pub(crate) clock: &'a Clock,
    pub(crate) texts: &'a LiveTexts,
    pub(crate) stop: &'a CancellationToken,
}

/// A channel of the configuration, running or not.
pub(crate) struct Unit {
    pub(crate) id: ChannelId,
    pub(crate) reporter: StateReporter,
    /// How often a channel of this id was built in this process.
    pub(crate) generation: u64,
    pub(crate) entry: Option<ChannelEntry>,
    pub(crate) routes: Option<Routes>,
    inbox: Option<InboxWriter>,
    /// Until they are started. They may go from thread to thread, but not be seen from two.
    listeners: Mutex<Vec<Box<dyn Listener>>>,
    /// Asks for maintenance.
    again: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Unit {
    /// A unit that cannot run, for a reason that health names.
    pub(crate) fn broken(id: ChannelId, generation: u64, why: String) -> Self {
        let (reporter, _) = StateReporter::new();
        tracing::error!(channel = %id, "the channel cannot run: {why}");
        reporter.set(ChannelState::BadConfig { why });
        Self {
            id,
            reporter,
            generation,
            entry: None,
            routes: None,
            inbox: None,
            listeners: Mutex::default(),
            again: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn build(
        parts: &Parts<'_>,
        id: &str,
        section: &Section,
        registration: &Registration,
        generation: u64,
    ) -> Self {
        let id = ChannelId::new(id);
        match Self::try_build(parts, &id, section, registration, generation) {
            Ok(unit) => unit,
            Err(why) => Self::broken(id, generation, why),
        }
    }

    fn try_build(
        parts: &Parts<'_>,
        id: &ChannelId,
        section: &Section,
        registration: &Registration,
        generation: u64,
    ) -> Result<Self, String> {
        let parsed = (registration.parse)(&section.own).map_err(|mistakes| summary(&mistakes))?;
        let capabilities = (registration.capabilities)(&parsed);
        let scope = section.scope.unwrap_or(registration.default_scope);
        let template = section.uid_template.as_deref().unwrap_or(default_template(registration, scope));
        let bot = BotName::new(section.bot.as_str());
        let rules = InboxRules {
            channel: id.clone(),
            bot: bot.clone(),
            scope,
            template: UidTemplate::parse(template).map_err(|error| format!("uid_template: {error}"))?,
            uid_key: parts.config.identity.uid_hash_key.clone(),
            max_pending: parts.config.pipeline.max_pending_per_conversation,
            overflow: capabilities.overflow,
            rate: rules::user_rate(parts.config),
            access: Access::new(&section.access, registration.kind.has_servers()),
            tells_not_allowed: tells_not_allowed(parts.config),
        };
        let (reporter, _) = StateReporter::new();
        let stop = parts.stop.child_token();
        let inbox = InboxWriter::new(rules, Arc::clone(parts.store), parts.wake.clone());
        let context = ChannelContext {
            id: id.clone(),
            bot: bot.clone(),
            inbox: inbox.clone(),
            outbound: OutboundWriter::new(
                id.clone(),
                capabilities.delivery,
                Arc::clone(parts.store),
                parts.deliver.spoken(),
            ),
            capabilities,
            store: Arc::clone(parts.store),
            state: reporter.clone(),
            clock: parts.clock.clone(),
            lang: section.language,
            texts: parts.texts.clone(),
            stop: stop.clone(),
            history: Arc::clone(&parts.history),
            speak: Arc::clone(&parts.speak),
        };
        let channel: Arc<dyn Channel> = (registration.build)(parsed, context)?;
        let ingress = Arc::clone(&channel).ingress();
        let max_age = section.max_age.map_or(*parts.config.pipeline.max_age, |age| *age);
        let fetches = Arc::new(Semaphore::new(parts.config.pipeline.fetch_concurrency as usize));
        let entry = ChannelEntry { channel, bot, lang: section.language, generation, max_age, fetches };
        let (routes, listeners) = (ingress.routes, ingress.listeners);
        Ok(Self {
            id: id.clone(),
            reporter,
            generation,
            entry: Some(entry),
            routes,
            inbox: Some(inbox),
            listeners: Mutex::new(listeners),
            again: Arc::default(),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// Takes the channel out again, with a reason.
    pub(crate) fn refuse(&mut self, why: String) {
        tracing::error!(channel = %self.id, "the channel cannot run: {why}");
        self.reporter.set(ChannelState::BadConfig { why });
        self.entry = None;
        self.routes = None;
        self.listeners().clear();
    }

    fn listeners(&mut self) -> &mut Vec<Box<dyn Listener>> {
        self.listeners.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it cannot run, if so.
    pub(crate) fn why_broken(&self) -> Option<String> {
        match self.reporter.state() {
            ChannelState::BadConfig { why } if self.entry.is_none() => Some(why),
            _ => None,
        }
    }

    /// Lets others in from now on.
    pub(crate) fn let_in(&self, config: &Config, section: &Section, has_servers: bool) {
        if let Some(inbox) = &self.inbox {
            inbox.let_in(Access::new(&section.access, has_servers), tells_not_allowed(config));
        }
    }

    /// What it registers with its platform may be out of date.
    pub(crate) fn maintain_again(&self) {
        self.again.notify_one();
    }

    /// Stops the listeners, waits until they have ended, and their leases are released: a successor may listen then. They are cut
    /// off after `grace`, so that this ends.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts the listeners and the duty of maintenance.
    pub(crate) fn start(&mut self, store: &Arc<dyn Store>, tasks: &TaskTracker, grace: Duration) {
        let Some(entry) = &self.entry else { return };
        let (kept, id, channel, stop) =
            (Arc::clone(store), self.id.clone(), Arc::clone(&entry.channel), self.stop.clone());
        let again = Arc::clone(&self.again);
        let maintaining = async move { maintain(&*kept, &id, &*channel, &again, stop, grace).await };
        tasks.spawn(self.tasks.track_future(maintaining));
        let listeners = std::mem::take(self.listeners());
        if listeners.is_empty() && self.reporter.state() == ChannelState::Starting {
            self.reporter.set(ChannelState::Connected);
        }
        for listener in listeners {
            let (store, stop) = (Arc::clone(store), self.stop.clone());
            let (id, reporter) = (self.id.clone(), self.reporter.clone());
            let listening = async move { supervise(&*store, &id, listener, &reporter, stop, grace).await };
            tasks.spawn(self.tasks.track_future(listening));
        }
    }
}

/// Whether any language has a text for those who are not let in.
fn tells_not_allowed(config: &Config) -> bool {
    let texts = rules::texts(config);
    Lang::ALL.iter().any(|lang| !texts.get(*lang, Text::NotAllowed).is_empty())
}

/// The template when the section names none: the kind's own, or with another scope than the kind's, what that scope tells apart.
fn default_template(registration: &Registration, scope: Scope) -> &'static str {
    match scope {
        scope if scope == registration.default_scope => registration.default_uid_template,
        Scope::User => "{channel}-{user}",
        Scope::Chat => "{channel}-{chat}",
        Scope::Thread => "{channel}-{chat}-{thread}",
        Scope::UserInChat => "{channel}-{chat}-{user}",
    }
}

/// Which keys are wrong, for a page that strangers may see: no values and no paths. The log and `check` say it all.
pub(crate) fn summary(mistakes: &[Mistake]) -> String {
    let mut keys: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    keys.dedup();
    format!("mistakes at {} (`caigunn-bridge check` has the details)", keys.join(", "))
}
