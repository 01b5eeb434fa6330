//! What can go wrong in a call, and whether it may be asked again.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// The longest `Retry-After` that is believed; a server that names more is asked again after this.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(3600);

/// The longest excerpt of a server's answer kept in [`Error::detail`], in characters.
pub const DETAIL_CHARS: usize = 300;

/// Whether a call that failed may be made again. The decision of the retry is here, not in the reader of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// The server has not processed the call: make it again, after [`Error::retry_after`] when there is one.
    NotProcessed,
    /// The server may have processed the call: for talk and vision look into the history first; a GET may be repeated.
    Ambiguous,
    /// Repeating the call cannot help.
    Final,
    /// The token or the key was refused: wait for another one, then make the call again.
    Credentials,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection: DNS, TCP, TLS or a proxy's refusal. Nothing of the request was written.
    Connect,
    /// The request was written, and no response header came within `first_byte_timeout`.
    FirstByteTimeout,
    /// The whole exchange took longer than `total_timeout`.
    TotalTimeout,
    /// The connection broke after the request was (possibly) written, or in the middle of the answer.
    Interrupted,
    /// The answer is longer than `max_body_bytes`.
    BodyTooLarge,
    /// A 2xx whose body is not what the call answers with.
    BadResponse,
    /// 425 or 429.
    RateLimited,
    /// 408 or 5xx.
    Server,
    /// The account's access token was refused and could not be renewed, or there is none.
    TokenRejected,
    /// The token was refused, and renewing it failed for a passing reason.
    TokenRefresh,
    /// The chatbot's API key was refused (403).
    KeyRefused,
    /// A 3xx; redirects are never followed.
    Redirect,
    /// Any other 4xx.
    Rejected,
    /// An argument cannot be sent: nothing was asked.
    InvalidInput,
    /// The client itself could not be set up.
    Setup,
}

/// A failed call. Holds no secret: what the server said is an excerpt from which the token and the key are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: ErrorKind,
    pub class: RetryClass,
    /// What the server's `Retry-After` asks for, at most [`RETRY_AFTER_CAP`].
    pub retry_after: Option<Duration>,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// What the server or the connection said, at most [`DETAIL_CHARS`] characters without control characters.
    pub detail: String,
    /// The call's name: `talk`, `vision` …
    pub call: &'static str,
    /// Host and port of the base URL; empty when nothing was addressed yet.
    pub host: Arc<str>,
}

impl Error {
    /// An error that no server had a part in.
    pub(super) fn local(call: &'static str, kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            class: RetryClass::Final,
            retry_after: None,
            status: None,
            detail: clean(&detail.into()),
            call,
            host: Arc::from(""),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.kind, self.status) {
            (_, Some(status)) => return self.with_status(f, status),
            (ErrorKind::Connect, None) => "cannot connect to",
            (ErrorKind::FirstByteTimeout, None) => "no answer in time from",
            (ErrorKind::TotalTimeout, None) => "the call took too long with",
            (ErrorKind::Interrupted, None) => "connection lost to",
            (ErrorKind::TokenRejected, None) => "no usable access token for",
            (ErrorKind::TokenRefresh, None) => "the access token could not be renewed at",
            _ => return write!(f, "{}: {}", self.call, self.detail),
        };
        write!(f, "{}: {what} {}", self.call, self.host)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Error {
    /// The same for a person who has made no call and does not know its name.
    pub fn told(&self) -> String {
        let whole = self.to_string();
        whole.strip_prefix(self.call).and_then(|rest| rest.strip_prefix(": ")).map_or(whole.clone(), str::to_owned)
    }

    fn with_status(&self, f: &mut fmt::Formatter<'_>, status: u16) -> fmt::Result {
        write!(f, "{}: HTTP {status} from {}", self.call, self.host)?;
        let note = match self.kind {
            ErrorKind::TokenRejected => " (access token refused)",
            ErrorKind::TokenRefresh => " (while renewing the access token)",
            ErrorKind::KeyRefused => " (API key refused)",
            _ => "",
        };
        f.write_str(note)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

// No `source`: the errors underneath may carry URLs, and theirs may carry secrets.
impl std::error::Error for Error {}

/// The kind and class of an answer that is no success. A 401 has its own way and is refused here only when nothing
/// could be done about it.
pub(super) fn classify(status: StatusCode) -> (ErrorKind, RetryClass) {
    match status.as_u16() {
        300..=399 => (ErrorKind::Redirect, RetryClass::Final),
        401 => (ErrorKind::TokenRejected, RetryClass::Credentials),
        403 => (ErrorKind::KeyRefused, RetryClass::Credentials),
        // A proxy's own refusal: the request went no further.
        407 => (ErrorKind::Connect, RetryClass::NotProcessed),
        408 | 500..=599 => (ErrorKind::Server, RetryClass::Ambiguous),
        425 | 429 => (ErrorKind::RateLimited, RetryClass::NotProcessed),
        400..=499 => (ErrorKind::Rejected, RetryClass::Final),
        _ => (ErrorKind::BadResponse, RetryClass::Ambiguous),
    }
}

/// `Retry-After` as seconds or as an HTTP date (judged by the server's own `Date` where it sends one, so that a clock
/// that is off does not matter), capped; `None` when absent or unreadable.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        let capped = seconds.clamp(0.0, RETRY_AFTER_CAP.as_secs_f64());
        return (!seconds.is_nan() && seconds >= 0.0).then(|| Duration::from_secs_f64(capped));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = headers
        .get(DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default().min(RETRY_AFTER_CAP))
}

/// What an error body says: its `detail` when there is one, else an excerpt. `secrets` are cut out first, whole: a
/// server may well repeat the token it refuses.
pub(super) fn detail(body: &[u8], secrets: &[&str]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut fields)) => match fields.remove("detail") {
            Some(Value::String(detail)) => detail,
            Some(Value::Null) | None => Value::Object(fields).to_string(),
            Some(mut other) => {
                without_echo(&mut other);
                other.to_string()
            }
        },
        Ok(other) => other.to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    clean(&scrub(text, secrets))
}

