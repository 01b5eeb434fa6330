//! Doubt about asks with pictures.

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use image::ImageFormat;
use serde_json::{Value, json};

use crate::support::{Bridge, KEY, Setup, base64, picture};

async fn show(bridge: &Bridge, text: &str, pictures: usize) -> Value {
    let images = vec![base64(&picture(ImageFormat::Png)); pictures];
    let body = json!({ "user": "alice", "text": text, "images": images });
    let answer: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered", "{answer}");
    answer
}

async fn bridge() -> Bridge {
    Setup::default().set("PIPELINE__BREAKER__FAILURES", "1000").start().await
}

#[tokio::test]
async fn a_caption_is_looked_for_in_the_history() {
    let bridge = bridge().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::ProcessThenReset, Call::Vision));
    let answer = show(&bridge, "my cat", 1).await;
    assert!(answer["text"].as_str().unwrap().starts_with("Turn 1: you sent"), "{answer}");
    assert_eq!(bridge.asked("my cat"), (1, 1));
}

#[tokio::test]
async fn without_words_the_history_cannot_tell_and_the_ask_is_repeated() {
    let bridge = bridge().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::ProcessThenReset, Call::Vision));
    let answer = show(&bridge, "", 1).await;
    assert!(answer["text"].as_str().unwrap().starts_with("Turn 2: you sent"), "{answer}");
    assert_eq!(bridge.asks().len(), 2);
}

#[tokio::test]
async fn a_caption_is_not_given_the_answer_to_an_equal_text() {
    let bridge = bridge().await;
    bridge.say("alice", "my cat").await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Reset, Call::Vision));
    let answer = show(&bridge, "my cat", 1).await;
    assert!(answer["text"].as_str().unwrap().starts_with("Turn 2: you sent"), "{answer}");
    bridge.sandbox.push_fault(Scripted::on(Fault::Reset, Call::Talk));
    assert_eq!(bridge.say("alice", "my cat").await["text"], r#"Turn 3: you said "my cat""#);
}

#[tokio::test]
async fn of_several_pictures_only_the_one_that_failed_is_repeated() {
    let bridge = bridge().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Delay { ms: 0 }, Call::Vision));
    bridge.sandbox.push_fault(Scripted::on(Fault::status(503), Call::Vision));
    let answer = show(&bridge, "three", 3).await;
    let text = answer["text"].as_str().unwrap();
    for turn in ["Turn 1:", "Turn 2:", "Turn 3:"] {
        assert_eq!(text.matches(turn).count(), 1, "{text}");
    }
    let asks = bridge.asks();
    assert_eq!((asks.len(), asks.iter().filter(|ask| ask.processed).count()), (4, 3));
}
