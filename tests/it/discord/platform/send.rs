//! Posting, editing and deleting messages (<https://discord.com/developers/docs/resources/message#create-message>).

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::errors::Refusal;
use super::form::Form;
use super::messages::blank;
use super::people::{Channel, deny, kind};
use super::sessions::intents;
use super::state::{Inner, Sent, Upload, id, time_of};
use super::wire::Reply;
use super::{BOT, Platform};

pub(super) const FIELDS: &[&str] = &[
    "content",
    "nonce",
    "tts",
    "embeds",
    "allowed_mentions",
    "message_reference",
    "components",
    "sticker_ids",
    "attachments",
    "flags",
    "enforce_nonce",
    "poll",
];
pub(super) const EDIT_FIELDS: &[&str] =
    &["content", "embeds", "flags", "allowed_mentions", "components", "attachments"];

/// In code points: "our API uses Python 3, so the API calculates length based on the number of codepoints"
/// (<https://github.com/discord/discord-api-docs/issues/1315>).
const MOST_CHARS: usize = 2000;
const MOST_NONCE: usize = 25;
const MOST_FILES: usize = 10;
const MOST_EMBEDS: usize = 10;

const SUPPRESS_EMBEDS: u64 = 4;
pub(super) const EPHEMERAL: u64 = 64;
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
const IS_COMPONENTS_V2: u64 = 1 << 15;

/// Kinds of messages that can be replied to; those of the system cannot.
const REPLIABLE: &[u64] = &[0, 19, 20, 23];

/// What a message is to have.
pub(super) struct Body {
    /// As it came; `None`: not mentioned.
    pub(super) text: Option<String>,
    pub(super) flags: u64,
    pub(super) allowed_mentions: Option<Value>,
    pub(super) embeds: Vec<Value>,
    pub(super) files: Vec<Upload>,
    /// Something else that makes a message: a sticker, components, a poll.
    other: bool,
}

impl Body {
    /// Checks what every message has in common; `flags`: those that may be set here.
    pub(super) fn read(
        inner: &mut Inner,
        route: &str,
        fields: &Map<String, Value>,
        form: &Form,
        flags: u64,
    ) -> Result<Self, Refusal> {
        let get = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let text = match get("content") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(Refusal::wrong_type("content", "string")),
        };
        if text.as_ref().is_some_and(|text| text.chars().count() > MOST_CHARS) {
            return Err(Refusal::too_long("content", MOST_CHARS));
        }
        let list = |name: &'static str| match get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list.clone()),
            Some(_) => Err(Refusal::wrong_type(name, "list")),
        };
        let embeds = list("embeds")?;
        if embeds.len() > MOST_EMBEDS {
            return Err(Refusal::too_long("embeds", MOST_EMBEDS));
        }
        if list("sticker_ids")?.len() > 3 {
            return Err(Refusal::too_long("sticker_ids", 3));
        }
        let set = get("flags").map_or(Some(0), Value::as_u64).ok_or_else(|| Refusal::wrong_type("flags", "int"))?;
        if set & !flags != 0 {
            inner.violation(format!("{route} with flags {:#x}, of which Discord takes {flags:#x}", set));
        }
        let allowed_mentions = get("allowed_mentions").cloned();
        if let Err(wrong) = harmless(allowed_mentions.as_ref()) {
            inner.violation(format!("{route} {wrong}"));
        }
        if form.files.len() > MOST_FILES {
            return Err(Refusal::too_long("attachments", MOST_FILES));
        }
        for (at, attachment) in list("attachments")?.iter().enumerate() {
            let number = attachment["id"].as_u64().or_else(|| id(&attachment["id"]));
            let uploaded = number.is_some_and(|number| form.files.contains_key(&number));
            // Of an edit: an attachment that is there already stays.
            let kept = number.is_some_and(|number| number > 1 << 40);
            if !uploaded && !kept {
                let path = format!("attachments.{at}.id");
                return Err(Refusal::form(&path, "BASE_TYPE_BAD_ATTACHMENT", "Attachment not found"));
            }
        }
        let other = !list("sticker_ids")?.is_empty() || !list("components")?.is_empty() || get("poll").is_some();
        let files = form.files.values().cloned().collect();
        Ok(Self { text, flags: set & flags, allowed_mentions, embeds, files, other })
    }

    /// What is said, without the white space around it.
    pub(super) fn said(&self) -> String {
        self.text.clone().unwrap_or_default().trim().to_owned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said().is_empty() && self.embeds.is_empty() && self.files.is_empty() && !self.other
    }
}

