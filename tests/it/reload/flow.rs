//! Channels come, go and are built anew while messages flow: nothing is lost and nothing doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caigunn_bridge::sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::channel;
use crate::support::{Bridge, KEY, Setup, until};

const SHOP_KEY: &str = "key-of-another-shop-0123456789";

/// A second HTTP channel, of a chatbot of its own.
fn with_shop(setup: Setup) -> Setup {
    let setup = setup.set("BOTS__SECOND__ACCOUNT", "main").set("BOTS__SECOND__API_KEY", "another-sandbox-key");
    SHOP.iter().fold(setup, |setup, (key, value)| setup.set(key, value))
}

const SHOP: [(&str, &str); 4] = [
    ("CHANNELS__SHOP__KIND", "http"),
    ("CHANNELS__SHOP__BOT", "second"),
    ("CHANNELS__SHOP__PATH", "/shop"),
    ("CHANNELS__SHOP__KEYS__X__KEY", SHOP_KEY),
];

async fn hand_in(bridge: &Bridge, user: &str, text: &str) -> String {
    let request = bridge.client.post(bridge.url("/shop/v1/messages")).bearer_auth(SHOP_KEY);
    let request = request.json(&json!({ "user": user, "text": text })).header("Prefer", "respond-async");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
    response.headers()["location"].to_str().unwrap().to_owned()
}

async fn read(bridge: &Bridge, location: &str) -> Value {
    let request = bridge.get(SHOP_KEY, location).header("Prefer", "wait=20");
    request.send().await.unwrap().json().await.unwrap()
}

/// A channel that was away picks up what it left: what waited in memory, what was being asked, and what came from elsewhere.
#[tokio::test]
async fn a_channel_that_comes_back_goes_on_with_its_work() {
    let mut setup = with_shop(Setup::default());
    setup.sandbox = super::two_bots();
    setup.sandbox.latency = Duration::from_millis(600);
    let mut bridge = setup.start().await;
    let open = hand_in(&bridge, "ann", "is being asked").await;
    until("it is asked", async || bridge.sandbox.in_flight() == 1).await;
    let next = hand_in(&bridge, "ann", "comes next").await;
    bridge.sandbox.revoke_key("new");
    let mut waiting = Vec::new();
    for n in 0..5 {
        waiting.push(hand_in(&bridge, &format!("bea{n}"), &format!("waits {n}")).await);
    }
    until("the bot is paused", async || bridge.ready().await["bots"][1]["state"] == "paused").await;
    assert_eq!(bridge.reloads(&[("CHANNELS__SHOP__", "")]).await, ["channel shop stopped"]);
    assert_eq!(bridge.get(SHOP_KEY, &open).send().await.unwrap().status(), 404);
    assert!(channel(&bridge.ready().await, "shop").is_none());
    bridge.sandbox.restore_key("new");
    bridge.say("ann", "the other channel").await;
    until("nothing is asked any more", async || bridge.sandbox.in_flight() == 0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(bridge.asked("waits 0").1 == 0, "it was away");

    bridge.reloads(&[("BOTS__SECOND__API_KEY", "sandbox-key")]).await;
    assert_eq!(bridge.reloads(&SHOP).await, ["channel shop started"]);
    assert_eq!(channel(&bridge.ready().await, "shop").unwrap()["generation"], 2);
    for location in waiting.iter().chain([&open, &next]) {
        assert_eq!(read(&bridge, location).await["state"], "answered");
    }
    for text in ["is being asked", "comes next", "waits 0", "waits 4"] {
        assert_eq!(bridge.asked(text).1, 1, "{text}");
    }
}

/// Waiting turns follow their channel to another chatbot.
#[tokio::test]
async fn what_waits_for_one_bot_is_asked_of_the_other() {
    let mut setup = with_shop(Setup::default());
    setup.sandbox = super::two_bots();
    let mut bridge = setup.start().await;
    bridge.sandbox.revoke_key("new");
    let location = hand_in(&bridge, "ann", "waits").await;
    until("the bot is paused", async || bridge.ready().await["bots"][1]["state"] == "paused").await;
    assert_eq!(bridge.reloads(&[("CHANNELS__SHOP__BOT", "main")]).await, ["channel shop restarted"]);
    assert_eq!(read(&bridge, &location).await["state"], "answered");
    assert_eq!(channel(&bridge.ready().await, "web").unwrap()["generation"], 1, "the other one goes on");
}

/// A channel is built anew again and again while people talk. Who is told to look elsewhere looks there.
#[tokio::test]
async fn reloads_amid_traffic_lose_and_double_nothing() {
    let mut setup = Setup::default();
    setup.sandbox = SandboxOptions { latency: Duration::from_millis(20), ..SandboxOptions::default() };
    let mut bridge = setup.start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut people = tokio::task::JoinSet::new();
    for person in 0..6 {
        let (stop, base, client) = (Arc::clone(&stop), bridge.url(""), bridge.client.clone());
        people.spawn(async move {
            let mut said = 0;
            while !stop.load(Ordering::Relaxed) {
                let body = json!({ "user": format!("p{person}"), "text": format!("p{person} says {said}") });
                let request = client.post(format!("{base}/v1/messages")).bearer_auth(KEY).json(&body);
                let mut response = request.send().await.unwrap();
                if response.status() == 202 {
                    let location = response.headers()["location"].to_str().unwrap().to_owned();
                    // Also this wait may be cut short by a reload.
                    while response.status() != 200 {
                        let request = client.get(format!("{base}{location}")).bearer_auth(KEY);
                        response = request.header("Prefer", "wait=20").send().await.unwrap();
                    }
                }
                assert_eq!(response.status(), 200);
                let answer: Value = response.json().await.unwrap();
                assert_eq!(answer["state"], "answered", "{answer}");
                assert!(answer["text"].as_str().unwrap().ends_with(&format!("\"p{person} says {said}\"")), "{answer}");
                said += 1;
            }
            said
        });
    }
    for n in 0..15 {
        let asked = bridge.asks().len();
        until("they talk", async || bridge.asks().len() > asked + 5).await;
        assert_eq!(
            bridge.reloads(&[("CHANNELS__WEB__MAX_IMAGES", &(n + 1).to_string())]).await,
            ["channel web restarted"]
        );
    }
    stop.store(true, Ordering::Relaxed);
    let mut said = 0;
    while let Some(person) = people.join_next().await {
        said += person.unwrap();
    }
    assert_eq!(bridge.asks().len(), said);
    assert_eq!(bridge.ready().await["channels"][0]["generation"], 16);
}
