//! What to do after a failed attempt. Pure.

use std::time::Duration;

/// Exponential backoff with full jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub min: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The delay before attempt `attempt + 1`; `unit` is a random number in `0.0..1.0`. At least a tenth of `min`, so that
    /// a loop never runs hot.
    pub fn delay(&self, attempt: u32, unit: f64) -> Duration {
        let ceiling = self.min.saturating_mul(1u32.checked_shl(attempt.min(30)).unwrap_or(u32::MAX)).min(self.max);
        ceiling.mul_f64(unit.clamp(0.0, 1.0)).max(self.min / 10)
    }
}

/// How long attempts go on.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub backoff: Backoff,
    /// Time spent on attempts and the waits between them after which a turn is given up.
    pub give_up_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after the delay; `spent` is what to add to the account.
    Again {
        delay: Duration,
        spent: Duration,
    },
    GiveUp,
}

impl Patience {
    /// After an attempt that took `took`, with `spent` so far. A server's `Retry-After` is a floor for the delay.
    pub fn next(
        &self,
        attempts: u32,
        spent: Duration,
        took: Duration,
        retry_after: Option<Duration>,
        unit: f64,
    ) -> Next {
        let delay = self.backoff.delay(attempts, unit).max(retry_after.unwrap_or_default());
        if spent + took >= self.give_up_after {
            return Next::GiveUp;
        }
        // A delay beyond the end is shortened, so that the last attempt is made when patience ends, not after.
        let left = self.give_up_after.saturating_sub(spent + took);
        let delay = if retry_after.is_some() { delay } else { delay.min(left) };
        Next::Again { delay, spent: took + delay }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Next, Patience};

    const PATIENCE: Patience = Patience {
        backoff: Backoff { min: Duration::from_millis(500), max: Duration::from_secs(60) },
        give_up_after: Duration::from_secs(900),
    };

    #[test]
    fn delays_double_up_to_the_maximum_and_are_never_zero() {
        let delay = |attempt, unit| PATIENCE.backoff.delay(attempt, unit);
        assert_eq!(delay(0, 1.0), Duration::from_millis(500));
        assert_eq!(delay(3, 1.0), Duration::from_secs(4));
        assert_eq!(delay(3, 0.5), Duration::from_secs(2));
        assert_eq!(delay(200, 1.0), Duration::from_secs(60));
        assert_eq!(delay(0, 0.0), Duration::from_millis(50));
    }

    #[test]
    fn retry_after_is_a_floor() {
        let next = PATIENCE.next(0, Duration::ZERO, Duration::ZERO, Some(Duration::from_secs(7)), 0.0);
        assert_eq!(next, Next::Again { delay: Duration::from_secs(7), spent: Duration::from_secs(7) });
    }

    #[test]
    fn patience_ends_and_the_last_wait_does_not_reach_beyond_it() {
        let at = |spent| PATIENCE.next(9, Duration::from_secs(spent), Duration::ZERO, None, 1.0);
        assert_eq!(at(890), Next::Again { delay: Duration::from_secs(10), spent: Duration::from_secs(10) });
        assert_eq!(at(900), Next::GiveUp);
    }
}
