//! Nothing can be stored: what comes waits.

use rusqlite::Connection;

use super::*;
use crate::discord::platform::Slash;

const TRY_AGAIN: &str = "I cannot take this at the moment. Please try again in a minute.";

/// Another process keeps the store to itself.
fn locked(world: &World) -> Connection {
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    lock
}

#[tokio::test]
async fn what_comes_while_the_store_is_locked_waits_and_commands_are_told() {
    let platform = super::super::platform().await;
    platform.beats(Duration::from_millis(700));
    let world = World::on(platform, "dc_gap_locked", |setup| setup).await;
    have_spoken(&world).await;
    let lock = locked(&world);
    let command = world.platform.uses(Slash::new(ROOM, BEA, "ask").option("text", "bea asks in vain"));
    world.platform.tells(ANN, "ann 0");
    until("the command is answered", async || world.platform.acknowledged(command).is_some()).await;
    assert_eq!(world.platform.acknowledged(command), Some((4, true)), "at once, and for them alone");
    assert_eq!(world.platform.answers(command), [TRY_AGAIN]);
    // More than the bridge keeps: Discord has to.
    for n in 0..1_600 {
        world.platform.says(ROOM, BEA, &format!("not for the bot {n}"));
    }
    world.platform.tells(ANN, "ann 1");
    let beats = world.platform.heartbeats().len();
    until("heartbeats", async || world.platform.heartbeats().len() >= beats + 3).await;
    assert_eq!((world.platform.sent_count(world.platform.dm(ANN)), world.platform.connections().len()), (1, 1));
    drop(lock);
    world.gets(world.platform.dm(ANN), 3).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann 0", "ann 1"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "not_addressed")]).await, 1_600);
    assert_eq!((world.platform.connections().len(), world.platform.identifies()), (1, 1));
}

#[tokio::test]
async fn what_was_missed_waits_for_the_store_as_well() {
    let mut world = World::new("dc_gap_locked_amid").await;
    have_spoken(&world).await;
    let ann = world.platform.dm(ANN);
    world.platform.fails("history", Some(ann), Fault::Slow(Duration::from_millis(1_000)), 1);
    away(&mut world, |platform| {
        platform.tells(ANN, "ann 0");
        platform.tells(ANN, "ann 1");
    })
    .await;
    until("it is being read", async || read(&world).contains(&ann)).await;
    let lock = locked(&world);
    world.platform.tells(ANN, "ann 2");
    // Longer than the store waits for its lock, twice.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    drop(lock);
    world.gets(ann, 4).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann 0", "ann 1", "ann 2"]);
}

#[tokio::test]
async fn what_was_not_stored_when_the_bridge_died_comes_again() {
    let mut world = World::new("dc_gap_unstored").await;
    have_spoken(&world).await;
    let lock = locked(&world);
    world.platform.tells(ANN, "ann 0");
    world.platform.asks(ROOM, BEA, "bea 0");
    // It has heard them: a heartbeat says so.
    world.platform.asks_for_heartbeat();
    let heard = world.platform.heartbeats().len();
    until("they are heard", async || world.platform.heartbeats().len() > heard).await;
    world.bridge.crash().await;
    drop(lock);
    world.starts_again(&[]).await;
    world.gets(world.platform.dm(ANN), 2).await;
    world.gets(ROOM, 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!((asked_of(&world, "ann").len(), asked_of(&world, "bea").len()), (1, 1));
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (1, 1));
}
