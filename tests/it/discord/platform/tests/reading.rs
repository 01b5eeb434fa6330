//! What is read back, and what of it without the permission to read messages.

use std::time::Duration;

use serde_json::Value;

use super::super::{BOT, deny};
use super::{ANN, Bot, GUILD, ROOM, messages};

async fn page(bot: &Bot, query: &str) -> Vec<u64> {
    let list = bot.get(&format!("{}?{query}", messages(ROOM))).await;
    list.as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn history_is_paged_newest_first() {
    let bot = Bot::new().await;
    let texts: Vec<String> = (0..120).map(|n| format!("message {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ids = bot.platform.wrote(ROOM, ANN, &texts, Duration::from_secs(3600));
    assert!(ids.is_sorted());
    assert_eq!(bot.platform.last_message(ROOM), ids.last().copied());
    let newest_first = |range: std::ops::Range<usize>| ids[range].iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(page(&bot, "").await, newest_first(70..120));
    assert_eq!(page(&bot, "limit=100").await, newest_first(20..120));
    // The oldest after it, not the newest of all.
    assert_eq!(page(&bot, &format!("after={}&limit=10", ids[4])).await, newest_first(5..15));
    assert_eq!(page(&bot, &format!("before={}&limit=10", ids[20])).await, newest_first(10..20));
    assert!(page(&bot, &format!("around={}&limit=3", ids[20])).await.contains(&ids[20]));
    assert_eq!(page(&bot, &format!("after={}", ids[119])).await, [0; 0]);
    for limit in ["0", "101", "many"] {
        bot.refuses("GET", &format!("{}?limit={limit}", messages(ROOM)), Value::Null, 400, 50035).await;
    }
    bot.refuses("GET", &format!("{}?after=soon", messages(ROOM)), Value::Null, 400, 50035).await;
    bot.refuses("GET", "channels/9/messages", Value::Null, 404, 10003).await;
    bot.platform.denies(ROOM, deny::READ_MESSAGE_HISTORY);
    assert_eq!(page(&bot, "").await, [0; 0]);
    bot.refuses("GET", &format!("{}/{}", messages(ROOM), ids[0]), Value::Null, 403, 50013).await;
    bot.platform.denies(ROOM, 0);
    assert_eq!(bot.get(&format!("{}/{}", messages(ROOM), ids[0])).await["content"], "message 0");
    bot.refuses("GET", &format!("{}/1", messages(ROOM)), Value::Null, 404, 10008).await;
    bot.clean();
}

#[tokio::test]
async fn without_the_permission_contents_are_empty() {
    let bot = Bot::new().await;
    let (plain, asked) = (bot.platform.says(ROOM, ANN, "plain"), bot.platform.asks(ROOM, ANN, "asked"));
    let direct = bot.platform.tells(ANN, "direct");
    let own = bot.send("own").await["id"].as_str().unwrap().parse::<u64>().unwrap();
    let text = async |channel: u64, id: u64| {
        bot.get(&format!("{}/{id}", messages(channel))).await["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(text(ROOM, plain).await, "plain");
    bot.platform.grants_message_content(false);
    assert_eq!(text(ROOM, plain).await, "");
    assert_eq!(text(ROOM, asked).await, format!("<@{BOT}> asked"));
    assert_eq!(text(ROOM, own).await, "own");
    assert_eq!(text(bot.platform.dm(ANN), direct).await, "direct");
    bot.clean();
}

#[tokio::test]
async fn guilds_and_channels_are_described() {
    let bot = Bot::new().await;
    assert_eq!(bot.get(&format!("guilds/{GUILD}")).await["name"], "The Guild");
    bot.refuses("GET", "guilds/5", Value::Null, 404, 10004).await;
    assert_eq!(bot.get(&format!("guilds/{GUILD}/channels")).await.as_array().unwrap().len(), 1);
    bot.platform.member(GUILD, ANN, &[7], Some("Annie"));
    let member = bot.get(&format!("guilds/{GUILD}/members/{ANN}")).await;
    assert_eq!((&member["nick"], &member["roles"][0]), (&"Annie".into(), &"7".into()));
    assert_eq!(bot.get(&format!("channels/{ROOM}")).await["name"], "room");
    let gateway = bot.get("gateway").await;
    assert_eq!(gateway["url"], bot.platform.gateway_url());
    bot.platform.recommends_shards(3, 2);
    let limits = bot.get("gateway/bot").await;
    assert_eq!((&limits["shards"], &limits["session_start_limit"]["max_concurrency"]), (&3.into(), &2.into()));
    bot.clean();
}
