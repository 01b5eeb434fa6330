//! Answers as they are sent.

mod answers;
mod limits;
mod properties;

use caigunn_bridge::channels::discord::render::{Call, Style, render};
use caigunn_bridge::model::{OutboundAction, Rendered, Target};

const STYLE: Style = Style { previews: false, max_messages: 1_000 };

fn calls(markdown: &str) -> Vec<Rendered> {
    render(&OutboundAction::answer(markdown, None), &Target::of("42"), STYLE)
}

fn notices(text: &str) -> Vec<String> {
    contents(&render(&OutboundAction::notice(text, None), &Target::of("42"), STYLE))
}

/// The messages of an answer.
fn messages(markdown: &str) -> Vec<String> {
    contents(&calls(markdown))
}

fn contents(rows: &[Rendered]) -> Vec<String> {
    let content = |row: &Rendered| match call(&row.payload) {
        Call::Message { content, .. } => content,
        Call::File { .. } => panic!("a file: {}", row.payload),
    };
    rows.iter().map(content).collect()
}

fn call(payload: &str) -> Call {
    serde_json::from_str(payload).unwrap()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
