//! Where the bot stands with a chat: let in or not, gone, moved.

use caigunn_bridge::contract::store::{
    Accepted, Begun, FinishTurn, NewEvent, SendResult, Utterance, WorkFilter, WorkId,
};
use caigunn_bridge::model::capabilities::{Delivery, Overflow};
use caigunn_bridge::model::inbound::Membership;
use caigunn_bridge::model::outbound::{Announcement, Lane};
use caigunn_bridge::model::turn::{Outcome, Reason, Turn, TurnState};
use caigunn_bridge::model::{
    ContactKey, InboundEvent, LateEdit, Message, OutboundAction, Scope, Sender, Target, TurnId,
};

use super::{StoreFactory, World, assert_lease_lost, call, channel, event, key, opened, said};

/// An event in the chat of a user.
fn change(user: &str, key: &str, change: Membership) -> NewEvent {
    let mut event = event(user, key);
    event.incoming.event = InboundEvent::Membership { change };
    event.incoming.addressed = false;
    event
}

fn announcement(user: &str, key: &str) -> Announcement {
    Announcement {
        channel: channel(),
        target: Target::of(format!("chat-{user}")),
        actions: vec![OutboundAction::answer(key, None)],
        dedupe_key: key.into(),
        lane: Lane::Bulk,
    }
}

async fn payloads<F: StoreFactory>(w: &World<F>) -> Vec<String> {
    w.store.sendable(0, 100).await.unwrap().into_iter().map(|row| row.payload).collect()
}

async fn outcome<F: StoreFactory>(w: &World<F>, id: TurnId) -> Option<Outcome> {
    w.store.view(id).await.unwrap().unwrap().outcome
}

const GONE: Option<Outcome> = Some(Outcome::Dropped(Reason::TargetGone));

pub(crate) async fn who_is_not_let_in_is_known_by_the_key_alone<F: StoreFactory>() {
    let w = World::<F>::new().await;
    // The bound of waiting turns is not asked: it ends at once.
    let dropped =
        NewEvent { dropped: Some(Reason::NotAllowed), max_pending: 0, overflow: Overflow::Refuse, ..event("ann", "1") };
    let Accepted::Ended { turn, reason: Reason::NotAllowed } = w.accept(dropped.clone()).await else {
        panic!("not ended")
    };
    assert_eq!(outcome(&w, turn).await, Some(Outcome::Dropped(Reason::NotAllowed)));
    let again = w.accept(dropped).await;
    assert!(matches!(again, Accepted::Duplicate { turn: Some(id), .. } if id == turn), "{again:?}");
    let (of, _) = w.store.turn_of(&channel(), &key("1")).await.unwrap().unwrap();
    assert_eq!(of, turn);
    let contact = w.store.view(turn).await.unwrap().unwrap().contact;
    let said = w.store.entries(contact, 0, 10).await.unwrap();
    assert!(matches!(said[..], [ref entry] if matches!(entry.said, Utterance::Forgotten)), "{said:?}");
    // An edit or a member of a group changes nothing either.
    let (held, _) = w.say("ann", "2").await;
    let mut edit = NewEvent { dropped: Some(Reason::NotAllowed), ..event("ann", "2e") };
    edit.incoming.event =
        InboundEvent::Edit { of: "2".into(), message: Message::text("edited"), late: LateEdit::Ask, or_new: false };
    assert!(matches!(w.accept(edit).await, Accepted::Ended { reason: Reason::NotAllowed, .. }));
    assert_eq!(w.texts(held.seq).await, ["2"]);
}

