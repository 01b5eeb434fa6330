//! What models write, in English and Chinese.

use std::fmt::Write as _;

use super::{Call, call, calls};

/// The calls as a reader of the snapshots wants them.
fn shown(markdown: &str) -> String {
    let mut shown = String::new();
    for row in calls(markdown) {
        super::parsed(&row.payload);
        match call(&row.payload) {
            Call::Message { text, html, .. } => {
                writeln!(shown, "== {}\n{text}", if html { "html" } else { "plain" }).unwrap();
            }
            Call::Document { name, caption, .. } => writeln!(shown, "== {name}\n{caption}").unwrap(),
        }
        if let Some(plain) = row.plain {
            let Call::Message { text, html: false, .. } = call(&plain) else { panic!("{plain}") };
            writeln!(shown, "-- plain\n{text}").unwrap();
        }
    }
    shown
}

#[test]
fn an_answer_in_english() {
    insta::assert_snapshot!(shown(include_str!("english.md")));
}

#[test]
fn an_answer_in_chinese() {
    insta::assert_snapshot!(shown(include_str!("chinese.md")));
}

#[test]
fn odd_things() {
    insta::assert_snapshot!(shown(include_str!("odd.md")));
}
