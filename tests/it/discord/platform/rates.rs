//! How fast a bot may call (<https://discord.com/developers/docs/topics/rate-limits>).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Platform;
use super::errors::Refusal;
use super::people::now_s;

/// So many calls in any span of so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) most: usize,
    pub(crate) within: Duration,
}

impl Rate {
    pub(crate) fn of(most: usize, within: Duration) -> Self {
        Self { most, within }
    }
}

/// The limits of routes by name, each for every channel (guild, webhook) for itself, and the one of the bot as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) routes: HashMap<&'static str, Rate>,
    pub(crate) global: Option<Rate>,
}

impl Rates {
    /// What is seen of Discord: five messages in five seconds in a channel, fifty calls a second in all.
    pub(crate) fn usual() -> Self {
        let five = Rate::of(5, Duration::from_secs(5));
        let routes = ["send", "edit", "delete", "follow_up", "typing"].map(|route| (route, five));
        Self { routes: HashMap::from(routes), global: Some(Rate::of(50, Duration::from_secs(1))) }
    }
}

/// A route of a channel, say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    pub(super) route: &'static str,
    /// The channel, guild, or webhook with its token.
    pub(super) about: String,
    /// Interactions and what is not authorized as the bot does not count towards the bot's limit.
    pub(super) free: bool,
}

struct Rest {
    /// `None`: everything.
    bucket: Option<Bucket>,
    since: Instant,
    until: Instant,
    scope: &'static str,
}

/// Calls on different connections can have been on their way when the bot was told to rest.
const ON_THE_WAY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Traffic {
    enforced: Rates,
    recent: HashMap<Bucket, VecDeque<Instant>>,
    all: VecDeque<Instant>,
    rests: Vec<Rest>,
}

impl Traffic {
    /// Whether a call may be made now. A call during a rest is refused as before, and is a violation.
    pub(super) fn admit(&mut self, bucket: &Bucket, violations: &mut Vec<String>) -> Result<(), Refusal> {
        let now = Instant::now();
        self.rests.retain(|rest| rest.until > now);
        let resting = |rest: &&Rest| rest.bucket.as_ref().map_or(!bucket.free, |resting| resting == bucket);
        if let Some(rest) = self.rests.iter().filter(resting).max_by_key(|rest| rest.until) {
            let left = rest.until - now;
            if now > rest.since + ON_THE_WAY {
                violations.push(format!("{} of {} while it was to rest for {left:?} more", bucket.route, bucket.about));
            }
            return Err(Refusal::rest(seconds(left), rest.scope));
        }
        if let Some(until) = self.global_wait(bucket, now) {
            self.rest(None, until, "global");
            return Err(Refusal::rest(seconds(until - now), "global"));
        }
        if let Some(rate) = self.enforced.routes.get(bucket.route).copied() {
            let recent = self.recent.entry(bucket.clone()).or_default();
            recent.retain(|at| *at + rate.within > now);
            if recent.len() >= rate.most {
                let until = recent[0] + rate.within;
                self.rest(Some(bucket.clone()), until, "user");
                return Err(Refusal::rest(seconds(until - now), "user"));
            }
            recent.push_back(now);
        }
        if !bucket.free {
            self.all.push_back(now);
        }
        Ok(())
    }

    fn global_wait(&mut self, bucket: &Bucket, now: Instant) -> Option<Instant> {
        let rate = self.enforced.global.filter(|_| !bucket.free);
        let within = rate.map_or(Duration::ZERO, |rate| rate.within);
        self.all.retain(|at| *at + within > now);
        let rate = rate?;
        (self.all.len() >= rate.most).then(|| self.all[0] + rate.within)
    }

    pub(super) fn rest(&mut self, bucket: Option<Bucket>, until: Instant, scope: &'static str) {
        self.rests.push(Rest { bucket, since: Instant::now(), until, scope });
    }

    /// What a client can know beforehand: the headers of a route that has a limit.
    pub(super) fn headers(&self, bucket: &Bucket) -> Vec<(&'static str, String)> {
        let Some(rate) = self.enforced.routes.get(bucket.route) else { return Vec::new() };
        let now = Instant::now();
        let recent = self.recent.get(bucket);
        let live = |at: &&Instant| **at + rate.within > now;
        let used = recent.map_or(0, |recent| recent.iter().filter(live).count());
        let first = recent.and_then(|recent| recent.iter().find(live));
        let after = first.map_or(rate.within, |first| *first + rate.within - now).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
        let reset = now_s() as f64 + after;
        vec![
            ("x-ratelimit-limit", rate.most.to_string()),
            ("x-ratelimit-remaining", rate.most.saturating_sub(used).to_string()),
            ("x-ratelimit-reset", format!("{reset:.3}")),
            ("x-ratelimit-reset-after", format!("{:.3}", seconds(Duration::from_secs_f64(after)))),
            (
                "x-ratelimit-bucket",
                format!("{:032x}", bucket.route.len() * 7919 + usize::from(bucket.route.as_bytes()[0])),
            ),
        ]
    }
}

/// In milliseconds, as Discord tells it.
fn seconds(left: Duration) -> f64 {
    (left.as_secs_f64() * 1000.0).ceil() / 1000.0
}

impl Platform {
    /// From now on answers 429 beyond these rates, and tells of them in headers. At first there are none.
    pub(crate) fn enforces(&self, rates: Rates) {
        self.lock().traffic.enforced = rates;
    }
}
