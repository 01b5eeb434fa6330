//! From a turn to the answer's JSON. Pure.

use serde::Serialize;

use crate::model::outbound::{OutboundAction, Voice};
use crate::model::turn::{Outcome, TurnView};
use crate::model::TurnId;

/// What a caller reads of a message.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    id: TurnId,
    /// `pending`, `answered`, `explained`, `dropped` or `dead`.
    state: &'static str,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The replies as one text; without the notices where the chatbot has answered after all (a retry by hand).
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
    let by_bot = replies.iter().any(|reply| reply.voice == Voice::Bot);
    let said: Vec<&str> = replies.iter().filter(|reply| reply.voice == Voice::Bot || !by_bot).map(|reply| reply.text).collect();
    let text = match said.as_slice() {
        [] => None,
        [one] => Some((*one).into()),
        several => Some(several.join("\n\n").into()),
    };
    Answer { id: view.id, state: outcome.as_str(), reason: reason(outcome), text, replies }
}

fn reason(outcome: Outcome) -> Option<&'static str> {
    outcome.reason().map(|reason| reason.as_str())
}
