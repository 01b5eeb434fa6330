//! An album that a restart falls into.

use caigunn_bridge::sandbox::{Call, SandboxOptions};

use crate::support::{picture, until};
use crate::telegram::platform::{Draft, Platform};
use crate::telegram::setting::Outside;

const ANN: i64 = 7;

fn member(platform: &Platform, caption: &str) -> i64 {
    let photo = platform.photo(&picture(image::ImageFormat::Jpeg));
    let draft = Draft::new(ANN, ANN).photo(photo).album("13579");
    platform.sends(if caption.is_empty() { draft } else { draft.caption(caption) })
}

/// With albums held for so long.
async fn holding(wait: &str) -> Outside {
    Outside::with(SandboxOptions::default(), |place| place.set("CHANNELS__TG__ALBUM_WAIT", wait)).await
}

async fn is_stored(outside: &Outside) {
    until("the first part is stored", async || outside.platform.pending() == 0).await;
}

/// The answers there are, once nothing is left.
async fn answers(outside: &Outside, count: usize) -> Vec<String> {
    until("the answers", async || outside.platform.sent_count(ANN) >= count).await;
    until("nothing is left", async || outside.place.run(&["messages", "list", "--json"]).await.out.is_empty()).await;
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
    outside.platform.texts(ANN)
}

/// How many pictures CaiGunn has seen.
fn pictures_asked(outside: &Outside) -> usize {
    outside.place.sandbox.log().iter().filter(|call| call.call == Call::Vision).count()
}

fn is_whole(answer: &str) -> bool {
    answer.matches("you sent a JPEG").count() == 2 && answer.contains("and wrote \"both\"")
}

#[tokio::test]
async fn a_whole_album_is_held_over_a_kill() {
    let outside = holding("1500ms").await;
    let daemon = outside.start().await;
    member(&outside.platform, "both");
    member(&outside.platform, "");
    is_stored(&outside).await;
    daemon.kill();
    assert_eq!(pictures_asked(&outside), 0, "it was held");
    let _daemon = outside.start().await;
    let answers = answers(&outside, 1).await;
    assert!(answers.len() == 1 && is_whole(&answers[0]), "{answers:?}");
    assert_eq!(pictures_asked(&outside), 2);
}

#[tokio::test]
async fn the_second_half_of_an_album_finds_the_first_after_a_kill() {
    for while_dead in [true, false] {
        // Long enough for a slow machine to start the bridge again.
        let outside = holding("6s").await;
        let daemon = outside.start().await;
        member(&outside.platform, "both");
        is_stored(&outside).await;
        daemon.kill();
        if while_dead {
            member(&outside.platform, "");
        }
        let _daemon = outside.start().await;
        if !while_dead {
            member(&outside.platform, "");
        }
        let answers = answers(&outside, 1).await;
        assert!(answers.len() == 1 && is_whole(&answers[0]), "{answers:?}");
        assert_eq!(pictures_asked(&outside), 2);
    }
}

#[tokio::test]
async fn a_second_half_that_comes_after_the_album_was_asked_is_answered_too() {
    let outside = holding("300ms").await;
    let daemon = outside.start().await;
    member(&outside.platform, "both");
    is_stored(&outside).await;
    daemon.kill();
    let daemon = outside.start().await;
    let first = answers(&outside, 1).await;
    assert!(first[0].contains("and wrote \"both\""), "{first:?}");
    daemon.kill();
    member(&outside.platform, "");
    let _daemon = outside.start().await;
    let answers = answers(&outside, 2).await;
    assert!(answers.len() == 2 && answers[1].starts_with("Turn 2: you sent a JPEG"), "{answers:?}");
    assert_eq!(pictures_asked(&outside), 2);
}
