//! The outbox: sequence, claims, the ends of a send.

use std::time::Duration;

use caigunn_bridge::contract::store::{FinishTurn, NewEvent, OutboxRow, SendResult, WorkFilter, WorkId};
use caigunn_bridge::model::{ContactKey, Rendered, Scope, Sender, Target};

use super::{StoreFactory, World, assert_lease_lost, call, channel, event, opened, said, secs};

fn sent() -> SendResult {
    SendResult::Sent { ids: vec!["1".into()] }
}

fn again(delay: u64) -> SendResult {
    SendResult::Retry { delay: secs(delay), spent: secs(2), in_doubt: true, error: "reset".into() }
}

async fn rows<F: StoreFactory>(w: &World<F>) -> Vec<OutboxRow> {
    w.store.sendable(0, 100).await.unwrap()
}

async fn payloads<F: StoreFactory>(w: &World<F>) -> Vec<String> {
    rows(w).await.into_iter().map(|row| row.payload).collect()
}

async fn claim<F: StoreFactory>(w: &World<F>, row: &OutboxRow) -> bool {
    w.store.claim_send(row.seq, w.claim).await.unwrap()
}

pub(crate) async fn rows_of_a_target_go_in_sequence_across_turns<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let first = w.exchange("ann", "1", &["a", "b"]).await.rows;
    let second = w.exchange("ann", "2", &["c"]).await.rows;
    let other = w.exchange("bob", "3", &["d"]).await.rows;
    assert!(!claim(&w, &first[1]).await && !claim(&w, &second[0]).await);
    assert!(claim(&w, &first[0]).await);
    assert!(claim(&w, &first[0]).await, "a claim that is repeated is still ours");
    assert!(claim(&w, &other[0]).await, "another target");
    assert!(!claim(&w, &first[1]).await);
    w.store.finish_send(first[0].seq, w.claim, again(60), None).await.unwrap();
    assert!(!claim(&w, &first[1]).await, "the first waits, and the others behind it");
    assert!(claim(&w, &first[0]).await);
    w.store.finish_send(first[0].seq, w.claim, sent(), None).await.unwrap();
    assert!(!claim(&w, &first[0]).await, "it has ended");
    assert!(!claim(&w, &second[0]).await);
    assert!(claim(&w, &first[1]).await);
    assert_eq!(payloads(&w).await, ["c"]);
    assert_eq!(w.store.sendable(second[0].seq, 10).await.unwrap().len(), 0);
}

pub(crate) async fn the_first_row_is_claimed_with_the_end<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let end = FinishTurn { claim_first: true, ..w.end(&turn, vec![said("x", &["a", "b"])]) };
    let first = w.store.finish_turn(end).await.unwrap();
    assert!(first.first_claimed);
    assert_eq!(payloads(&w).await, ["b"]);
    // The target is busy: the next turn's row has to wait whatever its caller believes.
    let (turn, contact) = w.say("ann", "2").await;
    w.begin(&turn, &contact).await;
    let end = FinishTurn { claim_first: true, ..w.end(&turn, vec![said("y", &["c"])]) };
    assert!(!w.store.finish_turn(end).await.unwrap().first_claimed);
    w.store.finish_send(first.rows[0].seq, w.claim, sent(), None).await.unwrap();
    assert_eq!(payloads(&w).await, ["b", "c"]);
}

pub(crate) async fn the_next_row_is_claimed_with_the_send_before<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mine = w.exchange("ann", "1", &["a", "b", "c"]).await.rows;
    assert!(claim(&w, &mine[0]).await);
    let finished = w.store.finish_send(mine[0].seq, w.claim, sent(), Some(mine[2].seq)).await.unwrap();
    assert!(!finished.next_claimed, "it is not the first");
    assert!(claim(&w, &mine[1]).await);
    let finished = w.store.finish_send(mine[1].seq, w.claim, sent(), Some(mine[2].seq)).await.unwrap();
    assert!(finished.next_claimed);
    assert!(rows(&w).await.is_empty());
    let w = w.crash().await;
    assert!(rows(&w).await[0].in_doubt, "the claim was committed");
}

pub(crate) async fn a_send_is_tried_again_later<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let row = w.exchange("ann", "1", &["a"]).await.rows.remove(0);
    assert_eq!((row.attempts, row.in_doubt, row.first_sent_ago), (0, false, None));
    assert!(claim(&w, &row).await);
    let wait = SendResult::Wait { delay: secs(5), error: "slow down".into() };
    w.store.finish_send(row.seq, w.claim, wait, None).await.unwrap();
    let row = rows(&w).await.remove(0);
    assert_eq!((row.attempts, row.spent, row.in_doubt, row.due_in), (0, Duration::ZERO, false, secs(5)), "no attempt");
    assert!(claim(&w, &row).await);
    w.clock.advance(secs(1));
    w.store.finish_send(row.seq, w.claim, again(30), None).await.unwrap();
    w.clock.advance(secs(10));
    let row = rows(&w).await.remove(0);
    assert_eq!((row.attempts, row.spent, row.in_doubt), (1, secs(2), true));
    assert_eq!((row.due_in, row.first_sent_ago), (secs(20), Some(secs(11))));
    assert!(claim(&w, &row).await);
    w.store.finish_send(row.seq, w.claim, sent(), None).await.unwrap();
    assert!(rows(&w).await.is_empty());
}

