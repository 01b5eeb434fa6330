//! Patience ends: the sender is told, the message is listed, and it can be given a new start.

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use serde_json::{Value, json};

use crate::support::{KEY, Setup, until};

#[tokio::test]
async fn what_is_given_up_is_explained_listed_and_can_be_retried() {
    let bridge = Setup::default()
        .set("PIPELINE__GIVE_UP_AFTER", "1s")
        .set("PIPELINE__RECOVERY_WINDOW", "0s")
        .set("PIPELINE__BREAKER__FAILURES", "10000")
        .start()
        .await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Html502, Call::Talk).times(0));
    let english = bridge.say("alice", "hello");
    let chinese = bridge.post(KEY, &json!({ "user": "小明", "text": "你在嗎", "lang": "zh-TW" }));
    let (english, chinese) =
        tokio::join!(english, async { chinese.send().await.unwrap().json::<Value>().await.unwrap() });
    for (dead, notice) in [
        (&english, "Sorry, I could not get an answer just now. Please try again later."),
        (&chinese, "抱歉，目前無法取得回覆，請稍後再試。"),
    ] {
        assert_eq!((&dead["state"], &dead["reason"]), (&json!("dead"), &json!("gave_up")));
        assert_eq!(dead["replies"], json!([{ "text": notice, "voice": "notice" }]));
    }
    assert!(bridge.asked("hello").0 > 2, "it was tried more than once");

    let id = english["id"].as_str().unwrap();
    let listed = bridge.command(&["messages", "list", "--dead"]).await;
    let line = listed.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("gave_up") && !line.contains("hello"), "{line}");

    bridge.sandbox.clear_faults();
    assert_eq!(bridge.say("alice", "next").await["text"], r#"Turn 1: you said "next""#, "nothing stays behind");
    bridge.command(&["messages", "retry", id]).await;
    until("the retried message is answered", async || {
        let view: Value = bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().json().await.unwrap();
        view["state"] == "answered"
    })
    .await;
    assert_eq!(bridge.asked("hello").1, 1);
    let view: Value = bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(view["text"], r#"Turn 2: you said "hello""#, "{view}");
    assert_eq!(view["replies"].as_array().unwrap().len(), 2, "what was told before stays on record: {view}");
}
