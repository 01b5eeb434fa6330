//! The gateway, with a socket of our own.

use std::io::Read;
use std::time::Duration;

use flate2::read::ZlibDecoder;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::super::{BOT, Platform, TOKEN};
use super::{ANN, Bot, ROOM};
use crate::support::until;

/// GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES.
const LEAST: u64 = 1 | 1 << 9 | 1 << 12;
const CONTENT: u64 = 1 << 15;

struct Socket(WebSocketStream<TcpStream>);

#[derive(Debug, PartialEq)]
enum Came {
    Said(Value),
    Closed(u16),
    Ended,
}

impl Socket {
    async fn open(platform: &Platform, query: &str) -> Self {
        let url = platform.gateway_url();
        let stream = TcpStream::connect(url.strip_prefix("ws://").unwrap()).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(format!("{url}/{query}"), stream).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&hello).unwrap()["op"], 10);
        Self(socket)
    }

    /// A session that has heard READY and of its guild.
    async fn ready(platform: &Platform, intents: u64) -> Self {
        let mut socket = Self::open(platform, "?v=10&encoding=json").await;
        socket.say(2, identify(intents)).await;
        assert_eq!(socket.event().await["t"], "READY");
        assert_eq!(socket.event().await["t"], "GUILD_CREATE");
        socket
    }

    async fn say(&mut self, op: u64, data: Value) {
        self.0.send(Message::text(json!({ "op": op, "d": data }).to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Came {
        match tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("something comes") {
            Some(Ok(Message::Text(text))) => Came::Said(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Binary(zlib))) => {
                let mut text = String::new();
                ZlibDecoder::new(&zlib[..]).read_to_string(&mut text).unwrap();
                Came::Said(serde_json::from_str(&text).unwrap())
            }
            Some(Ok(Message::Close(frame))) => Came::Closed(frame.unwrap().code.into()),
            _ => Came::Ended,
        }
    }

    async fn event(&mut self) -> Value {
        match self.next().await {
            Came::Said(event) => event,
            other => panic!("an event was expected: {other:?}"),
        }
    }

    /// The text of the next message.
    async fn text(&mut self) -> String {
        let event = self.event().await;
        assert_eq!(event["t"], "MESSAGE_CREATE", "{event}");
        event["d"]["content"].as_str().unwrap().to_owned()
    }
}

fn identify(intents: u64) -> Value {
    let properties = json!({ "os": "linux", "browser": "tests", "device": "tests" });
    json!({ "token": TOKEN, "intents": intents, "properties": properties, "compress": true })
}

#[tokio::test]
async fn who_may_not_start_a_session_is_told_by_a_close_code() {
    let bot = Bot::new().await;
    let closed = async |op: u64, data: Value| {
        let mut socket = Socket::open(&bot.platform, "?v=10&encoding=json").await;
        socket.say(op, data).await;
        match socket.next().await {
            Came::Closed(code) => code,
            other => panic!("a close was expected: {other:?}"),
        }
    };
    let changed = |name: &str, value: Value| {
        let mut data = identify(LEAST);
        data[name] = value;
        data
    };
    assert_eq!(closed(2, changed("token", "another".into())).await, 4004);
    assert_eq!(closed(2, changed("shard", json!([1, 1]))).await, 4010);
    assert_eq!(closed(2, changed("intents", (1 << 30).into())).await, 4013);
    assert_eq!(closed(2, changed("intents", (1 << 1).into())).await, 4014);
    bot.platform.grants_message_content(false);
    assert_eq!(closed(2, identify(LEAST | CONTENT)).await, 4014);
    assert_eq!(closed(3, json!({})).await, 4003);
    assert_eq!(closed(6, json!({ "token": "another", "session_id": "x", "seq": 0 })).await, 4004);
    bot.clean();
    assert_eq!(closed(99, json!({})).await, 4001);
    bot.objects("an unknown opcode");
    assert_eq!(closed(1, "x".repeat(4096).into()).await, 4002);
    bot.objects("bytes");
    let outcomes: Vec<_> = bot.platform.logins().into_iter().map(|login| login.outcome).collect();
    assert_eq!(outcomes, ["4004", "4010", "4013", "4014", "4014", "4004"]);
    drop(Socket::open(&bot.platform, "?v=9&compress=zlib-stream").await);
    assert_eq!(bot.platform.violations().len(), 2);
}

#[tokio::test]
async fn starts_of_sessions_are_counted() {
    let bot = Bot::new().await;
    bot.platform.leaves_starts(1);
    drop(Socket::ready(&bot.platform, LEAST).await);
    assert_eq!(bot.get("gateway/bot").await["session_start_limit"]["remaining"], 0);
    let mut socket = Socket::open(&bot.platform, "?v=10").await;
    socket.say(2, identify(LEAST)).await;
    assert_eq!(socket.event().await, json!({ "op": 9, "s": null, "t": null, "d": false }));
    bot.objects("beyond the limit");
    bot.platform.leaves_starts(10);
    bot.platform.spaces_starts();
    socket.say(2, identify(LEAST)).await;
    assert_eq!(socket.event().await["op"], 9);
    bot.objects("beyond the limit");
}

#[tokio::test]
async fn what_is_missed_is_said_again_after_a_resume() {
    let bot = Bot::new().await;
    let mut socket = Socket::ready(&bot.platform, LEAST | CONTENT).await;
    bot.platform.says(ROOM, ANN, "one");
    assert_eq!(socket.text().await, "one");
    bot.platform.drops_connections();
    assert_eq!(socket.next().await, Came::Ended);
    bot.platform.says(ROOM, ANN, "two");
    bot.platform.says(ROOM, ANN, "three");
    let session = bot.platform.logins()[0].session.clone();
    let resume = |seq: u64| json!({ "token": TOKEN, "session_id": session, "seq": seq });
    let mut socket = Socket::open(&bot.platform, "?v=10").await;
    socket.say(6, resume(3)).await;
    assert_eq!((socket.text().await, socket.text().await), ("two".to_owned(), "three".to_owned()));
    assert_eq!(socket.event().await["t"], "RESUMED");
    bot.platform.says(ROOM, ANN, "four");
    assert_eq!(socket.text().await, "four");

    // Resumed elsewhere, it ends here.
    let mut second = Socket::open(&bot.platform, "?v=10").await;
    second.say(6, resume(7)).await;
    assert_eq!(second.event().await["t"], "RESUMED");
    assert_eq!(socket.next().await, Came::Ended);
    let mut ahead = Socket::open(&bot.platform, "?v=10").await;
    ahead.say(6, resume(1000)).await;
    assert_eq!(ahead.next().await, Came::Closed(4007));
    assert_eq!(bot.platform.resumes(), 2);

    // Who says goodbye has no session any more.
    second.0.close(None).await.unwrap();
    let mut closed = Socket::ready(&bot.platform, LEAST).await;
    closed.0.send(Message::Close(Some(normal()))).await.unwrap();
    assert_eq!(closed.next().await, Came::Closed(1000));
    let session = bot.platform.logins().last().unwrap().session.clone();
    let mut again = Socket::open(&bot.platform, "?v=10").await;
    again.say(6, json!({ "token": TOKEN, "session_id": session, "seq": 2 })).await;
    assert_eq!(again.event().await["op"], 9);
    bot.clean();
}

fn normal() -> tokio_tungstenite::tungstenite::protocol::CloseFrame {
    tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "".into() }
}

