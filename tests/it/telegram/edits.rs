//! Messages that are changed: before they are asked, and after.

use std::time::Duration;

use super::World;
use super::platform::Draft;
use crate::support::until;

const ANN: i64 = 7;
const TEA: i64 = -1_001_000_000_001;

async fn counted(world: &World, result: &str) -> u64 {
    world.counted("bridge_events_total", &[("result", result)]).await
}

/// Something is being asked, so that what comes next has to wait.
async fn is_busy(world: &World) {
    world.bridge.sandbox.set_latency(Duration::from_millis(800));
    world.platform.says(ANN, ANN, "first");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
}

#[tokio::test]
async fn an_edit_replaces_what_was_not_asked_yet() {
    let world = World::new("tg_edit_waits").await;
    is_busy(&world).await;
    let second = world.platform.says(ANN, ANN, "secnod");
    let third = world.platform.says(ANN, ANN, "third");
    // All within one second: nothing but their words tells them apart.
    for text in ["second", "second, please", "second, please!"] {
        world.platform.edits_at(ANN, second, text, 1_900_000_000);
    }
    let edited = world.platform.message(ANN, second).unwrap();
    world.platform.happens("edited_message", edited);
    world.platform.edits(ANN, third, "@third with /a @mention");
    world.gets(ANN, 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second, please!", "@third with /a @mention"]);
    assert_eq!((counted(&world, "edited").await, counted(&world, "duplicate").await), (4, 1));
}

#[tokio::test]
async fn an_edit_that_comes_too_late_is_ignored() {
    let mut world = World::new("tg_edit_late").await;
    is_busy(&world).await;
    world.platform.edits(ANN, world.platform.sends(Draft::new(ANN, ANN).text("second")), "second!");
    let first = 101;
    assert_eq!(world.platform.message(ANN, first).unwrap()["text"], "first");
    world.platform.edits(ANN, first, "first, while it is asked");
    world.gets(ANN, 2).await;
    world.platform.edits_at(ANN, first, "first, afterwards", 1_900_000_000);
    world.starts_again(&[]).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second!"]);
    assert_eq!(counted(&world, "edited_too_late").await, 2);
    assert_eq!(world.platform.sent_count(ANN), 2);
}

#[tokio::test]
async fn an_edit_that_comes_too_late_is_asked_if_so_wished() {
    let world = World::keyed("tg_edit_ask", &[("LATE_EDITS", "ask")]).await;
    world.platform.group(TEA, "Tea");
    let first = world.platform.says(ANN, ANN, "first");
    world.gets(ANN, 1).await;
    // A link got its preview: Telegram calls that an edit as well.
    world.platform.edits(ANN, first, "first");
    world.platform.edits_at(ANN, first, "second", 1_900_000_000);
    world.gets(ANN, 2).await;
    world.platform.edits_at(ANN, first, "third", 1_900_000_000);
    world.gets(ANN, 3).await;
    let unseen = world.platform.says_unseen(ANN, ANN, "from before the bot was there");
    world.platform.edits(ANN, unseen, "and still");
    let aside = world.platform.says(TEA, ANN, "among people");
    world.platform.edits(TEA, aside, "still among people");
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second", "third"]);
    assert_eq!(counted(&world, "edited_too_late").await, 2);
}

#[tokio::test]
async fn the_words_to_a_picture_can_be_changed_too() {
    let world = World::new("tg_edit_caption").await;
    is_busy(&world).await;
    let picture = crate::support::picture(image::ImageFormat::Png);
    let shown = world.platform.shows(ANN, ANN, &picture, "waht is this?");
    world.platform.edits(ANN, shown, "what is this?");
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "what is this?"]);
    let asks = world.bridge.asks();
    assert_eq!(asks.last().unwrap().image_format, Some("png"), "the picture is still there");
}

#[tokio::test]
async fn in_a_group_an_edit_keeps_to_what_is_said_to_the_bot() {
    let world = World::new("tg_edit_group").await;
    world.platform.group(TEA, "Tea");
    is_busy(&world).await;
    let named = |text: &str| Draft::new(TEA, ANN).text(&format!("@bridge_test_bot {text}"));
    let kept = world.platform.sends(named("one"));
    let changed = world.platform.sends(named("two"));
    world.platform.edits(TEA, kept, "one, and not for the bot any more");
    world.platform.edits(TEA, changed, "@bridge_test_bot two, better");
    world.gets(TEA, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "one", "two, better"]);
}

#[tokio::test]
async fn a_name_that_is_added_later_makes_a_question_of_it() {
    let world = World::new("tg_edit_name").await;
    world.platform.group(TEA, "Tea");
    let forgot = world.platform.sends(Draft::new(TEA, ANN).text("what is tea?"));
    world.platform.edits(TEA, forgot, "@bridge_test_bot what is tea?");
    let sent = world.gets_messages(TEA, 1).await.remove(0);
    assert_eq!(sent.reply_to, Some(forgot));
    world.platform.edits(TEA, forgot, "@bridge_test_bot what is tea, please?");
    let old = world.platform.sends(Draft::new(TEA, ANN).text("what was it?"));
    world.platform.edits_at(TEA, old, "@bridge_test_bot what was it?", 1_900_000_000);
    world.rests().await;
    assert_eq!(world.asked(), ["what is tea?"], "once, and not what is long past");
}
