//! From an action to single calls. Pure: no clock, no store, no address.
//!
//! In flow order: [`markdown`] makes the model's Markdown into a [`page`] of Discord's (with [`inline`] and [`table`]), [`escape`] does
//! so for what the bridge itself says, [`marks`] finds what a cut would break, [`split`] cuts the page into messages.

mod escape;
mod inline;
mod markdown;
mod marks;
mod page;
mod split;
mod table;

use serde::{Deserialize, Serialize};

use crate::channels::discord::ids;
use crate::channels::discord::render::page::{Page, is_blank};
use crate::model::outbound::Voice;
use crate::model::{OutboundAction, Rendered, Target};

/// The longest message, in UTF-16 units. Discord counts code points
/// (<https://github.com/discord/discord-api-docs/issues/1315>, a comment of its staff), of which there are never more; some
/// clients count units.
pub const MAX_TEXT: usize = 2000;

/// The body of a call, as a row keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    Message {
        content: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
        /// Whether links show no preview.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        suppress_embeds: bool,
    },
    /// A text as a file, with a few words above it.
    File {
        name: String,
        content: String,
        lead: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
    },
}

/// How answers are rendered.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether links show previews.
    pub previews: bool,
    /// An answer that needs more messages goes as a file.
    pub max_messages: usize,
}

/// The calls of an action, in order; none for a text in which there is nothing to see (Discord refuses it with 50006).
pub fn render(action: &OutboundAction, to: &Target, style: Style) -> Vec<Rendered> {
    let (text, reply_to, voice) = match action {
        OutboundAction::Send { text, reply_to, voice, .. } => (text, reply_to.clone(), *voice),
        OutboundAction::Edit { text, .. } => (text, None, Voice::Bot),
    };
    let mut row = Row { to, style, reply_to };
    if is_blank(text) {
        return Vec::new();
    }
    if is_simple(text) {
        return vec![row.of(text.trim().to_owned())];
    }
    let page = match voice {
        Voice::Notice => escape::page(text),
        Voice::Bot => markdown::page(text),
    };
    // An answer that is nothing but a comment, or an empty block of code.
    let page = if is_blank(&page.text) { escape::page(text) } else { page };
    let chunks = split::split(&page);
    if chunks.len() > style.max_messages && voice == Voice::Bot {
        return vec![row.file(text, &page)];
    }
    chunks.into_iter().map(|chunk| row.of(chunk)).collect()
}

/// What the messages of an answer say together, before it is cut into them.
pub fn text_of(markdown: &str) -> String {
    markdown::page(markdown).text
}

/// Whether neither Discord nor we would change a text, and it fits in one message.
fn is_simple(text: &str) -> bool {
    // No text has more UTF-16 units than bytes.
    if text.len() > MAX_TEXT || text.starts_with([' ', '\t']) {
        return false;
    }
    let marks = |byte: u8| {
        matches!(byte, b'\\' | b'`' | b'*' | b'_' | b'~' | b'[' | b']' | b'<' | b'>' | b'|' | b'#' | b':')
            || (byte < b' ' && byte != b'\n')
    };
    if text.bytes().any(marks) {
        return false;
    }
    // What means something only where a line begins: lists, rules, underlines of headings.
    text.split('\n')
        .all(|line| !line.starts_with([' ', '-', '+', '=', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
        && !text.contains("\n\n\n")
        && !text.contains(" \n")
}

/// Makes rows; the reply goes to the first of them.
struct Row<'a> {
    to: &'a Target,
    style: Style,
    reply_to: Option<String>,
}

impl Row<'_> {
    fn of(&mut self, content: String) -> Rendered {
        let call = Call::Message { content, reply_to: self.reply_to.take(), suppress_embeds: !self.style.previews };
        // Discord rejects no markup, so there is nothing to fall back to.
        self.rendered(&call, None)
    }

    /// The source as a file, with its beginning above it. Where files are not allowed, as much of it as one message holds.
    fn file(&mut self, source: &str, page: &Page) -> Rendered {
        let reply_to = self.reply_to.take();
        let call = Call::File {
            name: "answer.md".to_owned(),
            content: source.to_owned(),
            lead: split::lead(page),
            reply_to: reply_to.clone(),
        };
        let content = split::beginning(page, MAX_TEXT);
        let message = Call::Message { content, reply_to, suppress_embeds: !self.style.previews };
        self.rendered(&call, Some(&message))
    }

    fn rendered(&self, call: &Call, plain: Option<&Call>) -> Rendered {
        let json = |call| serde_json::to_string(call).expect("strings can be written");
        Rendered { payload: json(call), plain: plain.map(json), scopes: ids::scopes(self.to), expires_in: None }
    }
}
