//! Sending again safely.

use std::time::Duration;

use image::ImageFormat;
use reqwest::multipart::Form;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::http_api::{file, post_form};
use crate::support::{Bridge, KEY, OTHER_KEY, Setup, base64, picture, problem};

async fn send(request: RequestBuilder, key: &str) -> Response {
    request.header("Idempotency-Key", key).send().await.unwrap()
}

/// A replayed answer.
async fn replayed(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["idempotent-replayed"], "true");
    response.json().await.unwrap()
}

#[tokio::test]
async fn the_same_request_is_answered_again_without_being_asked_again() {
    let mut bridge = Bridge::new().await;
    let first = send(bridge.message("alice", "hi"), "k-1").await;
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first: Value = first.json().await.unwrap();
    assert_eq!(replayed(send(bridge.message("alice", "hi"), "k-1").await).await, first);
    assert_eq!(
        replayed(send(bridge.message("alice", "hi"), "\"k-1\"").await).await,
        first,
        "the quoted form is the same key"
    );
    let form = Form::new().text("user", "alice").text("text", "hi");
    assert_eq!(
        replayed(send(post_form(&bridge, KEY, form), "k-1").await).await,
        first,
        "the form of the body is not content"
    );
    bridge.start_again(&[]).await;
    assert_eq!(replayed(send(bridge.message("alice", "hi"), "k-1").await).await, first, "keys survive a restart");
    assert_eq!(bridge.asked("hi"), (1, 1));
}

#[tokio::test]
async fn a_message_with_a_picture_is_the_same_in_both_forms() {
    let bridge = Bridge::new().await;
    let png = picture(ImageFormat::Png);
    let body = json!({ "user": "alice", "text": "look", "nickname": "Al", "conversation": "c", "lang": "en", "images": [base64(&png)] });
    let first: Value = send(bridge.post(KEY, &body), "k").await.json().await.unwrap();
    let fields = || [("user", "alice"), ("text", "look"), ("nickname", "Al"), ("conversation", "c"), ("lang", "en")];
    let form = |png| {
        fields().into_iter().fold(Form::new().part("images", file(png)), |form, (name, value)| form.text(name, value))
    };
    assert_eq!(replayed(send(post_form(&bridge, KEY, form(png.clone())), "k").await).await, first);
    let mut other = png;
    *other.last_mut().unwrap() ^= 1;
    let (status, reused) = problem(send(post_form(&bridge, KEY, form(other)), "k").await).await;
    assert_eq!((status, &reused["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(bridge.asks().len(), 1);
}

#[tokio::test]
async fn while_in_progress_it_is_409_and_another_content_is_422() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(700));
    let first = send(bridge.message("alice", "hi").header("Prefer", "respond-async"), "k").await;
    assert_eq!(first.status(), 202);
    let location = first.headers()["location"].to_str().unwrap().to_owned();

    let busy = send(bridge.message("alice", "hi"), "k").await;
    assert_eq!(busy.headers()["location"], location.as_str());
    assert!(busy.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let (status, busy) = problem(busy).await;
    assert_eq!((status, &busy["code"]), (409, &json!("in_progress")));

    let base = json!({ "user": "alice", "text": "hi" });
    for (field, value) in [("user", "bob"), ("text", "ho"), ("nickname", "n"), ("conversation", "c"), ("lang", "en")] {
        let mut other = base.clone();
        other[field] = value.into();
        let (status, reused) = problem(send(bridge.post(KEY, &other), "k").await).await;
        assert_eq!((status, &reused["code"]), (422, &json!("idempotency_key_reused")), "{field}");
    }
    let answer: Value =
        bridge.get(KEY, &location).header("Prefer", "wait=20").send().await.unwrap().json().await.unwrap();
    assert_eq!(replayed(send(bridge.message("alice", "hi"), "k").await).await, answer);
    assert_eq!(bridge.asks().len(), 1);
}

#[tokio::test]
async fn keys_belong_to_an_api_key() {
    let bridge = Bridge::new().await;
    let body = json!({ "user": "alice", "text": "hi" });
    let (shop, desk) = (send(bridge.post(KEY, &body), "k").await, send(bridge.post(OTHER_KEY, &body), "k").await);
    assert!(!desk.headers().contains_key("idempotent-replayed"));
    let (shop, desk): (Value, Value) = (shop.json().await.unwrap(), desk.json().await.unwrap());
    assert_ne!(shop["id"], desk["id"]);
    assert_eq!(bridge.asks().len(), 2);
}

#[tokio::test]
async fn of_many_at_once_one_is_asked() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(100));
    let png = base64(&picture(ImageFormat::Png));
    let body = json!({ "user": "alice", "text": "hi", "images": [png] });
    let all = (0..12).map(|_| send(bridge.post(KEY, &body), "k"));
    let mut answered = 0;
    for response in futures_util::future::join_all(all).await {
        match response.status().as_u16() {
            200 => answered += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert!(answered >= 1);
    assert_eq!(bridge.asks().len(), 1);
}

#[tokio::test]
async fn a_reset_can_be_sent_again_too() {
    let bridge = Bridge::new().await;
    let reset = || bridge.client.post(bridge.url("/v1/conversations/alice/reset")).bearer_auth(KEY);
    bridge.say("alice", "one").await;
    let first: Value = send(reset(), "k").await.json().await.unwrap();
    bridge.say("alice", "two").await;
    assert_eq!(replayed(send(reset(), "k").await).await, first);
    let three = bridge.say("alice", "three").await;
    assert_eq!(three["text"], r#"Turn 2: you said "three""#, "the replay reset nothing");
    let (status, reused) = problem(send(bridge.message("alice", "hi"), "k").await).await;
    assert_eq!((status, &reused["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test]
async fn a_replay_uses_up_no_rate() {
    let bridge = Setup::default().set("PIPELINE__USER_RATE", "1").set("PIPELINE__USER_BURST", "1").start().await;
    let first: Value = send(bridge.message("alice", "hi"), "k-1").await.json().await.unwrap();
    let (status, limited) = problem(send(bridge.message("alice", "more"), "k-2").await).await;
    assert_eq!((status, &limited["code"]), (429, &json!("rate_limited")));
    assert_eq!(replayed(send(bridge.message("alice", "hi"), "k-1").await).await, first);
}
