//! What holds for every answer.

use caigunn_bridge::channels::telegram::render::{Call, text_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::{call, calls, parsed};
use crate::telegram::html::{self, units};

/// Pieces of Markdown, of scripts, and of what is neither.
const PIECES: &[&str] = &[
    "word",
    "two words ",
    ". ",
    "! ",
    ", ",
    "\n",
    "\n\n",
    "  \n",
    "\t",
    "    ",
    " ",
    "\\",
    "\"",
    "'",
    "&",
    "<",
    ">",
    "&amp;",
    "&lt;b&gt;",
    "&#0;",
    "&nbsp;",
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "`",
    "``",
    "```\n",
    "\n```rust\n",
    "\n```\n",
    "# ",
    "\n## ",
    "\n> ",
    "\n> > ",
    "\n- ",
    "\n  - ",
    "\n    - ",
    "\n1. ",
    "\n   2. ",
    "\n- [ ] ",
    "\n- [x] ",
    "\n---\n",
    "\n===\n",
    "[",
    "](",
    "](https://example.org/a?b&c)",
    "](http://localhost/)",
    "](mailto:a@b.c)",
    "](javascript:x)",
    "![",
    "](https://a.b/\"x)",
    ")",
    "<https://auto.example/>",
    "<b>",
    "</b>",
    "<br>",
    "<!-- ",
    " -->",
    "<pre>",
    "\n\n<div>\n",
    "|",
    " | ",
    "\n|---|:-:|\n",
    "\n| a | b |\n|---|--:|\n| c | d |\n",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "$",
    "\\\\",
    "漢字",
    "。",
    "，",
    "「引用」",
    "ｶﾞ",
    "한국어",
    "שלום ",
    "مرحبا ",
    "नमस्ते",
    "👨‍👩‍👧‍👦",
    "🇹🇼",
    "🇹",
    "👍🏽",
    "e\u{301}\u{323}",
    "\u{301}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{200b}",
    "\u{feff}",
    "\u{3000}",
    "\u{200f}",
    "\u{a0}",
    "\u{2028}",
    "\r\n",
    "\u{600}",
    "\u{1f}",
    "x\ny",
    "𝒳",
];

fn pieces() -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

/// Pieces that go on for longer than a message.
fn long() -> impl Strategy<Value = String> {
    (pieces(), vec(select(PIECES), 1..12), 1..900_usize, pieces())
        .prop_map(|(before, again, times, after)| [before, again.concat().repeat(times), after].concat())
}

fn blocks() -> impl Strategy<Value = String> {
    let block = prop_oneof![
        pieces().prop_map(|text| format!("{text}\n\n")),
        (pieces(), 0..200_usize).prop_map(|(text, times)| format!("```js\n{}\n```\n\n", text.repeat(times))),
        (pieces(), 1..150_usize).prop_map(|(text, times)| format!("- {}\n", text.replace('\n', " ")).repeat(times)),
        (pieces(), pieces(), 0..40_usize).prop_map(|(a, b, times)| {
            let row = format!("| {} | {} |\n", a.replace('\n', " "), b.replace('\n', " "));
            format!("\n\n{row}|---|:-:|\n{}\n\n", row.repeat(times))
        }),
        ("[a-z ]{0,5000}", 0..3_usize).prop_map(|(text, quotes)| format!("{}{text}\n\n", "> ".repeat(quotes))),
        (select(PIECES), 0..6000_usize).prop_map(|(piece, times)| piece.repeat(times.min(12_000 / piece.len()))),
    ];
    vec(block, 0..6).prop_map(|blocks| blocks.concat())
}

/// The characters that Telegram deletes would make other clusters of what is left.
fn anything() -> impl Strategy<Value = String> {
    let text = prop_oneof![any::<String>(), "\\PC{0,400}", "[\\x00-\\x7f]{0,6000}", pieces(), long(), blocks()];
    text.prop_map(|text| {
        text.replace(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{30a}' | '\u{333}' | '\u{33f}'), "å")
    })
}

fn nothing_to_see(text: &str) -> bool {
    html::plain(text).is_err()
        || text.chars().all(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fe0f}')
        })
}

fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap()
}

fn holds(markdown: &str) -> Result<(), TestCaseError> {
    let rows = calls(markdown);
    prop_assert!(!rows.is_empty() || nothing_to_see(markdown));
    // Cleaned as Telegram does, but not trimmed: what begins with code may begin with a space.
    let framed = html::plain(&format!("x{}x", text_of(markdown))).unwrap().text;
    let whole = framed[1..framed.len() - 1].to_owned();
    let fell_back = nothing_to_see(&whole);
    let longest = whole.graphemes(true).map(units).max().unwrap_or(0);

    let mut at = 0;
    for row in rows {
        let message = parsed(&row.payload);
        prop_assert!(units(&message.text) <= 4096);
        prop_assert!(message.entities.len() <= 100, "{} entities", message.entities.len());
        prop_assert!(!nothing_to_see(&message.text));
        let Call::Message { text, html, .. } = call(&row.payload) else { panic!() };
        prop_assert_eq!(html, row.plain.is_some());
        // No entity is nested in a way for which Telegram would drop it.
        if html {
            let kept = |kinds: &[&str]| message.entities.iter().filter(|entity| kinds.contains(&entity.kind)).count();
            let written = |tag: &str| text.matches(tag).count();
            prop_assert_eq!(written("<a href"), kept(&["text_link", "text_mention"]), "{}", text);
            prop_assert_eq!(written("<pre>"), kept(&["pre"]), "{}", text);
            prop_assert_eq!(written("<code>"), kept(&["code"]), "{}", text);
            // A quote of white space only is none.
            let quotes = text.split("<blockquote>").skip(1).map(|rest| rest.split("</blockquote>").next().unwrap());
            let seen = |inner: &&str| {
                let framed = html::parse(&format!("x{inner}x")).unwrap().text;
                !framed[1..framed.len() - 1].chars().all(|c| matches!(c, ' ' | '\n'))
            };
            let quotes = quotes.filter(seen);
            prop_assert_eq!(quotes.count(), kept(&["blockquote"]), "{}", text);
        }
        if let Some(plain) = &row.plain {
            let Call::Message { text, html: false, .. } = call(plain) else { panic!() };
            prop_assert!(units(&text) <= 4096);
            prop_assert!(!nothing_to_see(&parsed(plain).text));
        }
        if fell_back {
            continue;
        }
        // Only white space is lost between two messages, or what nobody sees.
        let found = whole[at..].find(&message.text);
        prop_assert!(found.is_some(), "{:?} is not in {:?}", message.text, &whole[at..]);
        let start = at + found.unwrap();
        prop_assert!(whole[at..start].is_empty() || nothing_to_see(&whole[at..start]), "lost {:?}", &whole[at..start]);
        at = start + message.text.len();
        if longest < 100 {
            // Telegram trims white space even where it is the base of a mark.
            let begins = whole[..start].ends_with([' ', '\n']) || is_boundary(&whole, start);
            let ends = whole[at..].starts_with([' ', '\n']) || is_boundary(&whole, at);
            prop_assert!(begins && ends, "a cut within {:?}", &whole[start..at]);
        }
    }
    if !fell_back {
        prop_assert!(whole[at..].is_empty() || nothing_to_see(&whole[at..]), "lost {:?}", &whole[at..]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(4096),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_answer_is_sent_whole_in_messages_that_telegram_takes(markdown in anything()) {
        holds(&markdown)?;
    }

    #[test]
    fn long_ones_too(markdown in prop_oneof![long(), blocks()]) {
        holds(&markdown)?;
    }
}
