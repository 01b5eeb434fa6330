//! Group commit: many changes, few commits, each change's own answer.

use std::sync::Arc;

use caigunn_bridge::contract::store::{Accepted, Intake, Kv, Leases, NewEvent, Turns, Upkeep};
use tokio::task::JoinSet;

use super::Sqlite;
use crate::store_suite::{StoreFactory, event, secs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_share_commits() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    let before = store.commits();
    let mut tasks = JoinSet::new();
    for user in 0..64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..20 {
                let name = format!("user{user}");
                store.accept(vec![event(&name, &format!("{name}/{n}"))], Vec::new()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let commits = store.commits() - before;
    assert!(commits * 4 < 64 * 20, "{commits} commits for {} changes", 64 * 20);
    assert_eq!(store.runnable(0, 10_000).await.unwrap().len(), 64 * 20);
}

#[tokio::test]
async fn what_changes_nothing_costs_no_commit() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    store.accept(vec![event("ann", "1")], Vec::new()).await.unwrap();
    let before = store.commits();
    for _ in 0..5 {
        store.foreign(10).await.unwrap();
        store.accept(vec![event("ann", "1")], Vec::new()).await.unwrap();
        assert!(store.finish_ask(99, store_claim(), result()).await.is_err());
    }
    assert_eq!(store.commits(), before);
    store.probe().await.unwrap();
    assert_eq!(store.commits(), before + 1);
}

fn store_claim() -> caigunn_bridge::contract::ClaimToken {
    caigunn_bridge::contract::ClaimToken(7)
}

fn result() -> caigunn_bridge::contract::store::AskResult {
    caigunn_bridge::contract::store::AskResult { n: 0, state: caigunn_bridge::model::turn::AskState::Ambiguous }
}

#[tokio::test]
async fn one_bad_change_does_not_fail_its_neighbours() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    let taken = event("ann", "1");
    let id = taken.turn;
    store.accept(vec![taken], Vec::new()).await.unwrap();
    // All are queued before the writer can finish the first: they share a transaction, and the bad ones break it.
    let mut tasks = JoinSet::new();
    for n in 0..60 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut fresh = event(&format!("user{n}"), &format!("e{n}"));
            if n % 10 == 0 {
                fresh = NewEvent { turn: id, ..fresh };
            }
            (n, store.accept(vec![fresh], Vec::new()).await)
        });
    }
    for (n, accepted) in tasks.join_all().await {
        match accepted {
            Ok(accepted) => assert!(n % 10 != 0 && matches!(accepted[..], [Accepted::Opened { .. }]), "{n}"),
            Err(error) => assert!(n % 10 == 0, "{n}: {error}"),
        }
    }
    assert_eq!(store.runnable(0, 100).await.unwrap().len(), 55);
}

#[tokio::test]
async fn a_change_whose_caller_went_away_is_made_all_the_same() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    let queued = store.put("a", "b", "c");
    let mut queued = Box::pin(queued);
    // Polled once: it is in the queue. Then nobody waits any more.
    std::future::poll_fn(|cx| {
        let _ = queued.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    drop(queued);
    // Later changes come after it.
    store.lease("x", "y", secs(1)).await.unwrap();
    assert_eq!(store.get("a", "b").await.unwrap().as_deref(), Some("c"));
}
