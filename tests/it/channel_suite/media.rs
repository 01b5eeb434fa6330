//! Pictures and what is none: fetched, put together, explained.

use image::ImageFormat::Png;

use super::{ANN, BEA, Platform, World};
use crate::support::{picture, until};

pub(crate) async fn a_picture_is_seen_and_a_link_that_has_ended_asked_for_again<P: Platform>() {
    let world = World::<P>::new("links").await;
    for (chat, expired) in [(ANN, 0), (BEA, 1)] {
        world.platform.links_expire(expired);
        world.platform.shows(chat, &picture(Png), "what is it?", None);
        let got = world.gets(chat, 1).await;
        assert!(got[0].contains("40"), "its size is said: {got:?}");
    }
    world.rests().await;
    let asks = world.bridge.asks();
    assert!(asks.iter().all(|ask| ask.image_format == Some("png")), "{asks:?}");
    assert_eq!(world.asked(), ["what is it?"; 2]);
}

async fn answered<P: Platform>(world: &World<P>) -> u64 {
    world.counted("bridge_turns_total", &[("outcome", "answered")]).await
}

pub(crate) async fn an_album_is_one_turn_and_a_late_member_another<P: Platform>() {
    let world = World::<P>::new("album").await;
    let member = |caption: &str| world.platform.shows(ANN, &picture(Png), caption, Some("a1"));
    let first = ["which is best?", "", ""].map(member)[0].clone();
    let word = world.says(ANN, "and a word");
    until("both are answered", async || answered(&world).await == 2).await;
    let late = member("one more");
    until("the late member is answered", async || answered(&world).await == 3).await;
    world.rests().await;
    let wanted = ["which is best?", "", "", "and a word", "one more"];
    assert_eq!(world.asked(), wanted, "one ask for each picture, the caption with the first");
    assert_eq!(world.events("joined").await, 2);
    let got = world.texts(ANN).concat();
    assert!(["Turn 3:", "Turn 5:"].iter().all(|turn| got.matches(turn).count() == 1), "{got}");
    let named: Vec<_> = world.platform.sent(ANN).into_iter().filter_map(|sent| sent.reply_to).collect();
    assert!(
        named.is_empty() || named == [first, word, late],
        "an answer each, to the first of its messages: {named:?}"
    );
}

pub(crate) async fn an_album_is_held_across_a_crash<P: Platform>() {
    let mut world = World::<P>::with("held", &[(P::ALBUM_KEY, "4s")], |setup| setup).await;
    world.platform.shows(ANN, &picture(Png), "both", Some("a1"));
    world.heard().await;
    assert!(world.asked().is_empty(), "it is held");
    world.crashes().await;
    world.platform.shows(ANN, &picture(Png), "", Some("a1"));
    until("the album is answered", async || answered(&world).await == 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["both", ""]);
    assert_eq!(world.events("joined").await, 1);
}

pub(crate) async fn what_cannot_be_read_is_explained_once<P: Platform>() {
    let world = World::<P>::new("voice").await;
    world.platform.speaks(ANN);
    world.platform.redelivers();
    assert_eq!(world.gets(ANN, 1).await, ["I can read text and pictures only."]);
    world.says(ANN, "in words, then");
    let got = world.gets(ANN, 2).await;
    world.rests().await;
    assert!(got[1].contains("in words, then"), "{got:?}");
    assert_eq!(world.asked(), ["in words, then"]);
    assert_eq!(world.texts(ANN).len(), 2);
}
