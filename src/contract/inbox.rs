//! The only door in: what comes through here is on disk before the platform hears of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::mpsc;

use crate::contract::access::{Access, Standing};
use crate::contract::groups::Groups;
use crate::contract::store::{Accepted, NewEvent, Result, Store, StoreError};
use crate::model::capabilities::Overflow;
use crate::model::inbound::{LateEdit, Membership};
use crate::model::turn::Outcome;
use crate::model::turn::{Reason, Turn};
use crate::model::uid::UidTemplate;
use crate::model::{
    BotName, ChannelId, Contact, ContactId, ContactKey, InboundEvent, Incoming, Scope, Secret, Sender, Target, TurnId,
};

/// What the dispatcher is told after a commit.
#[derive(Debug)]
pub enum Wake {
    Opened {
        turn: Box<Turn>,
        contact: Arc<Contact>,
    },
    /// A turn that may be in memory has more events or a later due time.
    Changed {
        contact: ContactId,
        seq: i64,
        due_in: Duration,
    },
    /// Rows of this target that may be in memory have ended.
    Left {
        channel: ChannelId,
        target: Arc<str>,
    },
    /// Turns, rows and contacts of this target that may be in memory go on elsewhere.
    Moved {
        channel: ChannelId,
        from: Arc<str>,
        to: Target,
        contacts: Vec<Arc<Contact>>,
    },
    /// The channel was built anew, removed or brought back: what memory has of its turns is read again from the store.
    Reconfigured {
        channel: ChannelId,
    },
}

/// The dispatcher's mailbox. It is bounded: when it is full the turn stays in the store and the dispatcher is told to read
/// there. What the store cannot tell again (what memory must forget) is kept beside it.
#[derive(Clone, Debug)]
pub struct WakeSender {
    sender: mpsc::Sender<Wake>,
    missed: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Wake>>>,
}

/// The other end of a [`WakeSender`].
#[derive(Debug)]
pub struct WakeReceiver {
    pub receiver: mpsc::Receiver<Wake>,
    missed: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Wake>>>,
}

/// So many wakes are kept when the mailbox is full. What is lost beyond it heals with the platform's own answer.
const KEPT: usize = 1_024;

impl WakeSender {
    pub fn new(capacity: usize) -> (Self, WakeReceiver) {
        let (sender, receiver) = mpsc::channel(capacity);
        let (missed, kept) = (Arc::new(AtomicBool::new(false)), Arc::default());
        (Self { sender, missed: Arc::clone(&missed), kept: Arc::clone(&kept) }, WakeReceiver { receiver, missed, kept })
    }

    /// Tells the dispatcher that a channel is another one now, or none.
    pub fn reconfigured(&self, channel: ChannelId) {
        self.wake(Wake::Reconfigured { channel });
    }

    fn wake(&self, wake: Wake) {
        let Err(full) = self.sender.try_send(wake) else { return };
        let wake = full.into_inner();
        let is_rare = matches!(wake, Wake::Reconfigured { .. });
        if is_rare || matches!(wake, Wake::Left { .. } | Wake::Moved { .. }) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if is_rare || kept.len() < KEPT {
                kept.push(wake);
            }
        }
        self.missed.store(true, Ordering::Release);
    }
}

impl WakeReceiver {
    /// Whether a wake was lost since the last call: the store must be read.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }

    /// The wakes among them that the store cannot make up for.
    pub fn take_kept(&self) -> Vec<Wake> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
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
    /// At first; [`InboxWriter::let_in`] replaces it and the next.
    pub access: Access,
    /// Whether there is a text for those who are not let in.
    pub tells_not_allowed: bool,
}

/// Who is let in, and what becomes of the others.
struct Door {
    access: Access,
    tells_not_allowed: bool,
}

/// How often the per-user limiters forget who has been quiet: after so many events.
const FORGET_EVERY: u32 = 8_192;

struct Inner {
    rules: InboxRules,
    door: ArcSwap<Door>,
    store: Arc<dyn Store>,
    wake: WakeSender,
    limiter: Option<DefaultKeyedRateLimiter<ContactKey>>,
    /// An album is one message for the limiter, and shares its fate.
    groups: Mutex<Groups<Option<Duration>>>,
    /// Events that the limiter has let in. When their commit fails they come again, and are not counted twice.
    let_in: Mutex<Groups<()>>,
    events: AtomicU32,
}

