//! One call: the ask, and, when the token was refused, once more with a new one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, StatusCode, Url};

use super::account::{Account, Inner, Token};
use super::body::{Payload, Progress, Tracked};
use super::error::{self, Error, ErrorKind, RetryClass};
use super::http::{Failure, Reply};

static TOKEN: HeaderName = HeaderName::from_static("caigunn-access-token");
static KEY: HeaderName = HeaderName::from_static("api-key");
static UID: HeaderName = HeaderName::from_static("uid");

pub(super) const NO_TOKEN: &str = "the server wants an access token and none is configured: \
     get one from your CaiGunn account and configure it";

/// What is asked; everything but the token.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) key: Option<&'a HeaderValue>,
    pub(super) uid: Option<HeaderValue>,
    pub(super) payload: Option<Payload>,
}

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
    /// Asks once, with the token given.
    pub(super) async fn send(&self, call: &Call<'_>, token: &Token) -> Result<Reply, Error> {
        let mut request = Request::new(call.method.clone(), call.url.clone());
        let headers = request.headers_mut();
        insert(headers, &TOKEN, token.value.as_ref());
        insert(headers, &KEY, call.key);
        insert(headers, &UID, call.uid.as_ref());
        let progress = call.payload.as_ref().map(|payload| {
            headers.insert(CONTENT_TYPE, payload.content_type.clone());
            Arc::new(Progress::default())
        });
        if let (Some(payload), Some(progress)) = (&call.payload, &progress) {
            *request.body_mut() = Some(Body::wrap(Tracked::new(payload.clone(), Arc::clone(progress))));
        }
        let failed = |failure: Failure| Error {
            kind: failure.kind,
            class: failure.class,
            retry_after: None,
            status: failure.status.map(|status| status.as_u16()),
            detail: error::clean(&error::scrub(failure.detail, &self.secrets(call, token))),
            call: call.name,
            host: Arc::clone(&self.host),
        };
        self.http.exchange(&self.client, request, progress.as_deref()).await.map_err(failed)
    }

    /// What an error must not repeat.
    fn secrets<'a>(&'a self, call: &Call<'a>, token: &'a Token) -> Vec<&'a str> {
        let sent = [token.value.as_ref(), call.key].into_iter().flatten().filter_map(|value| value.to_str().ok());
        sent.chain(self.http.hidden().iter().map(String::as_str)).collect()
    }

    /// The error of an answer that is no 2xx.
    pub(super) fn refusal(&self, call: &Call<'_>, token: &Token, reply: &Reply) -> Error {
        let (kind, class) = error::classify(reply.status);
        let mut detail = error::detail(&reply.body, &self.secrets(call, token));
        if kind == ErrorKind::Redirect {
            detail = error::clean(&format!("redirects are not followed; check the base URL. {detail}"));
        }
        self.error(call.name, kind, class, reply, detail)
    }

    /// The error of a 2xx that cannot be read.
    pub(super) fn unreadable(&self, call: &'static str, detail: impl Into<String>) -> Error {
        Error {
            kind: ErrorKind::BadResponse,
            class: RetryClass::Ambiguous,
            host: Arc::clone(&self.host),
            ..Error::local(call, ErrorKind::BadResponse, detail)
        }
    }

    pub(super) fn error(
        &self,
        call: &'static str,
        kind: ErrorKind,
        class: RetryClass,
        reply: &Reply,
        detail: String,
    ) -> Error {
        let (retry_after, status) = (reply.retry_after, Some(reply.status.as_u16()));
        Error { kind, class, retry_after, status, detail, call, host: Arc::clone(&self.host) }
    }

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

    /// What to do about a refused token.
    pub(super) fn hint(&self, what: &str, refusal: &Error) -> String {
        let status = refusal.status.unwrap_or_default();
        let said = if refusal.detail.is_empty() { String::new() } else { format!(": {}", refusal.detail) };
        format!(
            "{} {what} (HTTP {status}{said}). Get a new access token from your CaiGunn account and configure it.",
            self.host
        )
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name.clone(), value.clone());
    }
}
