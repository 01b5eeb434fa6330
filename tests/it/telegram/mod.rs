//! The Telegram channel, from Telegram's update to Telegram's receipt. [`platform`] is the Bot API it talks to, [`html`] how
//! Telegram reads what it sends.

mod access;
mod albums;
mod answers;
mod changeover;
mod commands;
mod conflicts;
mod crash;
mod doubt;
mod edits;
mod files;
mod groups;
pub(crate) mod html;
mod isolation;
mod long;
mod mistakes;
mod moves;
pub(crate) mod platform;
mod polling;
mod probe;
mod rates;
mod refusals;
mod reload;
mod render;
mod secrets;
mod setting;
mod soak;
mod standing;
mod suite;
mod topics;
mod typing;
mod understood;
mod webhook;

use std::sync::Arc;

use caigunn_bridge::contract::store::{Upkeep, WorkFilter, WorkItem};
use caigunn_bridge::model::TurnState;
use caigunn_bridge::sandbox::{Fault, Scripted};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use serde_json::Value;

use crate::support::{Bridge, Setup, until};
use platform::{Platform, Sent, TOKEN};

/// The keys of a Telegram channel `id` that talks to a platform: quick, and unpaced.
fn keys(id: &str, platform: &Platform) -> Vec<(String, String)> {
    let values = [
        ("KIND", "telegram"),
        ("BOT", "main"),
        ("TOKEN", TOKEN),
        ("API_URL", platform.url()),
        ("POLL_TIMEOUT", "5s"),
        ("TIMEOUT", "2s"),
        ("ALBUM_WAIT", "300ms"),
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

/// A bridge with one Telegram channel (and the HTTP channel beside it).
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
        Self::on(Platform::start().await, id, change).await
    }

    /// The same with keys of the channel's own section.
    async fn keyed(id: &str, keys: &[(&str, &str)]) -> Self {
        Self::with(id, |setup| keyed(setup, id, keys)).await
    }

    /// On a platform on which something has happened before.
    async fn on(platform: Platform, id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = Setup::default().crashable();
        let setup = keys(id, &platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value));
        let bridge = change(setup).start().await;
        Self { platform, bridge, id: id.to_owned() }
    }

    /// The same by webhook: Telegram is told a public address, and reaches the bridge where it is.
    async fn by_webhook(id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
        let public =
            |setup: Setup| setup.set(&key("RECEIVE"), "webhook").set(&key("WEBHOOK_URL"), "https://bot.example.com");
        let world = Self::with(id, |setup| change(public(setup))).await;
        world.platform.webhook_goes_to(&world.bridge.url(""));
        world
    }

    /// Starts the bridge again, with keys changed; it listens elsewhere then.
    async fn starts_again(&mut self, changes: &[(&str, &str)]) {
        self.bridge.start_again(changes).await;
        self.platform.webhook_goes_to(&self.bridge.url(""));
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
    async fn gets(&self, chat: i64, count: usize) -> Vec<String> {
        self.gets_messages(chat, count).await.into_iter().map(|sent| sent.text).collect()
    }

    /// The same with all that is known of them.
    async fn gets_messages(&self, chat: i64, count: usize) -> Vec<Sent> {
        until(&format!("{count} messages in {chat}"), async || self.platform.sent_count(chat) >= count).await;
        self.platform.sent(chat)
    }

    /// Waits until all that has happened is acknowledged and nothing is left to do; nothing was done that a good client
    /// does not do.
    async fn rests(&self) {
        until("everything is acknowledged and sent", async || {
            self.platform.pending() == 0 && self.open_work().await.is_empty()
        })
        .await;
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

    /// Waits until everything that has happened is acknowledged.
    async fn heard(&self) {
        until("everything is acknowledged", async || self.platform.pending() == 0).await;
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