/// Why an event is not to be worked on.
#[derive(Clone, Copy)]
struct Judged {
    reason: Reason,
    /// How soon it may be tried again; zero where that would change nothing.
    retry_after: Duration,
    /// Whether its sender is told, where the event is recorded.
    told: bool,
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
    pub fn new(mut rules: InboxRules, store: Arc<dyn Store>, wake: WakeSender) -> Self {
        let door = Door { access: std::mem::take(&mut rules.access), tells_not_allowed: rules.tells_not_allowed };
        let limiter =
            rules.rate.map(|(per_minute, burst)| RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)));
        let (groups, let_in) = (Mutex::new(Groups::new(Instant::now())), Mutex::new(Groups::new(Instant::now())));
        let door = ArcSwap::from_pointee(door);
        Self(Arc::new(Inner { rules, door, store, wake, limiter, groups, let_in, events: AtomicU32::new(0) }))
    }

    pub fn channel(&self) -> &ChannelId {
        &self.0.rules.channel
    }

    /// From now on others are let in. What is being judged at this moment may still be judged by the rules before.
    pub fn let_in(&self, access: Access, tells_not_allowed: bool) {
        self.0.door.store(Arc::new(Door { access, tells_not_allowed }));
    }

    /// The key under which a sender's contact is stored.
    pub fn contact_key(&self, sender: &Sender) -> ContactKey {
        ContactKey::new(self.0.rules.scope, sender)
    }

    /// Whether [`accept`](Self::accept) would let a message of this sender in, for a channel that can save itself work.
    pub fn lets_in(&self, sender: &Sender) -> bool {
        self.0.door.load().access.judge(sender) != Standing::Out
    }

    /// Stores the events, in order, and the cursors of their sources (each a source and its cursor), in one commit.
    /// Acknowledge the platform only after this has returned `Ok`; after an `Err` nothing was stored.
    pub async fn accept(&self, events: Vec<Incoming>, cursors: Vec<(String, String)>) -> Result<Vec<Receipt>> {
        // A task of its own: when the caller is dropped in the midst (its client hung up), the commit may still happen, and
        // then the dispatcher must be woken.
        let inbox = self.clone();
        let accepting = tokio::spawn(async move { inbox.accept_now(events, cursors).await });
        accepting.await.unwrap_or_else(|error| {
            // A panic is about these events, and would come again with them.
            let kind = if error.is_panic() { StoreError::Corrupt } else { StoreError::Unavailable };
            Err(kind(error.to_string()))
        })
    }

    async fn accept_now(&self, events: Vec<Incoming>, cursors: Vec<(String, String)>) -> Result<Vec<Receipt>> {
        let inner = &*self.0;
        let mut receipts: Vec<Option<Receipt>> = Vec::with_capacity(events.len());
        let mut new = Vec::with_capacity(events.len());
        for incoming in events {
            let contact = ContactKey::new(inner.rules.scope, &incoming.sender);
            match (self.judge(&contact, &incoming), inner.rules.overflow) {
                // What is known already is no new message: its sender only asks what became of it.
                (Some(_), Overflow::Refuse) if self.is_known(&incoming).await? => {
                    receipts.push(None);
                    new.push(self.place(incoming, contact, None));
                }
                (Some(Judged { reason, retry_after, .. }), Overflow::Refuse) if reason != Reason::NoAnswerNeeded => {
                    self.count(reason.as_str());
                    receipts.push(Some(Receipt::Refused { reason, retry_after }));
                }
                (judged, _) => {
                    receipts.push(None);
                    new.push(self.place(incoming, contact, judged));
                }
            }
        }
        let mut accepted = inner.store.accept(new, cursors).await?.into_iter();
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

    fn place(&self, mut incoming: Incoming, contact: ContactKey, judged: Option<Judged>) -> NewEvent {
        let rules = &self.0.rules;
        incoming.sender.nickname = incoming.sender.called(rules.scope).map(str::to_owned);
        let is_told = |told: bool| judged.filter(|judged| judged.told == told).map(|judged| judged.reason);
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
            verdict: is_told(true),
            dropped: is_told(false),
            max_pending: rules.max_pending,
            overflow: rules.overflow,
        }
    }

    fn count(&self, what: &'static str) {
        let channel = self.0.rules.channel.as_str().to_owned();
        metrics::counter!("bridge_events_total", "channel" => channel, "result" => what).increment(1);
    }

    fn told(&self, accepted: Accepted) -> Receipt {
        let count = |what: &'static str| self.count(what);
        match accepted {
            Accepted::Opened { turn, contact } => {
                count("accepted");
                let id = turn.id;
                self.0.wake.wake(Wake::Opened { turn, contact });
                Receipt::Accepted { turn: id }
            }
            Accepted::Joined { turn, contact, seq, due_in } => {
                count("joined");
                self.0.wake.wake(Wake::Changed { contact, seq, due_in });
                Receipt::Accepted { turn }
            }
            Accepted::Replaced { turn, contact, seq } => {
                count("edited");
                self.0.wake.wake(Wake::Changed { contact, seq, due_in: Duration::ZERO });
                Receipt::Accepted { turn }
            }
            Accepted::Left { turn, target } => {
                count("accepted");
                self.0.wake.wake(Wake::Left { channel: self.channel().clone(), target });
                self.ended_at_once(turn)
            }
            Accepted::Moved { turn, from, to, contacts } => {
                count("accepted");
                if self.0.door.load().access.names_chat(&from) {
                    tracing::warn!(channel = %self.channel(), from = &*from, to = &*to.key, "a chat that `access` names goes on under another id; name that instead");
                }
                self.0.wake.wake(Wake::Moved { channel: self.channel().clone(), from, to, contacts });
                self.ended_at_once(turn)
            }
            Accepted::Ended { turn, reason: Reason::NoAnswerNeeded } => {
                count("accepted");
                self.ended_at_once(turn)
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

    /// The turn of an event that changes something and has no answer.
    fn ended_at_once(&self, turn: TurnId) -> Receipt {
        let channel = self.0.rules.channel.as_str().to_owned();
        let outcome = Outcome::Dropped(Reason::NoAnswerNeeded);
        metrics::counter!("bridge_turns_total", "channel" => channel, "outcome" => outcome.as_str(), "reason" => Reason::NoAnswerNeeded.as_str()).increment(1);
        Receipt::Accepted { turn }
    }

    /// Why an event is not to be worked on, if so. Those who are not let in use nobody's rate up.
    fn judge(&self, contact: &ContactKey, incoming: &Incoming) -> Option<Judged> {
        use InboundEvent::{Command, Edit, Interaction, Membership as Change, Message, Migration};
        let door = self.0.door.load();
        let standing = door.access.judge(&incoming.sender);
        if standing == Standing::Out {
            let asks = match &incoming.event {
                // Facts about the chat, whoever brought them about.
                Migration { .. } => return None,
                Change { change } if *change != Membership::Joined => return None,
                Edit { .. } => false,
                Message(_) | Command { .. } | Interaction { .. } | Change { .. } => incoming.addressed,
            };
            let told = asks && door.tells_not_allowed;
            return Some(Judged { reason: Reason::NotAllowed, retry_after: Duration::ZERO, told });
        }
        if standing != Standing::Admin
            && let Some(retry_after) = self.over_rate(contact, incoming)
        {
            return Some(Judged { reason: Reason::RateLimited, retry_after, told: true });
        }
        match incoming.event {
            // There is nothing to do but to know of it.
            Change { change: Membership::Joined | Membership::Unblocked } if !incoming.addressed => {
                Some(Judged { reason: Reason::NoAnswerNeeded, retry_after: Duration::ZERO, told: false })
            }
            Command { command, .. } if !door.access.permits(standing, command) => {
                Some(Judged { reason: Reason::AdminsOnly, retry_after: Duration::ZERO, told: true })
            }
            _ => None,
        }
    }

    /// How long the contact must wait, if it writes faster than its rate. Only what asks for an answer counts, and once: talk
    /// among people uses nobody's rate up, nor does what is delivered again. Of a group only its first member counts, and the
    /// others share its fate.
    fn over_rate(&self, contact: &ContactKey, incoming: &Incoming) -> Option<Duration> {
        use InboundEvent::{Command, Edit, Interaction, Message};
        let asks = match &incoming.event {
            Message(_) | Command { .. } | Interaction { .. } => true,
            Edit { late, or_new, .. } => *late == LateEdit::Ask || *or_new,
            _ => false,
        };
        if !incoming.addressed || !asks || self.0.limiter.is_none() {
            return None;
        }
        match &incoming.group {
            None => {
                let mut let_in = self.0.let_in.lock().unwrap_or_else(PoisonError::into_inner);
                let (key, now) = (incoming.key.as_str(), Instant::now());
                if let_in.known(contact, key).is_some() {
                    return None;
                }
                let wait = self.use_rate(contact);
                if wait.is_none() {
                    let_in.decided(contact, key, now, || ());
                }
                wait
            }
            Some(group) => {
                let mut groups = self.0.groups.lock().unwrap_or_else(PoisonError::into_inner);
                groups.decided(contact, group, Instant::now(), || self.use_rate(contact))
            }
        }
    }

    fn use_rate(&self, contact: &ContactKey) -> Option<Duration> {
        let limiter = self.0.limiter.as_ref()?;
        if self.0.events.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        match limiter.check_key(contact) {
            Ok(()) => None,
            Err(until) => Some(until.wait_time_from(DefaultClock::default().now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{KEPT, Wake, WakeSender};
    use crate::model::ContactId;

    #[test]
    fn a_full_mailbox_keeps_what_the_store_cannot_tell() {
        let (sender, mut receiver) = WakeSender::new(1);
        for seq in 1..=2 {
            sender.wake(Wake::Changed { contact: ContactId(1), seq, due_in: Duration::ZERO });
        }
        sender.wake(Wake::Left { channel: "page".into(), target: "chat".into() });
        assert!(receiver.take_missed() && !receiver.take_missed());
        for _ in 0..KEPT {
            sender.wake(Wake::Left { channel: "page".into(), target: "chat".into() });
        }
        sender.reconfigured("page".into());
        let kept = receiver.take_kept();
        assert!(matches!(kept[..], [Wake::Left { .. }, .., Wake::Reconfigured { .. }]), "{kept:?}");
        assert_eq!(kept.len(), KEPT + 1, "a channel that changed is never passed over");
        assert!(receiver.take_kept().is_empty());
        assert!(matches!(receiver.receiver.try_recv(), Ok(Wake::Changed { seq: 1, .. })));
    }
}
