//! Slash commands: from what somebody uses to what everybody sees.

use std::time::Duration;

use image::ImageFormat;

use super::platform::{Fault, Slash};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot, keyed, platform};
use crate::support::{PATIENCE, Setup, picture, until};

/// Waits until whoever used a command sees so many answers and no sign any more, and tells them.
pub(super) async fn answered(world: &World, interaction: u64, count: usize) -> Vec<String> {
    until(&format!("{count} answers"), async || {
        let seen = world.platform.answers(interaction);
        seen.len() >= count && !seen.iter().any(|text| text == "…")
    })
    .await;
    world.platform.answers(interaction)
}

/// Somebody uses a command and sees one answer.
pub(super) async fn uses(world: &World, slash: Slash) -> String {
    let mut seen = answered(world, world.platform.uses(slash), 1).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.pop().unwrap()
}

pub(super) fn ask(user: u64, text: &str) -> Slash {
    Slash::new(ROOM, user, "ask").option("text", text)
}

/// By which calls a command was answered.
pub(super) fn routes(world: &World, interaction: u64) -> Vec<&'static str> {
    world.platform.responses(interaction).iter().map(|response| response.route).collect()
}

#[tokio::test]
async fn every_way_to_ask() {
    let world = World::new("dcs_ask").await;
    let shown = || world.platform.keeps(ROOM, "picture.png", "image/png", picture(ImageFormat::Png));
    let notes = world.platform.keeps(ROOM, "notes.pdf", "application/pdf", b"%PDF-1.7".to_vec());
    let asks = || Slash::new(ROOM, ANN, "ask");
    let said = [
        uses(&world, asks().option("text", "what is tea?")).await,
        uses(&world, asks().file("image", shown())).await,
        uses(&world, asks().option("text", "what is it?").file("image", shown())).await,
        uses(&world, asks().file("image", notes)).await,
        uses(&world, asks()).await.lines().next().unwrap().to_owned(),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    Turn 1: you said "what is tea?"
    Turn 2: you sent a PNG picture, 40 × 30 pixels, mostly red
    Turn 3: you sent a PNG picture, 40 × 30 pixels, mostly red and wrote "what is it?"
    I can read text and pictures only.
    Write to me, or send me a picture. There are also:
    "#);
    world.rests().await;
    let sent = world.platform.sent(ROOM);
    assert_eq!(sent.len(), 5, "everybody sees them");
    assert!(sent.iter().all(|sent| sent.flags == 4), "no previews: {sent:?}");
}

#[tokio::test]
async fn no_answer_pings_anybody() {
    let world = World::keyed("dcs_pings", &[("MAX_MESSAGES", "2")]).await;
    let ping = format!("@everyone @here <@{BEA}> <@&{GUILD}>\n\n");
    world.will_answer("briefly", &ping);
    world.will_answer("at length", &ping.repeat(40));
    world.will_answer("in full", &ping.repeat(400));
    let nobody = Some(serde_json::json!({ "parse": [], "users": [], "roles": [], "replied_user": false }));
    for (text, count) in [("briefly", 1), ("at length", 2), ("in full", 1)] {
        let asked = world.platform.uses(ask(ANN, text));
        answered(&world, asked, count).await;
        world.rests().await;
        let responses = world.platform.responses(asked);
        assert_eq!(responses.len(), count + 1, "{responses:?}");
        assert!(responses[1..].iter().all(|response| response.allowed_mentions == nobody), "{responses:?}");
    }
}

#[tokio::test]
async fn the_bot_says_that_it_thinks_once_the_command_is_stored() {
    let world = World::new("dcs_commit").await;
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let kept = world.platform.uses(ask(ANN, "kept"));
    // Long enough for whoever says so early.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.platform.acknowledged(kept), None);
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(answered(&world, kept, 1).await, ["Turn 1: you said \"kept\""]);
    assert_eq!(world.platform.acknowledged(kept), Some((5, false)));

    // The store gives up after two seconds. With other tests beside this one, what is left of Discord's three may be too little.
    world.platform.wants_callbacks_within(PATIENCE);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (user, locale) in [(ANN, "en-US"), (BEA, "zh-TW")] {
        let refused = world.platform.uses(ask(user, "not kept").locale(locale));
        let said = answered(&world, refused, 1).await;
        assert_eq!(
            said,
            [if user == ANN {
                "I cannot take this at the moment. Please try again in a minute."
            } else {
                "我現在無法處理，請一分鐘後再試一次。"
            }]
        );
        assert_eq!(world.platform.acknowledged(refused), Some((4, true)), "to nobody else");
    }
    lock.execute_batch("ROLLBACK").unwrap();
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["kept", "was all heard?"]);
    assert_eq!(world.platform.sent_count(ROOM), 1);
}

