//! Several bots and channels in one daemon: they do not see each other, and one that cannot run stops no other.

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use serde_json::{Value, json};

use crate::support::{Bridge, KEY, OTHER_KEY, Setup, problem, until};

/// A second bot with a second channel at `/two`, under a key of the same name and value as the first channel's.
fn two() -> Setup {
    Setup::default()
        .sandbox_bot("other", "other-key")
        .set("BOTS__OTHER__ACCOUNT", "main")
        .set("BOTS__OTHER__API_KEY", "other-key")
        .set("CHANNELS__TWO__KIND", "http")
        .set("CHANNELS__TWO__PATH", "/two")
        .set("CHANNELS__TWO__BOT", "other")
        .set("CHANNELS__TWO__KEYS__SHOP__KEY", KEY)
}

const TWO: [&str; 4] =
    ["CHANNELS__TWO__KIND", "CHANNELS__TWO__PATH", "CHANNELS__TWO__BOT", "CHANNELS__TWO__KEYS__SHOP__KEY"];

fn tell(bridge: &Bridge, path: &str, user: &str, text: &str) -> reqwest::RequestBuilder {
    bridge
        .client
        .post(bridge.url(&format!("{path}/v1/messages")))
        .bearer_auth(KEY)
        .json(&json!({ "user": user, "text": text }))
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

async fn state(bridge: &Bridge, channel: &str) -> Value {
    let ready = bridge.ready().await;
    ready["channels"].as_array().unwrap().iter().find(|part| part["name"] == channel).unwrap().clone()
}

#[tokio::test]
async fn two_bots_and_two_channels_do_not_see_each_other() {
    let bridge = two().start().await;
    for turn in 1..=2 {
        for path in ["", "/two"] {
            let view = answer(tell(&bridge, path, "alice", "hi").header("Idempotency-Key", format!("k{turn}"))).await;
            assert_eq!(view["text"], format!("Turn {turn}: you said \"hi\""), "{path}");
        }
    }
    let said = |bot: &str, uid: &str| bridge.sandbox.history(bot, uid).len();
    assert_eq!((said("demo", "web-shop-alice"), said("other", "two-shop-alice")), (2, 2));
    assert_eq!((said("demo", "two-shop-alice"), said("other", "web-shop-alice")), (0, 0));

    let only_web = answer(tell(&bridge, "", "bob", "for web")).await;
    let id = only_web["id"].as_str().unwrap();
    let foreign = bridge.get(KEY, &format!("/two/v1/messages/{id}")).send().await.unwrap();
    assert_eq!(problem(foreign).await.0, 404, "a message is read where it was sent");
    let history = answer(bridge.get(KEY, "/two/v1/conversations/bob/history")).await;
    assert_eq!(history["messages"], json!([]));
    let desk = bridge.get(OTHER_KEY, "/two/v1/conversations/bob/history").send().await.unwrap();
    assert_eq!(problem(desk).await.0, 401, "a key of one channel is none of the other's");
}

#[tokio::test]
async fn channels_that_cannot_run_are_named_and_stop_no_other() {
    let bridge = two()
        // A key that is too short.
        .set("CHANNELS__BROKEN__KIND", "http")
        .set("CHANNELS__BROKEN__PATH", "/broken")
        .set("CHANNELS__BROKEN__BOT", "main")
        .set("CHANNELS__BROKEN__KEYS__SHOP__KEY", "too-short")
        // No such kind.
        .set("CHANNELS__ODD__KIND", "carrier_pigeon")
        .set("CHANNELS__ODD__BOT", "main")
        // A path that another one has.
        .set("CHANNELS__ZWEI__KIND", "http")
        .set("CHANNELS__ZWEI__PATH", "/two")
        .set("CHANNELS__ZWEI__BOT", "main")
        .set("CHANNELS__ZWEI__KEYS__SHOP__KEY", OTHER_KEY)
        // A bot whose key no header can carry.
        .set("BOTS__MUTE__ACCOUNT", "main")
        .set("BOTS__MUTE__API_KEY", "schlüssel")
        .set("CHANNELS__MUTE__KIND", "http")
        .set("CHANNELS__MUTE__PATH", "/mute")
        .set("CHANNELS__MUTE__BOT", "mute")
        .set("CHANNELS__MUTE__KEYS__SHOP__KEY", KEY)
        .start()
        .await;
    for path in ["", "/two"] {
        assert_eq!(answer(tell(&bridge, path, "alice", "hi")).await["state"], "answered", "{path}");
    }
    let ready = bridge.ready().await;
    assert_eq!(ready["status"], "ok");
    for (channel, why) in
        [("broken", "keys.shop.key"), ("odd", "channels.odd.kind"), ("zwei", "channels.zwei.path"), ("mute", "mute")]
    {
        let state = state(&bridge, channel).await;
        assert_eq!((&state["state"], &state["ok"]), (&json!("bad_config"), &json!(false)), "{state}");
        assert!(state["detail"].as_str().unwrap().contains(why), "{state}");
        assert!(ready["warnings"].to_string().contains(&format!("channel {channel}: bad_config")), "{ready}");
        for value in ["schlüssel", "too-short", "carrier_pigeon"] {
            assert!(!state.to_string().contains(value), "a value may be a secret in the wrong place: {state}");
        }
    }
    for path in ["/broken", "/mute"] {
        assert_eq!(problem(tell(&bridge, path, "alice", "hi").send().await.unwrap()).await.0, 404);
    }
    let twin = bridge
        .client
        .post(bridge.url("/two/v1/messages"))
        .bearer_auth(OTHER_KEY)
        .json(&json!({ "user": "a", "text": "b" }));
    assert_eq!(problem(twin.send().await.unwrap()).await.0, 401, "the later one is not mounted over the first");
}

#[tokio::test]
async fn with_no_channel_that_runs_the_bridge_is_not_ready_and_says_why() {
    let bridge = Setup::default().set("CHANNELS__WEB__KEYS__SHOP__KEY", "short").start().await;
    let page = bridge.client.get(bridge.url("/readyz")).send().await.unwrap();
    assert_eq!(page.status(), 503);
    let page: Value = page.json().await.unwrap();
    assert_eq!(page["reasons"], json!(["no channel is connected"]));
    assert_eq!(
        bridge.client.get(bridge.url("/healthz")).send().await.unwrap().status(),
        200,
        "a restart would not help"
    );
}

#[tokio::test]
async fn work_of_a_channel_that_left_is_kept_and_goes_on_when_it_is_back() {
    let mut bridge = two().set("SERVER__GRACE_PERIOD", "0s").start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk).bot("other").times(0));
    let mut kept = Vec::new();
    for text in ["one", "two"] {
        let view = answer(tell(&bridge, "/two", "alice", text).header("Prefer", "respond-async")).await;
        kept.push(view["id"].as_str().unwrap().to_owned());
    }
    until("the first is asked", async || bridge.asked("one").0 == 1).await;
    let without: Vec<_> = TWO.iter().map(|key| (*key, "")).collect();
    bridge.start_again(&without).await;
    bridge.sandbox.clear_faults();
    assert_eq!(bridge.say("alice", "hi").await["state"], "answered");
    let found = bridge.command(&["check"]).await;
    assert!(found.contains("channel two left the configuration with 2 messages undone"), "{found}");
    let listed = bridge.command(&["messages", "list"]).await;
    assert!(kept.iter().all(|id| listed.contains(id.as_str())), "{listed}");
    assert_eq!(bridge.asked("one"), (1, 0), "it is not sent");
    assert_eq!(bridge.asked("two"), (0, 0));

    bridge.start_again(&[(TWO[0], "http"), (TWO[1], "/two"), (TWO[2], "other"), (TWO[3], KEY)]).await;
    for (n, id) in (1..).zip(&kept) {
        let view = answer(bridge.get(KEY, &format!("/two/v1/messages/{id}")).header("Prefer", "wait=20")).await;
        assert!(view["text"].as_str().unwrap().starts_with(&format!("Turn {n}:")), "{view}");
    }
    assert!(!bridge.command(&["check"]).await.contains("left the configuration"));
}

#[tokio::test]
async fn with_a_hash_key_no_name_leaves_the_bridge_and_known_people_keep_theirs() {
    let mut bridge = Setup::default().set("IDENTITY__UID_HASH_KEY", "a-key-for-hashing-uids").start().await;
    bridge.say("alice", "one").await;
    bridge.say("bob", "one").await;
    let uids = |text: &str| -> Vec<String> {
        bridge.asks().into_iter().filter(|ask| ask.text.as_deref() == Some(text)).filter_map(|ask| ask.uid).collect()
    };
    let first = uids("one");
    assert_ne!(first[0], first[1]);
    for uid in &first {
        assert!(uid.starts_with("h-") && !uid.contains("alice") && !uid.contains("shop"), "{uid}");
    }
    bridge.start_again(&[("IDENTITY__UID_HASH_KEY", "another-key-for-hashing")]).await;
    bridge.say("alice", "two").await;
    bridge.say("carol", "two").await;
    let uids = bridge.asks().into_iter().filter_map(|ask| ask.uid).collect::<Vec<_>>();
    assert_eq!(uids[2], first[0], "alice is known");
    assert!(!first.contains(&uids[3]));
}
