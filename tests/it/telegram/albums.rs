//! Several pictures at once are one question.

use caigunn_bridge::sandbox::LogEntry;

use super::World;
use super::platform::Draft;
use crate::support::picture;

const ANN: i64 = 7;
const TEA: i64 = -1_001_000_000_001;

fn member(world: &World, chat: i64, album: &str, caption: &str) {
    let photo = world.platform.photo(&picture(image::ImageFormat::Png));
    let draft = Draft::new(chat, ANN).photo(photo).album(album);
    world.platform.sends(if caption.is_empty() { draft } else { draft.caption(caption) });
}

fn shown(world: &World) -> Vec<LogEntry> {
    world.bridge.asks().into_iter().filter(|entry| entry.image_format.is_some()).collect()
}

/// What was said with each picture.
fn said(world: &World) -> Vec<String> {
    shown(world).into_iter().map(|entry| entry.text.unwrap_or_default()).collect()
}

#[tokio::test]
async fn an_album_is_one_question_with_its_caption() {
    let world = World::new("tg_album").await;
    member(&world, ANN, "a", "");
    member(&world, ANN, "a", "what are these?");
    member(&world, ANN, "a", "");
    world.platform.says(ANN, ANN, "and a word");
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ANN), 2, "one answer to all of them, and one to the word");
    assert_eq!(said(&world), ["what are these?", "", ""]);
    assert_eq!(world.asked().last().unwrap(), "and a word", "in the order in which they were written");
    assert_eq!(world.counted("bridge_events_total", &[("result", "joined")]).await, 2);
}

#[tokio::test]
async fn a_picture_that_comes_too_late_is_a_new_question() {
    let world = World::new("tg_album_late").await;
    member(&world, ANN, "a", "first");
    member(&world, ANN, "a", "");
    world.gets(ANN, 1).await;
    member(&world, ANN, "a", "");
    world.gets(ANN, 2).await;
    member(&world, ANN, "b", "another");
    world.gets(ANN, 3).await;
    world.rests().await;
    assert_eq!(said(&world), ["first", "", "", "another"]);
}

#[tokio::test]
async fn in_a_group_one_member_carries_the_mention() {
    let world = World::new("tg_album_group").await;
    world.platform.supergroup(TEA, "Tea");
    member(&world, TEA, "people", "");
    member(&world, TEA, "people", "our holidays");
    member(&world, TEA, "bot", "");
    member(&world, TEA, "bot", "@bridge_test_bot what are these?");
    member(&world, TEA, "bot", "");
    world.gets(TEA, 1).await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(TEA), 1);
    assert_eq!(said(&world), ["what are these?", "", ""]);
    assert_eq!(world.platform.attempts("getFile").len(), 3, "what is not for the bot is not even fetched");
}
