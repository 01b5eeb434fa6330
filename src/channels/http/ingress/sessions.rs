//! The routes of session tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

use crate::channels::http::HttpChannel;
use crate::channels::http::caller::GUEST;
use crate::channels::http::ingress::{Answered, Channel, json};
use crate::channels::http::normalize;
use crate::channels::http::session::{Session, Signer};
use crate::http::{JsonBody, Object, Problem};
use crate::model::{Lang, error};

/// The bounds of a token's life, in seconds.
const TTL: std::ops::RangeInclusive<u64> = 60..=86_400;

/// Names and a token take little, and whoever reaches the listener may send them: nobody is to fill the memory with them.
pub(super) const MAX_BODY: DefaultBodyLimit = DefaultBodyLimit::max(16 * 1024);

/// New guests a minute, all together: each is a conversation.
pub(in crate::channels::http) const GUESTS: u32 = 600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user: String,
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    ttl: Option<u64>,
}

/// `POST /v1/sessions`: a site's backend asks for a token for one of its users.
pub(super) async fn mint(State(channel): Channel, request: Request) -> Answered {
    let key = channel.admit_key(request.headers()).await?;
    let JsonBody(Object(wanted)) = JsonBody::<Object<Wanted>>::from_request(request, &()).await?;
    normalize::name("user", &wanted.user)?;
    wanted.conversation.as_deref().map_or(Ok(()), |conversation| normalize::name("conversation", conversation))?;
    wanted.nickname.as_deref().map_or(Ok(()), normalize::nickname)?;
    let ttl = wanted.ttl.map_or(Ok(*channel.config.session_ttl), |seconds| {
        let outside = || Problem::invalid(format!("`ttl` must be from {} to {} seconds", TTL.start(), TTL.end()));
        TTL.contains(&seconds).then(|| Duration::from_secs(seconds)).ok_or_else(outside)
    })?;
    let (_, signer) = channel.signer(&key).await?.ok_or_else(Problem::internal)?;
    let session = Session {
        conversation: wanted.conversation,
        nickname: wanted.nickname,
        lang: wanted.lang.as_deref().and_then(Lang::from_tag),
        ..Session::new(&channel.context.id, &key, wanted.user, channel.context.clock.now(), ttl)
    };
    Ok(created(&channel, &session, &signer))
}

/// `GET /v1/session`: whose token this is.
pub(super) async fn whose(State(channel): Channel, headers: HeaderMap) -> Answered {
    let caller = channel.admit(&headers).await?;
    let Some(session) = &caller.session else {
        return Err(Problem::new(error::NOT_ALLOWED)
            .detail("This is an API key, not a session token.")
            .hint("Ask with a session token."));
    };
    Ok(json(StatusCode::OK, &session.about(channel.context.clock.now())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    /// The token that the page had: its guest comes back.
    #[serde(default)]
    token: Option<String>,
}

/// `POST /chat/session`: a guest of the playground.
pub(super) async fn guest(State(channel): Channel, request: Request) -> Answered {
    let JsonBody(Object(guest)) = JsonBody::<Object<Guest>>::from_request(request, &()).await?;
    let known = match &guest.token {
        Some(token) => channel.known_guest(token).await?,
        None => None,
    };
    channel.count_guest()?;
    let user = known.map_or_else(|| Uuid::new_v4().as_simple().to_string(), |session| session.user);
    let (_, signer) = channel.signer(GUEST).await?.ok_or_else(Problem::not_found)?;
    let (now, ttl) = (channel.context.clock.now(), *channel.config.session_ttl);
    let session = Session::new(&channel.context.id, GUEST, user, now, ttl);
    Ok(created(&channel, &session, &signer))
}

fn created(channel: &Arc<HttpChannel>, session: &Session, signer: &Signer) -> axum::response::Response {
    json(StatusCode::CREATED, &session.minted(signer, channel.context.clock.now()))
}
