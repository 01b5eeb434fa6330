//! The process dies between two commits: before the ask, in it, before the send, in it.

use std::time::Duration;

use super::world::assert_parts;
use super::{ANN, BEA, Fault, Need, On, Platform, World};
use crate::support::{Setup, until};

pub(crate) async fn a_backlog_is_answered_once_and_in_order<P: Platform>() {
    // The chatbot takes its time with the asks that are cut off, and counts them when it has answered them: they are to be
    // found, not asked again.
    let patient = |setup: Setup| setup.set("PIPELINE__RECOVERY_WINDOW", "20s");
    let mut world = World::<P>::with("backlog", &[], patient).await;
    // Long enough to die in the first asks: no send is open then.
    world.bridge.sandbox.set_latency(Duration::from_secs(1));
    for n in 1..=4 {
        world.says(ANN, &format!("word {n}"));
        world.says(BEA, &format!("word {n}"));
    }
    world.heard().await;
    world.asks(2).await;
    world.bridge.crash().await;
    assert_eq!(world.texts(ANN).len() + world.texts(BEA).len(), 0);
    // And what came while nobody was there.
    world.says(ANN, "word 5");
    world.bridge.sandbox.set_latency(Duration::from_millis(50));
    world.starts_again().await;
    let right: Vec<String> = (1..=5).map(|n| format!("Turn {n}: you said \"word {n}\"")).collect();
    assert_eq!(world.gets(ANN, 5).await, right);
    assert_eq!(world.gets(BEA, 4).await, right[..4]);
    world.rests().await;
    assert_eq!((world.texts(ANN).len(), world.texts(BEA).len()), (5, 4));
}

pub(crate) async fn what_is_answered_and_not_sent_is_sent_once<P: Platform>() {
    let mut world = World::<P>::new("unsent").await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::ChatLimit(Duration::from_secs(3)), On::To(ANN), 1);
    world.says(ANN, "long");
    world.says(ANN, "bye");
    world.tries(ANN, 1).await;
    until("the limit is stored and both turns have ended", async || {
        let open = world.open_work().await;
        open.len() == 4 && open.iter().any(|item| item.contains("rate limited"))
    })
    .await;
    world.crashes().await;
    let got = world.gets(ANN, 4).await;
    world.rests().await;
    assert_parts(&world.texts(ANN), &["Part 1", "Part 2", "Part 3", "bye"]);
    assert_eq!((got.len(), world.asked().len()), (4, 2));
    let calls = world.platform.attempts(ANN);
    assert!(calls[1] - calls[0] >= Duration::from_millis(2_900), "the platform's pause is kept");
    for result in ["resent", "dropped", "deduped"] {
        assert_eq!(world.in_doubt(result).await, 0, "none was open");
    }
}

pub(crate) async fn only_the_open_send_may_be_doubled<P: Platform>() {
    let mut world = World::<P>::with("open", &[(P::TIMEOUT_KEY, "30s")], |setup| setup).await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::SentThenHang, On::To(ANN), 1);
    world.platform.fails(Fault::Hang, On::To(BEA), 1);
    for chat in [ANN, BEA] {
        world.says(chat, "long");
        world.says(chat, "bye");
    }
    world.tries(ANN, 1).await;
    world.tries(BEA, 1).await;
    until("all turns have ended", async || world.open_work().await.len() == 8).await;
    world.crashes().await;
    let doubles = !P::LACKS.contains(&Need::Doubles);
    let doubled = ["Part 1", "Part 1", "Part 2", "Part 3", "bye"];
    let wanted = if doubles { &doubled[..] } else { &doubled[1..] };
    world.gets(ANN, wanted.len()).await;
    world.gets(BEA, 4).await;
    world.rests().await;
    assert_parts(&world.texts(ANN), wanted);
    assert_parts(&world.texts(BEA), &["Part 1", "Part 2", "Part 3", "bye"]);
    assert_eq!(world.in_doubt(if doubles { "resent" } else { "deduped" }).await, 2);
    assert_eq!(world.asked().len(), 4);
}
