//! Retention.

use std::time::Duration;

use bytes::Bytes;
use caigunn_bridge::contract::store::{Accepted, FinishTurn, Retention, SendResult, StoreError, Swept, Utterance};
use caigunn_bridge::model::capabilities::Delivery;
use caigunn_bridge::model::inbound::{MediaKind, MediaPlace, MediaRef};
use caigunn_bridge::model::turn::{Outcome, Reason};
use caigunn_bridge::model::{InboundEvent, MediaId, Message};

use super::spoken::announcement;
use super::{StoreFactory, World, channel, event, key, opened, retention, secs};

pub(crate) async fn bodies_then_keys_are_forgotten<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut seqs = Vec::new();
    // More than one batch.
    for n in 0..150 {
        let (turn, contact) = w.say("ann", &n.to_string()).await;
        w.answer(&turn, &contact, &[]).await;
        seqs.push((turn, contact));
    }
    let (dead, contact) = w.say("ann", "dead").await;
    w.store
        .finish_turn(FinishTurn { outcome: Outcome::Dead(Reason::GaveUp), ..w.end(&dead, Vec::new()) })
        .await
        .unwrap();
    w.clock.advance(secs(900));
    assert_eq!(w.store.sweep(retention()).await.unwrap(), Swept::default());
    let (fresh, _) = w.say("ann", "fresh").await;
    w.answer(&fresh, &contact, &[]).await;
    w.clock.advance(secs(200));
    let swept = w.store.sweep(retention()).await.unwrap();
    assert_eq!(swept, Swept { bodies: 301, ..Swept::default() });
    let said = w.store.entries(contact.id, 0, 1_000).await.unwrap();
    assert_eq!(said.iter().filter(|entry| matches!(entry.said, Utterance::Forgotten)).count(), 301);
    assert_eq!(said.len(), 303);
    let view = w.store.view(seqs[0].0.id).await.unwrap().unwrap();
    assert_eq!((view.outcome, view.replies.len()), (Some(Outcome::Answered), 0));
    assert!(
        matches!(w.accept(event("ann", "0")).await, Accepted::Duplicate { turn: Some(_), .. }),
        "the key outlives the body"
    );
    let retried = w.store.retry(caigunn_bridge::contract::store::WorkId::Turn(dead.id)).await;
    assert!(matches!(retried, Err(StoreError::NotFound(_))), "nothing is left to ask: {retried:?}");
    assert_eq!(w.store.sweep(retention()).await.unwrap(), Swept::default(), "a second time finds nothing");

    w.clock.advance(secs(500));
    let swept = w.store.sweep(retention()).await.unwrap();
    assert_eq!((swept.bodies, swept.keys), (0, 151), "the old ones go with their keys, the fresh one stays");
    assert_eq!(w.store.turn_of(&channel(), &key("0")).await.unwrap(), None);
    assert!(w.store.view(seqs[0].0.id).await.unwrap().is_none());
    assert!(matches!(w.accept(event("ann", "fresh")).await, Accepted::Duplicate { .. }));
    opened(w.accept(event("ann", "0")).await);
}

pub(crate) async fn open_work_is_never_touched<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let id = w.store.put_media(Bytes::from_static(b"png")).await.unwrap();
    let (waiting, _) = opened(w.accept(with_picture("waiting", id)).await);
    let rows = w.exchange("bob", "2", &["unsent"]).await.rows;
    w.store.enqueue(announcement("k"), Delivery::Push).await.unwrap();
    w.clock.advance(secs(100_000));
    let swept = w.store.sweep(retention()).await.unwrap();
    assert_eq!(swept, Swept::default());
    assert_eq!(w.texts(waiting.seq).await, ["look"]);
    assert_eq!(w.store.sendable(0, 10).await.unwrap().len(), 1);
    assert_eq!(w.store.unrendered(0, 10).await.unwrap().len(), 2);
    assert!(w.store.media(id).await.is_ok());
    // Sent at last, all of it is old.
    let claim = w.store.lease("dispatch", "second", secs(60)).await.unwrap().unwrap();
    assert!(w.store.claim_send(rows[0].seq, claim).await.unwrap());
    w.store.finish_send(rows[0].seq, claim, SendResult::Sent { ids: Vec::new() }, None).await.unwrap();
    assert_eq!(w.store.sweep(retention()).await.unwrap().bodies, 2);
}

