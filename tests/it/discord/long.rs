//! Long answers: in several messages, or as a file.

use super::platform::{Fault, Sent, Slash, deny};
use super::{ANN, BEA, ROOM, World, at_bot};
use crate::support::until;

const MOST: usize = 2000;

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The words of all messages, one after the other.
fn words(sent: &[Sent]) -> Vec<&str> {
    sent.iter().flat_map(|sent| sent.text.split_whitespace()).collect()
}

#[tokio::test]
async fn a_long_answer_comes_in_order_and_whole() {
    let world = World::keyed("dc_long", &[("MAX_MESSAGES", "50")]).await;
    let channel = world.platform.dm(ANN);
    world.platform.tells(ANN, "long 9000");
    world.platform.tells(ANN, "bye");
    let sent = world.gets_messages(channel, 6).await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(channel), 6);
    assert!(sent[5].text.contains("bye"));
    assert!(sent.iter().all(|sent| (1..=MOST).contains(&units(&sent.text))));
    let mut whole = String::new();
    for line in 1.. {
        whole += &format!("{line}. The quick brown fox jumps over the lazy dog. ");
        if whole.len() >= 9_000 {
            break;
        }
    }
    whole.truncate(9_000);
    assert_eq!(words(&sent[..5]), whole.split_whitespace().collect::<Vec<_>>());
    assert_eq!(world.platform.overlaps(), 0);
}

#[tokio::test]
async fn no_message_is_longer_than_discord_takes() {
    let world = World::new("dc_edge").await;
    for (n, (answer, parts)) in [
        ("a".repeat(MOST), 1),
        ("a".repeat(MOST + 1), 2),
        ("茶".repeat(MOST), 1),
        ("茶".repeat(MOST + 1), 2),
        ("😀".repeat(MOST / 2), 1),
        ("😀".repeat(MOST / 2 + 1), 2),
    ]
    .into_iter()
    .enumerate()
    {
        let (user, question) = (ANN + 100 + n as u64, format!("question {n}"));
        world.will_answer(&question, &answer);
        world.platform.tells(user, &question);
        let channel = world.platform.dm(user);
        let sent = world.gets(channel, parts).await;
        world.rests().await;
        assert_eq!(world.platform.sent_count(channel), parts, "{n}");
        assert!(sent.iter().all(|text| units(text) <= MOST), "{n}: as every client counts");
        assert_eq!(sent.concat(), answer, "{n}");
    }
}

#[tokio::test]
async fn a_code_block_is_closed_and_opened_again() {
    let world = World::new("dc_fence").await;
    let lines: String = (1..=100).map(|n| format!("    print({n:03}, \"it is green\") # <b>\n")).collect();
    world.will_answer("code", &format!("Look:\n\n```python\n{lines}```\n\nThat is **all**."));
    let question = world.platform.says(ROOM, ANN, &at_bot("code, please"));
    let sent = world.gets_messages(ROOM, 2).await;
    world.rests().await;
    assert!(sent.len() >= 2, "{}", sent.len());
    for sent in &sent {
        assert_eq!(sent.text.matches("```").count(), 2, "{}", sent.text);
        assert!(sent.text.contains("```python\n    print("), "with its language, and its indentation: {}", sent.text);
        assert!(units(&sent.text) <= MOST);
    }
    let got: Vec<&str> = sent.iter().flat_map(|sent| sent.text.lines()).filter(|line| line.contains("print")).collect();
    assert_eq!(got, lines.lines().collect::<Vec<_>>(), "no line is lost");
    assert!(sent[0].text.starts_with("Look:") && sent.last().unwrap().text.ends_with("That is **all**."));
    let replies: Vec<_> = sent.iter().map(|sent| sent.reply_to).collect();
    assert_eq!(replies[0], Some(question));
    assert!(replies[1..].iter().all(Option::is_none), "the question is named once: {replies:?}");
}

#[tokio::test]
async fn markdown_that_discord_does_not_know_is_made_readable() {
    let world = World::new("dc_markdown").await;
    let answer = "# Tea\n\n#### Kinds\n\n| cup | price |\n|---|---:|\n| 綠茶 | 10 |\n| black | 9 |\n\n---\n\n\
                  See **[here](https://example.com)**, ~~not~~ there.";
    world.will_answer("tea", answer);
    world.platform.tells(ANN, "tea");
    let text = world.gets(world.platform.dm(ANN), 1).await.remove(0);
    world.rests().await;
    assert!(text.starts_with("# Tea\n"), "a heading that Discord shows: {text}");
    assert!(text.contains("**Kinds**") && !text.contains("####"), "one that it does not: {text}");
    let table = text.split("```").nth(1).expect("a table in a block of code");
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(['1', '9'])).collect();
    assert!(rows.len() == 2 && rows[0].contains("綠茶") && rows[1].contains("black"), "{table}");
    assert!(!text.contains("|---|") && !text.lines().any(|line| line.trim() == "---"), "{text}");
    assert!(text.contains("**[here](https://example.com)**") && text.contains("~~not~~"), "{text}");
}

