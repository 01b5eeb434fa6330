//! A circuit breaker: after several failures in a row a bot's turns wait instead of failing one by one. Pure; the time is
//! passed in.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct BreakerRules {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open before one turn may try.
    pub open_for: Duration,
}

/// Whether a turn may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Exactly one may pass as a probe: call [`Breaker::probe`] when it does.
    Probe,
    /// Nobody before this.
    ClosedUntil(Instant),
    /// Nobody until something is reported.
    Closed,
}

#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    in_a_row: u32,
    closed_until: Option<Instant>,
    /// Since when a probe is under way.
    probing: bool,
    /// A `Retry-After` of the server: nobody passes before, though nothing is broken.
    held_until: Option<Instant>,
}

impl Breaker {
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules, in_a_row: 0, closed_until: None, probing: false, held_until: None }
    }

    pub fn gate(&self, now: Instant) -> Gate {
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return Gate::ClosedUntil(until);
        }
        match self.closed_until {
            None => Gate::Open,
            Some(until) if until > now => Gate::ClosedUntil(until),
            Some(_) if self.probing => Gate::Closed,
            Some(_) => Gate::Probe,
        }
    }

    /// A turn passed a [`Gate::Probe`].
    pub fn probe(&mut self) {
        self.probing = true;
    }

    /// A probe ended without having called (the turn was gone, say): another may try.
    pub fn probe_unused(&mut self) {
        self.probing = false;
    }

    /// The backend answered, be it with a refusal of the request. `true` if this closed the breaker.
    pub fn success(&mut self) -> bool {
        self.in_a_row = 0;
        self.probing = false;
        self.closed_until.take().is_some()
    }

    /// The backend did not answer, or with its own failure. `true` if this opened the breaker.
    pub fn failure(&mut self, now: Instant) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let was_closed = self.closed_until.is_none();
        if self.probing || self.in_a_row >= self.rules.failures {
            self.probing = false;
            self.closed_until = Some(now + self.rules.open_for);
            return was_closed;
        }
        false
    }

    /// The backend asked to be left alone for a while (429).
    pub fn hold(&mut self, until: Instant) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
        self.probing = false;
    }

    pub fn is_open(&self) -> bool {
        self.closed_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Breaker, BreakerRules, Gate};

    fn breaker() -> Breaker {
        Breaker::new(BreakerRules { failures: 3, open_for: Duration::from_secs(15) })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (mut breaker, now) = (breaker(), Instant::now());
        assert!(!breaker.failure(now) && !breaker.failure(now));
        assert!(!breaker.success(), "it was not open");
        assert!(!breaker.failure(now) && !breaker.failure(now));
        assert_eq!(breaker.gate(now), Gate::Open);
        assert!(breaker.failure(now), "the third in a row");
        assert_eq!(breaker.gate(now), Gate::ClosedUntil(now + Duration::from_secs(15)));
    }

    #[test]
    fn one_probe_decides() {
        let (mut breaker, now) = (breaker(), Instant::now());
        (0..3).for_each(|_| {
            breaker.failure(now);
        });
        let later = now + Duration::from_secs(15);
        assert_eq!(breaker.gate(later), Gate::Probe);
        breaker.probe();
        assert_eq!(breaker.gate(later), Gate::Closed, "a second one waits for the first");
        breaker.failure(later);
        assert_eq!(breaker.gate(later), Gate::ClosedUntil(later + Duration::from_secs(15)));
        breaker.probe();
        assert!(breaker.success(), "the probe closed it");
        assert_eq!(breaker.gate(later), Gate::Open);
    }

    #[test]
    fn a_hold_closes_without_a_failure() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.hold(now + Duration::from_secs(5));
        assert_eq!(breaker.gate(now), Gate::ClosedUntil(now + Duration::from_secs(5)));
        assert_eq!(breaker.gate(now + Duration::from_secs(5)), Gate::Open);
        assert!(!breaker.is_open());
    }
}
