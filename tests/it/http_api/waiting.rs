//! How long a request waits, and what is read later.

use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Bridge, KEY, Setup, until};

/// Checks a 202 and reads its id.
async fn accepted(response: Response) -> String {
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(response.headers().contains_key("retry-after"));
    let view: Value = response.json().await.unwrap();
    assert_eq!(view["state"], "pending");
    assert_eq!(view["replies"], json!([]));
    let id = view["id"].as_str().unwrap();
    assert_eq!(location, format!("/v1/messages/{id}"));
    id.to_owned()
}

#[tokio::test]
async fn respond_async_answers_at_once_and_the_message_is_read_later() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(600));
    let id = accepted(bridge.message("alice", "hi").header("Prefer", "respond-async").send().await.unwrap()).await;
    let path = format!("/v1/messages/{id}");
    accepted(bridge.get(KEY, &path).send().await.unwrap()).await;
    let waited = bridge.get(KEY, &path).header("Prefer", "wait=20").send().await.unwrap();
    assert_eq!(waited.status(), 200);
    let waited: Value = waited.json().await.unwrap();
    assert_eq!(waited["text"], r#"Turn 1: you said "hi""#);
    let read: Value = bridge.get(KEY, &path).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, waited);
}

#[tokio::test]
async fn a_wait_ends_with_202_and_with_both_preferences_the_wait_counts() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(1_600));
    let send = async |user: &str, prefer: &str| {
        let began = Instant::now();
        let response = bridge.message(user, "hi").header("Prefer", prefer).send().await.unwrap();
        (accepted(response).await, began.elapsed())
    };
    let (one, both) = tokio::join!(send("a", "wait=1"), send("b", "respond-async, wait=1"));
    for (id, took) in [one, both] {
        assert!(took >= Duration::from_millis(990), "{took:?}");
        assert_eq!(bridge.ended(KEY, &id).await["state"], "answered");
    }
    bridge.sandbox.set_latency(Duration::ZERO);
    let quick = bridge.message("c", "hi").header("Prefer", "respond-async, wait=20").send().await.unwrap();
    assert_eq!(quick.status(), 200, "answered within the wait");
}

#[tokio::test]
async fn the_channel_has_a_wait_and_bounds_what_is_preferred() {
    let bridge =
        Setup::default().set("CHANNELS__WEB__WAIT", "50ms").set("CHANNELS__WEB__MAX_WAIT", "100ms").start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk).times(0));
    accepted(bridge.message("a", "hi").send().await.unwrap()).await;
    let began = Instant::now();
    let id = accepted(bridge.message("b", "hi").header("Prefer", "wait=60").send().await.unwrap()).await;
    accepted(bridge.get(KEY, &format!("/v1/messages/{id}")).header("Prefer", "wait=60").send().await.unwrap()).await;
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_request_that_waits_when_the_bridge_stops_is_told_where_its_answer_will_be() {
    let mut bridge = Setup::default().set("SERVER__GRACE_PERIOD", "300ms").start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk));
    let waiting = tokio::spawn(bridge.message("alice", "hi").send());
    until("the ask is open", async || bridge.asks().len() == 1).await;
    bridge.stop().await;
    let id = accepted(waiting.await.unwrap().unwrap()).await;
    bridge.start_again(&[]).await;
    let view = bridge.ended(KEY, &id).await;
    assert_eq!(view["text"], r#"Turn 1: you said "hi""#);
    assert_eq!(bridge.asked("hi"), (2, 1), "the first was cut off before it was carried out");
}