/// Whether a message can mention nobody, with a list `parse` that is there and empty
/// (<https://discord.com/developers/docs/resources/message#allowed-mentions-object>).
fn harmless(allowed: Option<&Value>) -> Result<(), String> {
    let Some(allowed) = allowed else { return Err("without allowed_mentions".to_owned()) };
    let none = |name: &str| allowed.get(name).is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
    let known = ["parse", "roles", "users", "replied_user"];
    if let Some(name) =
        allowed.as_object().into_iter().flatten().map(|(name, _)| name).find(|n| !known.contains(&n.as_str()))
    {
        return Err(format!("with allowed_mentions.{name}, which there is not"));
    }
    if allowed.get("parse").is_some() && none("parse") && none("roles") && none("users") {
        Ok(())
    } else {
        Err(format!("with allowed_mentions {allowed}"))
    }
}

/// Whether the bot may post in a channel.
pub(super) fn writable(inner: &Inner, channel: u64, files: bool) -> Result<&Channel, Refusal> {
    let found = visible(inner, channel)?;
    let denied = inner.denied(found);
    if found.kind() == kind::DM {
        return if denied & deny::SEND_MESSAGES == 0 { Ok(found) } else { Err(Refusal::cannot_tell_user()) };
    }
    if found.kind() == kind::FORUM {
        return Err(Refusal::not_text());
    }
    let needed = if found.is_thread() { deny::SEND_MESSAGES_IN_THREADS } else { deny::SEND_MESSAGES };
    if denied & needed != 0 || (files && denied & deny::ATTACH_FILES != 0) {
        return Err(Refusal::missing_permissions());
    }
    if found.json["thread_metadata"]["locked"] == true {
        return Err(Refusal::new(403, 160_005, "This thread is locked"));
    }
    Ok(found)
}

/// A channel that the bot may see.
pub(super) fn visible(inner: &Inner, channel: u64) -> Result<&Channel, Refusal> {
    let found = inner.channels.get(&channel).ok_or_else(Refusal::unknown_channel)?;
    if inner.sees(found) { Ok(found) } else { Err(Refusal::missing_access()) }
}

pub(super) fn create(inner: &mut Inner, channel: u64, form: &Form) -> Result<Reply, Refusal> {
    writable(inner, channel, !form.files.is_empty())?;
    let flags = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_COMPONENTS_V2;
    let body = Body::read(inner, "send", &form.fields, form, flags)?;
    let nonce = match form.get("nonce") {
        None => None,
        Some(Value::String(nonce)) => Some(nonce.clone()),
        Some(Value::Number(nonce)) => Some(nonce.to_string()),
        Some(_) => return Err(Refusal::wrong_type("nonce", "string")),
    };
    if nonce.as_ref().is_some_and(|nonce| nonce.chars().count() > MOST_NONCE) {
        return Err(Refusal::too_long("nonce", MOST_NONCE));
    }
    if body.is_empty() {
        return Err(Refusal::empty_message());
    }
    let enforced = form.get("enforce_nonce") == Some(&Value::Bool(true));
    let known = nonce.as_ref().filter(|_| enforced);
    if let Some(first) = known.map(|nonce| inner.first_of(channel, nonce, &body)).transpose()?.flatten() {
        return Ok(Reply::Json(inner.rest_message(&first)));
    }
    let reply_to = reply_to(inner, channel, form)?;
    let message = inner.post(channel, &body, reply_to, nonce.as_deref(), None);
    if let Some(nonce) = nonce.filter(|_| enforced) {
        inner.nonces.insert((channel, nonce), (id(&message["id"]).unwrap(), Instant::now()));
    }
    Ok(Reply::Json(inner.rest_message(&message)))
}

