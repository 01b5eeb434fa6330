//! Keeps the calls of a channel within the rates that its platform publishes. Pure but for the wakes: time is passed in.
//!
//! A call takes a place in the window of each of its scopes when it is admitted, and the place is free again `per` after the
//! call has *ended*. The platform counts it at some moment in between, which nobody here knows: the first call may be slow on
//! its way and the second one quick. Counted from the admission, two calls could come closer together than they left; counted
//! from the end, each call that takes over a place reaches the platform at least `per` after the one that had it, so that even a
//! strict sliding window there sees at most `calls`. The price is the duration of a call, once per window. Only a call that we
//! stopped waiting for can still be counted later.
//!
//! Whoever waits takes its places in the order of the rates and keeps what it has. All do so in the same order, so nobody waits
//! in a circle; and a place that becomes free concerns the first in one queue, so that no call costs a search among the others.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::capabilities::SendRate;
use crate::model::outbound::Lane;

/// The windows of one channel.
pub(crate) struct Pace {
    rates: Vec<Rate>,
    tickets: u64,
}

struct Rate {
    scope: Cow<'static, str>,
    calls: usize,
    per: Duration,
    windows: HashMap<Arc<str>, Window>,
    /// When places of these windows become free, the next one first.
    leaving: VecDeque<(Instant, Arc<str>)>,
}

/// What one scope has used up. Without anything in it, it is forgotten.
#[derive(Default)]
struct Window {
    /// Places of calls that have not ended.
    held: usize,
    /// When the places of those that have ended become free.
    leaves: VecDeque<Instant>,
    queue: BTreeMap<Order, Arc<Notify>>,
}

/// Replies before bulk, then by arrival.
type Order = (Lane, u64);

/// A window: the number of its rate, and its scope.
type Name = (usize, Arc<str>);

/// The places that a call has.
#[derive(Default)]
pub(crate) struct Places(Vec<Name>);

/// Somebody who waits for places.
pub(crate) struct Waiter {
    needs: Vec<Name>,
    /// So many of `needs` it has.
    got: usize,
    order: Order,
    wake: Arc<Notify>,
}

impl Waiter {
    /// Told when to ask again.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Hands over what it has got at [`Step::Go`]. Nothing is left to wait for.
    pub(crate) fn places(&mut self) -> Places {
        self.got = 0;
        Places(std::mem::take(&mut self.needs))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has all its places.
    Go,
    /// Ask again then, or when woken.
    At(Instant),
    /// Ask again when woken.
    Later,
}

impl Pace {
    pub(crate) fn new(rates: &[SendRate]) -> Self {
        let rate = |rate: &SendRate| Rate {
            scope: rate.scope.clone(),
            // A rate of nothing would stop the channel for ever.
            calls: usize::try_from(rate.calls.max(1)).unwrap_or(usize::MAX),
            per: stretched(rate.per),
            windows: HashMap::new(),
            leaving: VecDeque::new(),
        };
        Self { rates: rates.iter().map(rate).collect(), tickets: 0 }
    }

    /// A place in the order of arrival.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Takes all places at once; `None` if one is not free, or somebody waits for it who goes first.
    pub(crate) fn try_take(&mut self, scopes: &[String], lane: Lane, now: Instant) -> Option<Places> {
        let needs = self.needs(scopes);
        for (n, scope) in &needs {
            let rate = &mut self.rates[*n];
            rate.forget(now);
            let Some(window) = rate.windows.get(scope) else { continue };
            let waited_for = window.queue.first_key_value().is_some_and(|((first, _), _)| *first <= lane);
            if waited_for || window.free(rate.calls) == 0 {
                return None;
            }
        }
        for (n, scope) in &needs {
            self.rates[*n].windows.entry(Arc::clone(scope)).or_default().held += 1;
        }
        Some(Places(needs))
    }

