//! Leases, fencing, crashes.

use std::time::Duration;

use caigunn_bridge::contract::store::{AskResult, Begun, FinishTurn, SendResult};
use caigunn_bridge::model::turn::AskState;

use super::{StoreFactory, TTL, World, assert_lease_lost, said, secs};

fn answered() -> AskResult {
    AskResult { n: 0, state: AskState::Answered("answer".into()) }
}

pub(crate) async fn a_stale_token_changes_nothing<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    // The first holder stalls; a second takes over.
    w.clock.advance(TTL + secs(1));
    let next = w.store.lease("dispatch", "second", TTL).await.unwrap().unwrap();
    assert!(next > w.claim);
    assert!(matches!(w.store.begin_ask(w.ask(&turn, &contact, 0, next)).await.unwrap(), Begun::Yes));
    let stale = w.claim;
    assert!(matches!(w.store.begin_ask(w.ask(&turn, &contact, 1, stale)).await.unwrap(), Begun::Gone));
    assert_lease_lost!(w.store.finish_ask(turn.seq, stale, answered()).await);
    assert_lease_lost!(w.store.release_turn(turn.seq, stale, Some(answered()), Duration::ZERO, Some(secs(1))).await);
    let end = FinishTurn { ask: Some(answered()), ..w.end(&turn, vec![said("x", &["x"])]) };
    assert_lease_lost!(w.store.finish_turn(end.clone()).await);
    let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
    assert_eq!((now.asks[0].state.clone(), now.attempts), (AskState::Open, 0));
    assert!(w.store.sendable(0, 10).await.unwrap().is_empty());
    assert!(w.runnable().await.is_empty(), "the second has it");
    w.store.finish_turn(FinishTurn { claim: next, ..end }).await.unwrap();
    // Nor is anything begun, claimed or ended for it.
    let (other, other_contact) = w.say("bob", "2").await;
    assert_lease_lost!(w.store.begin_ask(w.ask(&other, &other_contact, 0, stale)).await);
    assert_lease_lost!(w.store.finish_turn(w.end(&other, Vec::new())).await);
    let row = w.store.sendable(0, 10).await.unwrap()[0].seq;
    assert_lease_lost!(w.store.claim_send(row, stale).await);
}

pub(crate) async fn a_released_lease_is_a_lost_claim<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    w.store.release("dispatch", w.claim).await.unwrap();
    let handed_back = w.runnable().await;
    assert_eq!(handed_back.len(), 1, "what it had claimed is runnable at once");
    assert_eq!(handed_back[0].asks[0].state, AskState::Open);
    assert_lease_lost!(w.store.finish_ask(turn.seq, w.claim, answered()).await);
    assert_lease_lost!(w.store.finish_turn(w.end(&turn, Vec::new())).await);
    let next = w.store.lease("dispatch", "first", TTL).await.unwrap().unwrap();
    assert!(next > w.claim, "a new taking, though by the same holder");
}

pub(crate) async fn a_lease_that_ended_gives_up_its_turns<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let rows = w.exchange("bob", "2", &["one"]).await.rows;
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    let other = w.store.lease("another", "second", TTL * 3).await.unwrap().unwrap();
    assert!(w.runnable().await.is_empty() && w.store.sendable(0, 10).await.unwrap().is_empty());
    assert!(matches!(w.store.begin_ask(w.ask(&turn, &contact, 0, other)).await.unwrap(), Begun::Gone));
    assert!(!w.store.claim_send(rows[0].seq, other).await.unwrap());
    w.clock.advance(TTL + secs(1));
    assert_eq!(w.runnable().await.len(), 1);
    let sendable = w.store.sendable(0, 10).await.unwrap();
    assert!(sendable[0].in_doubt, "it was open");
    assert!(matches!(w.store.begin_ask(w.ask(&turn, &contact, 0, other)).await.unwrap(), Begun::Yes));
    assert!(w.store.claim_send(rows[0].seq, other).await.unwrap());
    let retry =
        SendResult::Retry { delay: Duration::ZERO, spent: Duration::ZERO, in_doubt: false, error: "later".into() };
    w.store.finish_send(rows[0].seq, other, retry, None).await.unwrap();
    assert!(w.store.sendable(0, 10).await.unwrap()[0].in_doubt, "a doubt stays");
}

