//! Out: in order, within the platform's pace, around what it refuses.

use std::time::Duration;

use serde_json::json;

use super::World;
use super::platform::Fault;
use crate::support::until;

#[tokio::test]
async fn a_chat_is_written_to_in_sequence_whoever_is_answered() {
    let world = World::new("pager_chat").await;
    world.platform.fails(Fault::Slow(5), Some("g1"), 0);
    let users = ["ann", "bob", "cid", "dan"];
    for n in 1..=8 {
        for user in users {
            world.platform.says_with(user, json!({ "chat": "g1", "text": format!("{user} {n}") }));
        }
    }
    let got = world.gets("g1", 32).await;
    world.rests().await;
    assert_eq!(world.platform.overlaps(), 0);
    assert_eq!(world.platform.texts("g1").len(), 32);
    for user in users {
        let own: Vec<&String> = got.iter().filter(|text| text.contains(user)).collect();
        let wanted: Vec<String> = (1..=8).map(|n| format!("Turn {n}: you said \"{user} {n}\"")).collect();
        assert!(own.iter().copied().eq(&wanted), "{own:?}");
    }
}

#[tokio::test]
async fn a_pause_that_comes_with_a_receipt_is_kept() {
    let world = World::new("pager_rest").await;
    world.platform.fails(Fault::Rest(500), Some("ann"), 1);
    world.platform.says("ann", "long 200");
    world.gets("ann", 2).await;
    let calls = world.platform.attempts("ann");
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(490));
    world.rests().await;
}

#[tokio::test]
async fn a_piece_that_is_refused_ends_its_answer_with_one_notice_and_the_next_goes_on() {
    let world = World::new("pager_refused").await;
    world.platform.fails_on(Fault::Refuse(400, "policy"), None, Some("3. The"), 0);
    world.platform.says_with("ann", json!({ "text": "long 600", "from": { "id": "ann", "lang": "zh-Hant" } }));
    world.platform.says("ann", "bye");
    until("the last answer", async || world.platform.texts("ann").concat().contains("bye")).await;
    world.rests().await;
    let got = world.platform.texts("ann");
    assert_eq!(got.len(), 3, "{got:?}");
    assert!(got[0].contains("1. The") && !got[0].contains("3. The"));
    assert_eq!(got[1], "（這則回覆的其餘部分無法送出。）");
    assert_eq!(world.counted("bridge_sends_total", &[("result", "rejected")]).await, 1);
    assert_eq!(world.counted("bridge_sends_total", &[("result", "plain")]).await, 1);
}

#[tokio::test]
async fn a_chat_that_has_moved_takes_its_messages_along() {
    let world = World::new("pager_moved").await;
    world.platform.fails(Fault::Moved("new"), Some("old"), 0);
    world.platform.says_with("ann", json!({ "chat": "old", "text": "long 300" }));
    world.platform.says_with("ann", json!({ "chat": "old", "text": "bye" }));
    until("all has arrived", async || world.platform.texts("new").concat().contains("bye")).await;
    world.rests().await;
    let got = world.platform.texts("new");
    assert_eq!(got.len(), 4, "{got:?}");
    assert!(got[0].starts_with("1. ") && got[3].contains("bye"), "{got:?}");
    assert_eq!(world.platform.texts("old").len(), 0);
    assert!(world.platform.attempts("old").len() <= 2, "what waited moved too");
}

#[tokio::test]
async fn an_address_that_ends_has_a_fallback() {
    let world = World::new("pager_reply").await;
    let says = |user: &str, text: &str, token: &str, valid: u64| {
        world.platform.says_with(user, json!({ "text": text, "reply": [token, valid] }));
    };
    world.platform.reply_token("works", Some("ann"));
    says("ann", "one", "works", 60_000);
    world.gets("ann", 1).await;
    says("ann", "two", "refused", 60_000);
    world.gets("ann", 2).await;
    assert_eq!(world.platform.attempts("").len(), 1);
    says("ann", "long 200", "expired", 0);
    world.gets("ann", 4).await;
    world.rests().await;
    assert_eq!(world.platform.attempts("").len(), 1, "an address that has expired is not tried");
    let by_reply: Vec<bool> = world.platform.delivered().iter().map(|got| got.by_reply).collect();
    assert_eq!(by_reply, [true, false, false, false]);
}
