//! The servers themselves, with plain clients ([`sending`], [`reading`], [`limits`], [`interactions`], [`commands`],
//! [`files`], [`places`], [`socket`]).

mod commands;
mod files;
mod interactions;
mod limits;
mod places;
mod reading;
mod sending;
mod socket;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Platform, TOKEN};

/// Where most happens.
const GUILD: u64 = 41_771_983_423_143_937;
const ROOM: u64 = 41_771_983_423_143_938;
const ANN: u64 = 80_351_110_224_678_912;

/// A bot that knows nothing.
struct Bot {
    platform: Platform,
    client: reqwest::Client,
}

impl Bot {
    /// In a guild with a room and a person.
    async fn new() -> Self {
        let platform = Platform::start().await;
        platform.guild(GUILD, "The Guild");
        platform.text_channel(GUILD, ROOM, "room");
        platform.user(ANN, "Ann");
        platform.member(GUILD, ANN, &[], None);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30));
        let client = client.user_agent("DiscordBot (https://example.com, 1)").build().unwrap();
        Self { platform, client }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let url = format!("{}/api/v10/{path}", self.platform.url());
        self.client.request(method, url).header("authorization", format!("Bot {TOKEN}"))
    }

    /// Status and body of a call; no body for `null`.
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    /// What a call is answered that must succeed.
    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, Value::Null).await
    }

    /// A call that must fail, with this status and code.
    async fn refuses(&self, method: &str, path: &str, body: Value, status: u16, code: u64) -> Value {
        let (got, answer) = self.call(method, path, body).await;
        assert_eq!((got, answer["code"].as_u64()), (status, Some(code)), "{method} {path}: {answer}");
        answer
    }

    /// Posts a text into the room.
    async fn send(&self, text: &str) -> Value {
        self.ok("POST", &messages(ROOM), said(text)).await
    }

    fn clean(&self) {
        assert_eq!(self.platform.violations(), Vec::<String>::new());
    }

    /// The one thing that is objected to, forgotten by this.
    fn objects(&self, what: &str) {
        let violations = std::mem::take(&mut self.platform.lock().violations);
        assert!(violations.len() == 1 && violations[0].contains(what), "{what}: {violations:?}");
    }
}

fn messages(channel: u64) -> String {
    format!("channels/{channel}/messages")
}

/// A message that mentions nobody.
fn said(text: &str) -> Value {
    json!({ "content": text, "allowed_mentions": { "parse": [] } })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn tokens_agents_and_calls_are_told_apart() {
    let bot = Bot::new().await;
    assert_eq!(bot.get("users/@me").await["username"], super::BOT_NAME);
    assert_eq!(bot.get("applications/@me").await["flags"], 1 << 19);
    bot.platform.grants_message_content(false);
    assert_eq!(bot.get("applications/@me").await["flags"], 0);
    bot.clean();

    let url = format!("{}/api/v10/users/@me", bot.platform.url());
    let request = bot.client.get(&url);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "message": "401: Unauthorized", "code": 0 }));
    bot.clean();
    let nobody = bot.request("GET", "users/@me").header("user-agent", "curl/8");
    assert_eq!(nobody.send().await.unwrap().status().as_u16(), 200);
    bot.objects("without a user agent");
    bot.refuses("GET", "telepathy", Value::Null, 404, 0).await;
    bot.objects("GET /api/v10/telepathy is no call");
    bot.refuses("PUT", &messages(ROOM), json!({}), 405, 0).await;
    bot.objects("PUT");
    bot.ok("GET", "users/@me?colour=1", Value::Null).await;
    bot.objects("me has no `?colour`");
    bot.ok("POST", &messages(ROOM), with(said("x"), "colour", 1.into())).await;
    bot.objects("send has no `colour`");
    let broken = bot.request("POST", &messages(ROOM)).header("content-type", "application/json").body("{");
    assert_eq!(broken.send().await.unwrap().json::<Value>().await.unwrap()["code"], 50109);
    bot.objects("cannot be read");

    assert_eq!(bot.platform.invalid_requests(), 1);
    bot.platform.set_token("another");
    bot.refuses("GET", "users/@me", Value::Null, 401, 0).await;
    assert_eq!(bot.platform.invalid_requests(), 2);
    assert_eq!(bot.platform.attempts("refused").len(), 4);
    assert_eq!(bot.platform.attempts("me").last().unwrap().status, 200);
}
