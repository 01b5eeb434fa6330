//! What happens to messages, channels and guilds.

use std::time::Duration;

use serde_json::{Value, json};

use super::people::{Channel, kind, now_s};
use super::sessions::{Event, intents};
use super::state::{Inner, id, time_of};
use super::{BOT, Draft, Platform};

impl Inner {
    /// A thread: on a channel, or on a message, whose number it then has.
    pub(super) fn add_thread(&mut self, number: u64, parent: u64, owner: u64, name: &str, private: bool) -> Value {
        let guild = self.guild_of(parent).expect("threads hang on channels of guilds");
        let kind = if private { kind::PRIVATE_THREAD } else { kind::PUBLIC_THREAD };
        let now = time_of(self.next_id());
        let json = json!({
            "id": number.to_string(), "type": kind, "guild_id": guild.to_string(), "parent_id": parent.to_string(),
            "owner_id": owner.to_string(), "name": name, "last_message_id": null, "message_count": 0,
            "member_count": 1, "rate_limit_per_user": 0, "flags": 0, "total_message_sent": 0,
            "thread_metadata": {
                "archived": false, "auto_archive_duration": 1440, "archive_timestamp": now, "locked": false,
                "create_timestamp": now,
            },
        });
        let members = vec![owner];
        let channel = Channel { json, guild: Some(guild), parent: Some(parent), denied: 0, with: None, members };
        let mut created = self.thread(&channel);
        self.channels.insert(number, channel);
        created["newly_created"] = true.into();
        self.tell("THREAD_CREATE", number, intents::GUILDS, created.clone());
        self.notices_thread(number, parent, owner, name, private);
        self.touch();
        created
    }

    /// The message of the system that tells of a new thread: 18 in the channel, or 21 in the thread if it hangs on a message
    /// (<https://discord.com/developers/docs/resources/message#message-object-message-types>).
    fn notices_thread(&mut self, thread: u64, parent: u64, owner: u64, name: &str, private: bool) {
        if self.messages.get(&parent).is_some_and(|list| list.contains_key(&thread)) {
            let mut on = self.messages[&parent][&thread].clone();
            on["flags"] = (on["flags"].as_u64().unwrap() | 32).into();
            self.messages.get_mut(&parent).unwrap().insert(thread, on.clone());
            self.announce("MESSAGE_UPDATE", &on);
            let (reference, quoted) = (self.reference(parent, thread), self.quoted(parent, thread));
            let notice = Draft::new(thread, owner).system(21).with("message_reference", reference);
            self.write(notice.with("referenced_message", quoted));
        } else if !private && self.channels[&parent].kind() != kind::FORUM {
            let reference = json!({
                "type": 0, "channel_id": thread.to_string(), "guild_id": self.guild_of(parent).unwrap().to_string(),
            });
            self.write(Draft::new(parent, owner).text(name).system(18).with("message_reference", reference));
        }
    }

    /// Somebody gets into a thread.
    pub(super) fn joins_thread(&mut self, thread: u64, person: u64) {
        let now = time_of(self.next_id());
        let found = self.channels.get_mut(&thread).unwrap();
        if found.members.contains(&person) {
            return;
        }
        found.members.push(person);
        let count = found.members.len().min(50);
        let hears = person == BOT;
        let (guild, thread_json) = (found.guild.unwrap(), self.thread(&self.channels[&thread]));
        let member =
            json!({ "id": thread.to_string(), "user_id": person.to_string(), "join_timestamp": now, "flags": 1 });
        if hears {
            // A private thread becomes known by this (<https://discord.com/developers/docs/events/gateway-events#thread-create>).
            self.tell("THREAD_CREATE", thread, intents::GUILDS, thread_json);
            let update = json!({
                "id": thread.to_string(), "guild_id": guild.to_string(), "member_count": count,
                "added_members": [member], "removed_member_ids": [],
            });
            self.tell("THREAD_MEMBERS_UPDATE", thread, intents::GUILDS, update);
        }
    }
}

