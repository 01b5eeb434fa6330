//! Calls of Discord's REST API (v10) over a client of our own, which keeps what the pipeline decides by: the status, Discord's
//! own code, `retry_after` and its scope, the limits told with every answer, and whether a call that failed can have arrived.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::channels::discord::config::DiscordConfig;
use crate::http::client::{LATE, Unanswered, body, client, unreadable, without_quoted};
use crate::model::Secret;

/// The largest answer that is read: a hundred messages of the largest kind stay below it.
const MAX_ANSWER: usize = 32 << 20;

/// How Discord wants clients to name themselves (<https://docs.discord.com/developers/reference#user-agent>).
pub(super) const USER_AGENT: &str =
    concat!("DiscordBot (https://github.com/caigunn/caigunn-bridge, ", env!("CARGO_PKG_VERSION"), ")");

/// How a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection: it cannot have arrived.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// Cut off, or no answer in time: it may have arrived.
    #[error("{0}")]
    Lost(String),
    /// Something answered that is not Discord's API: a proxy, a load balancer.
    #[error("answered with {status}: {what}")]
    Odd { status: u16, what: String },
    /// Too many calls.
    #[error("rate limited for {retry_after:?} ({scope})")]
    Limited { retry_after: Duration, scope: LimitScope },
    /// Discord says no. `code` is its own (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>).
    #[error("{message} ({status}, code {code})")]
    Refused { status: u16, code: u32, message: String, inner: Vec<String> },
}

/// Whose limit it is (<https://docs.discord.com/developers/topics/rate-limits#header-format>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// The bot's, for this route and chat.
    User,
    /// The bot's as a whole.
    Global,
    /// The chat's, whoever writes there.
    Shared,
}

impl std::fmt::Display for LimitScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "this route",
            Self::Global => "all calls",
            Self::Shared => "this chat",
        })
    }
}

impl CallError {
    /// Whether the bot's token is refused. Discord says 401 to a token of an interaction that has ended, too, with a code.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, code: 0, .. })
    }

    /// Discord's own code of a refusal.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// An answer, and for how long the same route must be left alone now.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub body: T,
    pub pause: Option<Duration>,
}

/// What a refusal says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    code: u32,
    message: String,
    errors: serde_json::Value,
    retry_after: Option<f64>,
    global: bool,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub method: Method,
    /// Below `/api/v10/`.
    pub path: &'a str,
    /// Interactions' tokens are in the path, and need no other.
    pub anonymous: bool,
}

impl<'a> Call<'a> {
    pub fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, anonymous: false }
    }

    pub fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    /// One whose path has a token of its own.
    pub fn anonymous(method: Method, path: &'a str) -> Self {
        Self { method, path, anonymous: true }
    }
}

/// Discord's API for one bot.
pub struct Api {
    base: String,
    token: Secret,
    proxy: Option<Secret>,
    timeout: Duration,
    client: OnceLock<Client>,
    /// Until when the bot as a whole is to make no calls.
    rests_until: Mutex<Option<Instant>>,
}

impl Api {
    pub fn new(config: &DiscordConfig) -> Self {
        Self {
            base: format!("{}/api/v10/", config.api_url),
            token: config.token.clone(),
            proxy: config.proxy.clone(),
            timeout: *config.timeout,
            client: OnceLock::new(),
            rests_until: Mutex::new(None),
        }
    }

