//! Turns: order, versions, the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use caigunn_bridge::contract::store::{
    Accepted, AskResult, BeginAsk, Begun, ContactChange, FinishTurn, Said, StoreError, Utterance, WorkFilter,
};
use caigunn_bridge::model::capabilities::Delivery;
use caigunn_bridge::model::inbound::{MediaKind, MediaPlace, MediaRef};
use caigunn_bridge::model::turn::{AskState, Outcome, Reason, TurnEvent, TurnState};
use caigunn_bridge::model::{InboundEvent, Lang, LateEdit, Message, OutboundAction};

use super::{StoreFactory, World, assert_lease_lost, event, opened, said, secs};

pub(crate) async fn runnable_is_in_order_and_in_pages<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut seqs = Vec::new();
    for n in 0..7 {
        seqs.push(w.say(&format!("user{}", n % 3), &n.to_string()).await.0.seq);
    }
    assert!(seqs.is_sorted());
    let mut read = Vec::new();
    loop {
        let page = w.store.runnable(read.last().copied().unwrap_or(0), 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        read.extend(page.iter().map(|turn| turn.seq));
    }
    assert_eq!(read, seqs);
    let (turn, contact) = w.store.turn(seqs[0]).await.unwrap().unwrap();
    w.begin(&turn, &contact).await;
    assert_eq!(w.runnable().await.len(), 6, "what a living claimant has is not runnable");
    w.store.finish_turn(w.end(&turn, Vec::new())).await.unwrap();
    assert_eq!(w.runnable().await.len(), 6);
    assert!(w.store.turn(seqs[0]).await.unwrap().is_none(), "it has ended");
}

pub(crate) async fn a_turn_waits_for_the_earlier_ones_of_its_contact<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (first, contact) = w.say("ann", "1").await;
    let (second, _) = w.say("ann", "2").await;
    let (other, other_contact) = w.say("bob", "3").await;
    let begun = w.store.begin_ask(w.ask(&second, &contact, 0, w.claim)).await.unwrap();
    assert!(matches!(begun, Begun::NotYet), "{begun:?}");
    assert_lease_lost!(w.store.finish_turn(w.end(&second, Vec::new())).await);
    w.begin(&other, &other_contact).await;
    w.begin(&first, &contact).await;
    let begun = w.store.begin_ask(w.ask(&second, &contact, 0, w.claim)).await.unwrap();
    assert!(matches!(begun, Begun::NotYet), "{begun:?}");
    // A turn that waits for its next attempt still goes before the later ones.
    w.store.release_turn(first.seq, w.claim, None, secs(60), Some(secs(1))).await.unwrap();
    let begun = w.store.begin_ask(w.ask(&second, &contact, 0, w.claim)).await.unwrap();
    assert!(matches!(begun, Begun::NotYet), "{begun:?}");
    // A dead one does not.
    w.store
        .finish_turn(FinishTurn { outcome: Outcome::Dead(Reason::GaveUp), ..w.end(&first, Vec::new()) })
        .await
        .unwrap();
    w.begin(&second, &contact).await;
    assert!(matches!(w.store.begin_ask(w.ask(&first, &contact, 0, w.claim)).await.unwrap(), Begun::Gone));
}

pub(crate) async fn a_changed_turn_is_not_begun<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let held = |key: &str| {
        let mut event = event("ann", key);
        event.incoming.group = Some("album".into());
        event
    };
    let (turn, contact) = opened(w.accept(held("1")).await);
    w.accept(held("2")).await;
    let begun = w.store.begin_ask(w.ask(&turn, &contact, 0, w.claim)).await.unwrap();
    let Begun::Changed { turn: now, contact: known } = begun else { panic!("{begun:?}") };
    assert_eq!((now.events.len(), now.version), (2, 1));
    assert_eq!(known, contact);
    assert_eq!(w.runnable().await.len(), 1, "nothing was claimed");
    assert!(w.runnable().await[0].asks.is_empty());
    w.begin(&now, &contact).await;
}

