//! The budget of IDENTIFYs. Discord allows a bot 1,000 a day, over all shards; with one more it ends every session and resets
//! the token (<https://docs.discord.com/developers/events/gateway#identifying>). RESUMEs are not counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::Timing;
use crate::channels::discord::api::{Api, Call, CallError};
use crate::config::HumanDuration;

/// What Discord says about connecting (<https://docs.discord.com/developers/events/gateway#get-gateway-bot>).
#[derive(Clone, Debug, Deserialize)]
pub struct GatewayBot {
    /// Where the gateway is.
    pub url: String,
    /// Into how many shards Discord would divide this bot.
    #[serde(default = "one")]
    pub shards: u16,
    #[serde(default)]
    pub session_start_limit: StartLimit,
}

/// How many sessions may still be started.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub struct StartLimit {
    pub total: u32,
    pub remaining: u32,
    /// Milliseconds until `remaining` is `total` again.
    pub reset_after: u64,
    /// So many shards may start at the same time: those of which `number % max_concurrency` differs.
    pub max_concurrency: u16,
}

impl Default for StartLimit {
    fn default() -> Self {
        Self { total: 1_000, remaining: 1_000, reset_after: 0, max_concurrency: 1 }
    }
}

fn one() -> u16 {
    1
}

impl StartLimit {
    /// What may be used of `remaining`. Discord acts "upon hitting this limit", and others may use the token: the last hundredth
    /// is never touched.
    fn left(&self) -> u32 {
        self.remaining.saturating_sub(self.total / 100)
    }

    /// For how long nothing may start, as the last start was `since` ago. Over the first half nobody waits; what is left then
    /// is spread over the time that it must last, so that no crash loop and no bad network uses it up.
    fn wait(&self, since: Duration) -> Duration {
        let reset = Duration::from_millis(self.reset_after);
        match self.left() {
            0 => reset.max(Duration::from_secs(1)),
            left if u64::from(left) * 2 < u64::from(self.total) => (reset / left).saturating_sub(since),
            _ => Duration::ZERO,
        }
    }

    fn why(&self, wait: Duration) -> String {
        let wait = HumanDuration::from_secs(wait.as_secs().max(1));
        match self.left() {
            0 => format!("no starts of sessions are left today; the next one in {wait}"),
            left => format!("only {left} of {} starts of sessions are left today; the next one in {wait}", self.total),
        }
    }
}

type Bucket = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// An answer may be used again for so long, where several shards start side by side: the call has a limit of its own.
const FRESH: Duration = Duration::from_secs(5);

/// Shared by the shards of a channel. Replicas know nothing of each other's starts: where they collide, Discord answers op 9,
/// and the shard waits and tries again.
pub struct Starts {
    /// Of all that the shards do.
    pub(super) timing: Timing,
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
    /// When the last start of each bucket was; locked while one is about to start.
    buckets: Mutex<BTreeMap<u16, Bucket>>,
}

struct Known {
    answer: Option<(Instant, GatewayBot)>,
    /// The last start; at first, the start of this process: one before it may have been just then.
    last: Instant,
}

impl Starts {
    pub fn new(timing: Timing) -> Self {
        let known = Known { answer: None, last: Instant::now() };
        Self {
            timing,
            known: Mutex::new(known),
            asking: tokio::sync::Mutex::default(),
            buckets: Mutex::new(BTreeMap::new()),
        }
    }

    /// Asks Discord how many shards it recommends.
    pub async fn recommended_shards(&self, api: &Api) -> Result<u16, CallError> {
        Ok(self.asked(api, Duration::ZERO).await?.shards.max(1))
    }

    /// The gateway's general address, as it was told last.
    pub(super) async fn url(&self, api: &Api) -> Result<String, CallError> {
        Ok(self.asked(api, Duration::from_secs(60 * 60)).await?.url)
    }

