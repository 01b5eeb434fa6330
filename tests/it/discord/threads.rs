//! Threads that the bot takes part in, and those that it opens.

use std::time::Duration;

use serde_json::json;

use super::platform::{BAD_GATEWAY, BOT, Draft, Fault, deny};
use super::servers::{COFFEE, FORUM, counted, draft, hears, hears_bare, world};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};
use crate::support::until;

/// The uid of each ask, and its text.
fn uids(world: &World) -> Vec<(String, String)> {
    let log = world.bridge.sandbox.log().into_iter();
    log.filter_map(|entry| Some((entry.uid.unwrap_or_default(), entry.text?))).collect()
}

#[tokio::test]
async fn it_follows_threads_that_it_takes_part_in() {
    let mut world = world("dc_follows", &[("PATTERNS", "^bot")]).await;
    let platform = &world.platform;
    let thread = |name: &str, private: bool| platform.thread(ROOM, ANN, name, private);
    let (added, answered, secret, people) =
        (thread("added", false), thread("answered", false), thread("secret", true), thread("people", false));
    for thread in [added, answered, people] {
        platform.says(thread, BEA, "who listens?");
    }
    platform.says(secret, ANN, "not for bots");
    platform.adds_bot(added);
    hears_bare(&world, added, "what is tea?").await;
    assert_eq!(hears(&world, answered, [Draft::new(answered, ANN).text("bot, and rice?")]).await, ["bot, and rice?"]);
    hears_bare(&world, answered, "and coffee?").await;
    assert_eq!(hears(&world, secret, [Draft::new(secret, ANN).text(&at_bot("come in"))]).await, ["come in"]);
    hears_bare(&world, secret, "and stay").await;
    let post = platform.posts(FORUM, ANN, "How long?", &at_bot("How long does it take?"));
    world.gets(post, 1).await;
    hears_bare(&world, post, "so long?").await;

    // A session that goes on tells of no thread: whose it is gets asked, once for each.
    world.starts_again(&[]).await;
    for thread in [added, answered, secret] {
        hears_bare(&world, thread, "after a while").await;
    }
    world.platform.says(people, BEA, "still among people");
    world.platform.says(people, ANN, "they are");
    world.heard().await;
    let asked = |chat| world.platform.attempts("channel").iter().filter(|call| call.channel == Some(chat)).count();
    assert_eq!([added, answered, secret, people].map(asked), [1; 4]);

    // Whoever is sent away does not listen any more.
    let gone = json!({ "id": added.to_string(), "guild_id": GUILD.to_string(), "member_count": 2, "added_members": [],
                       "removed_member_ids": [BOT.to_string()] });
    world.platform.happens("THREAD_MEMBERS_UPDATE", Some(GUILD), gone);
    world.platform.says(added, BEA, "alone at last");
    world.heard().await;
    world.rests().await;
    assert_eq!((world.platform.sent_count(added), world.platform.sent_count(people)), (2, 0));
    assert_eq!(world.platform.identifies(), 1);
    assert_eq!(counted(&world, "not_addressed").await, 3 + 2 + 1);
}

#[tokio::test]
async fn a_thread_whose_place_is_hard_to_find_out_is_followed_all_the_same() {
    let mut world = world("dc_follows_late", &[]).await;
    let [one, two] = ["one", "two"].map(|name| world.platform.thread(ROOM, ANN, name, false));
    for thread in [one, two] {
        world.platform.adds_bot(thread);
    }
    world.heard().await;
    world.starts_again(&[]).await;
    world.platform.fails("channel", Some(one), Fault::Answer(502, BAD_GATEWAY), 1);
    world.platform.fails("channel", Some(one), Fault::Reset, 1);
    world.platform.fails("channel", Some(two), Fault::RetryAfter(0.3), 1);
    for thread in [one, two] {
        hears_bare(&world, thread, "what is tea?").await;
    }
    world.rests().await;
}

