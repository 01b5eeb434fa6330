//! Sessions: who is told what, and what is said again after a resume (<https://discord.com/developers/docs/events/gateway>).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::state::{Heartbeat, Inner, Login};
use super::{APPLICATION, BOT};

/// Bits of an IDENTIFY (<https://discord.com/developers/docs/events/gateway#list-of-intents>).
pub(super) mod intents {
    pub(in super::super) const GUILDS: u64 = 1;
    pub(in super::super) const GUILD_MEMBERS: u64 = 1 << 1;
    pub(in super::super) const GUILD_PRESENCES: u64 = 1 << 8;
    pub(in super::super) const GUILD_MESSAGES: u64 = 1 << 9;
    pub(in super::super) const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
    pub(in super::super) const DIRECT_MESSAGES: u64 = 1 << 12;
    pub(in super::super) const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;
    pub(in super::super) const MESSAGE_CONTENT: u64 = 1 << 15;
    /// All that there are.
    pub(in super::super) const ALL: u64 = 0x1FFFF | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25;
}

/// Something to tell. `intents`: any of these bits hears it; 0: everybody.
pub(super) struct Event<'a> {
    pub(super) kind: &'a str,
    pub(super) guild: Option<u64>,
    pub(super) intents: u64,
    pub(super) data: Value,
}

pub(super) struct Session {
    pub(super) shard: (u64, u64),
    pub(super) intents: u64,
    pub(super) compress: bool,
    /// Everything that was said, from number 1 on.
    pub(super) log: Vec<Value>,
    /// What is over cannot be resumed.
    pub(super) over: bool,
    pub(super) connection: Option<u64>,
}

/// What a connection is to do.
pub(super) enum Order {
    /// The TCP connection ends without a word.
    Drop,
    Close(u16),
    Say(Value),
}

#[derive(Default)]
pub(super) struct Link {
    pub(super) session: Option<String>,
    pub(super) orders: VecDeque<Order>,
}

pub(super) struct Sockets {
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) connections: Vec<Instant>,
    pub(super) logins: Vec<Login>,
    pub(super) heartbeats: Vec<Heartbeat>,
    /// What was received that is neither of these, by opcode.
    pub(super) other: Vec<(u64, Value)>,
    pub(super) heartbeat_interval: Duration,
    pub(super) withholds_acks: bool,
    pub(super) down: bool,
    /// Whether connections end as soon as they have their session.
    pub(super) hangs_up: bool,
    /// The shards that `GET /gateway/bot` recommends.
    pub(super) shards: u64,
    pub(super) starts_left: u64,
    pub(super) max_concurrency: u64,
    /// Whether an IDENTIFY for message content is refused, whatever the application's flags say.
    pub(super) refuses_content: bool,
    /// Whether two starts within five seconds are refused.
    pub(super) spaced: bool,
    /// When the last start was, by `shard % max_concurrency`.
    pub(super) starts: BTreeMap<u64, Instant>,
    /// Left out of GUILD_CREATE: a client that needs it drops the event.
    pub(super) missing_field: Option<&'static str>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            sessions: BTreeMap::new(),
            links: BTreeMap::new(),
            connections: Vec::new(),
            logins: Vec::new(),
            heartbeats: Vec::new(),
            other: Vec::new(),
            heartbeat_interval: Duration::from_millis(41_250),
            withholds_acks: false,
            down: false,
            hangs_up: false,
            shards: 1,
            starts_left: 1000,
            max_concurrency: 1,
            refuses_content: false,
            spaced: false,
            starts: BTreeMap::new(),
            missing_field: None,
        }
    }
}

impl Session {
    pub(super) fn say(&mut self, kind: &str, data: &Value) {
        let seq = self.log.len() + 1;
        self.log.push(json!({ "op": 0, "s": seq, "t": kind, "d": data }));
    }

    /// Guilds are spread over the shards; everything else is the first one's
    /// (<https://discord.com/developers/docs/events/gateway#sharding>).
    fn has(&self, guild: Option<u64>) -> bool {
        guild.map_or(0, |guild| (guild >> 22) % self.shard.1) == self.shard.0
    }
}

impl Inner {
    /// Says something to every session that hears it; `bare` to those that may not read messages.
    pub(super) fn dispatch(&mut self, event: Event<'_>, bare: Option<Value>) {
        let Event { kind, guild, intents: wanted, data } = event;
        for session in self.sockets.sessions.values_mut().filter(|session| !session.over) {
            if !session.has(guild) || (wanted != 0 && session.intents & wanted == 0) {
                continue;
            }
            let reads = session.intents & intents::MESSAGE_CONTENT != 0;
            session.say(kind, bare.as_ref().filter(|_| !reads).unwrap_or(&data));
        }
        self.touch();
    }

    /// READY and the guilds.
    pub(super) fn begin_session(&mut self, id: &str, session: Session) {
        let guilds: Vec<u64> = self.guilds.iter().filter(|(_, guild)| guild.joined).map(|(id, _)| *id).collect();
        let guilds: Vec<u64> = guilds.into_iter().filter(|guild| session.has(Some(*guild))).collect();
        let listed: Vec<Value> = guilds.iter().map(|id| json!({ "id": id.to_string(), "unavailable": true })).collect();
        let mut user = self.users[&BOT].clone();
        user["verified"] = true.into();
        user["email"] = Value::Null;
        user["mfa_enabled"] = true.into();
        user["flags"] = 0.into();
        let ready = json!({
            "v": 10, "user": user, "guilds": listed, "session_id": id, "session_type": "normal",
            "resume_gateway_url": self.gateway_url, "shard": [session.shard.0, session.shard.1],
            "application": { "id": APPLICATION.to_string(), "flags": self.application_flags() },
            "private_channels": [], "presences": [], "relationships": [], "user_settings": {},
            "guild_join_requests": [], "geo_ordered_rtc_regions": [], "_trace": ["[\"gateway-of-the-tests\"]"],
        });
        let mut session = session;
        session.say("READY", &ready);
        if session.intents & intents::GUILDS != 0 {
            for guild in guilds {
                let mut data = self.guild_create(guild);
                if let Some(field) = self.sockets.missing_field {
                    data.as_object_mut().unwrap().remove(field);
                }
                session.say("GUILD_CREATE", &data);
            }
        }
        // A client that begins anew does not go back: what was left behind need not be kept.
        let left = |other: &&mut Session| other.shard == session.shard && other.connection.is_none();
        for other in self.sockets.sessions.values_mut().filter(left) {
            other.over = true;
            other.log = Vec::new();
        }
        self.sockets.sessions.insert(id.to_owned(), session);
        self.touch();
    }

    /// `GATEWAY_MESSAGE_CONTENT_LIMITED`, which an app in few guilds has when the switch is on
    /// (<https://discord.com/developers/docs/resources/application#application-object-application-flags>).
    pub(super) fn application_flags(&self) -> u64 {
        if self.message_content { 1 << 19 } else { 0 }
    }
}
