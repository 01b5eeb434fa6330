//! The platform's calls, as its documentation would have them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use caigunn_bridge::http::Connection;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::pager::config::MAX_TEXT;
use super::{Attempt, Delivered, Fault, Inner, Scripted, Shared};

type Platforms = State<Arc<Shared>>;

/// A status with a body that names the error.
#[derive(Debug)]
pub(super) struct Refusal(u16, Value);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::from_u16(self.0).unwrap(), Json(self.1)).into_response()
    }
}

fn refusal(status: u16, error: &str) -> Refusal {
    Refusal(status, json!({ "error": error }))
}

fn admitted(inner: &Inner, headers: &HeaderMap) -> Result<(), Refusal> {
    if inner.down {
        return Err(refusal(503, "down"));
    }
    match headers.get("authorization").and_then(|value| value.to_str().ok()) {
        Some(value) if value == format!("Bearer {}", inner.token) => Ok(()),
        _ => Err(refusal(401, "token")),
    }
}

pub(super) async fn me(State(shared): Platforms, headers: HeaderMap) -> Result<&'static str, Refusal> {
    admitted(&shared.lock(), &headers).map(|()| "pager")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Poll {
    after: String,
    hold_ms: u64,
}

/// Updates after a number; what comes up to it is acknowledged. Held for a while when there are none.
pub(super) async fn updates(
    State(shared): Platforms,
    Query(poll): Query<Poll>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Ok(after) = (if poll.after.is_empty() { Ok(0) } else { poll.after.parse::<u64>() }) else {
        return Err(refusal(400, "after"));
    };
    let until = tokio::time::Instant::now() + Duration::from_millis(poll.hold_ms);
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut inner = shared.lock();
            admitted(&inner, &headers)?;
            if inner.rival {
                return Err(refusal(409, "conflict"));
            }
            inner.acknowledged = inner.acknowledged.max(after);
            let skip = usize::try_from(after).unwrap();
            let updates: Vec<Value> = inner.updates.iter().skip(skip).take(50).cloned().collect();
            let over = tokio::time::Instant::now() >= until;
            if !inner.mute && (!updates.is_empty() || over) {
                return Ok(Json(json!({ "updates": updates })).into_response());
            }
        }
        let mute = shared.lock().mute;
        if mute {
            changed.await;
        } else {
            let _ = tokio::time::timeout_at(until, changed).await;
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    #[serde(default)]
    chat: Option<String>,
    #[serde(default)]
    reply: Option<String>,
    text: String,
    stars: bool,
    reply_to: Option<String>,
    nonce: String,
}

pub(super) async fn send(
    State(shared): Platforms,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Json(call): Json<Call>,
) -> Result<Response, Refusal> {
    let (chat, fault) = {
        let mut inner = shared.lock();
        let chat = match (&call.chat, &call.reply) {
            (Some(chat), None) => Some(chat.clone()),
            (None, Some(token)) => inner.replies.get(token).cloned().flatten(),
            _ => return Err(refusal(400, "address")),
        };
        let Some(chat) = chat else {
            inner.note("");
            return Err(refusal(404, "no_such_reply"));
        };
        if let Err(refused) = admitted(&inner, &headers) {
            inner.note(&chat);
            return Err(refused);
        }
        if !inner.open.insert(chat.clone()) {
            inner.overlaps += 1;
        }
        let fault = inner.fault(&chat, &call.text);
        (chat, fault)
    };
    let _open = Open(&shared, chat.clone());
    let (mut rest, mut reset, mut hang) = (0, false, false);
    match fault {
        None => {}
        Some(Fault::Slow(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Some(Fault::Rest(ms)) => rest = ms,
        Some(Fault::SentThenReset) => reset = true,
        Some(Fault::SentThenHang) => hang = true,
        Some(Fault::Reset) => {
            shared.lock().note(&chat);
            connection.reset();
            return std::future::pending().await;
        }
        Some(Fault::Hang) => {
            shared.lock().note(&chat);
            return std::future::pending().await;
        }
        Some(Fault::RateLimited { scope, ms }) => {
            shared.lock().note(&chat);
            return Err(Refusal(429, json!({ "error": "slow", "scope": scope, "retry_after_ms": ms })));
        }
        Some(Fault::Refuse(status, error)) => {
            shared.lock().note(&chat);
            return Err(refusal(status, error));
        }
        Some(Fault::Moved(to)) => {
            shared.lock().note(&chat);
            return Err(Refusal(409, json!({ "error": "moved", "to": to })));
        }
    }
    let delivered = shared.lock().deliver(&chat, &call);
    if hang {
        return std::future::pending().await;
    }
    match delivered {
        Ok(_) if reset => {
            connection.reset();
            Ok(StatusCode::OK.into_response())
        }
        Ok(id) => Ok(Json(json!({ "id": id, "rest_ms": rest })).into_response()),
        Err(error) => Err(refusal(400, error)),
    }
}

/// A call that the platform works on, until it answers or the client goes.
struct Open<'a>(&'a Shared, String);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().open.remove(&self.1);
    }
}

