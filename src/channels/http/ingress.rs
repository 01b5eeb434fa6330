//! The routes under `/v1`: [`messages`](self), and in files of their own [`events`], [`images`], [`openapi`],
//! [`sessions`].

mod events;
mod images;
mod openapi;
mod outbound;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::channels::http::caller::Caller;
use crate::channels::http::normalize::{self, Bounds, Source};
use crate::channels::http::{HttpChannel, body, cors, page, render, store_problem};
use crate::contract::channel::{ChannelState, Routes};
use crate::contract::inbox::Receipt;
use crate::http::Problem;
use crate::model::commands::Command;
use crate::model::inbound::InboundEvent;
use crate::model::turn::{Reason, TurnView};
use crate::model::{Incoming, TurnId, error};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest Idempotency-Key, in characters.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// How soon to ask again for something that is being worked on, or that the store could not take.
const SOON: Duration = Duration::from_secs(1);

type Channel = State<Arc<HttpChannel>>;
type Answered = Result<Response, Problem>;

pub(super) use events::Streams;
pub(super) use sessions::GUESTS;

pub(super) fn routes(channel: Arc<HttpChannel>) -> Routes {
    let prefix = channel.config.path.clone();
    channel.context.state.set(ChannelState::Connected);
    let mut router = Router::new()
        .route("/v1/messages", post(post_message))
        .route("/v1/messages/{id}", get(get_message))
        .route("/v1/messages/{id}/images/{n}", get(images::image))
        .route("/v1/conversations/{user}/reset", post(reset))
        .route("/v1/conversations/{user}/history", get(history))
        .route("/v1/conversations/{user}/events", get(events::events))
        .route("/v1/outbound", post(outbound::post))
        .route("/v1/sessions", post(sessions::mint).layer(sessions::MAX_BODY))
        .route("/v1/session", get(sessions::whose))
        .route("/v1/openapi.json", openapi::route(&channel.config));
    if channel.config.playground {
        router = router.route("/chat/session", post(sessions::guest).layer(sessions::MAX_BODY));
    }
    let router = cors::layer(router, &channel.config.origins).merge(page::routes(&channel.config)).with_state(channel);
    Routes { prefix, router }
}

async fn post_message(State(channel): Channel, request: Request) -> Answered {
    let caller = channel.admit(request.headers()).await?;
    let prefer = Preference::of(request.headers(), &channel)?;
    let idempotency_key = idempotency_key(request.headers())?;
    let max_images = channel.config.max_images as usize;
    let room = channel.bodies.room_for(request.headers(), caller.session.is_some()).await?;
    let mut message = body::read(request, max_images).await?;
    caller.fill(&mut message)?;
    message.check(&Bounds { max_text: channel.config.max_text as usize, max_images })?;
    channel.pictures.check(&message)?;

    let inbox = &channel.context.inbox;
    let sender = message.sender(&caller.key);
    let contact = inbox.contact_key(&sender);
    let event_key = caller.event_key(idempotency_key.as_deref());
    let fingerprint = idempotency_key.is_some().then(|| message.fingerprint());
    if let Some(fingerprint) = &fingerprint
        && !message.images.is_empty()
        && let Some((turn, note)) =
            channel.context.store.turn_of(inbox.channel(), &event_key).await.map_err(store_problem)?
    {
        // Known: its pictures need not be stored again.
        return channel.replay(Some(turn), note.as_deref(), fingerprint).await;
    }
    // Known or not by then, who is not let in has no pictures stored.
    if !message.images.is_empty() && !inbox.lets_in(&sender) {
        return Err(not_let_in());
    }
    let mut stored = Vec::with_capacity(message.images.len());
    for image in &message.images {
        stored.push(match &image.source {
            Source::Bytes(bytes) => Some(channel.context.store.put_media(bytes.clone()).await.map_err(store_problem)?),
            Source::Url(_) => None,
        });
    }
    let incoming = normalize::message(message, sender, &contact, event_key, stored, fingerprint.clone());
    // The pictures are in the store: waiting for the answer must not keep other bodies out.
    drop(room);
    channel.take(incoming, prefer, fingerprint.as_deref()).await
}

async fn get_message(State(channel): Channel, id: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Answered {
    let caller = channel.admit(&headers).await?;
    let prefer = Preference { wait: Preference::asked(&headers, &channel)?.unwrap_or_default() };
    let id = id.ok().and_then(|Path(id)| TurnId::parse(&id)).ok_or_else(Problem::not_found)?;
    let view = channel.own_view(&caller, id).await?;
    if view.outcome.is_none() {
        return Ok(channel.wait(id, prefer).await);
    }
    Ok(json(StatusCode::OK, &render::answer(&view)))
}

/// Which conversation of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    conversation: Option<String>,
}

