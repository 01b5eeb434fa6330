//! What the platform says no to: markup, texts, chats, the token.

use std::time::Duration;

use super::world::assert_parts;
use super::{ANN, BEA, Fault, On, Platform, World};
use crate::support::until;

pub(crate) async fn what_the_markup_refuses_goes_out_plain_and_only_that<P: Platform>() {
    let world = World::<P>::new("plain").await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::RejectsMarkup, On::Text("Part 2"), 1);
    world.says(ANN, "long");
    let sent = world.gets_messages(ANN, 3).await;
    world.rests().await;
    assert_eq!(sent.iter().map(|sent| sent.formatted).collect::<Vec<_>>(), [true, false, true]);
    assert!(sent[1].text.starts_with("Part 2 is here. It is green."), "{}", sent[1].text);
    assert_eq!(world.platform.attempts(ANN).len(), 4);
    assert_eq!(world.sends("plain").await, 1);
}

pub(crate) async fn a_part_that_is_refused_ends_its_answer_with_one_notice<P: Platform>() {
    let world = World::<P>::new("refused").await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::Rejects, On::Text("Part 2"), 0);
    world.says(ANN, "long");
    world.says(ANN, "bye");
    let got = world.gets(ANN, 3).await;
    world.rests().await;
    assert_parts(&world.texts(ANN), &["Part 1", "(The rest of this answer could not be delivered.)", "bye"]);
    assert_eq!(got.len(), 3);
    assert_eq!(world.sends("rejected").await, 1);
}

pub(crate) async fn a_chat_that_is_gone_is_left_alone_until_it_is_heard_again<P: Platform>() {
    let mut world = World::<P>::new("gone").await;
    world.answers_in_three_parts();
    world.platform.fails(Fault::ChatLimit(Duration::from_secs(1)), On::To(ANN), 1);
    world.says(ANN, "long");
    world.says(ANN, "bye");
    world.tries(ANN, 1).await;
    world.platform.shuts_out(ANN, true);
    world.says(BEA, "hello");
    world.tries(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.texts(BEA).len(), 1, "others go on");
    assert_eq!(world.sends("target_gone").await, 1);
    world.starts_again().await;
    world.says(BEA, "again");
    world.gets(BEA, 2).await;
    world.rests().await;
    assert_eq!((world.platform.attempts(ANN).len(), world.texts(ANN).len()), (2, 0), "once is enough");
    assert!(world.work().await.is_empty(), "nothing is left to look after");
    world.platform.shuts_out(ANN, false);
    world.says(ANN, "back");
    assert!(world.gets(ANN, 1).await[0].contains("back"));
    world.rests().await;
}

pub(crate) async fn a_refused_token_pauses_the_channel_and_buries_nothing<P: Platform>() {
    let world = World::<P>::new("token").await;
    world.answers_in_three_parts();
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    for chat in [ANN, BEA] {
        world.says(chat, "long");
        world.says(chat, "bye");
    }
    world.asks(2).await;
    world.platform.refuses_token(true);
    world.is("bad_credentials").await;
    until("all is answered", async || world.asked().len() == 4 && world.bridge.sandbox.in_flight() == 0).await;
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered", "the other channel works");
    assert!(world.texts(ANN).is_empty() && world.texts(BEA).is_empty());
    world.platform.refuses_token(false);
    for chat in [ANN, BEA] {
        assert_parts(&world.gets(chat, 4).await, &["Part 1", "Part 2", "Part 3", "bye"]);
    }
    world.is("connected").await;
    world.rests().await;
    assert_eq!(world.texts(ANN).len() + world.texts(BEA).len(), 8, "and nothing is doubled");
    assert!(world.work().await.is_empty());
}
