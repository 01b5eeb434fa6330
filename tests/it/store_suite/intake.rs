//! Events in.

use std::time::Duration;

use caigunn_bridge::contract::store::{Accepted, ContactChange, FinishTurn, NewEvent, Utterance};
use caigunn_bridge::model::capabilities::Overflow;
use caigunn_bridge::model::turn::{Outcome, Reason, TurnState};
use caigunn_bridge::model::{InboundEvent, Lang, LateEdit, Message, Target};

use super::{StoreFactory, World, channel, contact_key, event, key, opened, secs, text};

pub(crate) async fn a_known_key_is_a_duplicate_also_after_a_crash<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, _) = w.say("ann", "1").await;
    let again = w.accept(event("ann", "1")).await;
    assert!(matches!(again, Accepted::Duplicate { turn: Some(id), .. } if id == turn.id), "{again:?}");
    let both = w.store.accept(vec![event("ann", "2"), event("ann", "2")], Vec::new()).await.unwrap();
    assert!(matches!(both[..], [Accepted::Opened { .. }, Accepted::Duplicate { .. }]), "{both:?}");

    let w = w.crash().await;
    let again = w.accept(event("ann", "1")).await;
    assert!(matches!(again, Accepted::Duplicate { turn: Some(id), .. } if id == turn.id), "{again:?}");
    assert_eq!(w.runnable().await.len(), 2);
}

pub(crate) async fn a_note_is_kept_with_its_key<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let mut noted = event("ann", "1");
    noted.incoming.note = Some("fingerprint".into());
    let (turn, _) = opened(w.accept(noted).await);
    let again = w.accept(event("ann", "1")).await;
    assert!(matches!(&again, Accepted::Duplicate { note: Some(note), .. } if note == "fingerprint"), "{again:?}");
    let of = w.store.turn_of(&channel(), &key("1")).await.unwrap();
    assert_eq!(of, Some((turn.id, Some("fingerprint".into()))));
    assert_eq!(w.store.turn_of(&channel(), &key("2")).await.unwrap(), None);
}

pub(crate) async fn equal_keys_of_two_channels_are_two_events<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (first, _) = w.say("ann", "1").await;
    let other = NewEvent { channel: "other".into(), uid: "other-ann".into(), ..event("ann", "1") };
    let (second, _) = opened(w.accept(other).await);
    assert_ne!(first.contact, second.contact, "contacts are a channel's own too");
}

pub(crate) async fn events_and_cursor_are_one_commit<F: StoreFactory>() {
    let w = World::<F>::new().await;
    assert_eq!(w.store.cursor("web/updates").await.unwrap(), None);
    let at = |cursor: &str| vec![("web/updates".to_owned(), cursor.to_owned())];
    w.store.accept(vec![event("ann", "1")], at("17")).await.unwrap();
    // The turn's id is taken: nothing of this call may stay, not the event before it nor the cursor.
    let bad = NewEvent { turn: w.runnable().await[0].id, ..event("ann", "3") };
    let failed = w.store.accept(vec![event("ann", "2"), bad], at("18")).await;
    assert!(failed.is_err(), "{failed:?}");
    let w = w.crash().await;
    assert_eq!(w.store.cursor("web/updates").await.unwrap().as_deref(), Some("17"));
    assert_eq!(w.runnable().await.len(), 1);
    w.store.accept(Vec::new(), at("19")).await.unwrap();
    assert_eq!(w.store.cursor("web/updates").await.unwrap().as_deref(), Some("19"));
}