#[tokio::test]
async fn events_and_contents_follow_the_intents() {
    let bot = Bot::new().await;
    let mut blind = Socket::ready(&bot.platform, LEAST).await;
    let mut deaf = Socket::ready(&bot.platform, 1).await;
    bot.platform.says(ROOM, ANN, "plain");
    bot.platform.asks(ROOM, ANN, "asked");
    bot.platform.tells(ANN, "direct");
    let question = bot.platform.says(ROOM, ANN, "earlier");
    bot.platform.sends(super::super::Draft::new(ROOM, ANN).reply_to(question).text(&format!("<@{BOT}>")));
    assert_eq!(blind.text().await, "");
    assert_eq!(blind.text().await, format!("<@{BOT}> asked"));
    assert_eq!(blind.text().await, "direct");
    assert_eq!(blind.text().await, "");
    let reply = blind.event().await;
    assert_eq!(
        (&reply["d"]["content"], &reply["d"]["referenced_message"]["content"]),
        (&format!("<@{BOT}>").into(), &"".into())
    );
    assert_eq!(reply["d"]["member"]["user"], Value::Null);
    bot.platform.makes_channel(super::GUILD, 5, "new");
    assert_eq!(deaf.event().await["t"], "CHANNEL_CREATE");
    // Messages of long ago nobody is told of.
    bot.platform.wrote(ROOM, ANN, &["old"], Duration::from_secs(60));
    bot.platform.denies(ROOM, super::super::deny::VIEW_CHANNEL);
    bot.platform.says(ROOM, ANN, "unseen");
    bot.platform.happens("TELEPATHY", None, json!({ "thought": "cats" }));
    assert_eq!(deaf.event().await["t"], "TELEPATHY");
    bot.clean();
}

#[tokio::test]
async fn heartbeats_are_answered_unless_told_otherwise() {
    let bot = Bot::new().await;
    let mut socket = Socket::ready(&bot.platform, LEAST).await;
    socket.say(1, 2.into()).await;
    assert_eq!(socket.event().await["op"], 11);
    bot.platform.asks_for_heartbeat();
    assert_eq!(socket.event().await["op"], 1);
    bot.platform.withholds_acks(true);
    socket.say(1, Value::Null).await;
    until("a heartbeat", async || bot.platform.heartbeats().len() == 2).await;
    bot.platform.reconnects();
    assert_eq!(socket.event().await["op"], 7);
    assert_eq!(bot.platform.heartbeats().iter().map(|beat| beat.acknowledged).collect::<Vec<_>>(), [true, false]);
    bot.clean();
    socket.say(1, 50.into()).await;
    for _ in 0..120 {
        socket.say(1, Value::Null).await;
    }
    assert_eq!(socket.next().await, Came::Closed(4008));
    assert_eq!(bot.platform.violations().len(), 2);
}

#[tokio::test]
async fn guilds_are_spread_over_shards() {
    let bot = Bot::new().await;
    let shard = (super::GUILD >> 22) % 3;
    let mut own = identify(LEAST | CONTENT);
    own["shard"] = json!([shard, 3]);
    let mut socket = Socket::open(&bot.platform, "?v=10").await;
    socket.say(2, own.clone()).await;
    assert_eq!(socket.event().await["d"]["guilds"].as_array().unwrap().len(), 1);
    own["shard"] = json!([(shard + 1) % 3, 3]);
    let mut other = Socket::open(&bot.platform, "?v=10").await;
    other.say(2, own).await;
    assert_eq!(other.event().await["d"]["guilds"], json!([]));
    assert_eq!(bot.platform.connected(), 2);
    bot.clean();
}
