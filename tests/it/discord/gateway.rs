//! One shard's connection against the fake gateway: sessions ([`resuming`], [`ending`]), their budget ([`budget`]), a queue that
//! is full ([`full`]), and the way there ([`way`]).

mod budget;
mod ending;
mod full;
mod resuming;
mod way;

use std::sync::Arc;
use std::time::Duration;

use caigunn_bridge::channels::discord::api::Api;
use caigunn_bridge::channels::discord::config::DiscordConfig;
use caigunn_bridge::channels::discord::gateway::{Dispatch, Ended, Gateway, Links, Session, Shard, Starts, Timing};
use caigunn_bridge::contract::channel::{ChannelState, StateReporter};
use caigunn_bridge::model::ChannelId;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::platform::{Platform, TOKEN};
use crate::support::{PATIENCE, until};

const GUILD: u64 = 41_771_983_423_143_937;
const ROOM: u64 = 41_771_983_423_143_938;
const ANN: u64 = 80_351_110_224_678_912;

/// GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT.
const INTENTS: u64 = 1 | 1 << 9 | 1 << 12 | 1 << 15;

/// No pause between starts, as most tests are not about it.
const QUICK: Timing = Timing {
    connect: Duration::from_secs(20),
    hello: Duration::from_secs(20),
    resumed: Duration::from_secs(60),
    ready: Duration::from_secs(60),
    full: Duration::from_secs(30),
    apart: Duration::ZERO,
    recheck: Duration::from_millis(50),
};

/// A guild with a room and a person.
async fn platform() -> Platform {
    let platform = Platform::start().await;
    platform.guild(GUILD, "The Guild");
    platform.text_channel(GUILD, ROOM, "room");
    platform.user(ANN, "Ann");
    platform.member(GUILD, ANN, &[], None);
    platform
}

/// What the shards of a channel share.
struct Bot {
    config: DiscordConfig,
    api: Api,
    channel: ChannelId,
    starts: Starts,
    links: Links,
    state: StateReporter,
}

impl Bot {
    fn new(platform: &Platform, timing: Timing) -> Arc<Self> {
        Self::with(json!({ "token": TOKEN, "api_url": platform.url() }), timing)
    }

    fn with(section: Value, timing: Timing) -> Arc<Self> {
        let config: DiscordConfig = serde_json::from_value(section).unwrap();
        let (state, _) = StateReporter::new();
        let api = Api::new(&config);
        let (starts, links) = (Starts::new(timing), Links::new(state.clone()));
        Arc::new(Self { config, api, channel: ChannelId::new("chat"), starts, links, state })
    }

    fn listens(self: &Arc<Self>, session: Option<Session>) -> Listening {
        self.listens_as(Shard { number: 0, of: 1 }, session, 64)
    }

    fn listens_as(self: &Arc<Self>, shard: Shard, session: Option<Session>, room: usize) -> Listening {
        let (out, events) = mpsc::channel(room);
        let (stop, bot) = (CancellationToken::new(), Arc::clone(self));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let gateway = Gateway::new(&bot.config, &bot.api, &bot.channel, shard, INTENTS, &bot.starts, &bot.links);
            gateway.run(session, &out, &stopped).await
        });
        Listening { events, stop, task }
    }

    fn is_connected(&self) -> bool {
        self.state.state() == ChannelState::Connected
    }

    fn trouble(&self) -> String {
        self.state.state().detail().to_owned()
    }
}

/// A shard that runs.
struct Listening {
    events: mpsc::Receiver<Dispatch>,
    stop: CancellationToken,
    task: JoinHandle<Ended>,
}

impl Listening {
    async fn next(&mut self) -> Dispatch {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event");
        next.expect("the gateway still runs")
    }

    async fn hears(&mut self, name: &str) -> Dispatch {
        let event = self.next().await;
        assert_eq!(&*event.name, name, "{event:?}");
        event
    }

    /// A session begins.
    async fn begins(&mut self) -> Session {
        self.hears("READY").await;
        self.hears("GUILD_CREATE").await.session
    }

    /// The text of the next message, whatever else comes before it.
    async fn text(&mut self) -> String {
        self.message().await.1
    }

