//! Messages that people write: every field as the Bot API has it (<https://core.telegram.org/bots/api#message>).

use serde_json::{Map, Value, json};

use super::people::{ANONYMOUS_ADMIN, CHANNEL_BOT, TELEGRAM};
use super::state::{Inner, now};
use super::{BOT_ID, Platform};

/// A message before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    chat: i64,
    from: Option<i64>,
    fields: Map<String, Value>,
    /// Chats, users and messages that fields name, put in when it is sent.
    sender_chat: Option<i64>,
    reply_to: Option<i64>,
    mentions: Vec<(String, i64)>,
}

impl Draft {
    pub(crate) fn new(chat: i64, user: i64) -> Self {
        Self { chat, from: Some(user), fields: Map::new(), sender_chat: None, reply_to: None, mentions: Vec::new() }
    }

    /// Any field.
    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// A text, with the entities that Telegram itself finds in it.
    pub(crate) fn text(self, text: &str) -> Self {
        self.words("text", "entities", text)
    }

    pub(crate) fn caption(self, text: &str) -> Self {
        self.words("caption", "caption_entities", text)
    }

    fn words(self, field: &str, list: &str, text: &str) -> Self {
        let entities = entities(text);
        let draft = self.with(field, text);
        if entities.is_empty() { draft } else { draft.with(list, entities) }
    }

    /// An entity over a part of the text, by the part; further fields of it, `{"type": "bold"}`.
    pub(crate) fn entity(mut self, part: &str, fields: Value) -> Self {
        let (words, list) =
            if self.fields.contains_key("text") { ("text", "entities") } else { ("caption", "caption_entities") };
        let text = self.fields[words].as_str().unwrap();
        let mut entity = span(text, text.find(part).expect("a part of the text"), part.len());
        entity.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.fields.entry(list).or_insert_with(|| json!([])).as_array_mut().unwrap().push(entity);
        self
    }

    /// Names a person who has no username.
    pub(crate) fn text_mention(mut self, part: &str, user: i64) -> Self {
        self.mentions.push((part.to_owned(), user));
        self
    }

    pub(crate) fn reply_to(mut self, message: i64) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// A part of the message that is replied to.
    pub(crate) fn quote(self, text: &str) -> Self {
        self.with("quote", json!({ "text": text, "position": 0, "is_manual": true }))
    }

    /// A reply to a message of another chat.
    pub(crate) fn external_reply(self, channel: i64, title: &str, fields: Value) -> Self {
        let chat = json!({ "id": channel, "type": "channel", "title": title });
        let origin = json!({ "type": "channel", "date": now() - 60, "chat": chat, "message_id": 5 });
        let mut external = json!({ "origin": origin, "chat": chat, "message_id": 5 });
        external.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.with("external_reply", external)
    }

    /// Into a topic of a forum.
    pub(crate) fn thread(self, thread: i64) -> Self {
        self.with("message_thread_id", thread).with("is_topic_message", true)
    }

    /// One of several that belong together.
    pub(crate) fn album(self, group: &str) -> Self {
        self.with("media_group_id", group)
    }

    /// As an admin who stays anonymous: in the group's own name.
    pub(crate) fn anonymously(mut self) -> Self {
        self.from = Some(ANONYMOUS_ADMIN);
        self.sender_chat = Some(self.chat);
        self.with("author_signature", "admin")
    }

    /// In the name of a channel.
    pub(crate) fn posing_as(mut self, channel: i64) -> Self {
        self.from = Some(CHANNEL_BOT);
        self.sender_chat = Some(channel);
        self
    }

    /// A post of the linked channel, put into its group by Telegram.
    pub(crate) fn forwarded_from(mut self, channel: i64) -> Self {
        self.from = Some(TELEGRAM);
        self.sender_chat = Some(channel);
        self.with("is_automatic_forward", true)
    }

    pub(crate) fn photo(self, sizes: Value) -> Self {
        self.with("photo", sizes)
    }