pub(crate) async fn whoever_shuts_the_bot_out_ends_what_waits<F: StoreFactory>() {
    let w = World::<F>::new().await;
    w.exchange("ann", "1", &["a", "b"]).await;
    w.exchange("bob", "2", &["c"]).await;
    w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap();
    let (waiting, contact) = w.say("ann", "3").await;
    let (other, _) = w.say("bob", "4").await;
    // Whatever waits, this is taken.
    let blocked = NewEvent { max_pending: 0, overflow: Overflow::Refuse, ..change("ann", "5", Membership::Blocked) };
    let left = w.accept(blocked.clone()).await;
    let Accepted::Left { turn, target } = left else { panic!("{left:?}") };
    assert_eq!(&*target, "chat-ann");
    assert_eq!(outcome(&w, turn).await, Some(Outcome::Dropped(Reason::NoAnswerNeeded)));
    let w = w.crash().await;
    assert_eq!(payloads(&w).await, ["c"]);
    assert!(w.store.unrendered(0, 10).await.unwrap().is_empty());
    assert_eq!(outcome(&w, waiting.id).await, GONE);
    assert!(outcome(&w, other.id).await.is_none());
    assert!(matches!(w.store.begin_ask(w.ask(&waiting, &contact, 0, w.claim)).await.unwrap(), Begun::Gone));
    assert_lease_lost!(w.store.finish_turn(w.end(&waiting, Vec::new())).await);
    assert!(matches!(w.accept(blocked).await, Accepted::Duplicate { .. }));
    let gauges = w.store.gauges().await.unwrap();
    assert_eq!((gauges.rows_dead, gauges.turns_dead), (0, 0), "nothing is left for an operator to look at");
}

/// What was not delivered because its target is gone: number, and the words for it.
async fn undelivered<F: StoreFactory>(w: &World<F>) -> Vec<(i64, String)> {
    let filter = WorkFilter { gone: true, dead_only: true, ..WorkFilter::default() };
    let items = w.store.work(filter).await.unwrap();
    let gone = items.into_iter().map(|item| match item.id {
        WorkId::Row(seq) if item.reason.as_deref() == Some("target_gone") && item.state == TurnState::Dead => {
            (seq, item.error.unwrap_or_default())
        }
        _ => panic!("{item:?}"),
    });
    gone.collect()
}

pub(crate) async fn what_ends_with_its_target_is_listed_with_the_words_for_it<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let word = || "missing permission in channel 7 (50013)".to_owned();
    let rows = w.exchange("ann", "1", &["a", "b"]).await.rows;
    w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap();
    let (asked, contact) = w.say("bob", "2").await;
    w.begin(&asked, &contact).await;
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    w.store.finish_send(rows[0].seq, w.claim, SendResult::TargetGone { error: word() }, None).await.unwrap();
    w.store.enqueue(announcement("ann", "more news"), Delivery::Push).await.unwrap();
    // An event says it less exactly.
    w.accept(change("bob", "3", Membership::Removed)).await;
    w.store.finish_turn(w.end(&asked, vec![said("x", &["c"])])).await.unwrap();
    let w = w.crash().await;
    let listed: Vec<String> = undelivered(&w).await.into_iter().map(|(_, error)| error).collect();
    let removed = "the bot was removed there".to_owned();
    assert_eq!(listed, [word(), word(), word(), word(), removed], "calls, what was announced before, and since");
    assert!(w.store.work(WorkFilter::default()).await.unwrap().is_empty(), "only if asked for");
    assert_eq!(w.store.gauges().await.unwrap().rows_dead, 0, "no dead letters");
    let dropped = undelivered(&w).await.remove(0).0;
    w.store.drop_item(WorkId::Row(dropped)).await.unwrap();
    assert_eq!(undelivered(&w).await.len(), 4);
}

