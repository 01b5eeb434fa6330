//! Reading what every call carries, and refusing what is not as documented.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::sandbox::history::Page;
use crate::sandbox::options::Settings;
use crate::sandbox::state::{Bot, State, lock};
use crate::sandbox::times;
use crate::sandbox::tokens::Worth;

const MAX_UID: usize = 256;

/// An error answer: `{"detail": "…"}`.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer(self.status, &json!({ "detail": self.detail }))
    }
}

pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A header that may be given once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Refusal::bad(format!("The header {name} is given twice.")));
    }
    let value = value.to_str().map_err(|_| Refusal::bad(format!("The header {name} is not plain ASCII.")))?.trim();
    Ok(Some(value).filter(|value| !value.is_empty()))
}

pub(super) fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    one(headers, "caigunn-access-token")?
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "The header caigunn-access-token is missing."))
}

/// Checks the access token, then finds the bot of the api key.
pub(super) fn bot(state: &State, headers: &HeaderMap) -> Result<Arc<Bot>, Refusal> {
    let settings = state.settings();
    if settings.require_token {
        match lock(&state.tokens).worth(token(headers)?, settings.token_ttl) {
            Worth::Valid => {}
            Worth::Expired => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "The access token has expired.")),
            Worth::Unknown => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "The access token is not valid.")),
        }
    }
    let key = one(headers, "api-key")?
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "The header api-key is missing."))?;
    match state.bots.get(key) {
        Some(bot) if !bot.revoked.load(Ordering::Relaxed) => Ok(Arc::clone(bot)),
        _ => Err(Refusal::new(StatusCode::FORBIDDEN, "The api key is not valid.")),
    }
}

pub(super) fn uid(headers: &HeaderMap) -> Result<String, Refusal> {
    let uid = one(headers, "uid")?.ok_or_else(|| Refusal::bad("The header uid is missing."))?;
    if uid.len() > MAX_UID {
        return Err(Refusal::bad(format!("The header uid is longer than {MAX_UID} characters.")));
    }
    Ok(uid.to_owned())
}

/// The media type without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = one(headers, "content-type")?.unwrap_or_default();
    Ok(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

pub(super) type Parameters = HashMap<String, String>;

pub(super) fn query(uri: &Uri) -> Result<Parameters, Refusal> {
    let Query(parameters) =
        Query::try_from_uri(uri).map_err(|error| Refusal::bad(format!("The query cannot be read: {error}")))?;
    Ok(parameters)
}

pub(super) fn page(parameters: &Parameters, settings: &Settings) -> Result<Page, Refusal> {
    // Entries may be stamped by a clock that is ahead; `now` is the same clock's.
    let now = times::now(settings.clock_skew_ms);
    let count = |name: &str, default: usize| match parameters.get(name).map(String::as_str) {
        None | Some("") => Ok(default),
        Some(text) => text.parse().map_err(|_| Refusal::bad(format!("{name} is not a number: {text}"))),
    };
    let bound = |name: &str, default: i64| match parameters.get(name).map(String::as_str) {
        None | Some("") => Ok(default),
        Some(text) => times::parse_bound(text, now).ok_or_else(|| Refusal::bad(format!("{name} is no time: {text}"))),
    };
    Ok(Page {
        offset: count("offset", 0)?,
        limit: count("limit", 30)?.min(settings.max_limit),
        start_at: bound("start_at", 0)?,
        end_at: bound("end_at", i64::MAX)?,
        newest_first: settings.newest_first,
    })
}
