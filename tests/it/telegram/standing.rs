//! Added, removed, blocked: where the bot may write, and what becomes of what waits.

use std::time::Duration;

use super::World;
use super::platform::{Draft, Fault};
use crate::support::until;

const ANN: i64 = 7;
const TEA: i64 = -1_001_000_000_001;

/// Telegram asks for a pause of five seconds in a chat.
const REST: Fault = Fault::Refuse(429, "Too Many Requests: retry later");

async fn dropped(world: &World) -> u64 {
    world.counted("bridge_sends_dropped_total", &[("reason", "target_gone")]).await
}

fn calls(world: &World, chat: i64) -> usize {
    world.platform.attempts("sendMessage").iter().filter(|attempt| attempt.chat == Some(chat)).count()
}

#[tokio::test]
async fn it_greets_when_it_is_added_if_so_wished() {
    for (id, welcome) in [("tg_welcome_off", "false"), ("tg_welcome_on", "true")] {
        let world = World::keyed(id, &[("WELCOME", welcome)]).await;
        world.platform.user(ANN, "Ann", Some("zh-hant"));
        world.platform.group(TEA, "Tea");
        world.platform.joins(TEA, ANN);
        world.heard().await;
        // Made an administrator, or blocked and back: neither is an arrival.
        world.platform.changes_membership(TEA, ANN, "member", "administrator");
        world.platform.is_blocked(ANN);
        world.platform.is_unblocked(ANN);
        world.rests().await;
        let said = world.gets(TEA, usize::from(welcome == "true")).await;
        world.rests().await;
        assert_eq!(said.len(), usize::from(welcome == "true"), "{said:?}");
        assert!(said.iter().all(|text| text.starts_with("您好！")), "{said:?}");
        assert_eq!(world.platform.sent_count(ANN), 0);
        assert!(world.asked().is_empty());
    }
}

#[tokio::test]
async fn who_blocks_the_bot_gets_nothing_more_until_they_are_back() {
    let mut world = World::new("tg_blocked").await;
    world.platform.fails("sendMessage", Some(ANN), REST, 1);
    world.platform.says(ANN, ANN, "queued");
    until("its answer waits", async || calls(&world, ANN) == 1).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(700));
    world.platform.says(ANN, ANN, "asked");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.says(ANN, ANN, "waiting");
    world.heard().await;
    world.platform.is_blocked(ANN);
    world.rests().await;
    assert_eq!(world.asked(), ["queued", "asked"], "what nobody had begun is not asked");
    assert_eq!((calls(&world, ANN), dropped(&world).await), (1, 2));
    assert!(world.work().await.is_empty(), "nothing is left to look after");
    world.starts_again(&[]).await;
    world.platform.is_unblocked(ANN);
    world.platform.says(ANN, ANN, "back");
    assert_eq!(world.gets(ANN, 1).await, ["Turn 3: you said \"back\""]);
    world.rests().await;
}

#[tokio::test]
async fn a_block_that_only_a_send_finds_out_ends_what_waits() {
    let world = World::new("tg_blocked_unseen").await;
    world.platform.fails("sendMessage", Some(ANN), REST, 1);
    for text in ["one", "two", "three"] {
        world.platform.says(ANN, ANN, text);
    }
    until("all is asked", async || world.asked().len() == 3).await;
    world.platform.shuts_out(ANN);
    until("it is found out", async || calls(&world, ANN) == 2).await;
    world.rests().await;
    assert_eq!((calls(&world, ANN), dropped(&world).await), (2, 3));
    world.platform.lets_in(ANN);
    world.platform.says(ANN, ANN, "back");
    world.gets(ANN, 1).await;
    world.rests().await;
}

#[tokio::test]
async fn a_group_that_removes_the_bot_is_left_in_peace() {
    let world = World::new("tg_removed").await;
    world.platform.supergroup(TEA, "Tea");
    let named = |text: &str| world.platform.sends(Draft::new(TEA, ANN).text(&format!("@bridge_test_bot {text}")));
    world.bridge.sandbox.set_latency(Duration::from_millis(700));
    named("one");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    named("two");
    world.heard().await;
    world.platform.is_kicked(TEA, ANN);
    // The same person's private chat is not concerned.
    world.platform.says(ANN, ANN, "still there?");
    world.gets(ANN, 1).await;
    world.rests().await;
    assert_eq!((world.platform.sent_count(TEA), calls(&world, TEA)), (0, 0));
    assert_eq!(world.asked(), ["one", "still there?"]);
    world.platform.changes_membership(TEA, ANN, "kicked", "left");
    world.platform.joins(TEA, ANN);
    named("three");
    world.gets(TEA, 1).await;
    world.rests().await;
}