    /// Waits until a shard may IDENTIFY. `waits` is told why, when that may take long.
    pub(super) async fn turn(&self, api: &Api, shard: u16, waits: impl Fn(&str)) -> Result<Turn<'_>, CallError> {
        let lone = self.lock().answer.as_ref().is_none_or(|(_, answer)| answer.session_start_limit.max_concurrency < 2);
        let mut answer = self.asked(api, if lone { Duration::ZERO } else { FRESH }).await?;
        let bucket = self.bucket(shard % answer.session_start_limit.max_concurrency.max(1));
        let last = bucket.lock_owned().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + self.timing.apart).await;
        }
        loop {
            // Others of the bucket have started while this one waited.
            answer = self.asked(api, FRESH).await.unwrap_or(answer);
            let limit = answer.session_start_limit;
            let since = self.lock().last.elapsed();
            let wait = limit.wait(since);
            if wait.is_zero() {
                return Ok(Turn { url: answer.url, starts: self, last });
            }
            waits(&limit.why(wait));
            // Looked at again now and then: an operator may have reset the token, or our clock stood still.
            tokio::time::sleep(wait.min(self.timing.recheck)).await;
            answer = self.asked(api, Duration::ZERO).await?;
        }
    }

    /// What Discord says, or said at most so long ago.
    async fn asked(&self, api: &Api, at_most: Duration) -> Result<GatewayBot, CallError> {
        let _asking = self.asking.lock().await;
        if let Some((at, answer)) = &self.lock().answer
            && at.elapsed() < at_most
        {
            return Ok(answer.clone());
        }
        let answer = api.ask::<GatewayBot>(Call::get("gateway/bot")).await?.body;
        self.lock().answer = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }

    fn bucket(&self, number: u16) -> Bucket {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(buckets.entry(number).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to IDENTIFY once. While it is held, nobody else of the bucket can.
pub(super) struct Turn<'a> {
    pub(super) url: String,
    starts: &'a Starts,
    last: OwnedMutexGuard<Option<Instant>>,
}

impl Turn<'_> {
    /// It is used; Discord counts it from now on.
    pub(super) fn taken(mut self) {
        let now = Instant::now();
        *self.last = Some(now);
        let mut known = self.starts.lock();
        known.last = now;
        if let Some((_, answer)) = &mut known.answer {
            let left = &mut answer.session_start_limit.remaining;
            *left = left.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn limit(remaining: u32, reset_after: u64) -> StartLimit {
        StartLimit { remaining, reset_after, ..StartLimit::default() }
    }

    #[test]
    fn the_second_half_is_spread_over_the_time_it_must_last() {
        let wait = |remaining, since| limit(remaining, DAY / 2).wait(Duration::from_secs(since)).as_secs();
        assert_eq!((wait(1_000, 0), wait(510, 0)), (0, 0));
        assert_eq!(wait(442, 0), 100);
        assert_eq!((wait(442, 40), wait(442, 100), wait(442, 1_000)), (60, 0, 0));
        assert_eq!(wait(11, 0), DAY / 2 / 1000);
        let spent = DAY / 2 / 1000;
        assert_eq!((wait(10, 1_000_000), wait(0, 0)), (spent, spent), "however long ago the last one was");
        assert_eq!(limit(0, 0).wait(Duration::ZERO), Duration::from_secs(1), "never a hot loop");
    }

    /// A client that is cut off at once each time, for a day.
    #[test]
    fn no_loop_uses_them_up() {
        let (mut now, mut remaining, mut last) = (0_u64, 1_000_u32, 0_u64);
        loop {
            let wait = limit(remaining, DAY - now).wait(Duration::from_millis(now - last));
            now += u64::try_from(wait.as_millis()).unwrap().max(5_000);
            if now >= DAY {
                break;
            }
            (remaining, last) = (remaining - 1, now);
        }
        assert!((10..20).contains(&remaining), "{remaining}");
    }

    #[test]
    fn what_is_not_told_is_assumed() {
        let answer: GatewayBot = serde_json::from_str(r#"{"url":"wss://x"}"#).unwrap();
        assert_eq!((answer.shards, answer.session_start_limit.max_concurrency), (1, 1));
        assert!(answer.session_start_limit.wait(Duration::ZERO).is_zero());
    }
}
