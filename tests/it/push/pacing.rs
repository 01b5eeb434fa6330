//! Within the rates that the platform publishes, which it counts strictly.

use serde_json::json;

use super::World;
use super::platform::Fault;
use crate::support::until;

/// A world whose platform and channel agree on the rates.
async fn paced(id: &str, rates: &str) -> World {
    let world = World::with(id, |setup| setup.set(&format!("CHANNELS__{}__RATES", id.to_uppercase()), rates)).await;
    world.platform.limit(rates);
    world
}

#[tokio::test]
async fn many_chats_at_once_never_overrun_a_strict_window_and_keep_their_order() {
    let world = paced("pager_paced", "chat: 1/100ms, group: 4/500ms, bot 15/200ms").await;
    // Some calls are longer on their way than others.
    for chat in ["c1", "c12", "c23", "group1"] {
        world.platform.fails(Fault::Slow(60), Some(chat), 0);
    }
    for n in 0..40 {
        world.platform.says(&format!("c{n}"), "long 200");
    }
    for n in 1..=4 {
        for group in ["group1", "group2"] {
            world.platform.says_with("ann", json!({ "chat": group, "text": format!("word {n}") }));
        }
    }
    for n in 0..40 {
        let got = world.gets(&format!("c{n}"), 2).await;
        assert!(got[0].starts_with("1. "), "{got:?}");
    }
    for group in ["group1", "group2"] {
        let got = world.gets(group, 4).await;
        assert!((1..=4).all(|n| got[n - 1].contains(&format!("word {n}"))), "{got:?}");
    }
    world.rests().await;
    assert_eq!(world.platform.violations(), [""; 0]);
    assert_eq!(world.platform.overlaps(), 0);
    assert_eq!(world.platform.delivered().len(), 88);
}

#[tokio::test]
async fn chats_that_must_wait_hold_up_no_other_and_take_up_no_call() {
    // More of them than calls are made at once.
    const CHATS: usize = 70;
    let world = paced("pager_ahead", "chat: 1/1h").await;
    for n in 0..CHATS {
        world.platform.says(&format!("c{n}"), "long 200");
    }
    until("each has its first", async || world.platform.delivered().len() == CHATS).await;
    until("the others wait", async || world.open_work().await.len() == CHATS).await;
    world.platform.says("ann", "hello");
    world.gets("ann", 1).await;
    assert_eq!(world.platform.delivered().len(), CHATS + 1);
    assert_eq!(world.platform.violations(), [""; 0]);
}

#[tokio::test]
async fn a_reply_passes_a_broadcast_by() {
    let world = paced("pager_first_paced", "bot 2/200ms").await;
    for n in 0..60 {
        assert!(world.announces(&format!("c{n}"), "news", &n.to_string(), "bulk").await);
    }
    until("the broadcast has begun", async || world.platform.delivered().len() >= 2).await;
    world.platform.says("ann", "hello");
    world.gets("ann", 1).await;
    let before = world.platform.delivered().iter().filter(|got| got.text == "news").count();
    assert!(before < 60, "the answer waited for the whole broadcast");
    until("the broadcast is done", async || world.platform.delivered().len() == 61).await;
    world.rests().await;
    assert_eq!(world.platform.violations(), [""; 0]);
}

#[tokio::test]
async fn bulk_that_waits_for_a_call_keeps_no_place_from_replies() {
    let world = paced("pager_bulk_paced", "bot 30/200ms").await;
    world.platform.fails_on(Fault::Slow(150), None, Some("news"), 0);
    for n in 0..100 {
        assert!(world.announces(&format!("c{n}"), "news", &n.to_string(), "bulk").await);
    }
    world.platform.says("ann", "hello");
    world.gets("ann", 1).await;
    let before = world.platform.delivered().iter().filter(|got| got.text == "news").count();
    assert!(before < 100, "the answer waited for the whole broadcast");
    until("the broadcast is done", async || world.platform.delivered().len() == 101).await;
    world.rests().await;
    assert_eq!(world.platform.violations(), [""; 0]);
}

#[tokio::test]
async fn what_waits_for_its_time_is_no_open_send_after_a_crash() {
    let mut world = paced("pager_paced_crash", "chat: 1/1h").await;
    for user in ["ann", "bob"] {
        world.platform.says(user, "long 200");
    }
    for user in ["ann", "bob"] {
        world.gets(user, 1).await;
    }
    until("the first sends are recorded", async || world.open_work().await.len() == 2).await;
    world.bridge.crash().await;
    world.bridge.start_again(&[("CHANNELS__PAGER_PACED_CRASH__RATES", "")]).await;
    for user in ["ann", "bob"] {
        world.gets(user, 2).await;
    }
    world.rests().await;
    assert_eq!(world.platform.delivered().len(), 4);
    for result in ["resent", "dropped", "deduped"] {
        assert_eq!(world.counted("bridge_sends_in_doubt_total", &[("result", result)]).await, 0);
    }
}
