//! Messages of people, bots and webhooks, built piece by piece.

use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::messages::{blank, mentions};
use super::people::user;
use super::state::{Inner, id, id_of};
use super::{BOT, Platform};

/// A message to be. It mentions whom its text does; numbers in texts are written as Discord does: `<@1>`, `<@&2>`, `<#3>`,
/// `<:name:4>`.
#[derive(Clone)]
pub(crate) struct Draft {
    channel: u64,
    author: u64,
    text: String,
    reply_to: Option<u64>,
    /// Whether the author of the message replied to is mentioned, as a reply does unless told otherwise.
    pings: bool,
    webhook: bool,
    ago: Option<Duration>,
    number: Option<u64>,
    attachments: Vec<Value>,
    extra: Vec<(String, Value)>,
}

impl Draft {
    pub(crate) fn new(channel: u64, author: u64) -> Self {
        Self {
            channel,
            author,
            text: String::new(),
            reply_to: None,
            pings: true,
            webhook: false,
            ago: None,
            number: None,
            attachments: Vec::new(),
            extra: Vec::new(),
        }
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self
    }

    pub(crate) fn reply_to(mut self, message: u64) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// The reply does not mention whom it answers.
    pub(crate) fn quietly(mut self) -> Self {
        self.pings = false;
        self
    }

    /// A webhook's: the author is the webhook.
    pub(crate) fn webhook(mut self) -> Self {
        self.webhook = true;
        self
    }

    /// Written some time ago: with a number of then, which no session is told of.
    pub(crate) fn ago(mut self, ago: Duration) -> Self {
        self.ago = Some(ago);
        self
    }

    /// With a number of its own.
    pub(super) fn numbered(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    /// What [`Platform::keeps`] answers.
    pub(crate) fn attachment(mut self, attachment: Value) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// Passes messages on: what they said, without who and where
    /// (<https://discord.com/developers/docs/resources/message#message-snapshot-object>).
    pub(crate) fn forwards(self, platform: &Platform, channel: u64, messages: &[u64]) -> Self {
        let inner = platform.lock();
        let kept = messages.iter().map(|number| &inner.messages[&channel][number]);
        let snapshots: Vec<Value> = kept.map(|kept| json!({ "message": snapshot(kept) })).collect();
        let mut reference = inner.reference(channel, messages[0]);
        reference["type"] = 1.into();
        drop(inner);
        self.with("message_reference", reference)
            .with("message_snapshots", snapshots.into())
            .with("flags", (1 << 14).into())
    }

    /// 1 png, 2 apng, 3 lottie, 4 gif
    /// (<https://discord.com/developers/docs/resources/sticker#sticker-object-sticker-format-types>).
    pub(crate) fn sticker(self, id: u64, name: &str, format: u64) -> Self {
        self.with("sticker_items", json!([{ "id": id.to_string(), "name": name, "format_type": format }]))
    }

    /// A message of the system (<https://discord.com/developers/docs/resources/message#message-object-message-types>): 6 a
    /// message was pinned, 7 somebody joined, 18 a thread was made …
    pub(crate) fn system(self, kind: u64) -> Self {
        self.with("type", kind.into())
    }

    /// Any other field.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.push((name.to_owned(), value));
        self
    }
}

fn snapshot(message: &Value) -> Value {
    let fields = [
        "type",
        "content",
        "embeds",
        "attachments",
        "timestamp",
        "edited_timestamp",
        "flags",
        "mentions",
        "mention_roles",
        "sticker_items",
        "components",
    ];
    let told = fields.iter().filter_map(|name| Some(((*name).to_owned(), message.get(*name)?.clone())));
    Value::Object(told.collect())
}

