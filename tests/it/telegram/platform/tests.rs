//! The server itself, with a plain client.

mod kinds;
mod media;
mod polling;
mod sending;
mod webhooks;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Platform, TOKEN};

/// No updates.
const NONE: [i64; 0] = [];

/// A bot that knows nothing.
struct Bot {
    platform: Platform,
    client: reqwest::Client,
}

impl Bot {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { platform, client }
    }

    fn request(&self, method: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/bot{TOKEN}/{method}", self.platform.url()))
    }

    async fn call(&self, method: &str, params: Value) -> (u16, Value) {
        let answer = self.request(method).json(&params).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["ok"], status == 200, "{body}");
        if status != 200 {
            assert_eq!(body["error_code"], status);
        }
        (status, body)
    }

    /// The result of a call that must succeed.
    async fn ok(&self, method: &str, params: Value) -> Value {
        let (status, mut body) = self.call(method, params).await;
        assert_eq!(status, 200, "{body}");
        body["result"].take()
    }

    /// Code and description of a call that must fail.
    async fn fails(&self, method: &str, params: Value) -> (u16, String) {
        let (status, body) = self.call(method, params).await;
        assert_ne!(status, 200, "{body}");
        (status, body["description"].as_str().unwrap().to_owned())
    }

    async fn refuses(&self, method: &str, params: Value, code: u16, description: &str) {
        let (status, said) = self.fails(method, params).await;
        assert_eq!((status, said.as_str()), (code, description));
    }

    /// The ids of the updates from an offset.
    async fn updates(&self, params: Value) -> Vec<i64> {
        let updates = self.ok("getUpdates", params).await;
        updates.as_array().unwrap().iter().map(|update| update["update_id"].as_i64().unwrap()).collect()
    }

    fn clean(&self) {
        assert_eq!(self.platform.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn tokens_and_methods_are_told_apart() {
    let bot = Bot::new().await;
    let me = bot.ok("getMe", json!({})).await;
    assert_eq!((me["id"].as_i64(), &me["is_bot"]), (Some(super::BOT_ID), &true.into()));
    assert_eq!(me, bot.ok("GETME", json!({})).await);
    bot.clean();
    for (token, status) in [("123456789:another-token-of-a-bot", 401), ("nonsense", 404), ("x:y", 404)] {
        let url = format!("{}/bot{token}/getMe", bot.platform.url());
        let answer = bot.client.post(url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{token}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error_code"], status);
    }
    bot.refuses("sendTelepathy", json!({}), 404, "Not Found").await;
    assert_eq!(bot.platform.violations().len(), 1);
    bot.ok("getMe", json!({ "colour": 1 })).await;
    assert_eq!(bot.platform.violations()[1], "getme has no parameter `colour`");
    bot.platform.set_token("123456789:another-token-of-a-bot");
    bot.refuses("getMe", json!({}), 401, "Unauthorized").await;
}

#[tokio::test]
async fn commands_are_kept_by_scope_and_language() {
    let bot = Bot::new().await;
    let commands = json!([{ "command": "help", "description": "What I can do" }]);
    bot.ok("setMyCommands", json!({ "commands": commands })).await;
    let german = json!([{ "command": "help", "description": "Was ich kann" }]);
    let groups = json!({ "type": "all_group_chats" });
    bot.ok("setMyCommands", json!({ "commands": german, "language_code": "de", "scope": groups })).await;
    assert_eq!(bot.platform.commands("default", "").unwrap()[0].1, "What I can do");
    assert_eq!(bot.platform.commands("all_group_chats", "de").unwrap()[0].1, "Was ich kann");
    assert_eq!(bot.ok("getMyCommands", json!({})).await, commands);
    bot.ok("deleteMyCommands", json!({})).await;
    assert!(bot.platform.commands("default", "").is_none());
    bot.clean();
    let one = |name: &str, text: &str| json!({ "commands": [{ "command": name, "description": text }] });
    for (params, what) in [
        (one("Help", "x"), "BOT_COMMAND_INVALID"),
        (one("", "x"), "BOT_COMMAND_INVALID"),
        (one(&"x".repeat(33), "x"), "BOT_COMMAND_INVALID"),
        (one("help", ""), "BOT_COMMAND_DESCRIPTION_INVALID"),
        (one("help", &"x".repeat(257)), "BOT_COMMAND_DESCRIPTION_INVALID"),
        (json!({ "commands": [], "language_code": "eng" }), "invalid language code specified"),
        (json!({ "commands": vec![json!({ "command": "a", "description": "b" }); 101] }), "BOT_COMMANDS_TOO_MUCH"),
    ] {
        bot.refuses("setMyCommands", params, 400, &format!("Bad Request: {what}")).await;
    }
}
