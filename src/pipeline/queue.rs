//! What waits to be sent, in memory: the place where turns reserve and hand over their rows. [`deliver`](super::deliver)
//! works it off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contract::store::OutboxRow;
use crate::model::ChannelId;
use crate::model::capabilities::SendRate;
use crate::model::outbound::Lane;
use crate::pipeline::backlog::Backlog;
use crate::pipeline::lanes::{LaneKey, Lanes, Pauses};
use crate::pipeline::slots::{Paces, Slot, Slots};

pub(super) struct State {
    pub(super) lanes: Lanes,
    pub(super) pauses: Pauses,
    pub(super) backlog: Backlog,
    pub(super) newest: i64,
    slots: HashMap<ChannelId, Slots>,
}

/// A row that is committed as being sent, with the right to send it.
pub(super) struct Claimed {
    pub(super) row: OutboxRow,
    pub(super) slot: Slot,
}

type StartWorker = Box<dyn Fn(LaneKey, Option<Claimed>) + Send + Sync>;

pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) paces: Paces,
    pub(super) window: usize,
    pub(super) calls: usize,
    /// Set by the delivery stage: it knows what a worker needs.
    pub(super) start_worker: OnceLock<StartWorker>,
    /// An action was committed that has not been rendered, or the store knows more than memory.
    pub(super) spoken: Arc<Notify>,
    /// A lane was outdated.
    pub(super) outdated: Notify,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// The delivery stage. Cheap to clone.
#[derive(Clone)]
pub struct Deliver(pub(super) Arc<Inner>);

/// The place of the next row of an idle target: its first row may be committed as claimed. Given back when dropped.
pub struct Reservation {
    deliver: Deliver,
    held: Option<(LaneKey, Slot)>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some((key, slot)) = self.held.take() else { return };
        let waited_for = self.deliver.state().lanes.release(&key);
        drop(slot);
        if waited_for {
            self.deliver.spawn_worker(key, None);
        }
    }
}

impl Deliver {
    /// At most `window` rows wait in memory; each channel makes at most `calls` calls at once.
    pub fn new(stop: CancellationToken, window: usize, calls: usize) -> Self {
        let state = State {
            lanes: Lanes::default(),
            pauses: Pauses::default(),
            backlog: Backlog::at_start(),
            newest: 0,
            slots: HashMap::new(),
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            paces: Paces::default(),
            window,
            calls,
            start_worker: OnceLock::new(),
            spoken: Arc::new(Notify::new()),
            outdated: Notify::new(),
            tasks: TaskTracker::new(),
            stop,
        }))
    }

    /// What an [`OutboundWriter`](crate::contract::OutboundWriter) wakes.
    pub fn spoken(&self) -> Arc<Notify> {
        Arc::clone(&self.0.spoken)
    }

    /// Reserves the place of the next row of a target, if that row would be sent at once: nothing is queued or under way
    /// for it, none of its scopes is paused, there is room for a call, and it would keep to the rates. A row that is committed
    /// as claimed and then waits would be taken for an open send after a crash.
    pub(crate) fn reserve(
        &self,
        channel: &ChannelId,
        rates: &[SendRate],
        target: &Arc<str>,
        scopes: &[String],
    ) -> Option<Reservation> {
        if self.0.stop.is_cancelled() {
            return None;
        }
        let key = (channel.clone(), Arc::clone(target));
        let mut state = self.state();
        if !state.backlog.is_live() || state.pauses.until(channel, scopes, Instant::now()).is_some() {
            return None;
        }
        let mut slot = state.slots(channel, self.0.calls).try_take(Lane::Reply)?;
        if !state.lanes.reserve(&key) {
            return None;
        }
        match self.0.paces.try_hold(channel, rates, scopes, Lane::Reply) {
            Some(held) => slot.held = held,
            None => {
                state.lanes.release(&key);
                return None;
            }
        }
        Some(Reservation { deliver: self.clone(), held: Some((key, slot)) })
    }

    /// Takes rows after their commit. With a reservation the first row is claimed already.
    pub(crate) fn push(&self, rows: Vec<OutboxRow>, reservation: Option<Reservation>) {
        let mut rows = rows.into_iter();
        let claimed = reservation.and_then(|mut reservation| {
            let row = rows.next()?;
            reservation.held.take().map(|(key, slot)| (key, Claimed { row, slot }))
        });
        let mut idle = Vec::new();
        {
            let mut state = self.state();
            for row in rows {
                if !state.backlog.is_live() {
                    state.backlog.skip(row.seq);
                } else if state.lanes.queued() >= self.0.window {
                    let newest = state.newest;
                    state.backlog.fall_behind(newest);
                    state.backlog.skip(row.seq);
                } else {
                    state.newest = state.newest.max(row.seq);
                    idle.extend(state.lanes.add(row));
                }
            }
        }
        // The rows behind it are in their lane by now, so that the claim of the next one can ride along.
        if let Some((key, claimed)) = claimed {
            self.spawn_worker(key, Some(claimed));
        }
        for key in idle {
            self.spawn_worker(key, None);
        }
    }

    /// The store has given the rows of a target another one: memory forgets them, and reads them again from there. To be
    /// called after that commit. A call that is under way is left to its end.
    pub fn reload(&self, channel: &ChannelId, target: &str) {
        let key = (channel.clone(), Arc::from(target));
        let first = self.state().lanes.outdate(&key);
        if let Some(first) = first {
            self.0.outdated.notify_waiters();
            self.fall_behind(first - 1);
        }
    }

    /// The channel was built anew, removed or brought back: its rows are read again from the store, and what its former self was
    /// refused for is over. With other rates they are counted afresh. A call that is under way is left to its end.
    pub fn reconfigured(&self, channel: &ChannelId, other_rates: bool) {
        {
            let mut state = self.state();
            for key in state.lanes.of_channel(channel) {
                state.lanes.outdate(&key);
            }
            state.pauses.end(channel, Pauses::CHANNEL);
        }
        if other_rates {
            self.0.paces.forget(channel);
        }
        self.0.outdated.notify_waiters();
        self.fall_behind(0);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the stage is attached there is nobody to send: the rows stay in the store.
    pub(super) fn spawn_worker(&self, key: LaneKey, claimed: Option<Claimed>) {
        if let Some(start) = self.0.start_worker.get() {
            start(key, claimed);
        }
    }
}

impl State {
    pub(super) fn slots(&mut self, channel: &ChannelId, calls: usize) -> Slots {
        self.slots.entry(channel.clone()).or_insert_with(|| Slots::new(calls)).clone()
    }
}
