//! What people write is answered, in Telegram's own formatting.

use super::World;
use super::platform::{Fault, Sent};

const ANN: i64 = 7;
const BEA: i64 = 8;

/// The formatted parts of a message: what they are, and their text.
fn spans(sent: &Sent) -> Vec<(String, String)> {
    let units: Vec<u16> = sent.text.encode_utf16().collect();
    let span = |entity: &serde_json::Value| {
        let number = |name: &str| usize::try_from(entity[name].as_u64().unwrap()).unwrap();
        let (from, length) = (number("offset"), number("length"));
        let extra = ["url", "language"].into_iter().find_map(|name| entity[name].as_str());
        let kind = entity["type"].as_str().unwrap();
        let kind = extra.map_or(kind.to_owned(), |extra| format!("{kind} {extra}"));
        (kind, String::from_utf16(&units[from..from + length]).unwrap())
    };
    sent.entities.iter().map(span).collect()
}

#[tokio::test]
async fn a_private_message_is_answered() {
    let world = World::new("tg_private").await;
    world.platform.says(ANN, ANN, "Hello");
    assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"Hello\""]);
    world.rests().await;
}

#[tokio::test]
async fn markdown_becomes_what_telegram_can_show() {
    let world = World::new("tgd_markdown").await;
    let answer = "🍵 **Tea** is `green`, see [here](https://example.com/tea?a=1&b=2).\n\n- one\n- two\n\n\
                  ```rust\nif a < b && c > d {}\n```\n\n| cup | price |\n|---|---:|\n| 綠茶 | 10 |\n| black | 9 |\n";
    world.will_answer("tea", answer);
    world.platform.says(ANN, ANN, "What is tea?");
    let sent = world.gets_messages(ANN, 1).await.remove(0);
    assert!(sent.html);
    let spans = spans(&sent);
    let has = |kind: &str, text: &str| {
        assert!(spans.iter().any(|(own, of)| own == kind && of.contains(text)), "{kind} {text}: {spans:?}");
    };
    has("bold", "Tea");
    has("code", "green");
    has("text_link https://example.com/tea?a=1&b=2", "here");
    has("pre rust", "if a < b && c > d {}");
    let table = spans.iter().find(|(kind, _)| kind == "pre").map(|(_, table)| table).expect("a table");
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(['1', '9'])).collect();
    assert!(rows[0].contains("綠茶") && rows[0].ends_with("10") && rows[1].ends_with('9'), "{table}");
    assert!(sent.text.contains("• one\n• two"), "{}", sent.text);
    world.rests().await;
}

#[tokio::test]
async fn what_telegram_cannot_parse_is_sent_plain_and_the_rest_as_it_was() {
    let world = World::new("tgd_plain").await;
    let part = |n: usize| format!("**Part {n}** of *tea* & <more>. {}", "It is green. ".repeat(200));
    world.will_answer("tea", &[part(1), part(2), part(3)].join("\n\n"));
    let refused = Fault::Refuse(400, "Bad Request: can't parse entities: Unsupported start tag \"b\" at byte offset 0");
    world.platform.fails_on("sendmessage", "<b>Part 2</b>", refused, 1);
    world.platform.says(ANN, ANN, "tea");
    let sent = world.gets_messages(ANN, 3).await;
    world.rests().await;
    assert_eq!(sent.iter().map(|sent| sent.html).collect::<Vec<_>>(), [true, false, true]);
    for (n, sent) in (1..).zip(&sent) {
        assert!(sent.text.starts_with(&format!("Part {n} of tea & <more>. It is green.")), "{}", &sent.text[..60]);
    }
    assert_eq!(world.counted("bridge_sends_total", &[("result", "plain")]).await, 1);
}

#[tokio::test]
async fn emoji_and_chinese_alone_are_answers_too() {
    let world = World::new("tgd_emoji").await;
    for (n, answer) in ["👍", "👨‍👩‍👧‍👦🇹🇼", "茶是一種植物。**綠色**的。", "　", "。"].into_iter().enumerate()
    {
        let question = format!("question {n}");
        world.will_answer(&question, answer);
        let user = 100 + i64::try_from(n).unwrap();
        world.platform.says(user, user, &question);
    }
    assert_eq!(world.gets(100, 1).await, ["👍"]);
    assert_eq!(world.gets(101, 1).await, ["👨‍👩‍👧‍👦🇹🇼"]);
    assert_eq!(world.gets(102, 1).await, ["茶是一種植物。綠色的。"]);
    assert_eq!(world.gets(104, 1).await, ["。"]);
    world.rests().await;
}

#[tokio::test]
async fn an_answer_in_which_there_is_nothing_to_see_is_counted_as_empty() {
    let world = World::new("tgd_empty").await;
    let answers = ["", " \n ", "\u{200b}", "\u{2060}\u{fe0f}", "\u{3164}"];
    for (n, answer) in answers.into_iter().enumerate() {
        let question = format!("question {n}");
        world.will_answer(&question, answer);
        world.platform.says(ANN, ANN, &question);
    }
    world.platform.says(ANN, ANN, "and now?");
    assert_eq!(world.gets(ANN, 1).await, ["Turn 6: you said \"and now?\""]);
    world.rests().await;
    let empty = world.counted("bridge_turns_total", &[("outcome", "dropped"), ("reason", "empty_answer")]).await;
    assert_eq!(empty, answers.len() as u64);
}

#[tokio::test]
async fn markdown_of_which_nothing_is_left_is_shown_as_it_was_written() {
    let world = World::new("tgd_bare").await;
    for (n, answer) in ["[](https://example.com)", "<!-- nothing -->", "---", "****"].into_iter().enumerate() {
        let question = format!("question {n}");
        world.will_answer(&question, answer);
        world.platform.says(ANN, ANN, &question);
        let got = world.gets(ANN, n + 1).await;
        assert!(!got[n].trim().is_empty(), "{answer}: {got:?}");
    }
    world.rests().await;
}

#[tokio::test]
async fn links_show_no_preview_unless_it_is_wanted() {
    let previews = |setup: crate::support::Setup| setup.set("CHANNELS__TGD_PREVIEWS__LINK_PREVIEWS", "true");
    let (without, with) = tokio::join!(World::new("tgd_no_previews"), World::with("tgd_previews", previews));
    for (world, shown) in [(without, false), (with, true)] {
        world.will_answer("where", "At **https://example.com**");
        world.platform.says(ANN, ANN, "where?");
        world.platform.says(BEA, BEA, "https://example.org");
        assert_eq!(world.gets_messages(ANN, 1).await[0].preview, shown);
        assert_eq!(world.gets_messages(BEA, 1).await[0].preview, shown, "without formatting");
        world.rests().await;
    }
}