#[tokio::test]
async fn a_long_answer_begins_in_the_place_of_the_sign_and_goes_on_below() {
    let world = World::new("dcs_long").await;
    let words = |texts: &[String]| texts.join(" ").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let asked = world.platform.uses(ask(ANN, "long 5000"));
    let parts = answered(&world, asked, 3).await;
    world.rests().await;
    assert_eq!(routes(&world, asked), ["callback", "edit_original", "follow_up", "follow_up"]);
    let whole: String =
        (1..).map(|line| format!("{line}. The quick brown fox jumps over the lazy dog.\n")).take(120).collect();
    assert_eq!(words(&parts), words(&[whole[..5000].to_owned()]));
    let sent: Vec<_> = world.platform.sent(ROOM).into_iter().map(|sent| sent.text).collect();
    assert_eq!(sent, parts, "in order");

    let asked = world.platform.uses(ask(ANN, "long 20000"));
    answered(&world, asked, 1).await;
    world.rests().await;
    assert_eq!(routes(&world, asked), ["callback", "edit_original"]);
    let files = &world.platform.responses(asked)[1].files;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].content.len(), 20_000);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_tokens_end_is_a_message() {
    let world = World::new("dcs_slow").await;
    // Discord says so, before the bridge knows.
    world.platform.tokens_live(Duration::from_millis(400));
    world.bridge.sandbox.set_latency(Duration::from_millis(900));
    let asked = world.platform.uses(ask(ANN, "slowly"));
    let got = world.gets_messages(ROOM, 1).await;
    assert_eq!((got[0].interaction, &*got[0].text), (None, "Turn 1: you said \"slowly\""));
    assert_eq!(world.platform.acknowledged(asked), Some((5, false)));
    world.rests().await;
    // The bridge knows: its clock counts from the command's own time.
    world.platform.tokens_live(Duration::from_secs(15 * 60));
    let looks = world.platform.attempts("original").len();
    let asked = world.platform.uses(ask(ANN, "very slowly").ago(Duration::from_millis(884_500)));
    let got = world.gets_messages(ROOM, 2).await;
    assert_eq!((got[1].interaction, &*got[1].text), (None, "Turn 2: you said \"very slowly\""));
    assert_eq!(world.platform.acknowledged(asked), Some((5, false)));
    world.rests().await;
    assert_eq!(world.platform.attempts("original").len(), looks, "no call in vain");
}