    async fn message(&mut self) -> (Session, String) {
        loop {
            let event = self.next().await;
            if &*event.name == "MESSAGE_CREATE" {
                let data: Value = serde_json::from_str(event.data.get()).unwrap();
                return (event.session, data["content"].as_str().unwrap().to_owned());
            }
        }
    }

    async fn ended(self) -> Ended {
        tokio::time::timeout(PATIENCE, self.task).await.expect("an end").unwrap()
    }

    async fn stops(self) {
        self.stop.cancel();
        assert_eq!(self.ended().await, Ended::Stopped);
    }
}

fn clean(platform: &Platform) {
    assert_eq!(platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn events_come_in_order_and_as_they_are() {
    let platform = platform().await;
    let bot = Bot::new(&platform, QUICK);
    assert_eq!(bot.state.state(), ChannelState::Starting);
    let mut shard = bot.listens(None);
    let ready = shard.hears("READY").await;
    assert_eq!(
        serde_json::from_str::<Value>(ready.data.get()).unwrap()["application"]["id"],
        super::platform::APPLICATION.to_string()
    );
    shard.hears("GUILD_CREATE").await;
    until("it is connected", async || bot.is_connected()).await;
    assert!(bot.state.last_heard().is_some());
    for n in 0..100 {
        platform.says(ROOM, ANN, &n.to_string());
        platform.happens("TELEPATHY", None, json!({ "thought": n }));
    }
    let mut seq = 2;
    for n in 0..100 {
        let (session, text) = shard.message().await;
        assert_eq!((session.seq, text), (seq + 1, n.to_string()));
        let thought = shard.hears("TELEPATHY").await;
        assert_eq!((thought.session.seq, thought.data.get()), (seq + 2, &*format!(r#"{{"thought":{n}}}"#)));
        seq += 2;
    }
    let login = platform.logins().remove(0);
    assert_eq!((login.shard, login.intents, &*login.outcome), ((0, 1), INTENTS, "ready"));
    assert!(!format!("{:?} {thought:?}", login.shard, thought = ready.session).contains(&*ready.session.id));
    shard.stops().await;
    clean(&platform);
}

#[tokio::test]
async fn nonsense_is_passed_over() {
    let platform = platform().await;
    let mut shard = Bot::new(&platform, QUICK).listens(None);
    shard.begins().await;
    platform.babbles();
    platform.says(ROOM, ANN, "sense");
    assert_eq!(shard.text().await, "sense");
    assert_eq!(platform.connections().len(), 1);
    clean(&platform);
}

#[tokio::test]
async fn heartbeats_are_sent_answered_and_asked_for() {
    let platform = platform().await;
    // So long that of itself there is one at most.
    platform.beats(Duration::from_secs(600));
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    let session = shard.begins().await;
    for _ in 0..3 {
        platform.asks_for_heartbeat();
    }
    until("heartbeats", async || platform.heartbeats().len() >= 3).await;
    assert!(platform.heartbeats()[1..].iter().all(|beat| beat.seq == Some(session.seq)));
    // More than Discord takes are not answered.
    for _ in 0..200 {
        platform.asks_for_heartbeat();
    }
    platform.says(ROOM, ANN, "still there");
    assert_eq!(shard.text().await, "still there");
    platform.reconnects();
    until("it is back", async || platform.resumes() == 1).await;
    // The login is the 118th; a heartbeat that is due is sent in any case.
    assert!((117..=118).contains(&platform.heartbeats().len()), "{}", platform.heartbeats().len());
    clean(&platform);
}

#[tokio::test]
async fn a_connection_that_answers_no_heartbeat_is_left_and_its_session_resumed() {
    let platform = platform().await;
    platform.beats(Duration::from_millis(600));
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    shard.begins().await;
    let heard = bot.state.last_heard().unwrap();
    until("a heartbeat", async || platform.heartbeats().len() >= 2).await;
    until("it was heard", async || bot.state.last_heard().unwrap() < heard + Duration::from_millis(600)).await;
    platform.withholds_acks(true);
    until("another connection", async || platform.connections().len() >= 2).await;
    platform.withholds_acks(false);
    until("it is resumed", async || platform.resumes() >= 1 && bot.is_connected()).await;
    platform.says(ROOM, ANN, "here");
    assert_eq!(shard.text().await, "here");
    assert_eq!(platform.identifies(), 1);
    clean(&platform);
}
