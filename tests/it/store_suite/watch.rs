//! Waiting for the end of a turn, and for news of a contact.

use std::time::Duration;

use caigunn_bridge::contract::store::{Accepted, FinishTurn, NewEvent, WorkId};
use caigunn_bridge::model::inbound::Membership;
use caigunn_bridge::model::turn::{Outcome, Reason, TurnView};
use caigunn_bridge::model::{InboundEvent, TurnId};
use tokio::time::timeout;

use super::{StoreFactory, World, event, opened, said};

const SOON: Duration = Duration::from_secs(10);
const NOT_SOON: Duration = Duration::from_millis(50);

pub(crate) async fn it_resolves_whenever_it_was_asked<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let id = TurnId::generate();
    let mut before = w.store.watch(id);
    let unpolled = w.store.watch(id);
    assert!(timeout(NOT_SOON, &mut before).await.is_err(), "there is no such turn yet");
    let (turn, contact) = opened(w.accept(NewEvent { turn: id, ..event("ann", "1") }).await);
    let mut during = w.store.watch(id);
    assert!(timeout(NOT_SOON, &mut during).await.is_err(), "it has not ended");
    w.answer(&turn, &contact, &[]).await;
    let after = w.store.watch(id);
    for watch in [before, unpolled, during, after] {
        let view = timeout(SOON, watch).await.unwrap();
        assert_eq!((view.id, view.outcome, view.replies.len()), (id, Some(Outcome::Answered), 1));
    }
    // Also of a turn that another process opened.
    let (open, contact) = w.say("ann", "2").await;
    let w = w.crash().await;
    let mut watch = w.store.watch(open.id);
    assert!(timeout(NOT_SOON, &mut watch).await.is_err());
    w.answer(&open, &contact, &[]).await;
    assert_eq!(timeout(SOON, watch).await.unwrap().id, open.id);
    assert_eq!(timeout(SOON, w.store.watch(id)).await.unwrap().id, id);
}

/// A task may hold several of the store's futures and poll only one of them for a while.
pub(crate) async fn a_future_that_is_not_polled_holds_nobody_up<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, _) = w.say("ann", "1").await;
    let store = w.store.clone();
    // Polled once, all of them, so that they stand in line for whatever there is to stand in line for; then left alone.
    let mut unpolled: Vec<_> = (0..64).map(|_| w.store.watch(TurnId::generate())).collect();
    let mut views: Vec<_> = (0..64).map(|_| Box::pin(store.view(turn.id))).collect();
    let mut writes: Vec<_> = (0..2_000)
        .map(|n: u32| Box::pin(store.put("space", if n.is_multiple_of(2) { "a" } else { "b" }, "1")))
        .collect();
    std::future::poll_fn(|context| {
        unpolled.iter_mut().for_each(|watch| assert!(watch.as_mut().poll(context).is_pending()));
        views.iter_mut().for_each(|view| drop(view.as_mut().poll(context)));
        writes.iter_mut().for_each(|write| drop(write.as_mut().poll(context)));
        std::task::Poll::Ready(())
    })
    .await;
    for _ in 0..4 {
        assert!(timeout(SOON, store.view(turn.id)).await.expect("a read goes on").unwrap().is_some());
        timeout(SOON, store.put("space", "c", "1")).await.expect("a write goes on").unwrap();
    }
}

pub(crate) async fn every_waiter_is_told<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (turn, contact) = w.say(&format!("user{n}"), &n.to_string()).await;
        for _ in 0..3 {
            let watch = w.store.watch(turn.id);
            tasks.spawn(async move { timeout(SOON, watch).await.unwrap().id });
        }
        let store = w.store.clone();
        let (begin, end) = (w.ask(&turn, &contact, 0, w.claim), w.end(&turn, Vec::new()));
        tasks.spawn(async move {
            store.begin_ask(begin).await.unwrap();
            store.finish_turn(end).await.unwrap().view.id
        });
    }
    assert_eq!(tasks.join_all().await.len(), 80);
    // An event that ends at once is an end too.
    let judged = NewEvent { verdict: Some(Reason::RateLimited), ..event("ann", "a") };
    opened(w.accept(judged.clone()).await);
    let id = TurnId::generate();
    let watch = w.store.watch(id);
    w.accept(NewEvent { turn: id, incoming: event("ann", "b").incoming, ..judged }).await;
    assert_eq!(timeout(SOON, watch).await.unwrap().outcome, Some(Outcome::Dropped(Reason::RateLimited)));
}