#[tokio::test]
async fn what_is_left_of_an_answer_at_the_tokens_end_comes_as_messages_in_order() {
    let world = World::new("dcs_rest").await;
    world.platform.fails("follow_up", None, Fault::Refuse(401, 50_027, "Invalid Webhook Token"), 0);
    let asked = world.platform.uses(ask(ANN, "long 5000"));
    let sent = world.gets_messages(ROOM, 3).await;
    world.rests().await;
    assert_eq!(sent.iter().map(|sent| sent.interaction).collect::<Vec<_>>(), [Some(asked), None, None]);
    assert!(sent[0].text.starts_with("1. The") && sent[2].text.starts_with("8"), "{sent:?}");
    assert_eq!(world.state().await, "connected", "the bot's own token is another");
    // Whoever comes next is answered as ever.
    world.platform.heals();
    uses(&world, ask(BEA, "hello")).await;
    world.rests().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_acknowledged_is_answered_all_the_same() {
    // `true`: in the place of the sign.
    let faults: [(&[Fault], bool); 10] = [
        (&[Fault::Reset], true),
        (&[Fault::ProcessedThenReset], true),
        (&[Fault::Truncated], true),
        (&[Fault::Hang], true),
        (&[Fault::ProcessedThenHang], true),
        (&[Fault::Answer(502, "<html>")], true),
        (&[Fault::Refuse(500, 0, "500: Internal Server Error")], true),
        (&[Fault::Reset, Fault::Reset], false),
        (&[Fault::Refuse(404, 10_062, "Unknown interaction")], false),
        (&[Fault::Refuse(400, 40_060, "Interaction has already been acknowledged.")], false),
    ];
    let world = World::new("dcs_callback").await;
    world.platform.wants_callbacks_within(PATIENCE);
    for (n, (faults, in_place)) in faults.into_iter().enumerate() {
        for fault in faults {
            world.platform.fails("callback", None, fault.clone(), 1);
        }
        let asked = world.platform.uses(ask(ANN, &format!("question {n}")));
        let sent = world.gets_messages(ROOM, n + 1).await;
        world.rests().await;
        assert_eq!(sent.len(), n + 1, "{faults:?}");
        assert!(sent[n].text.contains(&format!("question {n}")), "{faults:?}: {sent:?}");
        assert_eq!(sent[n].interaction, in_place.then_some(asked), "{faults:?}");
    }
    // For one person only, it becomes a direct message.
    world.platform.fails("callback", None, Fault::Refuse(404, 10_062, "Unknown interaction"), 1);
    world.platform.uses(Slash::new(ROOM, BEA, "id"));
    let told = world.gets(world.platform.dm(BEA), 1).await;
    assert_eq!(told, [format!("Your id is dcs\\_callback-{BEA}\nThis chat has the number {ROOM}")]);
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 10);
    assert_eq!(world.asked().len(), 10);
}

#[tokio::test]
async fn commands_work_in_direct_messages_and_in_threads() {
    let world = World::new("dcs_places").await;
    let dm = world.platform.dm(ANN);
    assert_eq!(uses(&world, Slash::new(dm, ANN, "ask").option("text", "here?")).await, "Turn 1: you said \"here?\"");
    let asked = world.platform.uses(Slash::new(dm, ANN, "help"));
    answered(&world, asked, 1).await;
    assert_eq!(world.platform.acknowledged(asked), Some((5, false)), "nobody else is there");
    assert_eq!(world.platform.sent_count(dm), 2);

    let thread = world.platform.thread(ROOM, BEA, "About tea", false);
    assert_eq!(
        uses(&world, Slash::new(thread, BEA, "ask").option("text", "green?")).await,
        "Turn 1: you said \"green?\""
    );
    assert_eq!(world.platform.sent_count(thread), 1);
    let id = world.platform.uses(Slash::new(thread, BEA, "id"));
    let said = answered(&world, id, 1).await;
    assert_eq!(said, [format!("Your id is dcs\\_places-{BEA}\nThis chat has the number {thread}")]);
    assert_eq!(world.platform.acknowledged(id), Some((5, true)));
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 0);
}

#[tokio::test]
async fn a_language_is_chosen_and_that_of_the_client_counts_until_then() {
    let world = World::new("dcs_lang").await;
    let zh = |name: &str| Slash::new(ROOM, ANN, name).locale("zh-TW");
    assert!(uses(&world, zh("help")).await.starts_with("直接輸入文字"), "at once");
    assert_eq!(uses(&world, zh("history")).await, "這段對話目前還沒有任何訊息。");
    assert_eq!(uses(&world, zh("lang").option("language", "en")).await, "I will use English for notices.");
    assert!(uses(&world, zh("help")).await.starts_with("Write to me"), "what was chosen counts more");

    let help = || Slash::new(ROOM, BEA, "help");
    assert!(uses(&world, help()).await.starts_with("Write to me"));
    let choice = Slash::new(ROOM, BEA, "lang").option("language", "zh-TW");
    assert_eq!(uses(&world, choice).await, "之後的通知會使用繁體中文。");
    assert!(uses(&world, help()).await.starts_with("直接輸入文字"));
    world.platform.says(ROOM, BEA, &at_bot(""));
    assert!(world.gets(ROOM, 1).await[0].starts_with("直接輸入文字"), "by message, too");
    world.rests().await;
}

