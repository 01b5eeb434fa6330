//! Every call received, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The calls of the conversation part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    Refresh,
    Talk,
    Vision,
    Uids,
    Messages,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogOutcome {
    /// Not yet.
    Open,
    Answered,
    /// It was not as the API wants it.
    Refused,
    /// A fault hit it; see `fault`.
    Fault,
    /// The client went away before the answer.
    Disconnected,
}

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct LogEntry {
    /// Counts every call since the start, from 1.
    pub n: u64,
    /// Milliseconds since the start.
    pub at_ms: u64,
    pub call: Call,
    /// The name of the bot, never its key; none when the key was not known.
    pub bot: Option<Arc<str>>,
    pub uid: Option<String>,
    pub nickname: Option<String>,
    /// What the participant said, cut at 4 KiB.
    pub text: Option<String>,
    /// By its bytes: `png`, `jpeg`, `gif`, `tiff`.
    pub image_format: Option<&'static str>,
    pub image_bytes: Option<usize>,
    pub outcome: LogOutcome,
    /// The status that was sent, if one was.
    pub status: Option<u16>,
    /// The name of the fault that hit it.
    pub fault: Option<&'static str>,
    /// Whether the conversation has this turn (true later than the outcome when the client went away).
    pub processed: bool,
    pub duration_ms: Option<u64>,
}

const MAX_TEXT: usize = 4 * 1024;

struct Entries {
    list: VecDeque<LogEntry>,
    next: u64,
}

/// The log; it keeps the last `limit` calls.
pub(super) struct Log {
    start: Instant,
    limit: usize,
    entries: Mutex<Entries>,
}

/// What is known of a call when it has been read.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) bot: Option<Arc<str>>,
    pub(super) uid: Option<String>,
    pub(super) nickname: Option<String>,
    pub(super) text: Option<String>,
    pub(super) image: Option<(&'static str, usize)>,
}

impl Log {
    pub(super) fn new(limit: usize) -> Self {
        Self { start: Instant::now(), limit, entries: Mutex::new(Entries { list: VecDeque::new(), next: 1 }) }
    }

    pub(super) fn open(self: &Arc<Self>, call: Call, since: Instant, caller: &Caller) -> Ticket {
        let mut entries = self.entries();
        let n = entries.next;
        entries.next += 1;
        if self.limit > 0 {
            if entries.list.len() >= self.limit {
                entries.list.pop_front();
            }
            entries.list.push_back(LogEntry {
                n,
                at_ms: millis(since.duration_since(self.start)),
                call,
                bot: caller.bot.clone(),
                uid: caller.uid.clone(),
                nickname: caller.nickname.clone(),
                text: caller.text.as_deref().map(|text| text[..text.floor_char_boundary(MAX_TEXT)].to_owned()),
                image_format: caller.image.map(|(format, _)| format),
                image_bytes: caller.image.map(|(_, bytes)| bytes),
                outcome: LogOutcome::Open,
                status: None,
                fault: None,
                processed: false,
                duration_ms: None,
            });
        }
        Ticket { log: Arc::clone(self), n, since, ended: false }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, n: u64, change: impl FnOnce(&mut LogEntry)) {
        let mut entries = self.entries();
        let Some(first) = entries.list.front().map(|entry| entry.n) else { return };
        let Some(place) = n.checked_sub(first).and_then(|place| usize::try_from(place).ok()) else { return };
        if let Some(entry) = entries.list.get_mut(place) {
            change(entry);
        }
    }

    pub(super) fn processed(&self, n: u64) {
        self.change(n, |entry| entry.processed = true);
    }

    pub(super) fn snapshot(&self) -> Vec<LogEntry> {
        self.entries().list.iter().cloned().collect()
    }

    pub(super) fn received(&self) -> u64 {
        self.entries().next - 1
    }

    pub(super) fn clear(&self) {
        self.entries().list.clear();
    }
}

/// An open call. Dropped without an end (hyper drops the handler when the client goes), it is a disconnect.
pub(super) struct Ticket {
    log: Arc<Log>,
    pub(super) n: u64,
    since: Instant,
    ended: bool,
}

impl Ticket {
    pub(super) fn end(&mut self, outcome: LogOutcome, status: Option<u16>, fault: Option<&'static str>) {
        self.ended = true;
        let duration = millis(self.since.elapsed());
        self.log.change(self.n, |entry| {
            entry.outcome = outcome;
            entry.status = status;
            entry.fault = fault;
            entry.duration_ms = Some(duration);
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            self.end(LogOutcome::Disconnected, None, None);
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
