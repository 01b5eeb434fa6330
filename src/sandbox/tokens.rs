//! Access tokens: the configured one, those refreshed from it, and those added by hand.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::model::Secret;
use crate::model::hex::hex;

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    Valid,
    Expired,
    Unknown,
}

struct Token {
    since: Instant,
    expired: bool,
}

/// The tokens of one account.
///
/// A refreshed token is `<n>` and a checksum behind the configured one. So a sandbox that was restarted, and has
/// forgotten what it gave out, still knows its own tokens: a bridge that kept one across the restart goes on.
pub(super) struct Tokens {
    configured: Secret,
    known: HashMap<String, Token>,
    newest: u64,
    refuse_refresh: bool,
}

impl Tokens {
    pub(super) fn new(configured: Secret) -> Self {
        let known = HashMap::from([(configured.expose().to_owned(), Token { since: Instant::now(), expired: false })]);
        Self { configured, known, newest: 0, refuse_refresh: false }
    }

    pub(super) fn add(&mut self, token: &Secret) {
        self.known.insert(token.expose().to_owned(), Token { since: Instant::now(), expired: false });
    }

    /// Every token given out so far stops being valid.
    pub(super) fn expire_all(&mut self) {
        for token in self.known.values_mut() {
            token.expired = true;
        }
    }

    pub(super) fn refuse_refresh(&mut self, refuse: bool) {
        self.refuse_refresh = refuse;
    }

    pub(super) fn worth(&mut self, token: &str, ttl: Option<Duration>) -> Worth {
        if !self.known.contains_key(token) {
            match self.number_of(token) {
                // Given out before a restart: newer than anything this sandbox knows.
                Some(n) if n > self.newest => {
                    self.newest = n;
                    self.add(&Secret::new(token));
                }
                Some(_) => return Worth::Expired,
                None => return Worth::Unknown,
            }
        }
        match self.known.get(token) {
            None => Worth::Unknown,
            Some(token) if token.expired || ttl.is_some_and(|ttl| token.since.elapsed() >= ttl) => Worth::Expired,
            Some(_) => Worth::Valid,
        }
    }

    /// A new token for an old one; `None` when the refresh is refused.
    pub(super) fn refresh(
        &mut self,
        old: &str,
        ttl: Option<Duration>,
        old_dies: bool,
        expired_may: bool,
    ) -> Option<String> {
        let worth = self.worth(old, ttl);
        if self.refuse_refresh || worth == Worth::Unknown || (worth == Worth::Expired && !expired_may) {
            return None;
        }
        if old_dies && let Some(token) = self.known.get_mut(old) {
            token.expired = true;
        }
        self.newest += 1;
        let token = self.name_of(self.newest);
        self.add(&Secret::new(token.clone()));
        Some(token)
    }

    fn name_of(&self, n: u64) -> String {
        let sum = Sha256::digest(format!("{}/{n}", self.configured.expose()));
        format!("{}.{n}.{}", self.configured.expose(), hex(&sum[..4]))
    }

    fn number_of(&self, token: &str) -> Option<u64> {
        let (n, _) = token.strip_prefix(self.configured.expose())?.strip_prefix('.')?.split_once('.')?;
        let n = n.parse().ok()?;
        (self.name_of(n) == token).then_some(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refreshed_token_outlives_a_restart_and_a_made_up_one_does_not() {
        let mut first = Tokens::new(Secret::new("t"));
        let one = first.refresh("t", None, true, true).unwrap();
        let two = first.refresh(&one, None, true, true).unwrap();
        assert_eq!(first.worth(&one, None), Worth::Expired);
        let mut second = Tokens::new(Secret::new("t"));
        assert_eq!(second.worth(&two, None), Worth::Valid);
        assert_eq!(second.worth(&one, None), Worth::Expired);
        assert_eq!(second.worth("t.9.00000000", None), Worth::Unknown);
        assert_ne!(second.refresh(&two, None, true, true).unwrap(), two);
    }

    #[test]
    fn what_may_refresh_is_an_option() {
        let mut tokens = Tokens::new(Secret::new("t"));
        assert_eq!(tokens.refresh("other", None, true, true), None);
        tokens.expire_all();
        assert_eq!(tokens.worth("t", None), Worth::Expired);
        assert_eq!(tokens.refresh("t", None, true, false), None);
        let live = tokens.refresh("t", None, true, true).unwrap();
        let next = tokens.refresh(&live, None, false, true).unwrap();
        assert_eq!((tokens.worth(&live, None), tokens.worth(&next, None)), (Worth::Valid, Worth::Valid));
        assert_eq!(tokens.worth(&next, Some(Duration::ZERO)), Worth::Expired);
        tokens.refuse_refresh(true);
        assert_eq!(tokens.refresh(&next, None, true, true), None);
    }
}
