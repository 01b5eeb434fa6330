//! Answers to slash commands.

use std::time::Duration;

use caigunn_bridge::contract::ChannelState;
use caigunn_bridge::model::Target;
use serde_json::json;

use super::super::platform::{Fault, Slash};
use super::{ANN, Desk, ROOM, again};

/// A command that was used, and its answer's target as the ingress makes it.
struct Asked {
    id: u64,
    to: Target,
}

fn used(desk: &Desk, private: bool) -> Asked {
    let id = desk.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "why?"));
    let key = if private { format!("i:{id}") } else { ROOM.to_string() };
    let fallback = if private { format!("u:{ANN}") } else { ROOM.to_string() };
    let to = Target {
        address: format!("i:{id}:{}", desk.platform.token(id)).into(),
        expires_at: Some(desk.clock.now().plus(Duration::from_secs(885))),
        fallback: Some(fallback.into()),
        ..Target::of(key)
    };
    Asked { id, to }
}

async fn acknowledge(desk: &Desk, asked: &Asked, private: bool) {
    let token = desk.platform.token(asked.id);
    let url = format!("{}/api/v10/interactions/{}/{token}/callback", desk.platform.url(), asked.id);
    let client = reqwest::Client::builder().user_agent("DiscordBot (https://example.com, 1)").build().unwrap();
    let body = json!({ "type": 5, "data": { "flags": if private { 64 } else { 0 } } });
    assert_eq!(client.post(url).json(&body).send().await.unwrap().status().as_u16(), 204);
}

/// A command that was used and deferred.
async fn asked(desk: &Desk, private: bool) -> Asked {
    let asked = used(desk, private);
    acknowledge(desk, &asked, private).await;
    asked
}

fn routes(desk: &Desk, asked: &Asked) -> Vec<&'static str> {
    desk.platform.responses(asked.id).iter().map(|response| response.route).collect()
}

#[tokio::test]
async fn the_first_thing_that_is_said_takes_the_place_of_the_deferred_answer() {
    let desk = Desk::new().await;
    for private in [false, true] {
        let asked = asked(&desk, private).await;
        for text in ["one", "two", "three"] {
            desk.sends(&desk.row(&asked.to, text)).await;
        }
        assert_eq!(desk.platform.answers(asked.id), ["one", "two", "three"]);
        assert_eq!(routes(&desk, &asked), ["callback", "edit_original", "follow_up", "follow_up"]);
        let responses = desk.platform.responses(asked.id);
        assert!(responses.iter().all(|response| response.ephemeral == private), "{responses:?}");
        assert!(responses[1..].iter().all(|response| response.flags & 4 != 0), "without previews");
        assert_eq!(desk.platform.sent_count(ROOM), 3, "the private ones are not among them");
    }
    assert_eq!((desk.calls("application"), desk.calls("original")), (1, 2));
    desk.clean();
}

#[tokio::test]
async fn a_new_process_looks_what_is_there() {
    let mut desk = Desk::new().await;
    let asked = asked(&desk, true).await;
    desk.restarts();
    desk.sends(&desk.row(&asked.to, "one")).await;
    desk.restarts();
    desk.sends(&desk.row(&asked.to, "two")).await;
    desk.restarts();
    // Not a send that is made again: it says the same, and is another message.
    desk.sends(&desk.row(&asked.to, "one")).await;
    assert_eq!(desk.platform.answers(asked.id), ["one", "two", "one"]);
    assert_eq!(routes(&desk, &asked), ["callback", "edit_original", "follow_up", "follow_up"]);
    desk.clean();
}

#[tokio::test]
async fn the_first_answer_is_not_doubled() {
    let mut desk = Desk::new().await;
    for restarts in [false, true] {
        let asked = asked(&desk, false).await;
        desk.platform.fails("edit_original", None, Fault::ProcessedThenReset, 1);
        let row = desk.row(&asked.to, "  hello  ");
        assert_eq!(desk.fails(&row).await.0, "ambiguous");
        if restarts {
            desk.restarts();
        }
        desk.sends(&again(&row)).await;
        assert_eq!(desk.platform.answers(asked.id), ["hello"]);
        desk.platform.fails("edit_original", None, Fault::Reset, 1);
        desk.sends(&desk.row(&asked.to, "more")).await;
        assert_eq!(desk.platform.answers(asked.id), ["hello", "more"]);
        desk.platform.heals();
    }
    let asked = asked(&desk, false).await;
    desk.platform.fails("edit_original", None, Fault::Reset, 1);
    let row = desk.row(&asked.to, "hello");
    assert_eq!(desk.fails(&row).await.0, "ambiguous");
    desk.sends(&again(&row)).await;
    assert_eq!(desk.platform.answers(asked.id), ["hello"], "nor lost");
    desk.clean();
}

