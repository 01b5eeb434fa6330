//! Sends of which nobody knows whether they arrived.

use caigunn_bridge::contract::store::Upkeep;

use super::world::assert_parts;
use super::{ANN, Chat, Fault, Need, On, Platform, World};
use crate::support::until;

pub(crate) async fn a_send_in_doubt_is_repeated_once_and_counted<P: Platform>() {
    let world = World::<P>::new("doubt").await;
    let doubles = !P::LACKS.contains(&Need::Doubles);
    let twice = if doubles { 2 } else { 1 };
    let faults = [
        (Fault::Reset, 1),
        (Fault::SentThenReset, twice),
        (Fault::Hang, 1),
        (Fault::SentThenHang, twice),
        (Fault::Busy, 1),
    ];
    for (n, (fault, _)) in (1..).zip(faults) {
        world.platform.fails(fault, On::To(Chat::With(n)), 1);
        world.says(Chat::With(n), "hello");
        world.says(Chat::With(n), "bye");
    }
    for (n, (fault, copies)) in (1..).zip(faults) {
        let got = world.gets(Chat::With(n), copies + 1).await;
        let right = got[..copies].iter().all(|text| text.contains("hello")) && got[copies].contains("bye");
        assert!(right, "{fault:?}: nothing is lost, a double is possible: {got:?}");
    }
    world.rests().await;
    for (n, (fault, _)) in (1..).zip(faults) {
        assert_eq!(world.platform.attempts(Chat::With(n)).len(), 3, "{fault:?}");
    }
    assert_eq!(world.in_doubt(if doubles { "resent" } else { "deduped" }).await, faults.len() as u64);
    assert!(world.work().await.is_empty());
}

pub(crate) async fn at_will_it_is_set_aside_and_the_rest_goes_on<P: Platform>() {
    let world = World::<P>::with("drop", &[], |setup| setup.set("PIPELINE__AMBIGUOUS_SEND", "drop")).await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::SentThenReset, On::Text("Part 1"), 1);
    world.says(ANN, "long");
    world.says(ANN, "bye");
    let got = world.gets(ANN, 4).await;
    world.rests().await;
    assert_parts(&got, &["Part 1", "Part 2", "Part 3", "bye"]);
    assert_eq!(world.in_doubt("dropped").await, 1);
    let work = world.work().await;
    assert_eq!(work.iter().map(|item| item.reason.as_deref()).collect::<Vec<_>>(), [Some("in_doubt")]);
    let beside = world.beside();
    beside.retry(work[0].id).await.unwrap();
    let got = world.gets(ANN, 5).await;
    assert_eq!(got[4], got[0], "an operator's word is taken");
    until("it is done with", async || world.work().await.is_empty()).await;
    beside.close().await;
    world.rests().await;
}
