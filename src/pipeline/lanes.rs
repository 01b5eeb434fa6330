//! The rows that wait in memory, one lane per target, and the pauses that platforms asked for. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::contract::store::OutboxRow;
use crate::model::ChannelId;

/// A target of a channel.
pub(crate) type LaneKey = (ChannelId, Arc<str>);

#[derive(Default)]
struct Lane {
    rows: VecDeque<OutboxRow>,
    /// A worker has the lane, or a turn has reserved the place of its next row.
    busy: bool,
    /// The row that the worker has in hand.
    in_hand: Option<i64>,
    /// What the worker has in hand is out of date: the store has given the row another target.
    outdated: bool,
}

/// All targets that have a row in memory. A lane has one worker at a time; without one and without rows it is forgotten.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    queued: usize,
    /// What the workers have in hand: the store may show it again while it waits for another try, and under another target
    /// once that has moved. Two workers with one row would send it twice.
    in_hand: HashSet<i64>,
}

impl Lanes {
    /// Rows that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Takes an idle lane. `false`: something waits or is under way.
    pub(crate) fn reserve(&mut self, key: &LaneKey) -> bool {
        if self.lanes.contains_key(key) {
            return false;
        }
        self.lanes.insert(key.clone(), Lane { busy: true, ..Lane::default() });
        true
    }

    /// Takes a row, in its place by `seq`. Answers the lane if that needs a worker now.
    pub(crate) fn add(&mut self, row: OutboxRow) -> Option<LaneKey> {
        if self.in_hand.contains(&row.seq) {
            return None;
        }
        let key = (row.channel.clone(), Arc::clone(&row.target.key));
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.insert(row) {
            self.queued += 1;
        }
        let idle = !std::mem::replace(&mut lane.busy, true);
        idle.then_some(key)
    }