impl Inner {
    /// The users that a text mentions, as objects, and everything else about mentions.
    pub(super) fn mention(&mut self, message: &mut Value, text: &str, also: Option<u64>) {
        let found = mentions(text);
        let mut users = found.users;
        users.extend(also.filter(|also| !users.contains(also)));
        let users: Vec<Value> = users.iter().filter_map(|user| self.users.get(user).cloned()).collect();
        message["mentions"] = users.into();
        message["mention_roles"] = found.roles.iter().map(u64::to_string).collect::<Vec<_>>().into();
        message["mention_everyone"] = found.everyone.into();
    }

    pub(super) fn write(&mut self, draft: Draft) -> u64 {
        let Draft { channel, author, text, reply_to, pings, webhook, ago, number, attachments, extra } = draft;
        assert!(self.channels.contains_key(&channel), "channel {channel} is not there");
        self.meet(author);
        let number = match (number, ago) {
            (Some(number), _) => number,
            (None, None) => self.next_id(),
            (None, Some(ago)) => {
                let taken = |number: &u64| self.messages.get(&channel).is_some_and(|list| list.contains_key(number));
                (id_of(ago)..).find(|number| !taken(number)).unwrap()
            }
        };
        let from = if webhook { webhook_user(author) } else { self.users[&author].clone() };
        let mut message = blank(number, channel, &from);
        let mut also = None;
        if let Some(to) = reply_to {
            let quoted = self.quoted(channel, to);
            also = id(&quoted["author"]["id"]).filter(|_| pings);
            message["type"] = 19.into();
            message["message_reference"] = self.reference(channel, to);
            message["referenced_message"] = quoted;
        }
        self.mention(&mut message, &text, also);
        message["content"] = text.into();
        message["attachments"] = attachments.into();
        if webhook {
            message["webhook_id"] = author.to_string().into();
        }
        for (name, value) in extra {
            message[name] = value;
        }
        self.keep(channel, number, message.clone());
        self.draws_in(channel, author, &message);
        if ago.is_none() {
            self.announce("MESSAGE_CREATE", &message);
        }
        self.touch();
        number
    }

    pub(super) fn reference(&self, channel: u64, message: u64) -> Value {
        let mut reference = json!({ "type": 0, "message_id": message.to_string(), "channel_id": channel.to_string() });
        if let Some(guild) = self.guild_of(channel) {
            reference["guild_id"] = guild.to_string().into();
        }
        reference
    }

    /// Who writes in a thread, or is mentioned there, is in it from then on.
    pub(super) fn draws_in(&mut self, channel: u64, author: u64, message: &Value) {
        if !self.channels[&channel].is_thread() {
            return;
        }
        let bot = message["mentions"].as_array().unwrap().iter().any(|user| id(&user["id"]) == Some(BOT));
        for member in [Some(author), bot.then_some(BOT)].into_iter().flatten() {
            self.joins_thread(channel, member);
        }
    }
}

fn webhook_user(id: u64) -> Value {
    let mut webhook = user(id, "Captain Hook", true);
    webhook["username"] = "Captain Hook".into();
    webhook["discriminator"] = "0000".into();
    webhook
}

impl Platform {
    /// A person writes. Answers the message's number.
    pub(crate) fn says(&self, channel: u64, user: u64, text: &str) -> u64 {
        self.sends(Draft::new(channel, user).text(text))
    }

    /// The same, mentioning the bot first.
    pub(crate) fn asks(&self, channel: u64, user: u64, text: &str) -> u64 {
        self.says(channel, user, &format!("<@{BOT}> {text}"))
    }

    pub(crate) fn sends(&self, draft: Draft) -> u64 {
        self.lock().write(draft)
    }

    /// A direct message.
    pub(crate) fn tells(&self, user: u64, text: &str) -> u64 {
        let channel = self.dm(user);
        self.says(channel, user, text)
    }

    /// A message with a file, of this name and kind.
    pub(crate) fn shows(
        &self,
        channel: u64,
        user: u64,
        file: impl Into<Bytes>,
        name: &str,
        mime: &str,
        text: &str,
    ) -> u64 {
        let attachment = self.keeps(channel, name, mime, file);
        self.sends(Draft::new(channel, user).text(text).attachment(attachment))
    }
}
