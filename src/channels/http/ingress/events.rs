//! `GET /v1/conversations/{user}/events`: what is said, as it is said, out of the journal.
//!
//! An entry's number is its event's id: with `Last-Event-ID` a stream goes on where another one broke off, in this process or the
//! next. What has no number (`state`, `ended`) is told anew to everybody who connects.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::channels::http::caller::Caller;
use crate::channels::http::ingress::{Answered, Channel, check_names};
use crate::channels::http::{HttpChannel, render, store_problem};
use crate::contract::store::{StoreError, TurnWatch, Utterance};
use crate::http::Problem;
use crate::model::turn::TurnView;
use crate::model::{ContactId, ContactKey, TurnId};

/// A comment is sent so often, and the store read again: it may have news of another process.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Streams of one conversation at once.
const MAX_STREAMS: u32 = 8;

/// The most that `last` can ask for.
const PAGE: usize = 200;

/// What a stream begins with whose number is none of the journal's: as if nothing had been told before.
const ANEW: usize = 50;

/// The longest id of an event.
const MAX_DIGITS: usize = 18;
const MAX_AFTER: i64 = 10_i64.pow(MAX_DIGITS as u32) - 1;

/// So many entries are read of the journal at once. The next ones are read when these have gone out: a client that reads slowly,
/// or not at all, holds no more of a long conversation than this.
const CHUNK: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    after: Option<i64>,
    #[serde(default)]
    last: Option<usize>,
    #[serde(default)]
    html: bool,
}

pub(super) async fn events(
    State(channel): Channel,
    user: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Answered {
    let caller = channel.admit(&headers).await?;
    let (Path(user), Query(wanted)) = (user?, wanted?);
    check_names(&user, wanted.conversation.as_deref())?;
    let sender = caller.sender(&user, wanted.conversation.as_deref())?;
    if wanted.last.is_some_and(|last| last > PAGE) {
        return Err(Problem::invalid(format!("`last` must be at most {PAGE}")));
    }
    if wanted.after.is_some_and(|after| !(0..=MAX_AFTER).contains(&after)) {
        return Err(Problem::invalid("`after` is not the id of an event of this stream"));
    }
    let from = match (last_event_id(&headers)?.or(wanted.after), wanted.last) {
        (Some(after), _) => From::After(after),
        (None, Some(last)) => From::Last(last),
        (None, None) => From::Last(0),
    };
    let contact = channel.context.inbox.contact_key(&sender);
    let place = channel.streams.take(&contact)?;
    let feed = Feed::open(Arc::clone(&channel), contact, from, &caller, wanted.html, place).await;
    Ok(answer(feed.map_err(store_problem)?))
}

fn answer(feed: Feed) -> Response {
    let mut response = Sse::new(feed.stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects an answer before it passes it on would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(given) = headers.get("last-event-id") else { return Ok(None) };
    match given.to_str() {
        // What EventSource sends before the first event.
        Ok("") => Ok(None),
        Ok(digits) if digits.len() <= MAX_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Ok(digits.parse().ok())
        }
        _ => Err(Problem::bad_header("`Last-Event-ID` is not the id of an event of this stream")),
    }
}

/// Where a stream begins.
#[derive(Clone, Copy)]
enum From {
    After(i64),
    Last(usize),
}

/// How many streams each conversation has.
#[derive(Default)]
pub(in crate::channels::http) struct Streams(Arc<Mutex<HashMap<ContactKey, u32>>>);

/// One of them.
struct Place {
    all: Arc<Mutex<HashMap<ContactKey, u32>>>,
    contact: ContactKey,
}

impl Streams {
    fn take(&self, contact: &ContactKey) -> Result<Place, Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(contact.clone()).or_default();
        if *open >= MAX_STREAMS {
            let detail = format!("More than {MAX_STREAMS} streams of one conversation.");
            return Err(Problem::rate_limited(HEARTBEAT).detail(detail));
        }
        *open += 1;
        Ok(Place { all: Arc::clone(&self.0), contact: contact.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&self.contact) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.contact);
            }
        }
    }
}

/// One stream.
struct Feed {
    channel: Arc<HttpChannel>,
    contact: ContactKey,
    known: Option<Known>,
    /// Tells of conversations that begin.
    arrivals: broadcast::Receiver<ContactKey>,
    /// The number of the last entry that was passed on.
    after: i64,
    /// Until the first look at the journal.
    from: Option<From>,
    /// The journal has more than the last look has read.
    more: bool,
    /// A message that has ended, told when its replies are.
    ending: Option<Arc<TurnView>>,
    html: bool,
    expires: Option<Instant>,
    heartbeat: tokio::time::Interval,
    queue: VecDeque<Event>,
    /// Whether what was said before has been passed on, and `state` after it.
    caught_up: bool,
    /// Messages that have not ended.
    open: HashSet<TurnId>,
    ends: FuturesUnordered<TurnWatch>,
    over: bool,
    _place: Place,
}

/// The contact, once somebody has written.
struct Known {
    id: ContactId,
    news: watch::Receiver<i64>,
}

