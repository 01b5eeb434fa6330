//! Answers as they are sent.

mod answers;
mod limits;
mod properties;

use caigunn_bridge::channels::telegram::render::{Call, Style, render};
use caigunn_bridge::model::{OutboundAction, Rendered, Target};

use super::html::{self, Parsed};

const STYLE: Style = Style { previews: false, max_messages: 1_000 };

/// The messages of an answer, as Telegram keeps them.
fn messages(markdown: &str) -> Vec<Parsed> {
    calls(markdown).iter().map(|row| parsed(&row.payload)).collect()
}

fn calls(markdown: &str) -> Vec<Rendered> {
    render(&OutboundAction::answer(markdown, None), &Target::of("42"), STYLE)
}

fn call(payload: &str) -> Call {
    serde_json::from_str(payload).unwrap()
}

fn parsed(payload: &str) -> Parsed {
    let Call::Message { text, html, .. } = call(payload) else { panic!("no message: {payload}") };
    let parsed = if html { html::parse(&text) } else { html::plain(&text) };
    parsed.unwrap_or_else(|error| panic!("{error}: {text}"))
}
