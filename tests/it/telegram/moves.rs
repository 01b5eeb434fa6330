//! A group becomes a supergroup, with everything that is under way.

use std::time::Duration;

use serde_json::json;

use super::platform::{Draft, Fault};
use super::{World, keyed};
use crate::support::until;

const ANN: i64 = 7;
const OLD: i64 = -42;
const NEW: i64 = -1_001_000_000_042;

const REST: Fault = Fault::Refuse(429, "Too Many Requests: retry later");

fn named(world: &World, chat: i64, text: &str) {
    world.platform.sends(Draft::new(chat, ANN).text(&format!("@bridge_test_bot {text}")));
}

fn calls(world: &World, chat: i64) -> usize {
    world.platform.attempts("sendMessage").iter().filter(|attempt| attempt.chat == Some(chat)).count()
}

/// Two answers that wait, one question that is being asked, and one that waits.
async fn backlog(world: &World) {
    world.platform.group(OLD, "Tea");
    world.platform.fails("sendMessage", Some(OLD), REST, 1);
    for text in ["one", "two"] {
        named(world, OLD, text);
    }
    until("they are asked", async || world.asked().len() == 2).await;
    until("the first answer is refused", async || calls(world, OLD) == 1).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    named(world, OLD, "three");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    named(world, OLD, "four");
    world.heard().await;
}

async fn all_have_come(world: &World) {
    let got = world.gets(NEW, 4).await;
    world.rests().await;
    let expected: Vec<_> = ["one", "two", "three", "four"]
        .iter()
        .zip(1..)
        .map(|(text, turn)| format!("Turn {turn}: you said \"{text}\""))
        .collect();
    assert_eq!(got, expected);
    named(world, NEW, "five");
    assert_eq!(world.gets(NEW, 5).await[4], "Turn 5: you said \"five\"", "it is the same conversation");
    world.rests().await;
    assert_eq!((world.platform.sent_count(OLD), world.platform.sent_count(NEW)), (0, 5));
    assert_eq!(world.asked(), ["one", "two", "three", "four", "five"]);
    let uids: Vec<_> = world.bridge.asks().into_iter().map(|entry| entry.uid).collect();
    assert!(uids.windows(2).all(|pair| pair[0] == pair[1]), "{uids:?}");
    assert_eq!(world.platform.overlaps(), 0);
}

async fn moves(scope: &str) {
    let id = format!("tg_moves_{scope}");
    let world = World::with(&id, |setup| keyed(setup, &id, &[("SCOPE", scope)])).await;
    backlog(&world).await;
    world.platform.migrates(OLD, NEW);
    all_have_come(&world).await;
    assert_eq!(calls(&world, OLD), 1, "nothing is sent to the old chat any more");
    assert_eq!(world.counted("bridge_events_total", &[("result", "duplicate")]).await, 1, "both chats tell");
}

#[tokio::test]
async fn a_group_takes_everything_along_when_it_moves() {
    tokio::join!(moves("user"), moves("chat"), moves("user_in_chat"));
}

#[tokio::test]
async fn a_move_that_only_a_send_finds_out() {
    let world = World::keyed("tg_moves_unseen", &[("SCOPE", "user_in_chat")]).await;
    backlog(&world).await;
    world.platform.migrates_unseen(OLD, NEW);
    all_have_come(&world).await;
    assert_eq!(calls(&world, OLD), 2, "one finds it out");
}

#[tokio::test]
async fn a_move_while_the_bridge_is_down() {
    let mut world = World::keyed("tg_moves_down", &[("SCOPE", "chat")]).await;
    backlog(&world).await;
    world.bridge.crash().await;
    until("the chatbot has carried it out", async || world.bridge.asked("three").1 == 1).await;
    world.platform.migrates(OLD, NEW);
    world.starts_again(&[]).await;
    all_have_come(&world).await;
}

/// As <https://github.com/tdlib/telegram-bot-api/issues/266> shows it.
async fn arrives_and_moves(scope: &str) {
    let id = format!("tg_arrives_{scope}");
    let world = World::with(&id, |setup| keyed(setup, &id, &[("SCOPE", scope)])).await;
    backlog(&world).await;
    world.platform.migrates_unseen(OLD, NEW);
    world.platform.changes_membership(NEW, ANN, "left", "member");
    world.platform.service(OLD, ANN, json!({ "migrate_to_chat_id": NEW }));
    world.platform.service(NEW, ANN, json!({ "migrate_from_chat_id": OLD }));
    all_have_come(&world).await;
    // Telegram tells of the old group's end when the new one is deleted.
    world.platform.changes_membership(OLD, ANN, "member", "left");
    named(&world, NEW, "six");
    world.gets(NEW, 6).await;
    world.rests().await;
}

#[tokio::test]
async fn the_bots_arrival_in_the_new_chat_is_told_before_the_move() {
    tokio::join!(
        arrives_and_moves("user"),
        arrives_and_moves("chat"),
        arrives_and_moves("thread"),
        arrives_and_moves("user_in_chat"),
    );
}