#[tokio::test]
async fn a_look_that_fails_says_nothing() {
    let desk = Desk::new().await;
    let asked = asked(&desk, false).await;
    let row = desk.row(&asked.to, "hello");
    for fault in [Fault::Reset, Fault::Answer(502, "<html>")] {
        desk.platform.fails("original", None, fault, 1);
        assert_eq!(desk.fails(&row).await.0, "transient");
    }
    desk.platform.fails("edit_original", None, Fault::RetryAfter(0.2), 1);
    assert_eq!(desk.fails(&row).await.0, "chat rests");
    tokio::time::sleep(Duration::from_millis(250)).await;
    desk.sends(&again(&row)).await;
    desk.platform.fails("follow_up", None, Fault::Refuse(400, 200_000, "blocked by automatic moderation"), 1);
    assert_eq!(desk.fails(&desk.row(&asked.to, "more")).await.0, "rejected");
    desk.clean();
}

#[tokio::test]
async fn a_token_that_has_ended_leaves_the_fallback_and_accuses_nobody() {
    let mut desk = Desk::new().await;
    let asked = asked(&desk, true).await;
    desk.sends(&desk.row(&asked.to, "one")).await;
    desk.platform.tokens_live(Duration::ZERO);
    let row = desk.row(&asked.to, "two");
    assert_eq!(desk.fails(&row).await.0, "address refused", "of a follow-up");
    assert_eq!(desk.state.state(), ChannelState::Starting, "the bot's own token is another");
    desk.restarts();
    assert_eq!(desk.fails(&row).await.0, "address refused", "of a look");
    assert_eq!(desk.state.state(), ChannelState::Starting, "the bot's own token is another");
    // Its time is known, too.
    desk.clock.advance(Duration::from_secs(890));
    desk.sends(&row).await;
    assert_eq!(desk.platform.texts(desk.platform.dm(ANN)), ["two"]);
    assert_eq!(desk.platform.texts(ROOM), Vec::<String>::new(), "never where others read");
    desk.clean();
}

#[tokio::test]
async fn an_answer_that_is_faster_than_the_acknowledgement_comes_again() {
    let desk = Desk::new().await;
    let asked = used(&desk, true);
    let mut row = desk.row(&asked.to, "quick");
    let (kind, why) = desk.fails(&row).await;
    assert!(kind == "transient" && why.contains("not acknowledged yet"), "{kind}: {why}");
    acknowledge(&desk, &asked, true).await;
    row = again(&row);
    desk.sends(&row).await;
    assert_eq!(desk.platform.answers(asked.id), ["quick"]);

    // One that never is.
    let asked = used(&desk, true);
    let mut row = desk.row(&asked.to, "in vain");
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(desk.fails(&row).await.0);
        row = again(&row);
    }
    assert_eq!(kinds, ["transient", "transient", "transient", "address refused"]);
    desk.clean();
}

#[tokio::test]
async fn a_deferred_answer_that_somebody_deleted_leaves_the_fallback() {
    let desk = Desk::new().await;
    let asked = asked(&desk, false).await;
    desk.platform.deletes(ROOM, desk.platform.last_message(ROOM).unwrap());
    assert_eq!(desk.fails(&desk.row(&asked.to, "hello")).await.0, "address refused");
    desk.clean();
}

#[tokio::test]
async fn a_long_answer_is_a_file_here_too() {
    let desk = Desk::new().await;
    let long: String = (0..400).map(|n| format!("Sentence number {n} of a rather long answer.\n\n")).collect();
    for private in [false, true] {
        let asked = asked(&desk, private).await;
        desk.sends(&desk.row(&asked.to, &long)).await;
        desk.sends(&desk.row(&asked.to, &long)).await;
        let responses = desk.platform.responses(asked.id);
        let files: Vec<_> = responses[1..].iter().map(|response| (response.route, response.files.len())).collect();
        assert_eq!(files, [("edit_original", 1), ("follow_up", 1)]);
        assert!(responses.iter().all(|response| response.ephemeral == private));
    }
    desk.clean();
}
