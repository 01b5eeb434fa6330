//! Offsets, waiting, and who may wait.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{BAD_GATEWAY, CONFLICT, Fault};
use super::{Bot, NONE};

#[tokio::test]
async fn an_offset_forgets_what_comes_before_it() {
    let bot = Bot::new().await;
    for text in ["one", "two", "three"] {
        bot.platform.says(7, 7, text);
    }
    let ids = bot.updates(json!({})).await;
    assert_eq!(ids, bot.updates(json!({})).await, "nothing is forgotten by itself");
    assert_eq!((ids.len(), ids[2] - ids[0]), (3, 2));
    assert_eq!(bot.updates(json!({ "limit": 1 })).await, ids[..1]);
    assert_eq!(bot.updates(json!({ "offset": ids[1] })).await, ids[1..]);
    assert_eq!((bot.platform.acknowledged(), bot.platform.pending()), (Some(ids[0]), 2));
    assert_eq!(bot.updates(json!({ "offset": -1 })).await, ids[2..]);
    assert_eq!(bot.updates(json!({ "offset": ids[2] + 1 })).await, NONE);
    assert_eq!((bot.platform.acknowledged(), bot.platform.next_update()), (Some(ids[2]), ids[2] + 1));
    assert_eq!(bot.platform.happened(), (3, 0));
    bot.clean();
    let message = bot.platform.says(7, 7, "four");
    bot.platform.repeats(7, message);
    assert_eq!(bot.updates(json!({})).await, [ids[2] + 1, ids[2] + 2]);
    bot.platform.a_day_passes();
    assert_eq!(bot.updates(json!({})).await, NONE);
    bot.updates(json!({ "limit": 101 })).await;
    assert_eq!(bot.platform.violations().len(), 1);
    bot.refuses(
        "getUpdates",
        json!({ "offset": "x" }),
        400,
        "Bad Request: parameter \"offset\" must be of type Integer",
    )
    .await;
}

#[tokio::test]
async fn after_an_idle_week_an_old_offset_means_nothing() {
    let bot = Bot::new().await;
    bot.platform.says(7, 7, "before");
    let old = bot.updates(json!({})).await[0];
    bot.platform.idle_week();
    bot.platform.says(7, 7, "after");
    let new = bot.updates(json!({ "offset": old + 1 })).await;
    assert!(new.len() == 1 && new[0] < old);
    assert_eq!(bot.updates(json!({ "offset": old + 1 })).await, new, "the old offset acknowledges nothing");
    assert_eq!(bot.updates(json!({ "offset": new[0] + 1 })).await, NONE);
}

#[tokio::test]
async fn a_poll_waits_until_something_happens() {
    let bot = Bot::new().await;
    let begun = Instant::now();
    assert_eq!(bot.updates(json!({ "timeout": 1 })).await, NONE);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let speak = async {
        while bot.platform.polls().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bot.platform.says(7, 7, "hello");
    };
    let (updates, ()) = tokio::join!(bot.updates(json!({ "timeout": 50 })), speak);
    assert_eq!(updates.len(), 1);
    let poll = &bot.platform.polls()[1];
    assert!(poll.at > begun);
    assert_eq!((poll.offset, poll.limit, poll.timeout, &poll.allowed), (None, 100, 50, &None));
}

#[tokio::test]
async fn the_second_poller_ends_the_first() {
    let bot = Bot::new().await;
    let second = async {
        while bot.platform.polls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bot.updates(json!({ "timeout": 1 })).await
    };
    let (first, second) = tokio::join!(bot.fails("getUpdates", json!({ "timeout": 50 })), second);
    assert_eq!((first, second), ((409, CONFLICT.to_owned()), vec![]));
    let rival = async {
        while bot.platform.polls().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bot.platform.rival_polls();
    };
    let (third, ()) = tokio::join!(bot.fails("getUpdates", json!({ "timeout": 50 })), rival);
    assert_eq!(third.0, 409);
}

#[tokio::test]
async fn kinds_are_allowed_and_remembered() {
    let bot = Bot::new().await;
    let kinds = async |params: Value| {
        let updates = bot.ok("getUpdates", params).await;
        let kind = |update: &Value| update.as_object().unwrap().keys().find(|key| *key != "update_id").unwrap().clone();
        updates.as_array().unwrap().iter().map(kind).collect::<Vec<_>>()
    };
    let all = bot.platform.does_everything_else(7);
    let default = kinds(json!({})).await;
    assert_eq!(default.len(), all - 3, "chat_member and reactions have to be asked for");
    bot.updates(json!({ "offset": -1, "allowed_updates": ["message", "chat_member"] })).await;
    bot.updates(json!({ "offset": bot.platform.next_update() })).await;
    bot.platform.does_everything_else(7);
    bot.platform.says(7, 7, "hello");
    bot.platform.happens("telepathy", json!({ "from": 7 }));
    assert_eq!(kinds(json!({})).await, ["chat_member", "message", "telepathy"]);
    bot.clean();
    bot.updates(json!({ "allowed_updates": ["mesage"] })).await;
    assert_eq!(bot.platform.violations().len(), 1);
}

#[tokio::test]
async fn polls_fail_as_told() {
    let bot = Bot::new().await;
    let poll = || bot.request("getUpdates").json(&json!({})).send();
    bot.platform.fails("getUpdates", None, Fault::Answer(502, BAD_GATEWAY), 1);
    let answer = poll().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (502, BAD_GATEWAY));
    bot.platform.fails("*", None, Fault::Reset, 1);
    assert!(poll().await.is_err());
    bot.platform.fails("getUpdates", None, Fault::Refuse(409, CONFLICT), 2);
    for _ in 0..2 {
        bot.refuses("getUpdates", json!({}), 409, CONFLICT).await;
    }
    bot.platform.fails("getUpdates", None, Fault::Truncated, 1);
    assert!(poll().await.unwrap().json::<Value>().await.is_err());
    bot.platform.fails("getUpdates", None, Fault::Hang, 1);
    let hung = tokio::time::timeout(Duration::from_millis(200), poll()).await;
    assert!(hung.is_err());
    assert_eq!(poll().await.unwrap().status().as_u16(), 200);
    let statuses: Vec<u16> = bot.platform.attempts("getUpdates").iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [502, 0, 409, 409, 200, 0, 200]);
}
