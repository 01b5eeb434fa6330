//! From what Discord writes to an event. Pure.

mod address;
mod content;
mod interaction;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use regex::RegexSet;

use crate::channels::discord::config::{DiscordConfig, Replies, Servers, SlashCommand};
use crate::channels::discord::ids::{self, Snowflake};
use crate::channels::discord::places::{Place, Places, Wanted};
use crate::channels::discord::wire::{Member, Message, User, WRITTEN, flags};
use crate::config::Id;
use crate::model::commands::Command;
use crate::model::inbound::{self, LateEdit, MediaPlace};
use crate::model::{InboundEvent, Incoming, Lang, MediaKind, MediaRef, Sender, Target};

pub use self::interaction::{Asked, interaction};

/// What decides whether and how something is taken.
#[derive(Clone, Debug)]
pub struct Rules {
    bot: Snowflake,
    servers: Servers,
    always_in: HashSet<Snowflake>,
    follow_threads: bool,
    threads_in: HashSet<Snowflake>,
    patterns: RegexSet,
    commands: bool,
    private: Vec<SlashCommand>,
    late_edits: LateEdit,
    quotes: bool,
    replies: Replies,
    cdn_url: String,
}

impl Rules {
    /// Patterns and ids were checked with the section; one that is wrong all the same fits nothing.
    pub fn new(config: &DiscordConfig, bot: Snowflake) -> Self {
        let all = |list: &[Id]| list.iter().filter_map(|id| ids::snowflake(&id.0)).collect();
        Self {
            bot,
            servers: config.servers,
            always_in: all(&config.always_in),
            follow_threads: config.follow_threads,
            threads_in: all(&config.threads_in),
            patterns: RegexSet::new(&config.patterns).unwrap_or_else(|_| RegexSet::empty()),
            commands: config.commands,
            private: config.private.clone(),
            late_edits: config.late_edits.into(),
            quotes: config.quotes,
            replies: config.replies,
            cdn_url: config.cdn_url.clone(),
        }
    }
}

/// What something is to the bridge.
#[derive(Debug)]
pub enum Heard {
    Event(Box<Incoming>),
    /// Nothing to record, for a reason that is counted.
    Nothing(&'static str),
}

impl From<Result<Incoming, &'static str>> for Heard {
    fn from(heard: Result<Incoming, &'static str>) -> Self {
        heard.map_or_else(Self::Nothing, |incoming| Self::Event(Box::new(incoming)))
    }
}

/// What would have to be looked up before a message can be judged and written readably. Once that is learnt (or
/// [given up](Places::give_up)) there may be something more: a thread's channel after the thread.
pub fn missing(message: &Message, places: &Places, rules: &Rules) -> Vec<Wanted> {
    let mut wanted = address::wanted(message, places, rules);
    wanted.retain(|wanted| !places.is_given_up(*wanted));
    wanted
}

/// What becomes of a message.
pub fn message(message: &Message, places: &Places, rules: &Rules) -> Heard {
    written(message, places, rules).into()
}

/// What becomes of `MESSAGE_UPDATE`. It takes the place of what was written; where the bot is not addressed there is nothing to
/// replace.
pub fn edited(message: &Message, places: &Places, rules: &Rules) -> Heard {
    rewritten(message, places, rules).into()
}

fn written(message: &Message, places: &Places, rules: &Rules) -> Result<Incoming, &'static str> {
    let author = person(message, rules)?;
    let scene = Scene::of_message(message, places);
    let Some(way) = address::judge(message, &scene, places, rules) else {
        // What is said among people is none of our business.
        return Err("not_addressed");
    };
    let mut asked = asked(message, &scene, places, rules);
    if asked.text.is_empty() && asked.media.is_empty() && message.content.is_empty() {
        match way {
            // A kind of content that is newer than this version: it says what it can read.
            _ if scene.guild.is_none() => asked.media.push(absent(MediaKind::File, None, None)),
            // Discord hides what does not mention the bot from one that may not read it.
            Way::Place => return Err("content_hidden"),
            Way::Itself => {}
        }
    }
    let sender = sender(&scene, author, message.member.as_ref(), None);
    let (target, thread) = answer_to(message, &scene, &asked.text, rules);
    let event = if asked.text.is_empty() && asked.media.is_empty() {
        // Somebody only calls the bot, and wants to know what it can do.
        InboundEvent::Command { command: Command::Help, args: String::new(), reply_to: asked.reply_to }
    } else {
        InboundEvent::Message(asked)
    };
    Ok(Incoming {
        key: ids::message(message.channel_id, message.id),
        group: None,
        not_before: Duration::ZERO,
        sender: Sender { thread: thread.or(sender.thread), ..sender },
        target,
        addressed: true,
        event,
        note: None,
    })
}

/// So many milliseconds after a message was written, an edit that adds the bot's name counts as the message itself.
const FORGOTTEN: i64 = 10 * 60 * 1_000;

