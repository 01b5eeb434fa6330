//! Speaking first over HTTP. To people on other channels: `push/speaking.rs`.

use caigunn_bridge::contract::store::{Contacts, Journal, Upkeep, Utterance};
use caigunn_bridge::model::{ContactKey, Scope, Sender};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::receiver::Receiver;
use crate::support::{Bridge, KEY, OTHER_KEY, Setup, problem};

fn outbound(bridge: &Bridge, key: &str, body: &Value) -> RequestBuilder {
    bridge.client.post(bridge.url("/v1/outbound")).bearer_auth(key).json(body)
}

fn to_alice(text: &str, dedupe_key: &str) -> Value {
    json!({ "to": { "user": "alice" }, "text": text, "dedupe_key": dedupe_key })
}

async fn said(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn refused(request: RequestBuilder, status: u16, code: &str) -> String {
    let (got, document) = problem(request.send().await.unwrap()).await;
    assert_eq!((got, document["code"].as_str()), (status, Some(code)), "{document}");
    document["detail"].as_str().unwrap_or_default().to_owned()
}

/// What the bridge has said to `user` of the key `shop`, oldest first.
async fn told(bridge: &Bridge, user: &str, conversation: Option<&str>) -> Vec<String> {
    let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
    let store = SqliteStore::open(bridge.folder().join("bridge.db"), options).unwrap();
    let sender = Sender {
        tenant: Some("shop".into()),
        chat: conversation.map(str::to_owned),
        user: Some(user.into()),
        ..Sender::default()
    };
    let contact =
        store.contact_by_key(&"web".into(), &ContactKey::new(Scope::UserInChat, &sender)).await.unwrap().unwrap();
    let entries = store.entries(contact.id, 0, 100).await.unwrap();
    store.close().await;
    let texts = entries.into_iter().filter_map(|entry| match entry.said {
        Utterance::Out(action) => Some(action.text().to_owned()),
        _ => None,
    });
    texts.collect()
}

async fn bridge() -> Bridge {
    let setup = Setup::default().set("CHANNELS__WEB__KEYS__SHOP__OUTBOUND", "own").set("CHANNELS__WEB__MAX_TEXT", "30");
    setup.start().await
}

#[tokio::test]
async fn something_is_said_once_and_stands_in_the_conversation() {
    let mut bridge = bridge().await;
    bridge.say("alice", "hi").await;
    let body = json!({ "user": "alice", "conversation": "order-7", "text": "hi" });
    assert_eq!(bridge.post(KEY, &body).send().await.unwrap().status(), 200);
    let queued = (202, json!({ "state": "queued" }));
    let duplicate = (200, json!({ "state": "duplicate" }));
    assert_eq!(said(outbound(&bridge, KEY, &to_alice("Your parcel is here.", "parcel-7"))).await, queued);
    assert_eq!(said(outbound(&bridge, KEY, &to_alice("Your parcel is here.", "parcel-7"))).await, duplicate);
    let there = json!({ "to": { "user": "alice", "conversation": "order-7" }, "text": "There.", "bulk": true });
    assert_eq!(said(outbound(&bridge, KEY, &there)).await, queued);
    assert_eq!(said(outbound(&bridge, KEY, &there)).await, queued, "without a key each is another one");
    bridge.start_again(&[]).await;
    assert_eq!(said(outbound(&bridge, KEY, &to_alice("Your parcel is here.", "parcel-7"))).await, duplicate);
    assert_eq!(told(&bridge, "alice", None).await[1..], ["Your parcel is here."]);
    assert_eq!(told(&bridge, "alice", Some("order-7")).await[1..], ["There.", "There."]);
    assert_eq!(bridge.say("alice", "hello").await["state"], "answered");
}

#[tokio::test]
async fn a_dedupe_key_is_its_api_keys_own() {
    let mut bridge = bridge().await;
    bridge.start_again(&[("CHANNELS__WEB__KEYS__DESK__OUTBOUND", "own")]).await;
    for key in [KEY, OTHER_KEY] {
        let body = json!({ "user": "alice", "text": "hi" });
        assert_eq!(bridge.post(key, &body).send().await.unwrap().status(), 200);
        assert_eq!(said(outbound(&bridge, key, &to_alice("one", "k"))).await.0, 202);
        assert_eq!(said(outbound(&bridge, key, &to_alice("one", "k"))).await.0, 200);
    }
}

#[tokio::test]
async fn it_arrives_at_the_callback() {
    let receiver = Receiver::start().await;
    let setup = Setup::default()
        .set("CHANNELS__WEB__KEYS__SHOP__OUTBOUND", "own")
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__URL", &receiver.url("/"))
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__SECRET", "whsec_c2VjcmV0LW9mLXRoZS1zaG9wLTAxMjM0NTY3ODlhYmM=");
    let mut bridge = setup.start().await;
    bridge.say("alice", "hi").await;
    receiver.gets(1).await;
    receiver.next(&["500 Oops"]);
    assert_eq!(said(outbound(&bridge, KEY, &to_alice("Your parcel is here.", "parcel-7"))).await.0, 202);
    receiver.gets(2).await;
    bridge.start_again(&[]).await;
    let got = receiver.gets(3).await;
    assert_eq!(got[1].id(), got[2].id());
    let data = &got[2].json()["data"];
    assert_eq!(data["text"], "Your parcel is here.");
    assert_eq!((&data["user"], &data["from"], data.get("message")), (&json!("alice"), &json!("bot"), None));
}

#[tokio::test]
async fn who_may_not_and_what_is_not_there() {
    let bridge = bridge().await;
    bridge.say("alice", "hi").await;
    refused(bridge.client.post(bridge.url("/v1/outbound")).json(&to_alice("x", "k")), 401, "unauthorized").await;
    refused(outbound(&bridge, OTHER_KEY, &to_alice("x", "k")), 403, "not_allowed").await;
    let uid = json!({ "to": { "uid": "web-shop-alice" }, "text": "x" });
    refused(outbound(&bridge, KEY, &uid), 403, "not_allowed").await;
    refused(outbound(&bridge, OTHER_KEY, &uid), 403, "not_allowed").await;
    let to = |to: Value| json!({ "to": to, "text": "x" });
    for nobody in [json!({ "user": "bob" }), json!({ "user": "alice", "conversation": "order-7" })] {
        refused(outbound(&bridge, KEY, &to(nobody)), 404, "not_found").await;
    }
    let long = "x".repeat(256);
    for (body, field) in [
        (json!({ "text": "x" }), "to"),
        (to(json!({})), "to"),
        (to(json!("alice")), "a JSON object"),
        (to(json!(["alice"])), "a JSON object"),
        (to(json!(null)), "a JSON object"),
        (json!("x"), "a JSON object"),
        (to(json!({ "user": "alice", "uid": "u" })), "to"),
        (to(json!({ "uid": "u", "conversation": "c" })), "to"),
        (to(json!({ "user": "" })), "to.user"),
        (to(json!({ "user": "alice", "conversation": "\u{7}" })), "to.conversation"),
        (to(json!({ "user": "alice", "channel": "x" })), "channel"),
        (json!({ "to": { "user": "alice" } }), "text"),
        (json!({ "to": { "user": "alice" }, "text": " " }), "text"),
        (json!({ "to": { "user": "alice" }, "text": "x".repeat(31) }), "text"),
        (json!({ "to": { "user": "alice" }, "text": "x", "images": [] }), "images"),
        (to_alice("x", ""), "dedupe_key"),
        (to_alice("x", &long), "dedupe_key"),
    ] {
        let detail = refused(outbound(&bridge, KEY, &body), 422, "invalid").await;
        assert!(detail.contains(field) && !detail.contains("struct"), "{body}: {detail}");
    }
    let bare = bridge.client.post(bridge.url("/v1/outbound")).bearer_auth(KEY);
    refused(bare.try_clone().unwrap().body("{}"), 415, "unsupported_media_type").await;
    refused(bare.header("Content-Type", "application/json").body("{"), 400, "bad_request").await;
    assert_eq!(told(&bridge, "alice", None).await.len(), 1, "nothing was said");
}
