//! Telegram's limits at their edges.

use caigunn_bridge::channels::telegram::render::{Call, Style, render};
use caigunn_bridge::model::{EventKey, OutboundAction, Target};

use super::{STYLE, call, calls, messages, parsed};
use crate::telegram::html::units;

fn lengths(markdown: &str) -> Vec<usize> {
    messages(markdown).iter().map(|message| units(&message.text)).collect()
}

#[test]
fn a_message_has_4096_units() {
    for (what, count) in [("x", 4096), ("字", 4096), ("😀", 2048), ("&", 4096), ("\\*", 4096)] {
        assert_eq!(lengths(&what.repeat(count)), [4096], "{what}");
        assert_eq!(
            lengths(&what.repeat(count + 1)),
            [4096, what.trim_start_matches('\\').encode_utf16().count()],
            "{what}"
        );
    }
    assert_eq!(lengths(&format!("**{}**", "x".repeat(4096))), [4096]);
    assert_eq!(lengths(&format!("**{}**", "<".repeat(4097))), [4096, 1]);
}

#[test]
fn a_message_has_100_entities() {
    for what in ["`a` ", "**a** ", "[a](https://x.org/y) ", "- ~~a~~\n", "> *a*\n\n"] {
        // A quote with something in it is two.
        let most = if what.starts_with('>') { 50 } else { 100 };
        let one = messages(&what.repeat(most));
        assert_eq!((one.len(), one[0].entities.len()), (1, 100), "{what}");
        let two = messages(&what.repeat(most + 1));
        assert_eq!(two.len(), 2, "{what}");
        assert!(two.iter().all(|message| message.entities.len() <= 100), "{what}");
    }
    // Bold that has something else in it counts as often as Telegram splits it, and once more where the other one ends.
    let nested = messages(&"**a *b* c** ".repeat(101));
    assert!(nested.iter().all(|message| message.entities.len() <= 100));
    assert!(nested.iter().any(|message| message.entities.len() == 75));
}

#[test]
fn code_is_closed_and_goes_on_in_its_language() {
    let line = "    let indented = 1;\n";
    let found = messages(&format!("Code:\n\n```rust\nfn main() {{\n{}}}\n```\n\nend", line.repeat(400)));
    assert_eq!(found.len(), 3);
    for (index, message) in found.iter().enumerate() {
        let code = message.entities.last().unwrap();
        assert_eq!((code.kind, code.extra.as_deref()), ("pre", Some("rust")), "{index}");
        // Cut between lines, whose indentation stays.
        let text = message.text.split_once("main() {\n").map_or(message.text.as_str(), |(_, rest)| rest);
        assert!(index == 2 || text.lines().all(|line| line == "    let indented = 1;"), "{}", message.text);
    }
    assert!(found[2].text.ends_with("1;\n}\n\nend"));
}

#[test]
fn looks_go_on_in_the_next_message() {
    let found = messages(&format!("> **[{}](https://x.org/)**", "word ".repeat(1000)));
    assert_eq!(found.len(), 2);
    for message in found {
        let kinds: Vec<_> = message.entities.iter().map(|entity| entity.kind).collect();
        assert_eq!(kinds, ["blockquote", "text_link", "bold"]);
    }
}

#[test]
fn cuts_are_where_a_reader_would_cut() {
    let cut = |before: &str, between: &str| {
        let filler = "x".repeat(4000 - before.len());
        let found = messages(&format!("{filler}{before}{between}{}", "y".repeat(200)));
        found.iter().map(|message| message.text.clone()).collect::<Vec<_>>()[0].clone()
    };
    assert!(cut("end of a paragraph", "\n\n").ends_with("paragraph"));
    assert!(cut("end of a line", "\n").ends_with("line"));
    assert!(cut("A sentence. And a word", " ").ends_with("A sentence."));
    assert!(cut("only words", " ").ends_with("only words"));
    assert!(cut("他說：「好。」然後", "").ends_with("「好。」"));
    assert!(cut("一，二", "").ends_with("一，"));
    // White space right behind the limit is as good as any before it.
    let exact = format!("{} {}", "x".repeat(4096), "y".repeat(4096));
    assert_eq!(lengths(&exact), [4096, 4096]);
}

#[test]
fn what_people_count_as_one_character_is_not_cut() {
    let family = "👨‍👩‍👧‍👦";
    for message in messages(&family.repeat(1000)) {
        assert_eq!(message.text.replace(family, ""), "");
    }
    // Unless it is longer than a message.
    let zalgo = format!("e{}", "\u{301}".repeat(5000));
    assert_eq!(lengths(&zalgo), [4096, 905]);
}

