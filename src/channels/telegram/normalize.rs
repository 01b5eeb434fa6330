//! From an update to an event. Pure.

mod address;
mod content;
#[cfg(test)]
mod tests;

use std::time::Duration;

use regex::RegexSet;
use serde_json::value::RawValue;

use crate::channels::telegram::config::{Groups, Replies, TelegramConfig};
use crate::channels::telegram::ids;
use crate::channels::telegram::normalize::address::{Addressed, Words};
use crate::channels::telegram::wire::{Chat, ChatKind, Identity, Message, Standing, Update, is_service};
use crate::model::commands::Command;
use crate::model::inbound::{self, LateEdit, Membership};
use crate::model::{InboundEvent, Incoming, Lang, Sender};

/// What decides whether and how an update is taken.
#[derive(Clone, Debug)]
pub struct Rules {
    pub bot: Identity,
    groups: Groups,
    always_in: Vec<String>,
    patterns: RegexSet,
    bare_commands: bool,
    channel_posts: bool,
    welcome: bool,
    late_edits: LateEdit,
    quotes: bool,
    replies: Replies,
    album_wait: Duration,
}

impl Rules {
    /// The patterns were checked with the section; one that is wrong all the same fits nothing.
    pub fn new(config: &TelegramConfig, bot: Identity) -> Self {
        Self {
            bot,
            groups: config.groups,
            always_in: config.always_in.iter().map(|id| id.0.clone()).collect(),
            patterns: RegexSet::new(&config.patterns).unwrap_or_else(|_| RegexSet::empty()),
            bare_commands: config.bare_commands,
            channel_posts: config.channel_posts,
            welcome: config.welcome,
            late_edits: config.late_edits.into(),
            quotes: config.quotes,
            replies: config.replies,
            album_wait: *config.album_wait,
        }
    }

    fn is_always_in(&self, chat: i64) -> bool {
        !self.always_in.is_empty() && self.always_in.contains(&chat.to_string())
    }
}

/// What an update is to the bridge.
#[derive(Debug)]
pub enum Heard {
    Event(Box<Incoming>),
    /// Nothing to record, for a reason that is counted.
    Nothing(&'static str),
}

impl Heard {
    fn event(incoming: Incoming) -> Self {
        Self::Event(Box::new(incoming))
    }
}

/// What became of an update.
pub fn event(update: &Update<'_>, rules: &Rules) -> Heard {
    if let Some(raw) = update.message {
        return read(raw, |message| written(message, raw, rules));
    }
    if let Some(raw) = update.edited_message {
        return read(raw, |message| edited(message, rules));
    }
    if let Some(raw) = update.channel_post.filter(|_| rules.channel_posts) {
        return read(raw, |message| written(message, raw, rules));
    }
    if let Some(raw) = update.edited_channel_post.filter(|_| rules.channel_posts) {
        return read(raw, |message| edited(message, rules));
    }
    match update.my_chat_member {
        Some(raw) => read(raw, |standing| membership(standing, rules)),
        None => Heard::Nothing("other_update"),
    }
}

fn read<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue, then: impl FnOnce(&T) -> Heard) -> Heard {
    match serde_json::from_str(raw.get()) {
        Ok(parsed) => then(&parsed),
        Err(_) => Heard::Nothing("unreadable"),
    }
}

fn written(message: &Message, raw: &RawValue, rules: &Rules) -> Heard {
    if let Some(moved) = migration(message) {
        return moved;
    }
    // An answer there would need the topic's own number, and the right of an administrator.
    if message.chat.is_direct_messages {
        return Heard::Nothing("direct_messages");
    }
    let sender = match sender(message, rules) {
        Ok(sender) => sender,
        Err(reason) => return Heard::Nothing(reason),
    };
    let media = content::media(message);
    if message.text.is_none() && message.caption.is_none() && is_service(raw) {
        return Heard::Nothing("service_message");
    }
    let Some(Addressed { words, addressed }) = address::judge(message, rules) else {
        return Heard::Nothing("for_another_bot");
    };
    // What is said among people is none of our business. A member of an album is kept: another one may carry the mention.
    let album = message.media_group_id.as_ref();
    if !addressed && album.is_none() {
        return Heard::Nothing("not_addressed");
    }
    let event = match words {
        Words::Command(command, args) => InboundEvent::Command { command, args, reply_to: reply_to(message, rules) },
        Words::Text(text) => match asked(message, text, media, rules) {
            // Somebody calls the bot, and there is nothing to answer.
            asked if addressed && asked.text.is_empty() && asked.media.is_empty() => InboundEvent::Command {
                command: Command::Help,
                args: String::new(),
                reply_to: reply_to(message, rules),
            },
            asked => InboundEvent::Message(asked),
        },
    };
    Heard::event(Incoming {
        key: match message.ephemeral_message_id.filter(|_| message.message_id == 0) {
            Some(id) => ids::ephemeral(message.chat.id, id, message.date),
            None => ids::message(message.chat.id, message.message_id),
        },
        group: album.cloned(),
        not_before: if album.is_some() { rules.album_wait } else { Duration::ZERO },
        sender,
        target: ids::target(message.chat.id, topic(message)),
        addressed,
        event,
        note: None,
    })
}

/// So many seconds after a message was written, an edit that adds the bot's name counts as the message itself.
const FORGOTTEN: i64 = 10 * 60;