pub(crate) async fn what_ended_with_its_target_gets_a_new_start<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let rows = w.exchange("ann", "1", &["a", "b"]).await.rows;
    w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap();
    let gone = || SendResult::TargetGone { error: "no".into() };
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    w.store.finish_send(rows[0].seq, w.claim, gone(), None).await.unwrap();
    let ended = undelivered(&w).await;
    assert_eq!(ended.len(), 3);
    // One after the other, by another process; the daemon hears of it.
    let beside = w.factory.beside().await;
    for (seq, _) in &ended {
        beside.retry(WorkId::Row(*seq)).await.unwrap();
    }
    beside.close().await;
    let again: Vec<i64> = w.store.foreign_rows(10).await.unwrap().into_iter().map(|row| row.seq).collect();
    assert_eq!(again, [rows[0].seq, rows[1].seq]);
    assert_eq!(payloads(&w).await, ["a", "b"], "in their order");
    let news = w.store.unrendered(0, 10).await.unwrap();
    assert_eq!(news.len(), 1, "what had no calls yet is rendered now");
    w.store.rendered(news[0].action, vec![call("news")]).await.unwrap();
    assert!(undelivered(&w).await.is_empty());
    // The target counts as there, until the platform says otherwise once more.
    w.store.enqueue(announcement("ann", "more news"), Delivery::Push).await.unwrap();
    assert_eq!(w.store.unrendered(0, 10).await.unwrap().len(), 1);
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    w.store.finish_send(rows[0].seq, w.claim, gone(), None).await.unwrap();
    assert_eq!(undelivered(&w).await.len(), 4);
    let sent = w.exchange("bob", "2", &["x"]).await.rows.remove(0);
    assert!(w.store.claim_send(sent.seq, w.claim).await.unwrap());
    w.store.finish_send(sent.seq, w.claim, SendResult::Sent { ids: Vec::new() }, None).await.unwrap();
    assert!(w.store.retry(WorkId::Row(sent.seq)).await.is_err(), "what was sent is not sent again");
}

