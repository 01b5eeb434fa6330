//! Whether the bot is addressed, and what is said to it once its name is taken out.

use std::ops::Range;

use crate::channels::telegram::config::Groups;
use crate::channels::telegram::normalize::{Rules, command};
use crate::channels::telegram::wire::{ChatKind, Entity, Message};
use crate::model::commands::Command;

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Words {
    Command(Command, String),
    Text(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addressed {
    pub(super) words: Words,
    pub(super) addressed: bool,
}

/// `None`: it is a command for another bot.
pub(super) fn judge(message: &Message, rules: &Rules) -> Option<Addressed> {
    let (text, entities) = match (&message.text, &message.caption) {
        (Some(text), _) => (text.as_str(), message.entities.as_deref()),
        (None, Some(caption)) => (caption.as_str(), message.caption_entities.as_deref()),
        (None, None) => ("", None),
    };
    let entities = entities.unwrap_or_default();
    let place = place(message, rules);
    let marks: Vec<(Range<usize>, Mark<'_>)> =
        entities.iter().filter_map(|entity| Some((range(text, entity)?, mark(entity, text, rules)?))).collect();
    let is_named = marks.iter().any(|(_, mark)| matches!(mark, Mark::Name));
    let by_itself = match place {
        Place::Always => true,
        Place::Never => false,
        Place::Addressed => is_named || replies_to_bot(message, rules) || rules.patterns.is_match(text),
    };
    if let Some(given) = given_command(text, entities) {
        let for_us = match given.bot {
            Some(bot) if bot.eq_ignore_ascii_case(&rules.bot.username) => true,
            Some(_) => return None,
            None => by_itself || message.text.is_some() && rules.bare_commands && command(given.name).is_some(),
        };
        let addressed = for_us && place != Place::Never;
        let words = match command(given.name).filter(|_| message.text.is_some()) {
            Some(command) => Words::Command(command, given.args.trim().to_owned()),
            // A word of the chatbot's own, or one that comes with a picture; the bot's name is no part of it.
            None => Words::Text(format!("/{} {}", given.name, given.args.trim()).trim_end().to_owned()),
        };
        return Some(Addressed { words, addressed });
    }
    let said = said(text, &marks);
    let bare = said.is_empty() && is_named && message.caption.is_none() && message.reply_to_message.is_none();
    // Somebody who only calls the bot wants to know what it can do.
    let words = if bare && by_itself { Words::Command(Command::Help, String::new()) } else { Words::Text(said) };
    Some(Addressed { words, addressed: by_itself })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Always,
    Addressed,
    Never,
}

fn place(message: &Message, rules: &Rules) -> Place {
    match (message.chat.kind, rules.groups) {
        (ChatKind::Private | ChatKind::Channel, _) => Place::Always,
        _ if rules.is_always_in(message.chat.id) => Place::Always,
        (_, Groups::Always) => Place::Always,
        (_, Groups::Addressed) => Place::Addressed,
        (_, Groups::Never) => Place::Never,
    }
}

fn mark<'a>(entity: &'a Entity, text: &str, rules: &Rules) -> Option<Mark<'a>> {
    if names_bot(entity, text, rules) {
        return Some(Mark::Name);
    }
    entity.url.as_deref().filter(|_| entity.kind == "text_link").map(Mark::Link)
}

/// A mention by name, or by link for those who have none.
fn names_bot(entity: &Entity, text: &str, rules: &Rules) -> bool {
    match entity.kind.as_str() {
        "mention" => range(text, entity)
            .and_then(|range| text[range].strip_prefix('@'))
            .is_some_and(|name| !name.is_empty() && name.eq_ignore_ascii_case(&rules.bot.username)),
        "text_mention" => entity.user.as_ref().is_some_and(|user| user.id == rules.bot.id),
        _ => false,
    }
}

/// In a topic, what answers nothing in particular refers to the message that opened the topic, which the bot may have done.
fn replies_to_bot(message: &Message, rules: &Rules) -> bool {
    message.reply_to_message.as_ref().is_some_and(|original| {
        original.from.as_ref().is_some_and(|user| user.id == rules.bot.id) && original.forum_topic_created.is_none()
    })
}

struct Given<'a> {
    name: &'a str,
    bot: Option<&'a str>,
    args: &'a str,
}

/// `/name@bot args`, where Telegram has marked it as a command at the very beginning.
fn given_command<'a>(text: &'a str, entities: &[Entity]) -> Option<Given<'a>> {
    let entity = entities.iter().find(|entity| entity.kind == "bot_command" && entity.offset == 0)?;
    let range = range(text, entity)?;
    let word = text[range.clone()].strip_prefix('/')?;
    let (name, bot) = word.split_once('@').map_or((word, None), |(name, bot)| (name, Some(bot)));
    Some(Given { name, bot, args: &text[range.end..] })
}

/// The bytes of an entity, whose place Telegram counts in UTF-16 units; `None` if it lies outside the text or within a
/// character.
pub(super) fn range(text: &str, entity: &Entity) -> Option<Range<usize>> {
    let end = entity.offset.checked_add(entity.length)?;
    let (mut units, mut start, mut stop) = (0, None, None);
    for (at, c) in text.char_indices() {
        if units == entity.offset {
            start = Some(at);
        }
        if units == end {
            stop = Some(at);
            break;
        }
        units += c.len_utf16();
    }
    if units == entity.offset {
        start = start.or(Some(text.len()));
    }
    if units == end {
        stop = stop.or(Some(text.len()));
    }
    Some(start?..stop?)
}

/// What is meant by a piece of the text.
#[derive(Clone, Copy)]
enum Mark<'a> {
    /// The bot's name.
    Name,
    /// A word with a link behind it.
    Link(&'a str),
}

/// The text without the bot's name and the comma or colon that set it off, and with the links that are hidden behind words.
fn said(text: &str, marks: &[(Range<usize>, Mark<'_>)]) -> String {
    let mut said = String::with_capacity(text.len());
    let mut from = 0;
    for (range, mark) in marks {
        if let Mark::Link(url) = mark {
            said.push_str(text.get(from..range.end).unwrap_or_default());
            if text[range.clone()].trim() != *url {
                said.extend([" (", url, ")"]);
            }
            from = range.end;
            continue;
        }
        said.push_str(text.get(from..range.start).unwrap_or_default());
        from = range.end;
        if said.trim().is_empty() {
            said.clear();
            let rest = text[from..].trim_start().trim_start_matches([',', ':', '，', '：', '、']);
            from = text.len() - rest.trim_start().len();
        } else if text[from..].trim_start().is_empty() || text[from..].starts_with(['?', '!', '.', '？', '！', '。'])
        {
            // "what is tea, @bot?" has a comma too many as well.
            said.truncate(said.trim_end().trim_end_matches([',', '，', '、']).trim_end().len());
        } else if said.ends_with(char::is_whitespace) {
            // "ask @bot about it" has one space too many without the name.
            from = text.len() - text[from..].trim_start_matches(' ').len();
        }
    }
    said.push_str(&text[from..]);
    said.trim().to_owned()
}
