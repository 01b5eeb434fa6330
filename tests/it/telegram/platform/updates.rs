//! The queue of updates, and polling it (<https://core.telegram.org/bots/api#getting-updates>).

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Platform;
use super::faults::CONFLICT;
use super::params::Params;
use super::state::{Inner, Shared};
use super::wire::Refusal;

/// The kinds that there are; those of the second list come only when they are asked for.
const KINDS: &[&str] = &[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
];
const ON_REQUEST: &[&str] = &["chat_member", "message_reaction", "message_reaction_count"];

const WEBHOOK_ACTIVE: &str = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to \
    delete the webhook first";

/// The queue takes an offset this far beyond its end for one of another numbering, and answers from its beginning, again
/// and again. So does the server that Telegram publishes (`TQueue::get`, `Client::do_get_updates`).
const FUTURE: i64 = 10;

pub(super) struct Pending {
    pub(super) id: i64,
    pub(super) json: String,
    /// A webhook delivery of it is under way, or will be tried again soon.
    pub(super) taken: bool,
}

/// One `getUpdates`.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub(crate) offset: Option<i64>,
    pub(crate) limit: i64,
    /// In seconds.
    pub(crate) timeout: i64,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) at: Instant,
}

pub(super) struct Queue {
    pub(super) pending: VecDeque<Pending>,
    next: i64,
    forgotten: Option<i64>,
    happened: u64,
    withheld: u64,
    polls: Vec<Poll>,
    /// Counts what ends an open poll, and says why.
    interrupted: (u64, &'static str),
    /// Empty: all but [`ON_REQUEST`].
    pub(super) allowed: Vec<String>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            pending: VecDeque::new(),
            next: 700_000_001,
            forgotten: None,
            happened: 0,
            withheld: 0,
            polls: Vec::new(),
            interrupted: (0, CONFLICT),
            allowed: Vec::new(),
        }
    }
}

impl Queue {
    fn wants(&self, kind: &str) -> bool {
        // A kind that nobody knows can be neither asked for nor refused.
        let known = KINDS.contains(&kind) || ON_REQUEST.contains(&kind);
        match self.allowed.is_empty() {
            true => !ON_REQUEST.contains(&kind),
            false => !known || self.allowed.iter().any(|allowed| allowed == kind),
        }
    }

    fn add(&mut self, kind: &str, value: &Value) {
        if !self.wants(kind) {
            self.withheld += 1;
            return;
        }
        let id = self.next;
        self.next += 1;
        self.happened += 1;
        let json = json!({ "update_id": id, kind: value }).to_string();
        self.pending.push_back(Pending { id, json, taken: false });
    }

    /// Forgets what comes before an offset.
    fn acknowledge(&mut self, offset: i64) {
        let keep_from = match offset {
            0 => return,
            ..0 => {
                let keep = usize::try_from(-offset).unwrap().min(self.pending.len());
                self.pending.get(self.pending.len() - keep).map_or(self.next, |first| first.id)
            }
            _ if offset > self.next + FUTURE => return,
            _ => offset,
        };
        while let Some(first) = self.pending.pop_front_if(|first| first.id < keep_from) {
            self.forgotten = Some(first.id);
        }
    }

    pub(super) fn interrupt(&mut self, why: &'static str) {
        self.interrupted = (self.interrupted.0 + 1, why);
    }

    pub(super) fn drop_pending(&mut self) {
        self.pending.clear();
    }
}

/// Remembers which kinds are wanted, as polling and webhook share that setting.
pub(super) fn allow(inner: &mut Inner, params: &Params) -> Result<Option<Vec<String>>, Refusal> {
    let Some(allowed) = params.strings("allowed_updates")? else { return Ok(None) };
    for kind in &allowed {
        if !KINDS.contains(&kind.as_str()) && !ON_REQUEST.contains(&kind.as_str()) {
            inner.violation(format!("allowed_updates: there is no kind `{kind}`"));
        }
    }
    inner.queue.allowed.clone_from(&allowed);
    Ok(Some(allowed))
}

