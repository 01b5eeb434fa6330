//! What a channel is.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Kind, Mistake, RawSection};
use crate::contract::inbox::InboxWriter;
use crate::contract::outbox::OutboundWriter;
use crate::contract::store::{OutboxRow, Store, StoreError};
use crate::model::outbound::Lane;
use crate::model::texts::{Lang, LiveTexts};
use crate::model::{BotName, Capabilities, ChannelId, Clock, MediaRef, OutboundAction, Rendered, Scope, Target};

/// An adapter to one platform. It translates and calls; ordering, retries and storage are the pipeline's.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    fn capabilities(&self) -> &Capabilities;

    /// What brings messages in.
    fn ingress(self: Arc<Self>) -> Ingress;

    /// From an action to single platform calls. Pure: the same action renders to the same calls.
    fn render(&self, action: &OutboundAction, to: &Target) -> Vec<Rendered>;

    /// Makes one platform call.
    async fn send(&self, call: &OutboxRow) -> Result<SendReceipt, SendError>;

    /// Reads the bytes of a [`Remote`](crate::model::inbound::MediaPlace::Remote) reference, at most `max_bytes`.
    async fn fetch(&self, media: &MediaRef, max_bytes: u64) -> Result<Bytes, FetchError>;

    /// Best effort; never a row.
    async fn signal(&self, to: &Target, signal: Signal);

    /// Duties that one replica does under a lease (set the webhook, register commands), at the start and every
    /// [`Capabilities::maintain_every`]. Idempotent.
    async fn maintain(&self) -> Result<(), SendError>;

    /// Looks at every leg of the connection, for `check --online`.
    async fn probe(&self) -> Result<Vec<Finding>, SendError>;
}

/// How messages come in: loops of our own, routes in the bridge's server, or both.
#[derive(Default)]
pub struct Ingress {
    pub listeners: Vec<Box<dyn Listener>>,
    pub routes: Option<Routes>,
}

/// Routes in the bridge's server, under a prefix of the channel's own (`""` = the root).
pub struct Routes {
    pub prefix: String,
    pub router: axum::Router,
}

/// A loop that one replica at a time runs, under the lease `name`.
#[async_trait]
pub trait Listener: Send {
    fn name(&self) -> String;

    /// Runs until `stop`. An `Err` is logged, and the listener is run again after a delay.
    async fn run(&mut self, stop: CancellationToken) -> Result<(), String>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendReceipt {
    /// The platform's ids of what was sent.
    pub ids: Vec<String>,
    /// Scopes the platform asked us to leave alone for a while (its rate-limit headers).
    pub pauses: Vec<(String, Duration)>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    #[error("rate limited in {scope} for {retry_after:?}")]
    RateLimited { scope: String, retry_after: Duration },
    /// Surely not sent; try again.
    #[error("{0}")]
    Transient(String),
    /// It may have been sent.
    #[error("{0}")]
    Ambiguous(String),
    /// The platform will never take this call.
    #[error("rejected: {reason}")]
    Rejected { reason: String },
    /// The platform cannot read the markup: send the plain form.
    #[error("the markup was rejected: {reason}")]
    Downgrade { reason: String },
    /// The address was refused; the target's fallback may do.
    #[error("the address was refused: {reason}")]
    AddressRefused { reason: String },
    /// Nothing can be sent there any more (blocked, deleted).
    #[error("the target is gone: {reason}")]
    TargetGone { reason: String },
    #[error("the target has moved")]
    Migrated { to: Target },
    /// The channel's credentials are refused: the channel pauses, nothing is lost.
    #[error("the platform refuses the credentials: {reason}")]
    Unauthorized { reason: String },
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Transient(String),
    #[error("larger than {max_bytes} bytes")]
    TooLarge { max_bytes: u64 },
    #[error("gone: {0}")]
    Gone(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Typing,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    pub what: String,
    pub hint: Option<String>,
}

impl Finding {
    pub fn ok(what: impl Into<String>) -> Self {
        Self { ok: true, what: what.into(), hint: None }
    }

    pub fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { ok: false, what: what.into(), hint: Some(hint.into()) }
    }
}

/// The state that health reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelState {
    Starting,
    Connected,
    /// Connected and at work, but with less than it is configured for (a right that the platform has not granted, say).
    Limited {
        hint: String,
    },
    Reconnecting {
        why: String,
    },
    BadCredentials {
        hint: String,
    },
    /// Somebody else uses the same bot: only one of us hears it.
    Conflict {
        hint: String,
    },
    BadConfig {
        why: String,
    },
    Paused {
        why: String,
    },
    Stopped,
}