pub(crate) async fn plain_replaces_the_payload<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let row = w.exchange("ann", "1", &["*a*"]).await.rows.remove(0);
    assert!(claim(&w, &row).await);
    w.store.finish_send(row.seq, w.claim, SendResult::Plain, None).await.unwrap();
    let plain = rows(&w).await.remove(0);
    assert_eq!(
        (plain.seq, plain.payload.as_str(), plain.plain, plain.due_in),
        (row.seq, "plain *a*", None, Duration::ZERO)
    );
    assert!(claim(&w, &row).await);
    w.store.finish_send(row.seq, w.claim, SendResult::Plain, None).await.unwrap();
    assert!(rows(&w).await.is_empty(), "there is nothing plainer: it is dead");
    assert_eq!(w.store.gauges().await.unwrap().rows_dead, 1);
}

pub(crate) async fn giving_up_leaves_a_notice_in_its_place<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let end = w.end(&turn, vec![said("x", &["a", "b", "c"]), said("y", &["d"])]);
    let mine = w.store.finish_turn(end).await.unwrap().rows;
    w.exchange("ann", "2", &["later"]).await;
    assert!(claim(&w, &mine[0]).await);
    w.store.finish_send(mine[0].seq, w.claim, sent(), Some(mine[1].seq)).await.unwrap();
    let notice = Rendered { payload: "could not".into(), plain: None, scopes: vec!["n".into()], expires_in: None };
    let give_up = SendResult::GiveUp { reason: "rejected", error: "400".into(), notice: Some(notice) };
    let finished = w.store.finish_send(mine[1].seq, w.claim, give_up, None).await.unwrap();
    let notice = finished.notice.unwrap();
    assert_eq!((notice.payload.as_str(), notice.part, notice.parts, notice.attempts), ("could not", 0, 1, 0));
    assert!(!notice.in_doubt && notice.first_sent_ago.is_none() && notice.scopes == ["n"]);
    assert_eq!(
        payloads(&w).await,
        ["could not", "d", "later"],
        "the rest of its action is gone, the others go on behind it"
    );
    assert!(!claim(&w, &mine[3]).await);
    assert!(claim(&w, &notice).await);
    let give_up = SendResult::GiveUp { reason: "rejected", error: "400".into(), notice: None };
    w.store.finish_send(notice.seq, w.claim, give_up, Some(mine[3].seq)).await.unwrap();
    assert_eq!(payloads(&w).await, ["later"]);
}

pub(crate) async fn a_dead_row_lets_the_others_go_on<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mine = w.exchange("ann", "1", &["a", "b"]).await.rows;
    assert!(claim(&w, &mine[0]).await);
    let dead = SendResult::Dead { reason: "gave_up", error: "503".into() };
    let finished = w.store.finish_send(mine[0].seq, w.claim, dead, Some(mine[1].seq)).await.unwrap();
    assert!(finished.next_claimed && finished.notice.is_none());
    let listed = w.store.work(WorkFilter { dead_only: true, ..WorkFilter::default() }).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, WorkId::Row(mine[0].seq));
    assert_eq!((listed[0].reason.as_deref(), listed[0].error.as_deref()), (Some("gave_up"), Some("503")));
}

pub(crate) async fn a_target_that_is_gone_ends_its_rows<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mine = w.exchange("ann", "1", &["a", "b"]).await.rows;
    w.exchange("ann", "2", &["c"]).await;
    w.exchange("bob", "3", &["d"]).await;
    assert!(claim(&w, &mine[0]).await);
    w.store.finish_send(mine[0].seq, w.claim, SendResult::TargetGone { error: "blocked".into() }, None).await.unwrap();
    assert_eq!(payloads(&w).await, ["d"]);
    w.exchange("ann", "4", &["e"]).await;
    assert_eq!(payloads(&w).await, ["d", "e"], "what comes later is tried again");
}

