//! From the journal to events of a stream. Pure.

use axum::response::sse::Event;
use serde::Serialize;

use crate::channels::http::render::markdown;
use crate::contract::store::{Entry, Utterance};
use crate::model::commands::Command;
use crate::model::inbound::InboundEvent;
use crate::model::outbound::{OutboundAction, Voice};
use crate::model::turn::TurnView;
use crate::model::{MediaRef, TurnId};

#[derive(Serialize)]
struct Said<'a> {
    n: i64,
    /// The message that it is or answers; none where the bot spoke first.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<TurnId>,
    at: String,
    /// `user`, `bot` or `notice`.
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    images: usize,
    /// What the person asked for instead of writing: `reset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forgotten: bool,
}

/// An entry of the journal; `None` where it says nothing to the person.
pub(in crate::channels::http) fn entry(entry: &Entry, html: bool) -> Option<Event> {
    let mut said = Said {
        n: entry.n,
        message: entry.turn,
        at: entry.at.to_string(),
        from: "user",
        text: None,
        html: None,
        images: 0,
        command: None,
        forgotten: false,
    };
    match &entry.said {
        Utterance::In(InboundEvent::Message(message) | InboundEvent::Edit { message, .. }) => {
            said.text = Some(&message.text);
            said.images = message.media.iter().filter(|media| is_picture(media)).count();
        }
        Utterance::In(InboundEvent::Command { command, .. }) => {
            said.command = Some(name(*command));
        }
        Utterance::In(_) => return None,
        Utterance::Out(action) => {
            let notice = matches!(action, OutboundAction::Send { voice: Voice::Notice, .. });
            said.from = if notice { "notice" } else { "bot" };
            said.text = Some(action.text());
            said.html = (html && !notice).then(|| markdown::html(action.text()));
        }
        Utterance::Forgotten => said.forgotten = true,
    }
    let data = serde_json::to_string(&said).ok()?;
    Some(Event::default().id(entry.n.to_string()).event("message").data(data))
}

#[derive(Serialize)]
struct Ended {
    message: TurnId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The end of a message.
pub(in crate::channels::http) fn ended(view: &TurnView) -> Option<Event> {
    let outcome = view.outcome?;
    let reason = outcome.reason().map(|reason| reason.as_str());
    let ended = Ended { message: view.id, state: outcome.as_str(), reason };
    Some(Event::default().event("ended").data(serde_json::to_string(&ended).ok()?))
}

fn is_picture(media: &MediaRef) -> bool {
    media.kind.is_picture()
}

fn name(command: Command) -> &'static str {
    crate::model::commands::CATALOGUE.iter().find(|info| info.command == command).map_or("", |info| info.name)
}
