//! The right to make a call: one of the calls that a channel may make at once, and places within its rates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
pub(super) struct Paces(Arc<Mutex<HashMap<ChannelId, Pace>>>);

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
        let places = self.with(channel, rates, |pace| pace.try_take(scopes, lane, Instant::now()))?;
        Some(Some(Held { paces: self.clone(), channel: channel.clone(), places, called: false }))
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
        let waiter = self.with(channel, rates, |pace| {
            let ticket = *ticket.get_or_insert_with(|| pace.ticket());
            pace.waiter(scopes, lane, ticket)
        });
        let mut waiting = Waiting { paces: self, channel, waiter };
        loop {
            let step = self.with(channel, rates, |pace| pace.step(&mut waiting.waiter, Instant::now()));
            let wake = waiting.waiter.wake();
            match step {
                Step::Go => {
                    let places = waiting.waiter.places();
                    return Held { paces: self.clone(), channel: channel.clone(), places, called: false };
                }
                Step::At(at) => tokio::select! {
                    () = wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Step::Later => wake.notified().await,
            }
        }
    }

    fn with<T>(&self, channel: &ChannelId, rates: &[SendRate], then: impl FnOnce(&mut Pace) -> T) -> T {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        then(paces.entry(channel.clone()).or_insert_with(|| Pace::new(rates)))
    }

    /// The same for a channel whose rates are known.
    fn with_known(&self, channel: &ChannelId, then: impl FnOnce(&mut Pace)) {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = paces.get_mut(channel) {
            then(pace);
        }
    }
}

/// Places within a channel's rates, given back when dropped.
pub(super) struct Held {
    paces: Paces,
    channel: ChannelId,
    places: Places,
    called: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        let places = std::mem::take(&mut self.places);
        self.paces.with_known(&self.channel, |pace| pace.end(places, self.called, Instant::now()));
    }
}

/// Leaves the queues when dropped.
struct Waiting<'a> {
    paces: &'a Paces,
    channel: &'a ChannelId,
    waiter: Waiter,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.paces.with_known(self.channel, |pace| pace.leave(&mut self.waiter, Instant::now()));
    }
}
