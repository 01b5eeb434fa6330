//! A bridge with one channel, and the fake of the platform that it talks to.

use std::sync::Arc;

use caigunn_bridge::contract::store::{Upkeep, WorkFilter, WorkItem};
use caigunn_bridge::model::TurnState;
use caigunn_bridge::sandbox::{Fault, Scripted};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};

use super::{Chat, Platform, Sent};
use crate::support::{Bridge, Setup, until};

pub(crate) struct World<P> {
    pub(crate) platform: P,
    pub(crate) bridge: Bridge,
    /// The channel's id, its own in each test: metrics are the process's.
    pub(crate) id: String,
}

impl<P: Platform> World<P> {
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, &[], |setup| setup).await
    }

    /// The same with keys of the channel's section, and other keys.
    pub(crate) async fn with(name: &str, keys: &[(&str, &str)], change: impl FnOnce(Setup) -> Setup) -> Self {
        let id = format!("{}_suite_{name}", P::NAME);
        let platform = P::start().await;
        let setup = platform.configure(Setup::default().crashable(), &id);
        let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
        let setup = keys.iter().fold(setup, |setup, (name, value)| setup.set(&key(name), value));
        let bridge = change(setup).start().await;
        platform.bridge_is_at(&bridge.url("")).await;
        Self { platform, bridge, id }
    }

    pub(crate) fn says(&self, chat: Chat, text: &str) -> String {
        self.platform.says(chat, text)
    }

    pub(crate) fn texts(&self, chat: Chat) -> Vec<String> {
        self.platform.sent(chat).into_iter().map(|sent| sent.text).collect()
    }

    /// Waits until a chat has got so many messages, and answers their texts.
    pub(crate) async fn gets(&self, chat: Chat, count: usize) -> Vec<String> {
        self.gets_messages(chat, count).await.into_iter().map(|sent| sent.text).collect()
    }

    pub(crate) async fn gets_messages(&self, chat: Chat, count: usize) -> Vec<Sent> {
        until(&format!("{count} messages in {chat:?}"), async || self.platform.sent(chat).len() >= count).await;
        self.platform.sent(chat)
    }

    /// Waits until CaiGunn works on so many asks.
    pub(crate) async fn asks(&self, count: usize) {
        until(&format!("{count} asks are open"), async || self.bridge.sandbox.in_flight() == count).await;
    }

    /// Waits until a send to a chat has been tried so often.
    pub(crate) async fn tries(&self, chat: Chat, count: usize) {
        until(&format!("{count} sends to {chat:?}"), async || self.platform.attempts(chat).len() >= count).await;
    }

    /// Waits until everything that people wrote is in the store.
    pub(crate) async fn heard(&self) {
        until("everything is acknowledged", async || self.platform.acknowledged_all()).await;
    }

    /// Waits until all that has happened is acknowledged and nothing is left to do; nothing was done that a good client does
    /// not do.
    pub(crate) async fn rests(&self) {
        until("everything is acknowledged and sent", async || {
            self.platform.acknowledged_all() && self.open_work().await.is_empty()
        })
        .await;
        assert_eq!(self.platform.violations(), Vec::<String>::new());
    }

    /// The process dies without a word, and the next one takes its place.
    pub(crate) async fn crashes(&mut self) {
        self.bridge.crash().await;
        self.starts_again().await;
    }

    /// The bridge is stopped in order, if it still runs, and started.
    pub(crate) async fn starts_again(&mut self) {
        self.bridge.start_again(&[]).await;
        self.platform.bridge_is_at(&self.bridge.url("")).await;
    }

    /// From now on the chatbot answers what contains a part with these words.
    pub(crate) fn will_answer(&self, part: &str, answer: &str) {
        let answer = Fault::Status {
            status: 200,
            body: Some(serde_json::json!({ "text": answer }).to_string()),
            content_type: Some("application/json".to_owned()),
            retry_after: None,
            processed: true,
        };
        self.bridge.sandbox.push_fault(Scripted::from(answer).text(part).times(0));
    }

    /// From now on `long` is answered in three messages, which begin with `**Part n**`.
    pub(crate) fn answers_in_three_parts(&self) {
        let part = |n: usize| {
            let begin = format!("**Part {n}** is here.");
            let filler = " It is green.";
            let rest = (P::MOST * 4 / 5 - begin.len()) / filler.len();
            begin + &filler.repeat(rest)
        };
        self.will_answer("long", &[part(1), part(2), part(3)].join("\n\n"));
    }

    /// A second way into the store, as the command line has it.
    pub(crate) fn beside(&self) -> Arc<SqliteStore> {
        let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
        SqliteStore::open(self.bridge.folder().join("bridge.db"), options).unwrap()
    }

    /// What has not ended well.
    pub(crate) async fn work(&self) -> Vec<WorkItem> {
        let store = self.beside();
        let work = store.work(WorkFilter::default()).await.unwrap();
        store.close().await;
        work
    }

    /// What the store says is undone, dead letters not counted.
    pub(crate) async fn open_work(&self) -> Vec<String> {
        let open = self.work().await.into_iter().filter(|item| item.state != TurnState::Dead);
        open.map(|item| format!("{item:?}")).collect()
    }

    /// The sum of a counter of this channel over the lines that have all the labels.
    pub(crate) async fn counted(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let channel = format!("channel=\"{}\"", self.id);
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let page = self.bridge.metrics().await;
        let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(&channel));
        let lines = lines.filter(|line| wanted.iter().all(|label| line.contains(label)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub(crate) async fn events(&self, result: &str) -> u64 {
        self.counted("bridge_events_total", &[("result", result)]).await
    }

    pub(crate) async fn sends(&self, result: &str) -> u64 {
        self.counted("bridge_sends_total", &[("result", result)]).await
    }

    /// How many sends were in doubt, and what became of them.
    pub(crate) async fn in_doubt(&self, result: &str) -> u64 {
        self.counted("bridge_sends_in_doubt_total", &[("result", result)]).await
    }

    /// What CaiGunn was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.bridge.asks().into_iter().map(|entry| entry.text.unwrap_or_default()).collect()
    }

    /// Waits until the readiness page says this of the channel.
    pub(crate) async fn is(&self, state: &str) {
        let own = async || {
            let page = self.bridge.ready().await;
            let channels = page["channels"].as_array().unwrap();
            channels.iter().find(|channel| channel["name"] == self.id.as_str()).unwrap()["state"].clone()
        };
        until(&format!("the channel is {state}"), async || own().await == state).await;
    }
}

/// Whether these messages begin with (or, after their markup is taken away, are) those parts, and a last one says "bye".
pub(crate) fn assert_parts(got: &[String], parts: &[&str]) {
    let right = |(got, part): (&String, &&str)| got.replace('*', "").contains(part);
    assert!(got.len() == parts.len() && got.iter().zip(parts).all(right), "{parts:?}: {got:?}");
}
