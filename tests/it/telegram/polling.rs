//! Long polling: what is acknowledged and when, and how it goes on when Telegram does not.

use std::time::Duration;

use serde_json::json;

use super::World;
use super::platform::{BAD_GATEWAY, Fault, Platform};
use crate::support::until;

const ANN: i64 = 7;
const BOB: i64 = 8;

/// How many rows of the journal hold what came in.
pub(super) fn recorded(world: &World) -> i64 {
    world.database().query_row("SELECT count(*) FROM journal WHERE kind = 0", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_update_is_acknowledged_only_once_it_is_on_disk() {
    let world = World::new("tg_poll_store").await;
    world.platform.says(ANN, ANN, "before");
    world.gets(ANN, 1).await;
    world.rests().await;
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let update = world.platform.next_update();
    world.platform.says(ANN, ANN, "kept");
    world.is("reconnecting").await;
    let polls = world.platform.polls().len();
    until("it is polled again", async || world.platform.polls().len() > polls).await;
    assert_eq!(world.platform.pending(), 1, "Telegram still has it");
    let beyond = |offset: Option<i64>| offset.is_some_and(|offset| offset > update);
    assert!(!world.platform.polls().iter().any(|poll| beyond(poll.offset)), "{:?}", world.platform.polls());
    let detail = world.standing().await["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("store"), "{detail}");
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.gets(ANN, 2).await[1], "Turn 2: you said \"kept\"");
    world.rests().await;
    assert_eq!(world.asked(), ["before", "kept"]);
    world.is("connected").await;
}

#[tokio::test]
async fn what_was_written_while_the_bridge_was_down_is_answered() {
    let platform = Platform::start().await;
    for n in 1..=3 {
        platform.says(ANN, ANN, &format!("early {n}"));
    }
    let mut world = World::on(platform, "tg_poll_down", |setup| setup).await;
    world.gets(ANN, 3).await;
    world.rests().await;
    for crash in [false, true] {
        if crash {
            world.bridge.crash().await
        } else {
            world.bridge.stop().await
        }
        world.platform.says(ANN, ANN, &format!("down {crash}"));
        world.starts_again(&[]).await;
        world.gets(ANN, if crash { 5 } else { 4 }).await;
        world.rests().await;
    }
    assert_eq!(world.asked(), ["early 1", "early 2", "early 3", "down false", "down true"]);
    assert_eq!(world.platform.drops(), 0, "pending updates are never dropped");
}

#[tokio::test]
async fn what_telegram_tells_twice_is_answered_once_whatever_number_it_has() {
    let mut world = World::new("tg_poll_twice").await;
    let first = world.platform.says(ANN, ANN, "once");
    world.gets(ANN, 1).await;
    world.platform.repeats(ANN, first);
    world.heard().await;
    world.starts_again(&[]).await;
    world.platform.repeats(ANN, first);
    // The same number in another chat is another message.
    world.platform.says(BOB, BOB, "mine");
    world.gets(BOB, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["once", "mine"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "duplicate")]).await, 2);
}

