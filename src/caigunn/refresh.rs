//! Renewing the access token: one request at a time for the whole account.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::ask::{Call, NO_TOKEN};
use super::error::{Error, ErrorKind, RetryClass};
use super::headers::secret_header;
use super::http::Reply;
use super::inner::{AccountState, Flight, Inner, KeptToken, Refused, Token, TokenVersion};
use crate::model::Secret;

const NAME: &str = "token refresh";

/// A refusal is not asked again by calls for this long; a backlog of refused calls costs one request, not one each.
const REFUSAL_HOLDS: Duration = Duration::from_secs(30);

/// How long a new token waits to be kept before it is used all the same.
const SAVE_TIME: Duration = Duration::from_secs(5);

const FIRST_BACKOFF: Duration = Duration::from_secs(30);
const SLOW: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Renewed {
    token: Secret,
}

impl Inner {
    /// Renews the token unless it is another than `seen`; `again` asks even right after a refusal.
    pub(super) async fn renew(self: &Arc<Self>, seen: TokenVersion, again: bool) -> Result<(), Error> {
        let mut done = {
            let mut control = self.lock();
            let token = self.token.load_full();
            if token.version != seen {
                return Ok(());
            }
            match &control.flight {
                Some(flight) if flight.version == seen && flight.done.has_changed().is_ok() => flight.done.clone(),
                _ => {
                    if let Some(refused) = &control.refused
                        && refused.version == seen
                        && !again
                        && refused.at.elapsed() < REFUSAL_HOLDS
                    {
                        return Err(refused.error.clone());
                    }
                    let (result, done) = watch::channel(None);
                    control.flight = Some(Flight { version: seen, done: done.clone() });
                    let inner = Arc::clone(self);
                    // A task of its own: a server may drop the old token when it hands out the new one, so the answer
                    // is kept even when every caller has stopped waiting.
                    tokio::spawn(async move {
                        let renewed = inner.fly(&token).await;
                        result.send_replace(Some(renewed));
                    });
                    done
                }
            }
        };
        let result = done.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        result.unwrap_or_else(|| Err(self.passing(None, "the refresh was interrupted")))
    }

    async fn fly(&self, token: &Token) -> Result<(), Error> {
        if token.value.is_none() {
            let error = Error::local(NAME, ErrorKind::TokenRejected, NO_TOKEN);
            return Err(Error { class: RetryClass::Credentials, host: Arc::clone(&self.host), ..error });
        }
        let url = self.refresh_url.clone();
        let call = Call { name: NAME, method: Method::GET, url, key: None, uid: None, payload: None };
        let reply = match self.send(&call, token).await {
            Ok(reply) => reply,
            Err(error) => return self.unless_changed(token, self.passing(Some(&error), &error.detail)),
        };
        if reply.status.is_success() {
            return match read(&reply) {
                Ok(value) => {
                    self.adopt(token, value).await;
                    Ok(())
                }
                // Nothing of that body is shown: it may well hold the token under another name.
                Err(what) => {
                    let error =
                        self.error(NAME, ErrorKind::TokenRefresh, RetryClass::NotProcessed, &reply, what.into());
                    self.unless_changed(token, error)
                }
            };
        }
        let refusal = self.refusal(&call, token, &reply);
        if !matches!(reply.status.as_u16(), 400..=499) || matches!(reply.status.as_u16(), 407 | 408 | 425 | 429) {
            return self.unless_changed(token, self.passing(Some(&refusal), &refusal.detail));
        }
        let error = Error { kind: ErrorKind::TokenRejected, class: RetryClass::Credentials, ..refusal };
        let mut control = self.lock();
        if self.token.load().version != token.version {
            return Ok(());
        }
        control.refused = Some(Refused { version: token.version, at: Instant::now(), error: error.clone() });
        self.reject(&mut control, self.hint("refused to renew the access token", &error));
        Err(error)
    }

    /// Keeps the new token, then puts it into use: in this order, so that a crash in between loses as little as can be.
    async fn adopt(&self, old: &Token, value: HeaderValue) {
        let kept = KeptToken {
            token: Secret::new(value.to_str().unwrap_or_default()),
            descends_from: old.descends_from.to_string(),
        };
        let problem = match timeout(SAVE_TIME, self.keep.save(&self.name, &kept)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("saving took too long".to_owned()),
        };
        if let Some(error) = problem {
            tracing::warn!(account = &*self.name, error, "the refreshed access token is in use but not saved");
        }
        let mut control = self.lock();
        if self.token.load().version == old.version {
            self.install(&mut control, value, Arc::clone(&old.descends_from));
            tracing::info!(account = &*self.name, "access token refreshed");
        }
    }

    /// A failed refresh does not matter to anyone when the token has changed meanwhile.
    fn unless_changed(&self, token: &Token, error: Error) -> Result<(), Error> {
        if self.token.load().version == token.version { Err(error) } else { Ok(()) }
    }

    /// A refresh that failed for a passing reason: what was refused for want of it was not processed.
    fn passing(&self, cause: Option<&Error>, detail: &str) -> Error {
        Error {
            kind: ErrorKind::TokenRefresh,
            class: RetryClass::NotProcessed,
            retry_after: cause.and_then(|cause| cause.retry_after),
            status: cause.and_then(|cause| cause.status),
            host: Arc::clone(&self.host),
            ..Error::local(NAME, ErrorKind::TokenRefresh, detail)
        }
    }

    pub(super) async fn keep_fresh(self: Arc<Self>, every: Duration, jitter: f64) {
        let spread = |wait: Duration| {
            let seconds = wait.as_secs_f64() * (1.0 + jitter * (2.0 * fastrand::f64() - 1.0));
            Duration::try_from_secs_f64(seconds).unwrap_or(wait)
        };
        let mut wait = spread(every / 24);
        let mut failures = 0;
        loop {
            let version = self.token.load().version;
            sleep(wait).await;
            if *self.state.borrow() == AccountState::NoToken {
                let mut state = self.state.subscribe();
                if state.wait_for(|state| *state != AccountState::NoToken).await.is_err() {
                    return;
                }
            } else if self.token.load().version == version {
                match self.renew(version, true).await {
                    Ok(()) => failures = 0,
                    Err(error) if error.class == RetryClass::Credentials => {
                        tracing::warn!(account = &*self.name, %error, "the access token is refused");
                        failures = 0;
                        wait = spread(every.min(SLOW));
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(account = &*self.name, %error, "the access token could not be renewed; trying again");
                        let backoff = FIRST_BACKOFF.saturating_mul(1 << failures).min(SLOW).min(every);
                        failures = (failures + 1).min(8);
                        // Half of it at least, the rest at random.
                        wait = error.retry_after.unwrap_or_default().max(backoff.mul_f64(0.5 + fastrand::f64() / 2.0));
                        continue;
                    }
                }
            }
            wait = spread(every);
        }
    }
}

fn read(reply: &Reply) -> Result<HeaderValue, &'static str> {
    let renewed: Renewed = serde_json::from_slice(&reply.body).map_err(|_| "the answer holds no `token`")?;
    secret_header(NAME, "new access token", &renewed.token).map_err(|_| "the new token cannot stand in a header")
}
