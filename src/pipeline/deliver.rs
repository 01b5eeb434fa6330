//! Makes the platform calls: strictly in sequence per target, many targets at once, within each scope's pauses.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contract::channel::SendError;
use crate::contract::store::{OutboxRow, SendResult, StoreError};
use crate::model::ChannelId;
use crate::pipeline::backlog::Backlog;
use crate::pipeline::judge::{judge, rest_notice, tell};
use crate::pipeline::shared::{ChannelEntry, Rules, Shared};

type LaneKey = (ChannelId, Arc<str>);

/// Rows read from the store at once.
const PAGE: usize = 512;

/// A single call that takes longer than this is counted as ambiguous.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Lane {
    rows: VecDeque<OutboxRow>,
    /// A worker sends, or a turn has reserved the place of the first row.
    busy: bool,
}

struct State {
    lanes: HashMap<LaneKey, Lane>,
    queued: usize,
    backlog: Backlog,
    newest: i64,
    /// Until when a rate scope of a channel is to be left alone.
    pauses: HashMap<(ChannelId, String), Instant>,
    sends: HashMap<ChannelId, Arc<Semaphore>>,
}

struct Inner {
    state: Mutex<State>,
    shared: Mutex<Weak<Shared>>,
    /// An action was committed that has not been rendered.
    spoken: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The delivery stage. Cheap to clone.
#[derive(Clone)]
pub struct Deliver(Arc<Inner>);

/// The place of the next row of an idle target: its first row may be committed as claimed. Given back when dropped.
pub struct Reservation {
    deliver: Deliver,
    key: Option<LaneKey>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.deliver.release_lane(&key);
        }
    }
}

