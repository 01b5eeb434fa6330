//! How fast the bot speaks, and who waits when Telegram says so. The arithmetic of the windows (20 a minute among them) is
//! tested where it is done, on a clock of its own.

use std::time::{Duration, Instant};

use super::World;
use super::platform::{Fault, Rates};
use crate::support::until;

const ANN: i64 = 7;
const BEA: i64 = 8;
const CID: i64 = 9;
const GROUP: i64 = -1001;

/// When a chat got its first message.
async fn at(world: &World, chat: i64) -> Instant {
    world.gets_messages(chat, 1).await[0].at
}

/// Waits until the bridge has read two refusals.
async fn both_are_known(world: &World) {
    let known = async || world.counted("bridge_sends_total", &[("result", "retry")]).await == 2;
    until("both refusals are known", known).await;
}

#[tokio::test]
async fn published_rates_are_kept_whatever_comes_at_once() {
    let world = World::with("tgd_paced", |setup| setup.set("CHANNELS__TGD_PACED__PACE", "true")).await;
    world.platform.watches(Rates::published());
    let groups = [-1001, -1002, -1003].map(|group| world.platform.supergroup(group, "Friends"));
    let people: Vec<i64> = (100..150).collect();
    for n in 1..=3 {
        for group in groups {
            world.platform.says(group, ANN, &format!("@bridge_test_bot {n}"));
        }
    }
    for user in &people {
        world.platform.says(*user, *user, "hello");
    }
    world.platform.says(people[0], people[0], "long 9000");
    for user in &people[1..] {
        world.gets(*user, 1).await;
    }
    let long = world.gets(people[0], 4).await;
    assert!(long[1].starts_with("1. ") && long[1..].iter().all(|part| part.contains("quick brown fox")), "{long:?}");
    for group in groups {
        let got = world.gets(group, 3).await;
        for (n, text) in (1..).zip(got) {
            assert!(text.ends_with(&format!("\"{n}\"")), "{text}");
        }
    }
    world.rests().await;
    assert_eq!((world.platform.excess(), world.platform.overlaps()), (0, 0));
}

/// Beside each other, as most of it is waiting.
#[tokio::test]
async fn pauses_are_kept() {
    tokio::join!(
        a_chat_that_must_wait_delays_no_other_and_waits_to_the_second(),
        two_chats_that_are_told_the_same_stop_the_bot(),
        two_chats_that_are_told_different_ends_stop_nobody_else(),
        a_limit_without_an_end_is_waited_for_as_well(),
    );
}

async fn a_chat_that_must_wait_delays_no_other_and_waits_to_the_second() {
    let world = World::new("tgd_rate_chat").await;
    world.platform.fails("sendmessage", Some(ANN), Fault::RetryAfter(3), 1);
    world.platform.says(ANN, ANN, "long 9000");
    world.platform.says(ANN, ANN, "bye");
    until("it is refused", async || !world.platform.attempts("sendmessage").is_empty()).await;
    let refused = world.platform.attempts("sendmessage")[0].at;
    for user in 100..120 {
        world.platform.says(user, user, "hello");
    }
    for user in 100..120 {
        world.gets(user, 1).await;
    }
    assert_eq!(world.platform.sent_count(ANN), 0, "nobody waits for them");
    let got = world.gets(ANN, 4).await;
    assert!(got[0].starts_with("1. ") && got[3].contains("bye"), "{got:?}");
    assert!(at(&world, ANN).await - refused >= Duration::from_secs(3));
    world.rests().await;
    let refused = world.platform.attempts("sendmessage").iter().filter(|call| call.status == 429).count();
    assert_eq!(refused, 1);
}

async fn two_chats_that_are_told_the_same_stop_the_bot() {
    let world = World::new("tgd_rate_bot").await;
    for user in [ANN, BEA] {
        world.platform.fails("sendmessage", Some(user), Fault::RetryAfter(3), 1);
        world.platform.says(user, user, "hello");
    }
    until("both are refused", async || world.platform.attempts("sendmessage").len() == 2).await;
    let refused = world.platform.attempts("sendmessage")[1].at;
    both_are_known(&world).await;
    world.platform.says(CID, CID, "hello");
    assert!(at(&world, CID).await - refused >= Duration::from_secs(3), "the whole bot was to wait");
    world.rests().await;
    let typed = world.platform.typing(CID);
    assert!(typed.iter().all(|typed| *typed - refused >= Duration::from_secs(3)), "no signal either");
}

async fn two_chats_that_are_told_different_ends_stop_nobody_else() {
    let world = World::new("tgd_rate_groups").await;
    for (group, seconds) in [(-1001, 1), (-1002, 4)] {
        world.platform.supergroup(group, "Friends");
        world.platform.fails("sendmessage", Some(group), Fault::RetryAfter(seconds), 1);
        world.platform.says(group, ANN, "@bridge_test_bot hello");
    }
    until("both are refused", async || world.platform.attempts("sendmessage").len() == 2).await;
    both_are_known(&world).await;
    world.platform.says(CID, CID, "hello");
    world.gets(CID, 1).await;
    assert_eq!(world.platform.sent_count(-1002), 0);
    world.rests().await;
    let calls = world.platform.attempts("sendmessage");
    let called =
        |chat: i64| calls.iter().filter(|call| call.chat == Some(chat)).map(|call| call.at).collect::<Vec<_>>();
    let long = called(-1002);
    assert!(called(CID)[0] < long[0] + Duration::from_secs(4));
    assert!(long[1] - long[0] >= Duration::from_secs(4));
}

async fn a_limit_without_an_end_is_waited_for_as_well() {
    let world = World::new("tgd_rate_vague").await;
    world.platform.supergroup(GROUP, "Friends");
    let vague = [
        (ANN, Fault::Refuse(429, "Too Many Requests")),
        (GROUP, Fault::Answer(429, "<html>429 Too Many Requests</html>")),
    ];
    for (chat, fault) in vague {
        world.platform.fails("sendmessage", Some(chat), fault, 1);
        world.platform.says(chat, ANN, "@bridge_test_bot hello");
    }
    for chat in [ANN, GROUP] {
        world.gets(chat, 1).await;
    }
    world.rests().await;
    for chat in [ANN, GROUP] {
        let calls = world.platform.attempts("sendmessage");
        let calls: Vec<_> = calls.iter().filter(|call| call.chat == Some(chat)).collect();
        assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [429, 200]);
        let pause = calls[1].at - calls[0].at;
        assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&pause), "{pause:?}");
    }
    assert_eq!(world.counted("bridge_sends_in_doubt_total", &[]).await, 0, "a limit is no doubt");
}