#[tokio::test]
async fn numbers_that_begin_anew_lower_are_heard_while_it_runs() {
    let world = World::keyed("tg_poll_week", &[("POLL_TIMEOUT", "1s")]).await;
    world.platform.says(ANN, ANN, "one");
    world.gets(ANN, 1).await;
    let before = world.platform.next_update();
    world.platform.idle_week();
    assert!(world.platform.next_update() < before);
    world.platform.says(ANN, ANN, "two");
    world.gets(ANN, 2).await;
    // The same once the bridge has seen an empty answer, and so names no offset any more.
    until("nothing waits", async || world.platform.polls().last().unwrap().offset.is_none()).await;
    world.platform.idle_week();
    world.platform.says(ANN, ANN, "three");
    world.gets(ANN, 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one", "two", "three"]);
}

#[tokio::test]
async fn numbers_that_begin_anew_lower_are_heard_after_a_restart() {
    let mut world = World::new("tg_poll_week_down").await;
    world.platform.says(ANN, ANN, "one");
    world.gets(ANN, 1).await;
    world.rests().await;
    for (text, old) in [("fresh", false), ("old", true)] {
        world.bridge.stop().await;
        let database = world.database();
        let read = || database.query_row("SELECT cursor FROM cursors", [], |row| row.get::<_, String>(0)).unwrap();
        let (id, at) = read().split_once('@').map(|(id, at)| (id.to_owned(), at.parse::<i64>().unwrap())).unwrap();
        if old {
            let at = at - 6 * 24 * 60 * 60 * 1_000;
            database.execute("UPDATE cursors SET cursor = ?1", [format!("{id}@{at}")]).unwrap();
        }
        drop(database);
        world.platform.idle_week();
        world.platform.says(ANN, ANN, text);
        let polls = world.platform.polls().len();
        world.starts_again(&[]).await;
        world.rests().await;
        let offset = world.platform.polls()[polls].offset;
        assert_eq!(offset, (!old).then(|| id.parse::<i64>().unwrap() + 1), "an old cursor says nothing any more");
    }
    world.gets(ANN, 3).await;
    assert_eq!(world.asked(), ["one", "fresh", "old"]);
}

#[tokio::test]
async fn polling_recovers_from_every_failure() {
    let world = World::keyed("tg_poll_faults", &[("POLL_TIMEOUT", "1s")]).await;
    let faults = [
        Fault::Refuse(500, "Internal Server Error"),
        Fault::Answer(502, BAD_GATEWAY),
        Fault::Answer(200, "<html>maintenance</html>"),
        Fault::Answer(200, ""),
        Fault::Reset,
        Fault::ProcessedThenReset,
        Fault::Truncated,
        Fault::RetryAfter(1),
        Fault::Hang,
    ];
    let mut expected = Vec::new();
    for (n, fault) in faults.into_iter().enumerate() {
        world.platform.fails("getUpdates", None, fault.clone(), 1);
        // The open poll brings the first; what the next one would bring comes all the same.
        for part in ["before", "after"] {
            world.platform.says(ANN, ANN, &format!("{part} {n}"));
            expected.push(format!("{part} {n}"));
            assert_eq!(world.gets(ANN, expected.len()).await.len(), expected.len(), "{fault:?}");
        }
        world.heard().await;
    }
    world.rests().await;
    assert_eq!(world.asked(), expected);
    world.is("connected").await;
}

#[tokio::test]
async fn a_poll_that_hangs_holds_no_answer_up() {
    let world = World::keyed("tg_poll_hangs", &[("POLL_TIMEOUT", "1s")]).await;
    world.is("connected").await;
    world.bridge.sandbox.set_latency(Duration::from_secs(1));
    for chat in 1..=20 {
        world.platform.says(chat, chat, "hello");
    }
    world.heard().await;
    world.platform.fails("getUpdates", None, Fault::Hang, 0);
    for chat in 1..=20 {
        world.gets(chat, 1).await;
    }
    world.is("reconnecting").await;
    assert!(world.standing().await["detail"].as_str().unwrap().contains("no answer in time"));
    world.platform.heals();
    world.platform.says(ANN, ANN, "again");
    world.gets(ANN, 2).await;
    world.rests().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_by_name() {
    let platform = Platform::start().await;
    // Before the bridge says what it wants, Telegram keeps nearly everything for it.
    platform.does_everything_else(ANN);
    let (others, _) = platform.happened();
    assert!(others > 10, "{others}");
    platform.says(ANN, ANN, "one");
    platform.happens("message", json!(17));
    platform.happens("message", json!({ "message_id": "x", "text": "no message" }));
    platform.happens("my_chat_member", json!({ "chat": 5 }));
    platform.says(ANN, ANN, "two");
    let odd = json!({ "id": ANN, "first_name": ["no", "name"] });
    let chat = json!({ "id": ANN, "type": "private", "first_name": "Ann" });
    let message = json!({
        "message_id": 4_000, "date": 1_700_000_000, "chat": chat, "from": { "id": ANN, "first_name": "Ann" },
        "text": "three", "reply_to_message": { "chat": odd }, "entities": "none", "photo": {}, "quote": 1,
    });
    platform.happens("message", message);
    let world = World::on(platform, "tg_poll_odd", |setup| setup).await;
    world.gets(ANN, 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one", "two", "three"]);
    let counted = async |result| world.counted("bridge_events_total", &[("result", result)]).await;
    assert_eq!(counted("unreadable").await, 3);
    assert_eq!(counted("other_update").await, others);
    // From then on only what is wanted comes.
    let allowed = world.platform.polls()[0].allowed.clone();
    assert_eq!(allowed.unwrap(), ["message", "edited_message", "my_chat_member"]);
}

#[tokio::test]
async fn a_server_that_does_not_hold_the_poll_is_not_asked_in_a_hot_loop() {
    let world = World::new("tg_poll_empty").await;
    world.platform.fails("getUpdates", None, Fault::Answer(200, r#"{"ok":true,"result":[]}"#), 0);
    world.is("connected").await;
    let polls = || world.platform.attempts("getUpdates").len();
    let before = polls();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!((1..=4).contains(&(polls() - before)), "{} polls", polls() - before);
    // Neither is one whose updates have no number to be acknowledged by.
    world.platform.heals();
    world.platform.fails("getUpdates", None, Fault::Answer(200, r#"{"ok":true,"result":[{"message":{}}]}"#), 0);
    let before = polls();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!((1..=4).contains(&(polls() - before)), "{} polls", polls() - before);
    world.platform.heals();
    world.platform.says(ANN, ANN, "goes on");
    world.gets(ANN, 1).await;
    world.rests().await;
}

#[tokio::test]
async fn that_all_is_well_is_known_before_anybody_writes() {
    let world = World::keyed("tg_poll_well", &[("POLL_TIMEOUT", "50s")]).await;
    world.is("connected").await;
    let held: Vec<_> = world.platform.polls().iter().map(|poll| poll.timeout).collect();
    assert_eq!(held[0], 0);
    until("the next one is held", async || world.platform.polls().last().unwrap().timeout == 50).await;
    assert!(world.standing().await["last_heard"].as_f64().unwrap() < 30.0);
    world.platform.fails("getUpdates", None, Fault::Reset, 1);
    world.platform.says(ANN, ANN, "ends the poll");
    world.gets(ANN, 1).await;
    until("one poll has failed", async || world.platform.polls().len() >= 3).await;
    world.is("connected").await;
    world.rests().await;
}