#[tokio::test]
async fn a_reset_takes_its_place_among_the_messages_around_it() {
    let world = World::new("dcs_reset").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    world.platform.says(ROOM, ANN, &at_bot("one"));
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    let two = world.platform.uses(ask(ANN, "two"));
    let reset = world.platform.uses(Slash::new(ROOM, ANN, "reset"));
    world.platform.says(ROOM, ANN, &at_bot("three"));
    let four = world.platform.uses(ask(ANN, "four"));
    assert_eq!(answered(&world, four, 1).await, ["Turn 2: you said \"four\""]);
    assert_eq!(answered(&world, two, 1).await, ["Turn 2: you said \"two\""]);
    assert_eq!(answered(&world, reset, 1).await, ["Done: this is a new conversation."]);
    let said = [
        "Turn 1: you said \"one\"",
        "Turn 2: you said \"two\"",
        "Turn 1: you said \"three\"",
        "Turn 2: you said \"four\"",
    ];
    assert_eq!(world.gets(ROOM, 4).await, said);
    world.rests().await;

    world.bridge.sandbox.set_latency(Duration::ZERO);
    let history = |count: Option<i64>| {
        let slash = Slash::new(ROOM, ANN, "history");
        count.map_or(slash.clone(), |count| slash.number("count", count))
    };
    let all = uses(&world, history(None)).await;
    assert_eq!(all.lines().filter(|line| line.starts_with('›')).collect::<Vec<_>>(), ["› three", "› four"]);
    assert_eq!(uses(&world, history(Some(1))).await, "› four\n‹ Turn 2: you said \"four\"");
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 4);
}

async fn guarded(id: &str, keys: &[(&str, &str)], more: &[(&str, &str)]) -> World {
    let change = |setup: Setup| more.iter().fold(keyed(setup, id, keys), |setup, (key, value)| setup.set(key, value));
    World::on(platform().await, id, change).await
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_so_alone() {
    let bea = BEA.to_string();
    let keys = [("ACCESS__DENY_USERS", &*bea)];
    let quiet = guarded("dcs_out", &[keys[0], ("LANGUAGE", "zh-TW")], &[]).await;
    let text = ("TEXTS__EN__NOT_ALLOWED", "Members only: https://example.com/join");
    let talkative = guarded("dcs_out_told", &keys, &[text]).await;
    for (world, name, locale, said) in [
        (&quiet, "ask", "en-US", "You cannot use this here."),
        (&quiet, "help", "zh-TW", "您無法在這裡使用這個功能。"),
        (&quiet, "help", "fr", "您無法在這裡使用這個功能。"),
        (&talkative, "ask", "en-US", text.1),
        (&talkative, "reset", "fr", text.1),
        (&talkative, "ask", "zh-TW", "您無法在這裡使用這個功能。"),
    ] {
        let refused = world.platform.uses(Slash::new(ROOM, BEA, name).locale(locale).option("text", "hello"));
        assert_eq!(answered(world, refused, 1).await, [said]);
        assert_eq!(world.platform.acknowledged(refused), Some((4, true)));
    }
    for (world, count) in [(&quiet, 3), (&talkative, 3)] {
        assert_eq!(uses(world, ask(ANN, "hello")).await, "Turn 1: you said \"hello\"");
        world.rests().await;
        assert_eq!(world.asked(), ["hello"]);
        assert_eq!(world.counted("bridge_events_total", &[("result", "not_allowed")]).await, count);
        assert_eq!(world.platform.sent_count(ROOM), 1);
        let stored = world.database().query_row("SELECT count(*) FROM turns", [], |row| row.get::<_, i64>(0));
        assert_eq!(stored, Ok(1), "nothing of it is kept");
    }
}

#[tokio::test]
async fn admins_have_commands_of_their_own() {
    let ann = ANN.to_string();
    let world = guarded("dcs_admins", &[("ACCESS__ADMINS", &ann), ("ACCESS__ADMIN_COMMANDS", "reset")], &[]).await;
    let refused = world.platform.uses(Slash::new(ROOM, BEA, "reset"));
    assert_eq!(answered(&world, refused, 1).await, ["Only administrators may use this command."]);
    assert_eq!(world.platform.acknowledged(refused), Some((5, true)));
    assert_eq!(uses(&world, Slash::new(ROOM, ANN, "reset")).await, "Done: this is a new conversation.");
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM), 0);
}

