//! The configuration changes while the bot runs.

use super::platform::{Fault, TOKEN};
use super::{World, keys};
use crate::support::until;

const ANN: i64 = 7;
const BEA: i64 = 8;

#[tokio::test]
async fn who_is_let_in_and_what_is_said_changes_in_the_same_connection() {
    let mut world = World::new("tg_reload").await;
    world.platform.says(ANN, ANN, "before");
    world.gets(ANN, 1).await;
    let asked_who = world.platform.attempts("getMe").len();
    let key = "CHANNELS__TG_RELOAD__ACCESS__DENY_USERS";
    assert_eq!(world.bridge.reloads(&[(key, "7")]).await, ["access of channel tg_reload replaced"]);
    world.platform.says(ANN, ANN, "kept out");
    world.platform.says(BEA, BEA, "let in");
    world.gets(BEA, 1).await;
    let summary = "TEXTS__EN__COMMAND_RESET";
    assert_eq!(world.bridge.reloads(&[(summary, "forget it all")]).await, ["other texts"]);
    until("the menu is set again", async || {
        world.platform.commands("default", "").is_some_and(|menu| menu.iter().any(|(_, text)| text == "forget it all"))
    })
    .await;
    world.bridge.reloads(&[(key, "")]).await;
    world.platform.says(ANN, ANN, "let in again");
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["before", "let in", "let in again"]);
    assert_eq!(world.platform.attempts("getMe").len(), asked_who, "it is the same listener");
    assert_eq!(world.standing().await["generation"], 1);
}

/// The token is replaced at Telegram: what was to be sent goes out as soon as the bridge has the new one.
#[tokio::test]
async fn another_token_sends_what_waited_for_it() {
    const NEW: &str = "123456789:AAnotherTokenOfTheTests_0123456789ab";
    let mut world = World::new("tg_rotate").await;
    world.bridge.sandbox.set_latency(std::time::Duration::from_millis(300));
    world.platform.says(ANN, ANN, "one");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.set_token(NEW);
    world.is("bad_credentials").await;
    let refused = [("result", "retry")];
    until("the send is refused more than once", async || world.counted("bridge_sends_total", &refused).await > 1).await;
    assert_ne!(TOKEN, NEW);
    let changes = world.bridge.reloads(&[("CHANNELS__TG_ROTATE__TOKEN", NEW)]).await;
    assert_eq!(changes, ["channel tg_rotate restarted"]);
    world.gets(ANN, 1).await;
    world.is("connected").await;
    world.platform.says(ANN, ANN, "two");
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!((world.asked(), world.platform.sent_count(ANN)), (vec!["one".to_owned(), "two".to_owned()], 2));
    assert_eq!(world.standing().await["generation"], 2);
}

/// Rows of a channel that left wait, and are sent when it is back; and a channel that is new to the bridge works.
#[tokio::test]
async fn a_bot_that_comes_back_sends_what_it_owes() {
    let mut world = World::new("tg_back").await;
    world.platform.fails("sendMessage", None, Fault::Answer(502, "bad gateway"), 0);
    for n in 0..3 {
        world.platform.says(ANN, ANN, &format!("owed {n}"));
    }
    world.platform.says(BEA, BEA, "owed, too");
    until("sends fail", async || world.platform.attempts("sendMessage").len() > 3).await;
    until("all is answered", async || world.asked().len() == 4 && world.bridge.sandbox.in_flight() == 0).await;
    assert_eq!(world.bridge.reloads(&[("CHANNELS__TG_BACK__", "")]).await, ["channel tg_back stopped"]);
    world.platform.heals();
    let (sends, polls) = (world.platform.attempts("sendMessage").len(), world.platform.attempts("getUpdates").len());
    world.platform.says(ANN, ANN, "said meanwhile");
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(world.platform.attempts("sendMessage").len(), sends, "it is away");
    assert_eq!(world.platform.attempts("getUpdates").len(), polls);
    let back = keys("tg_back", &world.platform);
    let back: Vec<(&str, &str)> = back.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(world.bridge.reloads(&back).await, ["channel tg_back started"]);
    world.gets(ANN, 4).await;
    world.gets(BEA, 1).await;
    world.rests().await;
    assert_eq!((world.platform.sent_count(ANN), world.platform.sent_count(BEA)), (4, 1), "each once");
}