    /// The worker of a lane has a row in hand that was in no lane before: a turn's end has claimed it.
    pub(crate) fn hold(&mut self, key: &LaneKey, seq: i64) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.let_go(&mut self.in_hand);
            lane.in_hand = Some(seq);
            self.in_hand.insert(seq);
        }
    }

    /// The next row for the lane's worker. With none the lane is forgotten in the same breath, so that no row can slip in
    /// between, and the worker must end.
    pub(crate) fn pop(&mut self, key: &LaneKey) -> Option<OutboxRow> {
        let lane = self.lanes.get_mut(key)?;
        lane.let_go(&mut self.in_hand);
        while let Some(row) = lane.rows.pop_front() {
            self.queued -= 1;
            if self.in_hand.insert(row.seq) {
                lane.in_hand = Some(row.seq);
                return Some(row);
            }
        }
        self.lanes.remove(key);
        None
    }

    pub(crate) fn peek(&self, key: &LaneKey) -> Option<&OutboxRow> {
        self.lanes.get(key)?.rows.front()
    }

    /// The first row, if it is this one.
    pub(crate) fn pop_if(&mut self, key: &LaneKey, seq: i64) -> Option<OutboxRow> {
        if self.peek(key)?.seq == seq { self.pop(key) } else { None }
    }

    /// A row goes back to its place; the worker goes on.
    pub(crate) fn put_back(&mut self, key: &LaneKey, row: OutboxRow) {
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.busy = true;
        lane.let_go(&mut self.in_hand);
        if lane.insert(row) {
            self.queued += 1;
        }
    }

    /// Drops waiting rows of a lane.
    pub(crate) fn forget(&mut self, key: &LaneKey, which: impl Fn(&OutboxRow) -> bool) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let before = lane.rows.len();
        lane.rows.retain(|row| !which(row));
        self.queued -= before - lane.rows.len();
    }

    /// Drops what a lane knows, because the store knows better. Answers the first row concerned. What its worker has in hand
    /// is marked: the worker lets go of it unless it is being sent.
    pub(crate) fn outdate(&mut self, key: &LaneKey) -> Option<i64> {
        let lane = self.lanes.get_mut(key)?;
        let first = lane.in_hand.or_else(|| lane.rows.front().map(|row| row.seq));
        lane.outdated = lane.in_hand.is_some();
        self.forget(key, |_| true);
        first
    }

    pub(crate) fn of_channel(&self, channel: &ChannelId) -> Vec<LaneKey> {
        self.lanes.keys().filter(|(of, _)| of == channel).cloned().collect()
    }

    pub(crate) fn is_outdated(&self, key: &LaneKey) -> bool {
        self.lanes.get(key).is_some_and(|lane| lane.outdated)
    }

    /// The worker lets go of what it has in hand, and goes on.
    pub(crate) fn let_go(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.let_go(&mut self.in_hand);
        }
    }

    /// Ends a reservation that was not used. `true`: rows came meanwhile, and the lane needs a worker.
    pub(crate) fn release(&mut self, key: &LaneKey) -> bool {
        match self.lanes.get(key) {
            Some(lane) if lane.rows.is_empty() => {
                self.lanes.remove(key);
                false
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Ends a worker whatever is left: its rows are in the store.
    pub(crate) fn abandon(&mut self, key: &LaneKey) {
        if let Some(mut lane) = self.lanes.remove(key) {
            lane.let_go(&mut self.in_hand);
            self.queued -= lane.rows.len();
        }
    }
}

impl Lane {
    fn let_go(&mut self, in_hand: &mut HashSet<i64>) {
        self.outdated = false;
        if let Some(seq) = self.in_hand.take() {
            in_hand.remove(&seq);
        }
    }

    /// `false` if it is known already.
    fn insert(&mut self, row: OutboxRow) -> bool {
        let place = self.rows.partition_point(|earlier| earlier.seq < row.seq);
        if self.rows.get(place).is_some_and(|known| known.seq == row.seq) {
            return false;
        }
        self.rows.insert(place, row);
        true
    }
}

/// Over so many pauses those that have passed are forgotten.
const MANY: usize = 1_024;

/// Until when a rate scope of a channel is to be left alone.
#[derive(Default)]
pub(crate) struct Pauses(HashMap<(ChannelId, String), Instant>);

impl Pauses {
    /// The scope of a pause of the whole channel.
    pub(crate) const CHANNEL: &'static str = "bridge:channel";

    pub(crate) fn set(&mut self, channel: &ChannelId, scope: String, pause: Duration, now: Instant) {
        if self.0.len() > MANY {
            self.0.retain(|_, until| *until > now);
        }
        let until = self.0.entry((channel.clone(), scope)).or_insert(now);
        *until = (*until).max(now + pause);
    }

    pub(crate) fn end(&mut self, channel: &ChannelId, scope: &str) {
        self.0.remove(&(channel.clone(), scope.to_owned()));
    }

    /// When the last pause ends that concerns a call of these scopes, if one lasts at `now`.
    pub(crate) fn until<'a>(
        &self,
        channel: &ChannelId,
        scopes: impl IntoIterator<Item = &'a String>,
        now: Instant,
    ) -> Option<Instant> {
        if self.0.is_empty() {
            return None;
        }
        let scopes = scopes.into_iter().map(String::as_str).chain([Self::CHANNEL]);
        scopes
            .filter_map(|scope| self.0.get(&(channel.clone(), scope.to_owned())).copied())
            .filter(|until| *until > now)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LaneKey, Lanes, Pauses};
    use crate::contract::store::OutboxRow;
    use crate::model::outbound::{Lane, Target};

    fn row(seq: i64) -> OutboxRow {
        OutboxRow {
            seq,
            turn: None,
            action: seq,
            part: 0,
            parts: 1,
            channel: "page".into(),
            target: Target::of("chat"),
            lane: Lane::Reply,
            payload: String::new(),
            plain: None,
            scopes: Vec::new(),
            attempts: 0,
            spent: Duration::ZERO,
            due_in: Duration::ZERO,
            in_doubt: false,
            first_sent_ago: None,
        }
    }

    fn key() -> LaneKey {
        ("page".into(), Arc::from("chat"))
    }

    #[test]
    fn a_lane_has_one_worker_and_its_rows_in_order() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.add(row(2)), Some(key()));
        assert_eq!(lanes.add(row(1)), None);
        assert_eq!(lanes.add(row(2)), None, "known");
        assert_eq!(lanes.queued(), 2);
        assert!(!lanes.reserve(&key()));
        let first = lanes.pop(&key()).unwrap();
        assert_eq!(first.seq, 1);
        lanes.add(row(1));
        assert_eq!(lanes.queued(), 1, "what the worker has in hand is not queued again");
        lanes.put_back(&key(), first);
        assert_eq!(lanes.pop(&key()).map(|row| row.seq), Some(1));
        assert!(lanes.pop_if(&key(), 3).is_none());
        assert_eq!(lanes.pop_if(&key(), 2).map(|row| row.seq), Some(2));
        assert!(lanes.pop(&key()).is_none());
        assert!(lanes.reserve(&key()), "forgotten");
        assert_eq!(lanes.queued(), 0);
    }

    #[test]
    fn a_row_is_in_one_hand_whatever_target_it_is_seen_under() {
        let mut lanes = Lanes::default();
        lanes.add(row(5));
        lanes.add(row(6));
        let (mut moved, mut again) = (row(5), row(6));
        (moved.target, again.target) = (Target::of("new"), Target::of("new"));
        let new: LaneKey = ("page".into(), Arc::from("new"));
        lanes.pop(&key());
        assert_eq!(lanes.add(moved.clone()), None, "in hand");
        assert_eq!(lanes.add(again), Some(new.clone()));
        assert_eq!(lanes.outdate(&key()), Some(5));
        assert!(lanes.is_outdated(&key()) && lanes.peek(&key()).is_none());
        lanes.let_go(&key());
        assert!(!lanes.is_outdated(&key()));
        lanes.add(moved);
        assert_eq!(lanes.pop(&new).map(|row| row.seq), Some(5));
        lanes.add(row(5));
        lanes.add(row(7));
        assert_eq!(lanes.pop(&key()).map(|row| row.seq), Some(7), "what another worker has is passed over");
        assert_eq!(lanes.queued(), 1);
    }

    #[test]
    fn a_reservation_that_ends_hands_the_lane_on() {
        let mut lanes = Lanes::default();
        assert!(lanes.reserve(&key()));
        assert_eq!(lanes.add(row(1)), None, "whoever reserved goes first");
        assert!(lanes.release(&key()), "a row came meanwhile");
        assert!(lanes.pop(&key()).is_some() && lanes.pop(&key()).is_none());
        assert!(lanes.reserve(&key()));
        assert!(!lanes.release(&key()));
    }

    #[test]
    fn a_pause_is_its_scopes_and_its_channels_alone() {
        let (mut pauses, now) = (Pauses::default(), Instant::now());
        let (chat, other) = (["chat".to_owned()], ["other".to_owned()]);
        pauses.set(&"page".into(), "chat".to_owned(), Duration::from_secs(5), now);
        pauses.set(&"page".into(), "chat".to_owned(), Duration::from_secs(1), now);
        assert_eq!(
            pauses.until(&"page".into(), &chat, now),
            Some(now + Duration::from_secs(5)),
            "a shorter one shortens nothing"
        );
        assert_eq!(pauses.until(&"page".into(), &other, now), None);
        assert_eq!(pauses.until(&"else".into(), &chat, now), None);
        assert_eq!(pauses.until(&"page".into(), &chat, now + Duration::from_secs(5)), None, "over");
        pauses.set(&"page".into(), Pauses::CHANNEL.to_owned(), Duration::from_secs(1), now);
        assert_eq!(pauses.until(&"page".into(), &other, now), Some(now + Duration::from_secs(1)));
    }
}
