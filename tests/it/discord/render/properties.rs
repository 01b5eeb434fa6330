//! What holds for every answer.

use caigunn_bridge::channels::discord::render::text_of;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::{messages, notices, units};

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
    "||",
    "<@123456789>",
    "<:emoji:42>",
    "\n-# ",
    "\n>>> ",
    "\n#### ",
    "https://x.org/a_b*c ",
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

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "\\PC{0,400}", "[\\x00-\\x7f]{0,6000}", pieces(), long(), blocks()]
}

fn nothing_to_see(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fe0f}'))
}

fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap()
}

/// All that is neither white space, nor a mark that may be opened again, nor unseen; with its place.
fn core(text: &str) -> Vec<(usize, char)> {
    let left_out = |c: char| {
        matches!(c, '*' | '_' | '~' | '|' | '`' | '>' | '-' | '#') || nothing_to_see(c.encode_utf8(&mut [0; 4]))
    };
    text.char_indices().filter(|(_, c)| !left_out(*c)).collect()
}

fn begins(whole: &[(usize, char)], part: &[(usize, char)]) -> bool {
    part.len() <= whole.len() && part.iter().zip(whole).all(|(a, b)| a.1 == b.1)
}

fn sent_whole(whole: &str, messages: &[String]) -> Result<(), TestCaseError> {
    let kept = core(whole);
    let longest = whole.graphemes(true).map(units).max().unwrap_or(0);
    // Where the messages so far may have come to: the language of a fence that is opened again is not part of the whole.
    let mut ends = vec![0];
    for message in messages {
        prop_assert!(units(message) <= 2000);
        prop_assert!(!nothing_to_see(message));
        prop_assert_eq!(message.trim(), message, "Discord would trim it");
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        let parts = [Some(core(message)), first.contains("```").then(|| core(rest))];
        let mut next = Vec::new();
        for (at, part) in ends.iter().flat_map(|at| parts.iter().flatten().map(move |part| (*at, part))) {
            let end = at + part.len();
            if begins(&kept[at..], part) && !next.contains(&end) && (longest >= 100 || whole_before(whole, &kept, end))
            {
                next.push(end);
            }
        }
        ends = next;
        prop_assert!(!ends.is_empty(), "{:?} is not in {:?}, or cuts a character", message, whole);
    }
    prop_assert!(ends.contains(&kept.len()), "lost the end of {:?}", whole);
    Ok(())
}

/// Whether no character ends in the middle where the first `end` of what is kept do.
fn whole_before(whole: &str, kept: &[(usize, char)], end: usize) -> bool {
    let (Some((at, c)), Some((next, _))) = (end.checked_sub(1).map(|last| kept[last]), kept.get(end)) else {
        return true;
    };
    at + c.len_utf8() != *next || is_boundary(whole, *next)
}

fn holds(markdown: &str) -> Result<(), TestCaseError> {
    let found = messages(markdown);
    prop_assert!(!found.is_empty() || nothing_to_see(markdown));
    for message in &found {
        prop_assert_eq!(message.matches("```").count() % 2, 0, "a fence is open in {:?}", message);
        // Fences are on lines of their own.
        for (at, _) in message.match_indices("```") {
            prop_assert!(
                message[..at].is_empty() || message[..at].ends_with('\n') || &message[..at] == ">>> ",
                "{:?}",
                message
            );
        }
    }
    let whole = text_of(markdown);
    if !nothing_to_see(&whole) {
        sent_whole(&whole, &found)?;
    }
    Ok(())
}

/// Emphasis that is written well, in paragraphs of any length.
fn well_written() -> impl Strategy<Value = String> {
    let words = || "[a-z]{1,12}( [a-z]{1,12}){0,40}";
    let piece = prop_oneof![
        words().prop_map(|text| format!("{text}. ")),
        (words(), select(&["**", "*", "__", "~~", "||", "`", "***"][..]))
            .prop_map(|(text, mark)| format!("{mark}{text}{mark} ")),
        (words(), words()).prop_map(|(a, b)| format!("**{a} ~~{b}~~** ")),
        (words(), words()).prop_map(|(a, b)| format!("||{a} *{b}*, {a}|| ")),
        words().prop_map(|text| format!("[{text}](https://x.org/a_b*c) ")),
    ];
    let begin = select(&["", "> ", "- ", "-# ", "1. "][..]);
    let paragraph = (begin, vec(piece, 1..40)).prop_map(|(begin, pieces)| format!("{begin}{}\n\n", pieces.concat()));
    vec(paragraph, 1..6).prop_map(|paragraphs| paragraphs.concat())
}

/// A notice as Discord shows it.
fn unescaped(text: &str) -> String {
    let (mut shown, mut signs) = (String::new(), text.chars().peekable());
    while let Some(c) = signs.next() {
        if c != '\\' || !signs.peek().is_some_and(|c| !c.is_alphanumeric() && !c.is_whitespace()) {
            shown.push(c);
        } else {
            shown.extend(signs.next());
        }
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2000),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_answer_is_sent_whole_in_messages_that_discord_takes(markdown in anything()) {
        holds(&markdown)?;
    }

    #[test]
    fn long_ones_too(markdown in prop_oneof![long(), blocks()]) {
        holds(&markdown)?;
    }

    #[test]
    fn no_mark_is_left_alone(markdown in well_written()) {
        for message in messages(&markdown) {
            let text = message.replace("(https://x.org/a_b*c)", "()");
            for mark in ["**", "__", "~~", "||", "`"] {
                prop_assert_eq!(text.matches(mark).count() % 2, 0, "{} in {:?}", mark, message);
            }
            prop_assert_eq!(text.replace("**", "").matches('*').count() % 2, 0, "{:?}", message);
            prop_assert_eq!(text.matches('[').count(), text.matches("]()").count(), "a link is cut in {:?}", message);
            for empty in ["****", "____", "~~~~", "||||", "``"] {
                prop_assert!(!text.contains(empty), "{:?}", message);
            }
        }
    }

    #[test]
    fn notices_show_what_they_say(text in anything()) {
        let text = text.replace("http", "hyper").replace('\r', "");
        let shown: String = notices(&text).iter().map(|message| unescaped(message)).collect();
        let kept = |text: &str| text.chars().filter(|c| !nothing_to_see(c.encode_utf8(&mut [0; 4]))).collect::<String>();
        prop_assert_eq!(kept(&shown), kept(&text));
    }
}