impl Feed {
    async fn open(
        channel: Arc<HttpChannel>,
        contact: ContactKey,
        from: From,
        caller: &Caller,
        html: bool,
        place: Place,
    ) -> Result<Self, StoreError> {
        let left = caller.session.as_ref().map(|session| session.left(channel.context.clock.now()));
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut feed = Self {
            arrivals: channel.arrivals.subscribe(),
            channel,
            contact,
            known: None,
            after: 0,
            from: Some(from),
            more: false,
            ending: None,
            html,
            expires: left.map(|left| Instant::now() + left),
            heartbeat,
            // Sent at once, so that a client knows that it is connected.
            queue: VecDeque::from([Event::default().comment("")]),
            caught_up: false,
            open: HashSet::new(),
            ends: FuturesUnordered::new(),
            over: false,
            _place: place,
        };
        // The first look is taken before the headers go out: a store that cannot be read is a 503.
        feed.look().await?;
        Ok(feed)
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(event), feed))
        })
    }

    /// The next event; `None` at the end. A store that fails ends the stream: the client comes again with its last number.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.wait().await {
                tracing::warn!(channel = %self.channel.context.id, %error, "a stream of events ends: the store cannot be read");
                return None;
            }
        }
    }

    /// Waits for something to tell, and queues it.
    async fn wait(&mut self) -> Result<(), StoreError> {
        let expired = async {
            match self.expires {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.channel.context.stop.cancelled() => self.over = true,
            () = expired => {
                self.queue.push_back(Event::default().event("expired").data("{}"));
                self.over = true;
            }
            () = std::future::ready(()), if self.more => self.look().await?,
            Some(view) = self.ends.next(), if !self.ends.is_empty() => {
                // Its replies were committed with its end.
                self.ending = Some(view);
                self.look().await?;
            }
            () = news(&mut self.known, &mut self.arrivals, &self.contact) => self.look().await?,
            _ = self.heartbeat.tick() => {
                self.queue.push_back(Event::default().comment(""));
                self.look().await?;
            }
        }
        Ok(())
    }

    /// Queues what the journal has beyond the last number, or the first of it.
    async fn look(&mut self) -> Result<(), StoreError> {
        let Some(id) = self.contact_id().await? else {
            if !self.caught_up {
                // Nobody has ever written here. From now on everything is news.
                self.caught_up = true;
                if matches!(self.from.take(), Some(From::After(after)) if after > 0) {
                    self.tell_reset();
                }
                self.tell_state();
            }
            return Ok(());
        };
        let store = Arc::clone(&self.channel.context.store);
        let mut from = self.from.take();
        if let Some(From::After(after)) = from {
            // A number beyond the end is of another journal: the store was replaced, or put back from a backup.
            let end = store.last_entries(id, None, 1).await?.last().map_or(0, |entry| entry.n);
            if after > end {
                self.tell_reset();
                from = Some(From::Last(ANEW));
            } else {
                self.after = after;
            }
        }
        if let Some(From::Last(last)) = from {
            let entries = store.last_entries(id, None, last.max(1)).await?;
            self.after = entries.last().map_or(0, |entry| entry.n);
            let skipped = if last == 0 { entries.len() } else { 0 };
            for entry in entries.into_iter().skip(skipped) {
                self.queue.extend(render::entry(&entry, self.html));
            }
        }
        let entries = store.entries(id, self.after, CHUNK).await?;
        self.more = entries.len() == CHUNK;
        for entry in entries {
            self.after = entry.n;
            self.queue.extend(render::entry(&entry, self.html));
            if let (true, Some(turn), Utterance::In(_)) = (self.caught_up, entry.turn, &entry.said) {
                self.follow(turn);
            }
        }
        if self.more {
            return Ok(());
        }
        if let Some(view) = self.ending.take() {
            self.ended(&view);
        }
        if !self.caught_up {
            self.caught_up = true;
            self.find_open(id).await?;
            self.tell_state();
        }
        Ok(())
    }

    async fn contact_id(&mut self) -> Result<Option<ContactId>, StoreError> {
        if let Some(known) = &self.known {
            return Ok(Some(known.id));
        }
        let context = &self.channel.context;
        let contact = context.store.contact_by_key(context.inbox.channel(), &self.contact).await?;
        // Watched before the first look, so that nothing falls between the two.
        self.known = contact.map(|contact| Known { id: contact.id, news: context.store.watch_contact(contact.id) });
        Ok(self.known.as_ref().map(|known| known.id))
    }

    /// Finds the messages that have not ended, among the last ones.
    async fn find_open(&mut self, id: ContactId) -> Result<(), StoreError> {
        let store = Arc::clone(&self.channel.context.store);
        let entries = store.last_entries(id, None, PAGE).await?;
        let said = entries.iter().filter(|entry| matches!(entry.said, Utterance::In(_)));
        let turns: HashSet<TurnId> = said.filter_map(|entry| entry.turn).collect();
        for turn in turns {
            if store.view(turn).await?.is_some_and(|view| view.outcome.is_none()) {
                self.follow(turn);
            }
        }
        Ok(())
    }

    fn follow(&mut self, turn: TurnId) {
        if self.open.insert(turn) {
            self.ends.push(self.channel.context.store.watch(turn));
        }
    }

    /// What the client has was told by another journal.
    fn tell_reset(&mut self) {
        self.queue.push_back(Event::default().event("reset").data("{}"));
    }

    fn tell_state(&mut self) {
        let mut pending: Vec<TurnId> = self.open.iter().copied().collect();
        pending.sort_by_key(|turn| turn.to_string());
        let data = serde_json::json!({ "pending": pending });
        self.queue.push_back(Event::default().event("state").data(data.to_string()));
    }

    fn ended(&mut self, view: &TurnView) {
        self.open.remove(&view.id);
        self.queue.extend(render::ended(view));
    }
}

/// Resolves when the journal may have more of this conversation.
async fn news(known: &mut Option<Known>, arrivals: &mut broadcast::Receiver<ContactKey>, contact: &ContactKey) {
    match known {
        Some(known) => {
            if known.news.changed().await.is_err() {
                // The store no longer tells; the heartbeat looks.
                std::future::pending::<()>().await;
            }
        }
        None => loop {
            match arrivals.recv().await {
                Ok(arrived) if arrived != *contact => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending::<()>().await,
            }
        },
    }
}