impl Platform {
    /// A person makes a thread on a channel; answers its number.
    pub(crate) fn thread(&self, parent: u64, user: u64, name: &str, private: bool) -> u64 {
        let mut inner = self.lock();
        inner.meet(user);
        let number = inner.next_id();
        inner.add_thread(number, parent, user, name, private);
        number
    }

    /// A person makes a thread on a message, whose number it has too.
    pub(crate) fn thread_on(&self, parent: u64, message: u64, user: u64, name: &str) -> u64 {
        let mut inner = self.lock();
        inner.meet(user);
        inner.add_thread(message, parent, user, name, false);
        message
    }

    /// A post in a forum: a thread with a first message of the same number. Answers it.
    pub(crate) fn posts(&self, forum: u64, user: u64, title: &str, text: &str) -> u64 {
        let thread = self.thread(forum, user, title, false);
        // The first message has the thread's number: that is how it is known.
        self.sends(Draft::new(thread, user).text(text).numbered(thread))
    }

    /// The bot is taken into a thread.
    pub(crate) fn adds_bot(&self, thread: u64) {
        let mut inner = self.lock();
        inner.joins_thread(thread, BOT);
        inner.touch();
    }

    pub(crate) fn archives(&self, thread: u64, locked: bool) {
        let mut inner = self.lock();
        let found = inner.channels.get_mut(&thread).unwrap();
        found.json["thread_metadata"]["archived"] = true.into();
        found.json["thread_metadata"]["locked"] = locked.into();
        let json = inner.thread(&inner.channels[&thread]);
        inner.tell("THREAD_UPDATE", thread, intents::GUILDS, json);
        inner.touch();
    }

    /// A message is edited by its author. No two edits have the same time.
    pub(crate) fn edits(&self, channel: u64, message: u64, text: &str) {
        let mut inner = self.lock();
        let now = inner.next_id();
        let now = time_of(now).replace("000+00:00", &format!("{:03}+00:00", now % 1000));
        let mut edited = inner.messages.get(&channel).unwrap()[&message].clone();
        inner.mention(&mut edited, text, None);
        edited["content"] = text.into();
        edited["edited_timestamp"] = now.into();
        inner.messages.get_mut(&channel).unwrap().insert(message, edited.clone());
        inner.announce("MESSAGE_UPDATE", &edited);
        inner.touch();
    }

    /// A link of a message gets its preview: an update, and no edit.
    pub(crate) fn unfolds(&self, channel: u64, message: u64) {
        let mut inner = self.lock();
        let mut shown = inner.messages.get(&channel).unwrap()[&message].clone();
        shown["embeds"] = json!([{ "type": "link", "url": "https://example.com/", "title": "An example" }]);
        inner.messages.get_mut(&channel).unwrap().insert(message, shown.clone());
        inner.announce("MESSAGE_UPDATE", &shown);
        inner.touch();
    }

    /// A message goes away.
    pub(crate) fn deletes(&self, channel: u64, message: u64) {
        let mut inner = self.lock();
        inner.messages.get_mut(&channel).unwrap().remove(&message).unwrap();
        let mut gone = json!({ "id": message.to_string(), "channel_id": channel.to_string() });
        let mut wanted = intents::DIRECT_MESSAGES;
        if let Some(guild) = inner.guild_of(channel) {
            gone["guild_id"] = guild.to_string().into();
            wanted = intents::GUILD_MESSAGES;
        }
        inner.tell("MESSAGE_DELETE", channel, wanted, gone);
        inner.touch();
    }

