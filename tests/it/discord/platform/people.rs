//! People, guilds and channels, as Discord's objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::sessions::intents;
use super::state::{Inner, id_of, merge, now_ms, time_of};
use super::{BOT, BOT_NAME, Platform};

/// Bits of permissions that a channel can take from the bot (<https://discord.com/developers/docs/topics/permissions>).
pub(crate) mod deny {
    pub(crate) const VIEW_CHANNEL: u64 = 1 << 10;
    pub(crate) const SEND_MESSAGES: u64 = 1 << 11;
    pub(crate) const ATTACH_FILES: u64 = 1 << 15;
    pub(crate) const READ_MESSAGE_HISTORY: u64 = 1 << 16;
    pub(crate) const CREATE_PUBLIC_THREADS: u64 = 1 << 35;
    pub(crate) const CREATE_PRIVATE_THREADS: u64 = 1 << 36;
    pub(crate) const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
}

/// Kinds of channels (<https://discord.com/developers/docs/resources/channel#channel-object-channel-types>).
pub(super) mod kind {
    pub(in super::super) const TEXT: u64 = 0;
    pub(in super::super) const DM: u64 = 1;
    pub(in super::super) const VOICE: u64 = 2;
    pub(in super::super) const CATEGORY: u64 = 4;
    pub(in super::super) const ANNOUNCEMENT: u64 = 5;
    pub(in super::super) const PUBLIC_THREAD: u64 = 11;
    pub(in super::super) const PRIVATE_THREAD: u64 = 12;
    pub(in super::super) const FORUM: u64 = 15;
}

pub(super) struct Guild {
    pub(super) name: String,
    pub(super) owner: u64,
    pub(super) roles: Vec<Value>,
    pub(super) emojis: Vec<Value>,
    /// Roles and nickname by person.
    pub(super) members: BTreeMap<u64, (Vec<u64>, Option<String>)>,
    /// Whether the bot is in it, or has been removed.
    pub(super) joined: bool,
    pub(super) unavailable: bool,
}

pub(super) struct Channel {
    pub(super) json: Value,
    pub(super) guild: Option<u64>,
    /// Of a thread: where it hangs.
    pub(super) parent: Option<u64>,
    /// What the bot may not do here.
    pub(super) denied: u64,
    /// Of a direct one: with whom.
    pub(super) with: Option<u64>,
    /// Of a thread: who is in it.
    pub(super) members: Vec<u64>,
}

impl Channel {
    pub(super) fn kind(&self) -> u64 {
        self.json["type"].as_u64().unwrap()
    }

    pub(super) fn is_thread(&self) -> bool {
        matches!(self.kind(), kind::PUBLIC_THREAD | kind::PRIVATE_THREAD)
    }
}

pub(super) fn user(id: u64, name: &str, bot: bool) -> Value {
    let username: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let username = if username.is_empty() { format!("user{}", id % 10_000) } else { username };
    let mut user = json!({
        "id": id.to_string(), "username": username, "discriminator": "0", "global_name": name, "avatar": null,
        "public_flags": 0, "avatar_decoration_data": null, "primary_guild": null, "collectibles": null,
    });
    if bot {
        user["bot"] = true.into();
        user["global_name"] = Value::Null;
    }
    user
}

/// Those that are there before anybody comes.
pub(super) fn settle(inner: &mut Inner) {
    let mut bot = user(BOT, BOT_NAME, true);
    bot["username"] = BOT_NAME.into();
    inner.users.insert(BOT, bot);
}

impl Inner {
    /// Makes sure that a person exists: whoever writes is known from then on.
    pub(super) fn meet(&mut self, id: u64) {
        self.users.entry(id).or_insert_with(|| user(id, &format!("User {id}"), false));
    }

    /// The member as messages tell of one: without the user.
    pub(super) fn partial_member(&self, guild: u64, person: u64) -> Value {
        let (roles, nick) = self.guilds[&guild].members.get(&person).cloned().unwrap_or_default();
        let roles: Vec<String> = roles.iter().map(u64::to_string).collect();
        json!({
            "nick": nick, "roles": roles, "avatar": null, "banner": null, "premium_since": null, "pending": false,
            "joined_at": time_of(id_of(std::time::Duration::from_secs(86_400))), "deaf": false, "mute": false,
            "flags": 0, "communication_disabled_until": null,
        })
    }

    pub(super) fn member(&self, guild: u64, person: u64) -> Value {
        let mut member = self.partial_member(guild, person);
        member["user"] = self.users[&person].clone();
        member
    }

    pub(super) fn add_channel(&mut self, id: u64, guild: u64, kind: u64, name: &str) {
        let mut json = json!({
            "id": id.to_string(), "type": kind, "guild_id": guild.to_string(), "name": name, "position": 0,
            "permission_overwrites": [], "topic": null, "nsfw": false, "last_message_id": null,
            "rate_limit_per_user": 0, "parent_id": null, "flags": 0,
        });
        if kind == kind::FORUM {
            let more = json!({
                "available_tags": [], "default_reaction_emoji": null, "default_sort_order": null,
                "default_forum_layout": 0,
            });
            merge(&mut json, more);
        }
        self.guilds.get(&guild).expect("the guild is there");
        let channel = Channel { json, guild: Some(guild), parent: None, denied: 0, with: None, members: Vec::new() };
        self.channels.insert(id, channel);
    }

