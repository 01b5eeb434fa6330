//! Out: in order, within the platform's pace, around what it refuses.

use std::time::Duration;

use serde_json::json;

use super::World;
use super::platform::Fault;
use crate::support::until;

#[tokio::test]
async fn the_pieces_of_an_answer_come_in_order() {
    let world = World::new("pager_pieces").await;
    world.platform.says("ann", "long 1000");
    world.platform.says("ann", "bye");
    until("the last answer", async || world.platform.texts("ann").concat().contains("bye")).await;
    world.rests().await;
    let got = world.platform.texts("ann");
    let whole = got[..got.len() - 1].join("\n");
    let whole: Vec<&str> = whole.split_whitespace().collect();
    let sent = world.bridge.sandbox.history("demo", "pager_pieces-ann");
    assert_eq!(sent.len(), 2);
    let numbers: Vec<&&str> = whole.iter().filter(|word| word.ends_with('.') && word.len() < 4).collect();
    assert!(
        numbers.len() > 15 && numbers.is_sorted_by_key(|n| n.trim_end_matches('.').parse::<u32>().unwrap()),
        "{numbers:?}"
    );
    let replies: Vec<_> = world.platform.delivered().into_iter().map(|got| got.reply_to).collect();
    assert_eq!(replies[0].as_deref(), Some("m1"));
    assert!(replies[1..replies.len() - 1].iter().all(Option::is_none), "only the first piece replies");
}

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
async fn a_slow_chat_holds_up_no_other() {
    let world = World::new("pager_slow").await;
    world.platform.fails(Fault::Slow(400), Some("slow"), 0);
    for n in 1..=3 {
        world.platform.says("slow", &format!("slow {n}"));
        world.platform.says("quick", &format!("quick {n}"));
    }
    world.gets("slow", 3).await;
    world.rests().await;
    let order: Vec<String> = world.platform.delivered().into_iter().map(|got| got.chat).collect();
    let last_quick = order.iter().rposition(|chat| chat == "quick").unwrap();
    let second_slow = order.iter().enumerate().filter(|(_, chat)| *chat == "slow").nth(1).unwrap().0;
    assert!(last_quick < second_slow, "{order:?}");
    assert_eq!(world.platform.overlaps(), 0);
}

#[tokio::test]
async fn a_rate_limit_pauses_its_scope_alone() {
    let world = World::new("pager_rate").await;
    world.platform.fails(Fault::RateLimited { scope: "chat", ms: 700 }, Some("ann"), 1);
    world.platform.says("ann", "long 300");
    until("the limit is hit", async || !world.platform.attempts("ann").is_empty()).await;
    world.platform.says("bob", "hello");
    world.gets("bob", 1).await;
    assert_eq!(world.platform.texts("ann").len(), 0, "bob waits for nobody");
    assert!(world.work().await.iter().all(|item| item.attempts == 0), "a pause is no attempt");
    world.gets("ann", 3).await;
    world.rests().await;
    let calls = world.platform.attempts("ann");
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [429, 200, 200, 200]);
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(690));

    world.platform.fails(Fault::RateLimited { scope: "bot", ms: 700 }, Some("ann"), 1);
    world.platform.says("ann", "again");
    until("the limit is hit", async || world.platform.attempts("ann").len() == 5).await;
    world.platform.says("bob", "again");
    world.gets("bob", 2).await;
    world.gets("ann", 4).await;
    let hit = world.platform.attempts("ann")[4].at;
    assert!(world.platform.attempts("bob")[1].at - hit >= Duration::from_millis(690), "the whole bot was to wait");
    world.rests().await;
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
async fn what_the_markup_refuses_goes_out_plain() {
    let world = World::new("pager_plain").await;
    world.platform.says("ann", "5 * 3");
    assert_eq!(world.gets("ann", 1).await, [r#"Turn 1: you said "5  3""#]);
    world.rests().await;
    assert!(!world.platform.delivered()[0].stars);
    assert_eq!(world.platform.attempts("ann").iter().map(|call| call.status).collect::<Vec<_>>(), [400, 200]);
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
async fn a_chat_that_is_gone_ends_all_that_waits_for_it() {
    let world = World::new("pager_gone").await;
    world.platform.fails(Fault::Slow(300), Some("ann"), 1);
    world.platform.fails(Fault::Refuse(403, "gone"), Some("ann"), 1);
    world.platform.says("ann", "long 600");
    world.platform.says("bob", "hello");
    until("it is gone", async || world.platform.attempts("ann").iter().any(|call| call.status == 403)).await;
    world.rests().await;
    assert_eq!(world.platform.attempts("ann").len(), 2, "nothing more is tried");
    assert_eq!(world.counted("bridge_sends_total", &[("result", "target_gone")]).await, 1);
    world.gets("bob", 1).await;
    world.platform.says("ann", "back again");
    world.gets("ann", 2).await;
    world.rests().await;
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

#[tokio::test]
async fn a_refused_token_pauses_the_channel_and_buries_nothing() {
    let world = World::new("pager_token").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    for user in ["ann", "bob"] {
        world.platform.says(user, "long 300");
    }
    until("both are asked", async || world.bridge.sandbox.in_flight() == 2).await;
    world.platform.set_token("another");
    until("the token is refused", async || !world.platform.attempts("ann").is_empty()).await;
    until("health says so", async || world.state().await == "bad_credentials").await;
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered", "the other channel works");
    world.platform.set_token(super::TOKEN);
    for user in ["ann", "bob"] {
        world.gets(user, 3).await;
    }
    world.rests().await;
    assert_eq!(world.platform.delivered().len(), 6);
    assert!(world.work().await.is_empty());
    until("it is connected again", async || world.state().await == "connected").await;
}
