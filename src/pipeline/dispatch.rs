//! Starts turns: many conversations at once, each in order, within the bound of what may be in flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contract::inbox::{Wake, WakeReceiver};
use crate::contract::store::Result;
use crate::model::turn::Turn;
use crate::pipeline::backlog::Backlog;
use crate::pipeline::breaker::Gate;
use crate::pipeline::panics;
use crate::pipeline::schedule::Schedule;
use crate::pipeline::shared::{Rules, Shared};
use crate::pipeline::work::{self, Head, Verdict};

/// Turns read from the store at once. A page costs a look at every open turn, so a long backlog is read in few of them.
const PAGE: usize = 4_096;

/// The wait before a turn is tried again whose conversation has an earlier one elsewhere, or whose store failed.
const NOT_YET: Duration = Duration::from_millis(500);

pub struct Dispatcher {
    shared: Arc<Shared>,
    wakes: WakeReceiver,
    /// A bot's gate may have opened.
    gates: Arc<Notify>,
    stop: CancellationToken,
    schedule: Schedule,
    backlog: Backlog,
    newest: i64,
    tasks: JoinSet<Verdict>,
    /// What each task works on, for when it panics.
    working: HashMap<Id, Head>,
    store_failures: u32,
    read_not_before: Instant,
    /// When the first of the closed gates opens by itself.
    gate_opens: Option<Instant>,
    /// Looked up once: they are set every time round.
    in_flight: metrics::Gauge,
    in_memory: metrics::Gauge,
}

impl Dispatcher {
    pub fn new(shared: Arc<Shared>, wakes: WakeReceiver, gates: Arc<Notify>, stop: CancellationToken) -> Self {
        Self {
            shared,
            wakes,
            gates,
            stop,
            schedule: Schedule::default(),
            backlog: Backlog::at_start(),
            newest: 0,
            tasks: JoinSet::new(),
            working: HashMap::new(),
            store_failures: 0,
            read_not_before: Instant::now(),
            gate_opens: None,
            in_flight: metrics::gauge!("bridge_turns_in_flight"),
            in_memory: metrics::gauge!("bridge_turns_in_memory"),
        }
    }

    /// Runs until `stop`, then waits for what is in flight, at most `grace`. What is not done by then is aborted; it is
    /// still claimed in the store and is recovered at the next start.
    pub async fn run(mut self, grace: Duration) {
        let mut poll = tokio::time::interval(self.shared.rules.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        loop {
            self.shared.dispatcher_beat.beat();
            if self.wakes.take_missed() {
                self.backlog.fall_behind(0);
                for wake in self.wakes.take_kept() {
                    self.woken(wake).await;
                }
            }
            self.start_due();
            self.report();
            let due = self.schedule.next_due();
            let read = self.wants_page();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.tasks.join_next_with_id() => self.done(done).await,
                Some(wake) = self.wakes.receiver.recv() => self.woken(wake).await,
                () = self.gates.notified() => {}
                () = sleep_until(due) => {}
                () = sleep_until(self.gate_opens) => {}
                () = sleep_until(Some(self.read_not_before)), if read => self.read_page().await,
                _ = poll.tick() => self.look_abroad().await,
            }
        }
        self.drain(grace).await;
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        self.gate_opens = None;
        let mut gate_opens: Option<Instant> = None;
        while self.tasks.len() < self.shared.rules.max_in_flight {
            let shared = &self.shared;
            let mut probing = None;
            let turn = self.schedule.next(now, |name| match shared.bot(name) {
                Some(bot) => match bot.gate(now) {
                    Gate::Open => true,
                    Gate::Probe => {
                        probing = Some(bot);
                        true
                    }
                    Gate::ClosedUntil(until) => {
                        gate_opens = Some(gate_opens.map_or(until, |first| first.min(until)));
                        false
                    }
                    Gate::Closed => false,
                },
                None => false,
            });
            let Some(turn) = turn else { break };
            if let Some(bot) =
                probing.filter(|bot| self.shared.channel(&turn.channel).is_some_and(|entry| entry.bot == bot.name))
            {
                bot.probe_begins();
            }
            let shared = Arc::clone(&self.shared);
            let kept = Head { seq: turn.seq, id: turn.id, contact: turn.contact, channel: turn.channel.clone() };
            let task = self.tasks.spawn(async move { work::run(&shared, turn).await });
            self.working.insert(task.id(), kept);
        }
        self.gate_opens = gate_opens;
    }

    async fn done(&mut self, done: std::result::Result<(Id, Verdict), JoinError>) {
        let now = Instant::now();
        let (id, verdict) = match done {
            Ok((id, verdict)) => (id, Some(verdict)),
            Err(error) => {
                let id = error.id();
                if error.try_into_panic().is_ok_and(|panic| !panics::is_the_end(&*panic)) {
                    (id, None)
                } else {
                    // Cut off, not failed: the runtime ends. The turn stands as it is in the store, and goes on at the next start.
                    self.working.remove(&id);
                    return;
                }
            }
        };
        let Some(kept) = self.working.remove(&id) else { return };
        if let Some(bot) = self.shared.channel(&kept.channel).and_then(|entry| self.shared.bot(&entry.bot)) {
            // A probe that made no call must not keep the gate closed for ever.
            bot.probe_unused();
        }
        match verdict {
            Some(Verdict::Ended) => self.schedule.ended(kept.contact, now),
            Some(Verdict::Again { turn, delay }) => self.again(turn, now + delay, now).await,
            Some(Verdict::NotYet { turn }) => {
                self.again(turn, now + NOT_YET, now).await;
                self.backlog.fall_behind(0);
            }
            None => {
                tracing::error!(turn = %kept.id, channel = %kept.channel, "a turn made the bridge panic; it is set aside");
                work::poisoned(&self.shared, &kept).await;
                self.schedule.ended(kept.contact, now);
            }
        }
    }

