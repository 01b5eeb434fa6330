//! A receiver that keeps failing: reported after a while, until it takes a call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// A receiver that is started anew is no news.
const REPORTED_AFTER: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Failing(Mutex<State>);

#[derive(Default)]
struct State {
    last_taken: Option<Timestamp>,
    since: Option<Timestamp>,
    /// What is reported.
    why: Option<String>,
}

/// What a failed call changes in what is to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    None,
    Begins,
    Changes,
}

impl Failing {
    /// A call has failed that was `first_tried` then, in this process or an earlier one.
    pub(super) fn failed(&self, why: &str, first_tried: Timestamp, now: Timestamp) -> News {
        let mut state = self.state();
        let earliest = state.last_taken.map_or(first_tried, |taken| taken.max(first_tried));
        let since = *state.since.get_or_insert(earliest);
        if now.since(since) < REPORTED_AFTER || state.why.as_deref() == Some(why) {
            return News::None;
        }
        let before = state.why.replace(why.to_owned());
        if before.is_none() { News::Begins } else { News::Changes }
    }

    /// A call was taken. Whether it was reported that none are.
    pub(super) fn taken(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        state.last_taken = Some(now);
        state.since = None;
        state.why.take().is_some()
    }

    /// The last status or error, if it is to be reported.
    pub(super) fn why(&self) -> Option<String> {
        self.state().why.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failing, News};
    use crate::model::Timestamp;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000)
    }

    #[test]
    fn a_minute_of_failures_is_reported_until_a_call_is_taken() {
        let failing = Failing::default();
        assert_eq!(failing.failed("500", at(100), at(100)), News::None);
        assert_eq!(failing.failed("500", at(159), at(159)), News::None);
        assert_eq!(failing.failed("500", at(160), at(160)), News::Begins);
        assert_eq!(failing.failed("500", at(161), at(161)), News::None);
        assert_eq!(failing.failed("404", at(162), at(162)), News::Changes);
        assert_eq!(failing.why().as_deref(), Some("404"));
        assert!(failing.taken(at(170)) && !failing.taken(at(171)));
        // A call that has long been waiting is no sign of a minute without success.
        assert_eq!(failing.failed("500", at(100), at(172)), News::None);
        assert_eq!(failing.failed("500", at(100), at(231)), News::Begins);
    }

    #[test]
    fn what_an_earlier_process_has_tried_counts() {
        assert_eq!(Failing::default().failed("500", at(100), at(160)), News::Begins);
    }
}
