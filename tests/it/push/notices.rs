//! What is said when there is no answer, and to whom.

use std::time::Duration;

use caigunn_bridge::contract::store::Contacts;
use caigunn_bridge::model::{ContactKey, Mode, Scope, Sender};
use caigunn_bridge::sandbox::{Call, Fault as Backend, Scripted};
use serde_json::json;

use super::World;
use crate::support::until;

#[tokio::test]
async fn an_outage_is_explained_once_and_anew_after_a_good_answer() {
    let world = World::with("pager_outage", |setup| {
        setup
            .set("PIPELINE__GIVE_UP_AFTER", "1s")
            .set("PIPELINE__BREAKER__FAILURES", "10000")
            .set("PIPELINE__RECOVERY_WINDOW", "0s")
    })
    .await;
    let fails = || world.bridge.sandbox.push_fault(Scripted::on(Backend::status(503), Call::Talk).times(0));
    let says = |text: &str| {
        let from = json!({ "id": "ann", "name": "Ann", "lang": "zh-Hant-TW" });
        world.platform.says_with("ann", json!({ "text": text, "from": from }));
    };
    let dead = async || world.counted("bridge_turns_total", &[("outcome", "dead"), ("reason", "gave_up")]).await;
    fails();
    says("one");
    says("two");
    until("both are given up", async || dead().await == 2).await;
    world.bridge.sandbox.clear_faults();
    says("three");
    let got = world.gets("ann", 2).await;
    assert_eq!(got[0], "抱歉，目前無法取得回覆，請稍後再試。");
    assert!(got[1].contains("three"), "the second notice stays unsaid: {got:?}");
    fails();
    says("four");
    assert_eq!(world.gets("ann", 3).await[2], got[0], "a new outage is told anew");
    world.rests().await;
}

#[tokio::test]
async fn who_writes_too_fast_is_told_once_and_talk_among_people_counts_for_nothing() {
    let world = World::with("pager_fast", |setup| {
        setup
            .set("PIPELINE__USER_RATE", "1")
            .set("PIPELINE__USER_BURST", "2")
            .set("PIPELINE__MAX_PENDING_PER_CONVERSATION", "3")
    })
    .await;
    world.bridge.sandbox.set_latency(Duration::from_millis(200));
    for n in 0..10 {
        let chatter = json!({ "chat": "g1", "group": true, "text": format!("talk {n}") });
        world.platform.says_with("ann", chatter);
    }
    world.platform.happens("ann", json!({ "type": "joined", "chat": "g1", "at": 1 }));
    world.rests().await;
    assert_eq!(world.platform.texts("g1").len(), 0, "who did not address the bot is told nothing");
    for n in 1..=6 {
        world.platform.says("ann", &n.to_string());
    }
    let got = world.gets("ann", 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["1", "2"]);
    assert!(got[2].starts_with("You are writing faster"), "{got:?}");
    assert!(world.platform.texts("ann").len() <= 4, "one notice for a burst: {got:?}");
}

#[tokio::test]
async fn what_is_too_old_gets_an_apology_instead_of_a_late_answer() {
    let mut world = World::with("pager_old", |setup| setup.set("PIPELINE__MAX_AGE", "1s")).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(1_300));
    for text in ["one", "two", "three"] {
        world.platform.says("ann", text);
    }
    let got = world.gets("ann", 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one"]);
    assert!(got[1].starts_with("Sorry, I was away"), "{got:?}");
    assert_eq!(world.platform.texts("ann").len(), 2, "the second apology stays unsaid");
    world.bridge.start_again(&[("PIPELINE__MAX_AGE", "1h")]).await;
    world.platform.says("ann", "four");
    world.gets("ann", 3).await;
    world.rests().await;
}

#[tokio::test]
async fn a_conversation_that_a_person_has_taken_over_is_recorded_and_not_asked() {
    let mut world = World::new("pager_mode").await;
    world.platform.says("ann", "one");
    world.gets("ann", 1).await;
    world.rests().await;
    for (mode, reason) in [(Mode::Human, "human_mode"), (Mode::Muted, "muted"), (Mode::Bot, "")] {
        world.bridge.stop().await;
        let beside = world.beside();
        let sender = Sender { user: Some("ann".into()), ..Sender::default() };
        let channel = world.id.as_str().into();
        let contact = beside.contact_by_key(&channel, &ContactKey::new(Scope::User, &sender)).await.unwrap().unwrap();
        beside.set_mode(contact.id, mode).await.unwrap();
        caigunn_bridge::contract::store::Upkeep::close(&*beside).await;
        world.bridge.start_again(&[]).await;
        world.platform.says("ann", mode.as_str());
        world.rests().await;
        assert_eq!(
            world.counted("bridge_turns_total", &[("reason", reason)]).await,
            if mode == Mode::Bot { 2 } else { 1 }
        );
    }
    assert_eq!(world.asked(), ["one", "bot"]);
    assert_eq!(world.platform.texts("ann").len(), 2);
}
