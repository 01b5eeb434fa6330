//! `POST /v1/outbound`: says something that answers no message.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::channels::http::config::OutboundScope;
use crate::channels::http::ingress::json;
use crate::channels::http::{HttpChannel, ids, normalize, store_problem};
use crate::contract::channel::Spoken;
use crate::http::body::given;
use crate::http::{JsonBody, Object, Problem};
use crate::model::outbound::{Lane, OutboundAction};
use crate::model::{Sender, error};

/// The longest dedupe key, in characters.
const MAX_DEDUPE_KEY: usize = 255;

/// How soon to ask again for a contact whose channel does not run.
const NOT_RUNNING: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outbound {
    to: Object<To>,
    text: String,
    #[serde(default)]
    dedupe_key: Option<String>,
    #[serde(default)]
    bulk: bool,
}

/// A conversation of the caller's own, or anybody by uid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    #[serde(default, deserialize_with = "given")]
    user: Option<String>,
    #[serde(default, deserialize_with = "given")]
    conversation: Option<String>,
    #[serde(default, deserialize_with = "given")]
    uid: Option<String>,
}

/// Only an API key speaks first.
pub(super) async fn post(State(channel): State<Arc<HttpChannel>>, request: Request) -> Result<Response, Problem> {
    let key = channel.admit_key(request.headers()).await?;
    let scope = channel.config.keys.get(&*key).map(|key| key.outbound).unwrap_or_default();
    if scope == OutboundScope::None {
        let hint = "The operator can set `outbound` of this key in the bridge's configuration.";
        return Err(Problem::new(error::NOT_ALLOWED).detail("This API key may not speak first.").hint(hint));
    }
    let room = channel.bodies.room_for(request.headers(), false).await?;
    let JsonBody(Object(outbound)) = JsonBody::<Object<Outbound>>::from_request(request, &()).await?;
    drop(room);
    outbound.check(channel.config.max_text as usize)?;
    let dedupe_key = ids::announcement_key(channel.context.id.as_str(), &key, outbound.dedupe_key.as_deref());
    let lane = if outbound.bulk { Lane::Bulk } else { Lane::Reply };
    let actions = vec![OutboundAction::answer(outbound.text, None)];
    let Object(to) = &outbound.to;
    let spoken = match (&to.user, &to.uid) {
        (Some(user), None) => {
            let sender = ids::sender(&key, user, to.conversation.as_deref());
            channel.speak_to(&sender, actions, dedupe_key, lane).await?
        }
        (None, Some(uid)) if scope == OutboundScope::All => {
            channel.context.speak.speak(uid, actions, dedupe_key, lane).await.map_err(store_problem)?
        }
        _ => {
            let detail = "This API key may speak to its own users only, not by `uid`.";
            let hint = "`outbound = \"all\"` of this key in the bridge's configuration lets it.";
            return Err(Problem::new(error::NOT_ALLOWED).detail(detail).hint(hint));
        }
    };
    match spoken {
        Spoken::Queued => Ok(json(StatusCode::ACCEPTED, &json!({ "state": "queued" }))),
        Spoken::Duplicate => Ok(json(StatusCode::OK, &json!({ "state": "duplicate" }))),
        Spoken::Unknown => Err(Problem::not_found()
            .detail("There is no such conversation.")
            .hint("Nobody is spoken to who has never written.")),
        Spoken::NotRunning(of) => {
            Err(Problem::unavailable(NOT_RUNNING).detail(format!("The contact's channel `{of}` does not run.")))
        }
    }
}

impl Outbound {
    fn check(&self, max_text: usize) -> Result<(), Problem> {
        let Object(to) = &self.to;
        match (&to.user, &to.uid) {
            (Some(user), None) => normalize::name("to.user", user)?,
            (None, Some(_)) if to.conversation.is_none() => {}
            _ => return Err(Problem::invalid("`to` needs either `user` (and `conversation`) or `uid`")),
        }
        to.conversation.as_deref().map_or(Ok(()), |conversation| normalize::name("to.conversation", conversation))?;
        if self.text.trim().is_empty() {
            return Err(Problem::invalid("`text` is empty"));
        }
        let length = self.text.chars().count();
        if length > max_text {
            return Err(Problem::invalid(format!("`text` has {length} characters; the limit is {max_text}")));
        }
        if let Some(key) = &self.dedupe_key
            && !(1..=MAX_DEDUPE_KEY).contains(&key.chars().count())
        {
            return Err(Problem::invalid(format!("`dedupe_key` must have 1 to {MAX_DEDUPE_KEY} characters")));
        }
        Ok(())
    }
}

impl HttpChannel {
    /// Speaks to one of this channel's own people.
    async fn speak_to(
        &self,
        to: &Sender,
        actions: Vec<OutboundAction>,
        dedupe_key: String,
        lane: Lane,
    ) -> Result<Spoken, Problem> {
        let context = &self.context;
        let contact = context.inbox.contact_key(to);
        let contact = context.store.contact_by_key(&context.id, &contact).await.map_err(store_problem)?;
        let Some(contact) = contact else { return Ok(Spoken::Unknown) };
        let added = context.outbound.enqueue(contact.target.clone(), actions, dedupe_key, lane).await;
        Ok(if added.map_err(store_problem)? { Spoken::Queued } else { Spoken::Duplicate })
    }
}
