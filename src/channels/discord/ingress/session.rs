//! One shard: a connection and what is behind it, again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channels::discord::Discord;
use crate::channels::discord::api::CallError;
use crate::channels::discord::gateway::{Ended, Gateway, Shard};
use crate::channels::discord::ingress::identity::CONTENT_GRANTED;
use crate::channels::discord::ingress::intake::Intake;
use crate::contract::channel::ChannelState;

/// So many events may wait for the store before the connection is no longer read; Discord keeps what comes then.
const QUEUE: usize = 1_024;

/// The first pause after a failure, and the longest one. What Discord refuses counts towards the ten thousand calls in ten
/// minutes after which it locks an address out (<https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>).
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// How many connections Discord recommends; `None` when it is time to stop.
pub(super) async fn recommended(channel: &Discord, stop: &CancellationToken) -> Option<u16> {
    let mut trouble = Trouble::new(channel, None, stop);
    loop {
        match channel.starts.recommended_shards(&channel.api).await {
            Ok(shards) => return Some(shards.max(1)),
            Err(error) => trouble.told(&error).await.then_some(())?,
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

/// Keeps a shard connected, and what it hears stored.
pub(super) async fn keep(channel: &Arc<Discord>, shard: Shard, stop: &CancellationToken) -> Result<Done, String> {
    let mut trouble = Trouble::new(channel, Some(shard.number), stop);
    let mut is_refused = false;
    while !stop.is_cancelled() {
        let application = match channel.learn_application().await {
            Ok(application) => application,
            Err(error) => match trouble.told(&error).await {
                true => continue,
                false => break,
            },
        };
        let reads_content = channel.config.message_content && application.flags & CONTENT_GRANTED != 0 && !is_refused;
        let intents = channel.intents(reads_content);
        let well = if channel.config.message_content && !reads_content {
            let hint = channel.content_hint();
            tracing::warn!(channel = %channel.context.id, hint, "less is heard than was configured");
            ChannelState::Limited { hint }
        } else {
            ChannelState::Connected
        };
        channel.links.well(well);
        let mut kept = match channel.kept(shard).await {
            Ok(kept) => kept,
            Err(error) => match trouble.waits(format!("the store: {error}")).await {
                true => continue,
                false => break,
            },
        };
        // A session hears what it was begun with.
        if kept.intents != intents {
            kept.session = None;
            kept.intents = intents;
        }
        let session = kept.session.clone();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let intake = Intake::new(channel, shard, kept, stop);
        let id = &channel.context.id;
        let gateway = Gateway::new(&channel.config, &channel.api, id, shard, intents, &channel.starts, &channel.links);
        let connection = async {
            let ended = Box::pin(gateway.run(session, &sender, stop)).await;
            drop(sender);
            ended
        };
        let began = Instant::now();
        let (ended, ()) = tokio::join!(connection, Box::pin(intake.run(receiver)));
        if began.elapsed() >= LONGEST_PAUSE {
            trouble.failures = 0;
        }
        let goes_on = match ended {
            Ended::Stopped => break,
            Ended::BadToken(_) => trouble.refused_token().await,
            Ended::Intents => {
                is_refused = true;
                trouble.waits("the intents are refused".to_owned()).await
            }
            Ended::Sharding if channel.config.shards.is_none() => {
                channel.links.ends(shard.number);
                return Ok(Done::Reshard);
            }
            Ended::Sharding => {
                let why = format!(
                    "Discord wants another number of shards: set `channels.{}.shards` higher, or leave it out",
                    channel.context.id
                );
                tracing::error!(channel = %channel.context.id, why, "cannot connect");
                channel.context.state.set(ChannelState::BadConfig { why });
                trouble.pause(PAUSE * 60).await
            }
            Ended::Protocol(why) => trouble.waits(why).await,
        };
        if !goes_on {
            break;
        }
    }
    channel.links.ends(shard.number);
    Ok(Done::Stopped)
}

/// What does not work, told and waited out.
struct Trouble<'a> {
    channel: &'a Discord,
    /// Whose it is; `None`: before it is known how many there are.
    shard: Option<u16>,
    stop: &'a CancellationToken,
    failures: u32,
}

impl<'a> Trouble<'a> {
    fn new(channel: &'a Discord, shard: Option<u16>, stop: &'a CancellationToken) -> Self {
        Self { channel, shard, stop, failures: 0 }
    }

    /// Through the links: another shard that is well does not speak for this one.
    fn report(&self, why: String) {
        match self.shard {
            Some(shard) => self.channel.links.down(shard, &why),
            None => self.channel.context.state.set(ChannelState::Reconnecting { why }),
        }
    }

    /// `false` when it is time to stop, as with the others.
    async fn told(&mut self, error: &CallError) -> bool {
        if error.is_unauthorized() {
            return self.refused_token().await;
        }
        if let CallError::Limited { retry_after, .. } = error {
            self.report(error.to_string());
            return self.pause(*retry_after).await;
        }
        self.waits(error.to_string()).await
    }

    async fn refused_token(&mut self) -> bool {
        let id = &self.channel.context.id;
        let hint = format!("Discord refuses the token: set a valid `channels.{id}.token`");
        tracing::error!(channel = %id, hint, "cannot connect");
        self.channel.links.token_refused(ChannelState::BadCredentials { hint });
        self.failures += 1;
        self.pause((PAUSE * 5).max(self.next())).await
    }

    async fn waits(&mut self, why: String) -> bool {
        tracing::warn!(channel = %self.channel.context.id, why, "Discord cannot be heard");
        self.report(why);
        self.failures += 1;
        self.pause(self.next()).await
    }

    fn next(&self) -> Duration {
        let doubled = PAUSE.saturating_mul(1 << self.failures.clamp(1, 12).saturating_sub(1)).min(LONGEST_PAUSE);
        doubled.mul_f64(0.75 + fastrand::f64() / 4.0)
    }

    async fn pause(&self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.stop.cancelled()).await.is_err()
    }
}
