//! All that the server knows, and what it writes down of what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::BOT_ID;
use super::faults::Scripted;
use super::files::Files;
use super::people::{Chat, Standing};
use super::rates::Traffic;
use super::updates::Queue;
use super::webhook::Hook;

/// A text that a chat has got: a message, or a document with a caption.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) chat: i64,
    pub(crate) message: i64,
    /// After entity parsing; of a document its caption.
    pub(crate) text: String,
    pub(crate) entities: Vec<Value>,
    /// As it was handed in.
    pub(crate) source: String,
    pub(crate) html: bool,
    pub(crate) reply_to: Option<i64>,
    pub(crate) thread: Option<i64>,
    /// Whether links may show a preview.
    pub(crate) preview: bool,
    pub(crate) document: Option<Upload>,
    pub(crate) at: Instant,
}

/// A file as it came.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) content: Bytes,
    pub(crate) mime: Option<String>,
}

/// A "typing" and its like.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) chat: i64,
    pub(crate) action: String,
    pub(crate) thread: Option<i64>,
    pub(crate) at: Instant,
}

/// One call, whatever came of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// In lower case.
    pub(crate) method: String,
    pub(crate) chat: Option<i64>,
    pub(crate) text: Option<String>,
    /// 0: never answered.
    pub(crate) status: u16,
    /// The door it came by (see [`super::Platform::door`]).
    pub(crate) door: usize,
    pub(crate) at: Instant,
}

pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// Something has changed that a poll or a delivery may wait for.
    pub(super) changed: Notify,
}

impl Shared {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) token: String,
    /// A Bot API server of one's own takes plain http for webhooks.
    pub(super) self_hosted: bool,
    /// Whether privacy mode is off.
    pub(super) reads_all: bool,
    pub(super) queue: Queue,
    pub(super) hook: Hook,
    pub(super) users: HashMap<i64, Value>,
    pub(super) chats: HashMap<i64, Chat>,
    pub(super) messages: HashMap<(i64, i64), Value>,
    /// The last message's number by chat; private chats and small groups share one count, under 0.
    pub(super) last_message: HashMap<i64, i64>,
    pub(super) files: Files,
    /// Names and descriptions by scope (its JSON) and language.
    pub(super) commands: BTreeMap<(String, String), Vec<(String, String)>>,
    pub(super) sent: BTreeMap<i64, Vec<Sent>>,
    pub(super) actions: Vec<Action>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) script: Vec<Scripted>,
    pub(super) traffic: Traffic,
    pub(super) violations: Vec<String>,
    /// Sends that are worked on, by chat.
    pub(super) open: HashMap<i64, u32>,
    pub(super) overlaps: u64,
}

impl Inner {
    /// Notes what the real server would let pass and a good client does not do.
    pub(super) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(super) fn next_message(&mut self, chat: i64) -> i64 {
        let own = self.chats.get(&chat).is_some_and(Chat::counts_for_itself);
        let last = self.last_message.entry(if own { chat } else { 0 }).or_insert(if own { 1 } else { 100 });
        *last += 1;
        *last
    }

    /// Makes a message: its number, date, chat and the given fields, and keeps it.
    pub(super) fn write(&mut self, chat: i64, fields: Value) -> (i64, Value) {
        let id = self.next_message(chat);
        let mut message = json!({ "message_id": id, "date": now(), "chat": self.chats[&chat].json });
        let (Value::Object(message_fields), Value::Object(fields)) = (&mut message, fields) else {
            unreachable!("both are objects")
        };
        message_fields.extend(fields);
        self.messages.insert((chat, id), message.clone());
        (id, message)
    }

    /// A message as others quote it: a reply is not nested twice (<https://core.telegram.org/bots/api#message>).
    pub(super) fn quoted(&self, chat: i64, message: i64) -> Option<Value> {
        let mut quoted = self.messages.get(&(chat, message))?.clone();
        let fields = quoted.as_object_mut().unwrap();
        for nested in ["reply_to_message", "external_reply", "quote"] {
            fields.remove(nested);
        }
        Some(quoted)
    }

    /// The bot, as `getMe` shows it.
    pub(super) fn me(&self) -> Value {
        let mut me = self.users[&BOT_ID].clone();
        me["can_join_groups"] = true.into();
        me["can_read_all_group_messages"] = self.reads_all.into();
        me["supports_inline_queries"] = false.into();
        me["can_connect_to_business"] = false.into();
        me["has_main_web_app"] = false.into();
        me
    }

    /// Makes sure that a person and their chat exist: whoever writes is known from then on.
    pub(super) fn meet(&mut self, user: i64) {
        self.users.entry(user).or_insert_with(|| super::people::user(user, &format!("User {user}"), Some("en")));
        if !self.chats.contains_key(&user) {
            self.chats.insert(user, Chat::private(&self.users[&user], Standing::Stranger));
        }
    }
}

/// In seconds, as all dates of the Bot API are.
pub(super) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