    pub(crate) fn document(self, file: Value, name: &str, mime: &str) -> Self {
        let mut document = file;
        document["file_name"] = name.into();
        document["mime_type"] = mime.into();
        self.with("document", document)
    }

    /// `"static"`, `"animated"` or `"video"`.
    pub(crate) fn sticker(self, file: Value, format: &str) -> Self {
        let mut sticker = file;
        let fields = json!({
            "type": "regular", "width": 512, "height": 512, "emoji": "🐈", "set_name": "cats",
            "is_animated": format == "animated", "is_video": format == "video",
        });
        sticker.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.with("sticker", sticker)
    }

    /// What has a file and a duration: `voice`, `audio`, `video`, `video_note`, `animation`.
    pub(crate) fn media(self, kind: &str, file: Value) -> Self {
        let mut media = file.clone();
        media["duration"] = 3.into();
        let more = match kind {
            "voice" => json!({ "mime_type": "audio/ogg" }),
            "audio" => {
                json!({ "mime_type": "audio/mpeg", "title": "Song", "performer": "Ann", "file_name": "song.mp3" })
            }
            "video_note" => json!({ "length": 240 }),
            _ => json!({ "width": 640, "height": 360, "mime_type": "video/mp4", "file_name": "clip.mp4" }),
        };
        media.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let draft = if kind == "animation" {
            // For older clients' sake the same file is there as a document too.
            self.document(file, "clip.mp4", "video/mp4")
        } else {
            self
        };
        draft.with(kind, media)
    }

    pub(crate) fn location(self) -> Self {
        self.with("location", json!({ "latitude": 37.5665, "longitude": 126.978 }))
    }

    /// A venue has its location beside it too.
    pub(crate) fn venue(self) -> Self {
        let place = json!({ "latitude": 37.5665, "longitude": 126.978 });
        let venue = json!({ "location": place, "title": "City Hall", "address": "110 Sejong-daero" });
        self.with("venue", venue).with("location", place)
    }

    pub(crate) fn contact(self) -> Self {
        self.with("contact", json!({ "phone_number": "+15550100", "first_name": "Bea", "user_id": 4711 }))
    }

    pub(crate) fn poll(self) -> Self {
        self.with("poll", super::samples::poll())
    }

    pub(crate) fn dice(self) -> Self {
        self.with("dice", json!({ "emoji": "🎲", "value": 4 }))
    }

    /// Makes the message; answers its number, the update's kind, and the message.
    fn write(mut self, inner: &mut Inner) -> (i64, &'static str, Value) {
        for (part, user) in std::mem::take(&mut self.mentions) {
            inner.meet(user);
            let mention = json!({ "type": "text_mention", "user": inner.users[&user] });
            self = self.entity(&part, mention);
        }
        let chat = self.chat;
        let channel = inner.chats.get(&chat).is_some_and(|chat| chat.kind() == "channel");
        if let Some(user) = self.from.filter(|_| !channel) {
            inner.meet(user);
            self = self.with("from", inner.users[&user].clone());
        }
        inner.open_to(chat);
        if let Some(sender) = self.sender_chat.or(channel.then_some(chat)) {
            self = self.with("sender_chat", inner.chats[&sender].json.clone());
        }
        if let Some(replied) = self.reply_to.map(|id| inner.quoted(chat, id).expect("a message of this chat")) {
            self = self.with("reply_to_message", replied);
        }
        if self.fields.contains_key("is_automatic_forward") {
            let of = self.fields["sender_chat"].clone();
            let origin = json!({ "type": "channel", "date": now(), "chat": of, "message_id": 9 });
            self = self.with("forward_origin", origin);
        }
        let (id, message) = inner.write(chat, Value::Object(self.fields));
        (id, if channel { "channel_post" } else { "message" }, message)
    }
}

impl Inner {
    /// Somebody who writes to the bot can be answered from then on.
    fn open_to(&mut self, chat: i64) {
        let chat = self.chats.get_mut(&chat).expect("a group has to be made before anybody writes in it");
        if chat.standing == super::people::Standing::Stranger {
            chat.standing = super::people::Standing::Member;
        }
    }
}

