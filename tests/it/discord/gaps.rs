//! What was said while nobody listened: told again by a session that goes on, read over REST after one that was lost.
//! [`bounds`] how much of it is read · [`amid`] what happens while it is read · [`store`] when nothing can be stored.

mod amid;
mod bounds;
mod store;

use std::time::Duration;

use serde_json::json;

use super::platform::{Draft, Fault, Platform};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};
use crate::support::until;

/// The bridge is away while something happens, and has no session when it is back.
async fn away(world: &mut World, meanwhile: impl FnOnce(&Platform)) {
    world.bridge.stop().await;
    world.platform.forgets_sessions();
    meanwhile(&world.platform);
    world.starts_again(&[]).await;
}

/// Ann and Bea have spoken to the bot, one in private and one in the room.
async fn have_spoken(world: &World) {
    world.platform.tells(ANN, "hi");
    world.platform.asks(ROOM, BEA, "hi");
    world.gets(world.platform.dm(ANN), 1).await;
    world.gets(ROOM, 1).await;
    world.rests().await;
}

/// The chats whose histories were read.
fn read(world: &World) -> Vec<u64> {
    let mut read: Vec<u64> = world.platform.attempts("history").iter().filter_map(|call| call.channel).collect();
    read.sort_unstable();
    read.dedup();
    read
}

/// What was asked, without what is said before and after a gap.
fn asked(world: &World) -> Vec<String> {
    world.asked().into_iter().filter(|text| !["hi", "was all heard?"].contains(&text.as_str())).collect()
}

/// The same of questions that begin so.
fn asked_of(world: &World, who: &str) -> Vec<String> {
    asked(world).into_iter().filter(|text| text.starts_with(who)).collect()
}

#[tokio::test]
async fn a_session_that_goes_on_tells_what_was_missed_itself() {
    let mut world = World::new("dc_gap_resumed").await;
    have_spoken(&world).await;
    world.bridge.stop().await;
    for n in 0..3 {
        world.platform.tells(ANN, &format!("ann {n}"));
        world.platform.asks(ROOM, BEA, &format!("bea {n}"));
    }
    world.starts_again(&[]).await;
    world.gets(world.platform.dm(ANN), 4).await;
    world.gets(ROOM, 4).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked_of(&world, "ann"), ["ann 0", "ann 1", "ann 2"]);
    assert_eq!(asked_of(&world, "bea"), ["bea 0", "bea 1", "bea 2"]);
    assert_eq!(read(&world), Vec::<u64>::new());
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (1, 1));
}

#[tokio::test]
async fn what_was_missed_comes_before_what_is_said_while_it_is_read() {
    let mut world = World::new("dc_gap_order").await;
    have_spoken(&world).await;
    let (ann, bea) = (world.platform.dm(ANN), world.platform.dm(BEA));
    world.platform.fails("history", Some(ann), Fault::Slow(Duration::from_millis(1_500)), 1);
    away(&mut world, |platform| {
        for n in 0..3 {
            platform.tells(ANN, &format!("ann {n}"));
            platform.asks(ROOM, BEA, &format!("bea {n}"));
        }
    })
    .await;
    until("it is being read", async || read(&world).contains(&ann)).await;
    world.platform.tells(ANN, "ann 3");
    world.platform.tells(BEA, "quick");
    world.gets(bea, 1).await;
    assert_eq!(world.platform.sent_count(ann), 1, "others do not wait for it");
    world.gets(ann, 5).await;
    world.gets(ROOM, 4).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked_of(&world, "ann"), ["ann 0", "ann 1", "ann 2", "ann 3"]);
    assert_eq!(asked_of(&world, "bea"), ["bea 0", "bea 1", "bea 2"]);
    assert_eq!(world.platform.identifies(), 2);
    let found = world.counted("bridge_discord_catch_up_total", &[("result", "found")]).await;
    assert_eq!(found, 2);
}

