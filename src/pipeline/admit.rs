//! When a call may be made: the row is due, no scope of it is paused, its channel's rates are kept, and there is room for one
//! more call. Only then its claim is committed: a row that is claimed and waits would be taken for an open send after a crash.

use tokio::time::Instant;

use crate::contract::store::OutboxRow;
use crate::model::capabilities::SendRate;
use crate::pipeline::lanes::LaneKey;
use crate::pipeline::queue::Deliver;
use crate::pipeline::shared::ChannelEntry;
use crate::pipeline::slots::Slot;

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
                held = Some(self.0.paces.hold(&row.channel, rates, &row.scopes, row.lane, &mut ticket).await);
            }
            let slot = match slots.try_take(row.lane) {
                Some(slot) => slot.with(held),
                None => {
                    // Then without places in hand: bulk that waits for its share of calls would keep them from replies.
                    drop(held);
                    let slot = slots.take(row.lane).await?;
                    let held = self.0.paces.try_hold(&row.channel, rates, &row.scopes, row.lane);
                    let Some(held) = held else { continue };
                    slot.with(held)
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
