//! Answers to interactions (<https://discord.com/developers/docs/interactions/receiving-and-responding>).

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::errors::Refusal;
use super::form::Form;
use super::messages::blank;
use super::send::{Body, EPHEMERAL, change};
use super::slash::Interaction;
use super::state::{Inner, Response, Sent, id};
use super::wire::Reply;
use super::{APPLICATION, BOT};

/// Of a follow-up: as a webhook's, without nonce and reference.
pub(super) const FIELDS: &[&str] =
    &["content", "tts", "embeds", "allowed_mentions", "components", "attachments", "flags", "poll"];
const CALLBACK_FIELDS: &[&str] =
    &["tts", "content", "embeds", "allowed_mentions", "flags", "components", "attachments", "poll"];

/// The flag of a deferred answer.
pub(super) const LOADING: u64 = 128;
/// Suppressed embeds, ephemeral, silent, components of the second kind.
const FLAGS: u64 = 4 | EPHEMERAL | 1 << 12 | 1 << 15;

const MESSAGE: u64 = 4;
const DEFERRED: u64 = 5;

pub(super) fn callback(inner: &mut Inner, number: u64, token: &str, form: &Form) -> Result<Reply, Refusal> {
    let within = inner.callback_within;
    let found = inner.interactions.get(&number).filter(|found| found.token == token);
    let found = found.ok_or_else(Refusal::unknown_interaction)?;
    if found.acknowledged.is_some() {
        if !found.unheard {
            inner.violation(format!("the interaction {number} acknowledged twice"));
        }
        return Err(Refusal::already_acknowledged());
    }
    if found.at.elapsed() > within {
        return Err(Refusal::unknown_interaction());
    }
    let channel = found.channel;
    let kind = form.int("type")?.ok_or_else(|| Refusal::required("type"))?;
    if !matches!(kind, MESSAGE | DEFERRED) {
        inner.violation(format!("a slash command answered with a callback of type {kind}"));
        return Err(Refusal::form("type", "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 9, 10, 12}."));
    }
    let empty = Map::new();
    let data = form.get("data").and_then(Value::as_object).unwrap_or(&empty);
    for name in data.keys().filter(|name| !CALLBACK_FIELDS.contains(&name.as_str())) {
        inner.violation(format!("callback has no `data.{name}`"));
    }
    let body = if kind == DEFERRED {
        // Nothing is said yet, so that nobody can be mentioned.
        let flags = data.get("flags").and_then(Value::as_u64).unwrap_or(0);
        let mut quiet = Map::from_iter([("allowed_mentions".to_owned(), json!({ "parse": [] }))]);
        quiet.insert("flags".to_owned(), flags.into());
        Body::read(inner, "callback", &quiet, form, EPHEMERAL)?
    } else {
        let body = Body::read(inner, "callback", data, form, FLAGS)?;
        if body.is_empty() {
            return Err(Refusal::empty_message());
        }
        body
    };
    let ephemeral = body.flags & EPHEMERAL != 0;
    let found = inner.interactions.get_mut(&number).unwrap();
    found.acknowledged = Some(kind);
    found.ephemeral = ephemeral;
    found.loading = kind == DEFERRED;
    found.respond("callback", Some(kind), &body, ephemeral);
    let message = inner.answer(number, &body, kind == DEFERRED, ephemeral);
    inner.interactions.get_mut(&number).unwrap().original = id(&message["id"]);
    if form.asked("with_response") == Some("true") {
        let shown = inner.rest_message(&message);
        return Ok(Reply::Json(json!({
            "interaction": { "id": number.to_string(), "type": 2, "response_message_id": message["id"],
                             "response_message_loading": kind == DEFERRED, "response_message_ephemeral": ephemeral,
                             "channel_id": channel.to_string() },
            "resource": { "type": kind, "message": shown },
        })));
    }
    Ok(Reply::Empty)
}

impl Interaction {
    fn respond(&mut self, route: &'static str, kind: Option<u64>, body: &Body, ephemeral: bool) {
        self.responses.push(Response {
            route,
            kind,
            text: body.text.clone().unwrap_or_default(),
            ephemeral,
            flags: body.flags,
            allowed_mentions: body.allowed_mentions.clone(),
            files: body.files.clone(),
            at: Instant::now(),
        });
    }
}

impl Inner {
    /// The interaction whose token it is, which still works.
    fn by_token(&self, token: &str) -> Result<u64, Refusal> {
        let found = self.interactions.iter().find(|(_, found)| found.token == token);
        let (number, found) = found.ok_or_else(Refusal::unknown_webhook)?;
        if found.at.elapsed() + found.ago > self.tokens_live {
            return Err(Refusal::invalid_token());
        }
        if found.acknowledged.is_none() {
            return Err(Refusal::unknown_webhook());
        }
        Ok(*number)
    }

    /// A message that answers an interaction: in its channel, or for one person only.
    fn answer(&mut self, interaction: u64, body: &Body, loading: bool, ephemeral: bool) -> Value {
        let found = &self.interactions[&interaction];
        let (channel, user, command) = (found.channel, found.user, found.command.clone());
        let number = self.next_id();
        let mut message = blank(number, channel, &self.users[&BOT].clone());
        message["type"] = 20.into();
        message["application_id"] = APPLICATION.to_string().into();
        message["webhook_id"] = APPLICATION.to_string().into();
        message["interaction_metadata"] = json!({
            "id": interaction.to_string(), "type": 2, "user": self.users[&user], "name": command, "command_type": 1,
            "authorizing_integration_owners": { "0": self.guild_of(channel).unwrap_or(0).to_string() },
        });
        self.fill(&mut message, body);
        let flags = message["flags"].as_u64().unwrap() | if loading { LOADING } else { 0 };
        message["flags"] = (flags | if ephemeral { EPHEMERAL } else { 0 }).into();
        if ephemeral {
            self.interactions.get_mut(&interaction).unwrap().private.insert(number, message.clone());
            return message;
        }
        if !loading {
            self.note(interaction, number, body);
        }
        self.publish(channel, number, message.clone());
        message
    }