pub(crate) async fn cursors_of_a_prefix_are_listed_and_forgotten<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let pair = |source: &str, cursor: &str| (source.to_owned(), cursor.to_owned());
    // What `LIKE` would take for a wildcard, or for the same letter, is neither.
    let others =
        [pair("page_", "0"), pair("Page_1:a", "1"), pair("pageX1:a", "2"), pair("page%1:a", "3"), pair("page`", "4")];
    let mine = [pair("page_1:", "5"), pair("page_1:a", "6"), pair("page_1:\u{10ffff}z", "7"), pair("page_1:é", "8")];
    let first = [pair("page_1:a", "old"), pair("other", "9")];
    w.store.accept(vec![event("ann", "1")], [&first[..], &others[..], &mine[..]].concat()).await.unwrap();
    // By their bytes, and of one source that came twice the last.
    let sorted =
        vec![pair("page_1:", "5"), pair("page_1:a", "6"), pair("page_1:é", "8"), pair("page_1:\u{10ffff}z", "7")];
    assert_eq!(w.store.cursors("page_1:").await.unwrap(), sorted);
    assert_eq!(w.store.cursors("page_2").await.unwrap(), []);
    assert_eq!(w.store.cursors("").await.unwrap().len(), 10);

    let gone = ["page_1:a", "page_1:never", "page_1:\u{10ffff}z"].map(str::to_owned);
    w.store.forget_cursors(gone.to_vec()).await.unwrap();
    let w = w.crash().await;
    assert_eq!(w.store.cursors("page_1:").await.unwrap(), [pair("page_1:", "5"), pair("page_1:é", "8")]);
    assert_eq!(w.store.cursor("page_1:a").await.unwrap(), None);
    assert_eq!(w.store.cursors("").await.unwrap().len(), 8, "nothing else is forgotten");
}

pub(crate) async fn a_contact_is_created_once_and_kept_up_to_date<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (_, first) = w.say("ann", "1").await;
    assert_eq!((&*first.base_uid, first.generation, first.lang), ("web-ann", 0, None));
    let mut renamed = NewEvent { uid: "another-template".into(), ..event("ann", "2") };
    renamed.incoming.sender.nickname = Some("Ann B.".into());
    renamed.incoming.sender.lang = Some(Lang::ZhTw);
    renamed.incoming.target = Target { fallback: Some("chat".into()), ..Target::of("chat-2") };
    let target = renamed.incoming.target.clone();
    let (_, second) = opened(w.accept(renamed).await);
    assert_eq!(second.id, first.id);
    assert_eq!(&*second.base_uid, "web-ann", "it does not change with the template");
    assert_eq!((second.nickname.as_deref(), second.lang, &second.target), (Some("Ann B."), Some(Lang::ZhTw), &target));
    // A language once known is kept, and so is a name that an event does not tell.
    let mut silent = event("ann", "3");
    silent.incoming.sender.nickname = None;
    silent.incoming.sender.lang = Some(Lang::En);
    silent.incoming.target = target;
    let (_, third) = opened(w.accept(silent).await);
    assert_eq!((third.nickname.as_deref(), third.lang), (Some("Ann B."), Some(Lang::ZhTw)));
    assert_eq!(w.store.contact(first.id).await.unwrap().as_ref(), Some(&third));
    assert_eq!(w.store.contact_by_key(&channel(), &contact_key("ann")).await.unwrap(), Some(third));
    assert_eq!(w.store.contact_by_key(&channel(), &contact_key("bob")).await.unwrap(), None);
}

pub(crate) async fn a_uid_that_is_taken_is_not_shared<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (_, ann) = w.say("ann", "1").await;
    let (_, bob) = opened(w.accept(NewEvent { uid: ann.base_uid.clone(), ..event("bob", "2") }).await);
    let (_, cat) = opened(w.accept(NewEvent { uid: ann.base_uid.clone(), ..event("cat", "3") }).await);
    assert!(bob.base_uid.starts_with("h-") && cat.base_uid.starts_with("h-"));
    assert_ne!(bob.base_uid, cat.base_uid);
}

fn member(key: &str, held: u64) -> NewEvent {
    let mut event = event("ann", key);
    event.incoming.group = Some("album".into());
    event.incoming.not_before = secs(held);
    event.incoming.addressed = false;
    event
}

