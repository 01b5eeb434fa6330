//! What sending remembers, and hearing tells it. All of it is bounded, and all of it can be lost: Discord is asked again then.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::channels::discord::api::CallError;
use crate::channels::discord::ids::Snowflake;

/// How many of a kind are remembered.
const MOST: u64 = 10_000;

/// For how long a right that is missing is not asked for again: refusals are counted, and ten thousand of them in ten minutes lock
/// the address out (<https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>).
const MISSING: Duration = Duration::from_secs(5 * 60);

/// The same for channels in which nothing may be written at all. Somebody waits there for an answer.
const MUTE: Duration = Duration::from_secs(60);

/// Longer than an interaction's token lives.
const ANSWERED: Duration = Duration::from_secs(16 * 60);

/// How long an acknowledgement is waited for: Discord takes it for three seconds.
const ACKNOWLEDGED: Duration = Duration::from_secs(4);

/// The shortest time between two signals of typing where calls are paced: many people may begin to wait in one moment, and each
/// signal counts towards the limit of the bot as a whole.
const TYPING_EVERY: Duration = Duration::from_millis(125);

/// Whoever would have to wait longer for their signal gets none.
const TYPING_WITHIN: Duration = Duration::from_secs(4);

/// What is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rest {
    Typing(Snowflake),
    /// The opening of threads in a channel.
    Threads(Snowflake),
}

/// Made when it is first needed: each takes a tenth of a megabyte, and a bot in a quiet place needs few of them.
type Lazy<K, V> = LazyLock<Cache<K, V>>;

/// What sending remembers.
pub(super) struct Sending {
    /// The direct-message channels of people, which stay the same for ever.
    pub(super) directs: Lazy<Snowflake, Snowflake>,
    /// Messages on which there is a thread.
    pub(super) threads: Lazy<Snowflake, ()>,
    /// Channels in which no thread can be opened, and why.
    pub(super) threadless: Lazy<Snowflake, Arc<str>>,
    /// Channels and threads in which the bot may not write, and how Discord said so.
    pub(super) mute: Lazy<Snowflake, CallError>,
    /// Channels in which the bot may not read what it would reply to.
    pub(super) quoteless: Lazy<Snowflake, ()>,
    /// Interactions whose deferred answer has got its text.
    pub(super) filled: Lazy<Snowflake, ()>,
    rests: Lazy<Rest, Instant>,
    next_typing: Mutex<Option<Instant>>,
    pending: Pending,
}

type Pending = Arc<Mutex<HashMap<Snowflake, watch::Receiver<()>>>>;

impl Default for Sending {
    fn default() -> Self {
        Self {
            directs: LazyLock::new(|| Cache::new(MOST)),
            threads: LazyLock::new(|| Cache::new(MOST)),
            threadless: LazyLock::new(|| Cache::builder().max_capacity(MOST).time_to_live(MISSING).build()),
            mute: LazyLock::new(|| Cache::builder().max_capacity(MOST).time_to_live(MUTE).build()),
            quoteless: LazyLock::new(|| Cache::builder().max_capacity(MOST).time_to_live(MISSING).build()),
            filled: LazyLock::new(|| Cache::builder().max_capacity(MOST).time_to_live(ANSWERED).build()),
            rests: LazyLock::new(|| Cache::new(MOST)),
            next_typing: Mutex::new(None),
            pending: Pending::default(),
        }
    }
}

/// An acknowledgement on the way; dropped, it has arrived or failed.
pub(super) struct Acknowledging {
    interaction: Snowflake,
    pending: Pending,
    _done: watch::Sender<()>,
}

impl Drop for Acknowledging {
    fn drop(&mut self) {
        lock(&self.pending).remove(&self.interaction);
    }
}

impl Sending {
    /// To be held from before an interaction is accepted until its callback is answered. An interaction is acknowledged after the
    /// commit, and what answers it can be faster; before the acknowledgement Discord knows no place for an answer.
    pub(super) fn acknowledging(&self, interaction: Snowflake) -> Acknowledging {
        let (done, receiver) = watch::channel(());
        lock(&self.pending).insert(interaction, receiver);
        Acknowledging { interaction, pending: Arc::clone(&self.pending), _done: done }
    }

    /// Returns once this process does not have the interaction's acknowledgement on the way.
    pub(super) async fn acknowledged(&self, interaction: Snowflake) {
        let pending = lock(&self.pending).get(&interaction).cloned();
        if let Some(mut pending) = pending {
            // Nothing is ever sent there: it ends when the guard is dropped.
            let _ = tokio::time::timeout(ACKNOWLEDGED, pending.changed()).await;
        }
    }

    pub(super) async fn leave_alone(&self, what: Rest, pause: Duration) {
        self.rests.insert(what, Instant::now() + pause).await;
    }

    /// For how much longer something is to be left alone.
    pub(super) async fn rests_for(&self, what: Rest) -> Option<Duration> {
        let left = self.rests.get(&what).await?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Waits for a place among all who are to see that the bot types; `false`: there are too many.
    pub(super) async fn place_for_typing(&self) -> bool {
        let place = place_for_typing(&mut lock(&self.next_typing), Instant::now());
        let Some(at) = place else { return false };
        tokio::time::sleep_until(at).await;
        true
    }

    /// The bot's rights have changed somewhere: what it may not do is found out anew.
    pub(super) fn forget_refusals(&self) {
        self.mute.invalidate_all();
        self.threadless.invalidate_all();
        self.quoteless.invalidate_all();
    }
}

fn place_for_typing(next: &mut Option<Instant>, now: Instant) -> Option<Instant> {
    let at = next.map_or(now, |next| next.max(now));
    (at - now <= TYPING_WITHIN).then(|| {
        *next = Some(at + TYPING_EVERY);
        at
    })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Snowflake = Snowflake(1);

    #[tokio::test]
    async fn an_answer_waits_for_the_acknowledgement_of_its_interaction() {
        let sending = Arc::new(Sending::default());
        // Another process's, or long ago.
        sending.acknowledged(ONE).await;
        let acknowledging = sending.acknowledging(ONE);
        sending.acknowledged(Snowflake(2)).await;
        let waiting = tokio::spawn({
            let sending = Arc::clone(&sending);
            async move { sending.acknowledged(ONE).await }
        });
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        drop(acknowledging);
        waiting.await.unwrap();
        assert!(lock(&sending.pending).is_empty());
    }

    #[test]
    fn typing_is_spread_over_time_and_not_put_off_for_long() {
        let (mut next, now) = (None, Instant::now());
        let places: Vec<_> = (0..100).filter_map(|_| place_for_typing(&mut next, now)).collect();
        assert_eq!((places[0], places[1], places.len()), (now, now + TYPING_EVERY, 33));
        let later = now + Duration::from_secs(60);
        assert_eq!(place_for_typing(&mut next, later), Some(later));
    }

    #[tokio::test]
    async fn a_rest_ends() {
        let sending = Sending::default();
        sending.leave_alone(Rest::Typing(ONE), Duration::from_secs(60)).await;
        assert!(sending.rests_for(Rest::Typing(ONE)).await.is_some());
        assert_eq!(sending.rests_for(Rest::Threads(ONE)).await, None);
        sending.leave_alone(Rest::Typing(ONE), Duration::from_millis(10)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(sending.rests_for(Rest::Typing(ONE)).await, None);
    }
}
