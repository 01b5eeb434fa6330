//! A channel that pushes, from the platform's update to the platform's receipt: everything that the pulled HTTP channel has
//! no use for. [`pager`] is the channel, and an example of how to write one; [`platform`] is what it talks to.

mod access;
mod delivery;
mod doubt;
mod groups;
mod listening;
mod media;
mod notices;
mod pacing;
mod pager;
mod platform;
mod speaking;
mod standing;
mod suite;

use std::sync::Arc;

use caigunn_bridge::contract::store::{Upkeep, WorkFilter, WorkItem};
use caigunn_bridge::model::TurnState;
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use serde_json::json;

use crate::support::{Bridge, Setup, until};
use platform::{Platform, TOKEN};

/// Adds a pager channel `id` that talks to a platform, quick and unpaced.
fn channel(setup: Setup, id: &str, platform: &Platform) -> Setup {
    let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
    setup
        .register(pager::registration())
        .set(&key("KIND"), pager::KIND)
        .set(&key("BOT"), "main")
        .set(&key("URL"), platform.url())
        .set(&key("TOKEN"), TOKEN)
        .set(&key("POLL"), "500ms")
        .set(&key("TIMEOUT"), "500ms")
        .set(&key("ALBUM"), "300ms")
}

/// A bridge with one pager channel (and the HTTP channel beside it).
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

    async fn with(id: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let platform = Platform::start().await;
        let setup = channel(Setup::default().crashable(), id, &platform);
        let bridge = change(setup).start().await;
        Self { platform, bridge, id: id.to_owned() }
    }

    /// Waits until a chat has got so many messages, and answers them.
    async fn gets(&self, chat: &str, count: usize) -> Vec<String> {
        until(&format!("{count} messages in {chat}"), async || self.platform.texts(chat).len() >= count).await;
        self.platform.texts(chat)
    }

    /// Waits until all that has happened is acknowledged and nothing is left to do.
    async fn rests(&self) {
        until("everything is acknowledged and sent", async || {
            let ready = self.platform.acknowledged() >= self.platform.happened();
            ready && self.open_work().await.is_empty()
        })
        .await;
    }

    /// A second way into the store, as the command line has it.
    fn beside(&self) -> Arc<SqliteStore> {
        let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
        SqliteStore::open(self.bridge.folder().join("bridge.db"), options).unwrap()
    }

    /// What has not ended well.
    async fn work(&self) -> Vec<WorkItem> {
        let store = self.beside();
        let work = store.work(WorkFilter::default()).await.unwrap();
        store.close().await;
        work
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

    /// Says something first, through the channel's own route; answers whether it was new.
    async fn announces(&self, chat: &str, text: &str, key: &str, lane: &str) -> bool {
        let body = json!({ "chat": chat, "text": text, "key": key, "lane": lane });
        let url = self.bridge.url(&format!("/{}/announce", self.id));
        self.bridge.client.post(url).json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// What CaiGunn was asked, in order.
    fn asked(&self) -> Vec<String> {
        self.bridge.sandbox.log().into_iter().filter_map(|entry| entry.text).collect()
    }

    /// The state of the channel on the readiness page.
    async fn state(&self) -> String {
        let page = self.bridge.ready().await;
        let channels = page["channels"].as_array().unwrap();
        let own = channels.iter().find(|channel| channel["name"] == self.id.as_str()).unwrap();
        own["state"].as_str().unwrap().to_owned()
    }
}
