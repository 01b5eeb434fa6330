//! Heartbeats: when one is due, and what a missing answer means
//! (<https://docs.discord.com/developers/events/gateway#sending-heartbeats>).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

pub(super) struct Heart {
    interval: Duration,
    due: Instant,
    /// The last heartbeat that was due is not answered yet.
    owed: bool,
    /// The socket was not read all the time since, so that the answer may lie there.
    unseen: bool,
}

impl Heart {
    /// `jitter` is a random number in `0.0..1.0`: it spreads the first heartbeats of many clients.
    pub(super) fn new(interval: Duration, jitter: f64, now: Instant) -> Self {
        Self { interval, due: now + interval.mul_f64(jitter), owed: false, unseen: false }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A heartbeat is due: whether the connection still lives. `blind`: the socket is not being read.
    pub(super) fn beats(&mut self, blind: bool, now: Instant) -> bool {
        if self.owed && !self.unseen {
            return false;
        }
        (self.owed, self.unseen) = (true, blind);
        // Not `due + interval`: a process that was stopped for long would send what it missed in one go.
        self.due = now + self.interval;
        true
    }

    /// The socket is not being read.
    pub(super) fn blind(&mut self) {
        self.unseen = true;
    }

    pub(super) fn answered(&mut self) {
        self.owed = false;
    }
}

/// So many messages a minute are sent at most; Discord takes 120
/// (<https://docs.discord.com/developers/events/gateway#rate-limiting>).
const MOST: usize = 118;
const MINUTE: Duration = Duration::from_secs(60);

/// When messages were sent, of the last minute.
#[derive(Default)]
pub(super) struct Pace(VecDeque<Instant>);

impl Pace {
    /// Notes one more, if there is room for it.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|sent| now.duration_since(*sent) >= MINUTE) {
            self.0.pop_front();
        }
        let room = self.0.len() < MOST;
        if room {
            self.0.push_back(now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(40);

    #[test]
    fn a_heartbeat_without_an_answer_is_the_last() {
        let start = Instant::now();
        let mut heart = Heart::new(INTERVAL, 0.25, start);
        assert_eq!(heart.due(), start + Duration::from_secs(10));
        let now = heart.due();
        assert!(heart.beats(false, now));
        assert_eq!(heart.due(), now + INTERVAL);
        heart.answered();
        assert!(heart.beats(false, now + INTERVAL));
        assert!(!heart.beats(false, now + 2 * INTERVAL));
    }

    #[test]
    fn an_answer_that_cannot_be_seen_is_not_missing() {
        let now = Instant::now();
        let mut heart = Heart::new(INTERVAL, 0.0, now);
        assert!(heart.beats(false, now));
        heart.blind();
        assert!(heart.beats(true, now));
        assert!(heart.beats(false, now));
        assert!(!heart.beats(false, now), "it was looked for all the time");
    }

    #[test]
    fn a_minute_has_room_for_fewer_messages_than_discord_takes() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert!((0..MOST).all(|_| pace.takes(start)));
        assert!(!pace.takes(start + Duration::from_secs(59)));
        assert!(pace.takes(start + MINUTE));
    }
}