pub(crate) async fn an_end_without_a_word_has_no_replies<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let silent = |view: &TurnView| (view.state.has_ended(), view.replies.is_empty()) == (true, true);
    // A notice unsaid because the burst has had one, who is not let in, a bot that is shut out: none leaves a word.
    let judged = |key: &str| NewEvent { verdict: Some(Reason::RateLimited), ..event("ann", key) };
    let (told, _) = opened(w.accept(judged("1")).await);
    let Accepted::Ended { turn: untold, .. } = w.accept(judged("2")).await else { panic!("not ended") };
    let out = NewEvent { dropped: Some(Reason::NotAllowed), ..event("bob", "3") };
    let Accepted::Ended { turn: out, .. } = w.accept(out).await else { panic!("not ended") };
    let (waiting, _) = w.say("cid", "4").await;
    let mut blocked = event("cid", "5");
    blocked.incoming.event = InboundEvent::Membership { change: Membership::Blocked };
    w.accept(blocked).await;
    for id in [untold, out, waiting.id] {
        assert!(silent(&timeout(SOON, w.store.watch(id)).await.unwrap()));
        assert!(silent(&w.store.view(id).await.unwrap().unwrap()));
    }
    // While it is open nobody can know; a notice is a word.
    assert!(!w.store.view(told.id).await.unwrap().unwrap().state.has_ended());
    let end =
        FinishTurn { outcome: Outcome::Explained(Reason::RateLimited), ..w.end(&told, vec![said("slowly", &["x"])]) };
    w.store.finish_turn(end).await.unwrap();
    let view = timeout(SOON, w.store.watch(told.id)).await.unwrap();
    assert_eq!((view.state.has_ended(), view.replies.len()), (true, 1));
}

pub(crate) async fn one_that_goes_away_is_forgotten<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let mut dropped = w.store.watch(turn.id);
    assert!(timeout(NOT_SOON, &mut dropped).await.is_err());
    let kept = w.store.watch(turn.id);
    drop(dropped);
    w.answer(&turn, &contact, &[]).await;
    assert_eq!(timeout(SOON, kept).await.unwrap().id, turn.id);
}

pub(crate) async fn a_turn_dropped_by_another_process_resolves<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, _) = w.say("ann", "1").await;
    let watch = w.store.watch(turn.id);
    let beside = w.factory.beside().await;
    beside.drop_item(WorkId::Turn(turn.id)).await.unwrap();
    beside.close().await;
    // The daemon looks from time to time.
    w.store.foreign(10).await.unwrap();
    assert_eq!(timeout(SOON, watch).await.unwrap().outcome, Some(Outcome::Dropped(Reason::DroppedByOperator)));
}

pub(crate) async fn the_journal_tells_of_news<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let (_, other) = w.say("bob", "2").await;
    let (mut mine, mut others) = (w.store.watch_contact(contact.id), w.store.watch_contact(other.id));
    mine.mark_unchanged();
    others.mark_unchanged();
    w.answer(&turn, &contact, &[]).await;
    timeout(SOON, mine.changed()).await.unwrap().unwrap();
    let n = *mine.borrow_and_update();
    assert_eq!(w.store.last_entries(contact.id, None, 1).await.unwrap()[0].n, n);
    assert!(!others.has_changed().unwrap());
    drop(mine);
    w.say("ann", "3").await;
    let mut again = w.store.watch_contact(contact.id);
    w.say("ann", "4").await;
    timeout(SOON, again.changed()).await.unwrap().unwrap();
}