/// An entity's place, counted in UTF-16 units as the Bot API does.
fn span(text: &str, start: usize, length: usize) -> Value {
    let units = |part: &str| part.encode_utf16().count();
    json!({ "offset": units(&text[..start]), "length": units(&text[start..start + length]) })
}

/// What Telegram finds in a plain text: mentions, commands, links.
fn entities(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let at = start;
        start += word.len();
        let word = word.trim_end().trim_end_matches(['.', ',', '!', '?', ':', ';', ')']);
        let named = |name: &str| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        let (kind, length) = if word.starts_with("https://") || word.starts_with("http://") {
            ("url", word.len())
        } else if word.strip_prefix('@').is_some_and(|name| name.len() >= 4 && named(name)) {
            ("mention", word.len())
        } else if let Some(name) = word.strip_prefix('/') {
            let (name, of) = name.split_once('@').unwrap_or((name, ""));
            if name.is_empty() || !named(name) || !named(of) {
                continue;
            }
            ("bot_command", word.len())
        } else {
            continue;
        };
        let mut entity = span(text, at, length);
        entity["type"] = kind.into();
        found.push(entity);
    }
    found
}

impl Platform {
    /// Sends a message; answers its number.
    pub(crate) fn sends(&self, draft: Draft) -> i64 {
        let mut inner = self.lock();
        let (id, kind, message) = draft.write(&mut inner);
        self.push(inner, kind, message);
        id
    }

    /// A text of somebody. Their private chat has their own id.
    pub(crate) fn says(&self, chat: i64, user: i64, text: &str) -> i64 {
        self.sends(Draft::new(chat, user).text(text))
    }

    /// A text that no update tells of: the bot was not allowed to see it, or it is too old.
    pub(crate) fn says_unseen(&self, chat: i64, user: i64, text: &str) -> i64 {
        Draft::new(chat, user).text(text).write(&mut self.lock()).0
    }

    /// A picture of somebody, in several sizes.
    pub(crate) fn shows(&self, chat: i64, user: i64, picture: &[u8], caption: &str) -> i64 {
        let draft = Draft::new(chat, user).photo(self.photo(picture));
        self.sends(if caption.is_empty() { draft } else { draft.caption(caption) })
    }

    /// The sizes of a photo; only the largest is the picture itself.
    pub(crate) fn photo(&self, picture: &[u8]) -> Value {
        let sizes = [(90, 67), (320, 240), (1280, 960)].map(|(width, height)| {
            let largest = width == 1280;
            let content = if largest { picture.to_vec() } else { format!("{width} wide").into_bytes() };
            let mut size = self.keeps("photos", "jpg", content);
            size["width"] = width.into();
            size["height"] = height.into();
            size
        });
        sizes.to_vec().into()
    }

    /// Changes the text (or the caption) of a message.
    pub(crate) fn edits(&self, chat: i64, message: i64, text: &str) {
        self.edits_at(chat, message, text, now());
    }

    pub(crate) fn edits_at(&self, chat: i64, message: i64, text: &str, date: i64) {
        let mut inner = self.lock();
        let edited = inner.messages.get_mut(&(chat, message)).expect("a message of this chat");
        let captioned = edited.get("text").is_none();
        let (words, list) = if captioned { ("caption", "caption_entities") } else { ("text", "entities") };
        edited[words] = text.into();
        edited[list] = entities(text).into();
        edited["edit_date"] = date.into();
        let edited = edited.clone();
        let channel = inner.chats[&chat].kind() == "channel";
        self.push(inner, if channel { "edited_channel_post" } else { "edited_message" }, edited);
    }

    /// A message that the bot itself sent, as others' replies name it.
    pub(crate) fn is_from_bot(&self, chat: i64, message: i64) -> bool {
        self.lock().messages.get(&(chat, message)).is_some_and(|message| message["from"]["id"] == BOT_ID)
    }
}
