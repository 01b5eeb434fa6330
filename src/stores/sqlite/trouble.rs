//! Changes that the store could not take of late, for health to tell.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::contract::store::{StoreError, Trouble};

/// A failure so long after the one before begins to count anew, and one so long ago is told no more.
const OF_LATE: Duration = Duration::from_secs(60);

struct Failures {
    count: u32,
    last: Instant,
    error: String,
}

#[derive(Default)]
pub(super) struct Troubles(Mutex<Option<Failures>>);

impl Troubles {
    /// Notes a failure that is the store's own, not the change's.
    pub(super) fn note(&self, error: &StoreError) {
        if !matches!(error, StoreError::Unavailable(_) | StoreError::MediaFull { .. }) {
            return;
        }
        metrics::counter!("bridge_store_failures_total").increment(1);
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = failures.take().filter(|before| before.last.elapsed() < OF_LATE).map_or(0, |before| before.count);
        *failures = Some(Failures { count: before + 1, last: Instant::now(), error: error.to_string() });
    }

    pub(super) fn of_late(&self) -> Option<Trouble> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = failures.as_ref().filter(|failures| failures.last.elapsed() < OF_LATE)?;
        let Failures { count, last, error } = failures;
        Some(Trouble { failures: *count, last: last.elapsed(), error: error.clone() })
    }
}
