//! API keys, access tokens, texts and who is let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caigunn_bridge::app::Reloaded;
use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, Sandbox, SandboxOptions};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Bridge, KEY, OTHER_KEY, Setup, problem, until};

#[tokio::test]
async fn without_a_change_nothing_happens() {
    let mut bridge = Bridge::new().await;
    for _ in 0..2 {
        assert!(matches!(bridge.reload(&[]).await, Reloaded::Unchanged));
    }
    let page = bridge.ready().await;
    assert_eq!((page["reload"]["ok"].as_bool(), page["reload"]["mistakes"].as_array()), (Some(true), None), "{page}");
    assert_eq!(page["channels"][0]["generation"], 1, "{page}");
    assert_eq!(bridge.say("ann", "hi").await["state"], "answered");
}

/// A chatbot's key and the account's token change while people talk: everybody is answered once.
#[tokio::test]
async fn keys_and_tokens_change_under_load_and_nothing_is_lost() {
    let mut setup = Setup::default();
    setup.sandbox = SandboxOptions { latency: Duration::from_millis(30), ..super::two_bots() };
    let mut bridge = setup.start().await;
    bridge.sandbox.add_token(&Secret::new("another-sandbox-token"));
    let stop = Arc::new(AtomicBool::new(false));
    let mut people = tokio::task::JoinSet::new();
    for person in 0..6 {
        let (stop, url, client) = (Arc::clone(&stop), bridge.url("/v1/messages"), bridge.client.clone());
        people.spawn(async move {
            let mut said = 0;
            while !stop.load(Ordering::Relaxed) {
                let body = json!({ "user": format!("p{person}"), "text": format!("p{person} says {said}") });
                let answer = client.post(&url).bearer_auth(KEY).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                let answer: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(answer["state"], "answered", "{answer}");
                said += 1;
            }
            said
        });
    }
    let answered = async |bridge: &Bridge| bridge.asks().iter().filter(|ask| ask.processed).count();
    until("they talk", async || answered(&bridge).await > 20).await;
    bridge.sandbox.revoke_key("old");
    assert_eq!(
        bridge.reloads(&[("BOTS__MAIN__API_KEY", "another-sandbox-key")]).await,
        ["bot main has another key or account"]
    );
    let before = answered(&bridge).await;
    until("they go on", async || answered(&bridge).await > before + 20).await;
    bridge.sandbox.refuse_refresh(true);
    bridge.sandbox.expire_token();
    bridge.sandbox.add_token(&Secret::new("another-sandbox-token"));
    let changes = bridge.reloads(&[("ACCOUNTS__MAIN__ACCESS_TOKEN", "another-sandbox-token")]).await;
    assert_eq!(changes, ["account main has another token"]);
    let before = answered(&bridge).await;
    until("they go on", async || answered(&bridge).await > before + 20).await;
    stop.store(true, Ordering::Relaxed);
    let mut said = 0;
    while let Some(person) = people.join_next().await {
        said += person.unwrap();
    }
    assert_eq!(answered(&bridge).await, said, "each once");
    assert_eq!(bridge.ready().await["channels"][0]["generation"], 1, "no channel was touched");
}

#[tokio::test]
async fn a_pause_for_a_refused_key_ends_with_another_key() {
    let mut setup = Setup::default().set("PIPELINE__RETRY__MIN", "10m").set("PIPELINE__RETRY__MAX", "1h");
    setup.sandbox = super::two_bots();
    let mut bridge = setup.start().await;
    bridge.sandbox.revoke_key("old");
    let id = bridge.hand_in("ann", "waits").await;
    until("the bot is paused", async || bridge.ready().await["bots"][0]["state"] == "paused").await;
    assert!(matches!(bridge.reload(&[]).await, Reloaded::Unchanged));
    assert_eq!(bridge.ready().await["bots"][0]["state"], "paused", "nothing has changed");
    bridge.reloads(&[("BOTS__MAIN__API_KEY", "another-sandbox-key")]).await;
    assert_eq!(bridge.ended(KEY, &id).await["state"], "answered");
    assert_eq!(bridge.ready().await["bots"][0]["state"], "ready");
}

