//! Tokens and keys that are refused: one refresh, and turns that wait.

use std::time::Duration;

use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, LogOutcome};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::faults::bot;
use crate::support::{Bridge, KEY, Setup, until};

fn refreshes(bridge: &Bridge) -> usize {
    bridge.sandbox.log().into_iter().filter(|entry| entry.call == Call::Refresh).count()
}

#[tokio::test]
async fn a_token_that_expires_under_a_hundred_turns_is_refreshed_once() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(400));
    let hand_in = async |from: usize| {
        join_all((from..from + 100).map(async |n| bridge.hand_in(&format!("u{n}"), "hi").await)).await
    };
    let mut ids = hand_in(0).await;
    until("asks are open", async || bridge.sandbox.in_flight() > 0).await;
    bridge.sandbox.expire_token();
    ids.extend(hand_in(100).await);
    for id in ids {
        assert_eq!(bridge.ended(KEY, &id).await["text"], r#"Turn 1: you said "hi""#);
    }
    let refused = bridge.asks().into_iter().filter(|ask| ask.status == Some(401)).count();
    assert!(refused >= 1, "the token did expire under them");
    assert_eq!(refreshes(&bridge), 1);
    assert_eq!(bridge.asked("hi").1, 200, "each was carried out once");
}

#[tokio::test]
async fn a_refreshed_token_survives_a_restart() {
    let mut bridge = Bridge::new().await;
    bridge.sandbox.expire_token();
    bridge.say("alice", "one").await;
    assert_eq!(refreshes(&bridge), 1);
    bridge.start_again(&[]).await;
    bridge.say("alice", "two").await;
    assert_eq!(refreshes(&bridge), 1, "the kept one is used");
    assert!(bridge.asked("two") == (1, 1));
    bridge.sandbox.add_token(&Secret::new("a-new-token"));
    bridge.sandbox.expire_token();
    bridge.sandbox.add_token(&Secret::new("a-new-token"));
    bridge.start_again(&[("ACCOUNTS__MAIN__ACCESS_TOKEN", "a-new-token")]).await;
    bridge.say("alice", "three").await;
    assert_eq!(refreshes(&bridge), 1, "a newly configured one beats the kept one");
}

#[tokio::test]
async fn a_refused_refresh_pauses_the_bot_until_a_new_token_is_configured() {
    let mut bridge = Setup::default().set("PIPELINE__GIVE_UP_AFTER", "1s").start().await;
    bridge.sandbox.refuse_refresh(true);
    bridge.sandbox.expire_token();
    let ids = join_all((0..30).map(async |n| bridge.hand_in(&format!("u{n}"), "hi").await)).await;
    until("the bot is paused", async || bot(&bridge, "main").await["state"] == "paused").await;
    let state = bot(&bridge, "main").await;
    let detail = state["detail"].as_str().unwrap();
    assert!(detail.contains("access token") && detail.contains("configure"), "it says what to do: {detail}");
    assert!(!detail.contains("sandbox-token"), "{detail}");
    // Longer than the patience: a pause uses up none of it.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let late = bridge.hand_in("late", "hi").await;
    let refused = refreshes(&bridge);
    assert!(refused <= 2, "a refusal is not asked again by every turn: {refused}");
    for id in ids.iter().chain([&late]) {
        let view: Value = bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().json().await.unwrap();
        assert_eq!(view["state"], "pending", "{view}");
    }
    bridge.sandbox.add_token(&Secret::new("a-new-token"));
    bridge.start_again(&[("ACCOUNTS__MAIN__ACCESS_TOKEN", "a-new-token")]).await;
    for id in ids.iter().chain([&late]) {
        assert_eq!(bridge.ended(KEY, id).await["text"], r#"Turn 1: you said "hi""#);
    }
    assert_eq!(bridge.asked("hi").1, 31);
    assert_eq!(bot(&bridge, "main").await["state"], "ready");
}

#[tokio::test]
async fn an_account_without_a_token_waits_for_one_if_the_server_wants_it() {
    let mut bridge =
        Setup::default().unset("ACCOUNTS__MAIN__ACCESS_TOKEN").set("PIPELINE__GIVE_UP_AFTER", "1s").start().await;
    let id = bridge.hand_in("alice", "hi").await;
    until("the bot is paused", async || bot(&bridge, "main").await["state"] == "paused").await;
    let state = bot(&bridge, "main").await;
    assert!(state["detail"].as_str().unwrap().contains("access token"), "{state}");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let asked = bridge.asked("hi");
    assert!(asked.0 <= 3, "a paused bot is not asked: {asked:?}");
    bridge.start_again(&[("ACCOUNTS__MAIN__ACCESS_TOKEN", "sandbox-token")]).await;
    assert_eq!(bridge.ended(KEY, &id).await["text"], r#"Turn 1: you said "hi""#);
}

#[tokio::test]
async fn a_server_that_wants_no_token_needs_none() {
    let mut setup = Setup::default().unset("ACCOUNTS__MAIN__ACCESS_TOKEN");
    setup.sandbox.require_token = false;
    let bridge = setup.start().await;
    assert_eq!(bridge.say("alice", "hi").await["state"], "answered");
    assert_eq!(bot(&bridge, "main").await["state"], "ready");
}

#[tokio::test]
async fn a_revoked_key_pauses_its_bot_alone_and_restored_it_goes_on() {
    let bridge = Setup::default()
        .sandbox_bot("other", "other-key")
        .set("PIPELINE__GIVE_UP_AFTER", "1s")
        .set("PIPELINE__RETRY__MIN", "10ms")
        .set("PIPELINE__RETRY__MAX", "100ms")
        .set("BOTS__OTHER__ACCOUNT", "main")
        .set("BOTS__OTHER__API_KEY", "other-key")
        .set("CHANNELS__TWO__KIND", "http")
        .set("CHANNELS__TWO__PATH", "/two")
        .set("CHANNELS__TWO__BOT", "other")
        .set("CHANNELS__TWO__KEYS__SHOP__KEY", KEY)
        .start()
        .await;
    assert!(bridge.sandbox.revoke_key("demo"));
    let ids = join_all((0..25).map(async |n| bridge.hand_in(&format!("u{n}"), "hi").await)).await;
    until("the bot is paused", async || bot(&bridge, "main").await["state"] == "paused").await;
    let state = bot(&bridge, "main").await;
    assert!(state["detail"].as_str().unwrap().contains("bots.main.api_key"), "{state}");
    assert_eq!(bridge.ready().await["status"], "ok");
    let body = json!({ "user": "carol", "text": "hi" });
    for turn in 1..=3 {
        let two = bridge.client.post(bridge.url("/two/v1/messages")).bearer_auth(KEY).json(&body).send().await.unwrap();
        let two: Value = two.json().await.unwrap();
        assert_eq!(two["text"], format!("Turn {turn}: you said \"hi\""), "the other bot goes on");
    }
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let last = ids.last().unwrap();
    let view: Value = bridge.get(KEY, &format!("/v1/messages/{last}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(view["state"], "pending", "a backlog is not given up for a refused key");

    assert!(bridge.sandbox.restore_key("demo"));
    for id in &ids {
        assert_eq!(bridge.ended(KEY, id).await["text"], r#"Turn 1: you said "hi""#);
    }
    assert_eq!(bot(&bridge, "main").await["state"], "ready");
    let answered = |entry: &caigunn_bridge::sandbox::LogEntry| {
        entry.bot.as_deref() == Some("demo") && entry.outcome == LogOutcome::Answered
    };
    assert_eq!(bridge.asks().iter().filter(|entry| answered(entry)).count(), ids.len());
}