fn rewritten(message: &Message, places: &Places, rules: &Rules) -> Result<Incoming, &'static str> {
    // A link's preview was added, a thread was opened on it, it was pinned: nobody has written anything.
    let at = message.edited_timestamp.as_deref().ok_or("not_edited")?;
    let incoming = written(message, places, rules)?;
    let InboundEvent::Message(asked) = incoming.event else {
        return Err("other_edit");
    };
    let edited: Option<jiff::Timestamp> = at.parse().ok();
    let after = edited.map(|edited| edited.as_millisecond().saturating_sub(message.id.time().0));
    let event = InboundEvent::Edit {
        of: incoming.key,
        message: asked,
        late: rules.late_edits,
        // Somebody adds the bot's name that was forgotten.
        or_new: guild_of(message, places).is_some() && after.is_some_and(|after| after <= FORGOTTEN),
    };
    Ok(Incoming { key: ids::edit(message.channel_id, message.id, at), event, ..incoming })
}

/// Who wrote a message, if that is a person.
fn person<'a>(message: &'a Message, rules: &Rules) -> Result<&'a User, &'static str> {
    let author = message.author.as_ref().ok_or("unreadable")?;
    if author.id == rules.bot {
        return Err("own_echo");
    }
    // Also those of other channels that this one follows.
    if message.webhook_id.is_some() {
        return Err("from_a_webhook");
    }
    if author.bot {
        return Err("from_a_bot");
    }
    let is_written = WRITTEN.contains(&message.kind) && message.flags & (flags::LOADING | flags::EPHEMERAL) == 0;
    if author.system || !is_written {
        return Err("service_message");
    }
    Ok(author)
}

/// How a message addresses the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By what it is: in direct messages, a mention, a reply, words that a pattern fits.
    Itself,
    /// By where it is.
    Place,
}

/// Where something was written or used.
struct Scene {
    channel: Snowflake,
    /// `None`: direct messages.
    guild: Option<Snowflake>,
    place: Option<Arc<Place>>,
    /// A channel's category, a thread's channel.
    parent: Option<Arc<Place>>,
}

impl Scene {
    fn new(channel: Snowflake, guild: Option<Snowflake>, place: Option<Arc<Place>>, places: &Places) -> Self {
        let parent = place.as_ref().and_then(|place| places.place(place.parent?));
        Self { channel, guild, place, parent }
    }

    fn of_message(message: &Message, places: &Places) -> Self {
        Self::new(message.channel_id, guild_of(message, places), places.place(message.channel_id), places)
    }

    fn thread(&self) -> Option<&Place> {
        self.place.as_deref().filter(|place| place.is_thread())
    }
}

/// What REST leaves out is known of the channel.
fn guild_of(message: &Message, places: &Places) -> Option<Snowflake> {
    message.guild_id.or_else(|| places.place(message.channel_id)?.guild)
}

fn asked(message: &Message, scene: &Scene, places: &Places, rules: &Rules) -> inbound::Message {
    let names = text::Names {
        taken_out: Some(rules.bot),
        own_role: scene.guild.and_then(|guild| places.own_role(guild)),
        users: &message.mentions,
        guild: scene.guild,
        places,
    };
    let names_it = match rules.replies {
        Replies::Always => true,
        Replies::Servers => scene.guild.is_some(),
        Replies::Never => false,
    };
    let mut asked = inbound::Message {
        text: text::said(&message.content, &names),
        media: content::media(message, rules),
        quoted: None,
        reply_to: names_it.then(|| message.id.to_string()),
    };
    content::add_quoted(&mut asked, message, scene, places, rules);
    asked
}

/// Where the answer goes, and the thread that it is the first answer of.
fn answer_to(message: &Message, scene: &Scene, text: &str, rules: &Rules) -> (Target, Option<String>) {
    let opens = scene.guild.is_some() && rules.threads_in.contains(&message.channel_id) && scene.thread().is_none();
    if opens {
        // A thread on a message has the message's id.
        let name = text::title(text);
        (ids::thread_on(message.channel_id, message.id, name), Some(message.id.to_string()))
    } else {
        (ids::channel(message.channel_id), None)
    }
}

/// Who somebody is. A thread's chat is its channel.
fn sender(scene: &Scene, user: &User, member: Option<&Member>, lang: Option<Lang>) -> Sender {
    let thread = scene.thread();
    let chat = thread.and_then(|thread| thread.parent).unwrap_or(scene.channel);
    let (own, parent) = (scene.place.as_ref(), scene.parent.as_ref());
    let title = if thread.is_some() { parent } else { own }.and_then(|place| place.name.as_deref());
    Sender {
        tenant: None,
        chat: Some(chat.to_string()),
        thread: thread.map(|_| scene.channel.to_string()),
        user: Some(user.id.to_string()),
        guild: scene.guild.map(|guild| guild.to_string()),
        roles: member.map(|member| member.roles.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        title: title.map(str::to_owned),
        nickname: name_of(user, member).map(str::to_owned),
        lang,
    }
}

/// As everybody in the server sees it.
fn name_of<'a>(user: &'a User, member: Option<&'a Member>) -> Option<&'a str> {
    let nick = member.and_then(|member| member.nick.as_deref());
    let names = [nick, user.global_name.as_deref(), Some(user.username.as_str())];
    names.into_iter().flatten().find(|name| !name.trim().is_empty())
}

/// Something that nobody can read.
fn absent(kind: MediaKind, name: Option<String>, bytes: Option<u64>) -> MediaRef {
    MediaRef { kind, place: MediaPlace::Absent, name, bytes }
}