impl ChannelState {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Connected => "connected",
            Self::Limited { .. } => "limited",
            Self::Reconnecting { .. } => "reconnecting",
            Self::BadCredentials { .. } => "bad_credentials",
            Self::Conflict { .. } => "conflict",
            Self::BadConfig { .. } => "bad_config",
            Self::Paused { .. } => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the channel hears its platform: `Connected`, or `Limited`.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Limited { .. })
    }

    /// Why, for a person; empty where the name says it all.
    pub fn detail(&self) -> &str {
        match self {
            Self::Reconnecting { why } | Self::BadConfig { why } | Self::Paused { why } => why,
            Self::Limited { hint } | Self::BadCredentials { hint } | Self::Conflict { hint } => hint,
            Self::Starting | Self::Connected | Self::Stopped => "",
        }
    }
}

/// Where a channel reports its state, and that it hears its platform. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateReporter {
    state: watch::Sender<ChannelState>,
    beats: Arc<Beats>,
}

/// Times are milliseconds since `since`, plus one; 0 = never.
#[derive(Debug)]
struct Beats {
    since: Instant,
    last: AtomicU64,
    /// Since when beats are expected: the promise, or the last time that it became connected.
    from: AtomicU64,
    /// Within how many milliseconds; 0 = no promise.
    within: AtomicU64,
    reports: AtomicU64,
}

impl StateReporter {
    pub fn new() -> (Self, watch::Receiver<ChannelState>) {
        let (state, receiver) = watch::channel(ChannelState::Starting);
        let zero = || AtomicU64::new(0);
        let beats = Beats { since: Instant::now(), last: zero(), from: zero(), within: zero(), reports: zero() };
        (Self { state, beats: Arc::new(beats) }, receiver)
    }

    pub fn set(&self, state: ChannelState) {
        self.beats.reports.fetch_add(1, Ordering::Relaxed);
        self.state.send_if_modified(|now| {
            let changed = *now != state;
            if state.is_connected() && !now.is_connected() {
                self.beats.from.store(self.beats.now(), Ordering::Relaxed);
            }
            *now = state;
            changed
        });
    }

    /// Just now something went well: a poll was answered, a heartbeat acknowledged.
    pub fn beat(&self) {
        self.beats.last.store(self.beats.now(), Ordering::Relaxed);
    }

