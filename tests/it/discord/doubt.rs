//! Sends that fail so that nobody knows whether they arrived: Discord knows a message again by its number, for some minutes.

use std::time::Duration;

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::{BAD_GATEWAY, Fault, Slash};
use super::setting::Outside;
use super::{ANN, BEA, ROOM, World};
use crate::support::until;

async fn in_doubt(world: &World, result: &str) -> u64 {
    world.counted("bridge_sends_in_doubt_total", &[("result", result)]).await
}

#[tokio::test]
async fn a_message_arrives_once_however_its_send_fails() {
    // Whatever the operator prefers: there is no doubt while Discord knows the message.
    let keys = |setup: crate::support::Setup| setup.set("PIPELINE__AMBIGUOUS_SEND", "drop");
    let world = World::with("dc_doubt", keys).await;
    let faults = [
        Fault::ProcessedThenReset,
        Fault::ProcessedThenHang,
        Fault::Truncated,
        Fault::Reset,
        Fault::Hang,
        Fault::Refuse(500, 0, "500: Internal Server Error"),
        Fault::Answer(502, BAD_GATEWAY),
        Fault::Answer(200, ""),
    ];
    let users: Vec<u64> = (0..faults.len() as u64).map(|n| ANN + 100 + n).collect();
    for (user, fault) in users.iter().zip(&faults) {
        world.platform.fails("send", Some(world.platform.dm(*user)), fault.clone(), 1);
        world.platform.tells(*user, "hello");
        world.platform.tells(*user, "bye");
    }
    for user in &users {
        world.gets(world.platform.dm(*user), 2).await;
    }
    world.rests().await;
    for (user, fault) in users.iter().zip(&faults) {
        let got = world.platform.texts(world.platform.dm(*user));
        let right = got.len() == 2 && got[0].contains("hello") && got[1].contains("bye");
        assert!(right, "{fault:?}: {got:?}");
    }
    assert_eq!(in_doubt(&world, "deduped").await, faults.len() as u64);
    assert_eq!(world.platform.attempts("send").len(), 3 * faults.len());
    assert!(world.work().await.is_empty());
}

#[tokio::test]
async fn a_message_that_was_deleted_since_it_was_sent_stays_deleted() {
    let world = World::new("dc_doubt_deleted").await;
    let channel = world.platform.dm(ANN);
    world.platform.fails("send", Some(channel), Fault::ProcessedThenHang, 1);
    world.platform.tells(ANN, "hello");
    let sent = world.gets_messages(channel, 1).await;
    world.platform.deletes(channel, sent[0].message);
    world.platform.tells(ANN, "bye");
    world.gets(channel, 2).await;
    world.rests().await;
    let texts = world.platform.texts(channel);
    assert!(texts.len() == 1 && texts[0].contains("bye"), "{texts:?}");
    let calls = world.platform.attempts("send");
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [0, 404, 200]);
    assert!(world.work().await.is_empty(), "it was delivered");
}

/// A send that is open when the process dies, some time before the next one begins.
async fn dies_in_an_open_send(id: &str, policy: &str, ago: Duration) -> World {
    let keys = |setup: crate::support::Setup| {
        let setup = setup.set("PIPELINE__AMBIGUOUS_SEND", policy);
        super::keyed(setup, id, &[("TIMEOUT", "2m")])
    };
    let mut world = World::with(id, keys).await;
    let channel = world.platform.dm(ANN);
    world.platform.fails("send", Some(channel), Fault::ProcessedThenHang, 1);
    world.platform.tells(ANN, "hello");
    world.gets(channel, 1).await;
    world.bridge.crash().await;
    // As if it had been some time ago: to the bridge, and to Discord.
    let ago_ms = i64::try_from(ago.as_millis()).unwrap();
    let changed = world
        .database()
        .execute("UPDATE outbox SET first_sent_at = first_sent_at - ?1 WHERE state = 1", [ago_ms])
        .unwrap();
    assert_eq!(changed, 1);
    if ago > Duration::from_secs(180) {
        world.platform.nonces_live(Duration::ZERO);
    }
    world.starts_again(&[]).await;
    world.platform.tells(ANN, "bye");
    until("it goes on", async || world.platform.texts(channel).iter().any(|text| text.contains("bye"))).await;
    world.rests().await;
    world
}