/// An edit replaces what was written; where the bot is not addressed there is nothing to replace.
fn edited(message: &Message, rules: &Rules) -> Heard {
    let sender = match sender(message, rules) {
        Ok(sender) => sender,
        Err(reason) => return Heard::Nothing(reason),
    };
    let Some(Addressed { words, addressed: true }) = address::judge(message, rules) else {
        return Heard::Nothing("not_addressed");
    };
    let source = message.text.as_deref().or(message.caption.as_deref());
    let (Words::Text(text), Some(source)) = (words, source) else {
        // Live locations, commands: what was done is done.
        return Heard::Nothing("other_edit");
    };
    let date = message.edit_date.unwrap_or(message.date);
    let media = content::media(message);
    let of = ids::message(message.chat.id, message.message_id);
    Heard::event(Incoming {
        key: ids::edit(message.chat.id, message.message_id, date, source),
        group: None,
        not_before: Duration::ZERO,
        sender,
        target: ids::target(message.chat.id, topic(message)),
        addressed: true,
        event: InboundEvent::Edit {
            of,
            message: asked(message, text, media, rules),
            late: rules.late_edits,
            // Somebody adds the bot's name that was forgotten.
            or_new: message.chat.kind != ChatKind::Private && date - message.date <= FORGOTTEN,
        },
        note: None,
    })
}

fn asked(message: &Message, text: String, media: Vec<inbound::MediaRef>, rules: &Rules) -> inbound::Message {
    let mut asked = inbound::Message { text, media, quoted: None, reply_to: reply_to(message, rules) };
    if rules.quotes {
        content::add_quoted(&mut asked, message, &rules.bot);
    }
    asked
}

/// What the answer names, where answers name what they answer.
fn reply_to(message: &Message, rules: &Rules) -> Option<String> {
    let names = match rules.replies {
        Replies::Always => true,
        Replies::Groups => message.chat.kind != ChatKind::Private,
        Replies::Never => false,
    };
    // A message that only its reader can see has no number.
    (names && message.message_id != 0).then(|| message.message_id.to_string())
}

/// The topic that the message is in. Outside forums the number names a chain of replies, which is no place.
fn topic(message: &Message) -> Option<i32> {
    message.message_thread_id.filter(|_| message.is_topic_message)
}

/// Who wrote it. A chat that speaks as itself (an anonymous administrator, a linked channel, a channel that somebody writes
/// as) is a person, though Telegram puts a bot's name to it; bots are not.
fn sender(message: &Message, rules: &Rules) -> Result<Sender, &'static str> {
    let own =
        |bot: &Option<crate::channels::telegram::wire::User>| bot.as_ref().is_some_and(|bot| bot.id == rules.bot.id);
    if own(&message.from) || own(&message.via_bot) {
        return Err("own_echo");
    }
    let (id, nickname, lang) = match (&message.sender_chat, &message.from) {
        (Some(chat), _) => (chat.id, message.author_signature.clone().or_else(|| chat.title.clone()), None),
        (None, Some(user)) if user.is_bot => return Err("from_a_bot"),
        (None, Some(user)) => {
            let name = match &user.last_name {
                Some(last) => format!("{} {last}", user.first_name),
                None => user.first_name.clone(),
            };
            (user.id, Some(name), user.language_code.as_deref().and_then(Lang::from_tag))
        }
        (None, None) => (message.chat.id, message.chat.title.clone(), None),
    };
    Ok(Sender {
        chat: Some(message.chat.id.to_string()),
        thread: topic(message).map(|topic| topic.to_string()),
        user: Some(id.to_string()),
        title: message.chat.title.clone(),
        nickname: nickname.filter(|name| !name.trim().is_empty()),
        lang,
        ..Sender::default()
    })
}

/// The chat itself, where nobody in particular speaks.
fn chat_itself(chat: &Chat) -> Sender {
    let id = chat.id.to_string();
    Sender {
        chat: Some(id.clone()),
        user: Some(id),
        nickname: chat.title.clone(),
        title: chat.title.clone(),
        ..Sender::default()
    }
}

/// A group became a supergroup. Each of the two chats says so, in its own words.
fn migration(message: &Message) -> Option<Heard> {
    let (from, to) = match (message.migrate_to_chat_id, message.migrate_from_chat_id) {
        (Some(to), _) => (message.chat.id, to),
        (None, Some(from)) => (from, message.chat.id),
        (None, None) => return None,
    };
    let chat = Chat { id: from, ..message.chat.clone() };
    Some(Heard::event(Incoming {
        key: ids::migration(from, to),
        group: None,
        not_before: Duration::ZERO,
        sender: chat_itself(&chat),
        target: ids::target(from, None),
        addressed: false,
        event: InboundEvent::Migration { to: ids::target(to, None) },
        note: None,
    }))
}

fn membership(standing: &Standing, rules: &Rules) -> Heard {
    let was = standing.old_chat_member.as_ref().is_some_and(|member| member.is_present());
    let is = standing.new_chat_member.is_present();
    let private = standing.chat.kind == ChatKind::Private;
    let change = match (was, is, private) {
        (false, true, false) => Membership::Joined,
        (false, true, true) => Membership::Unblocked,
        (true, false, false) => Membership::Removed,
        (true, false, true) => Membership::Blocked,
        _ => return Heard::Nothing("same_membership"),
    };
    let lang = standing.from.as_ref().and_then(|user| Lang::from_tag(user.language_code.as_deref()?));
    Heard::event(Incoming {
        key: ids::membership(standing.chat.id, standing.date, &standing.new_chat_member.status),
        group: None,
        not_before: Duration::ZERO,
        sender: Sender { lang, ..chat_itself(&standing.chat) },
        target: ids::target(standing.chat.id, None),
        addressed: rules.welcome && change == Membership::Joined && standing.chat.kind != ChatKind::Channel,
        event: InboundEvent::Membership { change },
        note: None,
    })
}

/// The command of a word such as `/help`, if the bridge has one of that name.
fn command(name: &str) -> Option<Command> {
    Command::parse(&name.to_ascii_lowercase())
}
