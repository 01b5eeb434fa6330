//! Fetching what people send: links that expire, files that are slow, too large, or gone.

use std::time::Duration;

use image::ImageFormat;
use serde_json::Value;

use super::platform::{BAD_GATEWAY, Draft, Fault};
use super::servers::draft;
use super::{ANN, BEA, ROOM, World};
use crate::support::{picture, until};

const TOO_LARGE: &str = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
const GONE: &str = "I could not load the picture. Please send it again.";

fn jpeg() -> Vec<u8> {
    picture(ImageFormat::Jpeg)
}

fn shows(world: &World, user: u64, file: Value) -> u64 {
    world.platform.sends(Draft::new(world.platform.dm(user), user).attachment(file))
}

fn keeps(world: &World, user: u64, content: Vec<u8>) -> Value {
    world.platform.keeps(world.platform.dm(user), "tower.jpg", "image/jpeg", content)
}

async fn told(world: &World, user: u64) -> String {
    world.gets(world.platform.dm(user), 1).await.remove(0)
}

#[tokio::test]
async fn after_a_crash_a_picture_is_fetched_by_a_new_link() {
    let mut world = World::new("dc_links").await;
    world.platform.fails("cdn", None, Fault::Hang, 0);
    shows(&world, ANN, keeps(&world, ANN, jpeg()));
    until("it is stored, and not fetched", async || !world.platform.attempts("cdn").is_empty()).await;
    world.bridge.crash().await;
    world.platform.links_expire();
    world.platform.heals();
    let tried = world.platform.attempts("cdn").len();
    world.starts_again(&[]).await;
    assert!(told(&world, ANN).await.contains("40 × 30"));
    world.rests().await;
    assert_eq!(world.platform.sent_count(world.platform.dm(ANN)), 1);
    // The old link is tried, the message read again, once, and its new link works.
    assert_eq!(world.platform.attempts("message").len(), 1);
    assert_eq!((world.platform.attempts("cdn").len() - tried, world.platform.downloads().len()), (2, 1));
}

#[tokio::test]
async fn quoted_and_forwarded_pictures_have_new_links_too() {
    let world = World::new("dc_links_passed_on").await;
    let dm = world.platform.dm(ANN);
    let shown = world.platform.shows(ROOM, BEA, jpeg(), "tower.jpg", "image/jpeg", "");
    let forward = Draft::new(dm, ANN).forwards(&world.platform, ROOM, &[shown]);
    let quoted = draft("@me where?").reply_to(shown);
    let forwarded = world.platform.sends(Draft::new(ROOM, BEA).forwards(&world.platform, ROOM, &[shown]));
    let both = draft("@me where?").reply_to(forwarded);
    for (n, (chat, draft)) in (1..).zip([(dm, forward), (ROOM, quoted), (ROOM, both)]) {
        world.platform.fails("cdn", None, Fault::Answer(404, "This content is no longer available."), 1);
        let sent = world.platform.sent_count(chat);
        world.platform.sends(draft);
        assert!(world.gets(chat, sent + 1).await[sent].contains("40 × 30"));
        assert_eq!(world.platform.attempts("message").len(), n);
    }
    world.rests().await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_said_to_be() {
    let world = World::new("dc_gone").await;
    let lost = keeps(&world, ANN, jpeg());
    world.platform.loses(&lost);
    shows(&world, ANN, lost);
    assert_eq!(told(&world, ANN).await, GONE);
    assert_eq!((world.platform.attempts("cdn").len(), world.platform.attempts("message").len()), (2, 1));
    // Its message as well: nothing is there to be read again.
    world.platform.fails("cdn", None, Fault::Slow(Duration::from_millis(300)), 1);
    let dm = world.platform.dm(BEA);
    let message = shows(&world, BEA, keeps(&world, BEA, jpeg()));
    until("it is being fetched", async || world.platform.attempts("cdn").len() == 3).await;
    world.platform.deletes(dm, message);
    world.platform.links_expire();
    assert_eq!(told(&world, BEA).await, GONE);
    world.rests().await;
    assert_eq!(world.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_too_large_is_not_fetched() {
    let world = World::new("dc_large").await;
    let mut declared = keeps(&world, ANN, jpeg());
    declared["size"] = ((20 << 20) + 1).into();
    shows(&world, ANN, declared);
    assert_eq!(told(&world, ANN).await, TOO_LARGE);
    assert_eq!(world.platform.attempts("cdn").len(), 0, "its message says so");
    world.rests().await;
}

#[tokio::test]
async fn a_download_ends_at_the_limit_whatever_was_said() {
    let world = World::with("dc_lies", |setup| setup.set("PIPELINE__IMAGE__MAX_BYTES", "256KiB")).await;
    let mut lies = keeps(&world, ANN, vec![7; 24 << 20]);
    lies["size"] = 1_000.into();
    world.platform.slow_files(64 << 10, Duration::from_millis(1));
    shows(&world, ANN, lies);
    assert_eq!(told(&world, ANN).await, TOO_LARGE);
    world.rests().await;
    assert_eq!((world.platform.downloads().len(), world.asked().len()), (1, 0), "once");
}

#[tokio::test]
async fn a_slow_file_is_waited_for_and_holds_up_nobody() {
    let world = World::keyed("dc_slow_file", &[("TIMEOUT", "1s")]).await;
    let jpeg = jpeg();
    // Longer than a call may take, and never silent for that long.
    world.platform.slow_files(jpeg.len() / 8 + 1, Duration::from_millis(250));
    shows(&world, ANN, keeps(&world, ANN, jpeg));
    until("it is being fetched", async || !world.platform.downloads().is_empty()).await;
    world.platform.tells(BEA, "Hello");
    told(&world, BEA).await;
    assert_eq!(world.platform.sent_count(world.platform.dm(ANN)), 0);
    assert!(told(&world, ANN).await.contains("40 × 30"));
    assert_eq!(world.platform.downloads().len(), 1);
    world.rests().await;
}

#[tokio::test]
async fn a_server_that_fails_for_a_while_is_asked_again() {
    let world = World::keyed("dc_files_fail", &[("TIMEOUT", "1s")]).await;
    let dm = world.platform.dm(ANN);
    let faults = [
        ("cdn", Fault::Answer(502, BAD_GATEWAY), 4),
        ("cdn", Fault::Truncated, 1),
        ("cdn", Fault::Reset, 1),
        ("cdn", Fault::Hang, 1),
        ("cdn", Fault::RetryAfter(1.0), 1),
        ("message", Fault::Answer(502, BAD_GATEWAY), 2),
        ("message", Fault::Reset, 1),
    ];
    for (n, (route, fault, times)) in (1..).zip(faults) {
        if route == "message" {
            // As an expired link is answered.
            world.platform.fails("cdn", None, Fault::Answer(404, "This content is no longer available."), times + 1);
        }
        world.platform.fails(route, None, fault.clone(), times);
        shows(&world, ANN, keeps(&world, ANN, jpeg()));
        let got = world.gets(dm, n).await;
        assert!(got[n - 1].contains("40 × 30"), "{route} {fault:?}: {got:?}");
    }
    world.rests().await;
}
