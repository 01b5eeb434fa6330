//! The listener: polls, hands over, and only then asks from the next offset, which acknowledges what came before. And a route
//! in the bridge's own server, by which an operator's program speaks first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use caigunn_bridge::contract::{ChannelState, Ingress, Listener, Routes};
use caigunn_bridge::model::OutboundAction;
use caigunn_bridge::model::outbound::Lane;
use http::StatusCode;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::normalize::{self, How, Update};
use super::{Pager, ids};

pub(super) fn ingress(channel: Arc<Pager>) -> Ingress {
    let prefix = format!("/{}", channel.context.id);
    let router = Router::new().route("/announce", post(announce)).with_state(Arc::clone(&channel));
    Ingress { listeners: vec![Box::new(Poll(channel))], routes: Some(Routes { prefix, router }) }
}

/// What an operator's program wants said.
#[derive(Deserialize)]
struct Announcement {
    chat: String,
    text: String,
    /// A second announcement with this key is not made.
    key: String,
    #[serde(default)]
    lane: Lane,
}

/// Says something without having been asked. It is on disk when this answers.
async fn announce(State(channel): State<Arc<Pager>>, Json(what): Json<Announcement>) -> Result<Json<bool>, StatusCode> {
    let target = ids::target(&what.chat, None, channel.context.clock.now());
    let actions = vec![OutboundAction::notice(what.text, None)];
    let added = channel.context.outbound.enqueue(target, actions, what.key, what.lane).await;
    added.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

struct Poll(Arc<Pager>);

#[derive(Deserialize)]
struct Page {
    updates: Vec<Update>,
}

/// How much longer than the platform holds a poll we wait for its answer.
const SLACK: Duration = Duration::from_secs(5);

#[async_trait]
impl Listener for Poll {
    fn name(&self) -> String {
        "updates".to_owned()
    }

    /// An error ends the run: the supervisor reports it, and starts the next run after a delay.
    async fn run(&mut self, stop: CancellationToken) -> Result<(), String> {
        let channel = &*self.0;
        let context = &channel.context;
        let source = ids::source(context.id.as_str());
        if !channel.config.heard_every.is_zero() {
            context.state.expect_beats(*channel.config.heard_every);
        }
        // Read at each start: another replica may have listened meanwhile.
        let mut after = context.store.cursor(&source).await.map_err(|error| error.to_string())?.unwrap_or_default();
        loop {
            let page = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                page = channel.poll(&after) => page?,
            };
            context.state.beat();
            context.state.set(ChannelState::Connected);
            let Some(last) = page.updates.last().map(|update| update.id.to_string()) else { continue };
            let now = context.clock.now();
            let how = How { now, album: *channel.config.album, late_edits: channel.config.late_edits };
            let events = page.updates.into_iter().filter_map(|update| normalize::event(update, &how)).collect();
            // Events and cursor in one commit. When it fails, nothing is stored, and the same page is asked for again.
            let accepted = context.inbox.accept(events, vec![(source.clone(), last.clone())]).await;
            accepted.map_err(|error| format!("what came in cannot be stored: {error}"))?;
            after = last;
        }
    }
}

impl Pager {
    async fn poll(&self, after: &str) -> Result<Page, String> {
        let hold = *self.config.poll;
        let request = self.get("/updates").query(&[("after", after), ("hold_ms", &hold.as_millis().to_string())]);
        let response = request.timeout(hold + SLACK).send().await.map_err(|error| format!("cannot poll: {error}"))?;
        match response.status().as_u16() {
            200 => response.json().await.map_err(|error| format!("cannot read the updates: {error}")),
            401 => {
                self.refused();
                Err("the platform refuses the token".to_owned())
            }
            409 => {
                let hint = "stop the other program that polls for this bot".to_owned();
                self.context.state.set(ChannelState::Conflict { hint });
                Err("another program polls".to_owned())
            }
            status => Err(format!("polling is answered with {status}")),
        }
    }

    pub(super) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.config.url)).bearer_auth(self.config.token.expose())
    }

    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.config.url)).bearer_auth(self.config.token.expose())
    }

    pub(super) fn put(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.put(format!("{}{path}", self.config.url)).bearer_auth(self.config.token.expose())
    }

    pub(super) fn refused(&self) {
        let hint = format!("set a valid `channels.{}.token`", self.context.id);
        self.context.state.set(ChannelState::BadCredentials { hint });
    }
}
