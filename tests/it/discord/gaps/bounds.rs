//! How much of what was missed is read.

use std::time::Duration;

use super::*;
use crate::discord::keyed;
use crate::discord::platform::deny;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nothing_is_read_that_is_too_old() {
    let mut world = World::keyed("dc_gap_age", &[("CATCH_UP", "1m")]).await;
    have_spoken(&world).await;
    let dm = world.platform.dm(ANN);
    away(&mut world, |platform| {
        platform.wrote(dm, ANN, &["ann old"], MINUTE * 3 / 2);
        platform.wrote(dm, ANN, &["ann young"], MINUTE / 2);
    })
    .await;
    world.gets(dm, 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann young"]);
}

/// Events of several chats come side by side.
#[tokio::test]
async fn a_little_is_read_twice_and_known_again() {
    let mut world = World::new("dc_gap_slack").await;
    have_spoken(&world).await;
    let dm = world.platform.dm(ANN);
    away(&mut world, |platform| {
        platform.wrote(dm, ANN, &["ann old"], MINUTE * 3);
        platform.wrote(dm, ANN, &["ann young"], MINUTE * 3 / 2);
    })
    .await;
    world.gets(dm, 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann young"]);
    assert!(world.counted("bridge_events_total", &[("result", "duplicate")]).await >= 2);
}

#[tokio::test]
async fn of_very_much_the_newest_is_read() {
    let mut world = World::new("dc_gap_many").await;
    have_spoken(&world).await;
    let words: Vec<String> = (0..240).map(|n| format!("words {n:03}")).collect();
    away(&mut world, |platform| {
        for (n, words) in (0..).zip(&words) {
            platform.asks(ROOM, ANN + 1_000 + n % 24, words);
        }
    })
    .await;
    world.gets(ROOM, 201).await;
    world.heard().await;
    world.rests().await;
    let mut asked = asked(&world);
    asked.sort_unstable();
    assert_eq!(asked, words[40..]);
    let pages = world.platform.attempts("history").iter().filter(|call| call.channel == Some(ROOM)).count();
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn where_reading_is_not_allowed_the_rest_goes_on() {
    let mut world = World::new("dc_gap_refused").await;
    let [unread, unseen, gone] = [ROOM + 1, ROOM + 2, ROOM + 3];
    for room in [unread, unseen, gone] {
        world.platform.makes_channel(GUILD, room, "room");
        world.platform.asks(room, BEA, "hi");
        world.gets(room, 1).await;
    }
    have_spoken(&world).await;
    away(&mut world, |platform| {
        for room in [unread, unseen, gone, ROOM] {
            platform.asks(room, BEA, "bea missed");
        }
        platform.denies(unread, deny::READ_MESSAGE_HISTORY);
        platform.denies(unseen, deny::VIEW_CHANNEL);
        platform.deletes_channel(gone);
    })
    .await;
    world.gets(ROOM, 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["bea missed"]);
    let refused = world.counted("bridge_discord_catch_up_total", &[("result", "refused")]).await;
    assert_eq!((refused, read(&world).len()), (2, 5));
    let chats = "SELECT count(*) FROM cursors WHERE source LIKE ?1";
    let is_known = world.database().query_row(chats, [format!("%:chat:{gone}")], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(is_known, 0, "what is gone is not asked for again");
    // And live again as soon as it is allowed.
    world.platform.asks(unread, BEA, "bea again");
    world.gets(unread, 2).await;
    world.rests().await;
}

#[tokio::test]
async fn nothing_is_read_by_one_that_does_not_want_to() {
    let mut world = World::with("dc_gap_off", |setup| keyed(setup, "dc_gap_off", &[("CATCH_UP", "0")])).await;
    have_spoken(&world).await;
    away(&mut world, |platform| {
        platform.tells(ANN, "ann missed");
        platform.asks(ROOM, BEA, "bea missed");
    })
    .await;
    world.platform.tells(ANN, "ann later");
    world.gets(world.platform.dm(ANN), 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann later"]);
    assert_eq!(read(&world), Vec::<u64>::new());
}