/// The message that is replied to, if there is one and it can be.
fn reply_to(inner: &mut Inner, channel: u64, form: &Form) -> Result<Option<u64>, Refusal> {
    let Some(reference) = form.get("message_reference") else { return Ok(None) };
    let known = ["type", "message_id", "channel_id", "guild_id", "fail_if_not_exists"];
    for name in reference.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.contains(&name.as_str()) {
            inner.violation(format!("send has no `message_reference.{name}`"));
        }
    }
    let Some(number) = id(&reference["message_id"]) else {
        return Err(Refusal::required("message_reference.message_id"));
    };
    if id(&reference["channel_id"]).is_some_and(|other| other != channel) {
        let said = "Cannot reply to a message in a different channel";
        return Err(Refusal::form("message_reference", "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL", said));
    }
    if inner.denied(&inner.channels[&channel]) & deny::READ_MESSAGE_HISTORY != 0 {
        let said = "Cannot reply without permission to read message history";
        return Err(Refusal::new(400, 160_002, said));
    }
    let quoted = inner.quoted(channel, number);
    if quoted.is_null() {
        if reference["fail_if_not_exists"] == false {
            return Ok(None);
        }
        return Err(Refusal::form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message"));
    }
    if !REPLIABLE.contains(&quoted["type"].as_u64().unwrap()) {
        let said = "Cannot reply to a system message";
        return Err(Refusal::form("message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", said));
    }
    Ok(Some(number))
}

impl Inner {
    /// The message that has this nonce already. Deleted, it stays unknown and is not made again: that is intended
    /// (<https://github.com/discord/discord-api-docs/pull/6647>).
    fn first_of(&mut self, channel: u64, nonce: &str, body: &Body) -> Result<Option<Value>, Refusal> {
        let elsewhere = self.nonces.keys().any(|(other, known)| *other != channel && known == nonce);
        if elsewhere {
            self.violation(format!("the nonce {nonce} in two channels"));
        }
        let Some((number, at)) = self.nonces.get(&(channel, nonce.to_owned())) else { return Ok(None) };
        if at.elapsed() > self.nonces_live {
            return Ok(None);
        }
        let first = self.messages.get(&channel).and_then(|list| list.get(number)).cloned();
        let first = first.ok_or_else(Refusal::unknown_message)?;
        if first["content"] != body.said() {
            self.violation(format!("the nonce {nonce} for two texts"));
        }
        Ok(Some(first))
    }

    /// Posts a message of the bot's.
    pub(super) fn post(
        &mut self,
        channel: u64,
        body: &Body,
        reply_to: Option<u64>,
        nonce: Option<&str>,
        interaction: Option<u64>,
    ) -> Value {
        let number = self.next_id();
        let mut message = blank(number, channel, &self.users[&BOT].clone());
        if let Some(to) = reply_to {
            message["type"] = 19.into();
            message["message_reference"] = self.reference(channel, to);
            message["referenced_message"] = self.quoted(channel, to);
        }
        self.fill(&mut message, body);
        if let Some(nonce) = nonce {
            message["nonce"] = nonce.into();
        }
        self.sent.push(Sent {
            channel,
            message: number,
            text: body.text.clone().unwrap_or_default(),
            reply_to,
            nonce: nonce.map(str::to_owned),
            flags: body.flags,
            allowed_mentions: body.allowed_mentions.clone(),
            embeds: body.embeds.len(),
            files: body.files.clone(),
            interaction,
            at: Instant::now(),
        });
        self.publish(channel, number, message.clone());
        message
    }

