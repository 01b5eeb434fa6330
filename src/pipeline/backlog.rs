//! Which rows are in memory and which only in the store.
//!
//! Normally every open row is in memory because its wake brought it. At start, and when memory was full, the store holds
//! rows that memory does not. Until those have been read, newly woken rows are left in the store as well: they are younger,
//! and taking them first would overtake.

/// Progress through the rows that are only in the store.
#[derive(Debug)]
pub(crate) struct Backlog {
    reading: bool,
    /// Where the reading began: what lies before was in memory by then, or its wake had not come.
    from: i64,
    after: i64,
    /// The youngest row that was woken while reading.
    skipped: i64,
}

impl Backlog {
    /// At start everything is in the store.
    pub(crate) fn at_start() -> Self {
        Self { reading: true, from: 0, after: 0, skipped: 0 }
    }

    /// Whether woken rows may be taken into memory.
    pub(crate) fn is_live(&self) -> bool {
        !self.reading
    }

    /// From now on rows after `after` are read from the store.
    pub(crate) fn fall_behind(&mut self, after: i64) {
        if self.reading {
            (self.from, self.after) = (self.from.min(after), self.after.min(after));
        } else {
            (self.from, self.after) = (after, after);
        }
        self.reading = true;
    }

    /// A woken row that was left in the store. Wakes may overtake each other: one from before the place where the reading
    /// began is in no page yet.
    pub(crate) fn skip(&mut self, seq: i64) {
        self.skipped = self.skipped.max(seq);
        if seq <= self.from {
            self.fall_behind(seq - 1);
        }
    }

    /// Where the next page begins.
    pub(crate) fn after(&self) -> i64 {
        self.after
    }

    /// The page after `read_after` was read: its last row, and whether it was full. Live again when it reached everything that
    /// was skipped. A page that was being read while older rows were found missing counts for nothing.
    pub(crate) fn page(&mut self, read_after: i64, last: Option<i64>, full: bool) {
        if self.after != read_after {
            return;
        }
        if let Some(last) = last {
            self.after = self.after.max(last);
        }
        if !full && self.skipped <= self.after {
            self.reading = false;
        } else if !full {
            // Committed after the page was read. A row that ended meanwhile never shows up, so what was skipped so far
            // counts as reached once a later page has been read.
            self.skipped = self.after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backlog;

    #[test]
    fn a_row_woken_between_the_page_and_its_arrival_is_read_again() {
        let mut backlog = Backlog::at_start();
        assert!(!backlog.is_live());
        backlog.skip(11);
        backlog.page(0, Some(10), false);
        assert!(!backlog.is_live(), "row 11 is only in the store");
        assert_eq!(backlog.after(), 10);
        backlog.page(10, Some(11), false);
        assert!(backlog.is_live());
    }

    #[test]
    fn a_skipped_row_that_ended_does_not_hold_the_backlog_open() {
        let mut backlog = Backlog::at_start();
        backlog.skip(11);
        backlog.page(0, Some(10), false);
        backlog.page(10, None, false);
        assert!(backlog.is_live());
    }

    #[test]
    fn a_wake_that_was_overtaken_is_read_from_its_own_place() {
        let mut backlog = Backlog::at_start();
        backlog.page(0, None, false);
        backlog.fall_behind(49);
        backlog.skip(50);
        backlog.skip(48);
        assert_eq!(backlog.after(), 47);
        backlog.page(47, Some(50), true);
        backlog.skip(49);
        assert_eq!(backlog.after(), 50, "that one was in the page");
    }

    #[test]
    fn a_page_does_not_pass_over_rows_that_were_missed_while_it_was_read() {
        let mut backlog = Backlog::at_start();
        backlog.page(0, Some(600), true);
        backlog.fall_behind(3);
        backlog.page(600, Some(900), false);
        assert!(!backlog.is_live());
        assert_eq!(backlog.after(), 3);
    }

    #[test]
    fn falling_behind_twice_reads_from_the_older_place() {
        let mut backlog = Backlog::at_start();
        backlog.page(0, None, false);
        backlog.fall_behind(50);
        backlog.fall_behind(0);
        assert_eq!(backlog.after(), 0);
        backlog.page(0, Some(40), true);
        assert!(!backlog.is_live());
    }
}