pub(crate) async fn a_migrated_target_takes_everything_along<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let in_chat = |key: &str| {
        let sender = Sender { chat: Some("-1".into()), ..Sender::default() };
        let mut event = NewEvent { contact: ContactKey::new(Scope::Chat, &sender), ..event("ann", key) };
        event.incoming.target = Target::of("-1");
        event
    };
    let (turn, contact) = opened(w.accept(in_chat("1")).await);
    let mine = w.answer(&turn, &contact, &["a", "b"]).await.rows;
    let (waiting, _) = opened(w.accept(in_chat("2")).await);
    w.exchange("bob", "3", &["d"]).await;
    assert!(claim(&w, &mine[0]).await);
    let to = Target::of("-100");
    w.store.finish_send(mine[0].seq, w.claim, SendResult::Migrated { to: to.clone() }, None).await.unwrap();
    let moved = rows(&w).await;
    assert_eq!(
        moved.iter().map(|row| (row.payload.as_str(), &*row.target.key)).collect::<Vec<_>>(),
        [("a", "-100"), ("b", "-100"), ("d", "chat-bob")]
    );
    assert!(moved[0].due_in.is_zero() && !moved[0].in_doubt);
    let (waiting, contact_now) = w.store.turn(waiting.seq).await.unwrap().unwrap();
    assert_eq!((&waiting.target, &contact_now.target), (&to, &to));
    // The new chat is the same conversation.
    let new_key = ContactKey::new(Scope::Chat, &Sender { chat: Some("-100".into()), ..Sender::default() });
    let known = w.store.contact_by_key(&channel(), &new_key).await.unwrap().unwrap();
    assert_eq!((known.id, &known.base_uid), (contact.id, &contact.base_uid));
    assert!(claim(&w, &moved[0]).await);
}

pub(crate) async fn a_refused_address_takes_along_what_has_it<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let in_topic = |user: &str, key: &str, topic: &str| {
        let mut event = event(user, key);
        let address = format!("-1/{topic}").into();
        event.incoming.target = Target { address, fallback: Some("-1".into()), ..Target::of("-1") };
        event
    };
    let mut answered = Vec::new();
    for (user, key, topic) in [("ann", "1", "5"), ("ann", "2", "6"), ("bob", "3", "6"), ("cid", "4", "5")] {
        let (turn, contact) = opened(w.accept(in_topic(user, key, topic)).await);
        answered.extend(w.answer(&turn, &contact, &[key]).await.rows);
    }
    let (waiting, _) = opened(w.accept(in_topic("cid", "5", "5")).await);
    let (elsewhere, _) = opened(w.accept(in_topic("bob", "6", "6")).await);
    assert!(claim(&w, &answered[0]).await);
    let to = Target::of("-1");
    w.store.finish_send(answered[0].seq, w.claim, SendResult::Migrated { to }, None).await.unwrap();
    let now = rows(&w).await;
    let addresses: Vec<_> = now.iter().map(|row| (row.payload.as_str(), &*row.target.address)).collect();
    assert_eq!(addresses, [("1", "-1"), ("2", "-1/6"), ("3", "-1/6"), ("4", "-1")]);
    for (turn, address) in [(waiting, "-1"), (elsewhere, "-1/6")] {
        let (turn, contact) = w.store.turn(turn.seq).await.unwrap().unwrap();
        assert_eq!((&*turn.target.address, &*contact.target.address), (address, address));
    }
}

pub(crate) async fn a_row_past_its_time_is_not_sent<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let with_target = |key: &str, target: Target| {
        let mut event = event("ann", key);
        event.incoming.target = target;
        event
    };
    let brief = |payload: &str| Rendered { expires_in: Some(secs(10)), ..call(payload) };
    let fallback = Target { fallback: Some("chat".into()), ..Target::of("token") };
    for (key, target) in [("1", Target::of("chat")), ("2", fallback)] {
        let (turn, contact) = opened(w.accept(with_target(key, target)).await);
        w.begin(&turn, &contact).await;
        let mut said = said(key, &[]);
        said.calls = vec![brief(key)];
        w.store.finish_turn(w.end(&turn, vec![said])).await.unwrap();
    }
    w.clock.advance(secs(11));
    let waiting = rows(&w).await;
    assert!(!claim(&w, &waiting[0]).await, "expired");
    assert_eq!(payloads(&w).await, ["2"]);
    assert!(claim(&w, &waiting[1]).await, "another address is left to try");
}

pub(crate) async fn a_stale_sender_changes_nothing<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mine = w.exchange("ann", "1", &["a"]).await.rows;
    assert_lease_lost!(w.store.finish_send(mine[0].seq, w.claim, sent(), None).await);
    assert!(claim(&w, &mine[0]).await);
    let stale = w.claim;
    let w = w.crash().await;
    assert!(claim(&w, &mine[0]).await);
    for result in [
        sent(),
        again(0),
        SendResult::Plain,
        SendResult::TargetGone { error: "gone".into() },
        SendResult::Migrated { to: Target::of("x") },
    ] {
        assert_lease_lost!(w.store.finish_send(mine[0].seq, stale, result, None).await);
    }
    assert_lease_lost!(w.store.claim_send(mine[0].seq, stale).await);
    w.store.finish_send(mine[0].seq, w.claim, sent(), None).await.unwrap();
    assert_lease_lost!(w.store.finish_send(mine[0].seq, w.claim, sent(), None).await);
}
