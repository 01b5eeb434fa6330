//! What comes in: an event of a platform, normalized.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::commands::Command;
use crate::model::contact::Sender;
use crate::model::ids::{EventKey, MediaId};
use crate::model::outbound::Target;

/// One event as a channel hands it over. What goes through [`accept`](crate::contract::InboxWriter::accept) is stored;
/// the platform is acknowledged afterwards.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Unique per channel; a second event with this key is counted and dropped.
    pub key: EventKey,
    /// Events of one contact with the same group form one turn (an album) as long as nobody has begun to work on it.
    pub group: Option<String>,
    /// How long the turn is held for more events of its group.
    pub not_before: Duration,
    pub sender: Sender,
    /// Where an answer goes.
    pub target: Target,
    /// Whether the bot was addressed. Judged per turn: one addressed member of an album is enough.
    pub addressed: bool,
    pub event: InboundEvent,
    /// A note of the channel's own, kept with the key and handed back with a duplicate (a fingerprint, say).
    pub note: Option<String>,
}

/// The kinds of events. They share one lane per contact, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum InboundEvent {
    Message(Message),
    /// The text of an earlier event (by its key) has changed. It takes the place of what was said as long as nobody has
    /// begun to work on it.
    Edit {
        of: EventKey,
        message: Message,
        #[serde(default)]
        late: LateEdit,
        /// Whether it is a new message where the earlier event is not known: what nobody says to the bot is not recorded, until
        /// an edit adds its name.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        or_new: bool,
    },
    Command {
        command: Command,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        args: String,
        /// As [`Message::reply_to`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
    },
    Membership {
        change: Membership,
    },
    /// The chat goes on at another address.
    Migration {
        to: Target,
    },
    /// A button, a menu: opaque to all but its channel.
    Interaction {
        data: String,
    },
}

/// What becomes of an edit that comes after its message was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateEdit {
    /// It is recorded and not answered.
    #[default]
    Ignore,
    /// It is asked like a new message, if the event it changes is known and says something else.
    Ask,
}

/// What a person wrote or showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaRef>,
    /// The text of the message that this one answers, passed along to the chatbot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// The platform's reference of this message, for an answer that names what it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

impl Message {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// Something that came with a message and is not text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRef {
    pub kind: MediaKind,
    pub place: MediaPlace,
    /// The file name or title that the platform gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size in bytes, where the platform says it before the download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaPlace {
    /// In the bridge's own store.
    Stored(MediaId),
    /// At the platform: a reference that the channel can fetch again, not a link that expires.
    Remote(String),
    /// Nowhere worth fetching: a kind of media that the chatbot cannot take, or gone.
    Absent,
    /// At the platform, and larger than what is read.
    TooLarge,
}

/// What kind of thing it is. Only images are asked about; for the others the sender is told what the bot can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaKind {
    Image,
    Sticker,
    Voice,
    Audio,
    Video,
    File,
    Location,
    ContactCard,
    Poll,
}

impl MediaKind {
    /// Whether the bridge can make an image of it that `vision` takes.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Image | Self::Sticker)
    }
}

/// The bot's standing in a chat. After `Removed` and `Blocked` nothing is sent to the event's target, until another event
/// comes from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// With an [`addressed`](Incoming::addressed) event the bot greets.
    Joined,
    Removed,
    Blocked,
    Unblocked,
}
