//! The switch "Message Content Intent" of Discord's portal: off, refused, not wanted, turned on.

use super::platform::{Draft, Platform, Slash};
use super::servers::{counted, draft, hears, hears_bare, house};
use super::{ANN, BEA, ROOM, World, at_bot, keyed};
use crate::support::log::Log;
use crate::support::{picture, until};

/// Of an IDENTIFY.
const MESSAGE_CONTENT: u64 = 1 << 15;

async fn without(grant: impl FnOnce(&Platform)) -> Platform {
    let platform = house().await;
    grant(&platform);
    platform
}

fn asked_for_content(world: &World) -> Vec<bool> {
    world.platform.logins().iter().map(|login| login.intents & MESSAGE_CONTENT != 0).collect()
}

async fn answers_mentions_direct_messages_and_commands(world: &World) {
    let heard = hears(world, ROOM, [draft("@me what is tea?")]).await;
    assert_eq!(heard, ["what is tea?"]);
    let answer = world.platform.sent(ROOM).pop().unwrap().message;
    assert_eq!(hears(world, ROOM, [draft("and why?").reply_to(answer)]).await, ["and why?"]);
    world.heard().await;
    let used = world.platform.uses(Slash::new(ROOM, BEA, "ask").option("text", "by command"));
    until("the answer", async || world.platform.answers(used).iter().any(|text| text.contains("by command"))).await;
}

#[tokio::test]
async fn with_the_switch_off_the_bot_says_so_and_hears_what_is_for_it() {
    let (log, room) = (Log::default(), ROOM.to_string());
    let platform = without(|platform| platform.grants_message_content(false)).await;
    let id = "dc_intent_off";
    let mut world =
        World::on(platform, id, |setup| keyed(setup.logged(&log), id, &[("ALWAYS_IN", &room), ("PATTERNS", "^bot")]))
            .await;
    let standing = world.standing().await;
    assert_eq!(standing["state"], "limited");
    let said = standing.to_string();
    assert!(said.contains("Message Content") && said.contains("channels.dc_intent_off.message_content"), "{said}");
    assert!(log.text().lines().any(|line| line.contains(" WARN ") && line.contains("Message Content")));
    let ready = world.bridge.client.get(world.bridge.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "it works, if with less");
    answers_mentions_direct_messages_and_commands(&world).await;
    // What it may not read it cannot answer, and takes for no question.
    for text in ["bot, hello", "everything here is for the bot"] {
        world.platform.sends(Draft::new(ROOM, BEA).text(text));
    }
    world.platform.shows(ROOM, BEA, picture(image::ImageFormat::Png), "hidden.png", "image/png", "");
    world.heard().await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 3, "two answers, and one to a command");
    assert_eq!(counted(&world, "content_hidden").await, 3);
    assert_eq!(asked_for_content(&world), [false]);

    // Turned on: a session hears what it was begun with, so that another one is begun.
    world.platform.grants_message_content(true);
    world.starts_again(&[]).await;
    // What was said a moment ago is read again, and can be read now.
    let got = world.gets(ROOM, 6).await;
    assert!(got[3].contains("bot, hello") && got[5].contains("40 × 30"), "{got:?}");
    hears_bare(&world, ROOM, "and this").await;
    world.rests().await;
    assert_eq!((asked_for_content(&world), world.platform.resumes()), (vec![false, true], 0));
    // And off again.
    world.platform.grants_message_content(false);
    world.bridge.start_again(&[]).await;
    world.is("limited").await;
    assert_eq!(hears(&world, ROOM, [draft("@me hello")]).await, ["hello"]);
    world.rests().await;
    assert_eq!((asked_for_content(&world), world.platform.resumes()), (vec![false, true, false], 0));
}

#[tokio::test]
async fn whoever_does_not_want_it_lacks_nothing() {
    for granted in [false, true] {
        let platform = without(|platform| platform.grants_message_content(granted)).await;
        let id = if granted { "dc_intent_unwanted" } else { "dc_intent_neither" };
        let log = Log::default();
        let keys = [("MESSAGE_CONTENT", "false")];
        let world = World::on(platform, id, |setup| keyed(setup.logged(&log), id, &keys)).await;
        assert_eq!(world.state().await, "connected");
        answers_mentions_direct_messages_and_commands(&world).await;
        world.rests().await;
        assert_eq!(asked_for_content(&world), [false]);
        assert!(!log.text().contains("Message Content"), "nothing is amiss");
    }
}

#[tokio::test]
async fn a_refusal_in_spite_of_the_flag_is_lived_with() {
    let platform = without(Platform::refuses_message_content).await;
    let world = World::on(platform, "dc_intent_refused", |setup| setup).await;
    assert_eq!(world.state().await, "limited");
    answers_mentions_direct_messages_and_commands(&world).await;
    world.platform.drops_connections();
    until("the session goes on", async || world.platform.resumes() == 1).await;
    world.platform.sends(Draft::new(ROOM, ANN).text(&at_bot("still there?")));
    until("the answer", async || world.asked().iter().any(|text| text == "still there?")).await;
    world.rests().await;
    assert_eq!(asked_for_content(&world)[..2], [true, false]);
    let outcomes: Vec<_> = world.platform.logins().into_iter().map(|login| login.outcome).collect();
    assert_eq!(outcomes, ["4014", "ready", "resumed"], "it is not asked for again");
}
