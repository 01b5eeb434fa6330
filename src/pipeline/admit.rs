//! When a call may be made: the row is due, no scope of it is paused, its channel's rates are kept, and there is room for one
//! more call. Only then its claim is committed: a row that is claimed and waits would be taken for an open send after a crash.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::contract::store::OutboxRow;
use crate::model::ChannelId;
use crate::model::capabilities::SendRate;
use crate::model::outbound::Lane;
use crate::pipeline::lanes::LaneKey;
use crate::pipeline::pace::{Places, Step, Waiter};
use crate::pipeline::queue::{Deliver, State};
use crate::pipeline::shared::ChannelEntry;

/// Of the calls that a channel makes at once, bulk has at most one in so many: a broadcast leaves room for answers.
const BULK_SHARE: usize = 4;

/// How many calls a channel may make at once.
#[derive(Clone)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// The right to make one call. Never dropped while the state is locked: it locks that to give its places back.
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
    async fn take(&self, lane: Lane) -> Option<Slot> {
        let bulk = match lane {
            Lane::Bulk => Some(Arc::clone(&self.bulk).acquire_owned().await.ok()?),
            Lane::Reply => None,
        };
        Some(Slot { _all: Arc::clone(&self.all).acquire_owned().await.ok()?, _bulk: bulk, held: None })
    }
}

impl Slot {
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

/// Places within a channel's rates, given back when dropped.
pub(super) struct Held {
    deliver: Deliver,
    channel: ChannelId,
    places: Places,
    called: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        let places = std::mem::take(&mut self.places);
        if let Some(pace) = self.deliver.state().paces.get_mut(&self.channel) {
            pace.end(places, self.called, Instant::now());
        }
    }
}

/// Leaves the queues when dropped.
struct Waiting<'a> {
    deliver: &'a Deliver,
    channel: &'a ChannelId,
    waiter: Waiter,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(pace) = self.deliver.state().paces.get_mut(self.channel) {
            pace.leave(&mut self.waiter, Instant::now());
        }
    }
}

/// How the wait for a call ended.
pub(super) enum Admitted {
    Go(Slot),
    /// The store has given the row another target.
    Outdated,
    Stopping,
}

impl Deliver {
    /// Waits until the row may be sent.
    pub(super) async fn admit(&self, entry: &ChannelEntry, key: &LaneKey, row: &OutboxRow, due: Instant) -> Admitted {
        let rates = entry.channel.capabilities().rates.as_slice();
        tokio::select! {
            biased;
            () = self.0.stop.cancelled() => Admitted::Stopping,
            admitted = self.room(rates, key, row, due) => admitted.unwrap_or(Admitted::Stopping),
            () = self.outdated(key) => Admitted::Outdated,
        }
    }

    async fn room(&self, rates: &[SendRate], key: &LaneKey, row: &OutboxRow, due: Instant) -> Option<Admitted> {
        let mut ticket = None;
        loop {
            let (until, slots) = {
                let mut state = self.state();
                let paused = state.pauses.until(&row.channel, &row.scopes, Instant::now());
                (paused.map_or(due, |paused| paused.max(due)), state.slots(&row.channel, self.0.calls))
            };
            tokio::time::sleep_until(until).await;
            // First the rates, which may take long, without a call's slot in hand.
            let mut held = None;
            if !rates.is_empty() {
                held = Some(self.hold(rates, row, &mut ticket).await);
            }
            let slot = match slots.try_take(row.lane) {
                Some(slot) => Slot { held, ..slot },
                None => {
                    // Then without places in hand: bulk that waits for its share of calls would keep them from replies.
                    drop(held);
                    let slot = slots.take(row.lane).await?;
                    let held = self.try_hold(&mut self.state(), &row.channel, rates, &row.scopes, row.lane);
                    let Some(held) = held else { continue };
                    Slot { held, ..slot }
                }
            };
            // While it waited, its target may have moved, or the platform may have asked for a pause.
            let state = self.state();
            if state.lanes.is_outdated(key) {
                drop(state);
                return Some(Admitted::Outdated);
            }
            let paused = state.pauses.until(&row.channel, &row.scopes, Instant::now()).is_some();
            drop(state);
            if !paused {
                return Some(Admitted::Go(slot));
            }
        }
    }

    /// Waits for the places of a row; `ticket` is its place in the queue, once it has one.
    async fn hold(&self, rates: &[SendRate], row: &OutboxRow, ticket: &mut Option<u64>) -> Held {
        let mut waiting = {
            let mut state = self.state();
            let pace = state.pace(&row.channel, rates);
            let ticket = *ticket.get_or_insert_with(|| pace.ticket());
            let waiter = pace.waiter(&row.scopes, row.lane, ticket);
            Waiting { deliver: self, channel: &row.channel, waiter }
        };
        loop {
            let step = self.state().pace(&row.channel, rates).step(&mut waiting.waiter, Instant::now());
            let wake = waiting.waiter.wake();
            match step {
                Step::Go => {
                    let places = waiting.waiter.places();
                    return Held { deliver: self.clone(), channel: row.channel.clone(), places, called: false };
                }
                Step::At(at) => tokio::select! {
                    () = wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Step::Later => wake.notified().await,
            }
        }
    }

    /// Takes the places of a call if they are free. `Some(None)`: the channel has no rates.
    pub(super) fn try_hold(
        &self,
        state: &mut State,
        channel: &ChannelId,
        rates: &[SendRate],
        scopes: &[String],
        lane: Lane,
    ) -> Option<Option<Held>> {
        if rates.is_empty() {
            return Some(None);
        }
        let places = state.pace(channel, rates).try_take(scopes, lane, Instant::now())?;
        Some(Some(Held { deliver: self.clone(), channel: channel.clone(), places, called: false }))
    }

    async fn outdated(&self, key: &LaneKey) {
        loop {
            let mut told = std::pin::pin!(self.0.outdated.notified());
            told.as_mut().enable();
            if self.state().lanes.is_outdated(key) {
                return;
            }
            told.await;
        }
    }
}