#[tokio::test]
async fn what_discord_has_forgotten_is_sent_again_or_not_as_is_configured() {
    let long = Duration::from_secs(10 * 60);
    let (soon, resent, dropped) = tokio::join!(
        dies_in_an_open_send("dc_doubt_soon", "drop", Duration::ZERO),
        dies_in_an_open_send("dc_doubt_late", "resend", long),
        dies_in_an_open_send("dc_doubt_drop", "drop", long),
    );
    for (world, result, copies) in [(&soon, "deduped", 1), (&resent, "resent", 2), (&dropped, "dropped", 1)] {
        let texts = world.platform.texts(world.platform.dm(ANN));
        assert_eq!(texts.len(), copies + 1, "{result}: {texts:?}");
        assert!(texts[..copies].iter().all(|text| text.contains("hello")), "{result}: {texts:?}");
        assert_eq!(in_doubt(world, result).await, 1, "{result}");
    }
    let list = dropped.bridge.command(&["messages", "list", "--dead"]).await;
    assert!(list.contains("in_doubt"), "{list}");
    assert!(soon.work().await.is_empty() && resent.work().await.is_empty());
}

#[tokio::test]
async fn a_process_that_is_killed_in_an_open_send_says_it_once() {
    let outside = Outside::with(SandboxOptions::default(), |place| place.set("CHANNELS__DC__TIMEOUT", "60s")).await;
    let daemon = outside.start().await;
    let channel = outside.platform.dm(ANN);
    until("it is connected", async || outside.platform.connected() == 1).await;
    outside.platform.fails("send", Some(channel), Fault::ProcessedThenHang, 1);
    outside.platform.tells(ANN, "hello");
    until("it is sent", async || outside.platform.sent_count(channel) == 1).await;
    daemon.kill();
    let daemon = outside.start().await;
    until("it was sent again", async || outside.platform.attempts("send").len() == 2).await;
    outside.platform.tells(ANN, "bye");
    until("it goes on", async || outside.platform.sent_count(channel) == 2).await;
    let texts = outside.platform.texts(channel);
    assert!(texts.len() == 2 && texts[0].contains("hello") && texts[1].contains("bye"), "{texts:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}

/// A command whose answer has two parts, the second of which is cut off when it has arrived.
async fn cut_off(world: &World) -> u64 {
    world.will_answer("tea", &"It is a green tea of the mountains. ".repeat(80));
    world.platform.fails("follow_up", None, Fault::ProcessedThenReset, 1);
    world.platform.uses(Slash::new(ROOM, BEA, "ask").option("text", "tea?"))
}

#[tokio::test]
async fn answers_to_commands_have_no_number_so_that_the_operator_decides() {
    let drop = |setup: crate::support::Setup| setup.set("PIPELINE__AMBIGUOUS_SEND", "drop");
    let (resends, drops) = tokio::join!(World::new("dc_doubt_slash"), World::with("dc_doubt_slash_drop", drop));
    for (world, result, answers) in [(&resends, "resent", 3), (&drops, "dropped", 2)] {
        let asked = cut_off(world).await;
        until("it is decided", async || in_doubt(world, result).await == 1).await;
        world.rests().await;
        assert_eq!(world.platform.answers(asked).len(), answers, "{result}");
        assert_eq!(in_doubt(world, "deduped").await, 0, "{result}");
    }
    let list = drops.bridge.command(&["messages", "list", "--dead"]).await;
    assert!(list.contains("in_doubt"), "{list}");
}
