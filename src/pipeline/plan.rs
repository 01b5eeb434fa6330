//! What a turn is about, and what is said at its end. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::channel::Channel;
use crate::contract::store::{ContactChange, Said};
use crate::model::capabilities::Delivery;
use crate::model::commands::Command;
use crate::model::inbound::{InboundEvent, MediaPlace, Membership, Message};
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
    /// The bot was added to a chat, or unblocked: it greets.
    Welcome,
    Ask(Vec<Question>),
}

/// One call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Talk {
        text: String,
    },
    /// A picture of the turn, or why it could not be fetched.
    Vision {
        text: String,
        image: Result<MediaId, Reason>,
    },
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
    let event = turn.events.first().map(|event| &event.event);
    // Before all else: whoever did not address the bot is told nothing.
    if !turn.addressed {
        let silent = matches!(event, Some(InboundEvent::Membership { .. } | InboundEvent::Migration { .. }));
        return Step::Drop(if silent { Reason::NoAnswerNeeded } else { Reason::NotAddressed });
    }
    if let Some(reason) = turn.verdict {
        return Step::Explain(reason);
    }
    match event {
        // Commands change what the bridge knows and are quick: they are carried out however late, and in any mode.
        Some(InboundEvent::Command { command, args, .. }) => return Step::Command(*command, args.clone()),
        Some(InboundEvent::Membership { change: Membership::Joined }) => {
            // A greeting that comes late is none, and where a person has taken over the bot holds its tongue.
            let greets = contact.mode == Mode::Bot && now.since(turn.received_at) <= max_age;
            return if greets { Step::Welcome } else { Step::Drop(Reason::NoAnswerNeeded) };
        }
        Some(InboundEvent::Membership { .. } | InboundEvent::Migration { .. }) => {
            return Step::Drop(Reason::NoAnswerNeeded);
        }
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
    let pictures: Vec<Result<MediaId, Reason>> = messages(turn)
        .flat_map(|message| &message.media)
        .filter(|media| media.kind.is_picture())
        .map(|media| match &media.place {
            MediaPlace::Stored(id) => Ok(*id),
            MediaPlace::Remote(_) | MediaPlace::Absent => Err(Reason::MediaUnavailable),
            MediaPlace::TooLarge => Err(Reason::UnreadableImage),
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
    turn.events.iter().find_map(|event| match &event.event {
        InboundEvent::Message(Message { reply_to, .. })
        | InboundEvent::Edit { message: Message { reply_to, .. }, .. }
        | InboundEvent::Command { reply_to, .. } => reply_to.clone(),
        _ => None,
    })
}

/// An action with the calls it takes on this channel.
pub(crate) fn say(channel: &dyn Channel, to: &Target, action: OutboundAction) -> Said {
    let delivery = channel.capabilities().delivery;
    let calls = match delivery {
        Delivery::Pull => Vec::new(),
        Delivery::Push | Delivery::Both => channel.render(&action, to),
    };
    Said { action, delivery, calls }
}

/// Whether the channel has rendered it to nothing: there is something, and nobody could see it.
pub(crate) fn is_unseen(said: &[Said]) -> bool {
    !said.is_empty() && said.iter().all(|said| said.delivery == Delivery::Push && said.calls.is_empty())
}

/// The notice that goes with a reason, if it has one.
pub(crate) fn notice(reason: Reason) -> Option<Text> {
    match reason {
        Reason::TooOld => Some(Text::TooOld),
        Reason::TooManyPending => Some(Text::TooManyPending),
        Reason::RateLimited => Some(Text::RateLimited),
        Reason::NotAllowed => Some(Text::NotAllowed),
        Reason::AdminsOnly => Some(Text::AdminsOnly),
        Reason::GaveUp | Reason::Poisoned => Some(Text::GaveUp),
        Reason::Refused => Some(Text::Refused),
        Reason::UnreadableImage => Some(Text::UnreadableImage),
        Reason::MediaUnavailable => Some(Text::MediaUnavailable),
        Reason::UnsupportedContent => Some(Text::UnsupportedContent),
        _ => None,
    }
}

/// Whether a reason is an outage's, not this very message's.
fn is_outage(reason: Reason) -> bool {
    matches!(reason, Reason::GaveUp | Reason::TooOld)
}

/// Whether a notice of this reason stays unsaid because the contact was told of the outage already, in whatever words, and has
/// had no answer since. Where an answer is read by a program that asked, it is told every time; and what concerns this very
/// message always is.
pub(crate) fn told_already(reason: Reason, contact: &Contact, delivery: Delivery) -> bool {
    is_outage(reason) && delivery == Delivery::Push && contact.noticed.is_some()
}

/// What ending with `outcome` changes about the contact.
pub(crate) fn contact_change(outcome: Outcome, contact: &Contact) -> ContactChange {
    let noticed = match outcome {
        Outcome::Answered if contact.noticed.is_some() => Some(None),
        Outcome::Explained(reason) | Outcome::Dead(reason) if is_outage(reason) && contact.noticed.is_none() => {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Question, Step, combine, contact_change, step, told_already};
    use crate::model::capabilities::Delivery;
    use crate::model::commands::Command;
    use crate::model::inbound::{InboundEvent, LateEdit, MediaKind, MediaPlace, MediaRef, Membership, Message};
    use crate::model::turn::{Ask, AskState, Outcome, Reason, Turn, TurnEvent};
    use crate::model::{Contact, ContactId, ContactKey, EventKey, MediaId, Mode, Target, Timestamp, TurnId};

    const MAX_AGE: Duration = Duration::from_secs(60);

    fn turn(events: impl IntoIterator<Item = InboundEvent>) -> Turn {
        let events = events.into_iter().enumerate();
        Turn {
            seq: 1,
            id: TurnId::generate(),
            channel: "page".into(),
            bot: "main".into(),
            contact: ContactId(1),
            target: Target::of("chat"),
            events: events.map(|(n, event)| TurnEvent { key: EventKey::new(n.to_string()), event }).collect(),
            version: 0,
            addressed: true,
            received_at: Timestamp(0),
            due_in: Duration::ZERO,
            attempts: 0,
            spent: Duration::ZERO,
            verdict: None,
            asks: Vec::new(),
        }
    }

    fn contact() -> Contact {
        Contact {
            id: ContactId(1),
            key: ContactKey::from_stored("u:1"),
            base_uid: "page-1".into(),
            generation: 0,
            nickname: None,
            lang: None,
            mode: Mode::Bot,
            target: Target::of("chat"),
            noticed: None,
        }
    }

    fn said(text: &str) -> InboundEvent {
        InboundEvent::Message(Message::text(text))
    }

    fn shown(text: &str, media: &[(MediaKind, MediaPlace)]) -> InboundEvent {
        let media =
            media.iter().map(|(kind, place)| MediaRef { kind: *kind, place: place.clone(), name: None, bytes: None });
        InboundEvent::Message(Message { media: media.collect(), ..Message::text(text) })
    }

    fn decide(turn: &Turn) -> Step {
        step(turn, &contact(), Timestamp(0), MAX_AGE, "")
    }

    fn talk(text: &str) -> Step {
        Step::Ask(vec![Question::Talk { text: text.to_owned() }])
    }

    #[test]
    fn whoever_did_not_address_the_bot_is_told_nothing() {
        for verdict in [None, Some(Reason::TooManyPending), Some(Reason::RateLimited)] {
            let turn = Turn { addressed: false, verdict, ..turn([said("hi")]) };
            assert_eq!(decide(&turn), Step::Drop(Reason::NotAddressed), "{verdict:?}");
        }
        let refused = Turn { verdict: Some(Reason::RateLimited), ..turn([said("hi")]) };
        assert_eq!(decide(&refused), Step::Explain(Reason::RateLimited));
    }

    #[test]
    fn each_kind_of_event_has_its_step() {
        let help = InboundEvent::Command { command: Command::Help, args: String::new(), reply_to: None };
        assert_eq!(decide(&turn([help])), Step::Command(Command::Help, String::new()));
        let unblocked = InboundEvent::Membership { change: Membership::Unblocked };
        assert_eq!(decide(&turn([unblocked])), Step::Drop(Reason::NoAnswerNeeded));
        let moved = InboundEvent::Migration { to: Target::of("new") };
        assert_eq!(decide(&turn([moved])), Step::Drop(Reason::NoAnswerNeeded));
        let pressed = InboundEvent::Interaction { data: "1".into() };
        assert_eq!(decide(&turn([pressed])), Step::Drop(Reason::UnhandledEvent));
        assert_eq!(decide(&turn([])), Step::Drop(Reason::Poisoned));
        assert_eq!(decide(&turn([said(" \n")])), Step::Drop(Reason::EmptyMessage));
        assert_eq!(decide(&turn([said(" hi ")])), talk("hi"));
        let edited = InboundEvent::Edit {
            of: EventKey::new("0"),
            message: Message::text("ho"),
            late: LateEdit::default(),
            or_new: false,
        };
        assert_eq!(decide(&turn([edited])), talk("ho"));
    }

    #[test]
    fn the_bot_greets_who_wants_it_in_time_and_where_it_may_speak() {
        let joined = || turn([InboundEvent::Membership { change: Membership::Joined }]);
        assert_eq!(decide(&joined()), Step::Welcome);
        let silent = Step::Drop(Reason::NoAnswerNeeded);
        assert_eq!(decide(&Turn { addressed: false, ..joined() }), silent);
        let human = Contact { mode: Mode::Human, ..contact() };
        assert_eq!(step(&joined(), &human, Timestamp(0), MAX_AGE, ""), silent);
        assert_eq!(step(&joined(), &contact(), Timestamp(60_001), MAX_AGE, ""), silent);
    }

    #[test]
    fn a_person_in_charge_silences_the_bot_but_not_commands() {
        let reset = InboundEvent::Command { command: Command::Reset, args: String::new(), reply_to: None };
        for (mode, reason) in [(Mode::Human, Reason::HumanMode), (Mode::Muted, Reason::Muted)] {
            let contact = Contact { mode, ..contact() };
            let decide = |turn: &Turn| step(turn, &contact, Timestamp(0), MAX_AGE, "");
            assert_eq!(decide(&turn([said("hi")])), Step::Drop(reason));
            assert!(matches!(decide(&turn([reset.clone()])), Step::Command(Command::Reset, _)));
        }
    }

    #[test]
    fn a_late_answer_is_not_asked_for_but_one_that_is_there_is_given() {
        let late = |asks| {
            let turn = Turn { asks, ..turn([said("hi")]) };
            step(&turn, &contact(), Timestamp(60_001), MAX_AGE, "")
        };
        let ask = |state| vec![Ask { n: 0, state, uid: "page-1".into(), age: Duration::ZERO }];
        assert_eq!(late(Vec::new()), Step::Explain(Reason::TooOld));
        assert_eq!(late(ask(AskState::Ambiguous)), Step::Explain(Reason::TooOld));
        assert_eq!(late(ask(AskState::Answered("ho".into()))), talk("hi"));
        assert_eq!(step(&turn([said("hi")]), &contact(), Timestamp(60_000), MAX_AGE, ""), talk("hi"), "at the bound");
    }

    #[test]
    fn the_caption_goes_with_the_first_picture() {
        let (one, two) = (MediaId::generate(), MediaId::generate());
        let album = turn([
            shown("which?", &[(MediaKind::Image, MediaPlace::Stored(one)), (MediaKind::Voice, MediaPlace::Absent)]),
            shown("", &[(MediaKind::Sticker, MediaPlace::Stored(two))]),
            shown("or this?", &[(MediaKind::Image, MediaPlace::Absent), (MediaKind::Image, MediaPlace::TooLarge)]),
        ]);
        let vision = |text: &str, image| Question::Vision { text: text.to_owned(), image };
        let wanted = vec![
            vision("which?\nor this?", Ok(one)),
            vision("", Ok(two)),
            vision("", Err(Reason::MediaUnavailable)),
            vision("", Err(Reason::UnreadableImage)),
        ];
        assert_eq!(decide(&album), Step::Ask(wanted));
        let bare = turn([shown("", &[(MediaKind::Image, MediaPlace::Stored(one))])]);
        assert_eq!(
            step(&bare, &contact(), Timestamp(0), MAX_AGE, "Describe it."),
            Step::Ask(vec![vision("Describe it.", Ok(one))])
        );
    }

    #[test]
    fn what_cannot_be_seen_is_explained_unless_there_are_words() {
        let voice = |text| turn([shown(text, &[(MediaKind::Voice, MediaPlace::Absent)])]);
        assert_eq!(decide(&voice("")), Step::Explain(Reason::UnsupportedContent));
        assert_eq!(decide(&voice("listen")), talk("listen"));
    }

    #[test]
    fn what_is_answered_goes_along() {
        let quoted = Message { quoted: Some("one\ntwo".into()), ..Message::text("really?") };
        assert_eq!(decide(&turn([InboundEvent::Message(quoted)])), talk("> one\n> two\nreally?"));
    }

    #[test]
    fn answers_are_combined_in_order_and_failures_named_in_place() {
        let combine = |results: &[AskState]| combine(results, |n| format!("({n}?)"));
        let answered = |text: &str| AskState::Answered(text.to_owned());
        let failed = AskState::Failed(Reason::UnreadableImage);
        assert_eq!(combine(&[answered("a"), failed.clone(), answered("b")]), Ok("a\n\n(2?)\n\nb".to_owned()));
        assert_eq!(combine(&[answered(" "), answered("b")]), Ok("b".to_owned()));
        assert_eq!(combine(&[answered("")]), Err(Reason::EmptyAnswer));
        assert_eq!(combine(&[answered(""), failed.clone()]), Ok("(2?)".to_owned()));
        assert_eq!(
            combine(&[failed, AskState::Failed(Reason::Refused)]),
            Err(Reason::UnreadableImage),
            "the first reason"
        );
    }

    #[test]
    fn an_outage_is_told_once_in_whatever_words() {
        let told = |reason: &str| Contact { noticed: Some(reason.into()), ..contact() };
        for reason in [Reason::GaveUp, Reason::TooOld] {
            assert!(!told_already(reason, &contact(), Delivery::Push));
            assert!(told_already(reason, &told("gave_up"), Delivery::Push));
            for read in [Delivery::Pull, Delivery::Both] {
                assert!(!told_already(reason, &told("gave_up"), read), "a program that asked is told every time");
            }
            let noted = contact_change(Outcome::Explained(reason), &contact()).noticed;
            assert_eq!(noted, Some(Some(Arc::from(reason.as_str()))));
            assert_eq!(contact_change(Outcome::Dead(reason), &told("too_old")).noticed, None);
        }
        assert!(!told_already(Reason::UnreadableImage, &told("gave_up"), Delivery::Push), "that is about this message");
        assert_eq!(
            contact_change(Outcome::Answered, &told("gave_up")).noticed,
            Some(None),
            "forgotten with a good answer"
        );
        assert!(contact_change(Outcome::Answered, &contact()).is_nothing());
        assert!(contact_change(Outcome::Explained(Reason::Refused), &contact()).is_nothing());
    }
}
