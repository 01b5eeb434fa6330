//! Work by hand, figures, kv, media.

use std::time::Duration;

use bytes::Bytes;
use caigunn_bridge::contract::store::{AskResult, Begun, FinishTurn, SendResult, StoreError, WorkFilter, WorkId};
use caigunn_bridge::model::capabilities::Delivery;
use caigunn_bridge::model::turn::{AskState, Outcome, Reason, Turn, TurnState};
use caigunn_bridge::model::{MediaId, Mode, TurnId};

use super::spoken::announcement;
use super::{MEDIA_BUDGET, StoreFactory, World, channel, contact_key, said, secs};

async fn die<F: StoreFactory>(w: &World<F>, turn: &Turn) {
    let ask = Some(AskResult { n: 0, state: AskState::Failed(Reason::Refused) });
    let end = w.end(turn, vec![said("sorry", &["sorry"])]);
    w.store.finish_turn(FinishTurn { ask, outcome: Outcome::Dead(Reason::Refused), ..end }).await.unwrap();
}

pub(crate) async fn dead_and_waiting_work_is_listed<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (dead, contact) = w.say("ann", "1").await;
    w.begin(&dead, &contact).await;
    die(&w, &dead).await;
    w.clock.advance(secs(10));
    let (waiting, _) = w.say("bob", "2").await;
    w.store.release_turn(waiting.seq, w.claim, None, secs(5), Some(secs(1))).await.unwrap();
    w.clock.advance(secs(1));
    let all = w.store.work(WorkFilter::default()).await.unwrap();
    let shown: Vec<_> = all.iter().map(|item| (item.id, item.state, item.age)).collect();
    let row = w.store.sendable(0, 1).await.unwrap()[0].seq;
    assert_eq!(
        shown,
        [
            (WorkId::Turn(dead.id), TurnState::Dead, secs(11)),
            (WorkId::Row(row), TurnState::Pending, secs(11)),
            (WorkId::Turn(waiting.id), TurnState::Pending, secs(1)),
        ]
    );
    assert_eq!((all[0].reason.as_deref(), all[0].contact.clone()), (Some("refused"), Some(contact_key("ann"))));
    assert_eq!((all[2].attempts, all[2].due_in), (1, secs(4)));
    let listed = |filter: WorkFilter| {
        let store = &w.store;
        async move { store.work(filter).await.unwrap().len() }
    };
    assert_eq!(listed(WorkFilter { dead_only: true, ..WorkFilter::default() }).await, 1);
    assert_eq!(listed(WorkFilter { older_than: secs(5), ..WorkFilter::default() }).await, 2);
    assert_eq!(listed(WorkFilter { limit: 1, ..WorkFilter::default() }).await, 1);
    assert_eq!(listed(WorkFilter { channel: Some("other".into()), ..WorkFilter::default() }).await, 0);
    assert_eq!(listed(WorkFilter { channel: Some(channel()), ..WorkFilter::default() }).await, 3);
}

pub(crate) async fn a_dead_turn_gets_a_new_start<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    die(&w, &turn).await;
    w.clock.advance(secs(50));
    let (later, _) = w.say("ann", "2").await;
    w.begin(&later, &contact).await;
    w.store.retry(WorkId::Turn(turn.id)).await.unwrap();
    let again = w.runnable().await.remove(0);
    assert_eq!((again.id, again.attempts, again.spent, again.due_in), (turn.id, 0, Duration::ZERO, Duration::ZERO));
    assert_eq!(again.received_at, w.clock.now(), "its age counts from now");
    assert_eq!(again.asks[0].state, AskState::NotProcessed, "a refusal does not outlive the retry");
    // The later one has begun: one at a time, whatever the order.
    let begun = w.store.begin_ask(w.ask(&again, &contact, 0, w.claim)).await.unwrap();
    assert!(matches!(begun, Begun::NotYet), "{begun:?}");
    let begun = w.store.begin_ask(w.ask(&later, &contact, 1, w.claim)).await.unwrap();
    assert!(matches!(begun, Begun::Yes), "what is under way goes on: {begun:?}");
    w.store.finish_turn(w.end(&later, Vec::new())).await.unwrap();
    let finished = w.answer(&again, &contact, &["at last"]).await;
    let stored = w.store.view(turn.id).await.unwrap().unwrap();
    assert_eq!(
        (finished.view.replies.len(), &finished.view.replies),
        (2, &stored.replies),
        "the apology and the answer"
    );
}

