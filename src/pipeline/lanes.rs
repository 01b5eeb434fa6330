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
    /// The row that the worker has in hand: the store may show it again while it waits for another try.
    in_hand: Option<i64>,
    /// What the worker has in hand may have ended or moved in the store.
    stale: bool,
}

/// All targets that have a row in memory. A lane has one worker at a time; without one and without rows it is forgotten.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    /// The rows that workers have in hand. One whose target has moved must not come to another lane while its old one has it.
    hands: HashSet<i64>,
    queued: usize,
}

impl Lanes {
    /// The worker of the lane has this row in hand, or none.
    pub(crate) fn hold(&mut self, key: &LaneKey, row: Option<i64>) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.in_hand == row {
            return;
        }
        if let Some(before) = std::mem::replace(&mut lane.in_hand, row) {
            self.hands.remove(&before);
        }
        self.hands.extend(row);
        lane.stale = false;
    }

    /// Whether the worker must look into the store before it sends what it has in hand.
    pub(crate) fn is_stale(&self, key: &LaneKey) -> bool {
        self.lanes.get(key).is_some_and(|lane| lane.stale)
    }

    /// The store has ended or moved rows of the lane: those that wait are dropped. Answers the first one.
    pub(crate) fn reload(&mut self, key: &LaneKey) -> Option<i64> {
        let lane = self.lanes.get_mut(key)?;
        lane.stale = lane.in_hand.is_some();
        let first = lane.rows.front().map(|row| row.seq);
        self.queued -= lane.rows.len();
        lane.rows.clear();
        first
    }

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
        if self.hands.contains(&row.seq) {
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

    /// The next row for the lane's worker. With none the lane is forgotten in the same breath, so that no row can slip in
    /// between, and the worker must end.
    pub(crate) fn pop(&mut self, key: &LaneKey) -> Option<OutboxRow> {
        let lane = self.lanes.get_mut(key)?;
        let row = lane.rows.pop_front();
        self.hold(key, row.as_ref().map(|row| row.seq));
        match row {
            Some(_) => self.queued -= 1,
            None => {
                self.lanes.remove(key);
            }
        }
        row
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
        self.hold(key, None);
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.busy = true;
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
        self.hold(key, None);
        if let Some(lane) = self.lanes.remove(key) {
            self.queued -= lane.rows.len();
        }
    }
}

impl Lane {
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
    fn a_row_that_moves_is_in_one_lane_at_a_time() {
        let mut lanes = Lanes::default();
        for seq in 1..=3 {
            lanes.add(row(seq));
        }
        lanes.pop(&key());
        assert_eq!(lanes.reload(&key()), Some(2), "the first that is to be read again");
        assert!(lanes.is_stale(&key()) && lanes.queued() == 0);
        let moved = |seq| OutboxRow { target: Target::of("new"), ..row(seq) };
        assert_eq!(lanes.add(moved(1)), None, "the old lane's worker still has it");
        assert!(lanes.add(moved(2)).is_some());
        lanes.hold(&key(), None);
        assert_eq!(lanes.add(moved(1)), None, "its lane has a worker");
        let new: LaneKey = ("page".into(), Arc::from("new"));
        assert_eq!(lanes.pop(&new).map(|row| row.seq), Some(1));
        lanes.add(row(4));
        assert!(lanes.pop(&key()).is_some() && !lanes.is_stale(&key()), "what came since is not stale");
        assert_eq!(lanes.reload(&("page".into(), Arc::from("none"))), None);
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
