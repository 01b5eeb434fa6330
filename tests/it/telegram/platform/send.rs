//! `sendMessage` and `sendDocument` (<https://core.telegram.org/bots/api#sendmessage>).

use std::time::Instant;

use serde_json::{Value, json};

use super::params::Params;
use super::people::Standing;
use super::state::{Inner, Sent, Upload};
use super::wire::Refusal;
use super::{BOT_ID, Platform};
use crate::telegram::html;

const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;
/// More than these are dropped without a word (<https://core.telegram.org/bots/api#formatting-options>).
const MAX_ENTITIES: usize = 100;
/// Bots can send files of up to 50 MB.
const MAX_UPLOAD: usize = 50_000_000;

fn bad(what: &str) -> Refusal {
    Refusal::new(400, &format!("Bad Request: {what}"))
}

/// A text as it will be shown, with what it came from.
struct Formatted {
    text: String,
    entities: Vec<Value>,
    source: String,
    html: bool,
}

fn formatted(inner: &mut Inner, params: &Params, text: &str, entities: &str) -> Result<Formatted, Refusal> {
    let source = params.string(text)?.unwrap_or_default();
    let refused = |description: String| Refusal::new(400, &description);
    let (html, parsed) = match params.string("parse_mode")?.as_deref() {
        _ if source.is_empty() && text == "caption" => (false, Ok(html::Parsed::default())),
        Some(mode) if mode.eq_ignore_ascii_case("html") => (true, html::parse(&source)),
        None | Some("") => (false, html::plain(&source)),
        Some(_) => return Err(bad("unsupported parse_mode")),
    };
    let parsed = parsed.map_err(refused)?;
    let given = params.json(entities)?.filter(|_| !html);
    let entities = match given {
        Some(given) => given.as_array().cloned().ok_or_else(|| bad("can't parse entities: expected an Array"))?,
        None => parsed.entities.iter().map(|entity| entity_json(inner, entity)).collect(),
    };
    if entities.len() > MAX_ENTITIES {
        inner.violation(format!("{} entities in one message", entities.len()));
    }
    Ok(Formatted { text: parsed.text, entities, source, html })
}

fn entity_json(inner: &Inner, entity: &html::Entity) -> Value {
    let mut json = json!({ "type": entity.kind, "offset": entity.offset, "length": entity.length });
    let Some(extra) = &entity.extra else { return json };
    match entity.kind {
        "text_link" => json["url"] = extra.clone().into(),
        "pre" => json["language"] = extra.clone().into(),
        "custom_emoji" => json["custom_emoji_id"] = extra.clone().into(),
        "text_mention" => {
            let user = extra.parse().ok().and_then(|id: i64| inner.users.get(&id));
            json["user"] = user.cloned().unwrap_or_default();
        }
        _ => {}
    }
    json
}

/// Where a message goes, and what it answers.
struct Place {
    chat: i64,
    thread: Option<i64>,
    reply_to: Option<i64>,
}

impl Inner {
    /// Whether the bot may put something into a chat (and a topic of it) now.
    pub(super) fn may_write(&self, chat: i64, thread: Option<i64>) -> Result<(), Refusal> {
        let Some(known) = self.chats.get(&chat) else { return Err(bad("chat not found")) };
        let forbidden = |why: &str| Err(Refusal::new(403, &format!("Forbidden: {why}")));
        match known.standing {
            Standing::Member => {}
            Standing::Stranger => return forbidden("bot can't initiate conversation with a user"),
            Standing::Blocked => return forbidden("bot was blocked by the user"),
            Standing::Deactivated => return forbidden("user is deactivated"),
            Standing::Kicked => return forbidden(&format!("bot was kicked from the {} chat", known.kind())),
            Standing::Left => return forbidden(&format!("bot is not a member of the {} chat", known.kind())),
            Standing::Migrated(to) => return Err(Refusal::migrated(to)),
        }
        match thread {
            Some(thread) if !known.topics.contains_key(&thread) => Err(bad("message thread not found")),
            _ => Ok(()),
        }
    }

