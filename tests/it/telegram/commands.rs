//! What people can tell the bridge itself.

use std::time::Duration;

use super::World;
use super::platform::Draft;
use crate::support::until;

const ANN: i64 = 7;
const LIU: i64 = 9;
const TEA: i64 = -1_001_000_000_001;

async fn says(world: &World, chat: i64, text: &str) -> String {
    let sent = world.platform.sent_count(chat);
    world.platform.sends(Draft::new(chat, if chat > 0 { chat } else { ANN }).text(text));
    world.gets(chat, sent + 1).await.pop().unwrap()
}

#[tokio::test]
async fn every_command_in_private_and_by_name_in_groups() {
    let world = World::new("tg_commands").await;
    world.platform.group(TEA, "Tea");
    for (chat, name) in [(ANN, ""), (TEA, "@bridge_test_bot")] {
        let greeting = says(&world, chat, &format!("/start{name}")).await;
        assert!(greeting.starts_with("Hello! Write to me"), "{greeting}");
        // As Telegram's links hand a word over.
        assert_eq!(says(&world, chat, &format!("/start{name} from-the-website")).await, greeting);
        let help = says(&world, chat, &format!("/help{name}")).await;
        assert!(help.contains("/reset – start a new conversation") && help.contains("/history [n]"), "{help}");
        let id = says(&world, chat, &format!("/ID{name}")).await;
        assert!(id.starts_with("Your id is tg_commands-7"), "{id}");
        assert_eq!(says(&world, chat, &format!("/reset{name}")).await, "Done: this is a new conversation.");
        assert_eq!(says(&world, chat, &format!("/lang{name}")).await, "Choose one: /lang en or /lang zh-TW");
    }
    assert!(world.asked().is_empty());
    assert_eq!(says(&world, ANN, "/weather in Taipei").await, "Turn 1: you said \"/weather in Taipei\"");
    assert_eq!(says(&world, ANN, "tell me about /help").await, "Turn 2: you said \"tell me about /help\"");
    world.rests().await;
}

#[tokio::test]
async fn the_history_is_the_conversations_last_exchanges() {
    let world = World::new("tg_history").await;
    assert_eq!(says(&world, ANN, "/history").await, "There is nothing in this conversation yet.");
    for text in ["one", "two <b>", "three"] {
        says(&world, ANN, text).await;
    }
    let all = says(&world, ANN, "/history").await;
    let lines: Vec<_> = all.lines().filter(|line| line.starts_with('›')).collect();
    assert_eq!(lines, ["› one", "› two <b>", "› three"], "{all}");
    let last = says(&world, ANN, "/history 1").await;
    assert_eq!(last, "› three\n‹ Turn 3: you said \"three\"");
    for odd in ["0", "-3", "many", "99999999999999999999"] {
        assert!(says(&world, ANN, &format!("/history {odd}")).await.contains("› three"), "{odd}");
    }
    says(&world, ANN, "/reset").await;
    assert_eq!(says(&world, ANN, "/history").await, "There is nothing in this conversation yet.");
    world.rests().await;
}

#[tokio::test]
async fn a_reset_takes_its_place_among_the_messages_around_it() {
    let world = World::new("tg_reset").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(300));
    world.platform.says(ANN, ANN, "one");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    for text in ["two", "/reset", "three", "four"] {
        world.platform.says(ANN, ANN, text);
    }
    let got = world.gets(ANN, 5).await;
    let expected = [
        "Turn 1: you said \"one\"",
        "Turn 2: you said \"two\"",
        "Done: this is a new conversation.",
        "Turn 1: you said \"three\"",
        "Turn 2: you said \"four\"",
    ];
    assert_eq!(got, expected);
    world.rests().await;
}

#[tokio::test]
async fn notices_are_in_the_language_of_whoever_reads_them() {
    let world = World::new("tg_lang").await;
    world.platform.user(LIU, "劉", Some("zh-hant"));
    assert!(says(&world, LIU, "/start").await.starts_with("您好！"));
    assert_eq!(says(&world, LIU, "/lang en").await, "I will use English for notices.");
    assert!(says(&world, LIU, "/start").await.starts_with("Hello!"));
    assert_eq!(says(&world, LIU, "/lang ZH-tw").await, "之後的通知會使用繁體中文。");
    assert_eq!(says(&world, LIU, "/lang klingon").await, "請選擇：/lang en 或 /lang zh-TW");
    world.rests().await;
}

#[tokio::test]
async fn the_menu_is_set_in_each_language_and_only_when_it_changes() {
    let mut world = World::new("tg_menu").await;
    let sets = |world: &World| world.platform.attempts("setMyCommands").len();
    until("it is set", async || sets(&world) == 2).await;
    let menu = |language: &str| world.platform.commands("default", language).unwrap();
    let names: Vec<_> = menu("").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["help", "reset", "history", "lang", "id"]);
    assert_eq!(menu("")[1].1, "start a new conversation");
    assert_eq!(menu("zh")[1].1, "開始新的對話");
    says(&world, ANN, "hello").await;
    world.rests().await;
    world.starts_again(&[]).await;
    says(&world, ANN, "hello again").await;
    assert_eq!(sets(&world), 2);
    world.starts_again(&[("TEXTS__EN__COMMAND_RESET", "forget what was said")]).await;
    until("it is set again", async || sets(&world) == 4).await;
    until("it says so", async || world.platform.commands("default", "").unwrap()[1].1 == "forget what was said").await;
    world.rests().await;
}
