//! Which connections this process keeps, and what they say together: the channel is as well as the worst of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channels::discord::Discord;
use crate::channels::discord::gateway::Shard;
use crate::channels::discord::ingress::session;
use crate::contract::channel::{ChannelState, Listener, StateReporter};

/// One connection, under a lease of its own.
pub(super) struct One {
    pub(super) channel: Arc<Discord>,
    pub(super) shard: Shard,
}

#[async_trait]
impl Listener for One {
    fn name(&self) -> String {
        format!("shard {} of {}", self.shard.number, self.shard.of)
    }

    async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
        listen(&self.channel, self.shard, &stop).await.map(drop)
    }
}

/// As many connections as Discord recommends, under one lease.
pub(super) struct All(pub(super) Arc<Discord>);

#[async_trait]
impl Listener for All {
    fn name(&self) -> String {
        "gateway".to_owned()
    }

    async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
        loop {
            let Some(of) = session::recommended(&self.0, &stop).await else { return Ok(()) };
            let round = stop.child_token();
            let mut shards = JoinSet::new();
            for number in 0..of {
                let (channel, round) = (Arc::clone(&self.0), round.clone());
                shards.spawn(async move { listen(&channel, Shard { number, of }, &round).await });
            }
            let mut result = Ok(());
            while let Some(ended) = shards.join_next().await {
                let ended = ended.unwrap_or_else(|error| Err(error.to_string()));
                // One that ends by itself wants another number of shards, or is broken: all begin anew.
                round.cancel();
                result = result.and(ended.map(drop));
            }
            if stop.is_cancelled() || result.is_err() {
                return result;
            }
        }
    }
}

/// Why a shard's listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Stopped,
    /// Discord wants another number of shards.
    Reshard,
}

/// Keeps a connection, and tells the channel how it is.
async fn listen(channel: &Arc<Discord>, shard: Shard, stop: &CancellationToken) -> Result<Done, String> {
    let (reporter, mut changes) = StateReporter::new();
    channel.shards.set(shard.number, Some(reporter.clone()));
    let together = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            channel.shards.report(&channel.context.state);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                _ = tick.tick() => {}
            }
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = Box::pin(session::keep(channel, shard, &reporter, stop)) => ended,
        () = together => Ok(Done::Stopped),
    };
    channel.shards.set(shard.number, None);
    ended
}

/// How each connection of this process is.
#[derive(Default)]
pub(in crate::channels::discord) struct Shards(Mutex<BTreeMap<u16, StateReporter>>);

/// Within this a channel of connections that are all well beats.
const BEATS: Duration = Duration::from_secs(30);

impl Shards {
    fn set(&self, number: u16, reporter: Option<StateReporter>) {
        let mut shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match reporter {
            Some(reporter) => shards.insert(number, reporter),
            None => shards.remove(&number),
        };
    }

    /// Tells the channel's state what these connections say together.
    fn report(&self, to: &StateReporter) {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = shards.len() == 1;
        let states = shards.iter().map(|(number, reporter)| match reporter.stalled() {
            None => (*number, reporter.state()),
            Some(silence) => {
                let why = format!("nothing was heard for {} s", silence.as_secs());
                (*number, ChannelState::Reconnecting { why })
            }
        });
        let Some((number, state)) = states.max_by_key(|(_, state)| badness(state)) else { return };
        let is_well = badness(&state) == 0 || matches!(state, ChannelState::Limited { .. });
        if is_well {
            to.beat();
        }
        let state = if alone { state } else { named(number, state) };
        if to.state() != state {
            to.set(state);
            to.expect_beats(BEATS);
        }
    }
}

fn badness(state: &ChannelState) -> u8 {
    match state {
        ChannelState::Connected => 0,
        ChannelState::Limited { .. } => 1,
        ChannelState::Starting => 2,
        ChannelState::Reconnecting { .. } => 3,
        ChannelState::Paused { .. } | ChannelState::Stopped => 4,
        ChannelState::Conflict { .. } => 5,
        ChannelState::BadConfig { .. } => 6,
        ChannelState::BadCredentials { .. } => 7,
    }
}

/// Which connection it is that is not well.
fn named(number: u16, state: ChannelState) -> ChannelState {
    match state {
        ChannelState::Reconnecting { why } => ChannelState::Reconnecting { why: format!("shard {number}: {why}") },
        state => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_as_well_as_the_worst_of_its_shards() {
        let (channel, _state) = StateReporter::new();
        let shards = Shards::default();
        let reporters: Vec<StateReporter> = (0..3).map(|_| StateReporter::new().0).collect();
        for (number, reporter) in (0..).zip(&reporters) {
            shards.set(number, Some(reporter.clone()));
            reporter.set(ChannelState::Connected);
        }
        shards.report(&channel);
        assert_eq!(channel.state(), ChannelState::Connected);
        assert!(channel.last_heard().is_some());
        reporters[1].set(ChannelState::Limited { hint: "no".to_owned() });
        reporters[2].set(ChannelState::Reconnecting { why: "gone".to_owned() });
        shards.report(&channel);
        assert_eq!(channel.state(), ChannelState::Reconnecting { why: "shard 2: gone".to_owned() });
        shards.set(2, None);
        shards.report(&channel);
        assert_eq!(channel.state().as_str(), "limited");
    }

    #[test]
    fn a_shard_that_is_silent_is_not_well() {
        let (channel, _state) = StateReporter::new();
        let (shards, reporter) = (Shards::default(), StateReporter::new().0);
        shards.set(0, Some(reporter.clone()));
        reporter.set(ChannelState::Connected);
        reporter.expect_beats(Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(20));
        shards.report(&channel);
        assert_eq!(channel.state(), ChannelState::Reconnecting { why: "nothing was heard for 0 s".to_owned() });
    }
}
