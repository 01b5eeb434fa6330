//! One call: the ask, and, when the token was refused, once more with a new one.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use reqwest::StatusCode;

use super::account::Account;
use super::ask::{Call, NO_TOKEN};
use super::error::{self, Error, ErrorKind, RetryClass};
use super::inner::{Inner, Token};

impl Account {
    /// Makes a call and returns the body of its 2xx.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Bytes, Error> {
        let inner = &self.inner;
        let mut renewed = false;
        loop {
            let token = inner.token.load_full();
            let rejection = inner.rejection.load(Ordering::Acquire);
            let reply = inner.send(call, &token).await?;
            if reply.status.is_success() {
                inner.worked(&token, rejection);
                return Ok(reply.body);
            }
            let refusal = inner.refusal(call, &token, &reply);
            if reply.status != StatusCode::UNAUTHORIZED {
                return Err(refusal);
            }
            if renewed || token.value.is_none() {
                return Err(inner.give_up(&token, refusal));
            }
            inner.renew(token.version, false).await.map_err(|error| Error { call: call.name, ..error })?;
            renewed = true;
        }
    }
}

impl Inner {
    /// A 401 that renewing did not help, or for which there is nothing to renew.
    fn give_up(&self, token: &Token, refusal: Error) -> Error {
        let mut control = self.lock();
        if self.token.load().version != token.version {
            // Renewed or configured anew while we asked: the refused one says nothing about it.
            return Error { kind: ErrorKind::TokenRefresh, class: RetryClass::NotProcessed, ..refusal };
        }
        if token.value.is_none() {
            return Error { detail: error::clean(&format!("{NO_TOKEN}. {}", refusal.detail)), ..refusal };
        }
        if token.worked.load(Ordering::Relaxed) {
            // Another bot is answered with this very token, so it is this one's key that is refused.
            return Error { kind: ErrorKind::KeyRefused, ..refusal };
        }
        self.reject(&mut control, self.hint("refused the access token although it was just renewed", &refusal));
        refusal
    }
}