    /// Somebody who will wait for the places of these scopes; must be brought to [`Step::Go`] or [`leave`](Self::leave).
    pub(crate) fn waiter(&self, scopes: &[String], lane: Lane, ticket: u64) -> Waiter {
        Waiter { needs: self.needs(scopes), got: 0, order: (lane, ticket), wake: Arc::new(Notify::new()) }
    }

    /// Takes what is free of a waiter's places.
    pub(crate) fn step(&mut self, waiter: &mut Waiter, now: Instant) -> Step {
        while let Some((n, scope)) = waiter.needs.get(waiter.got) {
            let rate = &mut self.rates[*n];
            rate.forget(now);
            let window = rate.windows.entry(Arc::clone(scope)).or_default();
            let first = window.queue.first_key_value().is_none_or(|(order, _)| *order >= waiter.order);
            if first && window.free(rate.calls) > 0 {
                window.queue.remove(&waiter.order);
                window.held += 1;
                window.wake_first();
                waiter.got += 1;
                continue;
            }
            window.queue.entry(waiter.order).or_insert_with(|| Arc::clone(&waiter.wake));
            return match window.leaves.front() {
                Some(at) if first => Step::At(*at),
                _ => Step::Later,
            };
        }
        Step::Go
    }

    /// A waiter goes without having called.
    pub(crate) fn leave(&mut self, waiter: &mut Waiter, now: Instant) {
        if let Some((n, scope)) = waiter.needs.get(waiter.got)
            && let Some(window) = self.rates[*n].windows.get_mut(scope)
        {
            window.queue.remove(&waiter.order);
            window.wake_first();
            self.rates[*n].tidy(scope);
        }
        waiter.needs.truncate(waiter.got);
        self.end(waiter.places(), false, now);
    }

    /// A call has ended, or was not made: then its places are free at once.
    pub(crate) fn end(&mut self, places: Places, called: bool, now: Instant) {
        for (n, scope) in places.0 {
            let rate = &mut self.rates[n];
            rate.forget(now);
            let Some(window) = rate.windows.get_mut(&scope) else { continue };
            window.held = window.held.saturating_sub(1);
            if called {
                window.leaves.push_back(now + rate.per);
                rate.leaving.push_back((now + rate.per, Arc::clone(&scope)));
            }
            // Whoever is first can go, or knows by now when it can.
            window.wake_first();
            rate.tidy(&scope);
        }
    }

    /// The windows that calls of these scopes are counted in, in the order in which they are taken.
    fn needs(&self, scopes: &[String]) -> Vec<Name> {
        let mut needs = Vec::new();
        for (n, rate) in self.rates.iter().enumerate() {
            let from = needs.len();
            for scope in scopes.iter().filter(|scope| scope.starts_with(&*rate.scope)) {
                if needs[from..].iter().all(|(_, known): &Name| **known != **scope) {
                    needs.push((n, Arc::from(scope.as_str())));
                }
            }
            needs[from..].sort_unstable();
        }
        needs
    }
}

impl Rate {
    /// Frees the places whose time has come, and forgets the windows that are empty then.
    fn forget(&mut self, now: Instant) {
        while self.leaving.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, scope)) = self.leaving.pop_front() else { return };
            if let Some(window) = self.windows.get_mut(&scope) {
                window.leaves.pop_front();
            }
            self.tidy(&scope);
        }
    }

    fn tidy(&mut self, scope: &Arc<str>) {
        if self.windows.get(scope).is_some_and(Window::is_empty) {
            self.windows.remove(scope);
        }
    }
}

impl Window {
    fn free(&self, calls: usize) -> usize {
        calls.saturating_sub(self.held + self.leaves.len())
    }

    fn wake_first(&self) {
        if let Some((_, wake)) = self.queue.first_key_value() {
            wake.notify_one();
        }
    }

    fn is_empty(&self) -> bool {
        self.held == 0 && self.leaves.is_empty() && self.queue.is_empty()
    }
}

/// A hundredth longer: a platform's clock may run slower than ours, or tick in milliseconds.
fn stretched(per: Duration) -> Duration {
    per + per / 100
}

#[cfg(test)]
mod tests;
