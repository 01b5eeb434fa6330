//! What a turn is about, and what is said at its end. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::channel::Channel;
use crate::contract::store::{ContactChange, Said};
use crate::model::capabilities::Delivery;
use crate::model::commands::Command;
use crate::model::inbound::{InboundEvent, MediaPlace, Message};
use crate::model::outbound::OutboundAction;
use crate::model::texts::Text;
use crate::model::turn::{AskState, Outcome, Reason, Turn};
use crate::model::{Contact, MediaId, Mode, Target, Timestamp};

/// What to do with a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ends without a word.
    Drop(Reason),
    /// Ends with a notice.
    Explain(Reason),
    Command(Command, String),
    Ask(Vec<Question>),
}

/// One call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Talk { text: String },
    /// A picture of the turn; `None`: it could not be fetched.
    Vision { text: String, image: Option<MediaId> },
}

impl Question {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Talk { text } | Self::Vision { text, .. } => text,
        }
    }

    pub(crate) fn is_vision(&self) -> bool {
        matches!(self, Self::Vision { .. })
    }
}

/// Decides what a turn needs. `image_prompt` is what is asked with a picture that comes without words.
pub(crate) fn step(turn: &Turn, contact: &Contact, now: Timestamp, max_age: Duration, image_prompt: &str) -> Step {
    if let Some(reason) = turn.verdict {
        return Step::Explain(reason);
    }
    if !turn.addressed {
        return Step::Drop(Reason::NotAddressed);
    }
    match turn.events.first().map(|event| &event.event) {
        // Commands change what the bridge knows and are quick: they are carried out however late, and in any mode.
        Some(InboundEvent::Command { command, args }) => return Step::Command(*command, args.clone()),
        Some(InboundEvent::Membership { .. } | InboundEvent::Migration { .. }) => return Step::Drop(Reason::NoAnswerNeeded),
        Some(InboundEvent::Interaction { .. }) => return Step::Drop(Reason::UnhandledEvent),
        Some(InboundEvent::Message(_) | InboundEvent::Edit { .. }) => {}
        None => return Step::Drop(Reason::Poisoned),
    }
    match contact.mode {
        Mode::Bot => {}
        Mode::Human => return Step::Drop(Reason::HumanMode),
        Mode::Muted => return Step::Drop(Reason::Muted),
    }
    let answered = turn.asks.iter().any(|ask| matches!(ask.state, AskState::Answered(_)));
    if !answered && now.since(turn.received_at) > max_age {
        return Step::Explain(Reason::TooOld);
    }
    questions(turn, image_prompt)
}

fn messages(turn: &Turn) -> impl Iterator<Item = &Message> {
    turn.events.iter().filter_map(|event| match &event.event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => Some(message),
        _ => None,
    })
}

fn questions(turn: &Turn, image_prompt: &str) -> Step {
    let mut text = String::new();
    for message in messages(turn) {
        let parts = [message.quoted.as_deref().map(quote), Some(message.text.trim().to_owned())];
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&part);
        }
    }
    let pictures: Vec<Option<MediaId>> = messages(turn)
        .flat_map(|message| &message.media)
        .filter(|media| media.kind.is_picture())
        .map(|media| match &media.place {
            MediaPlace::Stored(id) => Some(*id),
            MediaPlace::Remote(_) | MediaPlace::Absent => None,
        })
        .collect();
    if pictures.is_empty() {
        let other = messages(turn).any(|message| !message.media.is_empty());
        return match (text.is_empty(), other) {
            (false, _) => Step::Ask(vec![Question::Talk { text }]),
            (true, true) => Step::Explain(Reason::UnsupportedContent),
            (true, false) => Step::Drop(Reason::EmptyMessage),
        };
    }
    if text.is_empty() {
        text = image_prompt.to_owned();
    }
    let first = std::mem::take(&mut text);
    Step::Ask(
        pictures
            .into_iter()
            .enumerate()
            .map(|(n, image)| Question::Vision { text: if n == 0 { first.clone() } else { String::new() }, image })
            .collect(),
    )
}

fn quote(quoted: &str) -> String {
    quoted.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
}

/// The reference that an answer replies to: the first message's.
pub(crate) fn reply_to(turn: &Turn, channel: &dyn Channel) -> Option<String> {
    if !channel.capabilities().replies {
        return None;
    }
    messages(turn).find_map(|message| message.reply_to.clone())
}

/// An action with the calls it takes on this channel.
pub(crate) fn say(channel: &dyn Channel, to: &Target, action: OutboundAction) -> Said {
    let delivery = channel.capabilities().delivery;
    let calls = match delivery {
        Delivery::Pull => Vec::new(),
        Delivery::Push => channel.render(&action, to),
    };
    Said { action, delivery, calls }
}

/// The notice that goes with a reason, if it has one.
pub(crate) fn notice(reason: Reason) -> Option<Text> {
    match reason {
        Reason::TooOld => Some(Text::TooOld),
        Reason::TooManyPending => Some(Text::TooManyPending),
        Reason::RateLimited => Some(Text::RateLimited),
        Reason::GaveUp | Reason::Poisoned => Some(Text::GaveUp),
        Reason::Refused => Some(Text::Refused),
        Reason::UnreadableImage => Some(Text::UnreadableImage),
        Reason::MediaUnavailable => Some(Text::MediaUnavailable),
        Reason::UnsupportedContent => Some(Text::UnsupportedContent),
        _ => None,
    }
}

/// Whether a notice of this reason stays unsaid because the contact was told already and has had no answer since. Where an
/// answer is read by a program that asked, it is told every time; and what concerns this very message always is.
pub(crate) fn told_already(reason: Reason, contact: &Contact, delivery: Delivery) -> bool {
    let about_an_outage = matches!(reason, Reason::GaveUp | Reason::TooOld);
    about_an_outage && delivery == Delivery::Push && contact.noticed.as_deref() == Some(reason.as_str())
}

/// What ending with `outcome` changes about the contact.
pub(crate) fn contact_change(outcome: Outcome, contact: &Contact) -> ContactChange {
    let noticed = match outcome {
        Outcome::Answered if contact.noticed.is_some() => Some(None),
        Outcome::Explained(reason @ (Reason::GaveUp | Reason::TooOld)) | Outcome::Dead(reason @ (Reason::GaveUp | Reason::TooOld))
            if contact.noticed.as_deref() != Some(reason.as_str()) =>
        {
            Some(Some(Arc::from(reason.as_str())))
        }
        _ => None,
    };
    ContactChange { noticed, ..ContactChange::default() }
}

/// The answers of a turn as one: in order, a failed picture named in its place.
pub(crate) fn combine(results: &[AskState], one_unreadable: impl Fn(usize) -> String) -> Result<String, Reason> {
    let several = results.len() > 1;
    let mut parts: Vec<String> = Vec::new();
    let (mut failed, mut answered) = (None, false);
    for (n, result) in results.iter().enumerate() {
        match result {
            AskState::Answered(text) => {
                answered = true;
                if !text.trim().is_empty() {
                    parts.push(text.clone());
                }
            }
            AskState::Failed(reason) => {
                failed = failed.or(Some(*reason));
                if several {
                    parts.push(one_unreadable(n + 1));
                }
            }
            AskState::Open | AskState::Ambiguous | AskState::NotProcessed => {}
        }
    }
    match (answered, failed) {
        (false, Some(reason)) => Err(reason),
        _ if parts.is_empty() => Err(Reason::EmptyAnswer),
        _ => Ok(parts.join("\n\n")),
    }
}
