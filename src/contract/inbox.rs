//! The only door in: what comes through here is on disk before the platform hears of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::mpsc;

use crate::contract::store::{Accepted, NewEvent, Result, Store, StoreError};
use crate::model::capabilities::Overflow;
use crate::model::turn::{Reason, Turn};
use crate::model::uid::UidTemplate;
use crate::model::{BotName, ChannelId, Contact, ContactKey, InboundEvent, Incoming, Scope, Secret, TurnId};

/// What the dispatcher is told after a commit.
#[derive(Debug)]
pub enum Wake {
    Opened {
        turn: Box<Turn>,
        contact: Arc<Contact>,
    },
    /// A turn that may be in memory has more events or a later due time.
    Changed {
        seq: i64,
        due_in: Duration,
    },
}

/// The dispatcher's mailbox. It is bounded: when it is full the turn stays in the store and the dispatcher is told to read
/// there.
#[derive(Clone, Debug)]
pub struct WakeSender {
    sender: mpsc::Sender<Wake>,
    missed: Arc<AtomicBool>,
}

/// The other end of a [`WakeSender`].
#[derive(Debug)]
pub struct WakeReceiver {
    pub receiver: mpsc::Receiver<Wake>,
    missed: Arc<AtomicBool>,
}

impl WakeSender {
    pub fn new(capacity: usize) -> (Self, WakeReceiver) {
        let (sender, receiver) = mpsc::channel(capacity);
        let missed = Arc::new(AtomicBool::new(false));
        (Self { sender, missed: Arc::clone(&missed) }, WakeReceiver { receiver, missed })
    }

    fn wake(&self, wake: Wake) {
        if self.sender.try_send(wake).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }
}

impl WakeReceiver {
    /// Whether a wake was lost since the last call: the store must be read.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }
}

/// How one channel's events are placed.
#[derive(Debug)]
pub struct InboxRules {
    pub channel: ChannelId,
    pub bot: BotName,
    pub scope: Scope,
    pub template: UidTemplate,
    pub uid_key: Option<Secret>,
    pub max_pending: u32,
    pub overflow: Overflow,
    /// Messages per minute and the burst of one contact; `None` = no bound.
    pub rate: Option<(NonZeroU32, NonZeroU32)>,
}

/// How often the per-user limiters forget who has been quiet: after so many events.
const FORGET_EVERY: u32 = 8_192;

struct Inner {
    rules: InboxRules,
    store: Arc<dyn Store>,
    wake: WakeSender,
    limiter: Option<DefaultKeyedRateLimiter<ContactKey>>,
    events: AtomicU32,
}

/// Hands events over to the store and wakes the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct InboxWriter(Arc<Inner>);

/// What the channel is told of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// On disk; the turn will be (or has been) answered.
    Accepted { turn: TurnId },
    /// Seen before; on disk as the turn, if that is still stored.
    Duplicate { turn: Option<TurnId>, note: Option<String> },
    /// Not taken and not stored. The caller still has the message.
    Refused { reason: Reason, retry_after: Duration },
}

