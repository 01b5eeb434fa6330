//! A full disk, rows that cannot be read, waiters that go away.

use caigunn_bridge::contract::store::{Intake, Kv, StoreError, Turns, Upkeep, WorkFilter};
use caigunn_bridge::model::TurnId;
use caigunn_bridge::model::turn::TurnState;
use rusqlite::Connection;

use super::Sqlite;
use crate::store_suite::{StoreFactory, World, event};

#[tokio::test]
async fn a_full_disk_fails_what_it_must_and_passes() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    store.accept(vec![event("ann", "1")], Vec::new()).await.unwrap();
    store.limit_pages(1).await.unwrap();
    let mut n = 0;
    let full = loop {
        n += 1;
        if let Err(error) = store.put("filler", &n.to_string(), &"x".repeat(2_000)).await {
            break error;
        }
        assert!(n < 1_000, "the database is never full");
    };
    assert!(matches!(&full, StoreError::Unavailable(text) if text.contains("full")), "{full:?}");
    // Health hears of it.
    let trouble = store.trouble().unwrap();
    assert!(trouble.failures == 1 && trouble.error.contains("full"), "{trouble:?}");
    assert!(store.put("filler", &n.to_string(), &"x".repeat(2_000)).await.is_err());
    assert_eq!(store.trouble().unwrap().failures, 2);
    // Nothing was changed, reading goes on, and so does writing once there is room.
    assert_eq!(store.get("filler", &n.to_string()).await.unwrap(), None);
    assert_eq!(store.runnable(0, 10).await.unwrap().len(), 1);
    store.limit_pages(1_000_000).await.unwrap();
    store.put("filler", &n.to_string(), &"x".repeat(2_000)).await.unwrap();
    store.accept(vec![event("ann", "2")], Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_set_aside() {
    let w = World::<Sqlite>::new().await;
    let (bad, _) = w.say("ann", "1").await;
    let (good, contact) = w.say("ann", "2").await;
    let row = w.exchange("bob", "3", &["a"]).await.rows.remove(0);
    let sqlite = Connection::open(w.factory.path()).unwrap();
    sqlite.execute("UPDATE journal SET body = '{' WHERE turn = ?1", [bad.seq]).unwrap();
    sqlite.execute("UPDATE outbox SET scopes = '{' WHERE seq = ?1", [row.seq]).unwrap();
    // A page that is short because of it would look like the last one.
    let runnable = w.store.runnable(0, 1).await.unwrap();
    assert_eq!(runnable.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [good.seq]);
    assert!(w.store.sendable(0, 1).await.unwrap().is_empty());
    w.begin(&good, &contact).await;
    let dead = w.store.work(WorkFilter { dead_only: true, ..WorkFilter::default() }).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|item| item.state == TurnState::Dead && item.reason.as_deref() == Some("poisoned")));
    assert!(dead.iter().all(|item| item.error.is_some()));
}

#[tokio::test]
async fn waiters_leave_nothing_behind() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    let id = TurnId::generate();
    let watches: Vec<_> = (0..10).map(|_| store.watch(id)).collect();
    assert_eq!(store.waiting(), 10);
    drop(watches);
    assert_eq!(store.waiting(), 0);
}

#[tokio::test]
async fn a_database_locked_by_another_fails_all_that_wait_at_once() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    store.put("a", "0", "x").await.unwrap();
    let other = Connection::open(sqlite.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = std::sync::Arc::clone(&store);
        tasks.spawn(async move { store.put("a", &n.to_string(), "y").await });
    }
    let began = std::time::Instant::now();
    for result in tasks.join_all().await {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    // Two seconds for the first and at most as long again for those that queued behind it.
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(store.get("a", "0").await.unwrap().as_deref(), Some("x"), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.put("a", "0", "z").await.unwrap();
}
