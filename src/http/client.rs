//! What clients of platforms' APIs have in common.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, redirect, retry};

/// How long establishing a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A client with a connection pool of its own. Nothing in it repeats a call, because whether it may be repeated is for the
/// pipeline to say; and nothing goes to another address than the one that was meant.
pub fn client(user_agent: &str, proxy: Option<&str>) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(user_agent)
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(64)
        .pool_idle_timeout(Duration::from_secs(55))
        .tcp_nodelay(true)
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(retry::never());
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy)?);
    }
    builder.build()
}

/// How a call failed that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// No connection: it cannot have arrived.
    Connect(String),
    /// No answer in time: it may have arrived.
    Late,
    /// Cut off: it may have arrived.
    Lost(String),
}

impl Unanswered {
    /// Without the URL, which may hold a token.
    pub fn of(error: reqwest::Error) -> Self {
        let (connect, timeout) = (error.is_connect(), error.is_timeout());
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        match (connect, timeout) {
            (true, _) => Self::Connect(cause.to_string()),
            (false, true) => Self::Late,
            (false, false) => Self::Lost(cause.to_string()),
        }
    }
}

/// How long a server asks to be left alone (RFC 9110): seconds, or a date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// What is said of a call that is late.
pub const LATE: &str = "no answer in time";

/// Reads the body of an answer; `None` if it is larger than `max` bytes.
pub async fn body(response: &mut Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What is wrong with an answer that is to be JSON of `whose`. The parser's own words repeat what it found there.
pub fn unreadable(error: &serde_json::Error, whose: &str) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "not what this call answers".to_owned(),
        serde_json::error::Category::Eof => "an answer that breaks off".to_owned(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("not what {whose} writes (no JSON)")
        }
    }
}

/// A refusal without what it quotes, which is a piece of what was sent ("Unsupported start tag "x" at byte offset 7"): people's
/// words and the chatbot's are for no log.
pub fn without_quoted(refusal: &str) -> String {
    let parts = refusal.split('"').enumerate();
    parts.map(|(n, part)| if n % 2 == 0 { part } else { "\"…\"" }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, RETRY_AFTER};

    use super::{retry_after, without_quoted};

    #[test]
    fn a_rest_is_asked_for_in_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now).map(|rest| rest.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0), "it is over");
        assert_eq!((read("soon"), read("-1"), retry_after(&HeaderMap::new(), now)), (None, None, None));
    }

    #[test]
    fn what_is_quoted_is_left_out() {
        let cut = |text: &str| without_quoted(text);
        assert_eq!(cut("Bad Request: chat not found"), "Bad Request: chat not found");
        assert_eq!(cut("expected \"</b>\", found \"</i>\""), "expected \"…\", found \"…\"");
        assert_eq!(cut("can't find end of \"my secret"), "can't find end of \"…\"");
    }
}
