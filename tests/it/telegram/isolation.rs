//! One Telegram channel that cannot work stops no other.

use std::time::Duration;

use serde_json::Value;

use super::platform::{CONFLICT, Fault, Platform, TOKEN};
use super::{World, keys};
use crate::support::{Setup, until};

const ANN: i64 = 7;

/// A Telegram channel beside others.
fn beside(setup: Setup, id: &str, platform: &Platform) -> Setup {
    keys(id, platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value))
}

async fn state(world: &World, channel: &str) -> Value {
    let ready = world.bridge.ready().await;
    let channels = ready["channels"].as_array().unwrap();
    channels.iter().find(|part| part["name"] == channel).unwrap_or_else(|| panic!("{channel}: {ready}")).clone()
}

async fn comes_to(world: &World, channel: &str, wanted: &str) -> Value {
    let mut last = Value::Null;
    until(&format!("{channel} is {wanted}"), async || {
        last = state(world, channel).await;
        last["state"] == wanted
    })
    .await;
    last
}

/// The good channels answer, whatever the others do.
async fn all_is_well(world: &World, other: &Platform, round: usize) {
    world.platform.says(ANN, ANN, "hi");
    other.says(ANN, ANN, "hi");
    let web = world.bridge.say("ann", "hi").await;
    assert_eq!(web["text"], format!("Turn {round}: you said \"hi\""));
    assert_eq!(world.gets(ANN, round).await.len(), round);
    until("the second bot's answer", async || other.sent_count(ANN) == round).await;
    for texts in [world.platform.texts(ANN), other.texts(ANN)] {
        assert_eq!(texts[round - 1], format!("Turn {round}: you said \"hi\""));
    }
}

#[tokio::test]
async fn a_refused_an_unreachable_and_a_contested_bot_stop_no_other() {
    let (other, refusing, contested) = (Platform::start().await, Platform::start().await, Platform::start().await);
    refusing.set_token("123456789:AAanotherTokenThatIsValid_456");
    contested.fails("getUpdates", None, Fault::Refuse(409, CONFLICT), 0);
    let token = |id: i64| format!("{id}:AAFakeTokenOfTheTests_0123456789-abc");
    other.set_token(&token(2));
    contested.set_token(&token(4));
    let world = World::with("tg_iso", |setup| {
        let setup = beside(setup, "tg_iso_other", &other).set("CHANNELS__TG_ISO_OTHER__TOKEN", &token(2));
        let setup = beside(setup, "tg_iso_bad", &refusing).set("CHANNELS__TG_ISO_BAD__TOKEN", &token(3));
        let setup = beside(setup, "tg_iso_rival", &contested).set("CHANNELS__TG_ISO_RIVAL__TOKEN", &token(4));
        beside(setup, "tg_iso_far", &other)
            .set("CHANNELS__TG_ISO_FAR__TOKEN", &token(5))
            .set("CHANNELS__TG_ISO_FAR__API_URL", "http://telegram.invalid")
    })
    .await;

    all_is_well(&world, &other, 1).await;
    let bad = comes_to(&world, "tg_iso_bad", "bad_credentials").await;
    assert!(bad["detail"].as_str().unwrap().contains("channels.tg_iso_bad.token"), "{bad}");
    let rival = comes_to(&world, "tg_iso_rival", "conflict").await;
    assert!(rival["detail"].as_str().unwrap().contains("uses this bot's token"), "{rival}");
    comes_to(&world, "tg_iso_far", "reconnecting").await;
    all_is_well(&world, &other, 2).await;
    assert_eq!(world.bridge.ready().await["status"], "ok");
    for channel in ["tg_iso", "tg_iso_other", "web"] {
        assert_eq!(state(&world, channel).await["ok"], true, "{channel}");
    }

    // Whoever is in trouble does not ask again and again.
    let asked = || refusing.happened().0 as usize + contested.attempts("getUpdates").len();
    let before = asked();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(asked() - before <= 2, "{before}, then {}", asked());

    // And is back by itself.
    contested.heals();
    contested.says(ANN, ANN, "at last");
    until("the contested bot answers", async || contested.sent_count(ANN) == 1).await;
    assert_eq!(state(&world, "tg_iso_rival").await["state"], "connected");
}

#[tokio::test]
async fn two_channels_of_one_bot_are_a_mistake_and_the_first_one_works() {
    let world = World::with("tg_twin_a", |setup| {
        // The same bot, though its token is an older one.
        let platform = setup.env("CHANNELS__TG_TWIN_A__API_URL").to_owned();
        [
            ("KIND", "telegram"),
            ("BOT", "main"),
            ("TOKEN", "123456789:AAAnOlderTokenOfTheSameBot"),
            ("API_URL", &platform),
        ]
        .into_iter()
        .fold(setup, |setup, (key, value)| setup.set(&format!("CHANNELS__TG_TWIN_B__{key}"), value))
    })
    .await;
    world.platform.says(ANN, ANN, "hi");
    assert_eq!(world.gets(ANN, 1).await.len(), 1);
    world.rests().await;
    let twin = state(&world, "tg_twin_b").await;
    assert_eq!(twin["state"], "bad_config");
    let checked = world.bridge.command(&["check"]).await;
    assert!(checked.contains("belongs to the bot of `channels.tg_twin_a`"), "{checked}");
    for told in [twin["detail"].as_str().unwrap(), &checked] {
        assert!(told.contains("channels.tg_twin_b.token"), "{told}");
        assert!(!told.contains(TOKEN) && !told.contains("123456789"), "{told}");
    }
}

#[tokio::test]
async fn a_second_channel_of_one_bot_that_is_off_is_no_mistake() {
    let world = World::with("tg_twin_on", |setup| {
        let setup = setup.set("CHANNELS__TG_TWIN_AN_OFF_ONE__KIND", "telegram");
        let setup =
            setup.set("CHANNELS__TG_TWIN_AN_OFF_ONE__BOT", "main").set("CHANNELS__TG_TWIN_AN_OFF_ONE__TOKEN", TOKEN);
        setup.set("CHANNELS__TG_TWIN_AN_OFF_ONE__ENABLED", "false")
    })
    .await;
    world.platform.says(ANN, ANN, "hi");
    assert_eq!(world.gets(ANN, 1).await.len(), 1);
    world.rests().await;
}
