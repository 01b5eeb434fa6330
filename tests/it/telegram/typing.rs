//! "Typing" while somebody waits. That it ends with the turn is tested where it is done, with every channel.

use std::time::Duration;

use super::World;
use super::platform::Fault;
use crate::support::until;

const ANN: i64 = 7;
const FORUM: i64 = -1001;

#[tokio::test]
async fn typing_is_shown_again_and_again_where_somebody_waits() {
    let world = World::new("tgd_typing").await;
    world.platform.forum(FORUM, "Forum");
    let topic = world.platform.topic(FORUM, ANN, "Tea");
    world.bridge.sandbox.set_latency(Duration::from_millis(4_800));
    let draft = super::platform::Draft::new(FORUM, ANN).text("@bridge_test_bot hello").thread(topic);
    world.platform.sends(draft);
    world.gets(FORUM, 1).await;
    let shown = world.platform.actions(FORUM);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|action| action.action == "typing" && action.thread == Some(topic)), "{shown:?}");
    let gap = shown[1].at - shown[0].at;
    assert!(
        (Duration::from_millis(3_900)..Duration::from_millis(6_000)).contains(&gap),
        "Telegram shows it for 5 s: {gap:?}"
    );
    world.rests().await;
}

#[tokio::test]
async fn typing_that_cannot_be_shown_delays_no_answer() {
    let world = World::new("tgd_typing_fails").await;
    let faults = [Fault::Hang, Fault::Refuse(500, "Internal Server Error"), Fault::Reset, Fault::Answer(200, "?")];
    for (user, fault) in (100..).zip(faults) {
        world.platform.fails("sendchataction", Some(user), fault, 0);
        world.platform.says(user, user, "hello");
        world.gets(user, 1).await;
    }
    world.rests().await;
}

#[tokio::test]
async fn a_chat_that_asks_for_a_rest_is_shown_no_typing() {
    let world = World::new("tgd_typing_rest").await;
    const REST: &str = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 30",
        "parameters":{"retry_after":30}}"#;
    world.platform.fails("sendchataction", Some(ANN), Fault::Answer(429, REST), 0);
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    for n in 1..=3 {
        world.platform.says(ANN, ANN, "hello");
        world.gets(ANN, n).await;
        until("it is refused", async || world.platform.attempts("sendchataction").len() == 1).await;
    }
    world.rests().await;
    assert_eq!(world.platform.attempts("sendchataction").len(), 1);
}