#[tokio::test]
async fn whoever_is_over_the_rate_is_told_each_time() {
    let world = guarded("dcs_rate", &[], &[("PIPELINE__USER_RATE", "1"), ("PIPELINE__USER_BURST", "1")]).await;
    uses(&world, ask(ANN, "one")).await;
    for (name, is_private) in [("ask", false), ("ask", false), ("help", true)] {
        let refused = world.platform.uses(Slash::new(ROOM, ANN, name).option("text", "more"));
        let told = answered(&world, refused, 1).await;
        assert!(told.len() == 1 && told[0].starts_with("You are writing faster than I can read."), "{told:?}");
        assert_eq!(world.platform.acknowledged(refused), Some((5, is_private)));
    }
    uses(&world, ask(BEA, "another")).await;
    world.rests().await;
    assert_eq!(world.asked(), ["one", "another"]);
}

/// The sign that the bot thinks does not stay where nothing is said.
#[tokio::test]
async fn nobody_is_left_behind_with_the_sign() {
    let world = guarded(
        "dcs_closed",
        &[],
        &[("PIPELINE__MAX_PENDING_PER_CONVERSATION", "1"), ("PIPELINE__GIVE_UP_AFTER", "1s")],
    )
    .await;
    let closed = async |asked: u64| {
        let seen = answered(&world, asked, 1).await;
        assert_eq!(seen, ["I cannot take this at the moment. Please try again in a minute."]);
        assert_eq!(routes(&world, asked), ["callback", "edit_original"]);
    };
    // The chatbot says nothing.
    closed(world.platform.uses(ask(ANN, "empty"))).await;

    // Too many wait: one is told, and the others of the same crowd are not.
    world.bridge.sandbox.set_latency(Duration::from_millis(700));
    let first = world.platform.uses(ask(ANN, "one"));
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    let crowd: Vec<u64> = (0..3).map(|n| world.platform.uses(ask(ANN, &format!("and {n}")))).collect();
    answered(&world, first, 1).await;
    let mut seen = Vec::new();
    for asked in crowd {
        seen.extend(answered(&world, asked, 1).await);
    }
    assert!(seen.len() == 3 && seen[0].starts_with("That is a lot at once"), "{seen:?}");
    assert!(seen[1..].iter().all(|text| text.starts_with("I cannot take this at the moment.")), "{seen:?}");
    world.rests().await;

    // The chatbot is out of order, and the person knows.
    world.bridge.sandbox.set_latency(Duration::ZERO);
    world.bridge.sandbox.set_failure_rate(1.0);
    let first = uses(&world, ask(BEA, "hello")).await;
    assert!(first.starts_with("Sorry, I could not get an answer just now."), "{first}");
    closed(world.platform.uses(ask(BEA, "hello again"))).await;
    world.rests().await;
}

#[tokio::test]
async fn commands_that_are_none_of_the_bots_are_answered_too() {
    let world = World::new("dcs_unknown").await;
    for (locale, said) in [("en-US", "You cannot use this here."), ("zh-TW", "您無法在這裡使用這個功能。")]
    {
        let unknown = world.platform.uses(Slash::new(ROOM, ANN, "weather").locale(locale));
        assert_eq!(answered(&world, unknown, 1).await, [said]);
        assert_eq!(world.platform.acknowledged(unknown), Some((4, true)));
    }
    assert_eq!(world.counted("bridge_events_total", &[("result", "unknown_command")]).await, 2);
    world.rests().await;
    assert!(world.asked().is_empty());
    assert_eq!(world.platform.sent_count(ROOM), 0);
}