#[test]
fn nothing_to_see_is_nothing_to_send() {
    for blank in ["", " \n\t", "\u{200b}", "\u{feff}\u{2060}\n\u{3000}", "\u{e0020}\u{fe0f}"] {
        assert!(calls(blank).is_empty(), "{blank:?}");
        assert!(render(&OutboundAction::notice(blank, None), &Target::of("42"), STYLE).is_empty(), "{blank:?}");
    }
    let text = |markdown: &str| messages(markdown).into_iter().map(|message| message.text).collect::<Vec<_>>();
    assert_eq!(text("---"), ["———"]);
    assert_eq!(text("<!-- -->"), ["<!-- -->"]);
    assert_eq!(text("[x]: https://a.b"), ["[x]: https://a.b"]);
    assert_eq!(text("```\n```"), ["```\n```"]);
    assert_eq!(text("&nbsp;"), ["&nbsp;"]);
    assert_eq!(text("-"), ["•"]);
    // Four thousand invisible characters between two words are no message of their own.
    assert_eq!(text(&format!("a{}b", "\u{200b}".repeat(9000))).len(), 2);
}

#[test]
fn a_plain_text_stays_one() {
    let [row] = calls("Hello, world! It's 5 o'clock: \"great\".").try_into().unwrap();
    assert_eq!(row.payload, r#"{"call":"message","text":"Hello, world! It's 5 o'clock: \"great\"."}"#);
    assert_eq!(row.plain, None);
    assert_eq!(row.scopes, ["chat:42", "bot"]);
    let [row] = calls("R&D \\* 1 < 2").try_into().unwrap();
    assert_eq!(
        call(&row.payload),
        Call::Message { text: "R&D * 1 < 2".into(), html: false, preview: false, reply_to: None }
    );
}

#[test]
fn a_notice_is_never_markup() {
    let text = format!("<b> **{}", "x ".repeat(3000));
    let rows = render(&OutboundAction::notice(&text, Some("7".into())), &Target::of("42"), STYLE);
    assert_eq!(rows.len(), 2);
    for (row, reply) in rows.iter().zip([Some(7), None]) {
        let Call::Message { html: false, reply_to, .. } = call(&row.payload) else { panic!() };
        assert_eq!((reply_to, &row.plain), (reply, &None));
    }
    assert!(parsed(&rows[0].payload).text.starts_with("<b> **x"));
}

#[test]
fn only_the_first_message_replies() {
    let action = OutboundAction::answer("**a** ".repeat(150), Some("7".into()));
    let rows = render(&action, &Target::of("42"), Style { previews: true, ..STYLE });
    for (row, reply) in rows.iter().zip([Some(7), None]) {
        for payload in [&row.payload, row.plain.as_ref().unwrap()] {
            let Call::Message { reply_to, preview: true, .. } = call(payload) else { panic!() };
            assert_eq!(reply_to, reply);
        }
    }
    let edit = OutboundAction::Edit { of: EventKey::new("m:1:2"), text: "**new**".into() };
    let [row] = render(&edit, &Target::of("42"), STYLE).try_into().unwrap();
    assert_eq!(
        call(&row.payload),
        Call::Message { text: "<b>new</b>".into(), html: true, preview: false, reply_to: None }
    );
}

#[test]
fn an_answer_of_too_many_messages_is_a_file() {
    let source = format!("# Title\n\nThe first sentence is **short**. {}", "And so on it goes. ".repeat(1000));
    let few = |max_messages| {
        let action = OutboundAction::answer(&*source, Some("7".into()));
        render(&action, &Target::of("42"), Style { max_messages, ..STYLE })
    };
    assert_eq!(few(5).len(), 5);
    let [row] = few(4).try_into().unwrap();
    let Call::Document { name, content, caption, reply_to: Some(7) } = call(&row.payload) else { panic!() };
    assert_eq!((name.as_str(), content == source), ("answer.md", true));
    let Call::Message { text, html: false, reply_to: Some(7), .. } = call(&row.plain.unwrap()) else { panic!() };
    assert!(text.ends_with('…') && (4_000..=4_096).contains(&units(&text)), "where files are not allowed");
    assert!(caption.starts_with("Title\n\nThe first sentence is short. And"), "{caption}");
    assert!(caption.ends_with("goes.…") && units(&caption) <= 301, "{caption}");
}

#[test]
fn a_plain_text_that_urls_make_too_long_goes_without_them() {
    let markdown = format!("[word](https://x.org/{}) ", "y".repeat(100)).repeat(99);
    let [row] = calls(&markdown).try_into().unwrap();
    assert_eq!(parsed(&row.plain.unwrap()).text, "word ".repeat(99).trim());
}

#[test]
fn deep_nesting_is_harmless() {
    for what in [
        ">", "*", "_", "[", "]", "`", "- ", "1. ", "> - ", "\\(", "\\[", "<", "<!--", "![", "|", "a|", "~", "(", "**a",
        "*a _b ", "#", "\t", "&", "`a", "[a](", "<a",
    ] {
        let source = what.repeat(10_000);
        for row in calls(&source) {
            parsed(&row.payload);
        }
        let source = format!("{source}text\n{source}\n\n{source}");
        for row in calls(&source) {
            parsed(&row.payload);
        }
    }
    let table = format!("{}\n{}\n{}", "a|".repeat(1000), "-|".repeat(1000), "|\n".repeat(1000));
    assert!(!calls(&table).is_empty());
}
