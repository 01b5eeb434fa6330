//! Registering commands.

use serde_json::{Value, json};

use super::super::APPLICATION;
use super::{Bot, GUILD};

fn command(name: &str) -> Value {
    json!({ "name": name, "description": "What it does", "type": 1 })
}

#[tokio::test]
async fn commands_are_replaced_as_a_whole_and_keep_their_numbers() {
    let bot = Bot::new().await;
    let all = format!("applications/{APPLICATION}/commands");
    let ask = json!({
        "name": "ask", "description": "Ask", "name_localizations": { "zh-TW": "提問" },
        "description_localizations": { "zh-TW": "問一個問題" },
        "options": [{ "type": 3, "name": "text", "description": "Text", "required": true, "max_length": 6000 },
                    { "type": 11, "name": "image", "description": "Picture" }],
    });
    let made = bot.ok("PUT", &all, json!([ask, command("help")])).await;
    assert_eq!(bot.platform.commands_created(), 2);
    let again = bot.ok("PUT", &all, json!([ask, command("reset")])).await;
    assert_eq!(again[0]["id"], made[0]["id"]);
    assert_eq!(bot.platform.commands_created(), 3);
    assert_eq!(bot.get(&all).await, again);
    assert_eq!(bot.platform.commands(None).len(), 2);
    let in_guild = format!("applications/{APPLICATION}/guilds/{GUILD}/commands");
    let (status, lang) = bot.call("POST", &in_guild, command("lang")).await;
    assert_eq!(status, 201);
    assert_eq!(bot.call("POST", &in_guild, command("lang")).await.0, 200);
    let at = format!("{in_guild}/{}", lang["id"].as_str().unwrap());
    assert_eq!(bot.ok("PATCH", &at, json!({ "description": "New" })).await["description"], "New");
    assert_eq!(bot.platform.commands(Some(GUILD))[0]["guild_id"], GUILD.to_string());
    bot.ok("DELETE", &at, Value::Null).await;
    bot.refuses("DELETE", &at, Value::Null, 404, 10063).await;
    bot.refuses("PUT", &format!("applications/{APPLICATION}/guilds/5/commands"), json!([]), 403, 50001).await;
    bot.clean();
}

#[tokio::test]
async fn commands_that_discord_does_not_take_are_refused() {
    let bot = Bot::new().await;
    let all = format!("applications/{APPLICATION}/commands");
    let changed = |name: &str, value: Value| {
        let mut command = command("ask");
        command[name] = value;
        command
    };
    let option =
        |name: &str, required: bool| json!({ "type": 3, "name": name, "description": "x", "required": required });
    for wrong in [
        changed("name", "Ask".into()),
        changed("name", "a b".into()),
        changed("name", "x".repeat(33).into()),
        changed("description", "".into()),
        changed("description", "你".repeat(101).into()),
        changed("name_localizations", json!({ "zh-XX": "x" })),
        changed("name_localizations", json!({ "zh-TW": "提 問" })),
        changed("description_localizations", json!({ "zh-TW": "你".repeat(101) })),
        changed("options", vec![option("a", false); 26].into()),
        changed("options", json!([option("a", false), option("b", true)])),
        changed("options", json!([option("a", false), option("a", false)])),
        changed("options", json!([{ "type": 12, "name": "a", "description": "x" }])),
    ] {
        bot.refuses("PUT", &all, json!([wrong]), 400, 50035).await;
    }
    bot.refuses("PUT", &all, json!([command("a"), command("a")]), 400, 50035).await;
    bot.clean();
    bot.ok("PUT", &all, json!([changed("colour", 1.into())])).await;
    bot.objects("a command has no `colour`");
    bot.platform.lock().commands_created = 200;
    bot.refuses("PUT", &all, json!([command("new")]), 400, 30034).await;
}
