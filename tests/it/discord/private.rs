//! Answers that only one person may see, and what becomes of commands when the bridge dies.

use std::time::Duration;

use caigunn_bridge::sandbox::SandboxOptions;
use serde_json::Value;

use super::platform::{Fault, Platform, Slash};
use super::setting::Outside;
use super::slash::{answered, ask, routes};
use super::{ANN, BEA, ROOM, World};
use crate::support::until;

/// Nothing of it has ever been told to the room, by whatever call.
fn never_in_the_room(platform: &Platform, secret: &str) {
    let told = platform.sent(ROOM).into_iter().filter(|sent| sent.text.contains(secret)).count();
    let shown = platform.texts(ROOM).into_iter().filter(|text| text.contains(secret)).count();
    let tried = platform.attempts("send").into_iter().filter(|call| call.channel == Some(ROOM));
    let tried = tried.filter(|call| call.text.as_ref().is_some_and(|text| text.contains(secret))).count();
    assert_eq!((told, shown, tried), (0, 0, 0), "{secret}");
}

/// A bridge whose `/ask` is private.
async fn discreet(id: &str) -> World {
    World::keyed(id, &[("PRIVATE", "ask")]).await
}

#[tokio::test]
async fn a_private_answer_is_private_to_its_last_part() {
    let world = discreet("dcp_long").await;
    let asked = world.platform.uses(ask(ANN, "long 5000"));
    let parts = answered(&world, asked, 3).await;
    assert!(parts[0].starts_with("1. The"), "{parts:?}");
    assert_eq!(routes(&world, asked), ["callback", "edit_original", "follow_up", "follow_up"]);
    let responses = world.platform.responses(asked);
    assert!(responses.iter().all(|response| response.ephemeral), "{responses:?}");
    let whole = world.platform.uses(ask(ANN, "long 20000"));
    answered(&world, whole, 1).await;
    let responses = world.platform.responses(whole);
    assert!(responses.iter().all(|response| response.ephemeral) && responses[1].files.len() == 1, "{responses:?}");
    // Beside it, what everybody may see.
    world.platform.uses(Slash::new(ROOM, BEA, "id"));
    world.gets(ROOM, 1).await;
    world.rests().await;
    assert!(world.platform.sent(ROOM)[0].text.starts_with("Your id"));
    never_in_the_room(&world.platform, "quick brown fox");
    assert_eq!(world.platform.sent_count(ROOM), 1);
    assert!(world.platform.typing(ROOM).is_empty(), "not even that there is something");
}

#[tokio::test]
async fn after_the_tokens_end_a_private_answer_is_a_direct_message() {
    let world = discreet("dcp_slow").await;
    let dm = world.platform.dm(ANN);
    // Discord says so, before the bridge knows.
    world.platform.tokens_live(Duration::from_millis(400));
    world.bridge.sandbox.set_latency(Duration::from_millis(900));
    world.platform.uses(ask(ANN, "slow secret"));
    assert_eq!(world.gets(dm, 1).await, ["Turn 1: you said \"slow secret\""]);
    // The bridge knows.
    world.platform.tokens_live(Duration::from_secs(15 * 60));
    world.platform.uses(ask(ANN, "slower secret").ago(Duration::from_millis(884_500)));
    assert_eq!(world.gets(dm, 2).await[1], "Turn 2: you said \"slower secret\"");
    // It ends in the midst of an answer.
    world.bridge.sandbox.set_latency(Duration::ZERO);
    world.platform.fails("follow_up", None, Fault::Refuse(401, 50_027, "Invalid Webhook Token"), 0);
    let asked = world.platform.uses(ask(ANN, "long 5000"));
    let rest = world.gets(dm, 4).await;
    assert!(rest[2].contains("quick brown fox") && rest[3].contains("quick brown fox"), "{rest:?}");
    assert_eq!(world.platform.answers(asked).len(), 1);
    world.rests().await;
    assert!(world.work().await.is_empty());
    never_in_the_room(&world.platform, "secret");
    never_in_the_room(&world.platform, "quick brown fox");
    assert_eq!(world.state().await, "connected", "the bot's own token is another");
}

