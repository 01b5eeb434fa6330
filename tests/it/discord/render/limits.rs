//! Discord's limits at their edges.

use std::time::Instant;

use caigunn_bridge::channels::discord::render::{Call, Style, render};
use caigunn_bridge::model::{EventKey, OutboundAction, Target};

use super::{STYLE, call, calls, messages, notices, units};

fn lengths(markdown: &str) -> Vec<usize> {
    messages(markdown).iter().map(|message| units(message)).collect()
}

#[test]
fn a_message_has_2000_units() {
    for (what, count) in [("x", 2000), ("字", 2000), ("😀", 1000), ("\\*", 1000)] {
        assert_eq!(lengths(&what.repeat(count)), [2000], "{what}");
        assert_eq!(lengths(&what.repeat(count + 1)), [2000, units(what)], "{what}");
    }
    let code = |count| format!("```\n{}\n```", "x".repeat(count));
    assert_eq!(lengths(&code(1992)), [2000]);
    assert_eq!(lengths(&code(1993)).len(), 2);
    assert_eq!(lengths(&format!("**{}**", "x".repeat(1996))), [2000]);
    assert_eq!(lengths(&format!("**{}**", "x".repeat(1997))).len(), 2);
    assert_eq!(notices(&"*".repeat(1000)), ["\\*".repeat(1000)]);
    assert_eq!(notices(&"*".repeat(1001)).len(), 2);
}

#[test]
fn code_is_closed_and_goes_on_in_its_language() {
    let line = "    let indented = 1;\n";
    let found = messages(&format!("Code:\n\n```rust\nfn main() {{\n{}}}\n```\n\nend", line.repeat(200)));
    assert_eq!(found.len(), 3);
    assert!(found[0].starts_with("Code:\n\n```rust\nfn main() {\n    let"), "{}", found[0]);
    assert!(found[2].ends_with("1;\n}\n```\n\nend"), "{}", found[2]);
    for message in &found[..2] {
        assert!(message.ends_with("    let indented = 1;\n```"), "{message}");
    }
    for message in &found[1..] {
        assert!(message.starts_with("```rust\n    let indented = 1;\n"), "{message}");
    }
    let all: usize = found.iter().map(|message| message.matches(line.trim()).count()).sum();
    assert_eq!(all, 200);
}

#[test]
fn code_has_no_fence_in_it() {
    assert_eq!(messages("````\n```\n````"), ["```\n`\u{200b}`\u{200b}`\u{200b}\n```"]);
}

#[test]
fn emphasis_is_closed_and_opened_again() {
    for mark in ["**", "*", "_", "__", "~~", "||", "`", "``"] {
        let found = messages(&format!("{mark}{}end{mark}", "word ".repeat(500)));
        assert_eq!(found.len(), 2, "{mark}");
        for message in found {
            assert!(message.starts_with(&format!("{mark}word")) && message.ends_with(mark), "{message}");
            assert_eq!(message.matches(mark).count() % 2, 0);
        }
    }
    let found = messages(&format!("> **bold _both {}end_ bold**", "word ".repeat(500)));
    assert!(found[0].ends_with("word_**"), "{}", found[0]);
    assert!(found[1].starts_with("> **_word") && found[1].ends_with("end_ bold**"), "{}", found[1]);
    let found = messages(&format!("> **bold\n{}> end**", "> line of a quote\n".repeat(150)));
    assert!(found[0].ends_with("quote**") && found[1].starts_with("> **line"), "{found:?}");
    // A sentence outside is better than a line within.
    let found = messages(&format!("{}. **{}**", "word ".repeat(350), "bold ".repeat(100)));
    assert!(found[0].ends_with("word .") && found[1].starts_with("**bold"), "{found:?}");
}

#[test]
fn quotes_go_on() {
    let found = messages(&format!(">>> {}", "word ".repeat(500)));
    assert!(found.len() == 2 && found[1].starts_with(">>> word"), "{found:?}");
    let found = messages(&format!("-# {}", "word ".repeat(500)));
    assert!(found.len() == 2 && found[1].starts_with("-# word"), "{found:?}");
}

#[test]
fn cuts_are_where_a_reader_would_cut() {
    let cut = |before: &str, between: &str| {
        let filler = "x".repeat(1950 - before.len());
        messages(&format!("{filler}{before}{between}{}", "y".repeat(100)))[0].clone()
    };
    assert!(cut("end of a paragraph", "\n\n").ends_with("paragraph"));
    assert!(cut("end of a line", "\n").ends_with("line"));
    assert!(cut("A sentence. And a word", " ").ends_with("A sentence."));
    assert!(cut("only words", " ").ends_with("only words"));
    assert!(cut("他說：「好。」然後", "").ends_with("「好。」"));
    assert!(cut("一，二", "").ends_with("一，"));
    // White space right behind the limit is as good as any before it.
    assert_eq!(lengths(&format!("{} {}", "x".repeat(2000), "y".repeat(2000))), [2000, 2000]);
}

