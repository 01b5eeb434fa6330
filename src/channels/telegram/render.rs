//! From an action to single calls. Pure: no clock, no store, no address.
//!
//! In flow order: [`markdown`] reads the model's Markdown into a [`document`] (with [`cjk`](crate::layout::cjk), [`latex`] and [`link`]), [`split`]
//! cuts it into messages, [`html`] writes each of them.

mod document;
mod html;
mod latex;
mod link;
mod markdown;
mod split;

use serde::{Deserialize, Serialize};

use crate::channels::telegram::config::MAX_TEXT;
use crate::channels::telegram::ids;
use crate::channels::telegram::render::document::{Document, is_blank};
use crate::model::outbound::Voice;
use crate::model::{OutboundAction, Rendered, Target};

/// The body of a call, as a row keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    Message {
        text: String,
        /// Whether the text is Telegram's HTML; plain otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        html: bool,
        /// Whether links show a preview.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        preview: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<i32>,
    },
    /// A text as a file, with a few words above it.
    Document {
        name: String,
        content: String,
        caption: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<i32>,
    },
}

/// How answers are rendered.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub previews: bool,
    /// An answer that needs more messages goes as a file.
    pub max_messages: usize,
}

/// The calls of an action, in order; none for a text in which there is nothing to see (Telegram would refuse it).
pub fn render(action: &OutboundAction, to: &Target, style: Style) -> Vec<Rendered> {
    let (text, reply_to, voice) = match action {
        OutboundAction::Send { text, reply_to, voice, .. } => (text, reply_to.as_deref(), *voice),
        OutboundAction::Edit { text, .. } => (text, None, Voice::Bot),
    };
    let mut row = Row { to, style, reply_to: reply_to.and_then(|id| id.parse().ok()) };
    if is_blank(text) {
        return Vec::new();
    }
    if voice == Voice::Notice {
        return row.plain(text);
    }
    if is_simple(text) {
        return vec![row.of(text.trim_matches([' ', '\n']).to_owned(), None)];
    }
    let document = markdown::document(text);
    let chunks = split::split(&document);
    if chunks.is_empty() {
        return row.plain(text);
    }
    if chunks.len() > style.max_messages {
        return vec![row.file(text, &document)];
    }
    let messages = chunks.into_iter().map(|chunk| match html::write(&document, &chunk) {
        Some(written) => row.of(written, Some(html::plain_within(&document, &chunk, MAX_TEXT))),
        None => row.of(document.text()[chunk].to_owned(), None),
    });
    messages.collect()
}

/// What the messages of an answer say together, before it is cut into them.
pub fn text_of(markdown: &str) -> String {
    markdown::document(markdown).strand.text
}

/// Whether Markdown would leave a text as it is, and it fits in one message.
fn is_simple(text: &str) -> bool {
    // No text has more UTF-16 units than bytes.
    if text.len() > MAX_TEXT || text.starts_with([' ', '\t']) {
        return false;
    }
    let marks = |byte: u8| {
        matches!(byte, b'\\' | b'`' | b'*' | b'_' | b'~' | b'[' | b']' | b'<' | b'>' | b'&' | b'|' | b'#')
            || (byte < b' ' && byte != b'\n')
    };
    if text.bytes().any(marks) {
        return false;
    }
    // What means something only where a line begins: lists, rules, underlines of headings, indented code.
    text.split('\n')
        .all(|line| !line.starts_with([' ', '-', '+', '=', ':', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
        && !text.contains("\n\n\n")
        && !text.contains(" \n")
        // Telegram deletes them; read as Markdown they are line breaks.
        && !text.contains(['\u{2028}', '\u{2029}'])
}

/// Makes rows; the reply goes to the first of them.
struct Row<'a> {
    to: &'a Target,
    style: Style,
    reply_to: Option<i32>,
}

impl Row<'_> {
    /// A message: HTML if there is a plain text to fall back to.
    fn of(&mut self, text: String, plain: Option<String>) -> Rendered {
        let reply_to = self.reply_to.take();
        let message = |text, html| Call::Message { text, html, preview: self.style.previews, reply_to };
        let call = message(text, plain.is_some());
        let plain = plain.map(|plain| message(plain, false));
        self.rendered(&call, plain.as_ref())
    }

    /// The text as it stands, split only.
    fn plain(&mut self, text: &str) -> Vec<Rendered> {
        let document = Document::plain(text);
        let chunks = split::split(&document);
        chunks.into_iter().map(|chunk| self.of(document.text()[chunk].to_owned(), None)).collect()
    }

    /// The source as a file, with the beginning of what it says as its caption. Where files are not allowed, as much of it as
    /// one message holds.
    fn file(&mut self, source: &str, document: &Document) -> Rendered {
        let lead = split::lead(document);
        let beginning = split::beginning(document, MAX_TEXT - 1);
        let message = Call::Message { text: beginning, html: false, preview: false, reply_to: self.reply_to };
        let call = Call::Document {
            name: "answer.md".to_owned(),
            content: source.to_owned(),
            caption: lead,
            reply_to: self.reply_to.take(),
        };
        self.rendered(&call, Some(&message))
    }

    fn rendered(&self, call: &Call, plain: Option<&Call>) -> Rendered {
        let json = |call| serde_json::to_string(call).expect("strings and numbers can be written");
        Rendered { payload: json(call), plain: plain.map(json), scopes: ids::scopes(self.to), expires_in: None }
    }
}
