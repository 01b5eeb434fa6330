//! `messages` and `uids`: order, pages, bounds.

use std::time::Duration;

use caigunn_bridge::sandbox::{SandboxOptions, SettingsPatch};
use serde_json::Value;

use super::{World, refused};

fn said(list: &[Value]) -> Vec<&str> {
    list.iter().map(|entry| entry["receive"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn messages_are_paged_in_the_order_chosen() {
    let world = World::plain().await;
    for n in 1..=5 {
        world.say("u", &format!("m{n}")).await;
    }
    assert_eq!(said(&world.list("u", "").await), ["m5", "m4", "m3", "m2", "m1"]);
    assert_eq!(said(&world.list("u", "offset=1&limit=2").await), ["m4", "m3"]);
    assert_eq!(said(&world.list("u", "offset=4&limit=30").await), ["m1"]);
    assert!(world.list("u", "offset=9").await.is_empty());
    assert!(world.list("u", "limit=0").await.is_empty());
    assert!(world.list("stranger", "").await.is_empty());

    world.sandbox.change(&SettingsPatch { newest_first: Some(false), max_limit: Some(3), ..SettingsPatch::default() });
    assert_eq!(said(&world.list("u", "limit=1000").await), ["m1", "m2", "m3"]);
    assert_eq!(said(&world.list("u", "offset=3").await), ["m4", "m5"]);
    for query in ["limit=-1", "limit=x", "offset=1.5", "start_at=soon", "end_at=2024-13-01"] {
        let request = world.get(&format!("/chatbot/messages?{query}")).header("uid", "u");
        assert_eq!(refused(request).await.0, 400, "{query}");
    }
    assert_eq!(refused(world.get("/chatbot/messages")).await.0, 400);
}

#[tokio::test]
async fn a_message_has_the_documented_fields() {
    let world = World::plain().await;
    world.say("u", "hello").await;
    let list = world.list("u", "").await;
    let keys: Vec<_> = list[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["created_at", "receive", "send", "type", "id", "log_type", "kwargs"]);
    assert_eq!(list[0]["send"], "Turn 1: you said \"hello\"");
    assert_eq!(list[0]["type"], "text");
    let at = list[0]["created_at"].as_str().unwrap();
    assert!(at.len() == "2026-01-01T00:00:00.000000Z".len() && at.ends_with('Z'), "{at}");
    assert!(uuid::Uuid::parse_str(list[0]["id"].as_str().unwrap()).is_ok());

    // Which side is the participant's is open in the documents.
    let swapped = SettingsPatch { participant_is_receive: Some(false), ..SettingsPatch::default() };
    world.sandbox.change(&swapped);
    assert_eq!(world.list("u", "").await[0]["send"], "hello");
}

#[tokio::test]
async fn bounds_are_inclusive_and_have_many_forms() {
    let world = World::plain().await;
    world.say("u", "old").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.say("u", "new").await;
    let list = world.list("u", "").await;
    let (new, old) = (list[0]["created_at"].as_str().unwrap(), list[1]["created_at"].as_str().unwrap());

    assert_eq!(said(&world.list("u", &format!("start_at={new}")).await), ["new"]);
    assert_eq!(said(&world.list("u", &format!("end_at={old}")).await), ["old"]);
    assert_eq!(said(&world.list("u", &format!("start_at={old}&end_at={new}")).await), ["new", "old"]);
    let spaced = new.replace('T', "%20").replace('Z', "");
    assert_eq!(said(&world.list("u", &format!("start_at={spaced}")).await), ["new"]);
    assert_eq!(world.list("u", "start_at=1970-1-1&end_at=2999-12-31").await.len(), 2);
    assert_eq!(world.list("u", "start_at=1970-01-01T00:00:00%2B08:00&end_at=now").await.len(), 2);
    assert!(world.list("u", "start_at=2999-1-1").await.is_empty());
    assert!(world.list("u", "end_at=1970-01-02").await.is_empty());
}

#[tokio::test]
async fn uids_list_every_conversation_by_its_last_message() {
    let world = World::plain().await;
    for (uid, text) in [("u1", "a"), ("u2", "b"), ("u1", "c")] {
        world.say(uid, text).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let list = async |query: &str| {
        let answer = world.get(&format!("/chatbot/uids?{query}")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["uids"].as_array().unwrap().clone()
    };
    let all = list("offset=0&limit=30&start_at=1970-1-1&end_at=now").await;
    let uids: Vec<_> = all.iter().map(|entry| entry["uid"].as_str().unwrap()).collect();
    assert_eq!(uids, ["u1", "u2"]);
    let keys: Vec<_> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["uid", "nickname", "source", "last_sent", "last_sent_at"]);
    assert_eq!(all[0]["nickname"], "Ann");
    assert_eq!(all[0]["last_sent"], "Turn 2: you said \"c\"");
    assert_eq!(list("offset=1&limit=1").await[0]["uid"], "u2");
    let after = all[1]["last_sent_at"].as_str().unwrap();
    assert_eq!(list(&format!("end_at={after}")).await.len(), 1);
}

#[tokio::test]
async fn a_nickname_filters_only_where_that_reading_is_chosen() {
    let world = World::plain().await;
    world.say("u", "x").await;
    assert_eq!(world.list("u", "nickname=Bob").await.len(), 1);
    world.sandbox.change(&SettingsPatch { nickname_filters: Some(true), ..SettingsPatch::default() });
    assert!(world.list("u", "nickname=Bob").await.is_empty());
    assert_eq!(world.list("u", "nickname=Ann").await.len(), 1);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let world = World::new(SandboxOptions { history_limit: 2, log_limit: 2, ..SandboxOptions::default() }).await;
    for n in 1..=3 {
        assert_eq!(world.say("u", "x").await, format!("Turn {n}: you said \"x\""));
    }
    assert_eq!(world.sandbox.history("demo", "u").len(), 2);
    let counted: Vec<_> = world.sandbox.log().iter().map(|entry| (entry.n, entry.processed)).collect();
    assert_eq!(counted, [(2, true), (3, true)]);

    world.sandbox.change(&SettingsPatch { keep_history: Some(false), ..SettingsPatch::default() });
    assert_eq!(world.say("v", "x").await, "Turn 1: you said \"x\"");
    assert_eq!(world.say("v", "x").await, "Turn 2: you said \"x\"");
    assert!(world.sandbox.history("demo", "v").is_empty());
}