    /// The direct channel with a person: one for each, for ever.
    pub(super) fn direct(&mut self, person: u64) -> u64 {
        self.meet(person);
        if let Some((id, _)) = self.channels.iter().find(|(_, channel)| channel.with == Some(person)) {
            return *id;
        }
        let id = self.next_id();
        let json = json!({
            "id": id.to_string(), "type": kind::DM, "last_message_id": null, "flags": 0,
            "recipients": [self.users[&person]],
        });
        let channel = Channel { json, guild: None, parent: None, denied: 0, with: Some(person), members: Vec::new() };
        self.channels.insert(id, channel);
        id
    }
}

impl Platform {
    pub(crate) fn user(&self, id: u64, name: &str) -> u64 {
        self.lock().users.insert(id, user(id, name, false));
        id
    }

    /// Another bot.
    pub(crate) fn bot(&self, id: u64, name: &str) -> u64 {
        self.lock().users.insert(id, user(id, name, true));
        id
    }

    /// A guild that the bot is in; it is not told when it is connected ([`Platform::joins`] does).
    pub(crate) fn guild(&self, id: u64, name: &str) -> u64 {
        let everyone = role(id, "@everyone");
        let guild = Guild {
            name: name.to_owned(),
            owner: id + 1,
            roles: vec![everyone],
            emojis: Vec::new(),
            members: BTreeMap::from([(BOT, (Vec::new(), None))]),
            joined: true,
            unavailable: false,
        };
        self.lock().guilds.insert(id, guild);
        id
    }

    pub(crate) fn role(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().guilds.get_mut(&guild).unwrap().roles.push(role(id, name));
        id
    }

    /// The role that Discord makes for the bot itself: who mentions it means the bot
    /// (<https://discord.com/developers/docs/topics/permissions#role-object-role-tags-structure>).
    pub(crate) fn own_role(&self, guild: u64, id: u64, name: &str) -> u64 {
        let mut own = role(id, name);
        own["managed"] = true.into();
        own["tags"] = json!({ "bot_id": BOT.to_string() });
        self.lock().guilds.get_mut(&guild).unwrap().roles.push(own);
        id
    }

    pub(crate) fn emoji(&self, guild: u64, id: u64, name: &str) -> u64 {
        let emoji = json!({
            "id": id.to_string(), "name": name, "roles": [], "require_colons": true, "managed": false,
            "animated": false, "available": true,
        });
        self.lock().guilds.get_mut(&guild).unwrap().emojis.push(emoji);
        id
    }

    /// A person's roles and nickname in a guild.
    pub(crate) fn member(&self, guild: u64, user: u64, roles: &[u64], nick: Option<&str>) {
        let mut inner = self.lock();
        inner.meet(user);
        inner.guilds.get_mut(&guild).unwrap().members.insert(user, (roles.to_vec(), nick.map(str::to_owned)));
    }

    pub(crate) fn text_channel(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().add_channel(id, guild, kind::TEXT, name);
        id
    }

    pub(crate) fn forum(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().add_channel(id, guild, kind::FORUM, name);
        id
    }

    pub(crate) fn category(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().add_channel(id, guild, kind::CATEGORY, name);
        id
    }

    /// Puts a channel into a category; nobody is told.
    pub(crate) fn puts_into(&self, category: u64, channel: u64) -> u64 {
        self.lock().channels.get_mut(&channel).unwrap().json["parent_id"] = category.to_string().into();
        channel
    }

    /// A channel, thread or direct channel as the server keeps it.
    pub(crate) fn channel(&self, id: u64) -> Option<Value> {
        self.lock().channels.get(&id).map(|channel| channel.json.clone())
    }

    /// A channel whose posts other guilds can follow.
    pub(crate) fn announcements(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().add_channel(id, guild, kind::ANNOUNCEMENT, name);
        id
    }

    pub(crate) fn voice_channel(&self, guild: u64, id: u64, name: &str) -> u64 {
        self.lock().add_channel(id, guild, kind::VOICE, name);
        id
    }

    /// The number of the direct channel with a person.
    pub(crate) fn dm(&self, user: u64) -> u64 {
        self.lock().direct(user)
    }

    /// The person takes no direct messages: sends fail with 50007.
    pub(crate) fn closes_dms(&self, user: u64, closed: bool) {
        let mut inner = self.lock();
        let channel = inner.direct(user);
        inner.channels.get_mut(&channel).unwrap().denied = if closed { deny::SEND_MESSAGES } else { 0 };
    }

    /// What the bot may not do in a channel and its threads, by the bits of [`deny`]. Discord shows it as an overwrite
    /// for the bot's user, and tells of the change.
    pub(crate) fn denies(&self, channel: u64, bits: u64) {
        let mut inner = self.lock();
        let found = inner.channels.get_mut(&channel).unwrap();
        found.denied = bits;
        let overwrite = json!([{ "id": BOT.to_string(), "type": 1, "allow": "0", "deny": bits.to_string() }]);
        found.json["permission_overwrites"] = if bits == 0 { json!([]) } else { overwrite };
        let json = found.json.clone();
        inner.tell("CHANNEL_UPDATE", channel, intents::GUILDS, json);
        inner.touch();
    }
}

fn role(id: u64, name: &str) -> Value {
    json!({
        "id": id.to_string(), "name": name, "color": 0, "hoist": false, "icon": null, "unicode_emoji": null,
        "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
        "position": 0, "permissions": "2248473465835073", "managed": false, "mentionable": false, "flags": 0,
    })
}

/// Seconds since 1970, of now.
pub(super) fn now_s() -> u64 {
    now_ms() / 1000
}
