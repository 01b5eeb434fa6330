//! Messages that are changed: before they are asked, and after.

use std::time::Duration;

use super::platform::Draft;
use super::servers::{counted, draft};
use super::{ANN, ROOM, World, at_bot};
use crate::support::{picture, until};

/// Something is being asked, so that what comes next has to wait.
async fn is_busy(world: &World) -> u64 {
    world.bridge.sandbox.set_latency(Duration::from_millis(800));
    let first = world.platform.tells(ANN, "first");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    first
}

#[tokio::test]
async fn an_edit_replaces_what_was_not_asked_yet() {
    let world = World::new("dc_edit_waits").await;
    let dm = world.platform.dm(ANN);
    is_busy(&world).await;
    let second = world.platform.tells(ANN, "secnod https://example.com");
    let third = world.platform.tells(ANN, "third");
    for text in ["second", "second, please", "second, please!"] {
        world.platform.edits(dm, second, text);
    }
    // Told once more, and with the preview of its link: nobody has written anything.
    world.platform.happens("MESSAGE_UPDATE", None, world.platform.message(dm, second).unwrap());
    world.platform.unfolds(dm, second);
    world.platform.unfolds(dm, third);
    world.platform.edits(dm, third, "@third with /a :mention:");
    world.gets(dm, 3).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second, please!", "@third with /a :mention:"]);
    let counted = async |result| counted(&world, result).await;
    assert_eq!((counted("edited").await, counted("duplicate").await, counted("not_edited").await), (4, 2, 1));
}

#[tokio::test]
async fn an_edit_that_comes_too_late_is_ignored() {
    let mut world = World::new("dc_edit_late").await;
    let dm = world.platform.dm(ANN);
    let first = is_busy(&world).await;
    world.platform.edits(dm, world.platform.tells(ANN, "second"), "second!");
    world.platform.edits(dm, first, "first, while it is asked");
    world.gets(dm, 2).await;
    world.platform.edits(dm, first, "first, afterwards");
    world.starts_again(&[]).await;
    world.platform.edits(dm, first, "first, after a restart");
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "second!", "was all heard?"]);
    assert_eq!((counted(&world, "edited_too_late").await, world.platform.sent_count(dm)), (3, 2));
}

#[tokio::test]
async fn an_edit_that_comes_too_late_is_asked_if_so_wished() {
    let world = World::keyed("dc_edit_ask", &[("LATE_EDITS", "ask")]).await;
    let dm = world.platform.dm(ANN);
    let first = world.platform.tells(ANN, "first https://example.com");
    world.gets(dm, 1).await;
    world.platform.unfolds(dm, first);
    world.platform.edits(dm, first, "second");
    world.gets(dm, 2).await;
    world.platform.unfolds(dm, first);
    world.platform.edits(dm, first, "third");
    world.gets(dm, 3).await;
    let unheard = world.platform.wrote(dm, ANN, &["from before the bot was there"], Duration::from_secs(3600))[0];
    world.platform.edits(dm, unheard, "and still");
    let aside = world.platform.sends(draft("among people"));
    world.platform.edits(ROOM, aside, "still among people");
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["first https://example.com", "second", "third", "was all heard?"]);
    assert_eq!((counted(&world, "edited_too_late").await, counted(&world, "not_addressed").await), (1, 2));
}

#[tokio::test]
async fn the_words_to_a_picture_can_be_changed_too() {
    let world = World::new("dc_edit_words").await;
    let dm = world.platform.dm(ANN);
    is_busy(&world).await;
    let picture = picture(image::ImageFormat::Png);
    let shown = world.platform.shows(dm, ANN, picture, "tower.png", "image/png", "waht is this?");
    world.platform.edits(dm, shown, "what is this?");
    world.gets(dm, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "what is this?"]);
    assert_eq!(world.bridge.asks().last().unwrap().image_format, Some("png"), "the picture is still there");
}

#[tokio::test]
async fn in_a_server_an_edit_keeps_to_what_is_said_to_the_bot() {
    let world = World::new("dc_edit_server").await;
    is_busy(&world).await;
    let kept = world.platform.sends(draft("@me one"));
    let changed = world.platform.sends(draft("@me two"));
    world.platform.edits(ROOM, kept, "one, and not for the bot any more");
    world.platform.edits(ROOM, changed, &at_bot("two, better"));
    world.gets(ROOM, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["first", "one", "two, better"]);
}

#[tokio::test]
async fn a_mention_that_is_added_later_makes_a_question_of_it() {
    let world = World::new("dc_edit_name").await;
    let forgot = world.platform.sends(draft("what is tea?"));
    world.platform.edits(ROOM, forgot, &at_bot("what is tea?"));
    let sent = world.gets_messages(ROOM, 1).await.remove(0);
    assert_eq!(sent.reply_to, Some(forgot));
    world.platform.edits(ROOM, forgot, &at_bot("what is tea, please?"));
    let old = Draft::new(ROOM, ANN).text("what was it?").ago(Duration::from_secs(11 * 60));
    let old = world.platform.sends(old);
    world.platform.edits(ROOM, old, &at_bot("what was it?"));
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["what is tea?", "was all heard?"], "once, and not what is long past");
    assert_eq!(counted(&world, "edited_too_late").await, 2);
}
