//! In groups: what is worked on, and what is not even fetched.

use serde_json::json;

use super::World;

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