impl InboxWriter {
    pub fn new(rules: InboxRules, store: Arc<dyn Store>, wake: WakeSender) -> Self {
        let limiter =
            rules.rate.map(|(per_minute, burst)| RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)));
        Self(Arc::new(Inner { rules, store, wake, limiter, events: AtomicU32::new(0) }))
    }

    pub fn channel(&self) -> &ChannelId {
        &self.0.rules.channel
    }

    /// The key under which a sender's contact is stored.
    pub fn contact_key(&self, sender: &crate::model::Sender) -> ContactKey {
        ContactKey::new(self.0.rules.scope, sender)
    }

    /// Stores the events, in order, and the cursor of their source, in one commit. Acknowledge the platform only after
    /// this has returned `Ok`; after an `Err` nothing was stored.
    pub async fn accept(&self, events: Vec<Incoming>, cursor: Option<(String, String)>) -> Result<Vec<Receipt>> {
        // A task of its own: when the caller is dropped in the midst (its client hung up), the commit may still happen, and
        // then the dispatcher must be woken.
        let inbox = self.clone();
        let accepting = tokio::spawn(async move { inbox.accept_now(events, cursor).await });
        accepting.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    async fn accept_now(&self, events: Vec<Incoming>, cursor: Option<(String, String)>) -> Result<Vec<Receipt>> {
        let inner = &*self.0;
        let mut receipts: Vec<Option<Receipt>> = Vec::with_capacity(events.len());
        let mut new = Vec::with_capacity(events.len());
        for incoming in events {
            let contact = ContactKey::new(inner.rules.scope, &incoming.sender);
            match (self.over_rate(&contact, &incoming), inner.rules.overflow) {
                // What is known already is no new message: its sender only asks what became of it.
                (Some(_), Overflow::Refuse) if self.is_known(&incoming).await? => {
                    receipts.push(None);
                    new.push(self.place(incoming, contact, None));
                }
                (Some(wait), Overflow::Refuse) => {
                    receipts.push(Some(Receipt::Refused { reason: Reason::RateLimited, retry_after: wait }));
                }
                (over, _) => {
                    receipts.push(None);
                    new.push(self.place(incoming, contact, over.map(|_| Reason::RateLimited)));
                }
            }
        }
        let mut accepted = inner.store.accept(new, cursor).await?.into_iter();
        Ok(receipts
            .into_iter()
            .map(|early| match early {
                Some(refused) => refused,
                // The store answers one for one; an answer that is missing can only mean that nothing is known.
                None => accepted
                    .next()
                    .map_or(Receipt::Duplicate { turn: None, note: None }, |accepted| self.told(accepted)),
            })
            .collect())
    }

    async fn is_known(&self, incoming: &Incoming) -> Result<bool> {
        Ok(self.0.store.turn_of(&self.0.rules.channel, &incoming.key).await?.is_some())
    }

    fn place(&self, incoming: Incoming, contact: ContactKey, verdict: Option<Reason>) -> NewEvent {
        let rules = &self.0.rules;
        let uid = rules.template.render(
            rules.channel.as_str(),
            rules.bot.as_str(),
            rules.scope,
            &incoming.sender,
            rules.uid_key.as_ref(),
        );
        NewEvent {
            channel: rules.channel.clone(),
            bot: rules.bot.clone(),
            incoming,
            contact,
            uid,
            turn: TurnId::generate(),
            verdict,
            max_pending: rules.max_pending,
            overflow: rules.overflow,
        }
    }

    fn told(&self, accepted: Accepted) -> Receipt {
        let channel = self.0.rules.channel.as_str().to_owned();
        let count = |what: &'static str| {
            metrics::counter!("bridge_events_total", "channel" => channel, "result" => what).increment(1)
        };
        match accepted {
            Accepted::Opened { turn, contact } => {
                count("accepted");
                let id = turn.id;
                self.0.wake.wake(Wake::Opened { turn, contact });
                Receipt::Accepted { turn: id }
            }
            Accepted::Joined { turn, seq, due_in } => {
                count("joined");
                self.0.wake.wake(Wake::Changed { seq, due_in });
                Receipt::Accepted { turn }
            }
            Accepted::Replaced { turn, seq } => {
                count("edited");
                self.0.wake.wake(Wake::Changed { seq, due_in: Duration::ZERO });
                Receipt::Accepted { turn }
            }
            Accepted::Ended { turn, reason } => {
                count(reason.as_str());
                Receipt::Accepted { turn }
            }
            Accepted::Duplicate { turn, note } => {
                count("duplicate");
                Receipt::Duplicate { turn, note }
            }
            Accepted::Refused { reason } => {
                count(reason.as_str());
                Receipt::Refused { reason, retry_after: Duration::from_secs(5) }
            }
        }
    }

    /// How long the contact must wait, if it writes faster than its rate. Only what asks for an answer counts: talk among
    /// people uses nobody's rate up.
    fn over_rate(&self, contact: &ContactKey, incoming: &Incoming) -> Option<Duration> {
        use InboundEvent::{Command, Interaction, Message};
        let limiter = self.0.limiter.as_ref()?;
        if !incoming.addressed || !matches!(incoming.event, Message(_) | Command { .. } | Interaction { .. }) {
            return None;
        }
        if self.0.events.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        match limiter.check_key(contact) {
            Ok(()) => None,
            Err(until) => Some(until.wait_time_from(DefaultClock::default().now())),
        }
    }
}
