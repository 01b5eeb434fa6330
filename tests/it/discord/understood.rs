//! What people send, and what of it the chatbot gets to see.

use caigunn_bridge::sandbox::Call;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;

use super::platform::{BOT, Draft, Platform};
use super::servers::{GUESTS, TEA, house};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};

const UNREADABLE: &str = "I can read text and pictures only.";

/// A picture that is told from others by its sides.
fn image(side: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(side, side, Rgb([20, 30, 220])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(side: u32) -> Vec<u8> {
    image(side, ImageFormat::Png)
}

/// The pictures that the chatbot was shown, in order: what was asked with each, and its format.
fn shown(world: &World) -> Vec<(String, &'static str)> {
    let vision = world.bridge.asks().into_iter().filter(|ask| ask.call == Call::Vision);
    vision.map(|ask| (ask.text.unwrap_or_default(), ask.image_format.unwrap())).collect()
}

fn seen(text: &str, format: &'static str) -> (String, &'static str) {
    (text.to_owned(), format)
}

/// A message with pictures, each of a name, a kind and a content.
fn album(platform: &Platform, chat: u64, files: &[(&str, &str, Vec<u8>)]) -> Draft {
    files.iter().fold(Draft::new(chat, ANN), |draft, (name, mime, content)| {
        draft.attachment(platform.keeps(chat, name, mime, content.clone()))
    })
}

#[tokio::test]
async fn several_pictures_of_one_message_are_one_question_in_order() {
    let world = World::new("dc_album").await;
    let files = [
        ("a.png", "image/png", png(31)),
        ("b.jpg", "image/jpeg", image(72, ImageFormat::Jpeg)),
        ("c.webp", "image/webp", image(133, ImageFormat::WebP)),
        ("d.gif", "image/gif", image(44, ImageFormat::Gif)),
        ("e.bmp", "image/bmp", image(55, ImageFormat::Bmp)),
    ];
    let dm = world.platform.dm(ANN);
    world.platform.sends(album(&world.platform, dm, &files).text("Which one?"));
    let got = world.gets(dm, 1).await;
    for (n, side) in ["31 × 31", "72 × 72", "133 × 133", "44 × 44", "55 × 55"].into_iter().enumerate() {
        assert!(got[0].split("\n\n").nth(n).unwrap().contains(side), "{got:?}");
    }
    world.rests().await;
    let formats: Vec<_> = shown(&world).into_iter().map(|(_, format)| format).collect();
    assert_eq!((formats[0], formats[1], formats[3]), ("png", "jpeg", "gif"), "as they are");
    assert!([formats[2], formats[4]].iter().all(|format| ["png", "jpeg"].contains(format)), "{formats:?}");
    assert_eq!(world.asked()[0], "Which one?");
    assert_eq!((shown(&world).len(), world.platform.sent_count(dm)), (5, 1));

    // In a server the mention is for all of them; without words, too; and what nobody addressed is nobody's question.
    let asked = world.platform.sends(album(&world.platform, ROOM, &files[..2]).text(&at_bot("")));
    let got = world.gets_messages(ROOM, 1).await;
    assert_eq!(got[0].reply_to, Some(asked));
    world.platform.sends(album(&world.platform, ROOM, &files).text("Our holidays"));
    world.heard().await;
    world.rests().await;
    assert_eq!((shown(&world).len(), world.platform.sent_count(ROOM), world.platform.downloads().len()), (7, 1, 7));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_rest_readable() {
    let world = World::new("dc_mixed").await;
    let files = [
        ("a.mp4", "video/mp4", vec![1; 99]),
        ("b.png", "image/png", png(44)),
        ("c.png", "image/png", b"no picture".to_vec()),
    ];
    let dm = world.platform.dm(ANN);
    world.platform.sends(album(&world.platform, dm, &files).text("What is this?"));
    let got = world.gets(dm, 1).await;
    assert!(got[0].contains("44 × 44") && got[0].ends_with("(I could not read picture 2.)"), "{got:?}");
    world.platform.sends(album(&world.platform, dm, &files[2..]));
    let readable = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
    assert_eq!(world.gets(dm, 2).await[1], readable);
    let heic = [("IMG_1.HEIC", "image/heic", b"ftypheic of a phone".to_vec())];
    world.platform.sends(album(&world.platform, dm, &heic));
    assert_eq!(world.gets(dm, 3).await[2], readable);
    world.rests().await;
    assert_eq!(shown(&world), [seen("What is this?", "png")]);
}

#[tokio::test]
async fn stickers_are_pictures_but_for_those_that_are_programs() {
    let world = World::new("dc_stickers").await;
    let dm = world.platform.dm(ANN);
    world.platform.keeps_sticker(51, "png", "image/png", png(51));
    world.platform.keeps_sticker(52, "png", "image/apng", png(52));
    world.platform.keeps_sticker(54, "gif", "image/gif", image(54, ImageFormat::Gif));
    for (n, (id, format)) in (1..).zip([(51, 1), (52, 2), (54, 4)]) {
        world.platform.sends(Draft::new(dm, ANN).sticker(id, "Wave", format));
        let got = world.gets(dm, n).await;
        assert!(got[n - 1].contains(&format!("{id} × {id}")), "{got:?}");
    }
    world.platform.sends(Draft::new(dm, ANN).sticker(53, "Wumpus", 3));
    assert_eq!(world.gets(dm, 4).await[3], UNREADABLE);
    world.platform.sends(Draft::new(dm, ANN).sticker(51, "Wave", 1).text("who is this?"));
    assert!(world.gets(dm, 5).await[4].contains("51 × 51"));
    world.platform.sends(Draft::new(dm, ANN).sticker(99, "Gone", 1));
    assert_eq!(world.gets(dm, 6).await[5], "I could not load the picture. Please send it again.");
    world.rests().await;
    let seen: Vec<_> = shown(&world).into_iter().map(|(_, format)| format).collect();
    assert_eq!(seen, ["png", "png", "gif", "png"]);
    assert_eq!(world.platform.attempts("message").len(), 0, "their links do not expire");
}

#[tokio::test]
async fn the_message_that_is_replied_to_is_passed_along() {
    let world = World::new("dc_quotes").await;
    let original = world.platform.says(ROOM, BEA, &format!("Tea is a plant.\nIt is green, <@{ANN}>."));
    let ask = |text: &str, to: u64| world.platform.sends(Draft::new(ROOM, ANN).text(&at_bot(text)).reply_to(to));
    ask("Is that so?", original);
    let own = world.gets_messages(ROOM, 1).await[0].message;
    ask("Why?", own);
    world.gets(ROOM, 2).await;
    // With its picture, its sticker; and if only the bot is called, the message itself is what is asked.
    let shot = world.platform.shows(ROOM, BEA, png(50), "may.png", "image/png", "Taken in May");
    ask("where is this?", shot);
    assert!(world.gets(ROOM, 3).await[2].contains("50 × 50"));
    world.platform.keeps_sticker(51, "png", "image/png", png(51));
    ask("and this?", world.platform.sends(Draft::new(ROOM, BEA).sticker(51, "Wave", 1)));
    assert!(world.gets(ROOM, 4).await[3].contains("51 × 51"));
    ask("", world.platform.says(ROOM, BEA, "What is rice?"));
    world.gets(ROOM, 5).await;
    ask("", world.platform.shows(ROOM, BEA, "not looked at", "voice.ogg", "audio/ogg", ""));
    assert_eq!(world.gets(ROOM, 6).await[5], UNREADABLE);
    let passed_on = Draft::new(ROOM, BEA).forwards(&world.platform, ROOM, &[shot]);
    ask("who took this?", world.platform.sends(passed_on));
    assert!(world.gets(ROOM, 7).await[6].contains("50 × 50"));
    world.rests().await;
    let wanted = [
        "> Tea is a plant.\n> It is green, @Ann.\nIs that so?",
        "Why?",
        "> Taken in May\nwhere is this?",
        "and this?",
        "What is rice?",
        "> Taken in May\nwho took this?",
    ];
    assert_eq!(world.asked(), wanted, "its own words the bot knows");
}

#[tokio::test]
async fn quotes_can_be_left_out() {
    let world = World::keyed("dc_unquoted", &[("QUOTES", "false")]).await;
    let original = world.platform.shows(ROOM, BEA, png(50), "may.png", "image/png", "Tea is a plant.");
    world.platform.sends(Draft::new(ROOM, ANN).text(&at_bot("Is that so?")).reply_to(original));
    world.gets(ROOM, 1).await;
    world.rests().await;
    assert_eq!((world.asked(), shown(&world).len()), (vec!["Is that so?".to_owned()], 0));
}

#[tokio::test]
async fn what_is_passed_on_is_what_is_asked() {
    let world = World::new("dc_forwards").await;
    let platform = &world.platform;
    let said = platform.says(ROOM, BEA, &format!("What is tea? <@{ANN}>"));
    let shot = platform.shows(ROOM, BEA, png(50), "may.png", "image/png", "Taken in May");
    let heard = platform.shows(ROOM, BEA, "not looked at", "voice.ogg", "audio/ogg", "");
    let dm = platform.dm(ANN);
    let mut sent = 0;
    for messages in [&[said][..], &[shot], &[said, shot], &[heard]] {
        platform.sends(Draft::new(dm, ANN).forwards(platform, ROOM, messages));
        sent += 1;
        world.gets(dm, sent).await;
    }
    let got = world.gets(dm, 4).await;
    assert!(got[1].contains("50 × 50") && got[2].contains("50 × 50"), "{got:?}");
    assert_eq!(got[3], UNREADABLE);
    world.rests().await;
    let asked = world.asked();
    assert_eq!((asked.len(), &*asked[0]), (3, "What is tea? @Ann"));
    assert!(asked[1].contains("Taken in May") && asked[2].contains("tea?") && asked[2].contains("May"), "{asked:?}");
}

/// Everything that nobody can read, by what it is.
fn unreadable(platform: &Platform, chat: u64, user: u64) -> Vec<(&'static str, Draft)> {
    let draft = || Draft::new(chat, user);
    let file = |name: &str, mime: &str| draft().attachment(platform.keeps(chat, name, mime, "not looked at"));
    let answer = |number: u64, text: &str| json!({ "answer_id": number, "poll_media": { "text": text } });
    let poll = json!({
        "question": { "text": "Tea?" }, "answers": [answer(1, "Yes"), answer(2, "No")], "expiry": null,
        "allow_multiselect": false, "layout_type": 1,
    });
    let mut plain = platform.keeps(chat, "scan.pdf", "", "not looked at");
    plain.as_object_mut().unwrap().remove("content_type");
    vec![
        ("voice", file("voice-message.ogg", "audio/ogg").with("flags", (1 << 13).into())),
        ("audio", file("song.mp3", "audio/mpeg")),
        ("video", file("cat.mp4", "video/mp4")),
        ("pdf", file("paper.pdf", "application/pdf")),
        ("program", file("main.rs", "text/x-rust; charset=utf-8")),
        ("a file of no kind", draft().attachment(plain)),
        ("poll", draft().with("poll", poll)),
        ("a kind of tomorrow", draft().with("hologram", json!({ "depth": 3 }))),
    ]
}

#[tokio::test]
async fn what_nobody_can_read_is_said_to_be_so() {
    let world = World::new("dc_unreadable").await;
    let kinds = unreadable(&world.platform, ROOM, ANN).len();
    for n in 0..kinds {
        let user = 80_351_110_224_690_000 + n as u64;
        let dm = world.platform.dm(user);
        let (kind, draft) = unreadable(&world.platform, dm, user).swap_remove(n);
        world.platform.sends(draft);
        assert_eq!(world.gets(dm, 1).await, [UNREADABLE], "{kind}");
    }
    // Words beside it are asked.
    let dm = world.platform.dm(ANN);
    world.platform.shows(dm, ANN, "not looked at", "cat.mp4", "video/mp4", "What is tea?");
    assert!(world.gets(dm, 1).await[0].contains("What is tea?"));
    // In a server only whoever addressed the bot is told.
    for (_, draft) in unreadable(&world.platform, ROOM, BEA) {
        world.platform.sends(draft);
    }
    let own = {
        world.platform.says(ROOM, ANN, &at_bot("hello"));
        world.gets_messages(ROOM, 1).await[0].message
    };
    let voice = world.platform.keeps(ROOM, "voice-message.ogg", "audio/ogg", "not looked at");
    let asked = world.platform.sends(Draft::new(ROOM, ANN).attachment(voice).reply_to(own));
    let sent = world.gets_messages(ROOM, 2).await;
    assert_eq!((&*sent[1].text, sent[1].reply_to), (UNREADABLE, Some(asked)));
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["What is tea?", "hello", "was all heard?"]);
    assert_eq!(
        (world.platform.sent_count(ROOM), world.platform.downloads().len()),
        (2, 0),
        "nothing is fetched in vain"
    );
}

#[tokio::test]
async fn numbers_of_discords_are_read_as_names() {
    let platform = house().await;
    platform.member(GUILD, BEA, &[], Some("Bea Lee"));
    let mut world = World::on(platform, "dc_names", |setup| setup).await;
    let words = format!(
        "<@{BOT}> <@{BEA}> or <@!{BEA}>, <@&{GUESTS}>: see <#{TEA}>, <:tea_cup:1234567890123456789> \
         <a:party:1234567890123456789>, </ask:1234567890123456789>, since <t:1700000000:R>! 👩‍👩‍👧‍👦 茶是什麼？ \
         @everyone `<#{TEA}>` 1 < 2 <nothing>"
    );
    let wanted = format!(
        "@Bea Lee or @Bea Lee, @Guests: see #tea, :tea_cup: :party:, /ask, since 2023-11-14 22:13 UTC! 👩‍👩‍👧‍👦 茶是什麼？ \
         @everyone `<#{TEA}>` 1 < 2 <nothing>"
    );
    world.platform.says(ROOM, ANN, &words);
    world.gets(ROOM, 1).await;
    // What the gateway does not tell again is asked for.
    world.starts_again(&[]).await;
    world.platform.says(ROOM, ANN, &words);
    world.gets(ROOM, 2).await;
    // A place that cannot be seen has no name.
    world.platform.says(ROOM, ANN, &at_bot("and <#1234567890123456789>?"));
    world.gets(ROOM, 3).await;
    world.rests().await;
    assert_eq!(world.asked(), [wanted.clone(), wanted, "and #channel?".to_owned()]);
    assert_eq!(world.platform.resumes(), 1);
}
