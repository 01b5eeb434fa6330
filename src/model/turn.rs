//! A turn: what a person said, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::contact::ContactId;
use crate::model::ids::{BotName, ChannelId, EventKey, TurnId};
use crate::model::inbound::InboundEvent;
use crate::model::outbound::{OutboundAction, Target};

/// Where a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Waits for its time and its place in the conversation.
    Pending,
    /// Somebody works on it.
    Claimed,
    /// Ended as its outcome says.
    Done,
    /// Given up; an operator can retry or drop it.
    Dead,
}

impl TurnState {
    pub fn as_number(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Claimed => 1,
            Self::Done => 2,
            Self::Dead => 3,
        }
    }

    pub fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Pending,
            1 => Self::Claimed,
            2 => Self::Done,
            _ => Self::Dead,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Dead)
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The chatbot's answer (or a command's) was committed.
    Answered,
    /// The sender was told why there is no answer.
    Explained(Reason),
    /// Nothing was said, for a named reason.
    Dropped(Reason),
    /// Dead-lettered; what could be said to the sender was said.
    Dead(Reason),
}

impl Outcome {
    pub fn state(self) -> TurnState {
        if matches!(self, Self::Dead(_)) { TurnState::Dead } else { TurnState::Done }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Explained(_) => "explained",
            Self::Dropped(_) => "dropped",
            Self::Dead(_) => "dead",
        }
    }

    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Answered => None,
            Self::Explained(reason) | Self::Dropped(reason) | Self::Dead(reason) => Some(reason),
        }
    }

    /// Reads what `as_str` and `Reason::as_str` wrote.
    pub fn from_stored(outcome: &str, reason: Option<&str>) -> Option<Self> {
        let reason = reason.and_then(Reason::from_stored);
        match outcome {
            "answered" => Some(Self::Answered),
            "explained" => reason.map(Self::Explained),
            "dropped" => reason.map(Self::Dropped),
            "dead" => reason.map(Self::Dead),
            _ => None,
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why there is no answer. Each is a label of `bridge_turns_total` and appears in `messages show`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            pub fn from_stored(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// The chatbot answered with nothing.
    EmptyAnswer = "empty_answer",
    /// The message was older than `max_age` when its turn came.
    TooOld = "too_old",
    /// More turns of one conversation were waiting than are allowed.
    TooManyPending = "too_many_pending",
    /// One user wrote faster than the per-user rate.
    RateLimited = "rate_limited",
    /// The channel's `access` does not let the sender in.
    NotAllowed = "not_allowed",
    /// A command that only the channel's `access.admins` may use.
    AdminsOnly = "admins_only",
    /// The bot was removed or blocked where the answer would go.
    TargetGone = "target_gone",
    /// Attempts went on for `give_up_after` without an answer.
    GaveUp = "gave_up",
    /// CaiGunn refused this request for good (a 4xx other than 401, 403, 408, 425, 429).
    Refused = "refused",
    /// None of the images could be read.
    UnreadableImage = "unreadable_image",
    /// The media could not be fetched from the platform.
    MediaUnavailable = "media_unavailable",
    /// Nothing in the message is of a kind that the chatbot takes.
    UnsupportedContent = "unsupported_content",
    /// The message holds no text and nothing else.
    EmptyMessage = "empty_message",
    /// The bot was not addressed.
    NotAddressed = "not_addressed",
    /// A person has taken the conversation over.
    HumanMode = "human_mode",
    /// The conversation is muted.
    Muted = "muted",
    /// An event that changes something and has no answer (membership, migration, an edit).
    NoAnswerNeeded = "no_answer_needed",
    /// The edited message had been asked already.
    EditedTooLate = "edited_too_late",
    /// The channel reports an event that this version does not handle.
    UnhandledEvent = "unhandled_event",
    /// The turn made the bridge panic or its row could not be read.
    Poisoned = "poisoned",
    /// An operator dropped it.
    DroppedByOperator = "dropped_by_operator",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A turn as the pipeline works on it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The store's number; grows in order of arrival.
    pub seq: i64,
    pub id: TurnId,
    pub channel: ChannelId,
    pub bot: BotName,
    pub contact: ContactId,
    pub target: Target,
    pub events: Vec<TurnEvent>,
    /// Grows whenever an event joins or is replaced: what a claimant has read must be what it claims.
    pub version: u32,
    pub addressed: bool,
    /// When the turn (or its last retry by an operator) was accepted.
    pub received_at: Timestamp,
    /// How much longer it is held.
    pub due_in: Duration,
    /// Attempts that failed so far, and the time spent on them.
    pub attempts: u32,
    pub spent: Duration,
    /// Decided at intake: the turn is not asked, it ends with a notice of this reason.
    pub verdict: Option<Reason>,
    /// The asks begun so far, by number.
    pub asks: Vec<Ask>,
}

#[derive(Clone, Debug)]
pub struct TurnEvent {
    pub key: EventKey,
    pub event: InboundEvent,
}

/// One call of `talk` or `vision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub n: u16,
    pub state: AskState,
    /// The uid that was asked.
    pub uid: Arc<str>,
    /// How long ago the ask was begun.
    pub age: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskState {
    /// Begun; after a crash: ambiguous.
    Open,
    /// The call ended without telling whether it was processed.
    Ambiguous,
    /// CaiGunn did not process it: it may be asked again.
    NotProcessed,
    Answered(String),
    /// Refused for good, with the code under which it is explained.
    Failed(Reason),
}

/// What the outside sees of a turn.
#[derive(Clone, Debug)]
pub struct TurnView {
    pub id: TurnId,
    pub channel: ChannelId,
    pub contact: ContactId,
    pub state: TurnState,
    pub outcome: Option<Outcome>,
    pub received_at: Timestamp,
    /// What was said to it, answers and notices, as far as it is not forgotten. They are committed with the end: empty at an end,
    /// nothing was said and nothing will be.
    pub replies: Vec<OutboundAction>,
}
