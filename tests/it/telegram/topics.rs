//! Where an answer goes: below its question, into its topic.

use std::time::Duration;

use super::World;
use super::platform::{Draft, Fault};
use crate::support::until;

const ANN: i64 = 7;
const GROUP: i64 = -1001;
const FORUM: i64 = -1002;

fn asks(world: &World, topic: i64, text: &str) -> i64 {
    world.platform.sends(Draft::new(FORUM, ANN).text(&format!("@bridge_test_bot {text}")).thread(topic))
}

#[tokio::test]
async fn an_answer_names_its_question_in_groups() {
    let key = |id: &str| format!("CHANNELS__{}__REPLIES", id.to_uppercase());
    for (id, replies, private, group) in [
        ("tgd_replies_groups", "groups", false, true),
        ("tgd_replies_always", "always", true, true),
        ("tgd_replies_never", "never", false, false),
    ] {
        let world = World::with(id, |setup| setup.set(&key(id), replies)).await;
        world.platform.supergroup(GROUP, "Friends");
        let asked = [world.platform.says(ANN, ANN, "hello"), world.platform.says(GROUP, ANN, "@bridge_test_bot hello")];
        let got =
            [&world.gets_messages(ANN, 1).await[0], &world.gets_messages(GROUP, 1).await[0]].map(|sent| sent.reply_to);
        assert_eq!(got, [private.then_some(asked[0]), group.then_some(asked[1])], "{replies}");
        world.rests().await;
    }
}

#[tokio::test]
async fn only_the_first_message_of_a_long_answer_names_the_question() {
    let world = World::new("tgd_reply_once").await;
    world.platform.supergroup(GROUP, "Friends");
    let asked = world.platform.says(GROUP, ANN, "@bridge_test_bot long 10000");
    let sent = world.gets_messages(GROUP, 3).await;
    assert_eq!(sent.iter().map(|sent| sent.reply_to).collect::<Vec<_>>(), [Some(asked), None, None]);
    world.rests().await;
}

#[tokio::test]
async fn a_question_that_was_deleted_meanwhile_is_answered_all_the_same() {
    let world = World::new("tgd_deleted").await;
    world.platform.supergroup(GROUP, "Friends");
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    let asked = world.platform.says(GROUP, ANN, "@bridge_test_bot hello");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.deletes(GROUP, asked);
    let sent = world.gets_messages(GROUP, 1).await;
    assert_eq!((sent[0].reply_to, &*sent[0].text), (None, "Turn 1: you said \"hello\""));
    assert_eq!(world.platform.attempts("sendmessage").len(), 1);
    world.rests().await;
}

#[tokio::test]
async fn answers_stay_in_their_topics() {
    let world = World::new("tgd_topics").await;
    world.platform.forum(FORUM, "Forum");
    let topics = [world.platform.topic(FORUM, ANN, "Tea"), world.platform.topic(FORUM, ANN, "Rice")];
    let asked = [asks(&world, topics[0], "one"), asks(&world, topics[1], "two")];
    let general = world.platform.says(FORUM, ANN, "@bridge_test_bot three");
    let sent = world.gets_messages(FORUM, 3).await;
    let place = |text: &str| {
        let sent = sent.iter().find(|sent| sent.text.contains(text)).unwrap();
        (sent.thread, sent.reply_to)
    };
    assert_eq!(place("one"), (Some(topics[0]), Some(asked[0])));
    assert_eq!(place("two"), (Some(topics[1]), Some(asked[1])));
    assert_eq!(place("three"), (None, Some(general)));
    world.rests().await;
}

#[tokio::test]
async fn the_chat_itself_stands_in_for_a_topic_that_was_deleted_and_for_no_other() {
    let world = World::new("tgd_topic_gone").await;
    world.platform.forum(FORUM, "Forum");
    let topics = [world.platform.topic(FORUM, ANN, "Tea"), world.platform.topic(FORUM, ANN, "Rice")];
    world.platform.fails("sendmessage", Some(FORUM), Fault::RetryAfter(1), 1);
    asks(&world, topics[0], "one");
    asks(&world, topics[1], "two");
    asks(&world, topics[0], "three");
    until("all wait to be sent", async || world.asked().len() == 3 && world.open_work().await.len() >= 3).await;
    world.platform.deletes_topic(FORUM, topics[0]);
    let sent = world.gets_messages(FORUM, 3).await;
    world.rests().await;
    let places: Vec<_> = sent.iter().map(|sent| sent.thread).collect();
    assert_eq!(places, [None, Some(topics[1]), None], "{sent:?}");
    assert!(sent[0].text.contains("one") && sent[1].text.contains("two") && sent[2].text.contains("three"));
    assert_eq!(world.platform.attempts("sendmessage").iter().filter(|call| call.status == 400).count(), 1);
}