pub(crate) async fn members_of_a_group_join_a_held_turn<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, _) = opened(w.accept(member("1", 10)).await);
    assert_eq!((turn.due_in, turn.addressed), (secs(10), false));
    w.clock.advance(secs(4));
    let mut second = member("2", 10);
    second.incoming.addressed = true;
    let joined = w.accept(second).await;
    assert!(
        matches!(joined, Accepted::Joined { turn: id, seq, due_in, .. } if id == turn.id && seq == turn.seq && due_in == secs(10)),
        "{joined:?}"
    );
    // A shorter hold does not shorten it.
    let joined = w.accept(member("3", 1)).await;
    assert!(matches!(joined, Accepted::Joined { due_in, .. } if due_in == secs(10)), "{joined:?}");
    let held = w.runnable().await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].due_in, held[0].addressed, held[0].version), (secs(10), true, 2));
    assert_eq!(w.texts(turn.seq).await, ["1", "2", "3"]);
    let of = w.store.turn_of(&channel(), &key("3")).await.unwrap();
    assert_eq!(of, Some((turn.id, None)));
    w.clock.advance(secs(10));
    assert_eq!(w.runnable().await[0].due_in, Duration::ZERO);
    // Other groups, other contacts and single messages do not join.
    let (single, _) = w.say("ann", "4").await;
    let mut elsewhere = event("bob", "5");
    elsewhere.incoming.group = Some("album".into());
    let (elsewhere, _) = opened(w.accept(elsewhere).await);
    assert!(single.seq != turn.seq && elsewhere.seq != turn.seq);
}

pub(crate) async fn a_member_that_comes_late_opens_a_turn<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (first, contact) = opened(w.accept(member("1", 0)).await);
    w.begin(&first, &contact).await;
    let (second, _) = opened(w.accept(member("2", 0)).await);
    assert_ne!(first.seq, second.seq, "a claimed turn is not joined");
    w.store.release_turn(first.seq, w.claim, None, Duration::ZERO, None).await.unwrap();
    w.store.finish_turn(w.end(&first, Vec::new())).await.unwrap();
    // The first has ended, the second has never been attempted.
    assert!(matches!(w.accept(member("3", 0)).await, Accepted::Joined { seq, .. } if seq == second.seq));
    w.store.release_turn(second.seq, w.claim, None, Duration::ZERO, Some(secs(1))).await.unwrap();
    let (third, _) = opened(w.accept(member("4", 0)).await);
    assert!(third.seq > second.seq, "an attempted turn is not joined, though it is pending");
}

fn edit(user: &str, key: &str, of: &str) -> NewEvent {
    let mut event = event(user, key);
    let message = Message::text(format!("{of} as edited"));
    event.incoming.event = InboundEvent::Edit { of: of.into(), message, late: LateEdit::Ignore, or_new: false };
    event
}

pub(crate) async fn an_edit_replaces_what_nobody_has_begun<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    let edited = w.accept(edit("ann", "1e", "1")).await;
    assert!(
        matches!(edited, Accepted::Replaced { turn: id, seq, .. } if id == turn.id && seq == turn.seq),
        "{edited:?}"
    );
    let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
    assert_eq!((now.version, now.events.len()), (1, 1));
    assert_eq!(now.events[0].event, text("1 as edited"));
    let again = w.accept(edit("ann", "1e", "1")).await;
    assert!(matches!(again, Accepted::Duplicate { turn: Some(id), .. } if id == turn.id), "{again:?}");
    let said = w.store.entries(contact.id, 0, 10).await.unwrap();
    assert_eq!(said.len(), 1);
    assert!(matches!(&said[0].said, Utterance::In(event) if *event == text("1 as edited")), "{said:?}");
    // Nobody edits what another has said.
    let other = w.accept(edit("bob", "x", "1")).await;
    assert!(matches!(other, Accepted::Ended { reason: Reason::EditedTooLate, .. }), "{other:?}");
}

pub(crate) async fn an_edit_that_comes_too_late_ends_at_once<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    w.store.release_turn(turn.seq, w.claim, None, Duration::ZERO, None).await.unwrap();
    for (key, of) in [("1e", "1"), ("2e", "never seen")] {
        let Accepted::Ended { turn: id, reason: Reason::EditedTooLate } = w.accept(edit("ann", key, of)).await else {
            panic!("{of} was not too late")
        };
        let view = w.store.view(id).await.unwrap().unwrap();
        assert_eq!((view.state, view.outcome), (TurnState::Done, Some(Outcome::Dropped(Reason::EditedTooLate))));
    }
    assert_eq!(w.texts(turn.seq).await, ["1"]);
    assert_eq!(w.store.entries(contact.id, 0, 10).await.unwrap().len(), 3, "what came too late is recorded");
}

