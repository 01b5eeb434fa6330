//! Messages: what one looks like (<https://discord.com/developers/docs/resources/message#message-object>), and what of it
//! the bot gets to see.

use serde_json::{Value, json};

use super::BOT;
use super::sessions::{Event, intents};
use super::state::{Inner, id, time_of};

/// A field, and what it is then.
type Emptied = (&'static str, fn() -> Value);

/// What Discord empties for a bot that may not read a message
/// (<https://discord.com/developers/docs/events/gateway#message-content-intent>).
const PRIVATE: &[Emptied] =
    &[("content", || "".into()), ("embeds", || json!([])), ("attachments", || json!([])), ("components", || json!([]))];

/// A message of nobody, without content.
pub(super) fn blank(number: u64, channel: u64, author: &Value) -> Value {
    json!({
        "id": number.to_string(), "channel_id": channel.to_string(), "author": author, "content": "",
        "timestamp": time_of(number), "edited_timestamp": null, "tts": false, "mention_everyone": false,
        "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
        "flags": 0, "components": [],
    })
}

/// What a text mentions (<https://discord.com/developers/docs/reference#message-formatting>).
#[derive(Default)]
pub(super) struct Mentions {
    pub(super) users: Vec<u64>,
    pub(super) roles: Vec<u64>,
    pub(super) everyone: bool,
}

pub(super) fn mentions(text: &str) -> Mentions {
    let mut found = Mentions { everyone: text.contains("@everyone") || text.contains("@here"), ..Mentions::default() };
    // What stands in code calls nobody.
    let said: String = text.split('`').step_by(2).collect();
    for part in said.split("<@").skip(1) {
        let Some((inside, _)) = part.split_once('>') else { continue };
        let (list, number) = match inside.strip_prefix('&') {
            Some(number) => (&mut found.roles, number),
            None => (&mut found.users, inside.trim_start_matches('!')),
        };
        if let Ok(number) = number.parse()
            && !list.contains(&number)
        {
            list.push(number);
        }
    }
    found
}

fn mentions_bot(message: &Value) -> bool {
    message["mentions"].as_array().is_some_and(|users| users.iter().any(|user| id(&user["id"]) == Some(BOT)))
}

fn is_own(message: &Value) -> bool {
    id(&message["author"]["id"]) == Some(BOT)
}

/// Empties what the bot may not read; the message replied to is judged for itself.
fn strip(message: &mut Value) {
    if !message.is_object() {
        return;
    }
    if !is_own(message) && !mentions_bot(message) {
        for (name, empty) in PRIVATE {
            if message.get(*name).is_some() {
                message[*name] = empty();
            }
        }
    }
    strip(message.get_mut("referenced_message").unwrap_or(&mut Value::Null));
}

impl Inner {
    /// Keeps a message in its channel.
    pub(super) fn keep(&mut self, channel: u64, number: u64, message: Value) {
        self.messages.entry(channel).or_default().insert(number, message);
        let Some(found) = self.channels.get_mut(&channel) else { return };
        let last = id(&found.json["last_message_id"]).unwrap_or(0).max(number);
        found.json["last_message_id"] = last.to_string().into();
        if found.is_thread() {
            for name in ["message_count", "total_message_sent"] {
                found.json[name] = (found.json[name].as_u64().unwrap_or(0) + 1).into();
            }
        }
    }

    /// A message as others quote it: a reply is not nested twice.
    pub(super) fn quoted(&self, channel: u64, number: u64) -> Value {
        let Some(mut quoted) = self.messages.get(&channel).and_then(|list| list.get(&number)).cloned() else {
            return Value::Null;
        };
        quoted.as_object_mut().unwrap().remove("referenced_message");
        quoted
    }

    /// The message with links that work now.
    pub(super) fn shown(&self, message: &Value) -> Value {
        let mut shown = message.clone();
        self.files.sign_all(&mut shown, &self.url);
        shown
    }

    /// As REST shows it: what the application may read counts, not what a session asked for.
    pub(super) fn rest_message(&self, message: &Value) -> Value {
        let mut shown = self.shown(message);
        let guild = id(&message["channel_id"]).and_then(|channel| self.guild_of(channel));
        if guild.is_some() && !self.message_content {
            strip(&mut shown);
        }
        shown
    }

    /// Tells every session of a message: `MESSAGE_CREATE` or `MESSAGE_UPDATE`.
    pub(super) fn announce(&mut self, kind: &str, message: &Value) {
        let channel = id(&message["channel_id"]).unwrap();
        let guild = self.guild_of(channel);
        if !self.channels.get(&channel).is_some_and(|found| self.sees(found)) {
            return;
        }
        let mut full = self.shown(message);
        if let Some(guild) = guild {
            full["guild_id"] = guild.to_string().into();
            let author = id(&message["author"]["id"]).unwrap();
            if message.get("webhook_id").is_none() {
                full["member"] = self.partial_member(guild, author);
            }
            let mut users = full["mentions"].take();
            for user in users.as_array_mut().into_iter().flatten() {
                user["member"] = self.partial_member(guild, id(&user["id"]).unwrap());
            }
            full["mentions"] = users;
        }
        let mut bare = full.clone();
        strip(&mut bare);
        let wanted = if guild.is_some() { intents::GUILD_MESSAGES } else { intents::DIRECT_MESSAGES };
        let event = Event { kind, guild, intents: wanted, data: full };
        self.dispatch(event, guild.is_some().then_some(bare));
    }

    /// Tells of something that happened in a channel that is no message.
    pub(super) fn tell(&mut self, kind: &str, channel: u64, wanted: u64, data: Value) {
        let guild = self.guild_of(channel);
        if self.channels.get(&channel).is_none_or(|found| self.sees(found)) {
            self.dispatch(Event { kind, guild, intents: wanted, data }, None);
        }
    }
}
