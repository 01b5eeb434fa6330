//! In: acknowledged after the commit, known when it comes again, judged, carried out in order.

use std::time::Duration;

use super::{ANN, BEA, Platform, World};
use crate::support::until;

/// Nor is it lost when the process dies of it.
pub(crate) async fn nothing_is_acknowledged_before_it_is_stored<P: Platform>() {
    let mut world = World::<P>::new("ack").await;
    world.says(ANN, "before");
    world.gets(ANN, 1).await;
    world.rests().await;
    let lock = rusqlite::Connection::open(world.bridge.folder().join("bridge.db")).unwrap();
    let stored = || lock.query_row("SELECT count(*) FROM journal WHERE kind = 0", [], |row| row.get::<_, i64>(0));
    for (n, dies) in [(1, false), (2, true)] {
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        world.says(ANN, &format!("kept {n}"));
        // Long enough for whoever acknowledges early.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!world.platform.acknowledged_all(), "the store cannot take it");
        if dies {
            world.bridge.crash().await;
        }
        lock.execute_batch("ROLLBACK").unwrap();
        if dies {
            assert!(!world.platform.acknowledged_all(), "nobody was there to");
            world.starts_again().await;
        }
        world.heard().await;
        assert_eq!(stored(), Ok(n + 1));
        world.gets(ANN, usize::try_from(n).unwrap() + 1).await;
        // Or a send that arrived, and is not recorded yet, would be open when the process dies.
        world.rests().await;
    }
    assert_eq!(world.asked(), ["before", "kept 1", "kept 2"]);
    assert_eq!(world.texts(ANN).len(), 3);
}

pub(crate) async fn what_comes_again_is_answered_once<P: Platform>() {
    let mut world = World::<P>::new("again").await;
    world.says(ANN, "one");
    world.says(ANN, "two");
    world.gets(ANN, 2).await;
    let mut again = world.platform.redelivers();
    world.rests().await;
    world.starts_again().await;
    again += world.platform.redelivers();
    world.rests().await;
    assert_eq!(world.events("duplicate").await, again);
    assert_eq!(world.asked(), ["one", "two"]);
    assert_eq!(world.texts(ANN).len(), 2);
}

pub(crate) async fn an_edit_counts_until_the_ask<P: Platform>() {
    let world = World::<P>::new("edit").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    let first = world.says(ANN, "first");
    world.asks(1).await;
    let second = world.says(ANN, "second");
    world.platform.edits(ANN, &first, "too late");
    world.platform.edits(ANN, &second, "second, edited");
    world.gets(ANN, 2).await;
    world.platform.edits(ANN, &second, "later still");
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second, edited"]);
    assert_eq!((world.events("edited").await, world.events("edited_too_late").await), (1, 2));
    assert_eq!(world.texts(ANN).len(), 2);
}

pub(crate) async fn commands_are_carried_out_in_order_with_messages<P: Platform>() {
    let world = World::<P>::new("commands").await;
    for text in ["/help", "/id", "hello", "/lang klingon", "/lang zh-TW", "/reset", "again", "/history 5"] {
        world.says(ANN, text);
    }
    until("the last answer", async || world.texts(ANN).concat().contains("› again")).await;
    world.rests().await;
    let got = world.texts(ANN);
    let place =
        |part: &str| got.iter().position(|text| text.contains(part)).unwrap_or_else(|| panic!("{part}: {got:?}"));
    let id = format!("Your id is {}-", world.id);
    let parts = [
        "/help – what I can do",
        &id,
        "Turn 1: you said \"hello\"",
        "/lang en or /lang zh-TW",
        "之後的通知會使用繁體中文",
        "已經開始新的對話",
        "Turn 1: you said \"again\"",
        "› again",
    ];
    assert!(parts.map(place).is_sorted(), "{got:?}");
    assert_eq!(world.asked(), ["hello", "again"]);
    let uids: Vec<_> = world.bridge.asks().into_iter().map(|ask| ask.uid).collect();
    assert_ne!(uids[0], uids[1], "a new conversation has a new uid");
}

pub(crate) async fn too_many_at_once_are_told_so_once<P: Platform>() {
    let world = World::<P>::with("many", &[], |setup| setup.set("PIPELINE__MAX_PENDING_PER_CONVERSATION", "3")).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    world.says(ANN, "1");
    world.asks(1).await;
    for n in 2..=8 {
        world.says(ANN, &n.to_string());
    }
    world.says(BEA, "hello");
    let got = world.gets(ANN, 4).await;
    world.rests().await;
    assert_eq!(world.texts(BEA).len(), 1, "it is one conversation's bound");
    let asked: Vec<_> = world.asked().into_iter().filter(|text| text != "hello").collect();
    assert_eq!(asked, ["1", "2", "3"]);
    assert!(got[3].starts_with("That is a lot at once"), "{got:?}");
    let explained = [("outcome", "explained"), ("reason", "too_many_pending")];
    assert_eq!(world.counted("bridge_turns_total", &explained).await, 1);
    assert_eq!(world.events("too_many_pending").await, 4);
    world.says(ANN, "9");
    world.gets(ANN, 5).await;
    world.rests().await;
    assert_eq!(world.texts(ANN).len(), 5);
}