pub(crate) async fn a_late_holder_still_holds_what_nobody_took<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    // The machine slept.
    w.clock.advance(TTL * 2);
    assert_eq!(w.store.lease("dispatch", "first", TTL).await.unwrap(), Some(w.claim));
    assert!(w.runnable().await.is_empty());
    w.store.finish_turn(FinishTurn { ask: Some(answered()), ..w.end(&turn, Vec::new()) }).await.unwrap();
}

pub(crate) async fn nothing_is_claimed_under_a_dead_lease<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let (second, second_contact) = w.say("bob", "2").await;
    w.begin(&second, &second_contact).await;
    w.clock.advance(TTL * 2);
    assert_lease_lost!(w.store.begin_ask(w.ask(&turn, &contact, 0, w.claim)).await);
    let end = FinishTurn { claim_first: true, ..w.end(&second, vec![said("x", &["x"])]) };
    let finished = w.store.finish_turn(end).await.unwrap();
    assert!(!finished.first_claimed);
    assert_lease_lost!(w.store.claim_send(finished.rows[0].seq, w.claim).await);
}

pub(crate) async fn leases_are_one_holders_and_their_tokens_grow<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let lease = |name: &'static str, holder: &'static str| {
        let store = &w.store;
        async move { store.lease(name, holder, secs(10)).await.unwrap() }
    };
    let first = lease("poll", "a").await.unwrap();
    assert!(first > w.claim, "tokens are of all leases");
    assert_eq!(lease("poll", "b").await, None);
    assert!(lease("other", "b").await.unwrap() > first);
    w.clock.advance(secs(8));
    assert_eq!(lease("poll", "a").await, Some(first), "a renewal keeps the token");
    w.clock.advance(secs(8));
    assert_eq!(lease("poll", "b").await, None, "it was renewed");
    w.clock.advance(secs(3));
    let taken = lease("poll", "b").await.unwrap();
    assert!(taken > first);
    w.store.release("poll", first).await.unwrap();
    assert_eq!(lease("poll", "a").await, None, "a stale release ends nothing");
    w.store.release("poll", taken).await.unwrap();
    assert!(lease("poll", "a").await.unwrap() > taken);
}

pub(crate) async fn a_crash_leaves_turns_runnable_and_asks_open<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let (second, _) = w.say("ann", "2").await;
    w.begin(&turn, &contact).await;
    let dead = w.claim;
    let w = w.crash().await;
    assert!(w.claim > dead);
    let runnable = w.runnable().await;
    assert_eq!(runnable.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [turn.seq, second.seq]);
    assert_eq!(runnable[0].asks[0].state, AskState::Open);
    assert_eq!(runnable[0].events[0].event, turn.events[0].event);
    assert!(matches!(w.store.begin_ask(w.ask(&second, &contact, 0, w.claim)).await.unwrap(), Begun::NotYet));
    // A group does not join what was begun once.
    w.begin(&turn, &contact).await;
    assert_lease_lost!(w.store.finish_turn(FinishTurn { claim: dead, ..w.end(&turn, Vec::new()) }).await);
}

pub(crate) async fn an_answer_found_after_a_crash_ends_the_turn<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let w = w.crash().await;
    // The history had the answer: no second ask is begun.
    let end = FinishTurn { ask: Some(answered()), ..w.end(&turn, vec![said("answer", &["a"])]) };
    assert_eq!(w.store.finish_turn(end).await.unwrap().rows.len(), 1);
    assert!(w.runnable().await.is_empty());
}

pub(crate) async fn a_crash_leaves_sends_in_doubt<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let end = FinishTurn { claim_first: true, ..w.end(&turn, vec![said("x", &["one", "two"])]) };
    let finished = w.store.finish_turn(end).await.unwrap();
    assert!(finished.first_claimed && !finished.rows[0].in_doubt);
    assert_eq!(w.store.sendable(0, 10).await.unwrap().len(), 1, "the first is under way");
    w.clock.advance(secs(5));
    let w = w.crash().await;
    let rows = w.store.sendable(0, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.in_doubt).collect::<Vec<_>>(), [true, false]);
    assert_eq!(rows[0].first_sent_ago, Some(secs(5)));
    assert_eq!(rows[1].first_sent_ago, None);
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    let sent = SendResult::Sent { ids: vec!["77".into()] };
    w.store.finish_send(rows[0].seq, w.claim, sent, None).await.unwrap();
    assert_eq!(w.store.sendable(0, 10).await.unwrap().len(), 1);
}