pub(crate) async fn a_dead_row_gets_a_new_start<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let row = w.exchange("ann", "1", &["a"]).await.rows.remove(0);
    assert!(w.store.claim_send(row.seq, w.claim).await.unwrap());
    let dead = SendResult::Dead { reason: "gave_up", error: "503".into() };
    w.store.finish_send(row.seq, w.claim, dead, None).await.unwrap();
    w.store.retry(WorkId::Row(row.seq)).await.unwrap();
    let again = w.store.sendable(0, 10).await.unwrap().remove(0);
    assert_eq!((again.seq, again.attempts, again.due_in), (row.seq, 0, Duration::ZERO));
    assert!(w.store.claim_send(row.seq, w.claim).await.unwrap());
}

pub(crate) async fn dropped_work_ends<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (dead, contact) = w.say("ann", "1").await;
    w.begin(&dead, &contact).await;
    die(&w, &dead).await;
    let (waiting, _) = w.say("ann", "2").await;
    for id in [dead.id, waiting.id] {
        w.store.drop_item(WorkId::Turn(id)).await.unwrap();
        let view = w.store.view(id).await.unwrap().unwrap();
        assert_eq!(view.outcome, Some(Outcome::Dropped(Reason::DroppedByOperator)));
        assert!(matches!(w.store.drop_item(WorkId::Turn(id)).await, Err(StoreError::NotFound(_))));
    }
    let row = w.store.sendable(0, 10).await.unwrap()[0].seq;
    w.store.drop_item(WorkId::Row(row)).await.unwrap();
    assert!(w.store.work(WorkFilter::default()).await.unwrap().is_empty());
    assert!(matches!(w.store.begin_ask(w.ask(&waiting, &contact, 0, w.claim)).await.unwrap(), Begun::Gone));
}

pub(crate) async fn work_in_hand_is_left_alone<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let row = w.exchange("bob", "2", &["a"]).await.rows.remove(0);
    assert!(w.store.claim_send(row.seq, w.claim).await.unwrap());
    for id in [WorkId::Turn(turn.id), WorkId::Row(row.seq), WorkId::Turn(TurnId::generate()), WorkId::Row(999)] {
        assert!(matches!(w.store.retry(id).await, Err(StoreError::NotFound(_))), "{id:?}");
        assert!(matches!(w.store.drop_item(id).await, Err(StoreError::NotFound(_))), "{id:?}");
    }
}

pub(crate) async fn another_process_is_heard<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    die(&w, &turn).await;
    let row = w.store.sendable(0, 10).await.unwrap()[0].seq;
    let beside = w.factory.beside().await;
    assert!(w.store.foreign(10).await.unwrap().is_empty());
    assert!(w.store.foreign_rows(10).await.unwrap().is_empty());
    beside.retry(WorkId::Turn(turn.id)).await.unwrap();
    beside.retry(WorkId::Row(row)).await.unwrap();
    let turns = w.store.foreign(10).await.unwrap();
    assert_eq!(turns.iter().map(|turn| turn.id).collect::<Vec<_>>(), [turn.id]);
    assert_eq!(turns[0].events.len(), 1);
    let rows = w.store.foreign_rows(10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [row]);
    assert!(w.store.foreign(10).await.unwrap().is_empty(), "told once");
    assert!(w.store.foreign_rows(10).await.unwrap().is_empty());
    beside.close().await;
}

pub(crate) async fn channels_with_work_are_named<F: StoreFactory>() {
    let w = World::<F>::new().await;
    w.exchange("ann", "1", &["a", "b"]).await;
    w.say("ann", "2").await;
    let mut gone = announcement("k");
    gone.channel = "gone".into();
    w.store.enqueue(gone, Delivery::Push).await.unwrap();
    let named = w.store.channels_with_work().await.unwrap();
    assert_eq!(named, [("gone".into(), 2), (channel(), 3)]);
}