    /// Writes down what everybody in the channel sees.
    fn note(&mut self, interaction: u64, message: u64, body: &Body) {
        let channel = self.interactions[&interaction].channel;
        self.sent.push(Sent {
            channel,
            message,
            text: body.text.clone().unwrap_or_default(),
            reply_to: None,
            nonce: None,
            flags: body.flags,
            allowed_mentions: body.allowed_mentions.clone(),
            embeds: body.embeds.len(),
            files: body.files.clone(),
            interaction: Some(interaction),
            at: Instant::now(),
        });
    }

    /// Edits an answer, wherever it is; a deferred one becomes one by that.
    fn edit_answer(&mut self, interaction: u64, number: u64, body: &Body) -> Result<Value, Refusal> {
        let found = self.interactions.get_mut(&interaction).unwrap();
        let channel = found.channel;
        let was_loading = found.loading && found.original == Some(number);
        let private = found.private.get(&number).cloned();
        let public = self.messages.get(&channel).and_then(|list| list.get(&number)).cloned();
        let ephemeral = private.is_some();
        let mut message = private.or(public).ok_or_else(Refusal::unknown_message)?;
        message["flags"] = (message["flags"].as_u64().unwrap() & !LOADING).into();
        if ephemeral {
            self.fill(&mut message, body);
            if message["content"] == "" && body.is_empty() {
                return Err(Refusal::empty_message());
            }
        } else {
            message = change(self, channel, number, message, body)?;
            if was_loading {
                self.note(interaction, number, body);
            }
        }
        let found = self.interactions.get_mut(&interaction).unwrap();
        if ephemeral {
            found.private.insert(number, message.clone());
        }
        found.loading &= !was_loading;
        Ok(message)
    }
}

pub(super) fn original(inner: &Inner, token: &str) -> Result<Reply, Refusal> {
    let found = &inner.interactions[&inner.by_token(token)?];
    let number = found.original.ok_or_else(Refusal::unknown_message)?;
    let public = inner.messages.get(&found.channel).and_then(|list| list.get(&number));
    let message = found.private.get(&number).or(public).ok_or_else(Refusal::unknown_message)?;
    Ok(Reply::Json(inner.rest_message(message)))
}

pub(super) fn edit_original(inner: &mut Inner, token: &str, form: &Form) -> Result<Reply, Refusal> {
    let number = inner.by_token(token)?;
    let message = inner.interactions[&number].original.ok_or_else(Refusal::unknown_message)?;
    edit(inner, number, message, "edit_original", form)
}

pub(super) fn edit_follow_up(inner: &mut Inner, token: &str, message: u64, form: &Form) -> Result<Reply, Refusal> {
    let number = inner.by_token(token)?;
    edit(inner, number, message, "edit_follow_up", form)
}

fn edit(inner: &mut Inner, number: u64, message: u64, route: &'static str, form: &Form) -> Result<Reply, Refusal> {
    let body = Body::read(inner, route, &form.fields, form, 4 | 1 << 15)?;
    let edited = inner.edit_answer(number, message, &body)?;
    let found = inner.interactions.get_mut(&number).unwrap();
    let ephemeral = found.private.contains_key(&message);
    found.respond(route, None, &body, ephemeral);
    Ok(Reply::Json(inner.rest_message(&edited)))
}

pub(super) fn delete_original(inner: &mut Inner, token: &str) -> Result<Reply, Refusal> {
    let number = inner.by_token(token)?;
    let found = inner.interactions.get_mut(&number).unwrap();
    let message = found.original.take().ok_or_else(Refusal::unknown_message)?;
    let (channel, private) = (found.channel, found.private.remove(&message).is_some());
    if !private {
        inner.messages.get_mut(&channel).and_then(|list| list.remove(&message)).ok_or_else(Refusal::unknown_message)?;
    }
    Ok(Reply::Empty)
}

/// A further answer. The first one after a deferral takes the place of the deferred one, and is seen by whom that was meant
/// for (<https://discord.com/developers/docs/interactions/receiving-and-responding#create-followup-message>).
pub(super) fn follow_up(inner: &mut Inner, token: &str, form: &Form) -> Result<Reply, Refusal> {
    let number = inner.by_token(token)?;
    let body = Body::read(inner, "follow_up", &form.fields, form, FLAGS)?;
    if body.is_empty() {
        return Err(Refusal::empty_message());
    }
    let found = &inner.interactions[&number];
    let ephemeral = if found.loading { found.ephemeral } else { body.flags & EPHEMERAL != 0 };
    if found.ephemeral && !ephemeral {
        inner.violation("a public answer to a command that was answered for one person only");
    }
    let found = &inner.interactions[&number];
    let message = match found.original.filter(|_| found.loading) {
        Some(original) => inner.edit_answer(number, original, &body)?,
        None => inner.answer(number, &body, false, ephemeral),
    };
    inner.interactions.get_mut(&number).unwrap().respond("follow_up", None, &body, ephemeral);
    Ok(Reply::Json(inner.rest_message(&message)))
}
