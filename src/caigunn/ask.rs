//! One ask with one token, and the error of an answer that is not what was asked for.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, Url};

use super::body::{Payload, Progress, Tracked};
use super::error::{self, Error, ErrorKind, RetryClass};
use super::headers::{self, insert};
use super::http::{Failure, Reply};
use super::inner::{Inner, Token};

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

impl Inner {
    /// Asks once, with the token given.
    pub(super) async fn send(&self, call: &Call<'_>, token: &Token) -> Result<Reply, Error> {
        let mut request = Request::new(call.method.clone(), call.url.clone());
        let map = request.headers_mut();
        insert(map, &headers::TOKEN, token.value.as_ref());
        insert(map, &headers::KEY, call.key);
        insert(map, &headers::UID, call.uid.as_ref());
        let progress = call.payload.as_ref().map(|payload| {
            map.insert(CONTENT_TYPE, payload.content_type.clone());
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