    /// For how much longer the bot as a whole is to make no calls. Whoever met that limit, it is everybody's: what is called
    /// nevertheless is refused, and counted towards the ten thousand refusals after which Discord locks an address out.
    fn rest(&self) -> Option<Duration> {
        let left = (*self.rests_until())?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn rests_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Made when it is first needed.
    fn client(&self) -> Result<Client, CallError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let unmade = |error: &reqwest::Error| CallError::Connect(self.scrubbed(error.to_string()));
        let proxy = self.proxy.as_ref().map(Secret::expose);
        let client = client(USER_AGENT, proxy).map_err(|error| unmade(&error))?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Makes a call without a body.
    pub async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Answer<T>, CallError> {
        self.answer(self.request(&call)?).await
    }

    /// Makes a call with a JSON body.
    pub async fn ask_with<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        body: &B,
    ) -> Result<Answer<T>, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| CallError::Connect(error.to_string()))?;
        let request = self.request(&call)?.body(body);
        self.answer(request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))).await
    }

    /// Makes a call that carries files.
    pub async fn upload<T: DeserializeOwned>(&self, call: Call<'_>, form: Form) -> Result<Answer<T>, CallError> {
        self.answer(self.request(&call)?.multipart(form)).await
    }

    /// Begins to read a file from wherever Discord keeps it, without the token. A large one may take long: [`Api::piece`] has
    /// the timeout that a call has as a whole.
    pub async fn file(&self, url: &str) -> Result<Response, CallError> {
        let request = self.client()?.get(url).send();
        let response = tokio::time::timeout(self.timeout, request).await.map_err(|_| late())?;
        response.map_err(|error| self.lost(error))
    }

    /// The next piece of a file; `None` at its end.
    pub async fn piece(&self, file: &mut Response) -> Result<Option<Bytes>, CallError> {
        let piece = tokio::time::timeout(self.timeout, file.chunk()).await.map_err(|_| late())?;
        piece.map_err(|error| self.lost(error))
    }

    fn request(&self, call: &Call<'_>) -> Result<RequestBuilder, CallError> {
        let url = format!("{}{}", self.base, call.path);
        let request = self.client()?.request(call.method.clone(), url).timeout(self.timeout);
        // What works by a token of its own is not bound by the bot's limit.
        if call.anonymous {
            return Ok(request);
        }
        if let Some(retry_after) = self.rest() {
            return Err(CallError::Limited { retry_after, scope: LimitScope::Global });
        }
        let header = HeaderValue::from_str(&format!("Bot {}", self.token.expose()));
        let mut header = header.map_err(|_| CallError::Connect("the token is no text for a header".to_owned()))?;
        header.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, header))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Answer<T>, CallError> {
        let mut response = request.send().await.map_err(|error| self.lost(error))?;
        let status = response.status().as_u16();
        let Some(body) = body(&mut response, MAX_ANSWER).await.map_err(|error| self.lost(error))? else {
            return Err(CallError::Odd { status, what: format!("more than {MAX_ANSWER} bytes") });
        };
        if (200..300).contains(&status) {
            let json = if status == 204 { b"null" } else { body.as_slice() };
            let body = serde_json::from_slice(json)
                .map_err(|error| CallError::Odd { status, what: unreadable(&error, "Discord") })?;
            return Ok(Answer { body, pause: pause(response.headers()) });
        }
        Err(self.refused(status, response.headers(), &body))
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> CallError {
        let parsed = serde_json::from_slice::<ErrorBody>(body);
        if status == 429 {
            let body = parsed.unwrap_or_default();
            // The body is exact; the header is rounded up, and all there is from what stands before Discord.
            let seconds = body.retry_after.or_else(|| number(headers, "retry-after")).unwrap_or(NO_RETRY_AFTER);
            let scope = match text(headers, "x-ratelimit-scope") {
                _ if CHAT_LIMITS.contains(&body.code) => LimitScope::Shared,
                _ if body.global || headers.contains_key("x-ratelimit-global") => LimitScope::Global,
                Some("global") => LimitScope::Global,
                Some("shared") => LimitScope::Shared,
                Some(_) => LimitScope::User,
                // Not from Discord's API itself: the address is locked out.
                None => LimitScope::Global,
            };
            let retry_after = seconds_of(seconds);
            if scope == LimitScope::Global {
                let until = Some(Instant::now() + retry_after);
                let mut known = self.rests_until();
                *known = until.max(*known);
            }
            return CallError::Limited { retry_after, scope };
        }
        match parsed {
            Ok(body) => {
                let mut inner = Vec::new();
                codes(&body.errors, &mut inner);
                let message = without_quoted(&self.scrubbed(body.message));
                CallError::Refused { status, code: body.code, message, inner }
            }
            Err(error) => CallError::Odd { status, what: unreadable(&error, "Discord") },
        }
    }

    /// URLs hold tokens of interactions, so they never become part of an error.
    fn lost(&self, error: reqwest::Error) -> CallError {
        match Unanswered::of(error) {
            Unanswered::Connect(why) => CallError::Connect(self.scrubbed(why)),
            Unanswered::Late => late(),
            Unanswered::Lost(why) => CallError::Lost(self.scrubbed(why)),
        }
    }

    fn scrubbed(&self, text: String) -> String {
        let token = self.token.expose();
        if text.contains(token) { text.replace(token, "[token]") } else { text }
    }
}