#[tokio::test]
async fn it_need_not_follow_threads() {
    let world = world("dc_follows_not", &[("FOLLOW_THREADS", "false")]).await;
    let thread = world.platform.thread(ROOM, ANN, "added", false);
    world.platform.adds_bot(thread);
    assert_eq!(hears(&world, thread, [Draft::new(thread, ANN).text(&at_bot("what is tea?"))]).await, ["what is tea?"]);
    world.platform.says(thread, BEA, "and coffee?");
    world.heard().await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(thread), 1);
}

#[tokio::test]
async fn a_thread_is_opened_for_each_question() {
    let room = ROOM.to_string();
    let mut world = world("dc_opens", &[("THREADS_IN", &room), ("SCOPE", "thread")]).await;
    let (first, second) = (
        world.platform.sends(draft("@me **what** is tea?\nAnd where is it from?")),
        world.platform.sends(draft("@me long 5000")),
    );
    let name = |thread| world.platform.channel(thread).unwrap()["name"].as_str().unwrap().to_owned();
    let answer = world.gets_messages(first, 1).await.remove(0);
    assert!(answer.text.contains("And where is it from?"), "{answer:?}");
    assert_eq!(answer.reply_to, None, "the question stands above");
    // All parts of an answer are in its one thread.
    let parts = world.gets_messages(second, 3).await;
    assert_eq!(parts.iter().map(|part| part.reply_to).collect::<Vec<_>>(), [None; 3]);
    assert_eq!((name(first), name(second)), ("what is tea?".to_owned(), "long 5000".to_owned()));

    // It goes on without a mention, whoever writes, and after a restart, too.
    hears_bare(&world, first, "and rice?").await;
    hears_bare(&world, second, "shorter, please").await;
    world.starts_again(&[]).await;
    hears_bare(&world, first, "and coffee?").await;
    let last = world.platform.sent(first).pop().unwrap();
    assert!(last.reply_to.is_some(), "in the thread, answers name their questions");
    world.platform.says(ROOM, BEA, "among people");
    world.heard().await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 0);
    assert_eq!(world.platform.attempts("thread").len(), 2, "each is opened once");

    // Each thread is a conversation.
    let uids = uids(&world);
    let of = |text: &str| uids.iter().find(|(_, asked)| asked.contains(text)).unwrap().0.clone();
    assert_eq!([of("And where is it from?"), of("and coffee?")], [of("and rice?"), of("and rice?")]);
    assert_eq!(of("long 5000"), of("shorter, please"));
    assert_ne!(of("long 5000"), of("and rice?"));
}

#[tokio::test]
async fn where_no_thread_can_be_opened_the_channel_gets_the_answer() {
    let rooms = format!("{ROOM}, {COFFEE}");
    let world = world("dc_opens_not", &[("THREADS_IN", &rooms)]).await;
    world.platform.denies(ROOM, deny::CREATE_PUBLIC_THREADS);
    let asked = [draft("@me one"), draft("@me two")].map(|draft| world.platform.sends(draft));
    let got = world.gets_messages(ROOM, 2).await;
    world.rests().await;
    let mut replies: Vec<_> = got.iter().filter_map(|sent| sent.reply_to).collect();
    replies.sort_unstable();
    assert_eq!(replies, asked);
    assert!(
        (1..=2).contains(&world.platform.attempts("thread").len()),
        "what is refused is not tried for each question"
    );
    let tried = world.platform.attempts("thread").len();
    assert_eq!(hears(&world, ROOM, [draft("@me three")]).await, ["three"]);
    assert_eq!(world.platform.attempts("thread").len(), tried);

    // A question that is gone has no thread, and an answer.
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    let asked = world.platform.says(COFFEE, ANN, &at_bot("and coffee?"));
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.deletes(COFFEE, asked);
    let got = world.gets_messages(COFFEE, 1).await;
    assert_eq!(got[0].reply_to, None);
    world.rests().await;
}