    /// From now on the channel promises a beat at least this often while it is connected; without one for longer it counts
    /// as stalled.
    pub fn expect_beats(&self, within: Duration) {
        self.beats.from.store(self.beats.now(), Ordering::Relaxed);
        self.beats.within.store(u64::try_from(within.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was last reported.
    pub fn state(&self) -> ChannelState {
        self.state.borrow().clone()
    }

    /// How long ago the last beat was; `None` without one.
    pub fn last_heard(&self) -> Option<Duration> {
        self.beats.age(&self.beats.last)
    }

    /// For how long nothing has been heard of a channel that is connected and promised more; `None` while all is well.
    pub fn stalled(&self) -> Option<Duration> {
        let within = Duration::from_millis(self.beats.within.load(Ordering::Relaxed));
        if within.is_zero() || !self.state.borrow().is_connected() {
            return None;
        }
        let (last, from) = (self.beats.age(&self.beats.last), self.beats.age(&self.beats.from));
        last.into_iter().chain(from).min().filter(|silence| *silence > within)
    }

    /// How often a state was reported, whether it was another one or not.
    pub(crate) fn reports(&self) -> u64 {
        self.beats.reports.load(Ordering::Relaxed)
    }
}

impl Beats {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn age(&self, at: &AtomicU64) -> Option<Duration> {
        let at = at.load(Ordering::Relaxed);
        (at > 0).then(|| Duration::from_millis(self.now().saturating_sub(at)))
    }
}

/// What a channel is given when it is built.
#[derive(Clone)]
pub struct ChannelContext {
    pub id: ChannelId,
    pub bot: BotName,
    pub capabilities: Capabilities,
    pub inbox: InboxWriter,
    pub outbound: OutboundWriter,
    /// Cursors, kv, media, views of turns and the journal.
    pub store: Arc<dyn Store>,
    pub state: StateReporter,
    pub clock: Clock,
    /// What the bridge itself says, as configured; a reload changes it under way.
    pub texts: LiveTexts,
    /// The language of whoever has told none.
    pub lang: Lang,
    /// Cancelled when the channel is to stop.
    pub stop: CancellationToken,
    /// How the history of a contact is read from CaiGunn, for a channel that offers it natively.
    pub history: Arc<dyn History>,
    /// How a contact of any channel is spoken to, for a channel whose callers may do that.
    pub speak: Arc<dyn Speak>,
}

/// Speaks to a contact of any channel without having been asked.
#[async_trait]
pub trait Speak: Send + Sync {
    /// Commits the actions to the outbox of the channel whose contact has this uid, and has them sent there. On disk when it
    /// returns.
    async fn speak(
        &self,
        uid: &str,
        actions: Vec<OutboundAction>,
        dedupe_key: String,
        lane: Lane,
    ) -> Result<Spoken, StoreError>;
}

/// What became of something said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    Queued,
    /// The dedupe key was used before on that contact's channel; nothing was added.
    Duplicate,
    /// Nobody has this uid.
    Unknown,
    /// The contact's channel does not run; nothing was added.
    NotRunning(ChannelId),
}

/// Reads a conversation's history from the chatbot's side.
#[async_trait]
pub trait History: Send + Sync {
    /// The newest `limit` exchanges of a uid, oldest first.
    async fn history(&self, bot: &BotName, uid: &str, limit: usize) -> Result<Vec<Exchange>, String>;
}

/// One exchange of a history, as far as CaiGunn tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exchange {
    /// As CaiGunn writes it; the zone is not documented.
    pub at: Option<String>,
    pub sent: Option<String>,
    pub received: Option<String>,
}

/// A kind of channel, as it is registered. Built-in channels go through the same door as a third party's.
pub struct Registration {
    /// The `kind` in `channels.<id>`, with the schema of its own keys.
    pub kind: Kind,
    /// The scope and uid template when the section names none.
    pub default_scope: Scope,
    pub default_uid_template: &'static str,
    /// Checks and parses the kind's own keys. The answer is handed to `capabilities` and `build`.
    pub parse: fn(&RawSection) -> Result<Parsed, Vec<Mistake>>,
    /// Whom the section listens as, where the platform gives each update to one listener only. Two channels of the same name
    /// would take each other's messages: the later one is a mistake.
    pub listens_as: fn(&Parsed) -> Option<ListensAs>,
    /// What a channel with this section can do.
    pub capabilities: fn(&Parsed) -> Capabilities,
    /// Builds the channel; must not do I/O. An error is a state of this channel, never of the others.
    pub build: fn(Parsed, ChannelContext) -> Result<Arc<dyn Channel>, String>,
}

/// What may be listened to by one channel only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListensAs {
    /// The key of the section that says so: the mistake is reported there.
    pub key: &'static str,
    /// The account's name on the platform. Compared within the kind, and never shown.
    pub account: String,
    /// What is wrong with a second one, before the first one's name, and what to do.
    pub taken: &'static str,
    pub hint: &'static str,
}

impl ListensAs {
    /// A bot, whose messages the platform gives to one listener.
    pub fn bot(key: &'static str, account: String) -> Self {
        let hint = "its messages reach one channel only: remove this one, or give it a bot of its own";
        Self { key, account, taken: "belongs to the bot of", hint }
    }
}

/// A kind's own section, parsed; only the kind knows its type.
pub type Parsed = Box<dyn Any + Send + Sync>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ChannelState, StateReporter};

    #[tokio::test]
    async fn a_channel_is_stalled_when_it_is_connected_and_does_not_keep_its_promise() {
        let (reporter, _state) = StateReporter::new();
        let silence = || tokio::time::sleep(Duration::from_millis(40));
        reporter.set(ChannelState::Connected);
        silence().await;
        assert_eq!((reporter.last_heard(), reporter.stalled()), (None, None), "nothing was promised");
        reporter.expect_beats(Duration::from_millis(20));
        silence().await;
        assert!(reporter.stalled() >= Some(Duration::from_millis(40)));
        reporter.set(ChannelState::Connected);
        assert!(reporter.stalled().is_some(), "that is no news");
        reporter.set(ChannelState::Limited { hint: "a right is missing".to_owned() });
        assert!(reporter.stalled().is_some(), "it was connected before, and still promises to be heard");
        reporter.set(ChannelState::Reconnecting { why: "no answer".to_owned() });
        assert_eq!(reporter.stalled(), None, "it says so itself");
        reporter.set(ChannelState::Limited { hint: "a right is missing".to_owned() });
        assert_eq!(reporter.stalled(), None, "it has only just connected");
        silence().await;
        assert!(
            reporter.stalled() >= Some(Duration::from_millis(40)),
            "with less than everything it is bound by its promise, too"
        );
        reporter.expect_beats(Duration::from_secs(60));
        reporter.set(ChannelState::Connected);
        silence().await;
        reporter.clone().beat();
        assert!(reporter.last_heard() < Some(Duration::from_millis(40)));
        silence().await;
        assert!(reporter.last_heard() >= Some(Duration::from_millis(40)));
        assert_eq!(reporter.stalled(), None);
    }
}
