//! Pictures: fetched by the bounded stage, fetched again, explained.

use serde_json::{Value, json};

use super::World;
use crate::support::until;

pub(super) fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let red = image::RgbImage::from_pixel(40, 30, image::Rgb([220, 20, 30]));
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn shows(world: &World, user: &str, media: &Value) {
    world.platform.says_with(user, json!({ "media": media }));
}

#[tokio::test]
async fn a_link_that_has_expired_is_asked_for_again() {
    let world = World::with("pager_links", |setup| setup.set("PIPELINE__FETCH_CONCURRENCY", "1")).await;
    world.platform.keeps_file("f1", png());
    world.platform.links_expire(2);
    for user in ["ann", "bob", "cid"] {
        shows(&world, user, &json!([{ "kind": "image", "file": "f1" }]));
    }
    for user in ["ann", "bob", "cid"] {
        let got = world.gets(user, 1).await;
        assert!(got[0].contains("40"), "{got:?}");
    }
    assert_eq!(world.platform.downloads().len(), 5);
    world.rests().await;
}

#[tokio::test]
async fn what_cannot_be_asked_about_is_explained_in_one_sentence() {
    let world = World::with("pager_media", |setup| setup.set("PIPELINE__IMAGE__MAX_BYTES", "1KiB")).await;
    world.platform.keeps_file("large", vec![7; 3_000]);
    world.platform.keeps_file("broken", "no picture");
    shows(&world, "declared", &json!([{ "kind": "image", "file": "large", "bytes": 3_000 }]));
    shows(&world, "undeclared", &json!([{ "kind": "image", "file": "large" }]));
    shows(&world, "broken", &json!([{ "kind": "image", "file": "broken" }]));
    shows(&world, "gone", &json!([{ "kind": "image", "file": "nowhere" }]));
    shows(&world, "voice", &json!([{ "kind": "voice", "file": "v1" }]));
    world.platform.says_with("captioned", json!({ "text": "listen", "media": [{ "kind": "voice", "file": "v1" }] }));
    let readable = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
    for (user, text) in [
        ("declared", readable),
        ("undeclared", readable),
        ("broken", readable),
        ("gone", "I could not load the picture. Please send it again."),
        ("voice", "I can read text and pictures only."),
        ("captioned", r#"Turn 1: you said "listen""#),
    ] {
        assert_eq!(world.gets(user, 1).await, [text], "{user}");
    }
    world.rests().await;
    assert_eq!(world.asked(), ["listen"]);
    assert!(!world.platform.downloads().contains(&"v1".to_owned()));
}

#[tokio::test]
async fn a_full_media_budget_makes_the_turn_wait_and_is_no_hot_loop() {
    let world = World::with("pager_full", |setup| {
        setup
            .set("STORE__MEDIA_BUDGET", "1MiB")
            .set("PIPELINE__GIVE_UP_AFTER", "1s")
            .set("PIPELINE__RETRY__MIN", "200ms")
    })
    .await;
    world.platform.keeps_file("f1", vec![7; 700_000]);
    world.platform.keeps_file("f2", vec![8; 700_000]);
    shows(&world, "ann", &json!([{ "kind": "image", "file": "f1" }]));
    world.gets("ann", 1).await;
    shows(&world, "bob", &json!([{ "kind": "image", "file": "f2" }]));
    assert_eq!(world.gets("bob", 1).await, ["I could not load the picture. Please send it again."]);
    world.rests().await;
    let downloads = world.platform.downloads().iter().filter(|file| *file == "f2").count();
    assert!((2..60).contains(&downloads), "{downloads}");
    let dead = world.work().await;
    assert_eq!(dead.iter().map(|item| item.reason.as_deref().unwrap()).collect::<Vec<_>>(), ["media_unavailable"]);
    world.platform.says("bob", "still there?");
    until("the next message is answered", async || world.platform.texts("bob").len() == 2).await;
}
