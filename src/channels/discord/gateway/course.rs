//! What outlasts a connection: the session, and how soon another connection may be tried.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;

/// The pause after the first failure in a row, doubled with each further one.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// Before a connection that should come at once: shards that drop together do not come back in the same instant.
const AT_ONCE: Duration = Duration::from_millis(100);

/// After so long with a session all is well again.
const STABLE: Duration = Duration::from_secs(60);

/// The most failures that count after a connection that had its session, if not for long: pauses of 2 s at most. Discord is
/// there, and takes the session up again for nothing.
const FLAPPING: u32 = 3;

/// So many connections in a row fail to be made at the session's own address, and the general one is tried.
const UNREACHED: u32 = 2;

/// So many RESUMEs in a row end without an event or an answer, and the session is given up.
const FRUITLESS: u32 = 5;

#[derive(Default)]
pub(super) struct Course {
    pub(super) session: Option<Session>,
    /// When this connection was told that its session has begun or goes on.
    pub(super) logged_in: Option<Instant>,
    /// Whether an event came over this connection.
    pub(super) heard: bool,
    /// Whether this connection has sent a RESUME.
    pub(super) resumed: bool,
    failures: u32,
    unreached: u32,
    fruitless: u32,
}

impl Course {
    pub(super) fn new(session: Option<Session>) -> Self {
        Self { session, ..Self::default() }
    }

    /// A connection was made, or could not be.
    pub(super) fn reached(&mut self, reached: bool) {
        self.unreached = if reached { 0 } else { self.unreached + 1 };
    }

    /// Where the session wants to be taken up again; `None`: at the general address.
    pub(super) fn own_url(&self) -> Option<String> {
        let session = self.session.as_ref()?;
        (self.unreached < UNREACHED).then(|| session.url.to_string())
    }

    /// A connection has ended; answers the pause before the next. `unit` is a random number in `0.0..1.0`.
    pub(super) fn ended(&mut self, now: Instant, unit: f64) -> Duration {
        self.failures = match self.logged_in.take().map(|since| now.duration_since(since)) {
            Some(lived) if lived >= STABLE => 0,
            Some(_) => (self.failures + 1).min(FLAPPING),
            None => self.failures.saturating_add(1),
        };
        let heard = std::mem::take(&mut self.heard);
        // A connection that came to no RESUME says nothing about the session.
        if std::mem::take(&mut self.resumed) {
            self.fruitless = if heard { 0 } else { self.fruitless + 1 };
        }
        if self.fruitless >= FRUITLESS {
            self.fruitless = 0;
            self.session = None;
        }
        pause(self.failures, unit)
    }
}

fn pause(failures: u32, unit: f64) -> Duration {
    let Some(doubled) = failures.checked_sub(1) else { return AT_ONCE.mul_f64(unit) };
    let ceiling = PAUSE.saturating_mul(1 << doubled.min(20)).min(LONGEST);
    // Never nothing: a loop does not run hot.
    ceiling.mul_f64(unit).max(PAUSE / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        Course::new(Some(Session { id: "s".into(), url: "wss://own".into(), seq: 1 }))
    }

    #[test]
    fn pauses_double_while_nothing_works() {
        let mut course = course();
        let now = Instant::now();
        let pauses: Vec<_> = (0..9).map(|_| course.ended(now, 1.0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
        assert_eq!(pause(1, 0.0), Duration::from_millis(50));
        assert_eq!(pause(5, 0.5), Duration::from_secs(4));
    }

    #[test]
    fn a_session_that_lasted_comes_back_at_once_and_one_that_flaps_soon() {
        let mut course = course();
        let now = Instant::now();
        let mut lived = |seconds: u64| {
            course.logged_in = Some(now);
            course.ended(now + Duration::from_secs(seconds), 1.0)
        };
        assert_eq!(lived(3_600), AT_ONCE);
        let flapping: Vec<_> = (0..6).map(|_| lived(1).as_millis()).collect();
        assert_eq!(flapping, [500, 1000, 2000, 2000, 2000, 2000]);
        assert_eq!(lived(60), AT_ONCE);
        assert_eq!(course.ended(now, 1.0), PAUSE, "the attempt after that failed");
    }

    #[test]
    fn a_session_is_looked_for_at_its_own_address_first() {
        let mut course = course();
        assert_eq!(course.own_url().as_deref(), Some("wss://own"));
        course.reached(false);
        assert!(course.own_url().is_some());
        course.reached(false);
        assert_eq!(course.own_url(), None);
        course.reached(true);
        assert!(course.own_url().is_some());
        course.session = None;
        assert_eq!(course.own_url(), None);
    }

    #[test]
    fn a_session_that_nothing_comes_of_is_given_up() {
        let mut course = course();
        let now = Instant::now();
        let mut goes = |resumed, heard| {
            (course.resumed, course.heard) = (resumed, heard);
            course.ended(now, 0.0);
            course.session.is_some()
        };
        for heard in [false, false, true, false, false, false] {
            assert!(goes(true, heard));
        }
        assert!(goes(false, false), "nothing was tried");
        assert!(goes(true, false));
        assert!(!goes(true, false));
    }
}
