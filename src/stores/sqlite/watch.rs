//! Who waits in this process: for the end of a turn, for news of a contact.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::contract::store::TurnWatch;
use crate::model::turn::{Outcome, Reason, TurnView};
use crate::model::{ContactId, TurnId};
use crate::stores::sqlite::reader::Readers;
use crate::stores::sqlite::rows;
use crate::stores::sqlite::tx::Effect;

#[derive(Default)]
struct State {
    /// Turns that this process opened and that have not ended: of these a waiter needs no look into the store.
    open: HashSet<TurnId>,
    turns: HashMap<TurnId, Vec<Waiter>>,
    contacts: HashMap<ContactId, watch::Sender<i64>>,
    /// When so many contacts are watched, those that nobody listens to any more are dropped.
    tidy_at: usize,
    next: u64,
}

struct Waiter {
    number: u64,
    sender: oneshot::Sender<Arc<TurnView>>,
}

#[derive(Default)]
pub(super) struct Registry(Mutex<State>);

impl Registry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a commit.
    pub(super) fn tell(&self, effects: impl Iterator<Item = Effect>) {
        let mut state = self.state();
        for effect in effects {
            match effect {
                Effect::Opened(id) => {
                    state.open.insert(id);
                }
                Effect::Ended(view) => {
                    state.open.remove(&view.id);
                    for waiter in state.turns.remove(&view.id).unwrap_or_default() {
                        // A waiter that has gone away is no loss.
                        let _ = waiter.sender.send(Arc::clone(&view));
                    }
                }
                Effect::Gone { channel, turns, calls } => count_gone(channel.as_str(), turns as u64, calls as u64),
                Effect::Said(contact, n) => {
                    if let Some(sender) = state.contacts.get(&contact)
                        && sender.send(n).is_err()
                    {
                        state.contacts.remove(&contact);
                    }
                }
            }
        }
    }

    /// How many wait for turns, for tests of leaks.
    pub(super) fn waiting(&self) -> usize {
        self.state().turns.values().map(Vec::len).sum()
    }

    /// Registered when this returns; the store is read, at most once, when the future is polled.
    pub(super) fn watch(self: &Arc<Self>, id: TurnId, readers: Arc<Readers>) -> TurnWatch {
        let (sender, receiver) = oneshot::channel();
        let (number, known_open) = {
            let mut state = self.state();
            state.next += 1;
            let number = state.next;
            state.turns.entry(id).or_default().push(Waiter { number, sender });
            (number, state.open.contains(&id))
        };
        let guard = Guard { registry: Arc::clone(self), id, number };
        Box::pin(wait(guard, receiver, known_open, readers))
    }

    pub(super) fn watch_contact(&self, contact: ContactId) -> watch::Receiver<i64> {
        let mut state = self.state();
        if state.contacts.len() >= state.tidy_at.max(64) {
            state.contacts.retain(|_, sender| sender.receiver_count() > 0);
            state.tidy_at = state.contacts.len() * 2;
        }
        state.contacts.entry(contact).or_insert_with(|| watch::channel(0).0).subscribe()
    }
}

/// Turns and calls that ended with their target are the store's to count: nobody else sees them end.
fn count_gone(channel: &str, turns: u64, calls: u64) {
    let (outcome, reason) = (Outcome::Dropped(Reason::TargetGone).as_str(), Reason::TargetGone.as_str());
    if turns > 0 {
        metrics::counter!("bridge_turns_total", "channel" => channel.to_owned(), "outcome" => outcome, "reason" => reason)
            .increment(turns);
    }
    if calls > 0 {
        metrics::counter!("bridge_sends_dropped_total", "channel" => channel.to_owned(), "reason" => reason)
            .increment(calls);
    }
}

async fn wait(
    guard: Guard,
    mut receiver: oneshot::Receiver<Arc<TurnView>>,
    known_open: bool,
    readers: Arc<Readers>,
) -> Arc<TurnView> {
    // It was registered before this look, so an end that the look does not see is told.
    if !known_open {
        loop {
            let id = guard.id;
            let look = readers.read(move |conn| rows::view(conn, id));
            tokio::select! {
                biased;
                Ok(view) = &mut receiver => return view,
                look = look => match look {
                    Ok(Some(view)) if view.state.has_ended() => return view,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::debug!(turn = %id, %error, "a turn that is waited for cannot be read");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
            }
        }
    }
    match receiver.await {
        Ok(view) => view,
        Err(_) => std::future::pending().await,
    }
}

/// Takes the waiter out of the registry when its future is dropped.
struct Guard {
    registry: Arc<Registry>,
    id: TurnId,
    number: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.registry.state();
        if let Some(waiters) = state.turns.get_mut(&self.id) {
            waiters.retain(|waiter| waiter.number != self.number);
            if waiters.is_empty() {
                state.turns.remove(&self.id);
            }
        }
    }
}