#[tokio::test]
async fn what_was_missed_is_judged_like_anything_else() {
    let mut world = World::new("dc_gap_judged").await;
    have_spoken(&world).await;
    let question = world.platform.sent(ROOM)[0].message;
    away(&mut world, |platform| {
        platform.says(ROOM, BEA, "not for the bot");
        platform.sends(Draft::new(ROOM, BEA).text("bea replies").reply_to(question).quietly());
        platform.bot(7, "Another");
        platform.asks(ROOM, 7, "from a bot");
        platform.sends(Draft::new(ROOM, 8).text(&at_bot("from a hook")).webhook());
        let edited = platform.asks(ROOM, BEA, "bea wrote");
        platform.edits(ROOM, edited, &at_bot("bea corrected"));
        let gone = platform.asks(ROOM, BEA, "bea withdrew");
        platform.deletes(ROOM, gone);
    })
    .await;
    world.gets(ROOM, 3).await;
    world.heard().await;
    world.rests().await;
    let asked = asked(&world);
    assert!(asked.len() == 2 && asked[0].ends_with("bea replies") && asked[1] == "bea corrected", "{asked:?}");
    for result in ["not_addressed", "from_a_bot", "from_a_webhook"] {
        assert_eq!(world.counted("bridge_events_total", &[("result", result)]).await, 1, "{result}");
    }
}

#[tokio::test]
async fn only_chats_that_have_spoken_to_the_bot_and_have_news_are_read() {
    let mut world = World::new("dc_gap_which").await;
    let [quiet, strange] = [ROOM + 1, ROOM + 2];
    for (room, name) in [(quiet, "quiet"), (strange, "strange")] {
        world.platform.makes_channel(GUILD, room, name);
    }
    let thread = world.platform.thread(ROOM, BEA, "Thread", false);
    have_spoken(&world).await;
    world.platform.asks(thread, BEA, "hi");
    world.gets(thread, 1).await;
    world.rests().await;
    // Somebody has spoken to the bot there some time ago.
    let old = world.platform.wrote(quiet, ANN, &["old"], Duration::from_secs(600))[0];
    let source = format!("discord:{}:chat:{quiet}", super::BOT);
    let cursor = format!("{old}@{GUILD}");
    world.database().execute("INSERT INTO cursors (source, cursor) VALUES (?1, ?2)", (&source, &cursor)).unwrap();
    away(&mut world, |platform| {
        platform.asks(ROOM, BEA, "bea asks");
        platform.asks(strange, BEA, "bea is not heard");
        platform.says(thread, BEA, "bea in the thread");
        // It is in no list then.
        platform.archives(thread, false);
    })
    .await;
    world.gets(ROOM, 2).await;
    world.gets(thread, 2).await;
    world.heard().await;
    world.rests().await;
    let mut wanted = vec![world.platform.dm(ANN), ROOM, thread];
    wanted.sort_unstable();
    assert_eq!(read(&world), wanted);
    let mut asked = asked(&world);
    asked.sort_unstable();
    assert_eq!(asked, ["bea asks", "bea in the thread"]);
}

#[tokio::test]
async fn a_server_that_comes_late_is_read_then() {
    let mut world = World::new("dc_gap_outage").await;
    have_spoken(&world).await;
    away(&mut world, |platform| {
        platform.tells(ANN, "ann missed");
        platform.asks(ROOM, BEA, "bea missed");
        platform.outage(GUILD, true);
    })
    .await;
    world.gets(world.platform.dm(ANN), 2).await;
    world.heard().await;
    assert_eq!(world.platform.sent_count(ROOM), 1);
    // Whoever dies now has it still before them.
    world.rests().await;
    world.starts_again(&[]).await;
    world.platform.outage(GUILD, false);
    world.gets(ROOM, 2).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann missed", "bea missed"]);
}

#[tokio::test]
async fn a_server_that_the_bot_was_removed_from_is_not_waited_for() {
    let mut world = World::new("dc_gap_left").await;
    have_spoken(&world).await;
    away(&mut world, |platform| {
        platform.tells(ANN, "ann missed");
        platform.leaves(GUILD);
    })
    .await;
    world.gets(world.platform.dm(ANN), 2).await;
    world.heard().await;
    world.rests().await;
    let kept = || {
        let query = "SELECT cursor FROM cursors WHERE source LIKE '%:shard:0/1'";
        let cursor: String = world.database().query_row(query, [], |row| row.get(0)).unwrap();
        serde_json::from_str::<serde_json::Value>(&cursor).unwrap()
    };
    until("nothing is left to read", async || kept()["behind"] == json!(null)).await;
    assert_eq!(read(&world), [world.platform.dm(ANN)]);
}