pub(crate) async fn a_changed_contact_is_not_begun<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (reset, contact) = w.say("ann", "1").await;
    let (turn, _) = w.say("ann", "2").await;
    let change = ContactChange { reset: true, ..ContactChange::default() };
    w.store.finish_turn(FinishTurn { contact: change, ..w.end(&reset, Vec::new()) }).await.unwrap();
    let begun = w.store.begin_ask(w.ask(&turn, &contact, 0, w.claim)).await.unwrap();
    let Begun::Changed { contact: known, .. } = begun else { panic!("{begun:?}") };
    assert_eq!(known.generation, 1);
    let other_uid = BeginAsk { uid: "someone-else".into(), ..w.ask(&turn, &known, 0, w.claim) };
    assert!(matches!(w.store.begin_ask(other_uid).await.unwrap(), Begun::Changed { .. }));
    w.begin(&turn, &known).await;
}

pub(crate) async fn a_turn_that_was_joined_is_not_ended_unseen<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let held = |key: &str| {
        let mut event = event("ann", key);
        event.incoming.group = Some("album".into());
        event
    };
    let (turn, _) = opened(w.accept(held("1")).await);
    w.accept(held("2")).await;
    let ended = w.store.finish_turn(w.end(&turn, Vec::new())).await;
    assert!(matches!(ended, Err(StoreError::Changed)), "{ended:?}");
    assert_eq!(w.runnable().await.len(), 1);
    w.store.finish_turn(FinishTurn { version: None, ..w.end(&turn, Vec::new()) }).await.unwrap();
}

pub(crate) async fn the_end_is_one_commit<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let end = FinishTurn {
        ask: Some(AskResult { n: 0, state: AskState::Answered("hello".into()) }),
        said: vec![said("hello", &["hel", "lo"]), said("more", &["more"])],
        contact: ContactChange { lang: Some(Lang::ZhTw), ..ContactChange::default() },
        ..w.end(&turn, Vec::new())
    };
    let finished = w.store.finish_turn(end.clone()).await.unwrap();
    assert_eq!(finished.view.replies, [OutboundAction::answer("hello", None), OutboundAction::answer("more", None)]);
    assert_eq!((finished.view.state, finished.view.outcome), (TurnState::Done, Some(Outcome::Answered)));
    assert_eq!(finished.contact.unwrap().lang, Some(Lang::ZhTw));
    assert!(!finished.first_claimed);
    let parts: Vec<_> = finished.rows.iter().map(|row| (row.payload.as_str(), row.part, row.parts)).collect();
    assert_eq!(parts, [("hel", 0, 2), ("lo", 1, 2), ("more", 0, 1)]);
    assert!(finished.rows.iter().all(|row| row.turn == Some(turn.id) && row.target == turn.target));
    assert_eq!(finished.rows[0].action, finished.rows[1].action);
    assert_ne!(finished.rows[0].action, finished.rows[2].action);
    // A second end changes nothing.
    assert_lease_lost!(w.store.finish_turn(end).await);

    let w = w.crash().await;
    let view = w.store.view(turn.id).await.unwrap().unwrap();
    assert_eq!((view.replies.len(), view.outcome), (2, Some(Outcome::Answered)));
    let rows = w.store.sendable(0, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.payload.as_str()).collect::<Vec<_>>(), ["hel", "lo", "more"]);
    let said = w.store.entries(contact.id, 0, 10).await.unwrap();
    assert!(matches!(said[..], [_, _, _]), "{said:?}");
    assert!(matches!(&said[2].said, Utterance::Out(action) if action.text() == "more"));
    assert!(said.iter().all(|entry| entry.turn == Some(turn.id)));
    let last = w.store.last_entries(contact.id, None, 2).await.unwrap();
    assert_eq!(last.iter().map(|entry| entry.n).collect::<Vec<_>>(), [said[1].n, said[2].n]);
    let before = w.store.last_entries(contact.id, Some(said[1].n), 2).await.unwrap();
    assert_eq!(before.iter().map(|entry| entry.n).collect::<Vec<_>>(), [said[0].n]);
    assert_eq!(w.store.entries(contact.id, said[0].n, 1).await.unwrap()[0].n, said[1].n);
    assert!(w.store.work(WorkFilter::default()).await.unwrap().len() == 3, "only the calls are left");
}

pub(crate) async fn pull_replies_make_no_rows<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let said = Said { action: OutboundAction::answer("read me", None), delivery: Delivery::Pull, calls: Vec::new() };
    let finished = w.store.finish_turn(FinishTurn { claim_first: true, ..w.end(&turn, vec![said]) }).await.unwrap();
    assert!(finished.rows.is_empty() && !finished.first_claimed);
    assert!(w.store.sendable(0, 10).await.unwrap().is_empty());
    assert_eq!(w.store.view(turn.id).await.unwrap().unwrap().replies.len(), 1);
}