    /// Puts a turn back, into the line of the bot that its channel has by now.
    async fn again(&mut self, turn: Box<Turn>, due: Instant, now: Instant) {
        match self.shared.channel(&turn.channel) {
            Some(entry) => self.schedule.put_back(turn, entry.bot, due, now),
            None => {
                self.schedule.ended(turn.contact, now);
                self.hand_back(&turn).await;
            }
        }
    }

    /// Leaves a turn to the store that memory lets go of. One that was begun may still be claimed there, and claimed by a living
    /// process it would not be read again.
    async fn hand_back(&self, turn: &Turn) {
        if turn.asks.is_empty() {
            return;
        }
        let handed = self.shared.store.release_turn(turn.seq, self.shared.claim, None, Duration::ZERO, None).await;
        if let Err(error) = handed {
            tracing::debug!(turn = %turn.id, %error, "a turn is not handed back");
        }
    }

    async fn woken(&mut self, wake: Wake) {
        match wake {
            Wake::Opened { turn, contact } => {
                self.shared.contacts.put(contact).await;
                if !self.backlog.is_live() {
                    self.backlog.skip(turn.seq);
                } else if self.schedule.waiting() >= self.shared.rules.window {
                    self.backlog.fall_behind(self.newest);
                    self.backlog.skip(turn.seq);
                } else {
                    self.take(turn);
                }
            }
            Wake::Changed { contact, seq, due_in } => self.schedule.postpone(contact, seq, Instant::now() + due_in),
            Wake::Reconfigured { channel } => {
                for turn in self.schedule.forget(&channel) {
                    self.hand_back(&turn).await;
                }
                self.backlog.fall_behind(0);
            }
            Wake::Left { channel, target } => self.shared.deliver.reload(&channel, &target),
            Wake::Moved { channel, from, to, contacts } => {
                for contact in contacts {
                    self.shared.contacts.put(contact).await;
                }
                self.schedule.retarget(&channel, &from, &to);
                self.shared.deliver.reload(&channel, &from);
            }
        }
    }

    /// Takes a turn into memory, unless its channel or bot left the configuration: its work is kept in the store.
    fn take(&mut self, turn: Box<Turn>) {
        let Some(entry) = self.shared.channel(&turn.channel) else { return };
        self.newest = self.newest.max(turn.seq);
        self.schedule.add(turn, entry.bot, Instant::now());
    }

    fn wants_page(&self) -> bool {
        !self.backlog.is_live() && self.schedule.waiting() <= self.shared.rules.window / 2
    }

    async fn read_page(&mut self) {
        let after = self.backlog.after();
        let page = self.shared.store.runnable(after, PAGE).await;
        let Some(page) = self.read_or_wait(page) else { return };
        self.backlog.page(after, page.last().map(|turn| turn.seq), page.len() == PAGE);
        for turn in page {
            self.take(Box::new(turn));
        }
        if !self.backlog.is_live() {
            // A short page that did not reach everything is read again, but never in a hot loop.
            self.read_not_before = Instant::now() + Duration::from_millis(5);
        }
    }

    /// Another process (a replica, the command line) may have made turns runnable.
    async fn look_abroad(&mut self) {
        if !self.backlog.is_live() {
            return;
        }
        let turns = self.shared.store.foreign(PAGE).await;
        for turn in self.read_or_wait(turns).unwrap_or_default() {
            self.take(Box::new(turn));
        }
    }

    fn read_or_wait(&mut self, turns: Result<Vec<Turn>>) -> Option<Vec<Turn>> {
        match turns {
            Ok(turns) => {
                self.store_failures = 0;
                Some(turns)
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be read");
                self.read_not_before = Instant::now() + Rules::STORE_BACKOFF.delay(self.store_failures, 1.0);
                self.store_failures += 1;
                None
            }
        }
    }

    fn report(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge of small numbers")]
        {
            self.in_flight.set(self.schedule.running() as f64);
            self.in_memory.set(self.schedule.waiting() as f64);
        }
    }

    async fn drain(mut self, grace: Duration) {
        if self.tasks.is_empty() {
            return;
        }
        tracing::info!(turns = self.tasks.len(), "finishing what is in flight");
        let deadline = Instant::now() + grace;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(done) = self.tasks.join_next_with_id() => self.done(done).await,
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        if !self.tasks.is_empty() {
            tracing::warn!(turns = self.tasks.len(), "handed back unfinished; they go on at the next start");
            self.tasks.shutdown().await;
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