    /// A message of the bot's gets into its channel, and everybody hears of it.
    pub(super) fn publish(&mut self, channel: u64, number: u64, message: Value) {
        if let Some(found) = self.channels.get_mut(&channel)
            && found.is_thread()
        {
            found.json["thread_metadata"]["archived"] = false.into();
        }
        self.keep(channel, number, message.clone());
        self.draws_in(channel, BOT, &message);
        self.announce("MESSAGE_CREATE", &message);
        self.touch();
    }

    /// Text, files and the rest of a body, put into a message.
    pub(super) fn fill(&mut self, message: &mut Value, body: &Body) {
        if body.text.is_some() {
            let said = body.said();
            self.mention(message, &said, None);
            message["content"] = said.into();
        }
        if !body.embeds.is_empty() {
            message["embeds"] = body.embeds.clone().into();
        }
        let channel = id(&message["channel_id"]).unwrap();
        for file in &body.files {
            let number = self.next_id();
            let mime = file.mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
            let attachment = self.files.keep(channel, number, &file.name, &mime, file.content.clone());
            message["attachments"].as_array_mut().unwrap().push(attachment);
        }
        message["flags"] = (message["flags"].as_u64().unwrap() | body.flags).into();
    }
}

pub(super) fn edit(inner: &mut Inner, channel: u64, number: u64, form: &Form) -> Result<Reply, Refusal> {
    let found = visible(inner, channel)?;
    if found.json["thread_metadata"]["archived"] == true {
        return Err(Refusal::new(400, 50083, "Thread is archived"));
    }
    let message = own(inner, channel, number)?;
    let body = Body::read(inner, "edit", &form.fields, form, SUPPRESS_EMBEDS | IS_COMPONENTS_V2)?;
    let edited = change(inner, channel, number, message, &body)?;
    Ok(Reply::Json(inner.rest_message(&edited)))
}

/// Edits a message that is in a channel, and tells of it.
pub(super) fn change(
    inner: &mut Inner,
    channel: u64,
    number: u64,
    mut message: Value,
    body: &Body,
) -> Result<Value, Refusal> {
    let now = time_of(inner.next_id());
    inner.fill(&mut message, body);
    if message["content"] == "" && message["attachments"] == json!([]) && message["embeds"] == json!([]) && !body.other
    {
        return Err(Refusal::empty_message());
    }
    message["edited_timestamp"] = now.into();
    inner.messages.entry(channel).or_default().insert(number, message.clone());
    inner.announce("MESSAGE_UPDATE", &message);
    Ok(message)
}

fn own(inner: &Inner, channel: u64, number: u64) -> Result<Value, Refusal> {
    let message =
        inner.messages.get(&channel).and_then(|list| list.get(&number)).ok_or_else(Refusal::unknown_message)?;
    if id(&message["author"]["id"]) == Some(BOT) { Ok(message.clone()) } else { Err(Refusal::not_ours()) }
}

pub(super) fn delete(inner: &mut Inner, channel: u64, number: u64) -> Result<Reply, Refusal> {
    visible(inner, channel)?;
    own(inner, channel, number)
        .map_err(|refused| if refused.status == 404 { refused } else { Refusal::missing_permissions() })?;
    inner.messages.get_mut(&channel).unwrap().remove(&number);
    let mut gone = json!({ "id": number.to_string(), "channel_id": channel.to_string() });
    let mut wanted = intents::DIRECT_MESSAGES;
    if let Some(guild) = inner.guild_of(channel) {
        gone["guild_id"] = guild.to_string().into();
        wanted = intents::GUILD_MESSAGES;
    }
    inner.tell("MESSAGE_DELETE", channel, wanted, gone);
    Ok(Reply::Empty)
}

pub(super) fn typing(inner: &mut Inner, channel: u64) -> Result<Reply, Refusal> {
    writable(inner, channel, false)?;
    inner.typing.push((channel, Instant::now()));
    Ok(Reply::Empty)
}

impl Platform {
    /// For so long Discord knows a nonce; "a few minutes" it says, at first three here.
    pub(crate) fn nonces_live(&self, time: std::time::Duration) {
        self.lock().nonces_live = time;
    }
}