/// The account moves to another server, and a second bot comes and goes.
#[tokio::test]
async fn accounts_and_bots_are_added_moved_and_removed() {
    let mut bridge = Bridge::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = Sandbox::start(listener, SandboxOptions::default()).await.unwrap();
    bridge.say("ann", "here").await;
    let url = elsewhere.base_url();
    assert_eq!(
        bridge.reloads(&[("ACCOUNTS__MAIN__BASE_URL", &url)]).await,
        ["account main reached another way", "bot main has another key or account"]
    );
    bridge.say("ann", "there").await;
    assert_eq!(
        (bridge.asked("there").0, elsewhere.log().iter().filter(|call| call.call == Call::Talk).count()),
        (0, 1)
    );

    let home = bridge.sandbox.base_url();
    let changes = bridge
        .reloads(&[
            ("ACCOUNTS__OTHER__ACCESS_TOKEN", "sandbox-token"),
            ("ACCOUNTS__OTHER__BASE_URL", &home),
            ("BOTS__SECOND__ACCOUNT", "other"),
            ("BOTS__SECOND__API_KEY", "sandbox-key"),
            ("CHANNELS__WEB__BOT", "second"),
        ])
        .await;
    assert_eq!(changes, ["account other added", "bot second added", "channel web restarted"]);
    bridge.say("ann", "home again").await;
    assert_eq!(bridge.asked("home again"), (1, 1));
    let changes = bridge.reloads(&[("BOTS__MAIN__", ""), ("ACCOUNTS__MAIN__", "")]).await;
    assert_eq!(changes, ["account main removed", "bot main removed"]);
    let page = bridge.ready().await;
    assert_eq!((page["bots"].as_array().unwrap().len(), &page["bots"][0]["name"]), (1, &json!("second")));
    bridge.say("ann", "still there").await;
}

#[tokio::test]
async fn texts_and_who_is_let_in_take_effect_at_once() {
    let mut bridge = Bridge::new().await;
    bridge.sandbox.push_fault(caigunn_bridge::sandbox::Fault::status(422));
    let changes = bridge
        .reloads(&[("TEXTS__EN__RESET_DONE", "Tabula rasa."), ("CHANNELS__WEB__ACCESS__DENY_USERS", "eve")])
        .await;
    assert_eq!(changes, ["other texts", "access of channel web replaced"]);
    let reset = bridge.client.post(bridge.url("/v1/conversations/ann/reset")).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(reset.json::<serde_json::Value>().await.unwrap()["text"], "Tabula rasa.");
    let (status, refused) = problem(bridge.message("eve", "hi").send().await.unwrap()).await;
    assert_eq!((status, &refused["code"]), (403, &json!("not_allowed")));
    bridge.reloads(&[("TEXTS__EN__RESET_DONE", ""), ("CHANNELS__WEB__ACCESS__DENY_USERS", "")]).await;
    bridge.say("eve", "hi").await;
    assert_eq!(bridge.ready().await["channels"][0]["generation"], 1);
}

#[tokio::test]
async fn another_http_key_is_in_force_at_once_and_who_waits_is_told_where_to_look() {
    let mut setup = Setup::default();
    setup.sandbox.latency = Duration::from_millis(1_500);
    let mut bridge = setup.start().await;
    let waiting = tokio::spawn(bridge.message("ann", "slow").send());
    until("it is asked", async || bridge.sandbox.in_flight() == 1).await;
    const NEW: &str = "another-key-of-the-shop-0123456789";
    assert_eq!(bridge.reloads(&[("CHANNELS__WEB__KEYS__SHOP__KEY", NEW)]).await, ["channel web restarted"]);
    let waited = waiting.await.unwrap().unwrap();
    assert_eq!(waited.status(), 202);
    let location = waited.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(bridge.get(KEY, &location).send().await.unwrap().status(), 401);
    assert_eq!(bridge.get(OTHER_KEY, &location).send().await.unwrap().status(), 404);
    let answer = bridge.get(NEW, &location).header("Prefer", "wait=20").send().await.unwrap();
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["state"], "answered");
    assert_eq!(bridge.asked("slow"), (1, 1));
    assert_eq!(bridge.ready().await["channels"][0]["generation"], 2);
}
