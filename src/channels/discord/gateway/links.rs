//! The state of a channel that is made of several connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::contract::channel::{ChannelState, StateReporter};

/// Reports the state of a channel, made of those of the shards that run in this process: it is connected while all of them
/// are. Shared by them.
pub struct Links {
    state: StateReporter,
    /// Whether a call was refused for its token. A connection that lives does not notice.
    refused: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    shards: BTreeMap<u16, Link>,
    /// What is reported when all is well.
    well: ChannelState,
}

#[derive(Default)]
struct Link {
    up: bool,
    /// Why it is not; nothing at first.
    why: Option<String>,
    /// It was heard since the last beat that was reported.
    heard: bool,
}

/// How many intervals may pass without an answered heartbeat.
const PATIENCE: f64 = 2.5;

impl Links {
    pub fn new(state: StateReporter) -> Self {
        Self {
            state,
            refused: AtomicBool::new(false),
            inner: Mutex::new(Inner { shards: BTreeMap::new(), well: ChannelState::Connected }),
        }
    }

    /// From now on this is reported while all shards are connected: a channel may hear less than it could.
    pub fn well(&self, state: ChannelState) {
        let mut inner = self.lock();
        inner.well = state;
        self.report(&inner);
    }

    /// A call was refused for its token.
    pub fn refused(&self, hint: String) {
        self.refused.store(true, Ordering::Relaxed);
        self.state.set(ChannelState::BadCredentials { hint });
    }

    /// A call was taken: if the token was refused before, it is no more.
    pub fn accepted(&self) {
        if self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed) {
            self.report(&self.lock());
        }
    }

    pub(super) fn starts(&self, shard: u16) {
        self.lock().shards.insert(shard, Link::default());
    }

    pub(super) fn ends(&self, shard: u16) {
        let mut inner = self.lock();
        inner.shards.remove(&shard);
        self.report(&inner);
    }

    /// The shard has its session.
    pub(super) fn up(&self, shard: u16) {
        self.refused.store(false, Ordering::Relaxed);
        let mut inner = self.lock();
        let link = inner.shards.entry(shard).or_default();
        (link.up, link.why) = (true, None);
        self.report(&inner);
    }

    pub(super) fn down(&self, shard: u16, why: &str) {
        let mut inner = self.lock();
        let link = inner.shards.entry(shard).or_default();
        (link.up, link.why) = (false, Some(why.to_owned()));
        self.report(&inner);
    }

    /// How often a shard's heartbeats are answered.
    pub(super) fn interval(&self, interval: Duration) {
        self.state.expect_beats(interval.mul_f64(PATIENCE));
    }

    /// The shard was heard. That the channel was is only said when all of them were: one that lives must not speak for one
    /// that does not.
    pub(super) fn beat(&self, shard: u16) {
        let mut inner = self.lock();
        inner.shards.entry(shard).or_default().heard = true;
        if inner.shards.values().all(|link| link.heard) {
            inner.shards.values_mut().for_each(|link| link.heard = false);
            self.state.beat();
        }
    }

    fn report(&self, inner: &Inner) {
        if self.refused.load(Ordering::Relaxed) {
            return;
        }
        let several = inner.shards.len() > 1;
        let down = inner.shards.iter().find_map(|(shard, link)| Some((shard, link.why.as_ref()?)));
        if let Some((shard, why)) = down {
            let why = if several { format!("shard {shard}: {why}") } else { why.clone() };
            self.state.set(ChannelState::Reconnecting { why });
        } else if !inner.shards.is_empty() && inner.shards.values().all(|link| link.up) {
            self.state.set(inner.well.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_connected_while_all_its_shards_are() {
        let (state, _receiver) = StateReporter::new();
        let links = Links::new(state.clone());
        links.starts(0);
        links.starts(1);
        links.up(0);
        assert_eq!(state.state(), ChannelState::Starting);
        links.up(1);
        assert_eq!(state.state(), ChannelState::Connected);
        links.down(1, "no answer");
        links.up(0);
        assert_eq!(state.state(), ChannelState::Reconnecting { why: "shard 1: no answer".to_owned() });
        links.ends(1);
        assert_eq!(state.state(), ChannelState::Connected);
        links.down(0, "no answer");
        assert_eq!(state.state(), ChannelState::Reconnecting { why: "no answer".to_owned() });
        let less = ChannelState::Paused { why: "half deaf".to_owned() };
        links.well(less.clone());
        assert!(matches!(state.state(), ChannelState::Reconnecting { .. }));
        links.up(0);
        assert_eq!(state.state(), less);
        links.well(ChannelState::Connected);
        assert_eq!(state.state(), ChannelState::Connected);
    }

    #[test]
    fn a_refused_token_is_told_until_a_call_is_taken() {
        let (state, _receiver) = StateReporter::new();
        let links = Links::new(state.clone());
        links.starts(0);
        links.up(0);
        links.refused("no".to_owned());
        links.well(ChannelState::Connected);
        assert_eq!(state.state(), ChannelState::BadCredentials { hint: "no".to_owned() });
        links.accepted();
        assert_eq!(state.state(), ChannelState::Connected);
    }

    #[test]
    fn a_channel_is_heard_when_all_its_shards_are() {
        let (state, _receiver) = StateReporter::new();
        let links = Links::new(state.clone());
        links.starts(0);
        links.starts(1);
        for _ in 0..3 {
            links.beat(0);
        }
        assert_eq!(state.last_heard(), None);
        links.beat(1);
        assert!(state.last_heard().is_some());
        links.ends(1);
        links.beat(0);
        assert!(state.last_heard().is_some());
    }
}
