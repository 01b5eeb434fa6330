//! A listener that fails: started again, reported, and nobody else's trouble.

use super::World;
use crate::support::until;

#[tokio::test]
async fn a_platform_that_is_down_stops_neither_the_other_channel_nor_itself_for_ever() {
    let world = World::new("pager_down").await;
    until("it is connected", async || world.state().await == "connected").await;
    world.platform.set_down(true);
    until("health says so", async || world.state().await == "reconnecting").await;
    let page = world.bridge.ready().await;
    assert_eq!(page["status"], "ok", "the other channel is ready: {page}");
    assert!(page["warnings"][0].as_str().unwrap().contains("polling is answered with 503"), "{page}");
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered");
    world.platform.says("ann", "hello");
    world.platform.set_down(false);
    world.gets("ann", 1).await;
    until("it is connected again", async || world.state().await == "connected").await;
    world.rests().await;
}

#[tokio::test]
async fn a_platform_that_was_never_there_is_tried_again_and_again() {
    let world =
        World::with("pager_absent", |setup| setup.set("CHANNELS__PAGER_ABSENT__URL", "http://127.0.0.1:9")).await;
    until("health says so", async || world.state().await == "reconnecting").await;
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered");
}

#[tokio::test]
async fn maintenance_is_done_once_after_the_start_and_again_until_it_succeeds() {
    let mut world = World::new("pager_duty").await;
    until("the commands are set", async || world.platform.commands() == 1).await;
    world.platform.fail_commands(1);
    world.bridge.start_again(&[]).await;
    until("they are set again", async || world.platform.commands() == 2).await;
}

#[tokio::test]
async fn maintenance_is_repeated_where_the_platform_may_forget() {
    let world = World::with("pager_again", |setup| setup.set("CHANNELS__PAGER_AGAIN__MAINTAIN_EVERY", "100ms")).await;
    until("the commands are set again and again", async || world.platform.commands() >= 3).await;
}

#[tokio::test]
async fn a_connection_that_dies_without_a_word_is_noticed() {
    let world = World::with("pager_mute", |setup| setup.set("CHANNELS__PAGER_MUTE__HEARD_EVERY", "2s")).await;
    until("it is connected", async || world.state().await == "connected").await;
    world.platform.set_mute(true);
    until("health says so", async || world.state().await == "stalled").await;
    let page = world.bridge.ready().await;
    assert_eq!(page["status"], "ok", "the other channel is ready: {page}");
    assert!(page["warnings"][0].as_str().unwrap().contains("nothing heard for"), "{page}");
    let channels = page["channels"].as_array().unwrap();
    let of = |name: &str| channels.iter().find(|channel| channel["name"] == name).unwrap();
    assert!(of("pager_mute")["last_heard"].as_f64().unwrap() > 2.0, "{page}");
    assert!(of("web").get("last_heard").is_none(), "{page}");
    world.platform.says("ann", "hello");
    world.platform.set_mute(false);
    world.gets("ann", 1).await;
    until("it is connected again", async || world.state().await == "connected").await;
}

#[tokio::test]
async fn somebody_else_who_polls_is_named() {
    let world = World::new("pager_rival").await;
    until("it is connected", async || world.state().await == "connected").await;
    world.platform.set_rival(true);
    until("health says so", async || world.state().await == "conflict").await;
    let page = world.bridge.ready().await;
    assert!(page["warnings"][0].as_str().unwrap().contains("stop the other program"), "{page}");
    world.platform.set_rival(false);
    until("it is connected again", async || world.state().await == "connected").await;
}