fn source() -> String {
    (1..=400).map(|n| format!("## Point {n}\n\nIt is **green**, 綠色 & <hot>.\n\n")).collect()
}

#[tokio::test]
async fn an_answer_of_too_many_messages_goes_as_a_file() {
    let world = World::keyed("dc_file", &[("MAX_MESSAGES", "2")]).await;
    world.will_answer("all", source().trim_end());
    world.will_answer("less", &"Tea. ".repeat(700));
    let question = world.platform.says(ROOM, ANN, &at_bot("all"));
    let sent = world.gets_messages(ROOM, 1).await.remove(0);
    let file = &sent.files[0];
    assert_eq!((&*file.name, std::str::from_utf8(&file.content).unwrap()), ("answer.md", source().trim_end()));
    assert!(file.mime.as_deref().is_some_and(|mime| mime.starts_with("text/markdown")), "{file:?}");
    assert!(sent.text.starts_with("## Point 1") && sent.text.ends_with('…'), "{}", sent.text);
    assert_eq!(sent.reply_to, Some(question));
    world.platform.tells(BEA, "less");
    let sent = world.gets_messages(world.platform.dm(BEA), 2).await;
    assert!(sent.iter().all(|sent| sent.files.is_empty()), "as many as are wanted");
    world.rests().await;
}

#[tokio::test]
async fn where_a_file_is_refused_its_beginning_is_sent() {
    let world = World::keyed("dc_no_file", &[("MAX_MESSAGES", "2")]).await;
    world.will_answer("all", &source());
    let refusals = [
        Fault::Refuse(413, 40005, "Request entity too large"),
        Fault::Answer(413, "<html>413</html>"),
        Fault::Refuse(403, 50013, "Missing Permissions"),
    ];
    for (n, fault) in refusals.into_iter().enumerate() {
        let user = ANN + 100 + n as u64;
        let channel = world.platform.dm(user);
        world.platform.fails("send", Some(channel), fault, 1);
        world.platform.tells(user, "all");
        world.platform.tells(user, "bye");
        let got = world.gets(channel, 2).await;
        assert!(got[0].starts_with("## Point 1") && got[0].ends_with('…'), "{}", got[0]);
        assert!(units(&got[0]) > 1_500, "as much as a message holds");
        assert!(got[1].contains("bye"), "the chat is not gone: {got:?}");
    }
    // As Discord itself says it.
    world.platform.denies(ROOM, deny::ATTACH_FILES);
    let question = world.platform.says(ROOM, ANN, &at_bot("all"));
    let sent = world.gets_messages(ROOM, 1).await;
    assert!(sent[0].files.is_empty() && sent[0].text.starts_with("## Point 1"), "{}", sent[0].text);
    assert_eq!(sent[0].reply_to, Some(question));
    world.rests().await;
    assert_eq!(world.counted("bridge_sends_total", &[("result", "plain")]).await, 4);
}

#[tokio::test]
async fn long_answers_to_commands_come_whole_too() {
    let world = World::keyed("dc_slash_long", &[("MAX_MESSAGES", "3"), ("PRIVATE", "ask")]).await;
    world.will_answer("all", &source());
    world.will_answer("some", &"It is a green tea of the mountains. ".repeat(150));
    for (text, parts, files) in [("some", 3, 0), ("all", 1, 1)] {
        let asked = world.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", text));
        let answered = async || {
            let answers = world.platform.answers(asked);
            answers.len() == parts && answers.iter().all(|text| text != "…")
        };
        until("all parts are there", answered).await;
        world.rests().await;
        let responses = world.platform.responses(asked);
        assert!(responses.iter().all(|response| response.ephemeral), "each of them for one person only");
        assert_eq!(responses.iter().map(|response| response.files.len()).sum::<usize>(), files, "{text}");
        assert!(world.platform.answers(asked).iter().all(|text| units(text) <= MOST));
    }
    assert_eq!(world.platform.sent_count(ROOM), 0);
}
