//! The Discord channel, from Discord's event to Discord's receipt. [`platform`] is the Discord that it talks to: REST and a
//! gateway.

mod access;
mod answers;
mod crash;
mod doubt;
mod edits;
mod files;
mod gaps;
mod gateway;
mod intent;
mod isolation;
mod long;
mod mistakes;
mod pings;
#[expect(dead_code, reason = "the tests of the channel use the rest of it")]
pub(crate) mod platform;
mod private;
mod probe;
mod rates;
mod refusals;
mod registration;
mod reload;
mod render;
mod replies;
mod secrets;
mod sending;
mod serenity;
mod servers;
mod setting;
mod shards;
mod slash;
mod soak;
mod states;
mod suite;
mod threads;
mod typing;
mod understood;

use std::sync::Arc;

use caigunn_bridge::contract::store::{Upkeep, WorkFilter, WorkItem};
use caigunn_bridge::model::TurnState;
use caigunn_bridge::sandbox::{Fault, Scripted};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use serde_json::Value;

use crate::support::{Bridge, Setup, until};
use platform::{BOT, Platform, Sent, TOKEN};

/// Where most happens: a guild with a room in it, and people.
const GUILD: u64 = 41_771_983_423_143_937;
const ROOM: u64 = 41_771_983_423_143_938;
const ANN: u64 = 80_351_110_224_678_912;
const BEA: u64 = 80_351_110_224_678_913;

/// The keys of a Discord channel `id` that talks to a platform: quick, and unpaced.
fn keys(id: &str, platform: &Platform) -> Vec<(String, String)> {
    let values = [
        ("KIND", "discord"),
        ("BOT", "main"),
        ("TOKEN", TOKEN),
        ("API_URL", platform.url()),
        ("CDN_URL", platform.url()),
        ("TIMEOUT", "2s"),
        ("PACE", "false"),
    ];
    let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
    values.into_iter().map(|(name, value)| (key(name), value.to_owned())).collect()
}

/// Sets keys of the section of a channel.
fn keyed(setup: Setup, id: &str, keys: &[(&str, &str)]) -> Setup {
    let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
    keys.iter().fold(setup, |setup, (name, value)| setup.set(&key(name), value))
}

/// A Discord with a guild, a room in it, and Ann and Bea there.
async fn platform() -> Platform {
    let platform = Platform::start().await;
    platform.guild(GUILD, "The Guild");
    platform.text_channel(GUILD, ROOM, "room");
    for (user, name) in [(ANN, "Ann"), (BEA, "Bea")] {
        platform.user(user, name);
        platform.member(GUILD, user, &[], None);
    }
    platform
}

/// What a person writes to have the bot's ear in a room.
fn at_bot(text: &str) -> String {
    format!("<@{BOT}> {text}")
}

/// A bridge with one Discord channel (and the HTTP channel beside it).
struct World {
    platform: Platform,
    bridge: Bridge,
    /// The channel's id, its own in each test: metrics are the process's.
    id: String,
}

impl World {
    async fn new(id: &str) -> Self {
        Self::with(id, |setup| setup).await
    }

    /// The same with other keys: `CHANNELS__<ID>__<KEY>`.
    async fn with(id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::on(platform().await, id, change).await
    }

    /// The same with keys of the channel's own section.
    async fn keyed(id: &str, keys: &[(&str, &str)]) -> Self {
        Self::with(id, |setup| keyed(setup, id, keys)).await
    }

    /// On a platform on which something has happened before. Connected when it returns.
    async fn on(platform: Platform, id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let world = Self::unconnected(platform, id, change).await;
        until("the bot is connected", async || ["connected", "limited"].contains(&world.state().await.as_str())).await;
        world
    }

    async fn unconnected(platform: Platform, id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = Setup::default().crashable();
        let setup = keys(id, &platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value));
        let bridge = change(setup).start().await;
        Self { platform, bridge, id: id.to_owned() }
    }

    /// Starts the bridge again, with keys changed; connected when it returns.
    async fn starts_again(&mut self, changes: &[(&str, &str)]) {
        self.bridge.start_again(changes).await;
        self.is("connected").await;
    }

    /// From now on the chatbot answers what contains a part with these words.
    fn will_answer(&self, part: &str, answer: &str) {
        let answer = Fault::Status {
            status: 200,
            body: Some(serde_json::json!({ "text": answer }).to_string()),
            content_type: Some("application/json".to_owned()),
            retry_after: None,
            processed: true,
        };
        self.bridge.sandbox.push_fault(Scripted::from(answer).text(part).times(0));
    }

    /// Waits until a chat has got so many messages, and answers their texts.
    async fn gets(&self, channel: u64, count: usize) -> Vec<String> {
        self.gets_messages(channel, count).await.into_iter().map(|sent| sent.text).collect()
    }

    /// The same with all that is known of them.
    async fn gets_messages(&self, channel: u64, count: usize) -> Vec<Sent> {
        until(&format!("{count} messages in {channel}"), async || self.platform.sent_count(channel) >= count).await;
        self.platform.sent(channel)
    }

    /// Waits until all that has happened so far was heard: what is told to one connection comes in order, so that it was when
    /// a stranger's message that came last has been answered.
    async fn heard(&self) {
        let stranger = 80_351_110_224_679_000;
        let channel = self.platform.dm(stranger);
        let before = self.platform.sent_count(channel);
        self.platform.tells(stranger, "was all heard?");
        self.gets(channel, before + 1).await;
    }

    /// Waits until nothing is left to do; nothing was done that a good client does not do.
    async fn rests(&self) {
        until("everything is sent", async || self.open_work().await.is_empty()).await;
        assert_eq!(self.platform.violations(), Vec::<String>::new());
    }

    /// What has not ended well.
    async fn work(&self) -> Vec<WorkItem> {
        let store = self.beside();
        let work = store.work(WorkFilter::default()).await.unwrap();
        store.close().await;
        work
    }

    /// A second way into the store, as the command line has it.
    fn beside(&self) -> Arc<SqliteStore> {
        let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
        SqliteStore::open(self.bridge.folder().join("bridge.db"), options).unwrap()
    }

    /// What the store says is undone, dead letters not counted.
    async fn open_work(&self) -> Vec<String> {
        let open = self.work().await.into_iter().filter(|item| item.state != TurnState::Dead);
        open.map(|item| format!("{item:?}")).collect()
    }

    /// The sum of a counter of this channel over the lines that have all the labels.
    async fn counted(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let channel = format!("channel=\"{}\"", self.id);
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let page = self.bridge.metrics().await;
        let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(&channel));
        let lines = lines.filter(|line| wanted.iter().all(|label| line.contains(label)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// What CaiGunn was asked, in order.
    fn asked(&self) -> Vec<String> {
        self.bridge.sandbox.log().into_iter().filter_map(|entry| entry.text).collect()
    }

    /// The state of the channel on the readiness page.
    async fn state(&self) -> String {
        self.standing().await["state"].as_str().unwrap().to_owned()
    }

    /// All that the readiness page says of the channel.
    async fn standing(&self) -> Value {
        let page = self.bridge.ready().await;
        let channels = page["channels"].as_array().unwrap();
        channels.iter().find(|channel| channel["name"] == self.id.as_str()).unwrap().clone()
    }

    async fn is(&self, state: &str) {
        until(&format!("the channel is {state}"), async || self.state().await == state).await;
    }

    /// The database itself.
    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.bridge.folder().join("bridge.db")).unwrap()
    }
}

#[expect(clippy::print_stderr, reason = "what a run was like is worth seeing, and its seed is needed when it failed")]
fn say(text: &str) {
    eprintln!("{text}");
}
