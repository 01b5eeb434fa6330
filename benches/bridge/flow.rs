//! What a platform's stand-in is told to do: chats that write again when they are answered, or all at once.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::Notify;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct Flow {
    /// Chats that wait for an answer, and since when.
    open: RefCell<HashMap<u64, VecDeque<Instant>>>,
    answered: RefCell<Vec<u32>>,
    /// While a chat that was answered writes again.
    until: Cell<Option<Instant>>,
    done: Notify,
}

impl Flow {
    /// A chat has written.
    pub(crate) fn wrote(&self, chat: u64) {
        self.open.borrow_mut().entry(chat).or_default().push_back(Instant::now());
    }

    /// An answer has come; whether the chat is to write again.
    pub(crate) fn take(&self, chat: u64) -> bool {
        let since = self.open.borrow_mut().get_mut(&chat).and_then(VecDeque::pop_front);
        let Some(since) = since else { return false };
        self.answered.borrow_mut().push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
        if self.until.get().is_some_and(|until| Instant::now() < until) {
            return true;
        }
        if self.open.borrow().values().all(VecDeque::is_empty) {
            self.done.notify_one();
        }
        false
    }

    /// `flow/<chats>/<milliseconds>`: each chat writes again when it was answered; tells the answers, the seconds, and two
    /// percentiles in microseconds. `burst/<chats>/<each>`: all at once; tells the milliseconds to the last answer. Chats are
    /// numbered from 1.
    pub(crate) async fn obey(&self, order: &str, write: impl Fn(u64)) -> Result<String> {
        let mut words = order.split('/');
        let flow = words.next() == Some("flow");
        let mut next = || words.next().context("a number")?.parse::<u64>().context("a number");
        let (chats, more) = (next()?, next()?);
        self.answered.borrow_mut().clear();
        self.open.borrow_mut().clear();
        let began = Instant::now();
        self.until.set(flow.then(|| began + Duration::from_millis(more)));
        for _ in 0..if flow { 1 } else { more } {
            (1..=chats).for_each(&write);
        }
        if tokio::time::timeout(PATIENCE + Duration::from_millis(more), self.done.notified()).await.is_err() {
            let open: usize = self.open.borrow().values().map(VecDeque::len).sum();
            return Ok(format!("{open} messages were never answered"));
        }
        let took = began.elapsed();
        if !flow {
            return Ok(took.as_millis().to_string());
        }
        let mut answered = self.answered.borrow_mut();
        answered.sort_unstable();
        let at = |share: usize| answered[(answered.len() - 1) * share / 100];
        Ok(format!("{} {} {} {}", answered.len(), took.as_secs_f64(), at(50), at(99)))
    }
}
