//! Brings outbox rows to their senders: strictly in sequence per target, many targets at once. [`send`](super::send)
//! carries a single row.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::contract::store::{OutboxRow, StoreError};
use crate::pipeline::lanes::LaneKey;
use crate::pipeline::queue::{Claimed, Deliver, State};
use crate::pipeline::retry::Backoff;
use crate::pipeline::send::Carried;
use crate::pipeline::shared::{Rules, Shared};

/// Rows read from the store at once.
const PAGE: usize = 512;

/// The wait of a row before which the store has another one that memory does not know yet.
const BLOCKED: Backoff = Backoff { min: Duration::from_millis(10), max: Duration::from_secs(1) };

impl Deliver {
    /// Gives the stage what it shares with the others; needed before anything is pushed.
    pub fn attach(&self, shared: &Arc<Shared>) {
        // Weak both ways: the shared parts hold this handle.
        let (queue, shared) = (Arc::downgrade(&self.0), Arc::downgrade(shared));
        let start = move |key: LaneKey, claimed: Option<Claimed>| {
            let (Some(queue), Some(shared)) = (queue.upgrade(), shared.upgrade()) else { return };
            let deliver = Self(queue);
            deliver.0.tasks.clone().spawn(async move { deliver.work(&shared, &key, claimed).await });
        };
        // A second attachment could only give the same.
        let _ = self.0.start_worker.set(Box::new(start));
    }

    /// Reads the backlog and renders what was spoken, until `stop`; then waits for the calls under way, at most `grace`.
    pub async fn run(&self, shared: &Arc<Shared>, grace: Duration) {
        let mut failures = 0;
        while !self.0.stop.is_cancelled() {
            let delay = match self.catch_up(shared).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => {
                    failures = 0;
                    shared.rules.poll
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read");
                    failures += 1;
                    Rules::STORE_BACKOFF.delay(failures, 1.0)
                }
            };
            tokio::select! {
                () = self.0.stop.cancelled() => break,
                () = self.0.spoken.notified() => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("calls are still under way; they count as ambiguous at the next start");
        }
    }

    /// One round of reading. `true`: there is more to read at once.
    async fn catch_up(&self, shared: &Shared) -> Result<bool, StoreError> {
        self.render_spoken(shared).await?;
        let (live, after, room) = {
            let state = self.state();
            (state.backlog.is_live(), state.backlog.after(), state.lanes.queued() <= self.0.window / 2)
        };
        if live {
            let rows = shared.store.foreign_rows(PAGE).await?;
            self.take(shared, &mut self.state(), rows);
            return Ok(false);
        }
        if !room {
            return Ok(false);
        }
        let rows = shared.store.sendable(after, PAGE).await?;
        let full = rows.len() == PAGE;
        let mut state = self.state();
        // In one breath: a row committed later must not find the backlog live and its lane empty.
        state.backlog.page(after, rows.last().map(|row| row.seq), full);
        let behind = !state.backlog.is_live();
        self.take(shared, &mut state, rows);
        Ok(full || behind)
    }

    /// Queues rows that were read. Work of a channel that left the configuration is kept in the store.
    fn take(&self, shared: &Shared, state: &mut State, rows: Vec<OutboxRow>) {
        for row in rows {
            if shared.channel(&row.channel).is_some() {
                state.newest = state.newest.max(row.seq);
                if let Some(key) = state.lanes.add(row) {
                    self.spawn_worker(key, None);
                }
            }
        }
    }

    /// Renders what was spoken, page by page. What a channel that left the configuration should say is passed over, and kept.
    async fn render_spoken(&self, shared: &Shared) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = shared.store.unrendered(after, PAGE).await?;
            let full = page.len() == PAGE;
            for spoken in page {
                after = spoken.action;
                let Some(entry) = shared.channel(&spoken.channel) else { continue };
                // One that makes its channel panic would stop the whole stage, now and at every start.
                let calls = catch_unwind(AssertUnwindSafe(|| entry.channel.render(&spoken.what, &spoken.target)));
                let calls = calls.unwrap_or_else(|_| {
                    tracing::error!(channel = %spoken.channel, action = spoken.action, "an announcement made its channel panic; it is dropped");
                    metrics::counter!("bridge_sends_total", "channel" => spoken.channel.as_str().to_owned(), "result" => "poisoned").increment(1);
                    Vec::new()
                });
                self.push(shared.store.rendered(spoken.action, calls).await?, None);
            }
            if !full || self.0.stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Sends the rows of one target, one after the other, until there are none.
    async fn work(&self, shared: &Arc<Shared>, key: &LaneKey, mut claimed: Option<Claimed>) {
        let mut blocked = 0;
        while !self.0.stop.is_cancelled() {
            let (row, slot) = match claimed.take() {
                Some(Claimed { row, slot }) => {
                    self.state().lanes.hold(key, row.seq);
                    (row, Some(slot))
                }
                None => match self.pop(key) {
                    Some(row) => (row, None),
                    None => return,
                },
            };
            let Some(entry) = shared.channel(&row.channel) else {
                // It left the configuration: a row that is claimed must not look like an open send.
                if let Some(slot) = slot {
                    drop(slot);
                    self.hand_back(shared, row.seq).await;
                }
                continue;
            };
            match self.carry(shared, &entry, key, row, slot).await {
                Carried::Ended { next } => {
                    blocked = 0;
                    claimed = next;
                }
                Carried::Blocked(row) => {
                    // Two turns end at once, and the later one's row came first: the earlier one's is on its way. If it
                    // does not come, the store is read for it.
                    self.state().lanes.put_back(key, row);
                    blocked += 1;
                    if blocked > 1 && u32::is_power_of_two(blocked) {
                        self.fall_behind(0);
                    }
                    self.pause_for(BLOCKED.delay(blocked, 1.0)).await;
                }
            }
        }
        if let Some(Claimed { row, slot }) = claimed {
            drop(slot);
            self.hand_back(shared, row.seq).await;
        }
        // Stopping: what is left is in the store.
        self.state().lanes.abandon(key);
    }

    fn pop(&self, key: &LaneKey) -> Option<OutboxRow> {
        self.state().lanes.pop(key)
    }

    /// Sleeps, but not beyond the stop.
    async fn pause_for(&self, delay: Duration) {
        tokio::select! {
            () = self.0.stop.cancelled() => {}
            () = tokio::time::sleep(delay) => {}
        }
    }

    /// The store knows better than memory: read again from there.
    pub(super) fn fall_behind(&self, after: i64) {
        self.state().backlog.fall_behind(after);
        self.0.spoken.notify_one();
    }
}

#[cfg(test)]
mod tests;