#[tokio::test]
async fn where_direct_messages_are_closed_a_private_answer_is_kept_for_the_operator() {
    let world = discreet("dcp_closed").await;
    world.platform.closes_dms(ANN, true);
    world.bridge.sandbox.set_latency(Duration::from_millis(900));
    world.platform.uses(ask(ANN, "my secret").ago(Duration::from_millis(884_500)));
    let mut listed = String::new();
    until("it is given up", async || {
        listed = world.bridge.command(&["messages", "list", "--dead", "--json"]).await;
        !listed.is_empty()
    })
    .await;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let (id, listed) = (listed[0]["id"].as_str().unwrap().to_owned(), listed[0].to_string());
    let why = "the command's time to be answered was over, and the person takes no direct messages of the bot; what only they \
               may see is not posted where others read (50007)";
    assert!(listed.contains(why), "{listed}");
    assert_eq!(world.platform.sent_count(world.platform.dm(ANN)), 0);
    never_in_the_room(&world.platform, "secret");

    // Nobody else waits for it, and once it can be told it is.
    world.bridge.sandbox.set_latency(Duration::ZERO);
    let asked = world.platform.uses(ask(ANN, "another"));
    answered(&world, asked, 1).await;
    world.platform.closes_dms(ANN, false);
    world.bridge.command(&["messages", "retry", &id]).await;
    let told = world.gets(world.platform.dm(ANN), 1).await;
    assert!(told[0].contains("my secret"), "{told:?}");
    world.rests().await;
    never_in_the_room(&world.platform, "secret");
}

/// A public and a private command, used by two people.
fn both_use(platform: &Platform, question: &str) -> (u64, u64) {
    (platform.uses(ask(ANN, question)), platform.uses(Slash::new(ROOM, BEA, "id")))
}

async fn nothing_is_left(outside: &Outside) {
    until("nothing is left", async || outside.place.run(&["messages", "list", "--json"]).await.out.is_empty()).await;
}

#[tokio::test]
async fn killed_before_the_callback_commands_are_answered_by_messages() {
    let outside = Outside::new(SandboxOptions::default()).await;
    let platform = &outside.platform;
    let daemon = outside.start().await;
    until("it is connected", async || platform.connected() == 1).await;
    platform.fails("callback", None, Fault::Hang, 0);
    let (public, private) = both_use(platform, "everybody's");
    until("both are stored", async || platform.attempts("callback").len() == 2).await;
    daemon.kill();
    platform.heals();
    let daemon = outside.start().await;
    until("both are answered", async || platform.sent_count(ROOM) == 1 && platform.sent_count(platform.dm(BEA)) == 1)
        .await;
    nothing_is_left(&outside).await;
    assert_eq!(platform.texts(ROOM), ["Turn 1: you said \"everybody's\""]);
    assert!(platform.texts(platform.dm(BEA))[0].starts_with("Your id is dc-"));
    assert_eq!((platform.acknowledged(public), platform.acknowledged(private)), (None, None));
    never_in_the_room(platform, "Your id");
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn killed_before_the_answer_commands_are_answered_where_they_still_can_be() {
    let outside = Outside::new(SandboxOptions::default()).await;
    let platform = &outside.platform;
    let mut daemon = outside.start().await;
    until("it is connected", async || platform.connected() == 1).await;
    // While their tokens live, and after.
    for (round, lives) in [(1, true), (2, false)] {
        for call in ["original", "edit_original"] {
            platform.fails(call, None, Fault::Hang, 0);
        }
        let question = format!("everybody's, in round {round}");
        let (public, private) = both_use(platform, &question);
        let deferred = |used| platform.acknowledged(used).is_some();
        until("the bot thinks", async || deferred(public) && deferred(private)).await;
        daemon.kill();
        platform.heals();
        if !lives {
            platform.tokens_live(Duration::ZERO);
        }
        daemon = outside.start().await;
        until("both are answered", async || {
            let seen = |used| platform.answers(used) != ["…"];
            let told = platform.sent_count(platform.dm(BEA)) == 1;
            if lives { seen(public) && seen(private) } else { platform.sent_count(ROOM) == 2 && told }
        })
        .await;
        nothing_is_left(&outside).await;
        let sent = platform.sent(ROOM);
        assert_eq!(sent.len(), round, "{sent:?}");
        assert!(sent[round - 1].text.contains(&question), "{sent:?}");
        assert_eq!(sent[round - 1].interaction, lives.then_some(public));
        assert_eq!(platform.answers(private).len(), 1);
        assert_eq!(platform.sent_count(platform.dm(BEA)), usize::from(!lives));
        never_in_the_room(platform, "Your id");
    }
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(platform.violations(), Vec::<String>::new());
}