impl Inner {
    fn fault(&mut self, chat: &str, text: &str) -> Option<Fault> {
        let hits = |scripted: &Scripted| {
            scripted.chat.as_deref().is_none_or(|wanted| wanted == chat)
                && scripted.text.as_deref().is_none_or(|part| text.contains(part))
        };
        let place = self.script.iter().position(hits)?;
        let fault = self.script[place].fault.clone();
        match self.script[place].times {
            0 => {}
            1 => drop(self.script.remove(place)),
            _ => self.script[place].times -= 1,
        }
        Some(fault)
    }

    fn note(&mut self, chat: &str) {
        self.limits.count(chat);
        self.attempts.push(Attempt { chat: chat.to_owned(), at: Instant::now() });
    }

    fn deliver(&mut self, chat: &str, call: &Call) -> Result<String, &'static str> {
        let wrong = if call.text.is_empty() {
            Some("empty")
        } else if call.text.encode_utf16().count() > MAX_TEXT {
            Some("too_long")
        } else if call.stars && call.text.matches('*').count() % 2 == 1 {
            Some("markup")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.note(chat);
            return Err(wrong);
        }
        self.note(chat);
        if self.dedupes
            && let Some(id) = self.nonces.get(&call.nonce)
        {
            return Ok(id.clone());
        }
        let id = format!("p{}", self.delivered.len() + 1);
        self.nonces.insert(call.nonce.clone(), id.clone());
        self.delivered.push(Delivered {
            chat: chat.to_owned(),
            text: call.text.clone(),
            stars: call.stars,
            reply_to: call.reply_to.clone(),
            by_reply: call.reply.is_some(),
        });
        Ok(id)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    chat: String,
}

pub(super) async fn typing(
    State(shared): Platforms,
    headers: HeaderMap,
    Json(typing): Json<Typing>,
) -> Result<(), Refusal> {
    let mut inner = shared.lock();
    admitted(&inner, &headers)?;
    inner.typing.push((typing.chat, Instant::now()));
    Ok(())
}

/// The list of commands, as the platform shows it.
pub(super) async fn commands(State(shared): Platforms, headers: HeaderMap) -> Result<(), Refusal> {
    let mut inner = shared.lock();
    admitted(&inner, &headers)?;
    if inner.commands_fail > 0 {
        inner.commands_fail -= 1;
        return Err(refusal(500, "busy"));
    }
    inner.commands += 1;
    Ok(())
}

/// A link to a file: it works for a moment only.
pub(super) async fn link(
    State(shared): Platforms,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<String, Refusal> {
    let mut inner = shared.lock();
    admitted(&inner, &headers)?;
    inner.downloads.push(file.clone());
    if !inner.files.contains_key(&file) {
        return Err(refusal(404, "no_such_file"));
    }
    if inner.expiring > 0 {
        inner.expiring -= 1;
        return Ok("/download/expired".to_owned());
    }
    Ok(format!("/download/{file}"))
}

pub(super) async fn download(
    State(shared): Platforms,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Bytes, Refusal> {
    let inner = shared.lock();
    admitted(&inner, &headers)?;
    inner.files.get(&link).cloned().ok_or_else(|| refusal(410, "expired"))
}
