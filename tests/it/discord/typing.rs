//! "Typing" while somebody waits. That it ends with the turn is tested where it is done, with every channel.

use std::time::Duration;

use super::platform::{Fault, Slash};
use super::{ANN, BEA, ROOM, World, at_bot};
use crate::support::until;

#[tokio::test]
async fn typing_is_shown_again_and_again_where_somebody_waits() {
    let world = World::new("dc_typing").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(8_700));
    let channel = world.platform.dm(ANN);
    world.platform.tells(ANN, "hello");
    world.platform.says(ROOM, BEA, &at_bot("hello"));
    // Whoever uses a command sees that the bot thinks.
    let third = world.platform.makes_channel(super::GUILD, ROOM + 1, "third");
    let asked = world.platform.uses(Slash::new(third, BEA + 1, "ask").option("text", "hello"));
    world.gets(channel, 1).await;
    world.gets(ROOM, 1).await;
    until("the command is answered", async || world.platform.answers(asked).iter().all(|text| text != "…")).await;
    world.rests().await;
    for channel in [channel, ROOM] {
        let shown = world.platform.typing(channel);
        assert_eq!(shown.len(), 2, "{shown:?}");
        let gap = shown[1] - shown[0];
        let discords = Duration::from_millis(7_900)..Duration::from_secs(10);
        assert!(discords.contains(&gap), "Discord shows it for 10 s: {gap:?}");
    }
    assert_eq!(world.platform.attempts("typing").len(), 4);
}

#[tokio::test]
async fn typing_that_cannot_be_shown_delays_no_answer() {
    let world = World::new("dc_typing_fails").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    let faults = [
        Fault::Hang,
        Fault::Refuse(500, 0, "Internal Server Error"),
        Fault::Reset,
        Fault::Answer(200, "?"),
        Fault::Refuse(403, 50001, "Missing Access"),
    ];
    let users: Vec<u64> = (0..faults.len() as u64).map(|n| ANN + 100 + n).collect();
    for (user, fault) in users.iter().zip(faults) {
        world.platform.fails("typing", Some(world.platform.dm(*user)), fault, 0);
        world.platform.tells(*user, "hello");
    }
    for user in users {
        world.gets(world.platform.dm(user), 1).await;
    }
    world.rests().await;
}

#[tokio::test]
async fn a_chat_that_asks_for_a_rest_is_shown_no_typing() {
    let world = World::new("dc_typing_rest").await;
    let channel = world.platform.dm(ANN);
    world.platform.fails("typing", Some(channel), Fault::RetryAfter(30.0), 0);
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    for n in 1..=3 {
        world.platform.tells(ANN, "hello");
        world.gets(channel, n).await;
    }
    world.rests().await;
    assert_eq!(world.platform.attempts("typing").len(), 1);
}