    /// A channel or thread goes away.
    pub(crate) fn deletes_channel(&self, channel: u64) {
        let mut inner = self.lock();
        let found = &inner.channels[&channel];
        let (kind, mut json) =
            if found.is_thread() { ("THREAD_DELETE", Value::Null) } else { ("CHANNEL_DELETE", found.json.clone()) };
        if json.is_null() {
            json = json!({});
            for name in ["id", "guild_id", "parent_id", "type"] {
                json[name] = found.json[name].clone();
            }
        }
        inner.tell(kind, channel, intents::GUILDS, json);
        inner.channels.remove(&channel);
        inner.messages.remove(&channel);
        inner.touch();
    }

    /// A text channel is made while the bot is connected.
    pub(crate) fn makes_channel(&self, guild: u64, channel: u64, name: &str) -> u64 {
        self.text_channel(guild, channel, name);
        let mut inner = self.lock();
        let json = inner.channels[&channel].json.clone();
        inner.tell("CHANNEL_CREATE", channel, intents::GUILDS, json);
        inner.touch();
        channel
    }

    /// The bot gets into a guild that it was not in.
    pub(crate) fn joins(&self, guild: u64) {
        let mut inner = self.lock();
        inner.guilds.get_mut(&guild).unwrap().joined = true;
        let data = inner.guild_create(guild);
        inner.dispatch(Event { kind: "GUILD_CREATE", guild: Some(guild), intents: intents::GUILDS, data }, None);
        inner.touch();
    }

    /// The bot is removed from a guild.
    pub(crate) fn leaves(&self, guild: u64) {
        let mut inner = self.lock();
        inner.guilds.get_mut(&guild).unwrap().joined = false;
        let data = json!({ "id": guild.to_string() });
        inner.dispatch(Event { kind: "GUILD_DELETE", guild: Some(guild), intents: intents::GUILDS, data }, None);
        inner.touch();
    }

    /// A guild is out of order, and in order again.
    pub(crate) fn outage(&self, guild: u64, out: bool) {
        let mut inner = self.lock();
        inner.guilds.get_mut(&guild).unwrap().unavailable = out;
        let (kind, data) =
            if out { ("GUILD_DELETE", inner.guild_create(guild)) } else { ("GUILD_CREATE", inner.guild_create(guild)) };
        inner.dispatch(Event { kind, guild: Some(guild), intents: intents::GUILDS, data }, None);
        inner.touch();
    }

    /// A person types.
    pub(crate) fn types(&self, channel: u64, user: u64) {
        let mut inner = self.lock();
        inner.meet(user);
        let mut data = json!({ "channel_id": channel.to_string(), "user_id": user.to_string(), "timestamp": now_s() });
        let mut wanted = intents::DIRECT_MESSAGE_TYPING;
        if let Some(guild) = inner.guild_of(channel) {
            data["guild_id"] = guild.to_string().into();
            data["member"] = inner.member(guild, user);
            wanted = intents::GUILD_MESSAGE_TYPING;
        }
        inner.tell("TYPING_START", channel, wanted, data);
        inner.touch();
    }

    /// A message is pinned: an event, and a message of the system.
    pub(crate) fn pins(&self, channel: u64, user: u64, message: u64) -> u64 {
        let reference = self.lock().reference(channel, message);
        self.sends(Draft::new(channel, user).system(6).with("message_reference", reference))
    }

    /// Any event, of a kind that may not exist.
    pub(crate) fn happens(&self, kind: &str, guild: Option<u64>, data: Value) {
        let mut inner = self.lock();
        inner.dispatch(Event { kind, guild, intents: 0, data }, None);
        inner.touch();
    }

    /// So many messages of a person, written in a moment some time ago; nobody is told. Their numbers.
    pub(crate) fn wrote(&self, channel: u64, user: u64, texts: &[&str], ago: Duration) -> Vec<u64> {
        texts.iter().map(|text| self.sends(Draft::new(channel, user).text(text).ago(ago))).collect()
    }

    /// The last message of a channel, as Discord tells of it.
    pub(crate) fn last_message(&self, channel: u64) -> Option<u64> {
        id(&self.lock().channels[&channel].json["last_message_id"])
    }
}
