//! What people send, and what of it the chatbot gets to see.

use caigunn_bridge::sandbox::Call;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;

use super::World;
use super::platform::{Draft, Platform};
use crate::support::picture;

const ANN: i64 = 7;
const BEA: i64 = 8;
const GROUP: i64 = -1001;

const UNREADABLE: &str = "I can read text and pictures only.";

/// A picture that is told from others by its sides.
fn png(side: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(side, side, Rgb([20, 30, 220])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The pictures that the chatbot was shown, in order: what was asked with each, its format and its bytes.
fn shown(world: &World) -> Vec<(String, &'static str, usize)> {
    let vision = world.bridge.asks().into_iter().filter(|ask| ask.call == Call::Vision);
    vision.map(|ask| (ask.text.unwrap_or_default(), ask.image_format.unwrap(), ask.image_bytes.unwrap())).collect()
}

fn seen(text: &str, format: &'static str, bytes: &[u8]) -> (String, &'static str, usize) {
    (text.to_owned(), format, bytes.len())
}

#[tokio::test]
async fn a_photo_is_seen_in_its_largest_size() {
    let world = World::new("tgd_photo").await;
    let jpeg = picture(ImageFormat::Jpeg);
    world.platform.shows(ANN, ANN, &jpeg, "What is this tower?");
    let got = world.gets(ANN, 1).await;
    assert!(got[0].contains("40 × 30") && got[0].contains("What is this tower?"), "{got:?}");
    assert_eq!(shown(&world), [seen("What is this tower?", "jpeg", &jpeg)]);
    assert_eq!(world.platform.files_asked().len(), 1, "one size alone");

    // Without words, and too large in its largest size.
    let (mut fits, mut huge) =
        (world.platform.keeps("photos", "jpg", jpeg.clone()), world.platform.keeps_sized("photos", "jpg", 21 << 20));
    (fits["width"], fits["height"], huge["width"], huge["height"]) = (320.into(), 240.into(), 5000.into(), 4000.into());
    world.platform.sends(Draft::new(ANN, ANN).photo(json!([fits, huge])));
    assert!(world.gets(ANN, 2).await[1].contains("40 × 30"));
    assert_eq!(shown(&world)[1], seen("", "jpeg", &jpeg));
    world.rests().await;
}

#[tokio::test]
async fn an_image_document_and_a_static_sticker_are_pictures() {
    let world = World::new("tgd_pictures").await;
    let (chart, cat) = (png(64), picture(ImageFormat::WebP));
    let file = world.platform.keeps("documents", "png", chart.clone());
    world.platform.sends(Draft::new(ANN, ANN).document(file, "chart.png", "image/png").caption("Read this"));
    world.gets(ANN, 1).await;
    let file = world.platform.keeps("stickers", "webp", cat);
    world.platform.sends(Draft::new(ANN, ANN).sticker(file, "static"));
    let got = world.gets(ANN, 2).await;
    assert!(got[1].contains("a PNG picture, 40 × 30"), "vision takes no webp: {got:?}");
    let shown = shown(&world);
    assert_eq!(shown[0], seen("Read this", "png", &chart));
    assert_eq!((&*shown[1].0, shown[1].1), ("", "png"));
    let file = world.platform.keeps("documents", "heic", "ftypheic of a phone");
    world.platform.sends(Draft::new(ANN, ANN).document(file, "IMG_1.HEIC", "image/heic"));
    let readable = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
    assert_eq!(world.gets(ANN, 3).await[2], readable);
    world.rests().await;
}

#[tokio::test]
async fn an_album_is_one_question_with_its_pictures_in_order() {
    let world = World::new("tgd_album").await;
    world.platform.supergroup(GROUP, "Friends");
    let pictures = [png(31), png(72), png(133)];
    let album = |chat: i64, group: &str, at: usize, caption: &str| {
        let ids = pictures.iter().enumerate().map(|(n, picture)| {
            let draft = Draft::new(chat, ANN).photo(world.platform.photo(picture)).album(group);
            world.platform.sends(if n == at { draft.caption(caption) } else { draft })
        });
        ids.collect::<Vec<_>>()
    };
    album(ANN, "a1", 1, "Which one?");
    let got = world.gets(ANN, 1).await;
    for (n, side) in ["31 × 31", "72 × 72", "133 × 133"].into_iter().enumerate() {
        assert!(got[0].split("\n\n").nth(n).unwrap().contains(side), "{got:?}");
    }
    world.rests().await;
    let wanted =
        [seen("Which one?", "png", &pictures[0]), seen("", "png", &pictures[1]), seen("", "png", &pictures[2])];
    assert_eq!(shown(&world), wanted);
    assert_eq!(world.platform.sent_count(ANN), 1);

    // In a group one of them carries the mention for all.
    let ids = album(GROUP, "a2", 2, "@bridge_test_bot compare");
    let sent = world.gets_messages(GROUP, 1).await;
    world.rests().await;
    assert_eq!(sent[0].reply_to, Some(ids[0]));
    let shown = shown(&world);
    assert_eq!(
        shown[3..].iter().map(|(text, _, bytes)| (&**text, *bytes)).collect::<Vec<_>>(),
        [("compare", pictures[0].len()), ("", pictures[1].len()), ("", pictures[2].len())]
    );
    // One that nobody addressed is nobody's question.
    album(GROUP, "a3", 0, "Our holidays");
    world.rests().await;
    assert_eq!((shown.len(), world.platform.sent_count(GROUP)), (6, 1));
}

#[tokio::test]
async fn the_message_that_is_replied_to_is_passed_along() {
    let world = World::new("tgd_quotes").await;
    let original = world.platform.says_unseen(ANN, ANN, "Tea is a plant.\nIt is green.");
    world.platform.sends(Draft::new(ANN, ANN).text("Is that so?").reply_to(original));
    world.gets(ANN, 1).await;
    world.platform.sends(Draft::new(ANN, ANN).text("A part").reply_to(original).quote("It is green."));
    let own = world.gets_messages(ANN, 2).await[0].message;
    world.platform.sends(Draft::new(ANN, ANN).text("Why?").reply_to(own));
    world.gets(ANN, 3).await;
    world.platform.sends(Draft::new(ANN, ANN).text("This?").reply_to(own).quote("Turn 1"));
    world.gets(ANN, 4).await;
    world.rests().await;
    let wanted =
        ["> Tea is a plant.\n> It is green.\nIs that so?", "> It is green.\nA part", "Why?", "> Turn 1\nThis?"];
    assert_eq!(world.asked(), wanted, "its own words the bot knows, unless a part was picked");
}

#[tokio::test]
async fn a_quoted_picture_is_looked_at() {
    let world = World::new("tgd_quoted").await;
    world.platform.supergroup(GROUP, "Friends");
    let picture = png(50);
    let shot = world.platform.shows(GROUP, BEA, &picture, "Taken in May");
    world.platform.sends(Draft::new(GROUP, ANN).text("@bridge_test_bot where is this?").reply_to(shot));
    let sent = world.gets_messages(GROUP, 1).await;
    assert!(sent[0].text.contains("50 × 50"), "{sent:?}");
    world.rests().await;
    assert_eq!(shown(&world), [seen("> Taken in May\nwhere is this?", "png", &picture)]);
}

#[tokio::test]
async fn quotes_can_be_left_out() {
    let world = World::with("tgd_unquoted", |setup| setup.set("CHANNELS__TGD_UNQUOTED__QUOTES", "false")).await;
    let original = world.platform.says_unseen(ANN, ANN, "Tea is a plant.");
    world.platform.sends(Draft::new(ANN, ANN).text("Is that so?").reply_to(original).quote("Tea"));
    world.gets(ANN, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["Is that so?"]);
}

#[tokio::test]
async fn a_part_of_another_chats_message_is_passed_along() {
    let world = World::new("tgd_external").await;
    let external = |draft: Draft| draft.external_reply(-1009, "News", json!({})).quote("Tea is dearer now.");
    world.platform.sends(external(Draft::new(ANN, ANN).text("Is that so?")));
    world.gets(ANN, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["> Tea is dearer now.\nIs that so?"]);
}

#[tokio::test]
async fn what_cannot_be_read_in_an_album_leaves_the_rest_readable() {
    let world = World::new("tgd_mixed").await;
    let (good, video) = (png(44), world.platform.keeps("videos", "mp4", "not looked at"));
    let broken = world.platform.keeps("photos", "jpg", "no picture");
    let album = || Draft::new(ANN, ANN).album("mixed");
    world.platform.sends(album().media("video", video).caption("What is this?"));
    world.platform.sends(album().photo(world.platform.photo(&good)));
    world.platform.sends(album().photo(json!([broken])));
    let got = world.gets(ANN, 1).await;
    assert!(got[0].contains("44 × 44") && got[0].ends_with("(I could not read picture 2.)"), "{got:?}");
    world.rests().await;
    assert_eq!((shown(&world), world.platform.sent_count(ANN)), (vec![seen("What is this?", "png", &good)], 1));
}

/// Everything that nobody can read, by what it is.
fn unreadable(platform: &Platform, chat: i64, user: i64) -> Vec<(&'static str, Draft)> {
    let draft = || Draft::new(chat, user);
    let file = |folder: &str| platform.keeps(folder, "bin", "not looked at");
    vec![
        ("voice", draft().media("voice", file("voice"))),
        ("audio", draft().media("audio", file("music"))),
        ("video", draft().media("video", file("videos"))),
        ("video note", draft().media("video_note", file("video_notes"))),
        ("animation", draft().media("animation", file("animations"))),
        ("animated sticker", draft().sticker(file("stickers"), "animated")),
        ("video sticker", draft().sticker(file("stickers"), "video")),
        ("pdf", draft().document(file("documents"), "paper.pdf", "application/pdf")),
        ("location", draft().location()),
        ("venue", draft().venue()),
        ("contact", draft().contact()),
        ("poll", draft().poll()),
        ("dice", draft().dice()),
        ("a kind of tomorrow", draft().with("hologram", json!({ "depth": 3 }))),
    ]
}

#[tokio::test]
async fn what_nobody_can_read_is_said_to_be_so_in_the_senders_language() {
    let world = World::new("tgd_unreadable").await;
    let kinds = unreadable(&world.platform, 0, 0).len();
    for n in 0..kinds {
        let user = 100 + i64::try_from(n).unwrap();
        if n % 2 == 1 {
            world.platform.user(user, "Mei", Some("zh-hant"));
        }
        let (kind, draft) = unreadable(&world.platform, user, user).swap_remove(n);
        world.platform.sends(draft);
        let wanted = if n % 2 == 1 { "我只能讀取文字和圖片。" } else { UNREADABLE };
        assert_eq!(world.gets(user, 1).await, [wanted], "{kind}");
    }
    world.rests().await;
    assert_eq!(world.asked(), Vec::<String>::new());
    assert_eq!(world.platform.files_asked(), Vec::<String>::new(), "nothing is fetched that is not read");
    assert_eq!(world.platform.sent_in_all(), kinds);
}

#[tokio::test]
async fn words_beside_what_cannot_be_read_are_asked() {
    let world = World::new("tgd_beside").await;
    let video = world.platform.keeps("videos", "mp4", "not looked at");
    world.platform.sends(Draft::new(ANN, ANN).media("video", video).caption("What is tea?"));
    assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"What is tea?\""]);
    world.rests().await;
}

#[tokio::test]
async fn in_a_group_only_who_addressed_the_bot_is_told() {
    let world = World::new("tgd_unread_group").await;
    world.platform.supergroup(GROUP, "Friends");
    let voice = || world.platform.keeps("voice", "oga", "not looked at");
    world.platform.sends(Draft::new(GROUP, BEA).media("voice", voice()));
    world.platform.says(GROUP, ANN, "@bridge_test_bot hello");
    let own = world.gets_messages(GROUP, 1).await[0].message;
    let asked = world.platform.sends(Draft::new(GROUP, ANN).media("voice", voice()).reply_to(own));
    let sent = world.gets_messages(GROUP, 2).await;
    assert_eq!((&*sent[1].text, sent[1].reply_to), (UNREADABLE, Some(asked)));
    for (_, draft) in unreadable(&world.platform, GROUP, BEA) {
        world.platform.sends(draft);
    }
    world.rests().await;
    assert_eq!(world.platform.sent_count(GROUP), 2);
}
