//! Fetching what people send: links that expire, files that are slow, too large, or gone.

use std::time::Duration;

use image::ImageFormat;
use serde_json::Value;

use super::World;
use super::platform::{BAD_GATEWAY, Draft, Fault};
use crate::support::{picture, until};

const ANN: i64 = 7;
const BEA: i64 = 8;

const TOO_LARGE: &str = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
const GONE: &str = "I could not load the picture. Please send it again.";

fn jpeg() -> Vec<u8> {
    picture(ImageFormat::Jpeg)
}

/// A picture as a file, about whose size its message says nothing.
fn shows_unsized(world: &World, user: i64, mut file: Value) {
    file.as_object_mut().unwrap().remove("file_size").unwrap();
    world.platform.sends(Draft::new(user, user).document(file, "picture.png", "image/png"));
}

#[tokio::test]
async fn a_link_that_has_expired_is_asked_for_again() {
    let world = World::new("tgd_links").await;
    world.platform.links_expire(1);
    world.platform.shows(ANN, ANN, &jpeg(), "");
    assert!(world.gets(ANN, 1).await[0].contains("40 × 30"));
    world.rests().await;
    assert_eq!((world.platform.files_asked().len(), world.platform.downloads().len()), (2, 2));
}

#[tokio::test]
async fn a_file_that_is_gone_is_said_to_be() {
    let world = World::new("tgd_gone").await;
    world.platform.links_expire(1_000);
    world.platform.shows(ANN, ANN, &jpeg(), "");
    assert_eq!(world.gets(ANN, 1).await, [GONE]);
    let file = world.platform.keeps("documents", "png", jpeg());
    world.platform.loses(&file);
    world.platform.sends(Draft::new(BEA, BEA).document(file, "a.png", "image/png").caption("and this?"));
    assert_eq!(world.gets(BEA, 1).await, [GONE]);
    world.rests().await;
    assert_eq!(world.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_too_large_is_not_fetched() {
    let world = World::new("tgd_large").await;
    let declared = world.platform.keeps_sized("documents", "png", (20 << 20) + 1);
    world.platform.sends(Draft::new(ANN, ANN).document(declared, "a.png", "image/png"));
    assert_eq!(world.gets(ANN, 1).await, [TOO_LARGE]);
    assert_eq!(world.platform.files_asked(), Vec::<String>::new(), "its message says so");
    shows_unsized(&world, BEA, world.platform.keeps_sized("documents", "png", (20 << 20) + 1));
    assert_eq!(world.gets(BEA, 1).await, [TOO_LARGE]);
    assert_eq!((world.platform.files_asked().len(), world.platform.downloads().len()), (1, 0), "`getFile` says so");
    world.rests().await;
}

#[tokio::test]
async fn a_download_ends_at_the_limit_whatever_was_said() {
    let limit = |setup: crate::support::Setup| setup.set("PIPELINE__IMAGE__MAX_BYTES", "256KiB");
    let world = World::with("tgd_lies", limit).await;
    let huge = vec![7; 24 << 20];
    let measured = world.platform.keeps_claimed("documents", "png", huge.clone(), 1_000);
    shows_unsized(&world, ANN, measured);
    assert_eq!(world.gets(ANN, 1).await, [TOO_LARGE]);
    world.platform.unmeasured_files(64 << 10);
    let unmeasured = world.platform.keeps_claimed("documents", "png", huge, 1_000);
    shows_unsized(&world, BEA, unmeasured);
    assert_eq!(world.gets(BEA, 1).await, [TOO_LARGE]);
    world.rests().await;
    assert_eq!(world.platform.downloads().len(), 2, "once each");
    // What lies in the sockets between is handed over as well.
    assert!((256 << 10..16 << 20).contains(&world.platform.handed()), "{}", world.platform.handed());
}

#[tokio::test]
async fn a_slow_file_is_waited_for_and_holds_up_nobody() {
    let world = World::with("tgd_slow", |setup| setup.set("CHANNELS__TGD_SLOW__TIMEOUT", "1s")).await;
    let jpeg = jpeg();
    // Longer than a call may take, and never silent for that long.
    world.platform.slow_files(jpeg.len() / 8 + 1, Duration::from_millis(250));
    world.platform.shows(ANN, ANN, &jpeg, "");
    until("it is being fetched", async || !world.platform.downloads().is_empty()).await;
    world.platform.says(BEA, BEA, "Hello");
    world.gets(BEA, 1).await;
    assert_eq!(world.platform.sent_count(ANN), 0);
    assert!(world.gets(ANN, 1).await[0].contains("40 × 30"));
    assert_eq!(world.platform.downloads().len(), 1);
    world.rests().await;
}

#[tokio::test]
async fn a_server_that_fails_for_a_while_is_asked_again() {
    let world = World::with("tgd_files_fail", |setup| setup.set("CHANNELS__TGD_FILES_FAIL__TIMEOUT", "1s")).await;
    let faults = [
        ("getfile", Fault::Refuse(500, "Internal Server Error"), 4),
        ("getfile", Fault::Answer(502, BAD_GATEWAY), 1),
        ("getfile", Fault::Reset, 1),
        ("getfile", Fault::RetryAfter(1), 1),
        ("file", Fault::Answer(502, BAD_GATEWAY), 1),
        ("file", Fault::Truncated, 1),
        ("file", Fault::Reset, 1),
        ("file", Fault::Hang, 1),
    ];
    for (n, (method, fault, times)) in (1..).zip(faults) {
        world.platform.fails(method, None, fault.clone(), times);
        world.platform.shows(ANN, ANN, &jpeg(), "");
        let got = world.gets(ANN, n).await;
        assert!(got[n - 1].contains("40 × 30"), "{method} {fault:?}: {got:?}");
    }
    world.rests().await;
}

#[tokio::test]
async fn a_picture_is_fetched_after_a_crash() {
    let mut world = World::new("tgd_files_crash").await;
    world.platform.fails("getfile", None, Fault::Hang, 0);
    world.platform.shows(ANN, ANN, &jpeg(), "What is it?");
    let fetching = async || world.platform.pending() == 0 && !world.platform.attempts("getfile").is_empty();
    until("it is stored, and not fetched", fetching).await;
    world.bridge.crash().await;
    world.platform.heals();
    world.bridge.start_again(&[]).await;
    assert!(world.gets(ANN, 1).await[0].contains("40 × 30"));
    world.rests().await;
    assert_eq!((world.platform.sent_count(ANN), world.asked()), (1, vec!["What is it?".to_owned()]));
}
