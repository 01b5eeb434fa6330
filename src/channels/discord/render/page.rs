//! A text as Discord is to have it, and where its blocks of code are.

use std::borrow::Cow;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
    /// In order.
    pub(super) codes: Vec<Code>,
    /// Where a `>>>` is that makes a quote of all that follows.
    pub(super) quoted: Option<usize>,
}

/// A block of code, its fences included, each of which is on a line of its own.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) whole: Range<usize>,
    /// The lines, without the line break before the last fence.
    pub(super) body: Range<usize>,
}

pub(super) const FENCE: &str = "```";

impl Page {
    /// The fence that opens a block, with its language and line break.
    pub(super) fn opening(&self, code: &Code) -> &str {
        &self.text[code.whole.start..code.body.start]
    }

    /// A block of code on lines of its own; nothing if it is blank: Discord shows the bare fences of an empty one.
    pub(super) fn push_code(&mut self, language: &str, body: &str) {
        if is_blank(body) {
            return;
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text.extend([FENCE, language, "\n"]);
        let from = self.text.len();
        // A fence within code would end it: Discord knows no longer ones, and no escapes there
        // (<https://github.com/satorijs/satori/pull/279>).
        let body = body.trim_end_matches('\n');
        if body.contains(FENCE) {
            self.text.push_str(&body.replace('`', "`\u{200b}"));
        } else {
            self.text.push_str(body);
        }
        let to = self.text.len();
        self.text.push('\n');
        self.text.push_str(FENCE);
        self.codes.push(Code { whole: start..self.text.len(), body: from..to });
        self.text.push('\n');
    }
}

/// The text without control characters, which become spaces.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let control = |byte: u8| (byte < b' ' && !matches!(byte, b'\n' | b'\t')) || byte == 0x7f;
    if !text.bytes().any(control) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    Cow::Owned(text.replace(|c: char| c.is_ascii() && control(c as u8), " "))
}

/// Whether there is nothing to see. A little wider than the white space that Discord is known to refuse.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}')
    })
}