pub(crate) async fn what_is_committed_for_a_target_that_is_gone_ends_at_once<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (asked, contact) = w.say("ann", "1").await;
    w.begin(&asked, &contact).await;
    w.accept(change("ann", "2", Membership::Removed)).await;
    assert!(outcome(&w, asked.id).await.is_none(), "somebody works on it");
    let end = FinishTurn { claim_first: true, ..w.end(&asked, vec![said("x", &["a", "b"])]) };
    let finished = w.store.finish_turn(end).await.unwrap();
    assert!(finished.rows.is_empty() && !finished.first_claimed);
    assert_eq!((finished.view.outcome, finished.view.replies.len()), (Some(Outcome::Answered), 1), "it was answered");
    assert!(w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap(), "accepted");
    assert!(!w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap(), "and known");
    assert!(w.store.unrendered(0, 10).await.unwrap().is_empty() && payloads(&w).await.is_empty());
    w.store.enqueue(announcement("bob", "others"), Delivery::Push).await.unwrap();
    assert_eq!(w.store.unrendered(0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_target_that_is_heard_from_is_there_again<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let removed = |key: &str| change("ann", key, Membership::Removed);
    let mut chatter = event("ann", "talk");
    chatter.incoming.addressed = false;
    let news = [event("ann", "message"), chatter, change("ann", "in", Membership::Joined)];
    for (n, heard) in news.into_iter().enumerate() {
        w.accept(removed(&format!("out{n}"))).await;
        let (turn, contact) = opened(w.accept(heard).await);
        let rows = w.answer(&turn, &contact, &["a"]).await.rows;
        assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
        let sent = SendResult::Sent { ids: Vec::new() };
        w.store.finish_send(rows[0].seq, w.claim, sent, None).await.unwrap();
    }
    // The platform's word at a send counts as much as an event, and lasts as long.
    let rows = w.exchange("ann", "1", &["a", "b"]).await.rows;
    let (waiting, _) = w.say("ann", "2").await;
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
    w.store
        .finish_send(rows[0].seq, w.claim, SendResult::TargetGone { error: "target_gone".into() }, None)
        .await
        .unwrap();
    assert_eq!(outcome(&w, waiting.id).await, GONE);
    let w = w.crash().await;
    assert!(w.store.enqueue(announcement("ann", "news"), Delivery::Push).await.unwrap());
    assert!(w.store.unrendered(0, 10).await.unwrap().is_empty());
    w.say("ann", "3").await;
    w.store.enqueue(announcement("ann", "newer"), Delivery::Push).await.unwrap();
    assert_eq!(w.store.unrendered(0, 10).await.unwrap().len(), 1);
}

/// An event of a user in a group, where each person has a conversation.
fn in_chat(chat: &str, user: &str, key: &str) -> NewEvent {
    let sender = Sender { chat: Some(chat.into()), user: Some(user.into()), ..Sender::default() };
    let contact = ContactKey::new(Scope::UserInChat, &sender);
    let mut event = NewEvent { uid: format!("web-{chat}-{user}").into(), contact, ..event(user, key) };
    event.incoming.sender = sender;
    event.incoming.target = Target::of(chat);
    event
}

fn moves(chat: &str, to: &str, key: &str) -> NewEvent {
    let mut event = in_chat(chat, "ann", key);
    event.incoming.event = InboundEvent::Migration { to: Target::of(to) };
    event.incoming.addressed = false;
    event
}

pub(crate) async fn a_chat_that_moves_takes_everything_along<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (first, ann) = opened(w.accept(in_chat("-1", "ann", "1")).await);
    w.answer(&first, &ann, &["a", "b"]).await;
    let (waiting, bob) = opened(w.accept(in_chat("-1", "bob", "2")).await);
    let news = Announcement { target: Target::of("-1"), ..announcement("ann", "news") };
    w.store.enqueue(news, Delivery::Push).await.unwrap();
    w.exchange("cid", "3", &["c"]).await;
    let moved = w.accept(moves("-1", "-100", "g")).await;
    let Accepted::Moved { from, to, contacts, .. } = moved else { panic!("{moved:?}") };
    assert_eq!((&*from, &*to.key), ("-1", "-100"));
    let mut ids: Vec<_> = contacts.iter().map(|contact| contact.id).collect();
    ids.sort();
    assert_eq!(ids, [ann.id, bob.id]);
    assert!(contacts.iter().all(|contact| contact.target == to && contact.key.as_str().starts_with("c:-100|")));
    let w = w.crash().await;
    let rows = w.store.sendable(0, 10).await.unwrap();
    let targets: Vec<_> = rows.iter().map(|row| (row.payload.as_str(), &*row.target.key)).collect();
    assert_eq!(targets, [("a", "-100"), ("b", "-100"), ("c", "chat-cid")]);
    assert_eq!(&*w.store.unrendered(0, 10).await.unwrap()[0].target.key, "-100");
    assert_eq!(w.store.turn(waiting.seq).await.unwrap().unwrap().0.target, to);
    // The same conversation goes on there, and the news of the move changes nothing a second time.
    let (next, known) = opened(w.accept(in_chat("-100", "bob", "4")).await);
    assert_eq!((known.id, &known.base_uid), (bob.id, &bob.base_uid));
    assert_eq!(next.contact, bob.id);
    assert!(matches!(w.accept(moves("-1", "-100", "g")).await, Accepted::Duplicate { .. }));
    let Accepted::Moved { contacts, .. } = w.accept(moves("-1", "-100", "again")).await else { panic!("not moved") };
    assert!(contacts.iter().all(|contact| contact.target == to));
    assert_eq!(w.store.contact(bob.id).await.unwrap().unwrap().key, known.key);
}

pub(crate) async fn a_chat_that_has_its_own_conversation_keeps_it<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (old, before) = opened(w.accept(in_chat("-1", "ann", "1")).await);
    let (_, after) = opened(w.accept(in_chat("-100", "ann", "2")).await);
    w.accept(moves("-1", "-100", "g")).await;
    let (waiting, _) = w.store.turn(old.seq).await.unwrap().unwrap();
    assert_eq!((&*waiting.target.key, waiting.contact), ("-100", before.id), "its answer goes where people are");
    let (_, known) = opened(w.accept(in_chat("-100", "ann", "3")).await);
    assert_eq!(known.id, after.id);
}

