//! Which connections this process keeps.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channels::discord::Discord;
use crate::channels::discord::gateway::Shard;
use crate::channels::discord::ingress::session;
use crate::contract::channel::Listener;

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
        Box::pin(session::keep(&self.channel, self.shard, &stop)).await.map(drop)
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
                shards.spawn(async move { session::keep(&channel, Shard { number, of }, &round).await });
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
