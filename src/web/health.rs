//! `/healthz`: restart me? `/readyz`: send me work? Both are judged from the age of the last good beat, not from the process
//! being alive.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::contract::store::Trouble;

/// How the parts are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Health {
    /// Seconds since the dispatcher last went round.
    pub dispatcher_age: f64,
    /// Seconds since the store last answered.
    pub store_age: f64,
    /// Changes that the store could not take of late.
    #[serde(skip)]
    pub store_trouble: Option<Trouble>,
    pub stopping: bool,
    pub channels: Vec<PartHealth>,
    pub bots: Vec<PartHealth>,
    /// How the last reload of the configuration ended, once there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<ReloadHealth>,
    /// Files of secrets, by name, that were read and cannot be any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// How a reload of the configuration ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadHealth {
    pub at: String,
    /// Refused, it changed nothing.
    pub ok: bool,
    /// Why it was refused: keys and reasons, without values and paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<String>,
    /// Keys that have another value by now, which comes into force at a restart only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
}

/// One channel or bot.
#[derive(Clone, Debug, Serialize)]
pub struct PartHealth {
    pub name: String,
    pub state: &'static str,
    /// Why, where the state alone does not say it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Seconds since the platform was last heard, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<f64>,
    /// Whether this part does its work.
    pub ok: bool,
    /// Of a channel: how often it was built; a reload that changes its section builds it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// Where the health is read from.
pub trait HealthSource: Send + Sync {
    fn health(&self) -> Health;
}

/// A dispatcher that has not gone round for this long hangs: it does so at least every few seconds.
const DISPATCHER_STALE: Duration = Duration::from_secs(30);

/// A store that has not answered for this long is stuck; it is asked every 15 seconds.
const STORE_STALE: Duration = Duration::from_secs(60);

/// So many failures of the store, the last of them so short a time ago, are a reason to send no work here.
const SERIOUS: u32 = 3;
const SERIOUS_FOR: Duration = Duration::from_secs(30);

impl Health {
    /// Why the process should be restarted.
    pub fn sick(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.dispatcher_age > DISPATCHER_STALE.as_secs_f64() {
            reasons.push(format!("the dispatcher has not gone round for {:.0} s", self.dispatcher_age));
        }
        reasons
    }

    /// Why no work should be sent here. One channel that is down does not count while another works.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.sick();
        if self.stopping {
            reasons.push("stopping".to_owned());
        }
        if self.store_age > STORE_STALE.as_secs_f64() {
            reasons.push(format!("the store has not answered for {:.0} s", self.store_age));
        }
        if let Some(trouble) = self.store_trouble.as_ref().filter(|trouble| is_serious(trouble)) {
            reasons.push(told(trouble));
        }
        if !self.channels.iter().any(|channel| channel.ok) {
            reasons.push("no channel is connected".to_owned());
        }
        reasons
    }

    /// What an operator should look at though the bridge is ready: parts that do not work, and those that work and have
    /// something to say.
    pub fn warnings(&self) -> Vec<String> {
        let store = self.store_trouble.iter().filter(|trouble| !is_serious(trouble)).map(told);
        let parts = [("channel", &self.channels), ("bot", &self.bots)];
        let of_kind = |(kind, parts): (&str, &Vec<PartHealth>)| {
            let wrong = parts.iter().filter(|part| !part.ok || !part.detail.is_empty());
            wrong
                .map(|part| {
                    let said = [part.state, part.detail.as_str()];
                    let said: Vec<_> = said.into_iter().filter(|part| !part.is_empty()).collect();
                    format!("{kind} {}: {}", part.name, said.join(": "))
                })
                .collect::<Vec<_>>()
        };
        let mut warnings: Vec<String> = store.chain(parts.into_iter().flat_map(of_kind)).collect();
        if let Some(reload) = &self.reload {
            if !reload.ok {
                warnings.push(format!("the configuration was not reloaded: {}", reload.mistakes.join("; ")));
            }
            warnings.extend(reload.needs_restart.iter().map(|key| format!("{key} was changed: it needs a restart")));
        }
        let unread = self.unread.iter();
        warnings.extend(unread.map(|name| format!("{name}, a secret's file, cannot be read: its old value goes on")));
        warnings
    }
}

