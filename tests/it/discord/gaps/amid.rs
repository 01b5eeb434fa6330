//! What happens while missed messages are read.

use super::*;

#[tokio::test]
async fn reading_goes_on_after_a_crash() {
    let mut world = World::new("dc_gap_crash").await;
    have_spoken(&world).await;
    let ann = world.platform.dm(ANN);
    world.platform.fails("history", None, Fault::Hang, 0);
    away(&mut world, |platform| {
        for n in 0..3 {
            platform.tells(ANN, &format!("ann {n}"));
            platform.asks(ROOM, BEA, &format!("bea {n}"));
        }
    })
    .await;
    until("both are being read", async || read(&world).len() == 2).await;
    world.platform.tells(ANN, "ann 3");
    world.platform.asks(ROOM, BEA, "bea 3");
    world.heard().await;
    world.bridge.crash().await;
    world.platform.tells(ANN, "ann 4");
    world.platform.asks(ROOM, BEA, "bea 4");
    world.platform.heals();
    world.starts_again(&[]).await;
    world.gets(ann, 6).await;
    world.gets(ROOM, 6).await;
    world.heard().await;
    world.rests().await;
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (2, 1), "the second session went on");
    for who in ["ann", "bea"] {
        assert_eq!(asked_of(&world, who), (0..5).map(|n| format!("{who} {n}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_second_gap_during_the_reading_is_read_too() {
    let mut world = World::new("dc_gap_second").await;
    have_spoken(&world).await;
    let writer = |n: u64| ANN + 1_000 + n;
    // Their history is read at once, and who they are takes long.
    world.platform.fails("guild_member", None, Fault::Slow(Duration::from_millis(1_600)), 0);
    let before = world.platform.attempts("history").len();
    away(&mut world, |platform| {
        for n in 0..6 {
            platform.asks(ROOM, writer(n), &format!("words {n}"));
        }
    })
    .await;
    until("the history is read", async || world.platform.attempts("history").len() >= before + 2).await;
    world.platform.forgets_sessions();
    world.platform.asks(ROOM, writer(6), "words 6");
    world.platform.closes(4009);
    until("there is a third session", async || world.platform.identifies() == 3).await;
    assert!(world.platform.sent_count(ROOM) < 6, "the first reading still goes on");
    world.platform.heals();
    world.gets(ROOM, 8).await;
    world.heard().await;
    world.rests().await;
    let mut asked = asked(&world);
    asked.sort_unstable();
    assert_eq!(asked, (0..7).map(|n| format!("words {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_chat_that_cannot_be_read_is_not_silent_and_is_read_later() {
    let mut world = World::keyed("dc_gap_later", &[("TIMEOUT", "700ms")]).await;
    have_spoken(&world).await;
    let ann = world.platform.dm(ANN);
    world.platform.fails("history", Some(ann), Fault::Answer(502, crate::discord::platform::BAD_GATEWAY), 0);
    away(&mut world, |platform| {
        platform.tells(ANN, "ann missed");
    })
    .await;
    world.platform.tells(ANN, "ann live");
    world.gets(ann, 2).await;
    world.platform.heals();
    world.gets(ann, 3).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(asked(&world), ["ann live", "ann missed"]);
    assert!(world.counted("bridge_discord_catch_up_total", &[("result", "failed")]).await >= 1);
}

#[tokio::test]
async fn a_flood_during_the_reading_is_not_lost_and_does_not_count() {
    let mut world = World::new("dc_gap_flood").await;
    have_spoken(&world).await;
    world.platform.fails("history", Some(ROOM), Fault::Slow(Duration::from_millis(1_500)), 1);
    away(&mut world, |platform| {
        platform.asks(ROOM, BEA, "bea missed");
    })
    .await;
    until("the room is being read", async || read(&world).contains(&ROOM)).await;
    for n in 0..300 {
        world.platform.asks(ROOM, ANN + 1_000 + n % 30, &format!("words {n:03}"));
    }
    world.gets(ROOM, 302).await;
    world.heard().await;
    world.rests().await;
    let mut asked = asked(&world);
    asked.sort_unstable();
    let wanted = std::iter::once("bea missed".to_owned()).chain((0..300).map(|n| format!("words {n:03}")));
    assert_eq!(asked, wanted.collect::<Vec<_>>());
}
