//! How fast a bot may speak (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Platform;
use super::wire::Refusal;

/// So many messages in any span of so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) most: usize,
    pub(crate) within: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) chat: Rate,
    pub(crate) group: Rate,
    pub(crate) bot: Rate,
}

impl Rates {
    /// As Telegram says: one a second in a chat, 20 a minute in a group, 30 a second in all. Each span is a little shorter
    /// here, as two calls that leave a second apart may arrive with less between them.
    pub(crate) fn published() -> Self {
        let rate = |most, within| Rate { most, within: Duration::from_millis(within) };
        Self { chat: rate(1, 950), group: rate(20, 59_950), bot: rate(30, 950) }
    }
}

/// Whom a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Chat(i64),
    Group(i64),
    Bot,
}

/// A chat, or the bot, that is to be left alone.
struct Rest {
    about: About,
    since: Instant,
    until: Instant,
}

/// Calls on different connections can have been on their way when the bot as a whole was told to rest.
const ON_THE_WAY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Traffic {
    enforced: Option<Rates>,
    watched: Option<Rates>,
    recent: HashMap<About, VecDeque<Instant>>,
    rests: Vec<Rest>,
    excess: u64,
}

impl Traffic {
    /// Whether a message may be sent now. A call during a rest is answered as before, and is a violation.
    pub(super) fn admit(&mut self, chat: i64, violations: &mut Vec<String>) -> Result<(), Refusal> {
        let now = Instant::now();
        self.rests.retain(|rest| rest.until > now);
        let resting = |rest: &&Rest| rest.about == About::Bot || rest.about == About::Chat(chat);
        if let Some(rest) = self.rests.iter().filter(resting).max_by_key(|rest| rest.until) {
            if rest.about != About::Bot || now > rest.since + ON_THE_WAY {
                let left = rest.until - now;
                violations.push(format!("a call for {chat} while it was to be left alone for {left:?} more"));
            }
            return Err(Refusal::retry_after(seconds(rest.until - now)));
        }
        let wait = self.enforced.and_then(|rates| self.wait(rates, chat, now));
        if let Some((about, until)) = wait {
            self.rests.push(Rest { about, since: now, until: now + Duration::from_secs(seconds(until - now)) });
            return Err(Refusal::retry_after(seconds(until - now)));
        }
        if self.watched.and_then(|rates| self.wait(rates, chat, now)).is_some() {
            self.excess += 1;
        }
        for about in abouts(chat) {
            let recent = self.recent.entry(about).or_default();
            recent.push_back(now);
            // More than the largest limit need not be remembered.
            if recent.len() > 64 {
                recent.pop_front();
            }
        }
        Ok(())
    }

    /// Who is over a limit, and until when.
    fn wait(&self, rates: Rates, chat: i64, now: Instant) -> Option<(About, Instant)> {
        let over = abouts(chat).into_iter().filter_map(|about| {
            let rate = match about {
                About::Chat(_) => rates.chat,
                About::Group(_) => rates.group,
                About::Bot => rates.bot,
            };
            let recent = self.recent.get(&about)?;
            let first = recent.len().checked_sub(rate.most).map(|first| recent[first])?;
            let scope = if let About::Group(group) = about { About::Chat(group) } else { about };
            (first + rate.within > now).then_some((scope, first + rate.within))
        });
        over.max_by_key(|(_, until)| *until)
    }

    pub(super) fn rest(&mut self, chat: Option<i64>, seconds: u64) {
        let now = Instant::now();
        let until = now + Duration::from_secs(seconds);
        self.rests.push(Rest { about: chat.map_or(About::Bot, About::Chat), since: now, until });
    }
}

fn abouts(chat: i64) -> Vec<About> {
    let group = (chat < 0).then_some(About::Group(chat));
    [About::Chat(chat), About::Bot].into_iter().chain(group).collect()
}

/// Telegram counts in whole seconds.
fn seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

impl Platform {
    /// From now on answers 429 beyond these rates.
    pub(crate) fn enforces(&self, rates: Rates) {
        self.lock().traffic.enforced = Some(rates);
    }

    /// From now on counts what is beyond these rates, and lets it pass.
    pub(crate) fn watches(&self, rates: Rates) {
        self.lock().traffic.watched = Some(rates);
    }

    /// How many messages were beyond the watched rates.
    pub(crate) fn excess(&self) -> u64 {
        self.lock().traffic.excess
    }
}
