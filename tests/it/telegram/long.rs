//! Long answers: in several messages, or as a file.

use super::World;
use super::platform::{Draft, Fault, Sent};
use crate::support::Setup;

const ANN: i64 = 7;
const FORUM: i64 = -1002;
const MOST: usize = 4096;

fn units(sent: &Sent) -> usize {
    sent.text.encode_utf16().count()
}

/// The words of all messages, one after the other.
fn words(sent: &[Sent]) -> Vec<&str> {
    sent.iter().flat_map(|sent| sent.text.split_whitespace()).collect()
}

#[tokio::test]
async fn a_long_answer_comes_in_order_and_whole() {
    let world = World::new("tgd_long").await;
    world.platform.says(ANN, ANN, "long 15000");
    world.platform.says(ANN, ANN, "bye");
    let sent = world.gets_messages(ANN, 5).await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ANN), 5);
    assert!(sent[4].text.contains("bye"));
    assert!(sent.iter().all(|sent| (1..=MOST).contains(&units(sent))));
    let mut whole = String::new();
    for line in 1.. {
        whole += &format!("{line}. The quick brown fox jumps over the lazy dog. ");
        if whole.len() >= 15_000 {
            break;
        }
    }
    whole.truncate(15_000);
    assert_eq!(words(&sent[..4]), whole.split_whitespace().collect::<Vec<_>>());
    assert_eq!(world.platform.overlaps(), 0);
}

#[tokio::test]
async fn the_limit_counts_as_telegram_counts() {
    let world = World::new("tgd_edge").await;
    for (n, (answer, parts)) in [
        ("a".repeat(MOST), 1),
        ("a".repeat(MOST + 1), 2),
        (format!("**{}**", "a".repeat(MOST)), 1),
        ("<".repeat(MOST), 1),
        ("茶".repeat(MOST), 1),
        ("茶".repeat(MOST + 1), 2),
        ("😀".repeat(MOST / 2), 1),
        ("😀".repeat(MOST / 2 + 1), 2),
    ]
    .into_iter()
    .enumerate()
    {
        let (user, question) = (100 + i64::try_from(n).unwrap(), format!("question {n}"));
        world.will_answer(&question, &answer);
        world.platform.says(user, user, &question);
        let sent = world.gets_messages(user, parts).await;
        world.rests().await;
        assert_eq!(world.platform.sent_count(user), parts, "{n}");
        let text: String = sent.iter().map(|sent| sent.text.as_str()).collect();
        assert_eq!(text, answer.replace('*', ""), "{n}");
    }
}

#[tokio::test]
async fn a_code_block_is_closed_and_opened_again() {
    let world = World::new("tgd_fence").await;
    let lines: String = (1..=200).map(|n| format!("    print({n:03}, \"it is green\") # <b>\n")).collect();
    world.will_answer("code", &format!("Look:\n\n```python\n{lines}```\n\nThat is **all**."));
    world.platform.says(ANN, ANN, "code, please");
    let sent = world.gets_messages(ANN, 2).await;
    world.rests().await;
    assert_eq!(sent.len(), 2);
    for sent in &sent {
        let code: Vec<_> = sent.entities.iter().filter(|entity| entity["type"] == "pre").collect();
        assert_eq!((code.len(), code[0]["language"].as_str()), (1, Some("python")));
        assert!(units(sent) <= MOST);
    }
    let whole = sent.iter().map(|sent| sent.text.as_str()).collect::<Vec<_>>().join("\n");
    let got: Vec<&str> = whole.lines().filter(|line| line.contains("print")).collect();
    assert_eq!(got, lines.lines().collect::<Vec<_>>(), "no line is lost, and its indentation stays");
}

fn two_messages(id: &'static str) -> impl FnOnce(Setup) -> Setup {
    move |setup| setup.set(&format!("CHANNELS__{}__MAX_MESSAGES", id.to_uppercase()), "2")
}

fn source() -> String {
    (1..=400).map(|n| format!("## Point {n}\n\nIt is **green**, 綠色 & <hot>.\n\n")).collect()
}

#[tokio::test]
async fn an_answer_of_too_many_messages_goes_as_a_file() {
    let world = World::with("tgd_file", two_messages("tgd_file")).await;
    world.platform.forum(FORUM, "Forum");
    let topic = world.platform.topic(FORUM, ANN, "Tea");
    world.will_answer("all", source().trim_end());
    world.will_answer("less", &"Tea. ".repeat(1_200));
    let asked = world.platform.sends(Draft::new(FORUM, ANN).text("@bridge_test_bot all").thread(topic));
    let sent = world.gets_messages(FORUM, 1).await.remove(0);
    let file = sent.document.as_ref().expect("a file");
    assert_eq!((&*file.name, std::str::from_utf8(&file.content).unwrap()), ("answer.md", source().trim_end()));
    assert!(file.mime.as_deref().is_some_and(|mime| mime.starts_with("text/markdown")), "{file:?}");
    assert!(sent.text.starts_with("Point 1") && sent.text.ends_with('…') && units(&sent) <= 1024, "{}", sent.text);
    assert_eq!((sent.thread, sent.reply_to), (Some(topic), Some(asked)));
    world.platform.says(ANN, ANN, "less");
    let sent = world.gets_messages(ANN, 2).await;
    assert!(sent.iter().all(|sent| sent.document.is_none()), "as many as are wanted");
    world.rests().await;
}

#[tokio::test]
async fn where_a_file_is_refused_its_beginning_is_sent() {
    let world = World::with("tgd_no_file", two_messages("tgd_no_file")).await;
    world.will_answer("all", &source());
    let refusals = [
        Fault::Refuse(413, "Request Entity Too Large"),
        Fault::Answer(413, "<html>413</html>"),
        Fault::Refuse(400, "Bad Request: not enough rights to send documents to the chat"),
        Fault::Refuse(403, "Forbidden: CHAT_SEND_DOCS_FORBIDDEN"),
    ];
    for (n, fault) in refusals.into_iter().enumerate() {
        let user = 100 + i64::try_from(n).unwrap();
        world.platform.fails("senddocument", Some(user), fault, 1);
        world.platform.says(user, user, "all");
        world.platform.says(user, user, "bye");
        let got = world.gets(user, 2).await;
        assert!(got[0].starts_with("Point 1") && got[0].ends_with('…'), "{}", got[0]);
        assert!(got[0].encode_utf16().count() > 3_500, "as much as a message holds");
        assert!(got[1].contains("bye"), "the chat is not gone: {got:?}");
    }
    world.rests().await;
    assert_eq!(world.counted("bridge_sends_total", &[("result", "plain")]).await, 4);
}

#[tokio::test]
async fn a_file_of_which_nobody_knows_is_sent_again() {
    let world = World::with("tgd_file_doubt", two_messages("tgd_file_doubt")).await;
    world.will_answer("all", &source());
    for fault in [Fault::Refuse(500, "Internal Server Error"), Fault::Reset] {
        world.platform.fails("senddocument", Some(ANN), fault, 1);
    }
    world.platform.says(ANN, ANN, "all");
    assert!(world.gets_messages(ANN, 1).await[0].document.is_some());
    world.rests().await;
    assert_eq!(world.platform.sent_count(ANN), 1);
    assert_eq!(world.counted("bridge_sends_in_doubt_total", &[("result", "resent")]).await, 2);
}
