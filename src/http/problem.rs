//! Errors on the wire: RFC 9457 problem details, with the codes of the error catalogue.

use std::borrow::Cow;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::model::error::{self, ErrorEntry};

/// The media type of every error this process answers with.
pub const PROBLEM_JSON: &str = "application/problem+json";
const TYPE_PREFIX: &str = "urn:caigunn-bridge:error:";

/// An error answer. `type` is `urn:caigunn-bridge:error:<code>`; `code`, `hint` and `retry_after` (seconds) are
/// extension members.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub title: &'static str,
    pub detail: Option<String>,
    pub hint: Option<Cow<'static, str>>,
    /// Also sent as the `Retry-After` header, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
    /// Further headers; boxed, so that `Result<_, Problem>` stays small.
    pub headers: Option<Box<HeaderMap>>,
}

impl Problem {
    pub fn new(entry: ErrorEntry) -> Self {
        Self {
            status: StatusCode::from_u16(entry.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: entry.code,
            title: entry.title,
            detail: None,
            hint: Some(entry.hint.into()),
            retry_after: None,
            headers: None,
        }
    }

    /// 400: the request could not be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(error::BAD_REQUEST).detail(detail)
    }

    /// 400: a header could not be read.
    pub fn bad_header(detail: impl Into<String>) -> Self {
        Self::bad_request(detail).hint("Compare the header with the API reference.")
    }

    /// 422: a field that could be read is not acceptable.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(error::INVALID).detail(detail)
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(error::NOT_FOUND)
    }

    /// 413; `detail` names the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(error::TOO_LARGE).detail(detail)
    }

    /// 429.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(error::RATE_LIMITED).retry_after(retry_after)
    }

    /// 503: nothing was stored.
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(error::UNAVAILABLE).retry_after(retry_after)
    }

    /// 500. The cause belongs in the log, never in the answer.
    pub fn internal() -> Self {
        Self::new(error::INTERNAL)
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Adds `Location`; a value that is no header value is left out.
    #[must_use]
    pub fn location(self, location: &str) -> Self {
        match HeaderValue::from_str(location) {
            Ok(value) => self.header(header::LOCATION, value),
            Err(_) => self,
        }
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// Whole seconds, rounded up: a client that waits exactly this long must not come too early.
fn seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after.map(seconds);
        let wire = Wire {
            kind: format!("{TYPE_PREFIX}{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
            retry_after,
        };
        // A struct of strings and numbers always serializes; an empty body would still carry the status.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        *headers = self.headers.map(|headers| *headers).unwrap_or_default();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        response
    }
}

impl From<ErrorEntry> for Problem {
    fn from(entry: ErrorEntry) -> Self {
        Self::new(entry)
    }
}

/// Makes unknown paths and wrong methods of `router` answer as problems (axum adds `Allow` to a 405).
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::new(error::METHOD_NOT_ALLOWED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_carries_its_code_and_both_forms_of_retry_after() {
        let problem = Problem::rate_limited(Duration::from_millis(1_200)).location("/v1/messages/1").detail("10 per s");
        let response = problem.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["location"], "/v1/messages/1");
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "urn:caigunn-bridge:error:rate_limited");
        assert_eq!(json["code"], "rate_limited");
        assert_eq!(json["status"], 429);
        assert_eq!(json["detail"], "10 per s");
        assert_eq!(json["retry_after"], 2);
        assert!(json["hint"].is_string());
    }
}