pub(crate) async fn numbers_are_not_given_twice<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let row = w.answer(&turn, &contact, &["a"]).await.rows.remove(0);
    assert!(w.store.claim_send(row.seq, w.claim).await.unwrap());
    w.store.finish_send(row.seq, w.claim, SendResult::Sent { ids: Vec::new() }, None).await.unwrap();
    let last = w.store.last_entries(contact.id, None, 1).await.unwrap()[0].n;
    w.clock.advance(secs(100_000));
    w.store.sweep(retention()).await.unwrap();
    w.store.sweep(retention()).await.unwrap();
    let w = w.crash().await;
    let (next, contact) = w.say("bob", "2").await;
    assert!(next.seq > turn.seq);
    assert!(w.answer(&next, &contact, &["b"]).await.rows[0].seq > row.seq);
    assert!(w.store.entries(contact.id, 0, 1).await.unwrap()[0].n > last);
}

fn with_picture(key: &str, id: MediaId) -> caigunn_bridge::contract::store::NewEvent {
    let media = MediaRef { kind: MediaKind::Image, place: MediaPlace::Stored(id), name: None, bytes: None };
    let mut event = event("ann", key);
    event.incoming.event = InboundEvent::Message(Message { media: vec![media], ..Message::text("look") });
    event
}

pub(crate) async fn media_go_with_the_bodies<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let id = w.store.put_media(Bytes::from_static(b"png")).await.unwrap();
    let (turn, contact) = opened(w.accept(with_picture("1", id)).await);
    w.answer(&turn, &contact, &[]).await;
    w.clock.advance(secs(999));
    assert_eq!(w.store.sweep(retention()).await.unwrap(), Swept::default(), "an event names them");
    w.clock.advance(secs(2));
    let swept = w.store.sweep(retention()).await.unwrap();
    assert_eq!((swept.bodies, swept.media), (2, 1));
    assert!(matches!(w.store.media(id).await, Err(StoreError::NotFound(_))));
    assert_eq!(w.store.gauges().await.unwrap().media_bytes, 0);
}

pub(crate) async fn media_that_nothing_names_are_removed<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let orphan = w.store.put_media(Bytes::from_static(b"orphan")).await.unwrap();
    w.clock.advance(secs(60));
    let young = w.store.put_media(Bytes::from_static(b"young")).await.unwrap();
    w.clock.advance(secs(60));
    let swept = w.store.sweep(retention()).await.unwrap();
    assert_eq!(swept, Swept { media: 1, ..Swept::default() });
    assert!(matches!(w.store.media(orphan).await, Err(StoreError::NotFound(_))));
    assert_eq!(w.store.media(young).await.unwrap(), "young");
}

pub(crate) async fn what_was_spoken_first_is_forgotten_too<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (_, contact) = w.say("ann", "1").await;
    w.store.enqueue(announcement("k"), Delivery::Pull).await.unwrap();
    w.clock.advance(secs(1_001));
    assert_eq!(w.store.sweep(retention()).await.unwrap().bodies, 2);
    assert!(!w.store.enqueue(announcement("k"), Delivery::Pull).await.unwrap(), "the key is still known");
    w.clock.advance(secs(500));
    w.store.sweep(Retention { bodies: secs(1_000), keys_beyond: secs(500), orphans: Duration::ZERO }).await.unwrap();
    assert!(w.store.enqueue(announcement("k"), Delivery::Pull).await.unwrap());
    assert_eq!(
        w.store.last_entries(contact.id, None, 10).await.unwrap().len(),
        4,
        "the youngest entry stays, forgotten"
    );
}
