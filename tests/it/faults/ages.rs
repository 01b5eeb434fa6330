//! A message whose turn comes too late.

use std::time::Duration;

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use serde_json::{Value, json};

use crate::support::{KEY, Setup, until};

#[tokio::test]
async fn what_is_too_old_at_its_turn_gets_an_apology_in_the_senders_language() {
    let bridge = Setup::default().set("CHANNELS__WEB__MAX_AGE", "1s").start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Delay { ms: 1_600 }, Call::Talk).times(2));
    let mut late = Vec::new();
    for (user, lang) in [("alice", "en"), ("小明", "zh-TW")] {
        let send = async |text: &str| {
            let body = json!({ "user": user, "text": text, "lang": lang });
            let sent = bridge.post(KEY, &body).header("Prefer", "respond-async").send().await.unwrap();
            let view: Value = sent.json().await.unwrap();
            view["id"].as_str().unwrap().to_owned()
        };
        let first = send("slow one").await;
        late.push((first, send("late one").await));
    }
    until("both are asked", async || bridge.asked("slow one").0 == 2).await;
    let notices = [
        "Sorry, I was away for a while and did not get to your message. Please send it again if it still matters.",
        "抱歉，我剛才離線了一段時間，沒有處理到您的訊息。如果仍有需要，請再傳一次。",
    ];
    for ((first, late), notice) in late.iter().zip(notices) {
        assert_eq!(bridge.ended(KEY, first).await["state"], "answered", "what was begun in time is finished");
        let late = bridge.ended(KEY, late).await;
        assert_eq!((&late["state"], &late["reason"]), (&json!("explained"), &json!("too_old")));
        assert_eq!(late["replies"], json!([{ "text": notice, "voice": "notice" }]));
    }
    assert_eq!(bridge.asked("late one"), (0, 0));
    assert_eq!(bridge.say("alice", "now").await["state"], "answered");
}

#[tokio::test]
async fn an_age_counts_across_a_restart_and_a_reset_is_done_however_late() {
    let mut bridge = Setup::default().set("PIPELINE__MAX_AGE", "1s").set("SERVER__GRACE_PERIOD", "0s").start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk).times(0));
    let hangs = bridge.hand_in("alice", "hangs").await;
    let reset = bridge
        .client
        .post(bridge.url("/v1/conversations/alice/reset"))
        .bearer_auth(KEY)
        .header("Prefer", "respond-async");
    let reset: Value = reset.send().await.unwrap().json().await.unwrap();
    until("it is asked", async || bridge.asked("hangs").0 == 1).await;
    bridge.stop().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    bridge.sandbox.clear_faults();
    bridge.start_again(&[]).await;
    let ended = bridge.ended(KEY, &hangs).await;
    assert_eq!(ended["reason"], "too_old", "{ended}");
    assert_eq!(bridge.ended(KEY, reset["id"].as_str().unwrap()).await["state"], "answered");
    assert_eq!(bridge.say("alice", "now").await["text"], r#"Turn 1: you said "now""#);
}
