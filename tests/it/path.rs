//! A message in, an answer out.

use serde_json::{Value, json};

use crate::support::{Bridge, KEY, OTHER_KEY, Setup, until};

#[tokio::test]
async fn a_text_is_answered() {
    let bridge = Bridge::new().await;
    let first = bridge.say("alice", "hello").await;
    assert_eq!(first["state"], "answered");
    assert_eq!(first["text"], r#"Turn 1: you said "hello""#);
    assert_eq!(first["replies"], json!([{ "text": first["text"], "voice": "bot" }]));
    let second = bridge.say("alice", "again 小明 🎈").await;
    assert_eq!(second["text"], r#"Turn 2: you said "again 小明 🎈""#);
    let id = first["id"].as_str().unwrap();
    let read: Value = bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, first);
}

#[tokio::test]
async fn equal_names_under_two_keys_are_two_people() {
    let bridge = Bridge::new().await;
    bridge.say("alice", "one").await;
    let other = bridge.post(OTHER_KEY, &json!({ "user": "alice", "text": "two" })).send().await.unwrap();
    let other: Value = other.json().await.unwrap();
    assert_eq!(other["text"], r#"Turn 1: you said "two""#);
    let uids: Vec<String> = bridge.sandbox.log().into_iter().filter_map(|entry| entry.uid).collect();
    assert_eq!(uids, ["web-shop-alice", "web-desk-alice"]);
    let id = other["id"].as_str().unwrap();
    let foreign = bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap();
    assert_eq!(foreign.status(), 404, "one key cannot read another's message");
}

#[tokio::test]
async fn a_picture_is_answered_and_a_bad_one_does_not_fail_the_others() {
    let bridge = Setup::default().start().await;
    let png = picture();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &png);
    let body = json!({ "user": "alice", "text": "what are these?", "images": [encoded, "bm8gcGljdHVyZQ==", encoded] });
    let answer: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered", "{answer}");
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("png") || text.contains("PNG"), "{text}");
    assert!(text.contains("I could not read picture 2."), "{text}");
    assert!(text.contains("what are these?"), "{text}");
    let asked: Vec<_> = bridge.sandbox.log();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].text.as_deref(), Some("what are these?"));
    assert_eq!(asked[1].text.as_deref().unwrap_or_default(), "", "the caption goes with the first");
}

fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let red = image::RgbImage::from_pixel(40, 30, image::Rgb([220, 20, 30]));
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An alert on growth needs a number to grow from.
#[tokio::test]
async fn what_alerts_count_is_there_from_the_start() {
    let bridge = Bridge::new().await;
    for line in [
        "bridge_sends_total{channel=\"web\",result=\"gave_up\"} ",
        "bridge_breaker_opened_total{bot=\"main\"} ",
        "bridge_reloads_total{result=\"refused\"} ",
        concat!("bridge_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        until(line, async || bridge.metrics().await.contains(line)).await;
    }
}
