//! Which message an answer names, and what its links show.

use std::time::Duration;

use super::platform::Slash;
use super::{ANN, BEA, ROOM, World, at_bot};
use crate::support::until;

/// The flag of a message whose links show nothing.
const SUPPRESS_EMBEDS: u64 = 4;

#[tokio::test]
async fn a_question_that_was_deleted_meanwhile_is_answered_all_the_same() {
    let world = World::new("dc_reply_gone").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    let question = world.platform.says(ROOM, ANN, &at_bot("tea?"));
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.platform.deletes(ROOM, question);
    let sent = world.gets_messages(ROOM, 1).await;
    world.rests().await;
    assert!(sent[0].text.contains("tea?"));
    assert_eq!(sent[0].reply_to, None);
    assert_eq!(world.platform.attempts("send").len(), 1, "at the first try");
}

#[tokio::test]
async fn where_an_answer_names_its_question_is_for_the_operator_to_say() {
    let (always, never) = tokio::join!(
        World::keyed("dc_reply_always", &[("REPLIES", "always")]),
        World::keyed("dc_reply_never", &[("REPLIES", "never")]),
    );
    for (world, names) in [(always, true), (never, false)] {
        let channel = world.platform.dm(ANN);
        let asked = world.platform.tells(ANN, "hello");
        let mentioned = world.platform.says(ROOM, BEA, &at_bot("hello"));
        for (channel, question) in [(channel, asked), (ROOM, mentioned)] {
            let sent = world.gets_messages(channel, 1).await;
            assert_eq!(sent[0].reply_to, names.then_some(question));
        }
        world.rests().await;
    }
}

#[tokio::test]
async fn links_show_no_preview_unless_it_is_wanted() {
    let (without, with) = tokio::join!(
        World::new("dc_no_previews"),
        World::keyed("dc_previews", &[("LINK_PREVIEWS", "true"), ("MAX_MESSAGES", "1")]),
    );
    for (world, flags) in [(without, SUPPRESS_EMBEDS), (with, 0)] {
        world.will_answer("where", "At **https://example.com**");
        world.will_answer("all", &"https://example.org\n\n".repeat(600));
        for (n, text) in (1..).zip(["where?", "https://example.org", "all"]) {
            world.platform.tells(ANN, text);
            let sent = world.gets_messages(world.platform.dm(ANN), n).await;
            assert_eq!(sent[n - 1].flags, flags, "{text}");
        }
        let asked = world.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "where?"));
        let answer = world.gets_messages(ROOM, 1).await.remove(0);
        assert_eq!((answer.interaction, answer.flags), (Some(asked), flags));
        world.rests().await;
    }
}