impl Deliver {
    pub fn new(stop: CancellationToken) -> Self {
        let state = State {
            lanes: HashMap::new(),
            queued: 0,
            backlog: Backlog::at_start(),
            newest: 0,
            pauses: HashMap::new(),
            sends: HashMap::new(),
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            shared: Mutex::new(Weak::new()),
            spoken: Arc::new(Notify::new()),
            tasks: TaskTracker::new(),
            stop,
        }))
    }

    /// What an [`OutboundWriter`](crate::contract::OutboundWriter) wakes.
    pub fn spoken(&self) -> Arc<Notify> {
        Arc::clone(&self.0.spoken)
    }

    /// Reserves the place of the next row of a target, if nothing is queued or under way for it.
    pub(crate) fn reserve(&self, channel: &ChannelId, target: &Arc<str>) -> Option<Reservation> {
        let key = (channel.clone(), Arc::clone(target));
        let mut state = self.state();
        if !state.backlog.is_live() {
            return None;
        }
        let lane = state.lanes.entry(key.clone()).or_default();
        if lane.busy || !lane.rows.is_empty() {
            return None;
        }
        lane.busy = true;
        Some(Reservation { deliver: self.clone(), key: Some(key) })
    }

    /// Takes rows after their commit. With a reservation the first row is claimed already.
    pub(crate) fn push(&self, rows: Vec<OutboxRow>, reservation: Option<Reservation>) {
        let mut rows = rows.into_iter();
        if let Some(mut reservation) = reservation
            && let Some(first) = rows.next()
        {
            if let Some(key) = reservation.key.take() {
                self.spawn_worker(key, Some(first));
            }
        }
        for row in rows {
            let mut state = self.state();
            if !state.backlog.is_live() {
                state.backlog.skip(row.seq);
                continue;
            }
            if state.queued >= self.window() {
                let newest = state.newest;
                state.backlog.fall_behind(newest);
                state.backlog.skip(row.seq);
                continue;
            }
            self.queue(&mut state, row);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn window(&self) -> usize {
        self.shared().map_or(usize::MAX, |shared| shared.rules.window)
    }

    fn queue(&self, state: &mut State, row: OutboxRow) {
        let key = (row.channel.clone(), Arc::clone(&row.target.key));
        state.newest = state.newest.max(row.seq);
        let lane = state.lanes.entry(key.clone()).or_default();
        if lane.rows.iter().any(|known| known.seq == row.seq) {
            return;
        }
        let place = lane.rows.partition_point(|earlier| earlier.seq < row.seq);
        lane.rows.insert(place, row);
        let idle = !std::mem::replace(&mut lane.busy, true);
        state.queued += 1;
        if idle {
            self.spawn_worker(key, None);
        }
    }

    fn spawn_worker(&self, key: LaneKey, claimed: Option<OutboxRow>) {
        let Some(shared) = self.shared() else { return };
        let deliver = self.clone();
        self.0.tasks.spawn(async move { deliver.work(shared, key, claimed).await });
    }

    /// Ends a reservation or a worker: a lane that got rows meanwhile gets a new worker.
    fn release_lane(&self, key: &LaneKey) {
        let mut state = self.state();
        if let Some(lane) = state.lanes.get_mut(key) {
            if lane.rows.is_empty() {
                state.lanes.remove(key);
            } else {
                drop(state);
                self.spawn_worker(key.clone(), None);
            }
        }
    }

    /// Gives the stage what it shares with the others; needed before anything is pushed.
    pub fn attach(&self, shared: &Arc<Shared>) {
        *self.0.shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
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
        for spoken in shared.store.unrendered(PAGE).await? {
            let Some(entry) = shared.channel(&spoken.channel) else { continue };
            let calls = entry.channel.render(&spoken.what, &spoken.target);
            let rows = shared.store.rendered(spoken.action, calls).await?;
            self.push(rows, None);
        }
        let (live, after, room) = {
            let state = self.state();
            (state.backlog.is_live(), state.backlog.after(), state.queued <= self.window() / 2)
        };
        let (rows, full) = if live {
            (shared.store.foreign_rows(PAGE).await?, false)
        } else if room {
            let rows = shared.store.sendable(after, PAGE).await?;
            let full = rows.len() == PAGE;
            self.state().backlog.page(rows.last().map(|row| row.seq), full);
            (rows, full)
        } else {
            return Ok(false);
        };
        let mut state = self.state();
        for row in rows {
            // Work of a channel that left the configuration is kept in the store.
            if shared.channel(&row.channel).is_some() {
                self.queue(&mut state, row);
            }
        }
        Ok(full || !state.backlog.is_live())
    }

    /// Sends the rows of one target, one after the other, until there are none.
    async fn work(&self, shared: Arc<Shared>, key: LaneKey, claimed: Option<OutboxRow>) {
        let mut claimed = claimed;
        while !self.0.stop.is_cancelled() {
            let (row, is_claimed) = match claimed.take() {
                Some(row) => (row, true),
                None => match self.pop(&key) {
                    Some(row) => (row, false),
                    None => return,
                },
            };
            let Some(entry) = shared.channel(&row.channel) else { continue };
            claimed = self.send(&shared, &entry, row, is_claimed).await;
        }
        // Stopping: what is left is in the store.
        self.state().lanes.remove(&key);
    }

    /// The next row; with none the lane becomes idle in the same breath, so that no row can slip in between.
    fn pop(&self, key: &LaneKey) -> Option<OutboxRow> {
        let mut state = self.state();
        let row = state.lanes.get_mut(key).and_then(|lane| lane.rows.pop_front());
        match row {
            Some(row) => {
                state.queued -= 1;
                Some(row)
            }
            None => {
                state.lanes.remove(key);
                None
            }
        }
    }

    /// Sends one row until it has ended. Answers the next row if its claim rode along.
    async fn send(&self, shared: &Arc<Shared>, entry: &ChannelEntry, mut row: OutboxRow, mut is_claimed: bool) -> Option<OutboxRow> {
        let key = (row.channel.clone(), Arc::clone(&row.target.key));
        let mut due = Instant::now() + row.due_in;
        loop {
            if !self.wait_for_turn(&row, due).await {
                return None;
            }
            let permits = Arc::clone(self.state().sends.entry(row.channel.clone()).or_insert_with(|| Arc::new(Semaphore::new(shared.rules.send_concurrency))));
            let Ok(_permit) = permits.acquire().await else { return None };
            if !std::mem::take(&mut is_claimed) {
                match self.patiently(|| shared.store.claim_send(row.seq, shared.claim)).await? {
                    true => {}
                    // Ended, expired, or behind a row that is not in memory: the store knows.
                    false => {
                        self.fall_behind(row.seq - 1);
                        return None;
                    }
                }
            }
            let result = self.call(shared, entry, &row).await;
            let (again, next) = match &result {
                SendResult::Retry { delay, .. } => (Some(*delay), None),
                SendResult::Plain => (Some(Duration::ZERO), None),
                SendResult::Sent { .. } => (None, self.peek(&key)),
                _ => (None, None),
            };
            tell(&row, &result);
            let finished = self.patiently(|| shared.store.finish_send(row.seq, shared.claim, result.clone(), next)).await?;
            match (&result, again) {
                (SendResult::Plain, _) => {
                    row.payload = row.plain.take().unwrap_or_default();
                    due = Instant::now();
                }
                (SendResult::Retry { spent, in_doubt, delay, .. }, _) => {
                    row.attempts += 1;
                    row.spent += *spent;
                    row.in_doubt |= *in_doubt;
                    due = Instant::now() + *delay;
                }
                (SendResult::GiveUp { .. }, _) => {
                    let action = row.action;
                    self.forget(&key, |queued| queued.action == action);
                    return finished.notice.map(|notice| self.front(&key, notice)).and(None);
                }
                (SendResult::TargetGone { .. } | SendResult::Migrated { .. }, _) => {
                    self.forget(&key, |_| true);
                    self.fall_behind(row.seq - 1);
                    return None;
                }
                _ => return if finished.next_claimed { self.pop(&key) } else { None },
            }
        }
    }

    /// Waits until the row is due and none of its scopes is paused. `false`: stopping.
    async fn wait_for_turn(&self, row: &OutboxRow, due: Instant) -> bool {
        loop {
            let until = {
                let state = self.state();
                let paused = row.scopes.iter().filter_map(|scope| state.pauses.get(&(row.channel.clone(), scope.clone())).copied());
                paused.chain([due]).max().unwrap_or(due)
            };
            if until <= Instant::now() {
                return true;
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return false,
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Repeats a change of the store until it is made; `None` when the row is no longer ours.
    async fn patiently<T, F>(&self, mut change: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            match change().await {
                Ok(done) => return Some(done),
                Err(StoreError::Unavailable(error)) if !self.0.stop.is_cancelled() => {
                    tracing::error!(error, "a delivery cannot be stored; trying again");
                    tokio::time::sleep(Rules::STORE_BACKOFF.delay(tries, 1.0)).await;
                    tries += 1;
                }
                Err(error) => {
                    if !matches!(error, StoreError::LeaseLost) {
                        tracing::error!(%error, "a delivery cannot be stored");
                    }
                    return None;
                }
            }
        }
    }

    async fn call(&self, shared: &Shared, entry: &ChannelEntry, row: &OutboxRow) -> SendResult {
        let capabilities = entry.channel.capabilities();
        if row.in_doubt {
            let deduped = match (capabilities.dedupes_sends, row.first_sent_ago) {
                (Some(window), Some(ago)) => ago < window,
                _ => false,
            };
            metrics::counter!("bridge_sends_in_doubt_total", "channel" => row.channel.as_str().to_owned()).increment(1);
            if !deduped && !shared.rules.resend_in_doubt {
                let error = "an earlier send may have arrived".to_owned();
                return SendResult::GiveUp { reason: "in_doubt", error, notice: None };
            }
        }
        let began = Instant::now();
        let sent = tokio::time::timeout(SEND_TIMEOUT, entry.channel.send(row)).await;
        let took = began.elapsed();
        metrics::histogram!("bridge_turn_delivery_seconds").record(took);
        let error = match sent {
            Ok(Ok(receipt)) => {
                for (scope, pause) in receipt.pauses {
                    self.pause(&row.channel, scope, pause);
                }
                return SendResult::Sent { ids: receipt.ids };
            }
            Ok(Err(error)) => error,
            Err(_) => SendError::Ambiguous(format!("no answer within {SEND_TIMEOUT:?}")),
        };
        let judged = judge(row, error, &shared.rules, took, fastrand::f64(), || rest_notice(shared, entry, row));
        if let Some((scope, pause)) = judged.pause {
            self.pause(&row.channel, scope, pause);
        }
        judged.result
    }

    fn pause(&self, channel: &ChannelId, scope: String, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        if state.pauses.len() > 1_024 {
            state.pauses.retain(|_, until| *until > now);
        }
        let until = state.pauses.entry((channel.clone(), scope)).or_insert(now);
        *until = (*until).max(now + pause);
    }

    /// The store knows better than memory: read again from there.
    fn fall_behind(&self, after: i64) {
        self.state().backlog.fall_behind(after);
        self.0.spoken.notify_one();
    }

    fn peek(&self, key: &LaneKey) -> Option<i64> {
        let state = self.state();
        let next = state.lanes.get(key)?.rows.front()?;
        (next.due_in.is_zero() && !next.in_doubt).then_some(next.seq)
    }

    fn front(&self, key: &LaneKey, row: OutboxRow) {
        let mut state = self.state();
        state.queued += 1;
        state.lanes.entry(key.clone()).or_default().rows.push_front(row);
    }

    fn forget(&self, key: &LaneKey, which: impl Fn(&OutboxRow) -> bool) {
        let mut state = self.state();
        let Some(lane) = state.lanes.get_mut(key) else { return };
        let before = lane.rows.len();
        lane.rows.retain(|row| !which(row));
        let gone = before - lane.rows.len();
        state.queued -= gone;
    }
}
