//! Added, removed, blocked, moved: the bot's standing in a chat.

use std::time::Duration;

use caigunn_bridge::contract::store::{Upkeep, WorkFilter, WorkItem};
use serde_json::json;

use super::World;
use super::platform::Fault;
use crate::support::until;

#[tokio::test]
async fn the_bot_greets_where_it_is_wanted() {
    let world = World::new("pager_greets").await;
    let joins = |chat: &str, at: u64, welcome: bool, lang: &str| {
        let from = json!({ "id": chat, "name": "Ann", "lang": lang });
        let update = json!({ "type": "joined", "chat": chat, "at": at, "welcome": welcome, "from": from });
        world.platform.happens("ann", update);
    };
    joins("g1", 1, true, "en");
    joins("g2", 2, true, "zh-TW");
    joins("g3", 3, false, "en");
    world.platform.says("bob", "/start");
    assert!(world.gets("g1", 1).await[0].starts_with("Hello!"));
    assert!(world.gets("g2", 1).await[0].starts_with("您好"));
    let started = world.gets("bob", 1).await;
    assert_eq!(started, world.platform.texts("g1"));
    world.rests().await;
    assert_eq!(world.platform.texts("g3").len(), 0);
    assert!(world.platform.delivered().iter().all(|got| !got.stars), "plain");
    assert!(world.asked().is_empty());
    world.platform.says("bob", "/help");
    let help = world.gets("bob", 2).await.concat();
    assert!(!help.contains("/start"), "{help}");
}

#[tokio::test]
async fn what_the_bridge_says_itself_is_plain() {
    let world = World::new("pager_plain_id").await;
    world.platform.says("*_ann_*", "/id");
    let got = world.gets("*_ann_*", 1).await;
    world.rests().await;
    assert!(got[0].starts_with("Your id is "), "{got:?}");
    assert!(world.platform.delivered().iter().all(|got| !got.stars));
}

async fn dropped(world: &World) -> u64 {
    world.counted("bridge_sends_dropped_total", &[("reason", "target_gone")]).await
}

#[tokio::test]
async fn who_blocks_the_bot_gets_nothing_more_until_they_are_back() {
    let mut world = World::new("pager_blocked").await;
    world.platform.fails(Fault::RateLimited { scope: "chat", ms: 60_000 }, Some("ann"), 1);
    world.platform.says("ann", "long 300");
    until("its answer waits", async || world.platform.attempts("ann").len() == 1).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(700));
    world.platform.says("ann", "asked");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.says("ann", "waiting");
    until("all is taken", async || world.platform.acknowledged() == world.platform.happened()).await;
    world.platform.happens("ann", json!({ "type": "blocked", "at": 1 }));
    world.rests().await;
    assert_eq!(world.asked(), ["long 300", "asked"], "what nobody had begun is not asked");
    assert_eq!(world.platform.attempts("ann").len(), 1);
    let gone = [("outcome", "dropped"), ("reason", "target_gone")];
    assert_eq!(world.counted("bridge_turns_total", &gone).await, 1);
    assert_eq!(dropped(&world).await, 4, "three pieces that waited, and one answer that came too late");
    assert!(world.work().await.is_empty(), "nothing is left to look after");
    assert!(world.announces("ann", "news", "n1", "bulk").await, "accepted");
    world.bridge.start_again(&[]).await;
    assert!(!world.announces("ann", "news", "n1", "bulk").await, "and known");
    assert!(world.announces("ann", "more news", "n2", "bulk").await);
    world.rests().await;
    assert_eq!(world.platform.attempts("ann").len(), 1);
    assert_eq!(dropped(&world).await, 6);
    world.platform.happens("ann", json!({ "type": "unblocked", "at": 2 }));
    until("they are back", async || world.platform.acknowledged() == world.platform.happened()).await;
    world.announces("ann", "welcome back", "n3", "bulk").await;
    assert_eq!(world.gets("ann", 1).await, ["welcome back"]);
    world.rests().await;
}

#[tokio::test]
async fn what_the_platform_says_at_a_send_is_remembered_until_somebody_writes() {
    let world = World::new("pager_refuses").await;
    world.platform.fails(Fault::Refuse(403, "gone"), Some("ann"), 1);
    world.platform.says("ann", "hello");
    until("it is refused", async || world.platform.attempts("ann").len() == 1).await;
    world.rests().await;
    assert!(world.announces("ann", "news", "n1", "bulk").await);
    world.rests().await;
    assert_eq!((world.platform.attempts("ann").len(), dropped(&world).await), (1, 2));
    world.platform.says("ann", "back");
    world.gets("ann", 1).await;
    world.announces("ann", "more news", "n2", "bulk").await;
    assert_eq!(world.gets("ann", 2).await[1], "more news");
}

