//! Speaking first: what answers nobody.

use super::World;
use super::platform::Fault;
use crate::support::until;

#[tokio::test]
async fn an_announcement_is_made_once_across_a_restart() {
    let mut world = World::new("pager_first").await;
    assert!(world.announces("ann", "We open at *nine*.", "monday", "reply").await);
    assert_eq!(world.gets("ann", 1).await, ["We open at *nine*."]);
    assert!(!world.announces("ann", "We open at ten.", "monday", "reply").await, "the key is known");
    world.platform.fails(Fault::Refuse(503, "later"), Some("bob"), 0);
    assert!(world.announces("bob", "To you as well.", "monday:bob", "bulk").await);
    until("it is tried", async || !world.platform.attempts("bob").is_empty()).await;
    world.bridge.start_again(&[]).await;
    assert!(!world.announces("ann", "We open at eleven.", "monday", "reply").await);
    world.platform.heals();
    assert_eq!(world.gets("bob", 1).await, ["To you as well."]);
    world.rests().await;
    assert_eq!(world.platform.texts("ann").len(), 1);
}

#[tokio::test]
async fn an_announcement_keeps_its_place_among_answers() {
    let world = World::new("pager_place").await;
    world.platform.fails(Fault::Slow(100), Some("ann"), 0);
    world.platform.says("ann", "long 300");
    until("the answer begins", async || !world.platform.texts("ann").is_empty()).await;
    world.announces("ann", "By the way.", "1", "reply").await;
    until("the announcement is queued", async || world.open_work().await.len() < 5).await;
    let got = world.gets("ann", 4).await;
    world.rests().await;
    assert_eq!(got[3], "By the way.");
    assert_eq!(world.platform.overlaps(), 0);
}

#[tokio::test]
async fn a_broadcast_leaves_room_for_answers() {
    let world = World::new("pager_bulk").await;
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
}
