//! What is spoken first.

use caigunn_bridge::contract::store::Utterance;
use caigunn_bridge::model::capabilities::Delivery;
use caigunn_bridge::model::outbound::{Announcement, Lane};
use caigunn_bridge::model::{OutboundAction, Target};

use super::{StoreFactory, World, call, channel};

pub(crate) fn announcement(key: &str) -> Announcement {
    Announcement {
        channel: channel(),
        target: Target::of("chat-ann"),
        actions: vec![OutboundAction::answer("one", None), OutboundAction::answer("two", None)],
        dedupe_key: key.into(),
        lane: Lane::Bulk,
    }
}

pub(crate) async fn an_announcement_is_made_once<F: StoreFactory>() {
    let w = World::<F>::new().await;
    assert!(w.store.enqueue(announcement("k"), Delivery::Push).await.unwrap());
    assert!(!w.store.enqueue(announcement("k"), Delivery::Push).await.unwrap());
    let other = Announcement { channel: "other".into(), ..announcement("k") };
    assert!(w.store.enqueue(other, Delivery::Push).await.unwrap());
    let w = w.crash().await;
    assert!(!w.store.enqueue(announcement("k"), Delivery::Push).await.unwrap());
    let waiting = w.store.unrendered(0, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|spoken| spoken.what.text()).collect::<Vec<_>>(), ["one", "two", "one", "two"]);
    assert_eq!(
        (&waiting[0].channel, &waiting[0].target, waiting[0].lane),
        (&channel(), &Target::of("chat-ann"), Lane::Bulk)
    );
    let first = w.store.unrendered(0, 1).await.unwrap();
    assert_eq!(first.len(), 1);
    let rest = w.store.unrendered(first[0].action, 10).await.unwrap();
    assert!(rest.iter().all(|spoken| spoken.action > first[0].action) && rest.len() + 1 == waiting.len());
    assert!(w.store.sendable(0, 10).await.unwrap().is_empty());
}

pub(crate) async fn rendering_twice_changes_nothing<F: StoreFactory>() {
    let w = World::<F>::new().await;
    w.store.enqueue(announcement("k"), Delivery::Push).await.unwrap();
    let action = w.store.unrendered(0, 10).await.unwrap()[0].action;
    let rows = w.store.rendered(action, vec![call("a"), call("b")]).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.action, row.part, row.parts, row.lane)).collect::<Vec<_>>(),
        [(action, 0, 2, Lane::Bulk), (action, 1, 2, Lane::Bulk)]
    );
    assert!(rows.iter().all(|row| row.turn.is_none()));
    let again = w.store.rendered(action, vec![call("x")]).await.unwrap();
    assert_eq!(again.iter().map(|row| row.seq).collect::<Vec<_>>(), rows.iter().map(|row| row.seq).collect::<Vec<_>>());
    assert_eq!(w.store.sendable(0, 10).await.unwrap().len(), 2);
    assert_eq!(w.store.unrendered(0, 10).await.unwrap().len(), 1);
    assert!(w.store.claim_send(rows[0].seq, w.claim).await.unwrap());
}

pub(crate) async fn pull_announcements_are_read_from_the_journal<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (_, contact) = w.say("ann", "1").await;
    let mut news = w.store.watch_contact(contact.id);
    news.mark_unchanged();
    w.store.enqueue(announcement("k"), Delivery::Pull).await.unwrap();
    assert!(w.store.unrendered(0, 10).await.unwrap().is_empty());
    let said = w.store.last_entries(contact.id, None, 1).await.unwrap();
    assert!(matches!(&said[0].said, Utterance::Out(action) if action.text() == "two"), "{said:?}");
    assert!(said[0].turn.is_none());
    news.changed().await.unwrap();
    assert_eq!(*news.borrow(), said[0].n);
}
