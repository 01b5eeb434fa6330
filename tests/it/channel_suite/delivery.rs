//! Out: in order, whole, within the platform's limits, and nobody waits for another.

use std::time::Duration;

use super::world::assert_parts;
use super::{ANN, BEA, CID, Fault, On, Platform, World};
use crate::support::until;

pub(crate) async fn each_chat_keeps_its_order_and_waits_for_no_other<P: Platform>() {
    let world = World::<P>::with("order", &[(P::TIMEOUT_KEY, "1s")], |setup| setup).await;
    world.platform.fails(Fault::Hang, On::To(ANN), 0);
    for n in 1..=4 {
        for chat in [ANN, BEA, CID] {
            world.says(chat, &format!("word {n}"));
        }
    }
    let right: Vec<String> = (1..=4).map(|n| format!("Turn {n}: you said \"word {n}\"")).collect();
    for chat in [BEA, CID] {
        assert_eq!(world.gets(chat, 4).await, right);
    }
    world.tries(ANN, 1).await;
    assert_eq!(world.texts(ANN).len(), 0, "the others waited for nothing");
    world.platform.heals();
    assert_eq!(world.gets(ANN, 4).await, right);
    world.rests().await;
    assert_eq!(world.platform.overlaps(), 0);
    assert_eq!(world.asked().len(), 12);
}

pub(crate) async fn a_long_answer_comes_whole_in_order_and_within_the_limit<P: Platform>() {
    let world = World::<P>::new("long").await;
    let length = P::MOST * 7 / 2;
    world.says(ANN, &format!("long {length}"));
    world.says(ANN, "bye");
    until("the last answer", async || world.texts(ANN).concat().contains("bye")).await;
    world.rests().await;
    let got = world.texts(ANN);
    let parts = &got[..got.len() - 1];
    assert!(parts.len() >= 4 && parts.iter().all(|part| part.encode_utf16().count() <= P::MOST), "{got:?}");
    let lines = (1..).map(|n| format!("{n}. The quick brown fox jumps over the lazy dog. "));
    let mut whole: String = lines.take(length / 40).collect();
    whole.truncate(length);
    let words: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
    assert_eq!(words, whole.split_whitespace().collect::<Vec<_>>());
    // Where there is no place to cut, the limit itself is one.
    for (chat, over) in [(BEA, 0), (CID, 1)] {
        let solid = "a".repeat(P::MOST + over);
        world.will_answer(&format!("over by {over}"), &solid);
        world.says(chat, &format!("over by {over}"));
        let got = world.gets(chat, 1 + over).await;
        assert_eq!((got.len(), got.concat()), (1 + over, solid));
    }
    world.rests().await;
    assert_eq!(world.platform.overlaps(), 0);
}

const PAUSE: Duration = Duration::from_secs(2);

/// The platform's clock and this one's start at the same call, a moment apart.
const NEARLY: Duration = Duration::from_millis(1_980);

pub(crate) async fn a_limit_of_a_chat_delays_no_other<P: Platform>() {
    let world = World::<P>::new("rate").await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::ChatLimit(PAUSE), On::To(ANN), 1);
    world.says(ANN, "long");
    world.says(ANN, "bye");
    world.tries(ANN, 1).await;
    world.says(BEA, "hello");
    world.gets(BEA, 1).await;
    assert_eq!(world.texts(ANN).len(), 0, "nobody waits for them");
    assert!(world.work().await.iter().all(|item| item.attempts == 0), "a pause is no attempt");
    let got = world.gets(ANN, 4).await;
    world.rests().await;
    assert_parts(&got, &["Part 1", "Part 2", "Part 3", "bye"]);
    let calls = world.platform.attempts(ANN);
    assert_eq!(calls.len(), 5);
    assert!(calls[1] - calls[0] >= NEARLY, "{:?}", calls[1] - calls[0]);
    assert_eq!(world.in_doubt("resent").await, 0, "a limit is no doubt");
}

pub(crate) async fn a_limit_of_the_bot_delays_all<P: Platform>() {
    let world = World::<P>::new("rate_bot").await;
    world.platform.fails(Fault::BotLimit(PAUSE), On::To(ANN), 1);
    world.says(ANN, "hello");
    world.tries(ANN, 1).await;
    until("the refusal is known", async || world.sends("retry").await == 1).await;
    world.says(BEA, "hello");
    world.gets(BEA, 1).await;
    world.gets(ANN, 1).await;
    world.rests().await;
    let hit = world.platform.attempts(ANN)[0];
    assert!(world.platform.attempts(BEA)[0] - hit >= NEARLY, "the whole bot was to wait");
}
