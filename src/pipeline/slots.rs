//! The right to make a call: one of the calls that a channel may make at once, and places within its rates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::model::ChannelId;
use crate::model::capabilities::SendRate;
use crate::model::outbound::Lane;
use crate::pipeline::pace::{Pace, Places, Step, Waiter};

/// Of the calls that a channel makes at once, bulk has at most one in so many: a broadcast leaves room for answers.
const BULK_SHARE: usize = 4;

/// How many calls a channel may make at once.
#[derive(Clone)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// The right to make one call.
pub(super) struct Slot {
    _all: OwnedSemaphorePermit,
    _bulk: Option<OwnedSemaphorePermit>,
    /// None for a channel without rates, and between two calls.
    pub(super) held: Option<Held>,
}

impl Slots {
    pub(super) fn new(calls: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(calls)), bulk: Arc::new(Semaphore::new((calls / BULK_SHARE).max(1))) }
    }

    pub(super) fn try_take(&self, lane: Lane) -> Option<Slot> {
        let bulk = match lane {
            Lane::Bulk => Some(Arc::clone(&self.bulk).try_acquire_owned().ok()?),
            Lane::Reply => None,
        };
        Some(Slot { _all: Arc::clone(&self.all).try_acquire_owned().ok()?, _bulk: bulk, held: None })
    }

    /// `None`: there are no calls any more.
    pub(super) async fn take(&self, lane: Lane) -> Option<Slot> {
        let bulk = match lane {
            Lane::Bulk => Some(Arc::clone(&self.bulk).acquire_owned().await.ok()?),
            Lane::Reply => None,
        };
        Some(Slot { _all: Arc::clone(&self.all).acquire_owned().await.ok()?, _bulk: bulk, held: None })
    }
}

impl Slot {
    /// The same with places within the channel's rates.
    pub(super) fn with(self, held: Option<Held>) -> Self {
        Self { held, ..self }
    }

    /// From now on the platform may count a call.
    pub(super) fn call_begins(&mut self) {
        if let Some(held) = &mut self.held {
            held.called = true;
        }
    }

    /// From now on it does not count that one any more, if it has not.
    pub(super) fn call_ended(&mut self) {
        self.held = None;
    }
}

/// The rates of the channels that have some. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Paces(Arc<Mutex<HashMap<ChannelId, Counted>>>);

/// What one channel has used up. A channel whose rates change gets another one; calls under way end in theirs.
type Counted = Arc<Mutex<Pace>>;

fn locked(pace: &Counted) -> MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Paces {
    /// Takes the places of a call if they are free. `Some(None)`: the channel has no rates.
    pub(super) fn try_hold(
        &self,
        channel: &ChannelId,
        rates: &[SendRate],
        scopes: &[String],
        lane: Lane,
    ) -> Option<Option<Held>> {
        if rates.is_empty() {
            return Some(None);
        }
        let pace = self.of(channel, rates);
        let places = locked(&pace).try_take(scopes, lane, Instant::now())?;
        Some(Some(Held { pace, places, called: false }))
    }

    /// Waits for the places of a call; `ticket` is its place in the queue, once it has one.
    pub(super) async fn hold(
        &self,
        channel: &ChannelId,
        rates: &[SendRate],
        scopes: &[String],
        lane: Lane,
        ticket: &mut Option<u64>,
    ) -> Held {
        let pace = self.of(channel, rates);
        let waiter = {
            let mut pace = locked(&pace);
            let ticket = *ticket.get_or_insert_with(|| pace.ticket());
            pace.waiter(scopes, lane, ticket)
        };
        let mut waiting = Waiting { pace: &pace, waiter };
        loop {
            let step = locked(&pace).step(&mut waiting.waiter, Instant::now());
            let wake = waiting.waiter.wake();
            match step {
                Step::Go => {
                    let places = waiting.waiter.places();
                    return Held { pace: Arc::clone(&pace), places, called: false };
                }
                Step::At(at) => tokio::select! {
                    () = wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Step::Later => wake.notified().await,
            }
        }
    }

    /// The channel has other rates from now on.
    pub(super) fn forget(&self, channel: &ChannelId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
    }

    fn of(&self, channel: &ChannelId, rates: &[SendRate]) -> Counted {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match paces.get(channel) {
            Some(pace) => Arc::clone(pace),
            None => Arc::clone(paces.entry(channel.clone()).or_insert(Arc::new(Mutex::new(Pace::new(rates))))),
        }
    }
}

/// Places within a channel's rates, given back when dropped.
pub(super) struct Held {
    pace: Counted,
    places: Places,
    called: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        let places = std::mem::take(&mut self.places);
        locked(&self.pace).end(places, self.called, Instant::now());
    }
}

/// Leaves the queues when dropped.
struct Waiting<'a> {
    pace: &'a Counted,
    waiter: Waiter,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        locked(self.pace).leave(&mut self.waiter, Instant::now());
    }
}
