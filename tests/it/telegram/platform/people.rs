//! People and chats, as the objects of the Bot API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::{Inner, Shared};
use super::{BOT_ID, BOT_NAME, Platform};

/// Posts in the name of its group, for an anonymous admin (<https://core.telegram.org/bots/api#message>, `sender_chat`).
pub(crate) const ANONYMOUS_ADMIN: i64 = 1_087_968_824;
/// Posts in the name of a channel.
pub(crate) const CHANNEL_BOT: i64 = 136_817_688;
/// Forwards a channel's posts into its discussion group.
pub(crate) const TELEGRAM: i64 = 777_000;

/// What the bot may do in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Member,
    /// The person has never written to the bot.
    Stranger,
    Blocked,
    Kicked,
    Left,
    Migrated(i64),
    Deactivated,
}

#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) json: Value,
    pub(super) standing: Standing,
    /// Topics by the number of the message that made them.
    pub(super) topics: BTreeMap<i64, String>,
}

impl Chat {
    pub(super) fn private(user: &Value, standing: Standing) -> Self {
        let mut json = json!({ "id": user["id"], "type": "private" });
        for name in ["first_name", "last_name", "username"] {
            if let Some(name_of) = user.get(name) {
                json[name] = name_of.clone();
            }
        }
        Self { json, standing, topics: BTreeMap::new() }
    }

    pub(super) fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap()
    }

    /// Supergroups and channels number their messages for themselves.
    pub(super) fn counts_for_itself(&self) -> bool {
        matches!(self.kind(), "supergroup" | "channel")
    }
}

pub(super) fn user(id: i64, name: &str, language: Option<&str>) -> Value {
    let (first, last) = name.split_once(' ').map_or((name, None), |(first, last)| (first, Some(last)));
    let mut user = json!({ "id": id, "is_bot": false, "first_name": first });
    if let Some(last) = last {
        user["last_name"] = last.into();
    }
    if let Some(language) = language {
        user["language_code"] = language.into();
    }
    user
}

fn bot(id: i64, name: &str, username: &str) -> Value {
    json!({ "id": id, "is_bot": true, "first_name": name, "username": username })
}

/// Those that are there before anybody comes.
pub(super) fn settle(inner: &mut Inner) {
    inner.users.insert(BOT_ID, bot(BOT_ID, "Bridge", BOT_NAME));
    inner.users.insert(ANONYMOUS_ADMIN, bot(ANONYMOUS_ADMIN, "Group", "GroupAnonymousBot"));
    inner.users.insert(CHANNEL_BOT, bot(CHANNEL_BOT, "Channel", "Channel_Bot"));
    inner.users.insert(TELEGRAM, user(TELEGRAM, "Telegram", None));
}

impl Platform {
    /// A person; answers their id, which is that of their private chat. Everybody else who writes is called `User <id>` and
    /// speaks English.
    pub(crate) fn user(&self, id: i64, name: &str, language: Option<&str>) -> i64 {
        let mut inner = self.lock();
        inner.users.insert(id, user(id, name, language));
        inner.meet(id);
        id
    }

    /// The same with a name to be mentioned by.
    pub(crate) fn user_named(&self, id: i64, name: &str, username: &str) -> i64 {
        let mut inner = self.lock();
        let mut person = user(id, name, Some("en"));
        person["username"] = username.into();
        inner.users.insert(id, person);
        inner.meet(id);
        id
    }

    /// Another bot.
    pub(crate) fn other_bot(&self, id: i64, username: &str) -> i64 {
        self.lock().users.insert(id, bot(id, username, username));
        id
    }

    /// A chat with more than two in it; the bot is a member.
    fn chat(&self, id: i64, kind: &str, title: &str, standing: Standing) -> i64 {
        assert!(id < 0, "a group has a negative id");
        let json = json!({ "id": id, "type": kind, "title": title });
        self.lock().chats.insert(id, Chat { json, standing, topics: BTreeMap::new() });
        id
    }

    pub(crate) fn group(&self, id: i64, title: &str) -> i64 {
        self.chat(id, "group", title, Standing::Member)
    }

    pub(crate) fn supergroup(&self, id: i64, title: &str) -> i64 {
        self.chat(id, "supergroup", title, Standing::Member)
    }

    pub(crate) fn channel(&self, id: i64, title: &str) -> i64 {
        self.chat(id, "channel", title, Standing::Member)
    }

    /// A supergroup with topics.
    pub(crate) fn forum(&self, id: i64, title: &str) -> i64 {
        self.supergroup(id, title);
        self.lock().chats.get_mut(&id).unwrap().json["is_forum"] = true.into();
        id
    }

    /// A topic of a forum; answers its number. The bot is told of the service message.
    pub(crate) fn topic(&self, chat: i64, by: i64, name: &str) -> i64 {
        let mut inner = self.lock();
        inner.meet(by);
        let from = inner.users[&by].clone();
        let created = json!({ "name": name, "icon_color": 7_322_096 });
        let (thread, mut message) = inner.write(chat, json!({ "from": from, "forum_topic_created": created }));
        message["message_thread_id"] = thread.into();
        message["is_topic_message"] = true.into();
        inner.messages.insert((chat, thread), message.clone());
        inner.chats.get_mut(&chat).unwrap().topics.insert(thread, name.to_owned());
        self.push(inner, "message", message);
        thread
    }

    pub(crate) fn deletes_topic(&self, chat: i64, thread: i64) {
        self.lock().chats.get_mut(&chat).unwrap().topics.remove(&thread).unwrap();
    }

    /// A message goes away; the bot is not told.
    pub(crate) fn deletes(&self, chat: i64, message: i64) {
        self.lock().messages.remove(&(chat, message)).unwrap();
    }

    /// The chat is not known to the server any more.
    pub(crate) fn forgets_chat(&self, chat: i64) {
        self.lock().chats.remove(&chat).unwrap();
    }

    /// The person has deleted their account.
    pub(crate) fn deactivates(&self, user: i64) {
        self.stands(user, Standing::Deactivated);
    }

    /// What the bot may do in a chat, without any update about it.
    pub(super) fn stands(&self, chat: i64, standing: Standing) {
        self.lock().chats.get_mut(&chat).unwrap().standing = standing;
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}
