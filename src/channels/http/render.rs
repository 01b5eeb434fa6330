//! From a turn to the answer's JSON, from the journal to [`events`], and from Markdown to HTML ([`markdown`], with [`link`]). Pure.

mod events;
mod link;
mod markdown;

pub(super) use events::{ended, entry};

use serde::Serialize;

use crate::model::TurnId;
use crate::model::outbound::{OutboundAction, Voice};
use crate::model::turn::{Outcome, TurnView};

/// What a caller reads of a message.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    id: TurnId,
    /// `pending`, `answered`, `explained`, `dropped` or `dead`.
    state: &'static str,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What is to be shown, as one text: the chatbot's words where it has answered, else the bridge's.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<std::borrow::Cow<'a, str>>,
    replies: Vec<Reply<'a>>,
}

#[derive(Debug, Serialize)]
struct Reply<'a> {
    text: &'a str,
    /// `bot`: the chatbot; `notice`: the bridge itself.
    voice: Voice,
}

/// A turn that has not ended.
pub(super) fn pending(id: TurnId) -> Answer<'static> {
    Answer { id, state: "pending", reason: None, text: None, replies: Vec::new() }
}

pub(super) fn answer(view: &TurnView) -> Answer<'_> {
    let Some(outcome) = view.outcome else { return pending(view.id) };
    let replies: Vec<Reply<'_>> = view
        .replies
        .iter()
        .map(|reply| {
            let voice = match reply {
                OutboundAction::Send { voice, .. } => *voice,
                _ => Voice::Bot,
            };
            Reply { text: reply.text(), voice }
        })
        .collect();
    // An answer that came after all (the operator retried the message) takes the place of the notice that was read before.
    let answered = replies.iter().any(|reply| reply.voice == Voice::Bot);
    let shown: Vec<&str> =
        replies.iter().filter(|reply| !answered || reply.voice == Voice::Bot).map(|reply| reply.text).collect();
    let text = match shown.as_slice() {
        [] => None,
        [one] => Some((*one).into()),
        several => Some(several.join("\n\n").into()),
    };
    Answer { id: view.id, state: outcome.as_str(), reason: reason(outcome), text, replies }
}

fn reason(outcome: Outcome) -> Option<&'static str> {
    outcome.reason().map(|reason| reason.as_str())
}
