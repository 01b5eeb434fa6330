//! One request: whose it is, what goes wrong with it, what it is answered.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use caigunn_bridge::http::Connection;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::faults::Fault;
use super::params::Params;
use super::state::{Attempt, Inner, Shared};
use super::{files, methods};

/// An error as the Bot API writes it (<https://core.telegram.org/bots/api#making-requests>).
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    code: u16,
    description: String,
    parameters: Option<Value>,
}

impl Refusal {
    pub(super) fn new(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), parameters: None }
    }

    pub(super) fn retry_after(seconds: u64) -> Self {
        let parameters = Some(json!({ "retry_after": seconds }));
        Self { parameters, ..Self::new(429, &format!("Too Many Requests: retry after {seconds}")) }
    }

    pub(super) fn migrated(to: i64) -> Self {
        let parameters = Some(json!({ "migrate_to_chat_id": to }));
        Self { parameters, ..Self::new(400, "Bad Request: group chat was upgraded to a supergroup chat") }
    }

    fn answer(self) -> Answer {
        let mut body = json!({ "ok": false, "error_code": self.code, "description": self.description });
        if let Some(parameters) = self.parameters {
            body["parameters"] = parameters;
        }
        Answer { status: self.code, body: body.to_string(), json: true }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.answer().into_response()
    }
}

struct Answer {
    status: u16,
    body: String,
    json: bool,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = if self.json { "application/json" } else { "text/html" };
        let status = StatusCode::from_u16(self.status).unwrap();
        (status, [(CONTENT_TYPE, kind)], Body::from(self.body)).into_response()
    }
}

/// `/bot{token}/{method}` and `/file/bot{token}/{path}`; a path has slashes of its own.
pub(super) async fn entry(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (door, path) = door(request.uri().path());
    let parts = |start: &str| path.strip_prefix(start).and_then(|rest| rest.split_once('/'));
    if let Some((token, file)) = parts("/file/bot") {
        if let Err(refused) = shared.lock().admits(token) {
            return refused.into_response();
        }
        return files::download(&shared, &connection, door, file).await;
    }
    let Some((token, method)) = parts("/bot") else { return Refusal::new(404, "Not Found").into_response() };
    if let Err(refused) = shared.lock().admits(token) {
        return refused.into_response();
    }
    if request.method() != Method::POST {
        shared.lock().violation(format!("{method} by {}", request.method()));
    }
    match Params::read(request).await {
        Ok(params) => call(&shared, &connection, door, method.to_ascii_lowercase(), params).await,
        Err(refused) => refused.into_response(),
    }
}

/// The door in front of a path, and the rest.
fn door(path: &str) -> (usize, String) {
    let behind = path.strip_prefix("/door").and_then(|rest| rest.split_once('/'));
    match behind.and_then(|(door, rest)| Some((door.parse().ok()?, rest))) {
        Some((door, rest)) => (door, format!("/{rest}")),
        None => (0, path.to_owned()),
    }
}

async fn call(shared: &Arc<Shared>, connection: &Connection, door: usize, method: String, params: Params) -> Response {
    let chat = params.chat().ok();
    let text = ["text", "caption"].into_iter().find_map(|name| params.string(name).ok().flatten());
    let _open = chat.filter(|_| methods::SENDS.contains(&&*method)).map(|chat| Open::new(shared, chat));
    let (attempt, fault) = shared.lock().begin(door, &method, chat, text);
    match &fault {
        Some(Fault::Refuse(code, description)) => {
            return shared.end(attempt, Refusal::new(*code, description).answer());
        }
        Some(Fault::Answer(status, body)) => {
            return shared.end(attempt, Answer { status: *status, body: (*body).to_owned(), json: false });
        }
        Some(Fault::RetryAfter(seconds)) => {
            let refused = shared.lock().sends_to_rest(chat, *seconds);
            return shared.end(attempt, refused.answer());
        }
        Some(Fault::RetryAfterAll(seconds)) => {
            let refused = shared.lock().sends_to_rest(None, *seconds);
            return shared.end(attempt, refused.answer());
        }
        Some(Fault::Reset) => return cut(connection).await,
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Slow(wait)) => tokio::time::sleep(*wait).await,
        _ => {}
    }
    let mut answer = match methods::process(shared, &method, &params).await {
        Ok(result) => Answer { status: 200, body: format!("{{\"ok\":true,\"result\":{result}}}"), json: true },
        Err(refused) => refused.answer(),
    };
    match fault {
        Some(Fault::ProcessedThenReset) => return cut(connection).await,
        Some(Fault::ProcessedThenHang) => return std::future::pending().await,
        Some(Fault::Truncated) => {
            let half = (0..=answer.body.len() / 2).rev().find(|at| answer.body.is_char_boundary(*at));
            answer.body.truncate(half.unwrap());
        }
        _ => {}
    }
    shared.end(attempt, answer)
}

async fn cut(connection: &Connection) -> Response {
    connection.reset();
    std::future::pending().await
}

impl Shared {
    fn end(&self, attempt: usize, answer: Answer) -> Response {
        self.lock().attempts[attempt].status = answer.status;
        answer.into_response()
    }
}

impl Inner {
    /// A token that does not look like one is no path at all; another bot's is not ours.
    fn admits(&self, token: &str) -> Result<(), Refusal> {
        let looks_right = token
            .split_once(':')
            .is_some_and(|(id, secret)| id.parse::<u64>().is_ok_and(|id| id > 0) && !secret.is_empty());
        match looks_right {
            false => Err(Refusal::new(404, "Not Found")),
            true if token != self.token => Err(Refusal::new(401, "Unauthorized")),
            true => Ok(()),
        }
    }

    /// Writes a call down, and finds out what goes wrong with it.
    pub(super) fn begin(
        &mut self,
        door: usize,
        method: &str,
        chat: Option<i64>,
        text: Option<String>,
    ) -> (usize, Option<Fault>) {
        let attempt = Attempt { method: method.to_owned(), chat, text, status: 0, door, at: Instant::now() };
        let fault = self.fault(&attempt);
        self.attempts.push(attempt);
        (self.attempts.len() - 1, fault)
    }

    fn sends_to_rest(&mut self, chat: Option<i64>, seconds: u64) -> Refusal {
        self.traffic.rest(chat, seconds);
        Refusal::retry_after(seconds)
    }
}

/// A send that is worked on, until it is answered or the client goes.
struct Open<'a>(&'a Shared, i64);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared, chat: i64) -> Self {
        let mut inner = shared.lock();
        let open = inner.open.entry(chat).or_default();
        *open += 1;
        if *open > 1 {
            inner.overlaps += 1;
        }
        Self(shared, chat)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        let open = inner.open.get_mut(&self.1).unwrap();
        *open -= 1;
    }
}