/// Validation errors in a common form repeat what was sent; a person's words have no place in an error.
fn without_echo(detail: &mut Value) {
    if let Value::Array(items) = detail {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.remove("input");
        }
    }
}

pub(super) fn scrub(mut text: String, secrets: &[&str]) -> String {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, "[secret]");
        }
    }
    text
}

/// One line of at most [`DETAIL_CHARS`] characters: white space runs become one space, and what could forge or garble a
/// log line (control characters, line separators, writing direction overrides) is dropped.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(DETAIL_CHARS));
    let (mut count, mut gap) = (0, false);
    for c in text.chars() {
        if c.is_whitespace() {
            gap = count > 0;
            continue;
        }
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            continue;
        }
        if count + 1 + usize::from(gap) >= DETAIL_CHARS {
            line.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
            count += 1;
        }
        line.push(c);
        count += 1;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn after(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers =
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect();
        retry_after(&headers)
    }

    #[test]
    fn retry_after_takes_both_forms_and_is_capped() {
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(&[("retry-after", " 0 ")]), Some(Duration::ZERO));
        assert_eq!(after(&[("retry-after", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(after(&[("retry-after", "999999999999999999999999")]), Some(RETRY_AFTER_CAP));
        assert_eq!(after(&[("retry-after", "-3")]), None);
        assert_eq!(after(&[("retry-after", "NaN")]), None);
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[]), None);
        let date = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
        assert_eq!(after(&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(Duration::from_secs(30)));
        assert_eq!(after(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(after(&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]), Some(RETRY_AFTER_CAP));
    }

    #[test]
    fn detail_reads_every_form_of_an_error_body() {
        assert_eq!(detail(br#"{"detail":"no such uid"}"#, &[]), "no such uid");
        assert_eq!(detail(br#"{"detail":{"code":7}}"#, &[]), r#"{"code":7}"#);
        assert_eq!(detail(br#"{"error":"x","detail":null}"#, &[]), r#"{"error":"x"}"#);
        assert_eq!(
            detail(br#"{"detail":[{"msg":"too long","input":"my secret words"}]}"#, &[]),
            r#"[{"msg":"too long"}]"#
        );
        assert_eq!(
            detail(b"<html>\r\n  <h1>502\tBad Gateway</h1>\x1b[31m", &[]),
            "<html> <h1>502 Bad Gateway</h1>[31m"
        );
        assert_eq!(detail(b"\xff\xfe", &[]), "\u{fffd}\u{fffd}");
        assert_eq!(detail(b"", &[]), "");
    }

    #[test]
    fn detail_is_bounded_and_holds_no_secret() {
        let long = detail("é ".repeat(4000).as_bytes(), &[]);
        assert_eq!(long.chars().count(), DETAIL_CHARS);
        assert!(long.ends_with('…'));
        let body = format!("{} tok-123 {{\"detail\"", "x".repeat(290));
        assert!(!detail(body.as_bytes(), &["tok-123"]).contains("tok"));
        assert_eq!(detail(br#"{"detail":"bad key k\u002d1"}"#, &["k-1", ""]), "bad key [secret]");
    }

    #[test]
    fn every_status_has_its_class() {
        use RetryClass::*;
        for (status, class) in [
            (301, Final),
            (400, Final),
            (401, Credentials),
            (403, Credentials),
            (404, Final),
            (405, Final),
            (406, Final),
            (407, NotProcessed),
            (408, Ambiguous),
            (413, Final),
            (422, Final),
            (425, NotProcessed),
            (429, NotProcessed),
            (500, Ambiguous),
            (502, Ambiguous),
            (503, Ambiguous),
            (599, Ambiguous),
            (999, Ambiguous),
        ] {
            assert_eq!(classify(StatusCode::from_u16(status).unwrap()).1, class, "{status}");
        }
    }
}
