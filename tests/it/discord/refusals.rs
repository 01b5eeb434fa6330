//! What Discord says no to: chats that are closed to the bot, texts, and the bot's own token.

use std::time::Duration;

use caigunn_bridge::sandbox::{Call, Fault as Unwell, Scripted};

use super::platform::{Fault, Slash, TOKEN, deny};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};
use crate::support::until;

/// What the operator reads of what was not delivered.
async fn list(world: &World) -> String {
    world.bridge.command(&["messages", "list"]).await
}

#[tokio::test]
async fn where_the_bot_may_not_write_nothing_hammers() {
    let world = World::new("dc_mute").await;
    world.platform.denies(ROOM, deny::SEND_MESSAGES);
    for n in 0..20 {
        let user = ANN + 100 + n;
        world.platform.member(GUILD, user, &[], None);
        world.platform.says(ROOM, user, &at_bot(&format!("question {n}")));
        until("it is asked", async || world.asked().len() == n as usize + 1).await;
        world.rests().await;
    }
    let refused = world.platform.invalid_requests();
    assert!(refused <= 3, "ten thousand of them lock the address out: {refused}");
    assert_eq!(world.counted("bridge_sends_total", &[("result", "target_gone")]).await, 20);
    let list = list(&world).await;
    assert_eq!(list.matches("50013").count(), 20, "{list}");
    assert!(list.contains("target_gone") && list.contains("\"Send Messages\""), "{list}");

    // Others are answered, and so is the room as soon as it may be.
    world.platform.tells(BEA, "hello");
    world.gets(world.platform.dm(BEA), 1).await;
    world.platform.denies(ROOM, 0);
    world.platform.says(ROOM, ANN, &at_bot("and now?"));
    assert!(world.gets(ROOM, 1).await[0].contains("and now?"));
    world.rests().await;
}

/// A channel, the code of its refusals, and what shuts it.
type Shut<'a> = (u64, &'a str, &'a dyn Fn(u64));

#[tokio::test]
async fn a_chat_that_is_closed_ends_what_waits_for_it_and_nothing_else() {
    let world = World::new("dc_closed").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(150));
    let platform = &world.platform;
    let room = |n: u64| platform.makes_channel(GUILD, ROOM + n, "a room");
    let shut: [Shut<'_>; 4] = [
        (room(1), "50013", &|channel| platform.denies(channel, deny::SEND_MESSAGES)),
        (room(2), "50001", &|channel| platform.denies(channel, deny::VIEW_CHANNEL)),
        (room(3), "10003", &|channel| platform.deletes_channel(channel)),
        (platform.dm(ANN), "50007", &|_| platform.closes_dms(ANN, true)),
    ];
    for (n, (channel, code, shuts)) in (1..).zip(shut) {
        let before = platform.attempts("send").len();
        for text in ["one", "two"] {
            if channel == platform.dm(ANN) {
                platform.tells(ANN, text);
            } else {
                platform.says(channel, ANN, &at_bot(text));
            }
        }
        until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
        shuts(channel);
        platform.tells(BEA, "hello");
        world.gets(platform.dm(BEA), n).await;
        world.rests().await;
        let calls = platform.attempts("send");
        let tried = calls[before..].iter().filter(|call| call.channel == Some(channel)).count();
        assert_eq!((tried, platform.sent_count(channel)), (1, 0), "{code}: once is enough");
        let list = list(&world).await;
        assert!(list.contains(code), "{code}: {list}");
    }
    assert_eq!(world.counted("bridge_sends_total", &[("result", "target_gone")]).await, 4);

    // Whoever comes back is answered again.
    platform.closes_dms(ANN, false);
    platform.tells(ANN, "hello again");
    assert!(world.gets(platform.dm(ANN), 1).await[0].contains("hello again"));
    platform.denies(ROOM + 2, 0);
    platform.says(ROOM + 2, ANN, &at_bot("hello again"));
    assert!(world.gets(ROOM + 2, 1).await[0].contains("hello again"));
    world.rests().await;
}

#[tokio::test]
async fn a_text_that_is_blocked_is_told_once() {
    let world = World::new("dc_automod").await;
    let part = |n: usize| format!("Part {n} of tea. {}", "It is green. ".repeat(130));
    world.will_answer("tea", &[part(1), part(2), part(3)].join("\n\n"));
    let blocked = Fault::Refuse(400, 200_000, "Message was blocked by automatic moderation");
    world.platform.fails_on("send", "Part 2", blocked, 0);
    world.platform.says(ROOM, ANN, &at_bot("tea"));
    let got = world.gets(ROOM, 2).await;
    world.rests().await;
    assert!(got[0].starts_with("Part 1"), "{got:?}");
    assert!(got[1].contains("could not be delivered"), "{got:?}");
    assert_eq!(world.platform.sent_count(ROOM), 2, "nothing after a hole");
    assert_eq!(world.platform.attempts("send").len(), 3);
    assert_eq!(world.counted("bridge_sends_total", &[("result", "rejected")]).await, 1);
}

#[tokio::test]
async fn a_token_that_is_refused_loses_nothing() {
    let world = World::new("dc_token").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    world.platform.tells(ANN, "hello");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.set_token("MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.another-token-0123456789");
    world.is("bad_credentials").await;
    let hint = world.standing().await["detail"].to_string();
    assert!(hint.contains("channels.dc_token.token"), "{hint}");
    // A connection that is open stays open; that all is well again is seen by what is sent.
    world.platform.set_token(TOKEN);
    assert!(world.gets(world.platform.dm(ANN), 1).await[0].contains("hello"));
    world.is("connected").await;
    world.rests().await;
    assert_eq!(world.platform.identifies(), 1);
    let refused = world.platform.invalid_requests();
    assert!(refused <= 6, "{refused}");
}

/// Only the first is told of an outage in words; the others must not wait for ever.
#[tokio::test]
async fn no_command_is_left_with_the_sign_that_the_bot_thinks() {
    let outage = |setup: crate::support::Setup| {
        let keys = [("GIVE_UP_AFTER", "1s"), ("RECOVERY_WINDOW", "0s"), ("BREAKER__FAILURES", "10000")];
        keys.into_iter().fold(setup, |setup, (key, value)| setup.set(&format!("PIPELINE__{key}"), value))
    };
    let world = World::with("dc_thinks", outage).await;
    world.bridge.sandbox.push_fault(Scripted::on(Unwell::Html502, Call::Talk).times(0));
    let ask = |n: u64| world.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", &format!("number {n}")));
    let asked = [ask(1), ask(2), ask(3)];
    for asked in asked {
        let told = async || world.platform.answers(asked).iter().any(|text| text != "…");
        until("the sign is taken away", told).await;
    }
    world.rests().await;
    assert_eq!(world.work().await.len(), 3, "all are listed");
}