#[test]
fn what_has_no_parts_is_not_cut() {
    for whole in [
        "<@123456789012345678>",
        "<a:emoji:123456789012345678>",
        "<t:1618953630:R>",
        "https://example.org/a/long/path?with=query&and=more#parts",
        "<https://example.org/a?b>",
        "[a label](https://example.org/path)",
        "`code of a line`",
        "👨‍👩‍👧‍👦",
    ] {
        let separator = if whole.starts_with(['h', '`']) { " " } else { "" };
        let one = format!("{whole}{separator}");
        for shift in 0..one.len() {
            let source = format!("{}{separator}{}", "x".repeat(shift), one.repeat(3000 / one.len()));
            let found = messages(&source);
            let count: usize = found.iter().map(|message| message.matches(whole).count()).sum();
            assert_eq!(count, 3000 / one.len(), "{whole} {shift}");
        }
    }
    // Unless it is longer than a message.
    assert_eq!(lengths(&format!("e{}", "\u{301}".repeat(3000))), [2000, 1001]);
    assert!(lengths(&format!("https://a.b/{}", "x".repeat(5000))).len() == 3);
}

#[test]
fn nothing_to_see_is_nothing_to_send() {
    for blank in ["", " \n\t", "\u{200b}", "\u{feff}\u{2060}\n\u{3000}"] {
        assert!(calls(blank).is_empty() && notices(blank).is_empty(), "{blank:?}");
    }
    assert_eq!(messages("---"), ["———"]);
    assert_eq!(messages("<!-- -->"), ["<!-- --\\>".replace("\\>", ">")]);
    assert_eq!(messages("```\n```"), [r"\`\`\`".to_owned() + "\n" + r"\`\`\`"]);
    assert_eq!(messages(&format!("a{}b", "\n\u{200b}".repeat(9000))).len(), 2);
}

#[test]
fn a_plain_text_stays_one() {
    let [row] = calls("Hello, world! It's \"great\".").try_into().unwrap();
    assert_eq!(row.payload, r#"{"call":"message","content":"Hello, world! It's \"great\".","suppress_embeds":true}"#);
    assert_eq!(row.plain, None);
    assert_eq!(row.scopes, ["chat:42", "bot"]);
}

#[test]
fn only_the_first_message_replies() {
    let action = OutboundAction::answer("**a** ".repeat(500), Some("7".into()));
    let rows = render(&action, &Target::of("42"), Style { previews: true, ..STYLE });
    assert_eq!(rows.len(), 2);
    for (row, reply) in rows.iter().zip([Some("7"), None]) {
        let Call::Message { reply_to, suppress_embeds: false, .. } = call(&row.payload) else { panic!() };
        assert_eq!((reply_to.as_deref(), &row.plain), (reply, &None));
    }
    let edit = OutboundAction::Edit { of: EventKey::new("m:1:2"), text: "**new**".into() };
    let [row] = render(&edit, &Target::of("42"), STYLE).try_into().unwrap();
    assert_eq!(call(&row.payload), Call::Message { content: "**new**".into(), reply_to: None, suppress_embeds: true });
}

#[test]
fn an_answer_of_too_many_messages_is_a_file() {
    let source = format!("# Title\n\nThe first sentence is **short**. {}", "And so on it goes. ".repeat(500));
    let few = |max_messages| {
        let action = OutboundAction::answer(&*source, Some("7".into()));
        render(&action, &Target::of("42"), Style { max_messages, ..STYLE })
    };
    assert_eq!(few(5).len(), 5);
    let [row] = few(4).try_into().unwrap();
    let Call::File { name, content, lead, reply_to: Some(reply) } = call(&row.payload) else { panic!() };
    assert_eq!((name.as_str(), content == source, reply.as_str()), ("answer.md", true, "7"));
    let Call::Message { content, reply_to: Some(_), .. } = call(&row.plain.unwrap()) else { panic!() };
    assert!(content.ends_with('…') && (1_900..=2_000).contains(&units(&content)), "where files are not allowed");
    assert!(lead.starts_with("# Title\n\nThe first sentence is **short**. And"), "{lead}");
    assert!(lead.ends_with("goes.…") && units(&lead) <= 301, "{lead}");
    let links = OutboundAction::answer("https://example.org/page ".repeat(300), None);
    let [row] = render(&links, &Target::of("42"), Style { max_messages: 2, ..STYLE }).try_into().unwrap();
    let Call::File { lead, .. } = call(&row.payload) else { panic!() };
    assert!(lead.ends_with("/page …"), "{lead}");
    let code = OutboundAction::answer(format!("```\n{}```", "line\n".repeat(3000)), None);
    let [row] = render(&code, &Target::of("42"), Style { max_messages: 2, ..STYLE }).try_into().unwrap();
    let Call::File { lead, .. } = call(&row.payload) else { panic!() };
    assert!(lead.ends_with("line\n```\n…"), "{lead}");
}

#[test]
fn deep_nesting_and_long_runs_are_harmless() {
    let begun = Instant::now();
    for what in [
        ">", "> ", "*", "**", "_", "[", "]", "`", "- ", "1. ", "> - ", "\\", "<", "<!--", "![", "|", "a|", "~", "(",
        "**a", "*a _b ", "#", "\t", "`a", "``a", "[a](", "[a](b)", "<a", "](", "||", "http://", "h", "\n", "```",
        "```\n", "```\na\n", "\n>>> ", "a\n==\n", "| a |\n", "![a](b", ":a", "_*~~||",
    ] {
        let source = what.repeat(20_000);
        for text in [&source, &format!("{source}text\n{source}\n\n{source}")] {
            for message in messages(text).into_iter().chain(notices(text)) {
                assert!(units(&message) <= 2000, "{what}");
            }
        }
    }
    let table = format!("{}\n{}\n{}", "a|".repeat(1000), "-|".repeat(1000), "|\n".repeat(1000));
    assert!(!calls(&table).is_empty());
    // Linear work takes a few seconds at most without optimisation; anything else would take minutes.
    assert!(begun.elapsed().as_secs() < 60);
}
