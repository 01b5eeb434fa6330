//! Over a bound nothing is stored, and the caller is told when to come again.

use std::time::Duration;

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use image::ImageFormat;
use reqwest::multipart::Form;
use reqwest::{Body, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_api::file;
use crate::support::{Bridge, KEY, OTHER_KEY, PATIENCE, Setup, picture, problem, until};

/// Checks a 429 and reads its `Retry-After`.
async fn refused(response: Response, code: &str) -> u64 {
    let after = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let (status, document) = problem(response).await;
    assert_eq!((status, &document["code"], &document["retry_after"]), (429, &json!(code), &json!(after)));
    after
}

#[tokio::test]
async fn a_key_has_a_rate() {
    let bridge = Setup::default().set("CHANNELS__WEB__KEYS__SHOP__RATE_PER_MINUTE", "3").start().await;
    for user in ["a", "b", "c"] {
        bridge.say(user, "hi").await;
    }
    let after = refused(bridge.message("d", "refused").send().await.unwrap(), "rate_limited").await;
    assert!((1..=20).contains(&after), "{after}");
    let reading = bridge.get(KEY, "/v1/conversations/a/history").send().await.unwrap();
    refused(reading, "rate_limited").await;
    let other = bridge.post(OTHER_KEY, &json!({ "user": "a", "text": "hi" })).send().await.unwrap();
    assert_eq!(other.status(), 200, "another key has its own");
    assert_eq!(bridge.asked("refused"), (0, 0));
}

#[tokio::test]
async fn a_user_has_a_rate() {
    let bridge = Setup::default().set("PIPELINE__USER_RATE", "1").set("PIPELINE__USER_BURST", "2").start().await;
    bridge.say("alice", "one").await;
    bridge.say("alice", "two").await;
    let third = bridge.message("alice", "three").header("Idempotency-Key", "k").send().await.unwrap();
    let after = refused(third, "rate_limited").await;
    assert!((1..=60).contains(&after), "{after}");
    bridge.say("bob", "one").await;
    let desk = bridge.post(OTHER_KEY, &json!({ "user": "alice", "text": "one" })).send().await.unwrap();
    assert_eq!(desk.status(), 200, "the same name under another key is another user");
    assert_eq!(bridge.asked("three"), (0, 0));
}

#[tokio::test]
async fn the_twenty_first_that_waits_is_refused_and_taken_later() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(40));
    bridge.sandbox.push_fault(Scripted::on(Fault::Delay { ms: 700 }, Call::Talk));
    let mut ids = Vec::new();
    for n in 1..=20 {
        ids.push(bridge.hand_in("alice", &format!("m{n}")).await);
    }
    let one_more = || bridge.message("alice", "m21").header("Idempotency-Key", "k");
    refused(one_more().send().await.unwrap(), "too_many_pending").await;
    bridge.say("bob", "hi").await;
    for (n, id) in (1..).zip(&ids) {
        let view = bridge.ended(KEY, id).await;
        assert_eq!(view["text"], format!("Turn {n}: you said \"m{n}\""));
    }
    let later: Value = one_more().send().await.unwrap().json().await.unwrap();
    assert_eq!(later["text"], r#"Turn 21: you said "m21""#);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_cut() {
    let bridge = Setup::default().set("SERVER__HEADER_TIMEOUT", "200ms").start().await;
    let mut stream = tokio::net::TcpStream::connect(bridge.addr).await.unwrap();
    stream.write_all(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthori").await.unwrap();
    let mut answer = Vec::new();
    // The server cuts it; a reset is as good as an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection is cut");
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn large_messages_that_wait_for_an_answer_keep_no_others_out() {
    let bridge = Bridge::new().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Vision).times(0));
    let send = |n: usize| {
        let form = Form::new().text("user", format!("u{n}")).part("images", file(picture(ImageFormat::Png)));
        // Of unknown length, so that each counts as a large one while it is read.
        let content_type = format!("multipart/form-data; boundary={}", form.boundary());
        let request =
            bridge.client.post(bridge.url("/v1/messages")).bearer_auth(KEY).header("Content-Type", content_type);
        tokio::spawn(request.body(Body::wrap_stream(form.into_stream())).send())
    };
    let waiting: Vec<_> = (0..8).map(send).collect();
    until("all are asked", async || bridge.asks().len() == waiting.len()).await;
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
