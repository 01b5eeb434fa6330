//! Speaking first: what answers nobody.

use serde_json::{Value, json};

use super::World;
use super::platform::Fault;
use crate::support::{KEY, until};

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

/// Says something over the HTTP channel to whoever has this uid: status and answer.
async fn speaks(world: &World, uid: &str, dedupe_key: &str) -> (u16, Value) {
    let body = json!({ "to": { "uid": uid }, "text": "We open at *nine*.", "dedupe_key": dedupe_key });
    let request = world.bridge.client.post(world.bridge.url("/v1/outbound")).bearer_auth(KEY).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn whoever_the_bridge_knows_is_spoken_to_by_uid() {
    let mut world = World::with("pager_uid", |setup| setup.set("CHANNELS__WEB__KEYS__SHOP__OUTBOUND", "all")).await;
    assert_eq!(speaks(&world, "pager_uid-ann", "1").await.0, 404, "who has never written");
    world.platform.says("ann", "hello");
    world.gets("ann", 1).await;
    assert_eq!(speaks(&world, "pager_uid-ann", "1").await, (202, json!({ "state": "queued" })));
    assert_eq!(world.gets("ann", 2).await[1], "We open at *nine*.", "in that channel's own form");
    assert_eq!(speaks(&world, "pager_uid-ann", "1").await, (200, json!({ "state": "duplicate" })));
    world.platform.says("ann", "/reset");
    world.gets("ann", 3).await;
    for (uid, status) in
        [("pager_uid-ann-.g1", 202), ("pager_uid-ann-.g0", 404), ("pager_uid-ann-.g2", 404), ("ann", 404)]
    {
        assert_eq!(speaks(&world, uid, uid).await.0, status, "{uid}");
    }
    world.gets("ann", 4).await;
    world.platform.set_down(true);
    assert_eq!(speaks(&world, "pager_uid-ann", "3").await.0, 202);
    world.bridge.start_again(&[]).await;
    assert_eq!(speaks(&world, "pager_uid-ann", "3").await.0, 200);
    world.platform.set_down(false);
    world.gets("ann", 5).await;
    world.rests().await;
    assert_eq!(world.platform.texts("ann").len(), 5);
    world.bridge.start_again(&[("CHANNELS__PAGER_UID__ENABLED", "false")]).await;
    let (status, problem) = speaks(&world, "pager_uid-ann", "4").await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("pager_uid"), "{problem}");
}