pub(crate) async fn over_the_bound_refuse_stores_nothing<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let bounded = |key: &str| NewEvent { max_pending: 2, overflow: Overflow::Refuse, ..event("ann", key) };
    let (first, contact) = opened(w.accept(bounded("1")).await);
    w.accept(bounded("2")).await;
    let mut third = bounded("3");
    third.incoming.sender.nickname = Some("renamed".into());
    let refused = w.accept(third).await;
    assert!(matches!(refused, Accepted::Refused { reason: Reason::TooManyPending }), "{refused:?}");
    assert_eq!(w.store.entries(contact.id, 0, 10).await.unwrap().len(), 2);
    assert_eq!(w.store.contact(contact.id).await.unwrap(), Some(contact.clone()));
    // There is room again once one has ended, and the refused event is not known.
    w.answer(&first, &contact, &[]).await;
    opened(w.accept(bounded("3")).await);
}

pub(crate) async fn over_the_bound_notice_says_so_once<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let bounded = |key: &str| NewEvent { max_pending: 2, ..event("ann", key) };
    let (first, contact) = opened(w.accept(bounded("1")).await);
    let (second, _) = opened(w.accept(bounded("2")).await);
    let (notice, _) = opened(w.accept(bounded("3")).await);
    assert_eq!(notice.verdict, Some(Reason::TooManyPending));
    for key in ["4", "5"] {
        let further = w.accept(bounded(key)).await;
        assert!(matches!(further, Accepted::Ended { reason: Reason::TooManyPending, .. }), "{further:?}");
    }
    assert_eq!(w.store.entries(contact.id, 0, 10).await.unwrap().len(), 5, "all are recorded");
    for turn in [&first, &second] {
        w.answer(turn, &contact, &[]).await;
    }
    w.store.finish_turn(w.end(&notice, Vec::new())).await.unwrap();
    opened(w.accept(bounded("6")).await);
    opened(w.accept(bounded("7")).await);
    let (next_burst, _) = opened(w.accept(bounded("8")).await);
    assert_eq!(next_burst.verdict, Some(Reason::TooManyPending));
}

pub(crate) async fn a_verdict_is_said_once_per_burst<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let judged = |user: &str, key: &str| NewEvent { verdict: Some(Reason::RateLimited), ..event(user, key) };
    let (turn, _) = opened(w.accept(judged("ann", "1")).await);
    assert_eq!(turn.verdict, Some(Reason::RateLimited));
    assert_eq!(w.runnable().await[0].verdict, Some(Reason::RateLimited));
    let further = w.accept(judged("ann", "2")).await;
    assert!(matches!(further, Accepted::Ended { reason: Reason::RateLimited, .. }), "{further:?}");
    opened(w.accept(judged("bob", "3")).await);
    w.store.finish_turn(w.end(&turn, Vec::new())).await.unwrap();
    opened(w.accept(judged("ann", "4")).await);
}

pub(crate) async fn a_contact_is_found_by_its_uid<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, ann) = w.say("ann", "1").await;
    w.say("bob", "2").await;
    let found = async |uid: &str| w.store.contact_by_uid(uid).await.unwrap().map(|(of, contact)| (of, contact.id));
    let is_ann = Some((channel(), ann.id));
    assert_eq!((found("web-ann").await, found("web-an").await, found("").await), (is_ann.clone(), None, None));
    let reset = ContactChange { reset: true, ..ContactChange::default() };
    let end = FinishTurn { contact: reset, ..w.end(&turn, Vec::new()) };
    let now = w.store.finish_turn(end).await.unwrap().contact.unwrap();
    assert_ne!(*now.uid(), *ann.uid());
    assert_eq!(
        (found(&now.uid()).await, found("web-ann").await),
        (is_ann.clone(), is_ann),
        "its present one and its first"
    );
    let later = now.uid().replace(".g1", ".g2");
    assert_eq!((found(&later).await, found("web-bob-.g1").await), (None, None), "nobody's yet");
}
