//! Others who use the bot's token, webhooks in the way, and a token that is refused.

use std::time::Duration;

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::{CONFLICT, Fault, Platform, TOKEN};
use super::setting::Outside;
use super::{World, keyed};
use crate::support::until;

const ANN: i64 = 7;

async fn detail(world: &World) -> String {
    world.standing().await["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn another_poller_is_named_and_left_alone_for_a_while() {
    let world = World::new("tg_rival").await;
    world.is("connected").await;
    world.platform.fails("getUpdates", None, Fault::Refuse(409, CONFLICT), 0);
    world.platform.rival_polls();
    world.is("conflict").await;
    let detail = detail(&world).await;
    assert!(detail.contains("uses this bot's token: stop it"), "{detail}");
    let page = world.bridge.ready().await;
    assert!(page["warnings"][0].as_str().unwrap().contains("stop it"), "{page}");
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered", "the other channel goes on");
    let before = world.platform.attempts("getUpdates").len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(world.platform.attempts("getUpdates").len() - before <= 1, "no hot loop");
    world.platform.says(ANN, ANN, "who has me?");
    world.platform.heals();
    world.gets(ANN, 1).await;
    world.is("connected").await;
    world.rests().await;
}

#[tokio::test]
async fn a_webhook_of_somebody_else_is_named_and_left_alone() {
    let platform = Platform::start().await;
    platform.sets_webhook("https://other.example.org/hook/secret-path");
    platform.says(ANN, ANN, "who has me?");
    let world = World::on(platform, "tg_foreign", |setup| setup).await;
    world.is("conflict").await;
    let detail = detail(&world).await;
    assert!(detail.contains("a webhook at other.example.org") && detail.contains("tg_foreign.take_over"), "{detail}");
    assert!(!detail.contains("secret-path"), "a path may be a secret: {detail}");
    assert_eq!(world.platform.webhook().as_deref(), Some("https://other.example.org/hook/secret-path"));
    world.platform.removes_webhook();
    world.gets(ANN, 1).await;
    world.is("connected").await;
    world.rests().await;
    assert_eq!(world.platform.drops(), 0);
}

#[tokio::test]
async fn a_webhook_that_is_set_while_it_polls_is_named() {
    let world = World::new("tg_foreign_late").await;
    world.platform.says(ANN, ANN, "one");
    world.gets(ANN, 1).await;
    world.platform.sets_webhook("https://other.example.org/hook");
    until("the webhook is named", async || detail(&world).await.contains("a webhook at other.example.org")).await;
    world.is("conflict").await;
    world.platform.says(ANN, ANN, "two");
    world.platform.removes_webhook();
    world.gets(ANN, 2).await;
    world.rests().await;
}

#[tokio::test]
async fn a_webhook_of_somebody_else_is_taken_over_if_so_wished() {
    for (id, receive) in [("tg_take_poll", "polling"), ("tg_take_hook", "webhook")] {
        let platform = Platform::start().await;
        platform.sets_webhook("https://other.example.org/hook");
        platform.says(ANN, ANN, "waits");
        let keys = [("TAKE_OVER", "true"), ("RECEIVE", receive), ("WEBHOOK_URL", "https://bot.example.com")];
        let world = World::on(platform, id, |setup| keyed(setup, id, &keys)).await;
        world.platform.webhook_goes_to(&world.bridge.url(""));
        assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"waits\""]);
        let own = (receive == "webhook").then(|| format!("https://bot.example.com/telegram/{id}"));
        assert_eq!(world.platform.webhook(), own);
        world.rests().await;
        assert_eq!(world.platform.drops(), 0);
    }
}

#[tokio::test]
async fn from_webhook_to_polling_and_back_nothing_is_lost() {
    let mut world = World::by_webhook("tg_switch", |setup| setup).await;
    world.platform.says(ANN, ANN, "by webhook");
    world.gets(ANN, 1).await;
    for (n, receive) in [(2, "polling"), (3, "webhook"), (4, "polling")] {
        world.bridge.stop().await;
        world.platform.says(ANN, ANN, &format!("in between, before {receive}"));
        world.starts_again(&[("CHANNELS__TG_SWITCH__RECEIVE", receive)]).await;
        assert_eq!(world.gets(ANN, n).await[n - 1], format!("Turn {n}: you said \"in between, before {receive}\""));
        world.is("connected").await;
        world.rests().await;
    }
    assert_eq!(world.platform.drops(), 0);
    assert_eq!(world.platform.webhook(), None);
}

#[tokio::test]
async fn an_address_of_ones_own_may_change() {
    let mut world = World::by_webhook("tg_moves_house", |setup| setup).await;
    world.platform.says(ANN, ANN, "one");
    world.gets(ANN, 1).await;
    world.starts_again(&[("CHANNELS__TG_MOVES_HOUSE__WEBHOOK_URL", "https://new.example.com")]).await;
    world.platform.says(ANN, ANN, "two");
    world.gets(ANN, 2).await;
    // Under the old address Telegram could deliver until it was told the new one.
    let new = "https://new.example.com/telegram/tg_moves_house";
    until("it is told the new one", async || world.platform.webhook().as_deref() == Some(new)).await;
    world.platform.says(ANN, ANN, "three");
    world.gets(ANN, 3).await;
    world.rests().await;
}

#[tokio::test]
async fn a_refused_token_pauses_this_channel_alone_until_it_works_again() {
    let world = World::keyed("tg_refused", &[("POLL_TIMEOUT", "1s")]).await;
    world.platform.says(ANN, ANN, "one");
    world.gets(ANN, 1).await;
    world.platform.set_token("123456789:AAAnotherTokenOfTheTests_0123456789");
    world.is("bad_credentials").await;
    let detail = detail(&world).await;
    assert!(detail.contains("channels.tg_refused.token"), "{detail}");
    assert_eq!(world.bridge.say("web", "hi").await["state"], "answered", "the other channel goes on");
    let before = world.platform.attempts("getUpdates").len();
    world.platform.says(ANN, ANN, "two");
    world.platform.set_token(TOKEN);
    world.gets(ANN, 2).await;
    assert!(world.platform.attempts("getUpdates").len() - before <= 3);
    world.is("connected").await;
    world.rests().await;
}

#[tokio::test]
async fn no_failure_writes_the_token_into_the_log() {
    let outside = Outside::with(SandboxOptions::default(), |place| place.set("CHANNELS__TG__POLL_TIMEOUT", "1s")).await;
    let daemon = outside.start().await;
    let secret = TOKEN.split_once(':').unwrap().1;
    let faults = [
        Fault::Reset,
        Fault::Answer(502, "<html>https://api.telegram.org/bot123456789:AAFakeTokenOfTheTests_0123456789-abc/</html>"),
        Fault::Refuse(500, "see /bot123456789:AAFakeTokenOfTheTests_0123456789-abc/getUpdates"),
        Fault::Hang,
    ];
    let warned = || outside.place.log().matches("Telegram cannot be heard").count();
    for (n, fault) in faults.into_iter().enumerate() {
        outside.platform.fails("getUpdates", None, fault.clone(), 1);
        outside.platform.fails("sendMessage", None, fault, 1);
        outside.platform.says(ANN, ANN, "hello");
        until("it goes on", async || outside.platform.sent_count(ANN) > n && warned() > n).await;
    }
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let log = outside.place.log();
    assert!(!log.contains(secret), "{log}");
    assert!(log.contains("[token]"), "what Telegram says is passed on without it");
}