fn late() -> CallError {
    CallError::Lost(LATE.to_owned())
}

/// Slow mode, and the pace of a channel and of a server: whatever the headers say, it is not about the bot.
const CHAT_LIMITS: [u32; 3] = [20016, 20028, 20029];

/// A pause where Discord names none, in seconds.
const NO_RETRY_AFTER: f64 = 5.0;

/// The longest pause that is believed.
const LONGEST: f64 = 24.0 * 60.0 * 60.0;

fn seconds_of(seconds: f64) -> Duration {
    let seconds = if seconds.is_finite() { seconds.clamp(0.0, LONGEST) } else { NO_RETRY_AFTER };
    Duration::from_secs_f64(seconds)
}

/// How long the route rests when this call was the last one that its window takes.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let left = text(headers, "x-ratelimit-remaining")?;
    (left == "0").then(|| number(headers, "x-ratelimit-reset-after").map(seconds_of)).flatten()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    text(headers, name)?.parse().ok()
}

/// The codes in the tree of what is wrong with a body, such as `REPLIES_UNKNOWN_MESSAGE`.
fn codes(errors: &serde_json::Value, into: &mut Vec<String>) {
    match errors {
        serde_json::Value::Object(map) => {
            if let Some(list) = map.get("_errors").and_then(serde_json::Value::as_array) {
                into.extend(list.iter().filter_map(|error| error["code"].as_str().map(str::to_owned)));
            }
            map.values().for_each(|value| codes(value, into));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| codes(value, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn api() -> Api {
        Api::new(&serde_json::from_value(serde_json::json!({ "token": "s.e.cret" })).unwrap())
    }

    #[test]
    fn a_limit_tells_how_long_and_whose() {
        let limited =
            |pairs: &[(&'static str, &str)], body: &str| match api().refused(429, &headers(pairs), body.as_bytes()) {
                CallError::Limited { retry_after, scope } => (retry_after.as_secs_f64(), scope),
                other => panic!("{other}"),
            };
        let body = r#"{"message": "x", "retry_after": 0.25, "global": false}"#;
        assert_eq!(limited(&[("x-ratelimit-scope", "user"), ("retry-after", "1")], body), (0.25, LimitScope::User));
        assert_eq!(limited(&[("x-ratelimit-scope", "shared")], body), (0.25, LimitScope::Shared));
        assert_eq!(limited(&[], r#"{"retry_after": 3, "global": true}"#), (3.0, LimitScope::Global));
        assert_eq!(limited(&[], r#"{"retry_after": 9, "code": 20016}"#), (9.0, LimitScope::Shared), "slow mode");
        assert_eq!(limited(&[("retry-after", "60")], "<html>"), (60.0, LimitScope::Global), "Cloudflare's");
        assert_eq!(limited(&[("x-ratelimit-scope", "user")], r#"{"retry_after": 1e300}"#).0, LONGEST);
    }

    #[test]
    fn the_last_call_of_a_window_pauses_its_route() {
        let of = |left: &str| pause(&headers(&[("x-ratelimit-remaining", left), ("x-ratelimit-reset-after", "1.5")]));
        assert_eq!((of("1"), of("0")), (None, Some(Duration::from_millis(1_500))));
        assert_eq!(pause(&headers(&[])), None);
    }

    #[test]
    fn a_refusal_keeps_every_code_and_no_token() {
        let body = r#"{"code": 50035, "message": "Invalid s.e.cret \"said\" Body", "errors": {"message_reference": {"_errors": [
            {"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}}}"#;
        let CallError::Refused { status: 400, code: 50035, message, inner } =
            api().refused(400, &headers(&[]), body.as_bytes())
        else {
            panic!("not refused")
        };
        assert_eq!(
            (message.as_str(), inner),
            ("Invalid [token] \"…\" Body", vec!["REPLIES_UNKNOWN_MESSAGE".to_owned()])
        );
        assert!(matches!(api().refused(502, &headers(&[]), b"<html>"), CallError::Odd { status: 502, .. }));
        let webhook = api().refused(401, &headers(&[]), br#"{"code": 50027, "message": "Invalid Webhook Token"}"#);
        assert!(!webhook.is_unauthorized());
        assert!(api().refused(401, &headers(&[]), br#"{"code": 0, "message": "401: Unauthorized"}"#).is_unauthorized());
    }
}
