//! Whoever shares a conversation reads it; nobody else does, whatever the channel's `scope`.

use serde_json::{Value, json};

use crate::support::sse::Stream;
use crate::support::{Bridge, KEY, Setup, problem};

async fn token(bridge: &Bridge, path: &str, key: &str, wanted: Value) -> String {
    let response = bridge.client.post(bridge.url(path)).bearer_auth(key).json(&wanted).send().await.unwrap();
    assert_eq!(response.status(), 201);
    response.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

async fn said(bridge: &Bridge, token: &str, text: &str) -> Value {
    let response = bridge.post(token, &json!({ "text": text })).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn first_heard(bridge: &Bridge, token: &str) -> String {
    let whose: Value = bridge.get(token, "/v1/session").send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/conversations/{}/events?last=200", whose["user"].as_str().unwrap());
    Stream::open(bridge.get(token, &path)).await.next().await.unwrap().text().to_owned()
}

#[tokio::test]
async fn people_who_name_no_conversation_share_none() {
    for scope in ["chat", "thread", "user", "user_in_chat"] {
        let setup = Setup::default().set("CHANNELS__WEB__SCOPE", scope).set("CHANNELS__WEB__PLAYGROUND", "true");
        let bridge = setup.start().await;
        let alice = token(&bridge, "/v1/sessions", KEY, json!({ "user": "alice" })).await;
        let bob = token(&bridge, "/v1/sessions", KEY, json!({ "user": "bob" })).await;
        let one = token(&bridge, "/chat/session", KEY, json!({})).await;
        let two = token(&bridge, "/chat/session", KEY, json!({})).await;
        let everybody = [&alice, &bob, &one, &two];
        let mut ids = Vec::new();
        for token in everybody {
            let answer = said(&bridge, token, "mine").await;
            assert_eq!(answer["text"], r#"Turn 1: you said "mine""#, "{scope}: each is a conversation of its own");
            ids.push(answer["id"].as_str().unwrap().to_owned());
        }
        for (own, token) in everybody.iter().enumerate() {
            for (n, id) in ids.iter().enumerate() {
                let status = bridge.get(token, &format!("/v1/messages/{id}")).send().await.unwrap().status();
                assert_eq!(status.as_u16(), if n == own { 200 } else { 404 }, "{scope}: {n} read by {own}");
            }
            assert_eq!(first_heard(&bridge, token).await, "mine");
        }
        let of_backend = bridge.get(KEY, &format!("/v1/messages/{}", ids[0])).send().await.unwrap();
        assert_eq!(of_backend.status(), 200, "{scope}");
        assert_eq!(bridge.get(KEY, &format!("/v1/messages/{}", ids[2])).send().await.unwrap().status(), 404);
    }
}

#[tokio::test]
async fn a_shared_conversation_is_shared_by_those_who_name_it() {
    let bridge = Setup::default().set("CHANNELS__WEB__SCOPE", "chat").start().await;
    let of = async |user: &str, conversation: &str| {
        token(&bridge, "/v1/sessions", KEY, json!({ "user": user, "conversation": conversation })).await
    };
    let (alice, bob, eve) = (of("alice", "room").await, of("bob", "room").await, of("eve", "another").await);
    let id = said(&bridge, &alice, "hi all").await["id"].as_str().unwrap().to_owned();
    assert_eq!(first_heard(&bridge, &bob).await, "hi all");
    let path = format!("/v1/messages/{id}");
    assert_eq!(bridge.get(&bob, &path).send().await.unwrap().status(), 200);
    assert_eq!(problem(bridge.get(&eve, &path).send().await.unwrap()).await.0, 404);
}
