//! `uids`, `messages` and the token's refresh.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State as Shared;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;

use crate::http::Connection;
use crate::sandbox::history::Page;
use crate::sandbox::log::{Call, Caller};
use crate::sandbox::run::{Order, conduct, refuse};
use crate::sandbox::state::{Bot, State, lock};
use crate::sandbox::times;
use crate::sandbox::wire::{self, Refusal};

pub(super) async fn uids(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    parts: Parts,
) -> Response {
    let (since, mut caller) = (Instant::now(), Caller::default());
    let read = |caller: &mut Caller| -> Result<(Arc<Bot>, Page), Refusal> {
        let bot = wire::bot(&state, &parts.headers)?;
        caller.bot = Some(Arc::clone(&bot.name));
        let mut page = wire::page(&wire::query(&parts.uri)?, &state.settings())?;
        // The documented default is now; entries are never later, unless the skew was changed meanwhile.
        page.end_at = page.end_at.min(times::now(state.settings().clock_skew_ms));
        Ok((bot, page))
    };
    let (bot, page) = match read(&mut caller) {
        Ok(read) => read,
        Err(refusal) => return refuse(&state, Call::Uids, since, &caller, refusal),
    };
    let work = move |_: Caller, _: Order| async move { Ok(json!({ "uids": lock(&bot.history).uids(page) })) };
    conduct(state, connection, Call::Uids, since, caller, work).await
}

pub(super) async fn messages(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    parts: Parts,
) -> Response {
    let (since, mut caller) = (Instant::now(), Caller::default());
    let settings = state.settings();
    let read = |caller: &mut Caller| -> Result<(Arc<Bot>, Page), Refusal> {
        let bot = wire::bot(&state, &parts.headers)?;
        caller.bot = Some(Arc::clone(&bot.name));
        caller.uid = Some(wire::uid(&parts.headers)?);
        let mut query = wire::query(&parts.uri)?;
        caller.nickname = query.remove("nickname");
        Ok((bot, wire::page(&query, &settings)?))
    };
    let (bot, page) = match read(&mut caller) {
        Ok(read) => read,
        Err(refusal) => return refuse(&state, Call::Messages, since, &caller, refusal),
    };
    let work = move |caller: Caller, _: Order| async move {
        let nickname = caller.nickname.as_deref().filter(|name| settings.nickname_filters && !name.is_empty());
        let uid = caller.uid.unwrap_or_default();
        let list = lock(&bot.history).messages(&uid, page, nickname, settings.participant_is_receive);
        Ok(json!({ "messages": list }))
    };
    conduct(state, connection, Call::Messages, since, caller, work).await
}

pub(super) async fn refresh(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    parts: Parts,
) -> Response {
    let (since, caller) = (Instant::now(), Caller::default());
    let read = || -> Result<String, Refusal> {
        let token = wire::token(&parts.headers)?;
        if let Some(date) = wire::query(&parts.uri)?.get("expired_date").filter(|date| !date.is_empty())
            && times::parse_bound(date, 0).is_none()
        {
            return Err(Refusal::bad(format!("expired_date is no date: {date}")));
        }
        Ok(token.to_owned())
    };
    let old = match read() {
        Ok(old) => old,
        Err(refusal) => return refuse(&state, Call::Refresh, since, &caller, refusal),
    };
    let world = Arc::clone(&state);
    let work = move |_: Caller, _: Order| async move {
        let settings = world.settings();
        let new = lock(&world.tokens).refresh(
            &old,
            settings.token_ttl,
            settings.old_token_dies,
            settings.expired_token_refreshes,
        );
        let refused = || Refusal::new(StatusCode::UNAUTHORIZED, "The access token cannot be refreshed.");
        Ok(json!({ "token": new.ok_or_else(refused)? }))
    };
    conduct(state, connection, Call::Refresh, since, caller, work).await
}