pub(crate) async fn a_reset_changes_the_uid<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, before) = w.say("ann", "1").await;
    let change = ContactChange { reset: true, ..ContactChange::default() };
    let finished = w.store.finish_turn(FinishTurn { contact: change, ..w.end(&turn, Vec::new()) }).await.unwrap();
    let after = finished.contact.unwrap();
    assert_eq!((after.generation, &after.base_uid), (1, &before.base_uid));
    assert_ne!(after.uid(), before.uid());
    assert_eq!(w.store.contact(before.id).await.unwrap(), Some(after));
}

pub(crate) async fn a_notice_is_remembered_and_forgotten<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let noticed =
        |noticed: Option<&str>| ContactChange { noticed: Some(noticed.map(Arc::from)), ..ContactChange::default() };
    for (key, change, want) in [
        ("1", noticed(Some("outage")), Some("outage")),
        ("2", ContactChange { lang: Some(Lang::En), ..ContactChange::default() }, Some("outage")),
        ("3", noticed(None), None),
    ] {
        let (turn, _) = w.say("ann", key).await;
        let finished = w.store.finish_turn(FinishTurn { contact: change, ..w.end(&turn, Vec::new()) }).await.unwrap();
        assert_eq!(finished.contact.unwrap().noticed.as_deref(), want, "after {key}");
    }
}

pub(crate) async fn a_released_turn_is_due_later<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let ask = Some(AskResult { n: 0, state: AskState::NotProcessed });
    w.store.release_turn(turn.seq, w.claim, ask, secs(30), Some(secs(5))).await.unwrap();
    w.clock.advance(secs(10));
    let waiting = &w.runnable().await[0];
    assert_eq!((waiting.due_in, waiting.attempts, waiting.spent), (secs(20), 1, secs(5)));
    assert_eq!(waiting.asks[0].state, AskState::NotProcessed);
    assert_eq!(waiting.asks[0].age, secs(10));
    // A turn that nobody has begun may be given back as well (its media could not be fetched); time alone is not counted.
    w.store.release_turn(turn.seq, w.claim, None, Duration::ZERO, None).await.unwrap();
    let waiting = &w.runnable().await[0];
    assert_eq!((waiting.due_in, waiting.attempts, waiting.spent), (Duration::ZERO, 1, secs(5)));
}

fn picture(place: MediaPlace) -> InboundEvent {
    let media = MediaRef { kind: MediaKind::Image, place, name: None, bytes: None };
    InboundEvent::Message(Message { media: vec![media], ..Message::text("look") })
}

pub(crate) async fn fetched_media_take_their_place<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut remote = event("ann", "1");
    remote.incoming.event = picture(MediaPlace::Remote("file-1".into()));
    let (turn, contact) = opened(w.accept(remote).await);
    let id = w.store.put_media(Bytes::from_static(b"png")).await.unwrap();
    let fetched = TurnEvent { key: "1".into(), event: picture(MediaPlace::Stored(id)) };
    w.store.put_event(turn.seq, &fetched).await.unwrap();
    let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
    assert_eq!(now.events[0].event, fetched.event);
    assert_eq!(now.version, turn.version, "what the claimant has read is still what it claims");
    w.begin(&turn, &contact).await;
}

pub(crate) async fn an_edit_wins_over_a_fetch<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut remote = event("ann", "1");
    remote.incoming.event = picture(MediaPlace::Remote("file-1".into()));
    let (turn, _) = opened(w.accept(remote).await);
    let mut edit = event("ann", "1e");
    let message = Message::text("no picture after all");
    edit.incoming.event = InboundEvent::Edit { of: "1".into(), message, late: LateEdit::Ignore, or_new: false };
    assert!(matches!(w.accept(edit).await, Accepted::Replaced { .. }));
    let fetched = TurnEvent { key: "1".into(), event: picture(MediaPlace::Absent) };
    w.store.put_event(turn.seq, &fetched).await.unwrap();
    assert_eq!(w.texts(turn.seq).await, ["no picture after all"]);
}
