//! Who may talk to the bot, and who is told that they may not.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::support::until;

async fn denied(world: &World) -> u64 {
    world.counted("bridge_events_total", &[("result", "not_allowed")]).await
}

fn in_group(world: &World, user: &str, chat: &str, text: &str, mention: bool) {
    world.platform.says_with(user, json!({ "chat": chat, "group": true, "text": text, "mention": mention }));
}

#[tokio::test]
async fn an_allowed_person_in_private_and_everybody_in_an_allowed_group() {
    let world = World::with("pager_lists", |setup| {
        setup
            .set("CHANNELS__PAGER_LISTS__ACCESS__ALLOW_USERS", "ann, eve")
            .set("CHANNELS__PAGER_LISTS__ACCESS__ALLOW_CHATS", "g1")
            .set("CHANNELS__PAGER_LISTS__ACCESS__DENY_USERS", "eve")
            .set("PIPELINE__USER_RATE", "1")
            .set("PIPELINE__USER_BURST", "1")
    })
    .await;
    world.platform.says("ann", "from ann");
    for n in 1..=5 {
        world.platform.says("zed", &format!("from zed {n}"));
    }
    world.platform.says("eve", "from eve");
    in_group(&world, "eve", "g1", "from eve in the group", true);
    in_group(&world, "zed", "g2", "from zed elsewhere", true);
    in_group(&world, "zed", "g2", "to somebody elsewhere", false);
    // Those who were not let in have used none of their rate up.
    in_group(&world, "zed", "g1", "from zed in the group", true);
    world.gets("ann", 1).await;
    world.gets("g1", 1).await;
    world.rests().await;
    let mut asked = world.asked();
    asked.sort();
    assert_eq!(asked, ["from ann", "from zed in the group"]);
    assert_eq!(denied(&world).await, 9);
    assert_eq!(world.platform.delivered().len(), 2, "nobody is told anything");
    world.platform.repeats_itself();
    world.rests().await;
    assert_eq!((denied(&world).await, world.asked().len()), (9, 2));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_once_if_there_are_words_for_it() {
    let world = World::with("pager_told", |setup| {
        setup
            .set("CHANNELS__PAGER_TOLD__ACCESS__ALLOW_CHATS", "g1")
            .set("TEXTS__EN__NOT_ALLOWED", "This bot is for our members.")
    })
    .await;
    in_group(&world, "zed", "g2", "not for the bot", false);
    world.bridge.sandbox.set_latency(Duration::from_millis(700));
    in_group(&world, "zed", "g1", "in the group", true);
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    for n in 1..=5 {
        world.platform.says("zed", &n.to_string());
    }
    let chinese = json!({ "id": "liu", "name": "Liu", "lang": "zh-TW" });
    world.platform.says_with("liu", json!({ "text": "hi", "from": chinese }));
    assert_eq!(world.gets("zed", 1).await, ["This bot is for our members."]);
    world.rests().await;
    assert_eq!(world.platform.texts("zed").len(), 1, "once for the burst");
    assert_eq!(world.platform.texts("liu").len() + world.platform.texts("g2").len(), 0);
    assert_eq!(world.asked(), ["in the group"]);
    let ended =
        async |outcome| world.counted("bridge_turns_total", &[("outcome", outcome), ("reason", "not_allowed")]).await;
    assert_eq!((ended("explained").await, ended("dropped").await), (1, 1), "there are no words in Liu's language");
    assert_eq!(denied(&world).await, 5);
    world.platform.says("zed", "again");
    world.gets("zed", 2).await;
    world.rests().await;
}

#[tokio::test]
async fn admins_have_their_commands_and_no_rate() {
    let world = World::with("pager_admins", |setup| {
        setup
            .set("CHANNELS__PAGER_ADMINS__ACCESS__ADMINS", "ann")
            .set("CHANNELS__PAGER_ADMINS__ACCESS__DENY_USERS", "ann")
            .set("CHANNELS__PAGER_ADMINS__ACCESS__ADMIN_COMMANDS", "reset, history")
            .set("PIPELINE__USER_RATE", "1")
            .set("PIPELINE__USER_BURST", "2")
    })
    .await;
    for text in ["one", "two", "three", "/reset"] {
        world.platform.says("ann", text);
    }
    for text in ["/reset", "/id"] {
        world.platform.says("bob", text);
    }
    world.platform.says_with("cid", json!({ "chat": "g1", "group": true, "text": "/reset" }));
    let ann = world.gets("ann", 4).await;
    let bob = world.gets("bob", 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one", "two", "three"]);
    assert!(ann[3].contains("new conversation"), "{ann:?}");
    assert_eq!(bob[0], "Only administrators may use this command.");
    assert!(bob[1].contains("pager_admins-bob"), "{bob:?}");
    assert_eq!(world.platform.texts("g1").len(), 0, "who did not address the bot is told nothing");
    let explained = [("outcome", "explained"), ("reason", "admins_only")];
    assert_eq!(world.counted("bridge_turns_total", &explained).await, 1);
}

#[tokio::test]
async fn an_album_counts_once_and_stays_together() {
    let world =
        World::with("pager_whole", |setup| setup.set("PIPELINE__USER_RATE", "1").set("PIPELINE__USER_BURST", "2"))
            .await;
    let member = |album: &str, text: &str| world.platform.says_with("ann", json!({ "album": album, "text": text }));
    for text in ["a1", "a2", "a3"] {
        member("a", text);
    }
    for text in ["b1", "b2", "b3"] {
        member("b", text);
    }
    for text in ["c1", "c2", "c3"] {
        member("c", text);
    }
    world.gets("ann", 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["a1\na2\na3", "b1\nb2\nb3"]);
    let told = world.platform.texts("ann").into_iter().filter(|text| text.starts_with("You are writing faster"));
    assert!(told.count() >= 1);
    let label = |result| [("result", result)];
    assert_eq!(world.counted("bridge_events_total", &label("joined")).await, 4, "of a refused album no member joins");
}
