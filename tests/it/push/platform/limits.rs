//! How the platform counts calls: at most so many of a scope within *any* time of a length.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use caigunn_bridge::model::capabilities::SendRate;

use super::super::pager::config::rates;
use super::super::pager::scopes;

#[derive(Default)]
pub(super) struct Limits {
    rates: Vec<SendRate>,
    counted: HashMap<(usize, String), VecDeque<Instant>>,
    violations: Vec<String>,
}

impl Limits {
    pub(super) fn set(&mut self, text: &str) {
        *self = Self { rates: rates(text).unwrap(), ..Self::default() };
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(super) fn count(&mut self, chat: &str) {
        let now = Instant::now();
        for (n, rate) in self.rates.iter().enumerate() {
            for scope in scopes(chat).into_iter().filter(|scope| scope.starts_with(&*rate.scope)) {
                let calls = self.counted.entry((n, scope)).or_default();
                while calls.front().is_some_and(|at| now - *at >= rate.per) {
                    calls.pop_front();
                }
                if calls.len() >= rate.calls as usize {
                    let early = rate.per - (now - calls[0]);
                    self.violations.push(format!("{chat}: {early:?} too early for {rate:?}"));
                }
                calls.push_back(now);
            }
        }
    }
}