pub(crate) async fn gauges_count<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let empty = w.store.gauges().await.unwrap();
    assert_eq!((empty.turns_pending, empty.oldest_turn, empty.oldest_row), (0, None, None));
    w.exchange("ann", "1", &["a", "b"]).await;
    let (held, _) = w.say("ann", "2").await;
    w.store.release_turn(held.seq, w.claim, None, secs(60), None).await.unwrap();
    w.clock.advance(secs(5));
    let (claimed, contact) = w.say("bob", "3").await;
    w.begin(&claimed, &contact).await;
    let (dead, contact) = w.say("cat", "4").await;
    w.begin(&dead, &contact).await;
    let end = FinishTurn { outcome: Outcome::Dead(Reason::GaveUp), ..w.end(&dead, Vec::new()) };
    w.store.finish_turn(end).await.unwrap();
    w.store.put_media(Bytes::from_static(b"12345")).await.unwrap();
    w.clock.advance(secs(2));
    let gauges = w.store.gauges().await.unwrap();
    assert_eq!((gauges.turns_pending, gauges.turns_claimed, gauges.turns_dead), (1, 1, 1));
    assert_eq!((gauges.oldest_turn, gauges.oldest_row), (Some(secs(2)), Some(secs(7))), "what is held is not late");
    assert_eq!((gauges.rows_queued, gauges.rows_dead, gauges.media_bytes), (2, 0, 5));
    assert!(gauges.store_bytes > 0);
    assert!(w.store.probe().await.unwrap() < secs(5));
}

pub(crate) async fn values_are_kept<F: StoreFactory>() {
    let w = World::<F>::new().await;
    w.store.put("tokens", "main", "one").await.unwrap();
    w.store.put("tokens", "main", "two").await.unwrap();
    w.store.put("other", "main", "x").await.unwrap();
    let (_, contact) = w.say("ann", "1").await;
    assert_eq!(w.store.set_mode(contact.id, Mode::Human).await.unwrap().mode, Mode::Human);
    let w = w.crash().await;
    assert_eq!(w.store.get("tokens", "main").await.unwrap().as_deref(), Some("two"));
    w.store.remove("tokens", "main").await.unwrap();
    assert_eq!(w.store.get("tokens", "main").await.unwrap(), None);
    assert_eq!(w.store.get("other", "main").await.unwrap().as_deref(), Some("x"));
    assert_eq!(w.store.contact(contact.id).await.unwrap().unwrap().mode, Mode::Human);
}

pub(crate) async fn media_come_back_within_the_budget<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let half = Bytes::from(vec![7; usize::try_from(MEDIA_BUDGET / 2).unwrap()]);
    let id = w.store.put_media(half.clone()).await.unwrap();
    assert_eq!(w.store.media(id).await.unwrap(), half);
    let w = w.crash().await;
    assert_eq!(w.store.media(id).await.unwrap(), half);
    w.store.put_media(half.clone()).await.unwrap();
    let full = w.store.put_media(Bytes::from_static(b"x")).await;
    assert!(matches!(full, Err(StoreError::MediaFull { budget: MEDIA_BUDGET })), "{full:?}");
    assert!(matches!(w.store.media(MediaId::generate()).await, Err(StoreError::NotFound(_))));
    // Room again once something is gone.
    w.clock.advance(secs(101));
    assert_eq!(w.store.sweep(super::retention()).await.unwrap().media, 2);
    w.store.put_media(half).await.unwrap();
}

pub(crate) async fn a_closed_store_says_so<F: StoreFactory>() {
    let w = World::<F>::new().await;
    w.say("ann", "1").await;
    w.store.close().await;
    let read = w.store.runnable(0, 1).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let written = w.store.put("a", "b", "c").await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    w.store.close().await;
    let w = w.crash().await;
    assert_eq!(w.runnable().await.len(), 1);
}
