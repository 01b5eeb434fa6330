//! How fast the bot speaks, and who waits when Discord says so.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::platform::{Fault, Rate, Rates};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};
use crate::support::until;

const CID: u64 = 80_351_110_224_678_914;

/// When a chat got its first message.
async fn at(world: &World, channel: u64) -> Instant {
    world.gets_messages(channel, 1).await[0].at
}

/// The calls that were refused, by the names of their routes.
fn refused(world: &World) -> Vec<&'static str> {
    let refused = world.platform.attempts("*").into_iter().filter(|call| call.status == 429);
    refused.map(|call| call.route).collect()
}

fn assert_unrefused(world: &World) {
    assert_eq!(refused(world), Vec::<&str>::new());
    assert_eq!((world.platform.invalid_requests(), world.platform.overlaps()), (0, 0));
}

#[tokio::test]
async fn a_limit_that_discord_tells_is_never_reached() {
    let world = World::keyed("dc_rates", &[("MAX_MESSAGES", "50")]).await;
    let quick = Rate::of(5, Duration::from_secs(1));
    let routes = ["send", "typing", "follow_up"].map(|route| (route, quick));
    world.platform.enforces(Rates { routes: HashMap::from(routes), ..Rates::usual() });
    let channel = world.platform.dm(ANN);
    world.platform.tells(ANN, "long 24000");
    world.gets(channel, 1).await;
    for user in 100..110 {
        world.platform.tells(ANN + user, "hello");
    }
    for user in 100..110 {
        world.gets(world.platform.dm(ANN + user), 1).await;
    }
    assert!(world.platform.sent_count(channel) < 13, "nobody waits for them");
    let sent = world.gets_messages(channel, 13).await;
    world.rests().await;
    assert!(sent[12].at - sent[0].at >= Duration::from_secs(2), "five a second");
    assert_unrefused(&world);
}

#[tokio::test]
async fn many_chats_at_once_stay_below_the_limit_of_the_bot() {
    let world = World::keyed("dc_paced", &[("PACE", "true")]).await;
    world.platform.enforces(Rates::usual());
    let people: Vec<u64> = (100..140).map(|n| ANN + n).collect();
    for round in 1..=2 {
        for user in &people {
            world.platform.tells(*user, &format!("hello {round}"));
        }
    }
    for user in &people {
        let got = world.gets(world.platform.dm(*user), 2).await;
        assert!(got[0].contains("hello 1") && got[1].contains("hello 2"), "{got:?}");
    }
    world.rests().await;
    assert_unrefused(&world);
}

/// Beside each other, as most of it is waiting.
#[tokio::test]
async fn pauses_are_kept() {
    tokio::join!(
        a_chat_that_must_wait_delays_no_other(),
        a_limit_of_the_bot_is_everybodys(),
        a_limit_that_is_met_elsewhere_is_the_bots_too(),
        what_stands_before_discord_is_left_alone(),
    );
}

async fn a_chat_that_must_wait_delays_no_other() {
    let world = World::new("dc_rate_chat").await;
    let rests = [
        (ANN, Fault::RetryAfter(2.0)),
        (BEA, Fault::RetryAfterShared(2.0)),
        // Slow mode, as Discord says it.
        (CID, Fault::Answer(429, r#"{"message": "slowmode", "code": 20016, "retry_after": 2.0}"#)),
    ];
    for (user, fault) in rests {
        world.platform.fails("send", Some(world.platform.dm(user)), fault, 1);
        world.platform.tells(user, "long 3000");
        world.platform.tells(user, "bye");
    }
    until("they are refused", async || world.platform.attempts("send").len() == 3).await;
    let refused = world.platform.attempts("send").iter().map(|call| call.at).max().unwrap();
    for user in 100..120 {
        world.platform.tells(ANN + user, "hello");
    }
    for user in 100..120 {
        let channel = world.platform.dm(ANN + user);
        assert!(at(&world, channel).await - refused < Duration::from_secs(2), "nobody waits for them");
    }
    for user in [ANN, BEA, CID] {
        let channel = world.platform.dm(user);
        let got = world.gets(channel, 3).await;
        assert!(got[0].starts_with("1. ") && got[2].contains("bye"), "{got:?}");
        let calls = world.platform.attempts("send");
        let calls: Vec<_> = calls.iter().filter(|call| call.channel == Some(channel)).collect();
        assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [429, 200, 200, 200]);
        assert!(calls[1].at - calls[0].at >= Duration::from_secs(2));
    }
    world.rests().await;
}

async fn a_limit_of_the_bot_is_everybodys() {
    let world = World::new("dc_rate_bot").await;
    world.platform.fails("send", Some(world.platform.dm(ANN)), Fault::RetryAfterAll(2.0), 1);
    world.platform.tells(ANN, "hello");
    let known = async || world.counted("bridge_sends_total", &[("result", "retry")]).await == 1;
    until("the refusal is known", known).await;
    let refused = world.platform.attempts("send")[0].at;
    world.bridge.sandbox.set_latency(Duration::from_millis(400));
    world.platform.tells(BEA, "hello");
    world.platform.says(ROOM, CID, &at_bot("hello"));
    for channel in [world.platform.dm(BEA), ROOM] {
        assert!(at(&world, channel).await - refused >= Duration::from_secs(2), "the whole bot was to wait");
        let typed = world.platform.typing(channel);
        assert!(typed.iter().all(|typed| *typed - refused >= Duration::from_secs(2)), "no signal either");
    }
    world.gets(world.platform.dm(ANN), 1).await;
    world.rests().await;
    assert_eq!(self::refused(&world), ["send"]);
}

/// By a signal, say: what is sent next is not sent into a wall.
async fn a_limit_that_is_met_elsewhere_is_the_bots_too() {
    let world = World::new("dc_rate_typing").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(800));
    world.platform.fails("typing", None, Fault::RetryAfterAll(2.0), 1);
    world.platform.tells(ANN, "hello");
    until("the signal is refused", async || world.platform.attempts("typing").len() == 1).await;
    let refused = world.platform.attempts("typing")[0].at;
    let channel = world.platform.dm(ANN);
    assert!(at(&world, channel).await - refused >= Duration::from_secs(2));
    world.rests().await;
    assert_eq!(self::refused(&world), ["typing"]);
    assert_eq!(world.counted("bridge_sends_in_doubt_total", &[]).await, 0, "a limit is no doubt");
}

async fn what_stands_before_discord_is_left_alone() {
    let world = World::new("dc_rate_vague").await;
    let other = world.platform.makes_channel(GUILD, ROOM + 1, "other");
    world.platform.fails("send", Some(ROOM), Fault::Answer(429, "<html>error code: 1015</html>"), 1);
    world.platform.says(ROOM, ANN, &at_bot("hello"));
    let known = async || world.counted("bridge_sends_total", &[("result", "retry")]).await == 1;
    until("the refusal is known", known).await;
    let refused = world.platform.attempts("send")[0].at;
    world.platform.says(other, BEA, &at_bot("hello"));
    for channel in [ROOM, other] {
        let pause = at(&world, channel).await - refused;
        assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&pause), "{pause:?}");
    }
    world.rests().await;
    assert_eq!(self::refused(&world), ["send"]);
    assert_eq!(world.counted("bridge_sends_in_doubt_total", &[]).await, 0, "a limit is no doubt");
}
