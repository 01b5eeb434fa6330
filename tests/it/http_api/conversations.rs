//! Reset, history, and whose they are.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Bridge, KEY, OTHER_KEY, problem};

fn reset(bridge: &Bridge, key: &str, user: &str) -> RequestBuilder {
    bridge.client.post(bridge.url(&format!("/v1/conversations/{user}/reset"))).bearer_auth(key)
}

/// What was said to the chatbot in a conversation, as the API shows it.
async fn history(bridge: &Bridge, key: &str, path: &str) -> Vec<String> {
    let response = bridge.get(key, &format!("/v1/conversations/{path}")).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let page: Value = response.json().await.unwrap();
    let messages = page["messages"].as_array().unwrap();
    for message in messages {
        assert!(message["at"].is_string() && message["sent"].is_string(), "{message}");
    }
    // The sandbox calls what the bot received `receive`.
    messages.iter().map(|message| message["received"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_reset_takes_its_turn_and_what_follows_is_a_new_conversation() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(150));
    let before = bridge.hand_in("alice", "before").await;
    let done = reset(&bridge, KEY, "alice").header("Prefer", "respond-async").send().await.unwrap();
    assert_eq!(done.status(), 202);
    let done: Value = done.json().await.unwrap();
    let after = bridge.hand_in("alice", "after").await;
    assert_eq!(bridge.ended(KEY, &after).await["text"], r#"Turn 1: you said "after""#);
    assert_eq!(bridge.ended(KEY, &before).await["text"], r#"Turn 1: you said "before""#);
    let done = bridge.ended(KEY, done["id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], &done["text"]), (&json!("answered"), &json!("Done: this is a new conversation.")));

    let uids: Vec<String> = bridge.asks().into_iter().filter_map(|ask| ask.uid).collect();
    assert_eq!(uids.len(), 2, "a reset is not asked");
    assert_ne!(uids[0], uids[1]);
    assert_eq!(bridge.sandbox.history("demo", &uids[0]).len(), 1);
    assert_eq!(history(&bridge, KEY, "alice/history").await, ["after"], "the old one is not mixed in");
    bridge.say("alice", "more").await;
    assert_eq!(history(&bridge, KEY, "alice/history").await, ["after", "more"]);
}

#[tokio::test]
async fn history_is_the_newest_exchanges_oldest_first_of_one_conversation() {
    let bridge = Bridge::new().await;
    assert!(history(&bridge, KEY, "alice/history").await.is_empty(), "nobody has written yet");
    for n in 1..=4 {
        bridge.say("alice", &format!("m{n}")).await;
    }
    let body = json!({ "user": "alice", "text": "elsewhere", "conversation": "order/7 ü" });
    assert_eq!(bridge.post(KEY, &body).send().await.unwrap().status(), 200);
    assert_eq!(history(&bridge, KEY, "alice/history").await, ["m1", "m2", "m3", "m4"]);
    assert_eq!(history(&bridge, KEY, "alice/history?limit=2").await, ["m3", "m4"]);
    assert_eq!(history(&bridge, KEY, "alice/history?limit=200").await.len(), 4);
    assert_eq!(history(&bridge, KEY, "alice/history?conversation=order%2F7%20%C3%BC").await, ["elsewhere"]);
    for (query, status, code) in [
        ("limit=0", 422, "invalid"),
        ("after=1", 400, "bad_request"),
        ("limit=201", 422, "invalid"),
        ("limit=x", 400, "bad_request"),
        ("q=1", 400, "bad_request"),
    ] {
        let response = bridge.get(KEY, &format!("/v1/conversations/alice/history?{query}")).send().await.unwrap();
        let (got, refused) = problem(response).await;
        assert_eq!((got, &refused["code"]), (status, &json!(code)), "{query}");
    }
}

#[tokio::test]
async fn a_reset_of_one_conversation_leaves_the_others() {
    let bridge = Bridge::new().await;
    let say = async |text: &str, conversation: &str| {
        let body = json!({ "user": "a/b c", "text": text, "conversation": conversation });
        let answer: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
        answer["text"].as_str().unwrap().to_owned()
    };
    say("one", "x").await;
    say("one", "y").await;
    let done = reset(&bridge, KEY, "a%2Fb%20c").query(&[("conversation", "x")]).send().await.unwrap();
    assert_eq!(done.status(), 200);
    assert_eq!(say("two", "x").await, r#"Turn 1: you said "two""#);
    assert_eq!(say("two", "y").await, r#"Turn 2: you said "two""#);
}

#[tokio::test]
async fn one_key_touches_nothing_of_another() {
    let bridge = Bridge::new().await;
    let id = bridge.say("alice", "mine").await["id"].as_str().unwrap().to_owned();
    for wait in ["wait=0", "wait=1"] {
        let foreign = bridge.get(OTHER_KEY, &format!("/v1/messages/{id}")).header("Prefer", wait).send().await.unwrap();
        let (status, foreign) = problem(foreign).await;
        assert_eq!((status, &foreign["code"]), (404, &json!("not_found")));
    }
    assert!(history(&bridge, OTHER_KEY, "alice/history").await.is_empty());
    assert_eq!(reset(&bridge, OTHER_KEY, "alice").send().await.unwrap().status(), 200);
    let mine = bridge.say("alice", "still mine").await;
    assert_eq!(mine["text"], r#"Turn 2: you said "still mine""#);
    assert_eq!(history(&bridge, KEY, "alice/history").await, ["mine", "still mine"]);
}

#[tokio::test]
async fn the_reset_notice_is_in_the_persons_language() {
    let bridge = Bridge::new().await;
    let body = json!({ "user": "小明", "text": "你好", "lang": "zh-HK" });
    assert_eq!(bridge.post(KEY, &body).send().await.unwrap().status(), 200);
    let done: Value = reset(&bridge, KEY, "小明").send().await.unwrap().json().await.unwrap();
    assert_eq!(done["text"], "好的，已經開始新的對話。");
}