#[tokio::test]
async fn what_was_not_delivered_is_listed_with_the_platforms_words_and_sent_once_all_is_well() {
    let world = World::new("pager_undelivered").await;
    world.platform.fails(Fault::Refuse(403, "gone"), Some("ann"), 1_000);
    world.platform.says("ann", "long 300");
    until("it is refused", async || world.platform.attempts("ann").len() == 1).await;
    world.rests().await;
    assert!(world.announces("ann", "news", "n1", "bulk").await);
    world.rests().await;
    let store = world.beside();
    let filter = || WorkFilter { gone: true, ..WorkFilter::default() };
    let gone = |item: &WorkItem| item.reason.as_deref() == Some("target_gone");
    let listed = store.work(filter()).await.unwrap();
    assert!(listed.iter().all(gone), "{listed:?}");
    let words = listed[0].error.clone().unwrap();
    assert!(words.contains("gone") && listed.iter().all(|item| item.error.as_ref() == Some(&words)), "{listed:?}");
    assert_eq!(listed.len(), 4, "the pieces of an answer, and what was announced since");
    // Too early: the platform says so again, and all of them end again.
    for item in &listed {
        store.retry(item.id).await.unwrap();
    }
    until("it is refused again, and all have ended", async || {
        let listed = store.work(filter()).await.unwrap();
        world.platform.attempts("ann").len() > 1 && listed.len() == 4 && listed.iter().all(gone)
    })
    .await;
    world.platform.heals();
    for item in store.work(filter()).await.unwrap() {
        store.retry(item.id).await.unwrap();
    }
    let got = world.gets("ann", 4).await;
    assert!(got[0].starts_with("1. ") && got[3] == "news", "{got:?}");
    world.rests().await;
    assert!(store.work(filter()).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_chat_that_says_that_it_moves_takes_everything_along() {
    let world = World::with("pager_moves", |setup| setup.set("CHANNELS__PAGER_MOVES__SCOPE", "user_in_chat")).await;
    let says = |user: &str, chat: &str, text: &str| {
        world.platform.says_with(user, json!({ "chat": chat, "group": true, "mention": true, "text": text }));
    };
    // One piece is in hand, two wait behind it; one turn is being asked and one waits.
    world.platform.fails(Fault::RateLimited { scope: "chat", ms: 1_500 }, Some("old"), 1);
    says("ann", "old", "long 300");
    until("the limit is hit", async || world.platform.attempts("old").len() == 1).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    says("ann", "old", "asked");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    says("ann", "old", "waiting");
    world.platform.happens("ann", json!({ "type": "moved", "chat": "old", "to": "new" }));
    let got = world.gets("new", 5).await;
    world.rests().await;
    assert!(got[0].starts_with("1. ") && got[3].contains("asked") && got[4].contains("waiting"), "{got:?}");
    assert_eq!(world.platform.attempts("old").len(), 1, "nothing is sent to the old chat any more");
    assert_eq!(world.platform.texts("new").len(), 5);
    assert_eq!(world.platform.overlaps(), 0);
    says("ann", "new", "goes on");
    world.gets("new", 6).await;
    let uids: Vec<_> = world.bridge.sandbox.log().into_iter().filter_map(|entry| entry.text.and(entry.uid)).collect();
    assert!(uids.windows(2).all(|pair| pair[0] == pair[1]), "it is the same conversation: {uids:?}");
    world.platform.happens("ann", json!({ "type": "moved", "chat": "old", "to": "new" }));
    world.rests().await;
}

#[tokio::test]
async fn a_shared_conversation_is_called_after_its_chat() {
    let world = World::with("pager_title", |setup| setup.set("CHANNELS__PAGER_TITLE__SCOPE", "chat")).await;
    let group = json!({ "chat": "g1", "group": true, "mention": true, "title": "The family", "text": "hi" });
    world.platform.says_with("ann", group);
    world.gets("g1", 1).await;
    world.platform.says("ann", "hello");
    world.gets("ann", 1).await;
    let names: Vec<_> =
        world.bridge.sandbox.log().into_iter().filter_map(|entry| entry.text.and(entry.nickname)).collect();
    assert_eq!(names, ["The family", "ann"]);
    world.rests().await;
}

#[tokio::test]
async fn a_message_that_is_edited_after_it_was_asked_is_asked_again_if_so_wished() {
    let world = World::with("pager_late", |setup| setup.set("CHANNELS__PAGER_LATE__LATE_EDITS", "true")).await;
    let edit = |message: &str, revision: u32, text: &str| {
        let update = json!({ "type": "edit", "message": message, "revision": revision, "text": text });
        world.platform.happens("ann", update);
    };
    let first = world.platform.says("ann", "first");
    world.gets("ann", 1).await;
    edit(&first, 1, "first");
    edit("m77", 1, "from before the bot was there");
    edit(&first, 2, "second");
    world.gets("ann", 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "edited_too_late")]).await, 2);
    let replies: Vec<_> = world.platform.delivered().into_iter().filter_map(|got| got.reply_to).collect();
    assert_eq!(replies, [first.as_str(), first.as_str()], "both answers name the message");
}
