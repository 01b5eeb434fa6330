//! From an update to an event. Pure.

use std::time::Duration;

use caigunn_bridge::model::commands::Command;
use caigunn_bridge::model::inbound::{MediaPlace, Membership};
use caigunn_bridge::model::{InboundEvent, Incoming, Lang, LateEdit, MediaKind, MediaRef, Message, Sender, Timestamp};
use serde::Deserialize;

use super::ids;

/// One update, as the platform writes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Update {
    pub(super) id: u64,
    chat: String,
    #[serde(default)]
    group: bool,
    /// The group's name.
    #[serde(default)]
    title: Option<String>,
    from: Person,
    #[serde(flatten)]
    what: What,
    /// An address for answers to this update, and for how many milliseconds it works.
    #[serde(default)]
    reply: Option<(String, u64)>,
}

#[derive(Clone, Debug, Deserialize)]
struct Person {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    lang: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum What {
    Message(Written),
    Edit {
        revision: u32,
        #[serde(flatten)]
        written: Written,
    },
    Joined {
        at: u64,
        /// Whether whoever added the bot expects it to greet.
        #[serde(default)]
        welcome: bool,
    },
    Removed {
        at: u64,
    },
    Blocked {
        at: u64,
    },
    Unblocked {
        at: u64,
    },
    Moved {
        to: String,
    },
    /// A kind of update that is newer than this channel.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Deserialize)]
struct Written {
    message: String,
    #[serde(default)]
    text: String,
    /// The bot is named, or one of its messages is answered.
    #[serde(default)]
    mention: bool,
    #[serde(default)]
    album: Option<String>,
    #[serde(default)]
    media: Vec<File>,
    #[serde(default)]
    quote: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct File {
    kind: String,
    file: String,
    #[serde(default)]
    bytes: Option<u64>,
}

/// What a translation needs to know beside the update.
pub(super) struct How {
    pub(super) now: Timestamp,
    /// How long albums are held.
    pub(super) album: Duration,
    /// Whether an edit that comes too late is asked again.
    pub(super) late_edits: bool,
}

/// The event of an update; `None` for a kind of update that nothing is known about.
pub(super) fn event(update: Update, how: &How) -> Option<Incoming> {
    let How { now, album, late_edits } = *how;
    let Update { id: _, chat, group, title, from, what, reply } = update;
    let reply = reply.as_ref().map(|(token, valid)| (token.as_str(), Duration::from_millis(*valid)));
    let target = ids::target(&chat, reply, now);
    let mut incoming = Incoming {
        key: ids::happening(&chat, ""),
        group: None,
        not_before: Duration::ZERO,
        sender: Sender {
            chat: Some(chat.clone()),
            user: Some(from.id),
            nickname: from.name,
            title,
            lang: from.lang.as_deref().and_then(Lang::from_tag),
            ..Sender::default()
        },
        target,
        addressed: true,
        event: InboundEvent::Membership { change: Membership::Joined },
        note: None,
    };
    match what {
        What::Message(written) => {
            incoming.key = ids::message(&chat, &written.message);
            incoming.addressed = !group || written.mention;
            if let Some(name) = &written.album {
                incoming.group = Some(name.clone());
                incoming.not_before = album;
            }
            incoming.event = command(&written.text).unwrap_or_else(|| InboundEvent::Message(message(written)));
        }
        What::Edit { revision, written } => {
            incoming.key = ids::edit(&chat, &written.message, revision);
            incoming.addressed = !group || written.mention;
            let of = ids::message(&chat, &written.message);
            let late = if late_edits { LateEdit::Ask } else { LateEdit::Ignore };
            incoming.event = InboundEvent::Edit { of, message: message(written), late, or_new: false };
        }
        What::Joined { at, welcome } => {
            incoming.key = ids::happening(&chat, &format!("joined:{at}"));
            incoming.addressed = welcome;
        }
        What::Removed { at } => {
            incoming.key = ids::happening(&chat, &format!("removed:{at}"));
            incoming.event = InboundEvent::Membership { change: Membership::Removed };
        }
        What::Blocked { at } => {
            incoming.key = ids::happening(&chat, &format!("blocked:{at}"));
            incoming.event = InboundEvent::Membership { change: Membership::Blocked };
        }
        What::Unblocked { at } => {
            incoming.key = ids::happening(&chat, &format!("unblocked:{at}"));
            incoming.addressed = false;
            incoming.event = InboundEvent::Membership { change: Membership::Unblocked };
        }
        What::Moved { to } => {
            incoming.key = ids::happening(&chat, &format!("moved:{to}"));
            incoming.event = InboundEvent::Migration { to: ids::target(&to, None, now) };
        }
        What::Unknown => return None,
    }
    Some(incoming)
}

fn message(written: Written) -> Message {
    Message {
        text: written.text,
        media: written.media.into_iter().map(media).collect(),
        quoted: written.quote,
        reply_to: Some(written.message),
    }
}

/// `/name args`; a slash with another word is text like any other.
fn command(text: &str) -> Option<InboundEvent> {
    let (name, args) = text.strip_prefix('/')?.split_once(' ').unwrap_or((&text[1..], ""));
    let command = Command::parse(name)?;
    Some(InboundEvent::Command { command, args: args.trim().to_owned(), reply_to: None })
}

/// A reference is the file's name, which stays; links to it expire.
fn media(file: File) -> MediaRef {
    let (kind, place) = match file.kind.as_str() {
        "image" => (MediaKind::Image, MediaPlace::Remote(file.file)),
        "sticker" => (MediaKind::Sticker, MediaPlace::Remote(file.file)),
        "voice" => (MediaKind::Voice, MediaPlace::Absent),
        "video" => (MediaKind::Video, MediaPlace::Absent),
        _ => (MediaKind::File, MediaPlace::Absent),
    };
    MediaRef { kind, place, name: None, bytes: file.bytes }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use caigunn_bridge::model::commands::Command;
    use caigunn_bridge::model::{InboundEvent, Timestamp};
    use serde_json::{Value, json};

    fn event(mut update: Value) -> Option<caigunn_bridge::model::Incoming> {
        let rest = json!({ "id": 1, "chat": "c1", "from": { "id": "u1", "name": "Ann", "lang": "zh-Hant" } });
        for (key, value) in rest.as_object().unwrap() {
            update.as_object_mut().unwrap().entry(key.clone()).or_insert(value.clone());
        }
        let how = super::How { now: Timestamp(0), album: Duration::from_secs(1), late_edits: false };
        super::event(serde_json::from_value(update).unwrap(), &how)
    }

    #[test]
    fn a_message_an_edit_of_it_and_a_stranger() {
        let written = event(json!({ "type": "message", "message": "m1", "text": "hi" })).unwrap();
        assert_eq!((written.key.as_str(), written.addressed), ("m:c1:m1", true));
        let edited = event(json!({ "type": "edit", "message": "m1", "revision": 2, "text": "ho" })).unwrap();
        assert_eq!(edited.key.as_str(), "e:c1:m1:2");
        assert!(matches!(edited.event, InboundEvent::Edit { of, .. } if of == written.key));
        assert!(event(json!({ "type": "hologram" })).is_none());
    }

    #[test]
    fn in_a_group_the_bot_must_be_named() {
        let addressed = |mention| {
            let update = json!({ "type": "message", "message": "m1", "group": true, "mention": mention });
            event(update).unwrap().addressed
        };
        assert_eq!((addressed(true), addressed(false)), (true, false));
    }

    #[test]
    fn a_command_is_a_word_of_the_catalogue() {
        let of = |text: &str| event(json!({ "type": "message", "message": "m1", "text": text })).unwrap().event;
        assert!(
            matches!(of("/lang zh-TW"), InboundEvent::Command { command: Command::Lang, args, .. } if args == "zh-TW")
        );
        assert!(matches!(of("/help"), InboundEvent::Command { command: Command::Help, args, .. } if args.is_empty()));
        assert!(matches!(of("/etc/passwd"), InboundEvent::Message(_)));
    }
}
