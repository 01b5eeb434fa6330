//! All that the servers know, and what they write down of what they were asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::cdn::Files;
use super::faults::Scripted;
use super::people::{Channel, Guild};
use super::rates::Traffic;
use super::sessions::Sockets;
use super::slash::Interaction;
use super::{TOKEN, people};

/// The first millisecond of Discord's time (<https://discord.com/developers/docs/reference#snowflakes>).
const EPOCH: u64 = 1_420_070_400_000;

/// A message of the bot's in a chat.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) channel: u64,
    pub(crate) message: u64,
    /// As it was handed in; Discord trims it.
    pub(crate) text: String,
    pub(crate) reply_to: Option<u64>,
    pub(crate) nonce: Option<String>,
    pub(crate) flags: u64,
    pub(crate) allowed_mentions: Option<Value>,
    pub(crate) embeds: usize,
    pub(crate) files: Vec<Upload>,
    /// The interaction that it answers.
    pub(crate) interaction: Option<u64>,
    pub(crate) at: Instant,
}

/// A file as it came.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) content: Bytes,
    pub(crate) mime: Option<String>,
}

/// One answer to an interaction.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The name of the route: `callback`, `edit_original`, `follow_up` …
    pub(crate) route: &'static str,
    /// Of a callback: 4 a message, 5 a deferred one.
    pub(crate) kind: Option<u64>,
    pub(crate) text: String,
    /// Whether only the person who asked sees it.
    pub(crate) ephemeral: bool,
    pub(crate) flags: u64,
    pub(crate) allowed_mentions: Option<Value>,
    pub(crate) files: Vec<Upload>,
    pub(crate) at: Instant,
}

/// One call, whatever came of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// A name of [`routes`](super::routes).
    pub(crate) route: &'static str,
    pub(crate) channel: Option<u64>,
    pub(crate) text: Option<String>,
    /// 0: never answered.
    pub(crate) status: u16,
    pub(crate) at: Instant,
}

/// One IDENTIFY or RESUME.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) resume: bool,
    /// Of the session that came of it, or that was to be resumed.
    pub(crate) session: String,
    pub(crate) shard: (u64, u64),
    pub(crate) intents: u64,
    /// `ready`, `resumed`, `invalid`, or a close code.
    pub(crate) outcome: String,
    pub(crate) at: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) connection: u64,
    pub(crate) seq: Option<u64>,
    pub(crate) acknowledged: bool,
    pub(crate) at: Instant,
}

pub(super) struct Shared {
    inner: Mutex<Inner>,
}

impl Shared {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Mutex::new(inner) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

pub(super) struct Inner {
    pub(super) url: String,
    pub(super) gateway_url: String,
    pub(super) token: String,
    pub(super) message_content: bool,
    pub(super) users: BTreeMap<u64, Value>,
    pub(super) guilds: BTreeMap<u64, Guild>,
    pub(super) channels: BTreeMap<u64, Channel>,
    /// As REST shows them, by channel and number; links of attachments are not signed yet.
    pub(super) messages: BTreeMap<u64, BTreeMap<u64, Value>>,
    /// A nonce's message, by channel: for some minutes the same nonce means the same message.
    pub(super) nonces: HashMap<(u64, String), (u64, Instant)>,
    pub(super) nonces_live: Duration,
    pub(super) interactions: BTreeMap<u64, Interaction>,
    /// By guild; `None`: everywhere.
    pub(super) commands: BTreeMap<Option<u64>, Vec<Value>>,
    pub(super) commands_created: u32,
    pub(super) callback_within: Duration,
    pub(super) tokens_live: Duration,
    pub(super) files: Files,
    pub(super) sockets: Sockets,
    pub(super) sent: Vec<Sent>,
    pub(super) typing: Vec<(u64, Instant)>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) script: Vec<Scripted>,
    pub(super) traffic: Traffic,
    pub(super) invalid_requests: u64,
    pub(super) violations: Vec<String>,
    /// Sends that are worked on, by channel.
    pub(super) open: HashMap<u64, u32>,
    pub(super) overlaps: u64,
    /// Something has changed that a connection of the gateway may wait for.
    pub(super) changed: watch::Sender<u64>,
    last_id: u64,
}

impl Inner {
    pub(super) fn new(url: &str, gateway_url: &str) -> Self {
        let mut inner = Self {
            url: url.to_owned(),
            gateway_url: gateway_url.to_owned(),
            token: TOKEN.to_owned(),
            message_content: true,
            users: BTreeMap::new(),
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            nonces: HashMap::new(),
            nonces_live: Duration::from_secs(180),
            interactions: BTreeMap::new(),
            commands: BTreeMap::new(),
            commands_created: 0,
            callback_within: Duration::from_secs(3),
            tokens_live: Duration::from_secs(15 * 60),
            files: Files::default(),
            sockets: Sockets::default(),
            sent: Vec::new(),
            typing: Vec::new(),
            attempts: Vec::new(),
            script: Vec::new(),
            traffic: Traffic::default(),
            invalid_requests: 0,
            violations: Vec::new(),
            open: HashMap::new(),
            overlaps: 0,
            changed: watch::Sender::new(0),
            last_id: 0,
        };
        people::settle(&mut inner);
        inner
    }

    /// Notes what the real servers would let pass and a good client does not do.
    pub(super) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// A number of now, above all before it.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id = ((now_ms() - EPOCH) << 22).max(self.last_id + 1);
        self.last_id
    }

    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// A channel, whatever kind it is: guilds' and direct ones.
    pub(super) fn guild_of(&self, channel: u64) -> Option<u64> {
        self.channels.get(&channel)?.guild
    }
}

pub(super) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The number that something of so long ago has.
pub(super) fn id_of(ago: Duration) -> u64 {
    (now_ms() - u64::try_from(ago.as_millis()).unwrap() - EPOCH) << 22
}

/// When a number was given, as Discord writes times.
pub(super) fn time_of(id: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from((id >> 22) + EPOCH).unwrap()).unwrap();
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// Discord writes its numbers as texts.
pub(super) fn id(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// More fields for an object.
pub(super) fn merge(object: &mut Value, more: Value) {
    let (Value::Object(fields), Value::Object(more)) = (object, more) else { unreachable!("both are objects") };
    fields.extend(more);
}