pub(crate) async fn a_chat_that_was_only_seen_before_gives_way<F: StoreFactory>() {
    for dropped in [None, Some(Reason::NoAnswerNeeded)] {
        let w = World::<F>::new().await;
        let (_, before) = opened(w.accept(in_chat("-1", "ann", "1")).await);
        let mut joined = NewEvent { dropped, ..in_chat("-100", "ann", "2") };
        joined.incoming.event = InboundEvent::Membership { change: Membership::Joined };
        w.accept(joined).await;
        w.accept(moves("-1", "-100", "g")).await;
        let (_, known) = opened(w.accept(in_chat("-100", "ann", "3")).await);
        assert_eq!((known.id, known.uid()), (before.id, before.uid()), "{dropped:?}");
    }
}

fn late(key: &str, of: &str, text: &str, late: LateEdit) -> NewEvent {
    let mut event = event("ann", key);
    event.incoming.event = InboundEvent::Edit { of: of.into(), message: Message::text(text), late, or_new: false };
    event
}

pub(crate) async fn an_edit_that_comes_too_late_is_asked_again_if_so_wished<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let replaced = w.accept(late("1e", "1", "one", LateEdit::Ask)).await;
    assert!(matches!(replaced, Accepted::Replaced { .. }), "before it was begun it is the same turn: {replaced:?}");
    let turn = w.store.turn(turn.seq).await.unwrap().unwrap().0;
    w.begin(&turn, &contact).await;
    let too_late = async |event: NewEvent| {
        let ended = w.accept(event).await;
        assert!(matches!(ended, Accepted::Ended { reason: Reason::EditedTooLate, .. }), "{ended:?}");
    };
    too_late(late("1f", "1", "two", LateEdit::Ignore)).await;
    too_late(late("1g", "1", "one", LateEdit::Ask)).await;
    too_late(late("xe", "from before the bot was there", "two", LateEdit::Ask)).await;
    let others =
        NewEvent { contact: super::contact_key("bob"), uid: "web-bob".into(), ..late("1h", "1", "two", LateEdit::Ask) };
    too_late(others).await;
    let (again, _) = opened(w.accept(late("1i", "1", "two", LateEdit::Ask)).await);
    let is_open = |turn: &Turn| turn.seq == again.seq;
    assert!(again.seq > turn.seq && w.runnable().await.iter().any(is_open));
    assert_eq!(w.texts(again.seq).await, ["two"]);
    let view = w.store.view(again.id).await.unwrap().unwrap();
    assert_eq!(view.state, TurnState::Pending);
}

pub(crate) async fn an_edit_of_what_was_never_heard_is_a_message_if_so_wished<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let edit = |key: &str, text: &str| {
        let mut event = late(key, "1", text, LateEdit::Ignore);
        if let InboundEvent::Edit { or_new, .. } = &mut event.incoming.event {
            *or_new = true;
        }
        event
    };
    let (turn, contact) = opened(w.accept(edit("1a", "one")).await);
    let again = w.accept(edit("1a", "one")).await;
    assert!(matches!(again, Accepted::Replaced { .. }), "delivered again it is the same: {again:?}");
    let better = w.accept(edit("1b", "two")).await;
    assert!(matches!(better, Accepted::Replaced { .. }), "{better:?}");
    assert_eq!(w.texts(turn.seq).await, ["two"]);
    let turn = w.store.turn(turn.seq).await.unwrap().unwrap().0;
    w.begin(&turn, &contact).await;
    let ended = w.accept(edit("1c", "three")).await;
    assert!(matches!(ended, Accepted::Ended { reason: Reason::EditedTooLate, .. }), "{ended:?}");
    assert_eq!(w.runnable().await.len(), 0, "one turn, and that is begun");
}
