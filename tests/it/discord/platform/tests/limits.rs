//! Rate limits, and faults as they are told.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::super::{BAD_GATEWAY, Fault, Rate, Rates};
use super::{Bot, GUILD, ROOM, messages, said};

#[tokio::test]
async fn a_route_of_a_channel_has_a_limit_of_its_own() {
    let bot = Bot::new().await;
    let other = bot.platform.text_channel(GUILD, 99, "other");
    let unlimited = bot.request("POST", &messages(ROOM)).json(&said("x")).send().await.unwrap();
    assert!(unlimited.headers().get("x-ratelimit-limit").is_none());
    let routes = HashMap::from([("send", Rate::of(2, Duration::from_secs(60)))]);
    bot.platform.enforces(Rates { routes, global: None });
    for left in ["1", "0"] {
        let answer = bot.request("POST", &messages(ROOM)).json(&said("x")).send().await.unwrap();
        let headers = answer.headers();
        assert_eq!(
            (&headers["x-ratelimit-limit"], &headers["x-ratelimit-remaining"]),
            (&"2".parse().unwrap(), &left.parse().unwrap())
        );
        assert!(headers["x-ratelimit-reset-after"].to_str().unwrap().parse::<f64>().unwrap() > 50.0);
        assert!(headers.contains_key("x-ratelimit-bucket") && headers.contains_key("x-ratelimit-reset"));
    }
    let refused = bot.request("POST", &messages(ROOM)).json(&said("x")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["x-ratelimit-scope"]), (429, &"user".parse().unwrap()));
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: Value = refused.json().await.unwrap();
    assert!(body["retry_after"].as_f64().unwrap() <= wait as f64 && body["global"] == false, "{body}");
    bot.clean();
    // Another channel, and another route, go on.
    bot.ok("POST", &messages(other), said("x")).await;
    bot.get(&format!("channels/{ROOM}")).await;
    bot.clean();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(bot.call("POST", &messages(ROOM), said("x")).await.0, 429);
    bot.objects("while it was to rest");
    assert_eq!(bot.platform.invalid_requests(), 2);
    assert_eq!(bot.platform.sent_count(ROOM), 3);
}

#[tokio::test]
async fn the_bot_as_a_whole_has_a_limit() {
    let bot = Bot::new().await;
    let global = Some(Rate::of(3, Duration::from_secs(60)));
    bot.platform.enforces(Rates { routes: HashMap::new(), global });
    for _ in 0..3 {
        bot.get("users/@me").await;
    }
    let refused = bot.request("GET", &format!("channels/{ROOM}")).send().await.unwrap();
    assert_eq!(refused.headers()["x-ratelimit-global"], "true");
    assert_eq!(refused.headers()["x-ratelimit-scope"], "global");
    assert_eq!(refused.json::<Value>().await.unwrap()["global"], true);
    assert_eq!(Rates::usual().routes["send"].most, 5);
}

#[tokio::test]
async fn faults_come_as_they_are_told() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    let post = || bot.request("POST", &messages(ROOM)).json(&said("x"));
    platform.fails("send", Some(ROOM), Fault::Refuse(403, 50013, "Missing Permissions"), 1);
    bot.refuses("POST", &messages(ROOM), said("x"), 403, 50013).await;
    platform.fails("send", None, Fault::Answer(502, BAD_GATEWAY), 1);
    assert!(post().send().await.unwrap().text().await.unwrap().contains("502 Bad Gateway"));
    platform.fails("*", None, Fault::Reset, 1);
    assert!(post().send().await.is_err());
    assert_eq!(platform.sent_count(ROOM), 0);
    platform.fails_on("send", "special", Fault::ProcessedThenReset, 1);
    bot.send("another").await;
    assert!(bot.request("POST", &messages(ROOM)).json(&said("special")).send().await.is_err());
    assert_eq!(platform.texts(ROOM), ["another", "special"]);
    platform.fails("send", None, Fault::Truncated, 1);
    let cut = post().send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&cut).is_err());
    for (fault, processed) in [(Fault::Hang, 3), (Fault::ProcessedThenHang, 4)] {
        platform.fails("send", None, fault, 1);
        assert!(post().timeout(Duration::from_millis(200)).send().await.unwrap_err().is_timeout());
        assert_eq!(platform.sent_count(ROOM), processed);
    }
    assert_eq!(
        platform.attempts("send").iter().map(|attempt| attempt.status).collect::<Vec<_>>(),
        [403, 502, 0, 200, 0, 200, 0, 0]
    );
    // What is open at the same time is seen.
    platform.fails("send", None, Fault::Slow(Duration::from_millis(300)), 2);
    let (one, two) = tokio::join!(post().send(), post().send());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(platform.overlaps(), 1);
    platform.fails("send", None, Fault::RetryAfterShared(0.01), 1);
    let refused = post().send().await.unwrap();
    assert_eq!(refused.headers()["x-ratelimit-scope"], "shared");
    // The refusal of the beginning counts, a shared limit does not.
    assert_eq!(platform.invalid_requests(), 1);
    platform.fails("send", None, Fault::RetryAfter(0.2), 1);
    assert_eq!(post().send().await.unwrap().status().as_u16(), 429);
    tokio::time::sleep(Duration::from_millis(250)).await;
    platform.fails("send", None, Fault::RetryAfterAll(0.2), 0);
    assert_eq!(post().send().await.unwrap().headers()["retry-after"], "1");
    assert_eq!(bot.call("GET", "users/@me", Value::Null).await.0, 429);
    platform.heals();
    tokio::time::sleep(Duration::from_millis(250)).await;
    bot.send("x").await;
    bot.clean();
}
