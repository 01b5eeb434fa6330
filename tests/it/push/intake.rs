//! In: acknowledged after the commit, known when it comes again, put together, judged.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::support::until;

#[tokio::test]
async fn the_platform_is_acknowledged_after_the_commit() {
    let world = World::new("pager_ack").await;
    until("the first poll", async || world.platform.polls() > 0).await;
    let file = world.bridge.folder().join("bridge.db");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.platform.says("ann", "hello");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.platform.acknowledged(), 0, "the store cannot take it");
    lock.execute_batch("ROLLBACK").unwrap();
    until("the next offset", async || world.platform.acknowledged() == 1).await;
    let stored = lock.query_row("SELECT count(*) FROM journal WHERE key = 'm:ann:m1'", [], |row| row.get::<_, i64>(0));
    assert_eq!(stored, Ok(1));
    assert_eq!(world.gets("ann", 1).await, [r#"Turn 1: you said "hello""#]);
    world.rests().await;
}

#[tokio::test]
async fn what_comes_again_is_counted_and_dropped_across_a_restart() {
    let mut world = World::new("pager_again").await;
    world.platform.says("ann", "one");
    world.platform.says("ann", "two");
    world.gets("ann", 2).await;
    world.platform.repeats_itself();
    world.rests().await;
    world.bridge.start_again(&[]).await;
    world.platform.repeats_itself();
    world.rests().await;
    assert_eq!(world.counted("bridge_events_total", &[("result", "duplicate")]).await, 6);
    assert_eq!(world.asked(), ["one", "two"]);
    assert_eq!(world.platform.texts("ann").len(), 2);
}

#[tokio::test]
async fn an_edit_counts_until_the_ask() {
    let world = World::new("pager_edit").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    let first = world.platform.says("ann", "first");
    until("the first ask", async || world.bridge.sandbox.in_flight() == 1).await;
    let second = world.platform.says("ann", "second");
    let edit = |message: &str, revision: u32, text: &str| {
        world
            .platform
            .happens("ann", json!({ "type": "edit", "message": message, "revision": revision, "text": text }));
    };
    edit(&first, 1, "too late");
    edit(&second, 1, "second, edited");
    world.gets("ann", 2).await;
    edit(&second, 2, "later still");
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second, edited"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "edited")]).await, 1);
    assert_eq!(world.counted("bridge_events_total", &[("result", "edited_too_late")]).await, 2);
}

#[tokio::test]
async fn an_album_is_one_turn_and_a_late_member_another() {
    let world = World::new("pager_album").await;
    world.platform.keeps_file("f1", super::media::png());
    let member = |text: &str| {
        let media = json!([{ "kind": "image", "file": "f1" }]);
        world.platform.says_with("ann", json!({ "album": "a1", "text": text, "media": media }))
    };
    for text in ["which is best?", "", ""] {
        member(text);
    }
    until("the album is answered", async || world.platform.texts("ann").concat().contains("Turn 3")).await;
    member("one more");
    until("the late member is answered", async || world.platform.texts("ann").concat().contains("one more")).await;
    world.rests().await;
    let asked = world.bridge.sandbox.log();
    let texts: Vec<_> = asked.iter().map(|ask| ask.text.as_deref().unwrap_or_default()).collect();
    assert_eq!(texts, ["which is best?", "", "", "one more"], "one ask for each picture, the caption with the first");
    assert_eq!(world.counted("bridge_events_total", &[("result", "joined")]).await, 2);
    let replies: Vec<_> = world.platform.delivered().into_iter().filter_map(|got| got.reply_to).collect();
    assert_eq!(replies, ["m1", "m4"], "two answers, each to its first message");
}

#[tokio::test]
async fn an_album_is_held_across_a_restart() {
    let mut world = World::with("pager_held", |setup| setup.set("CHANNELS__PAGER_HELD__ALBUM", "3s")).await;
    let member = |world: &World, text: &str| world.platform.says_with("ann", json!({ "album": "a1", "text": text }));
    member(&world, "one");
    until("the first member is stored", async || world.platform.acknowledged() == 1).await;
    world.bridge.start_again(&[]).await;
    member(&world, "two");
    world.gets("ann", 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one\ntwo"]);
}

#[tokio::test]
async fn in_a_group_only_what_addresses_the_bot_is_worked_on() {
    let world = World::new("pager_group").await;
    world.platform.keeps_file("f1", super::media::png());
    let media = json!([{ "kind": "image", "file": "f1" }]);
    let said = |fields: serde_json::Value| {
        let mut all = json!({ "chat": "g1", "group": true });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.platform.says_with("ann", all)
    };
    said(json!({ "text": "lunch?", "media": media }));
    world.rests().await;
    assert_eq!(world.platform.downloads(), [] as [&str; 0], "nobody asked for it");
    said(json!({ "text": "", "album": "a1", "media": media }));
    said(json!({ "text": "@bot what is it?", "album": "a1", "media": media, "mention": true }));
    world.gets("g1", 1).await;
    world.platform.happens("ann", json!({ "type": "joined", "chat": "g1", "at": 5 }));
    world.platform.happens("ann", json!({ "type": "removed", "chat": "g1", "at": 6 }));
    world.platform.happens("ann", json!({ "type": "hologram", "chat": "g1" }));
    world.rests().await;
    assert_eq!(world.asked().len(), 2, "one addressed member of an album is enough");
    assert_eq!(world.counted("bridge_turns_total", &[("reason", "not_addressed")]).await, 1);
    assert_eq!(world.counted("bridge_turns_total", &[("reason", "no_answer_needed")]).await, 2);
}

#[tokio::test]
async fn commands_are_carried_out_in_order_with_messages() {
    let world = World::new("pager_commands").await;
    for text in ["/help", "/id", "hello", "/lang klingon", "/lang zh-TW", "/reset", "again", "/history 5"] {
        world.platform.says("ann", text);
    }
    until("the last answer", async || world.platform.texts("ann").concat().contains("› again")).await;
    world.rests().await;
    let got = world.platform.texts("ann");
    let place =
        |part: &str| got.iter().position(|text| text.contains(part)).unwrap_or_else(|| panic!("{part}: {got:?}"));
    let parts = [
        "/help – what I can do",
        "Your id is pager_commands-ann",
        "Turn 1: you said \"hello\"",
        "/lang en or /lang zh-TW",
        "之後的通知會使用繁體中文",
        "已經開始新的對話",
        "Turn 1: you said \"again\"",
        "› again",
    ];
    assert!(parts.map(place).is_sorted(), "{got:?}");
    assert_eq!(world.asked(), ["hello", "again"]);
    let uids: Vec<_> = world.bridge.sandbox.log().into_iter().filter_map(|entry| entry.text.and(entry.uid)).collect();
    assert_ne!(uids[0], uids[1], "a new conversation has a new uid");
}