    fn place(&self, params: &Params) -> Result<Place, Refusal> {
        let (chat, thread) = (params.chat()?, params.int("message_thread_id")?);
        self.may_write(chat, thread)?;
        let Some(reply) = params.json("reply_parameters")? else { return Ok(Place { chat, thread, reply_to: None }) };
        let to = reply["message_id"].as_i64().ok_or_else(|| bad("can't parse reply parameters"))?;
        let of = reply["chat_id"].as_i64().unwrap_or(chat);
        let Some(replied) = self.messages.get(&(of, to)) else {
            if reply["allow_sending_without_reply"] == true {
                return Ok(Place { chat, thread, reply_to: None });
            }
            return Err(bad("message to be replied not found"));
        };
        let own = replied["text"].as_str().or(replied["caption"].as_str()).unwrap_or_default();
        match reply["quote"].as_str() {
            Some(quote) if !own.contains(quote) => Err(bad("QUOTE_TEXT_INVALID")),
            _ => Ok(Place { chat, thread, reply_to: Some(to) }),
        }
    }

    /// Puts it into the chat, if the rates let it; answers the `Message`.
    fn put(
        &mut self,
        place: Place,
        what: Formatted,
        preview: bool,
        document: Option<Upload>,
    ) -> Result<String, Refusal> {
        let Place { chat, thread, reply_to } = place;
        self.traffic.admit(chat, &mut self.violations)?;
        let mut fields = json!({ "from": self.users[&BOT_ID] });
        if let Some(thread) = thread {
            fields["message_thread_id"] = thread.into();
            fields["is_topic_message"] = true.into();
        }
        if let Some(replied) = reply_to.and_then(|id| self.quoted(chat, id)) {
            fields["reply_to_message"] = replied;
        }
        let mut names = ("text", "entities");
        if let Some(upload) = &document {
            names = ("caption", "caption_entities");
            fields["document"] = json!({
                "file_id": format!("BQACAgIAAxkDAAIC{:06}", self.attempts.len()),
                "file_unique_id": format!("d{:06}", self.attempts.len()),
                "file_name": upload.name,
                "file_size": upload.content.len(),
                "mime_type": upload.mime.as_deref().unwrap_or("application/octet-stream"),
            });
        }
        if !what.text.is_empty() {
            fields[names.0] = what.text.clone().into();
        }
        if !what.entities.is_empty() {
            fields[names.1] = what.entities.clone().into();
        }
        if !preview {
            fields["link_preview_options"] = json!({ "is_disabled": true });
        }
        let (message, json) = self.write(chat, fields);
        let Formatted { text, entities, source, html } = what;
        let at = Instant::now();
        let sent = Sent { chat, message, text, entities, source, html, reply_to, thread, preview, document, at };
        self.sent.entry(chat).or_default().push(sent);
        Ok(json.to_string())
    }
}

pub(super) fn message(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let what = formatted(inner, params, "text", "entities")?;
    let place = inner.place(params)?;
    if what.text.encode_utf16().count() > MAX_TEXT {
        return Err(bad("message is too long"));
    }
    let options = params.json("link_preview_options")?.unwrap_or_default();
    inner.put(place, what, options["is_disabled"] != true, None)
}

pub(super) fn document(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let what = formatted(inner, params, "caption", "caption_entities")?;
    // The file is in the form under the parameter's name, or under another one that `attach://` tells.
    let named = params.string("document")?;
    let attached = named.as_deref().map_or(Some("document"), |named| named.strip_prefix("attach://"));
    let upload = attached.and_then(|name| params.files.get(name)).cloned();
    let upload = upload.ok_or_else(|| bad("there is no document in the request"))?;
    if upload.content.is_empty() {
        return Err(bad("file must be non-empty"));
    }
    if upload.content.len() > MAX_UPLOAD {
        return Err(Refusal::new(413, "Request Entity Too Large"));
    }
    let place = inner.place(params)?;
    if what.text.encode_utf16().count() > MAX_CAPTION {
        return Err(bad("message caption is too long"));
    }
    inner.put(place, what, true, Some(upload))
}

impl Platform {
    /// What a chat has got, in order.
    pub(crate) fn sent(&self, chat: i64) -> Vec<Sent> {
        self.lock().sent.get(&chat).cloned().unwrap_or_default()
    }

    /// How much a chat has got.
    pub(crate) fn sent_count(&self, chat: i64) -> usize {
        self.lock().sent.get(&chat).map_or(0, Vec::len)
    }

    /// How much all chats have got.
    pub(crate) fn sent_in_all(&self) -> usize {
        self.lock().sent.values().map(Vec::len).sum()
    }

    /// The chats that have got anything.
    pub(crate) fn sent_to(&self) -> Vec<i64> {
        self.lock().sent.keys().copied().collect()
    }

    /// The texts that a chat has got, in order.
    pub(crate) fn texts(&self, chat: i64) -> Vec<String> {
        self.lock().sent.get(&chat).into_iter().flatten().map(|sent| sent.text.clone()).collect()
    }
}