/// One change that failed may be a moment's; several within a minute are not.
fn is_serious(trouble: &Trouble) -> bool {
    trouble.failures >= SERIOUS && trouble.last < SERIOUS_FOR
}

fn told(trouble: &Trouble) -> String {
    // What follows in further lines is for the log.
    let error = trouble.error.lines().next().unwrap_or_default();
    format!("the store could not take a change {:.0} s ago: {error}", trouble.last.as_secs_f64())
}

#[derive(Serialize)]
struct Page {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(flatten)]
    health: Option<Health>,
}

/// `/healthz` and `/readyz`.
pub fn routes(source: Arc<dyn HealthSource>) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(source)
}

async fn healthz(State(source): State<Arc<dyn HealthSource>>) -> Response {
    page(source.health().sick(), Vec::new(), None)
}

async fn readyz(State(source): State<Arc<dyn HealthSource>>) -> Response {
    let health = source.health();
    page(health.not_ready(), health.warnings(), Some(health))
}

fn page(reasons: Vec<String>, warnings: Vec<String>, health: Option<Health>) -> Response {
    let (code, status) =
        if reasons.is_empty() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let mut response = (code, axum::Json(Page { status, reasons, warnings, health })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::contract::store::Trouble;

    use super::{Health, PartHealth, ReloadHealth};

    fn part(name: &str, ok: bool) -> PartHealth {
        let state = if ok { "connected" } else { "bad_config" };
        PartHealth { name: name.into(), state, detail: String::new(), last_heard: None, ok, generation: None }
    }

    #[test]
    fn one_bad_channel_is_a_warning_and_none_at_all_is_not_ready() {
        let mut health = Health { channels: vec![part("a", false), part("b", true)], ..Health::default() };
        assert!(health.not_ready().is_empty());
        assert_eq!(health.warnings(), ["channel a: bad_config"]);
        let (state, detail) = ("limited", "grant it a right".to_owned());
        health.channels[1] = PartHealth { state, detail, ..part("b", true) };
        assert!(health.not_ready().is_empty(), "it works");
        assert_eq!(health.warnings(), ["channel a: bad_config", "channel b: limited: grant it a right"]);
        health.channels.pop();
        assert_eq!(health.not_ready(), ["no channel is connected"]);
    }

    #[test]
    fn a_refused_reload_and_what_waits_for_a_restart_are_warnings() {
        let mistakes = vec!["bots.main.api_key is missing".to_owned()];
        let needs_restart = vec!["server.listen".to_owned()];
        let reload = ReloadHealth { at: String::new(), ok: false, mistakes, needs_restart };
        let health = Health { channels: vec![part("a", true)], reload: Some(reload), ..Health::default() };
        assert!(health.not_ready().is_empty());
        assert_eq!(
            health.warnings(),
            [
                "the configuration was not reloaded: bots.main.api_key is missing",
                "server.listen was changed: it needs a restart"
            ]
        );
    }

    #[test]
    fn a_store_that_takes_nothing_is_not_ready_and_one_failure_is_a_warning() {
        let trouble = |failures, ago| Trouble {
            failures,
            last: Duration::from_secs(ago),
            error: "the store is unavailable: disk full\nhint: make room".to_owned(),
        };
        let health =
            |trouble| Health { channels: vec![part("a", true)], store_trouble: Some(trouble), ..Health::default() };
        let said = ["the store could not take a change 4 s ago: the store is unavailable: disk full"];
        let once = health(trouble(1, 4));
        assert_eq!((once.not_ready(), once.warnings()), (Vec::new(), said.map(str::to_owned).to_vec()));
        let often = health(trouble(3, 4));
        assert_eq!((often.not_ready(), often.warnings()), (said.map(str::to_owned).to_vec(), Vec::new()));
        assert_eq!(health(trouble(9, 31)).not_ready(), [""; 0], "it is tried again");
    }

    #[test]
    fn a_part_that_hangs_is_noticed() {
        let channels = vec![part("a", true)];
        let health = Health { dispatcher_age: 31.0, store_age: 61.0, channels, ..Health::default() };
        assert_eq!(health.sick().len(), 1);
        assert_eq!(health.not_ready().len(), 2);
    }
}