pub(super) async fn get_updates(shared: &Shared, params: &Params) -> Result<String, Refusal> {
    let (offset, limit) = (params.int("offset")?, params.int("limit")?.unwrap_or(100));
    let timeout = params.int("timeout")?.unwrap_or(0);
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::try_from(timeout.clamp(0, 50)).unwrap());
    let mut mine = None;
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut inner = shared.lock();
            if mine.is_none() {
                if inner.hook.is_set() {
                    return Err(Refusal::new(409, WEBHOOK_ACTIVE));
                }
                if !(1..=100).contains(&limit) || !(0..=50).contains(&timeout) {
                    inner.violation(format!("getUpdates: limit {limit}, timeout {timeout}"));
                }
                let allowed = allow(&mut inner, params)?;
                inner.queue.polls.push(Poll { offset, limit, timeout, allowed, at: Instant::now() });
                inner.queue.acknowledge(offset.unwrap_or_default());
            }
            if mine.is_some_and(|mine| mine != inner.queue.interrupted.0) {
                return Err(Refusal::new(409, inner.queue.interrupted.1));
            }
            let most = usize::try_from(limit.clamp(1, 100)).unwrap();
            let updates: Vec<&str> = inner.queue.pending.iter().take(most).map(|update| &*update.json).collect();
            if !updates.is_empty() || tokio::time::Instant::now() >= until {
                return Ok(format!("[{}]", updates.join(",")));
            }
            if mine.is_none() {
                // Whoever waits ends the wait of whoever waited before.
                inner.queue.interrupt(CONFLICT);
                mine = Some(inner.queue.interrupted.0);
                shared.changed.notify_waiters();
                // This wakes this poll as well, which then finds nothing and waits.
            }
        }
        let _ = tokio::time::timeout_at(until, changed).await;
    }
}

impl Platform {
    /// Something happens, of any kind: what its field holds. Kinds that are not allowed are withheld.
    pub(crate) fn happens(&self, kind: &str, value: Value) {
        self.push(self.lock(), kind, value);
    }

    pub(super) fn push(&self, mut inner: MutexGuard<'_, Inner>, kind: &str, value: Value) {
        inner.queue.add(kind, &value);
        drop(inner);
        self.shared().changed.notify_waiters();
    }

    /// A week passes in which nothing happens: what was not fetched is gone, and the numbers go on elsewhere, lower.
    pub(crate) fn idle_week(&self) {
        let mut inner = self.lock();
        inner.queue.drop_pending();
        inner.queue.next = 300_000_001 + (inner.queue.next % 1_000) * 1_000;
    }

    /// What nobody fetches is kept for 24 hours. They have passed.
    pub(crate) fn a_day_passes(&self) {
        self.lock().queue.drop_pending();
    }

    /// A message is told of again, under a new number.
    pub(crate) fn repeats(&self, chat: i64, message: i64) {
        let again = self.message(chat, message).expect("a message of this chat");
        self.happens("message", again);
    }

    /// Another program polls with the same token: an open poll ends with 409.
    pub(crate) fn rival_polls(&self) {
        self.lock().queue.interrupt(CONFLICT);
        self.shared().changed.notify_waiters();
    }

    /// Updates that are neither acknowledged nor delivered.
    pub(crate) fn pending(&self) -> usize {
        self.lock().queue.pending.len()
    }

    /// The number of the last update that will not be sent again.
    pub(crate) fn acknowledged(&self) -> Option<i64> {
        self.lock().queue.forgotten
    }

    /// The number that the next update will have.
    pub(crate) fn next_update(&self) -> i64 {
        self.lock().queue.next
    }

    /// How many updates there were, and how many were of kinds that are not allowed.
    pub(crate) fn happened(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.queue.happened, inner.queue.withheld)
    }

    pub(crate) fn polls(&self) -> Vec<Poll> {
        self.lock().queue.polls.clone()
    }
}

impl Inner {
    /// A webhook delivery has succeeded.
    pub(super) fn delivered(&mut self, id: i64) {
        self.queue.pending.retain(|update| update.id != id);
        self.queue.forgotten = Some(id);
    }
}