async fn reset(
    State(channel): Channel,
    user: Result<Path<String>, PathRejection>,
    which: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Answered {
    let caller = channel.admit(&headers).await?;
    let (Path(user), Query(which)) = (user?, which?);
    let prefer = Preference::of(&headers, &channel)?;
    let idempotency_key = idempotency_key(&headers)?;
    check_names(&user, which.conversation.as_deref())?;
    let sender = caller.sender(&user, which.conversation.as_deref())?;
    let contact = channel.context.inbox.contact_key(&sender);
    let event_key = caller.event_key(idempotency_key.as_deref());
    let fingerprint = idempotency_key.is_some().then(|| format!("reset {contact}"));
    let command = InboundEvent::Command { command: Command::Reset, args: String::new(), reply_to: None };
    let incoming = normalize::event(command, sender, &contact, event_key, fingerprint.clone());
    channel.take(incoming, prefer, fingerprint.as_deref()).await
}

/// The most exchanges of one answer.
const MAX_HISTORY: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Excerpt {
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

async fn history(
    State(channel): Channel,
    user: Result<Path<String>, PathRejection>,
    which: Result<Query<Excerpt>, QueryRejection>,
    headers: HeaderMap,
) -> Answered {
    let caller = channel.admit(&headers).await?;
    let (Path(user), Query(which)) = (user?, which?);
    check_names(&user, which.conversation.as_deref())?;
    let sender = caller.sender(&user, which.conversation.as_deref())?;
    let limit = which.limit.unwrap_or(30);
    if !(1..=MAX_HISTORY).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {MAX_HISTORY}")));
    }
    let context = &channel.context;
    let contact_key = context.inbox.contact_key(&sender);
    let contact = context.store.contact_by_key(context.inbox.channel(), &contact_key).await.map_err(store_problem)?;
    let messages = match contact {
        None => Vec::new(),
        Some(contact) => context.history.history(&context.bot, &contact.uid(), limit).await.map_err(|error| {
            tracing::warn!(channel = %context.id, error, "the history cannot be read");
            Problem::unavailable(SOON).detail("CaiGunn's history cannot be read just now.")
        })?,
    };
    Ok(json(StatusCode::OK, &serde_json::json!({ "messages": messages })))
}

fn check_names(user: &str, conversation: Option<&str>) -> Result<(), Problem> {
    normalize::name("user", user)?;
    conversation.map_or(Ok(()), |conversation| normalize::name("conversation", conversation))
}

impl HttpChannel {
    /// Accepts an event and answers as the caller prefers.
    async fn take(&self, incoming: Incoming, prefer: Preference, fingerprint: Option<&str>) -> Answered {
        let contact = self.context.inbox.contact_key(&incoming.sender);
        let receipts = self.context.inbox.accept(vec![incoming], Vec::new()).await.map_err(store_problem)?;
        if self.arrivals.receiver_count() > 0 {
            // Nobody may listen by now.
            let _ = self.arrivals.send(contact);
        }
        match receipts.into_iter().next() {
            Some(Receipt::Accepted { turn }) => Ok(self.wait(turn, prefer).await),
            Some(Receipt::Duplicate { turn, note }) => {
                self.replay(turn, note.as_deref(), fingerprint.unwrap_or_default()).await
            }
            Some(Receipt::Refused { reason: Reason::TooManyPending, retry_after }) => {
                Err(Problem::new(error::TOO_MANY_PENDING).retry_after(retry_after))
            }
            Some(Receipt::Refused { reason: Reason::AdminsOnly, .. }) => {
                Err(Problem::new(error::NOT_ALLOWED).detail("Only an admin of this channel may use this command."))
            }
            Some(Receipt::Refused { reason: Reason::NotAllowed, .. }) => Err(not_let_in()),
            Some(Receipt::Refused { retry_after, .. }) => {
                Err(Problem::rate_limited(retry_after).detail("This user writes faster than the per-user rate."))
            }
            None => Err(Problem::internal()),
        }
    }

    /// Answers a request whose Idempotency-Key is known.
    async fn replay(&self, turn: Option<TurnId>, note: Option<&str>, fingerprint: &str) -> Answered {
        if note != Some(fingerprint) {
            return Err(Problem::new(error::KEY_REUSED));
        }
        let busy = |problem: Problem| Err(problem.retry_after(SOON));
        let Some(turn) = turn else { return busy(Problem::new(error::IN_PROGRESS)) };
        let view = self.view(turn).await?;
        if view.outcome.is_none() {
            return busy(Problem::new(error::IN_PROGRESS).location(&self.location(turn)));
        }
        let mut response = json(StatusCode::OK, &render::answer(&view));
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    /// Waits for the answer as long as the caller prefers; then 202.
    async fn wait(&self, turn: TurnId, prefer: Preference) -> Response {
        if !prefer.wait.is_zero() {
            let watch = self.context.store.watch(turn);
            let ended = tokio::select! {
                view = watch => Some(view),
                () = tokio::time::sleep(prefer.wait) => None,
                // The bridge stops: the message is on disk, and the caller is told where its answer will be.
                () = self.context.stop.cancelled() => None,
            };
            if let Some(view) = ended {
                return json(StatusCode::OK, &render::answer(&view));
            }
        }
        let mut response = json(StatusCode::ACCEPTED, &render::pending(turn));
        if let Ok(location) = HeaderValue::from_str(&self.location(turn)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }

    /// A message, if it is one of the caller's.
    async fn own_view(&self, caller: &Caller, id: TurnId) -> Result<Arc<TurnView>, Problem> {
        let view = self.view(id).await?;
        let contact = self.context.store.contact(view.contact).await.map_err(store_problem)?;
        let own = view.channel == *self.context.inbox.channel()
            && contact.is_some_and(|contact| caller.owns(self, &contact.key));
        own.then_some(view).ok_or_else(Problem::not_found)
    }

    async fn view(&self, id: TurnId) -> Result<Arc<TurnView>, Problem> {
        self.context.store.view(id).await.map_err(store_problem)?.ok_or_else(Problem::not_found)
    }

    fn location(&self, turn: TurnId) -> String {
        format!("{}/v1/messages/{turn}", self.config.path)
    }
}

/// How the caller wants to be answered (RFC 7240).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Preference {
    wait: Duration,
}

impl Preference {
    fn of(headers: &HeaderMap, channel: &HttpChannel) -> Result<Self, Problem> {
        let wait = Self::asked(headers, channel)?.unwrap_or(*channel.config.wait);
        Ok(Self { wait })
    }

    /// The wait that `Prefer` names: zero for `respond-async`; bounded by `max_wait`.
    fn asked(headers: &HeaderMap, channel: &HttpChannel) -> Result<Option<Duration>, Problem> {
        let mut wait = None;
        for value in headers.get_all("prefer") {
            let Ok(value) = value.to_str() else { continue };
            wait = prefer(value)?.or(wait);
        }
        Ok(wait.map(|wait| wait.min(*channel.config.max_wait)))
    }
}

/// One `Prefer` header. Preferences that are not ours are passed over, as the RFC asks.
fn prefer(value: &str) -> Result<Option<Duration>, Problem> {
    let (mut wait, mut is_async) = (None, false);
    for preference in value.split(',') {
        let name = preference.split(';').next().unwrap_or_default();
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        match name.trim().to_ascii_lowercase().as_str() {
            "respond-async" => is_async = true,
            "wait" => {
                let seconds = value.and_then(|value| value.trim().trim_matches('"').parse().ok());
                let seconds = seconds.ok_or_else(|| Problem::bad_header("`Prefer: wait=` takes whole seconds"))?;
                wait = Some(Duration::from_secs(seconds));
            }
            _ => {}
        }
    }
    // With both, the RFC's reading is: wait that long, then answer asynchronously.
    Ok(wait.or(is_async.then_some(Duration::ZERO)))
}

/// The Idempotency-Key, bare or as the quoted string of the IETF draft.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let length = bare.chars().count();
    if length == 0 || length > MAX_IDEMPOTENCY_KEY || !bare.chars().all(|c| matches!(c, ' '..='~') && c != '"') {
        let detail = format!(
            "`Idempotency-Key` must have 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters, no quotes among them"
        );
        return Err(Problem::bad_header(detail));
    }
    Ok(Some(bare.to_owned()))
}

fn not_let_in() -> Problem {
    Problem::new(error::NOT_ALLOWED).detail("This user or conversation is not let in.")
}

pub(super) fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::{idempotency_key, prefer};

    #[test]
    fn prefer_is_read_as_the_rfc_says() {
        let seconds = |value| prefer(value).unwrap().map(|wait| wait.as_secs());
        assert_eq!(seconds("respond-async"), Some(0));
        assert_eq!(seconds("wait=10"), Some(10));
        assert_eq!(seconds("respond-async, wait=10"), Some(10));
        assert_eq!(seconds("return=minimal; foo=bar, WAIT=\"3\""), Some(3));
        assert_eq!(seconds("return=minimal"), None);
        assert!(prefer("wait=soon").is_err());
        assert_eq!(prefer("wait=0").unwrap(), Some(Duration::ZERO));
    }

    #[test]
    fn an_idempotency_key_is_bare_or_quoted() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", value.parse().unwrap());
            idempotency_key(&headers)
        };
        assert_eq!(read("abc").unwrap().as_deref(), Some("abc"));
        assert_eq!(read("\"abc\"").unwrap().as_deref(), Some("abc"));
        assert!(read("\"\"").is_err() && read("").is_err() && read(&"x".repeat(256)).is_err());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }
}
