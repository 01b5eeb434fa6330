//! From a message to its answer.

use super::platform::Slash;
use super::{ANN, BEA, ROOM, World, at_bot};
use crate::support::until;

#[tokio::test]
async fn a_direct_message_is_answered() {
    let world = World::new("dc_dm").await;
    let channel = world.platform.dm(ANN);
    world.platform.tells(ANN, "hello");
    let got = world.gets_messages(channel, 1).await;
    world.rests().await;
    assert!(got[0].text.contains("hello"), "{got:?}");
    assert_eq!(got[0].reply_to, None, "nobody writes in between");
    assert_eq!(world.asked(), ["hello"]);
}

#[tokio::test]
async fn a_mention_is_answered_with_a_reply_and_what_people_say_is_not() {
    let world = World::new("dc_mention").await;
    world.platform.says(ROOM, BEA, "nobody asked you");
    let question = world.platform.says(ROOM, ANN, &at_bot("what is tea?"));
    let got = world.gets_messages(ROOM, 1).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(got[0].reply_to, Some(question));
    assert_eq!(world.platform.sent_count(ROOM), 1);
    assert_eq!(world.asked(), ["what is tea?", "was all heard?"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "not_addressed")]).await, 1);
}

#[tokio::test]
async fn a_slash_command_is_answered_where_the_bot_thinks() {
    let world = World::new("dc_slash").await;
    let asked = world.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "what is tea?"));
    until("the answer", async || {
        world.platform.answers(asked).first().is_some_and(|text| text.contains("what is tea?"))
    })
    .await;
    world.rests().await;
    let (kind, private) = world.platform.acknowledged(asked).unwrap();
    assert_eq!((kind, private), (5, false));
    assert_eq!(world.platform.answers(asked).len(), 1, "the first answer takes the place of the sign");
}
