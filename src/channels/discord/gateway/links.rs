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
    inner: Mutex<Inner>,
    /// Whether `Inner::refused` is there; looked at with each message.
    is_refused: AtomicBool,
}

struct Inner {
    shards: BTreeMap<u16, Link>,
    /// What is reported when all is well.
    well: ChannelState,
    /// A call was refused with the bot's token; what was reported before, for a process that has no shard.
    refused: Option<ChannelState>,
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
            inner: Mutex::new(Inner { shards: BTreeMap::new(), well: ChannelState::Connected, refused: None }),
            is_refused: AtomicBool::new(false),
        }
    }

    /// From now on this is reported while all shards are connected: a channel may hear less than it could.
    pub fn well(&self, state: ChannelState) {
        let mut inner = self.lock();
        inner.well = state;
        self.report(&inner);
    }

    pub(super) fn starts(&self, shard: u16) {
        self.lock().shards.insert(shard, Link::default());
    }

    /// It is nobody's business any more how the shard is.
    pub fn ends(&self, shard: u16) {
        let mut inner = self.lock();
        inner.shards.remove(&shard);
        self.report(&inner);
    }

    /// The shard has its session.
    pub(super) fn up(&self, shard: u16) {
        let mut inner = self.lock();
        let link = inner.shards.entry(shard).or_default();
        (link.up, link.why) = (true, None);
        self.takes_token(&mut inner);
        self.report(&inner);
    }

    /// A call was refused with the token. Connections stay open then, and say nothing of it.
    pub fn token_refused(&self, state: ChannelState) {
        let mut inner = self.lock();
        if inner.refused.is_none() {
            inner.refused = Some(self.state.state());
            self.is_refused.store(true, Ordering::Relaxed);
        }
        self.state.set(state);
    }

    /// A call went well with the token.
    pub fn token_taken(&self) {
        if !self.is_refused.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        let before = self.takes_token(&mut inner);
        if inner.shards.is_empty() {
            before.into_iter().for_each(|state| self.state.set(state));
        }
        self.report(&inner);
    }

    fn takes_token(&self, inner: &mut Inner) -> Option<ChannelState> {
        self.is_refused.store(false, Ordering::Relaxed);
        inner.refused.take()
    }

    /// The shard has no session, and why.
    pub fn down(&self, shard: u16, why: &str) {
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
        if inner.refused.is_some() {
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
    fn a_refused_token_is_told_until_it_is_taken() {
        let (state, _receiver) = StateReporter::new();
        let links = Links::new(state.clone());
        let refused = ChannelState::BadCredentials { hint: "set another".to_owned() };
        links.token_refused(refused.clone());
        links.token_taken();
        assert_eq!(state.state(), ChannelState::Starting, "of a process that only sends");
        links.starts(0);
        links.up(0);
        links.token_refused(refused.clone());
        links.token_refused(refused.clone());
        links.down(0, "no answer");
        assert_eq!(state.state(), refused, "it matters more");
        links.token_taken();
        assert_eq!(state.state(), ChannelState::Reconnecting { why: "no answer".to_owned() });
        links.token_refused(refused);
        links.up(0);
        assert_eq!(state.state(), ChannelState::Connected, "a session is begun with the same token");
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
