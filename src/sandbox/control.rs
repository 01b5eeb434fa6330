//! `/_sandbox/…`: looking into a running sandbox and changing it. It has no password: loopback only.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State as Shared;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{JsonBody, Problem};
use crate::model::Secret;
use crate::sandbox::fault::Scripted;
use crate::sandbox::log::LogEntry;
use crate::sandbox::options::SettingsPatch;
use crate::sandbox::state::{State, lock};

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/_sandbox/settings", post(settings))
        .route("/_sandbox/script", post(script).delete(clear_script))
        .route("/_sandbox/expire-token", post(expire_token))
        .route("/_sandbox/add-token", post(add_token))
        .route("/_sandbox/refuse-refresh", post(refuse_refresh))
        .route("/_sandbox/revoke-key", post(revoke_key))
        .route("/_sandbox/restore-key", post(restore_key))
        .route("/_sandbox/log", get(log).delete(clear_log))
        .route("/_sandbox/state", get(state_of))
        .route("/_sandbox/reset", post(reset))
}

async fn settings(
    Shared(state): Shared<Arc<State>>,
    JsonBody(patch): JsonBody<SettingsPatch>,
) -> Result<Json<Value>, Problem> {
    if patch.failure_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return Err(Problem::invalid("failure_rate is a share, from 0 to 1."));
    }
    state.change_settings(|settings| settings.apply(&patch));
    Ok(Json(summary(&state)))
}

/// One fault or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    Many(Vec<Value>),
    One(Value),
}

async fn script(Shared(state): Shared<Arc<State>>, JsonBody(faults): JsonBody<Faults>) -> Result<Json<Value>, Problem> {
    let faults = match faults {
        Faults::Many(many) => many,
        Faults::One(one) => vec![one],
    };
    // All are read before the first is pushed: a mistake leaves the script as it was.
    let faults = faults.into_iter().map(serde_json::from_value::<Scripted>).collect::<Result<Vec<_>, _>>();
    let faults = faults.map_err(|error| Problem::invalid(error.to_string()))?;
    state.script(|script| faults.into_iter().for_each(|fault| script.push(fault)));
    Ok(Json(summary(&state)))
}

async fn clear_script(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    state.script(|script| script.clear());
    Json(summary(&state))
}

async fn expire_token(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    lock(&state.tokens).expire_all();
    Json(summary(&state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddToken {
    token: Secret,
}

async fn add_token(Shared(state): Shared<Arc<State>>, JsonBody(add): JsonBody<AddToken>) -> Json<Value> {
    lock(&state.tokens).add(&add.token);
    Json(summary(&state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

async fn refuse_refresh(Shared(state): Shared<Arc<State>>, JsonBody(switch): JsonBody<Switch>) -> Json<Value> {
    lock(&state.tokens).refuse_refresh(switch.on);
    Json(summary(&state))
}

/// A bot, by key or by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Which {
    ApiKey(Secret),
    Bot(String),
}

fn revoke(state: &State, which: &Which, revoked: bool) -> Result<Json<Value>, Problem> {
    let bot = match which {
        Which::ApiKey(key) => state.bots.get(key.expose()),
        Which::Bot(name) => state.bot_by_name(name),
    };
    bot.ok_or_else(Problem::not_found)?.revoked.store(revoked, Ordering::Relaxed);
    Ok(Json(summary(state)))
}

async fn revoke_key(
    Shared(state): Shared<Arc<State>>,
    JsonBody(which): JsonBody<Which>,
) -> Result<Json<Value>, Problem> {
    revoke(&state, &which, true)
}

async fn restore_key(
    Shared(state): Shared<Arc<State>>,
    JsonBody(which): JsonBody<Which>,
) -> Result<Json<Value>, Problem> {
    revoke(&state, &which, false)
}

async fn log(Shared(state): Shared<Arc<State>>) -> Json<Vec<LogEntry>> {
    Json(state.log.snapshot())
}

async fn clear_log(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    state.log.clear();
    Json(summary(&state))
}

async fn state_of(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(summary(&state))
}

async fn reset(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    state.reset();
    Json(summary(&state))
}

fn summary(state: &State) -> Value {
    let settings = state.settings();
    let bots: Vec<_> = state
        .bots
        .values()
        .map(|bot| {
            json!({
                "name": bot.name,
                "revoked": bot.revoked.load(Ordering::Relaxed),
                "conversations": lock(&bot.history).len(),
            })
        })
        .collect();
    json!({
        "received": state.log.received(),
        "in_flight": state.in_flight(),
        "peak_in_flight": state.peak_in_flight(),
        "scripted": state.script(|script| script.len()),
        "bots": bots,
        "settings": {
            "latency_ms": settings.latency.as_millis(),
            "latency_jitter_ms": settings.latency_jitter.as_millis(),
            "failure_rate": settings.failure_rate,
            "token_ttl_ms": settings.token_ttl.map(|ttl| ttl.as_millis()),
            "require_token": settings.require_token,
            "old_token_dies": settings.old_token_dies,
            "expired_token_refreshes": settings.expired_token_refreshes,
            "newest_first": settings.newest_first,
            "participant_is_receive": settings.participant_is_receive,
            "nickname_filters": settings.nickname_filters,
            "clock_skew_ms": settings.clock_skew_ms,
            "max_limit": settings.max_limit,
            "keep_history": settings.keep_history,
        },
    })
}
