//! One call from the moment it has been read: log, fault, work, fault, answer.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::sandbox::fault::Fault;
use crate::sandbox::log::{Call, Caller, LogOutcome, Ticket};
use crate::sandbox::state::State;
use crate::sandbox::wire::{Refusal, answer};

/// Between the first half of an answer and the reset: a reset discards what the client has not read yet.
const HALF_WAY: Duration = Duration::from_millis(30);
static FILLING: [u8; 16 * 1024] = [b'x'; 16 * 1024];

/// How the work of a call is to be done.
pub(super) struct Order {
    pub(super) latency: Duration,
    pub(super) empty: bool,
}

/// A call that could not be read.
pub(super) fn refuse(state: &Arc<State>, call: Call, since: Instant, caller: &Caller, refusal: Refusal) -> Response {
    let mut ticket = state.log.open(call, since, caller);
    ticket.end(LogOutcome::Refused, Some(refusal.status.as_u16()), None);
    refusal.into_response()
}

/// Carries a call out, as its fate has it.
pub(super) async fn conduct<W, F>(
    state: Arc<State>,
    connection: Connection,
    call: Call,
    since: Instant,
    caller: Caller,
    work: W,
) -> Response
where
    W: FnOnce(Caller, Order) -> F,
    F: Future<Output = Result<Value, Refusal>> + Send + 'static,
{
    let mut ticket = state.log.open(call, since, &caller);
    let _flight = state.enter();
    let fate = state.fate(call, &caller);
    let fault = fate.fault;
    if let Some(Fault::Delay { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.processes()) {
        return suffer(fault, Value::Null, ticket, connection).await;
    }

    let order = Order { latency: fate.latency, empty: matches!(fault, Some(Fault::EmptyText)) };
    let work = work(caller, order);
    let (log, n) = (Arc::clone(&state.log), ticket.n);
    // A task of its own: the client's going drops this handler, but not the work.
    let done = tokio::spawn(async move {
        let done = work.await;
        if done.is_ok() && matches!(call, Call::Talk | Call::Vision) {
            log.processed(n);
        }
        done
    });
    let body = match done.await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => {
            ticket.end(LogOutcome::Refused, Some(refusal.status.as_u16()), None);
            return refusal.into_response();
        }
        Err(error) => {
            tracing::error!(%error, "the sandbox could not carry a call out");
            ticket.end(LogOutcome::Refused, Some(500), None);
            return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response();
        }
    };
    match fault {
        None => {
            ticket.end(LogOutcome::Answered, Some(200), None);
            answer(StatusCode::OK, &body)
        }
        Some(fault) => suffer(&fault, body, ticket, connection).await,
    }
}

/// The fault instead of the answer `body`.
async fn suffer(fault: &Fault, body: Value, mut ticket: Ticket, connection: Connection) -> Response {
    let mut end = |status: Option<u16>| ticket.end(LogOutcome::Fault, status, Some(fault.name()));
    match fault {
        Fault::Status { status, body, content_type, retry_after, .. } => {
            end(Some(*status));
            status_answer(*status, body.as_deref(), content_type.as_deref(), retry_after.as_deref())
        }
        Fault::Html502 => {
            end(Some(502));
            let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                        Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
            status_answer(502, Some(page), Some("text/html"), None)
        }
        Fault::Hang | Fault::ProcessThenHang => {
            end(None);
            std::future::pending().await
        }
        Fault::Reset | Fault::ProcessThenReset => {
            end(None);
            connection.reset();
            std::future::pending().await
        }
        Fault::ResetMidBody => {
            end(Some(200));
            let body = Bytes::from(body.to_string());
            let length = body.len();
            let half = body.slice(..length / 2);
            let parts = stream::unfold(Some(half), move |half| {
                let connection = connection.clone();
                async move {
                    if let Some(half) = half {
                        return Some((Ok::<_, io::Error>(half), None));
                    }
                    tokio::time::sleep(HALF_WAY).await;
                    connection.reset();
                    std::future::pending().await
                }
            });
            json_answer(Body::from_stream(parts), Some(length))
        }
        Fault::TruncatedJson => {
            end(Some(200));
            let body = Bytes::from(body.to_string());
            json_answer(Body::from(body.slice(..body.len() / 2)), None)
        }
        Fault::BigBody { bytes } => {
            end(Some(200));
            json_answer(big_body(*bytes), None)
        }
        Fault::EmptyText | Fault::Delay { .. } => {
            end(Some(200));
            answer(StatusCode::OK, &body)
        }
    }
}

fn status_answer(status: u16, body: Option<&str>, content_type: Option<&str>, retry_after: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match body {
        None => answer(status, &json!({ "detail": status.canonical_reason().unwrap_or("Error") })),
        Some(body) => (status, body.to_owned()).into_response(),
    };
    let mut set = |name, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content_type);
    set(header::RETRY_AFTER, retry_after);
    response
}

fn json_answer(body: Body, length: Option<usize>) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// `{"text":"xxx…"}` in chunks, without a length, so that a client can only find out by reading.
fn big_body(bytes: u64) -> Body {
    let full = FILLING.len() as u64;
    let parts = (0..bytes.div_ceil(full)).map(move |n| {
        let rest = usize::try_from(full.min(bytes - n * full)).unwrap_or(FILLING.len());
        Bytes::from_static(&FILLING[..rest])
    });
    let parts = std::iter::once(Bytes::from_static(b"{\"text\":\""))
        .chain(parts)
        .chain(std::iter::once(Bytes::from_static(b"\"}")));
    Body::from_stream(stream::iter(parts.map(Ok::<_, io::Error>)))
}
