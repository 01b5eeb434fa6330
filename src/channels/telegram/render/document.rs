//! A text and how its parts look: what Markdown is read into, and what messages are cut from.

use std::ops::Range;

/// How a stretch of text looks. Two neighbours with equal looks are one stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// A set of [`BOLD`], [`ITALIC`], [`STRIKE`]; or [`CODE`] alone.
    pub(super) marks: u8,
    /// Which link it belongs to, counted from 1.
    pub(super) link: u32,
    /// Which code block it is, counted from 1.
    pub(super) block: u32,
    /// Which quote it is part of, counted from 1.
    pub(super) quote: u32,
}

pub(super) const BOLD: u8 = 1;
pub(super) const ITALIC: u8 = 2;
pub(super) const STRIKE: u8 = 4;
pub(super) const CODE: u8 = 8;

impl Look {
    /// What Telegram counts for a stretch of this look after one of another: it splits bold and its like wherever anything
    /// else begins or ends.
    pub(super) fn entities_after(self, before: Self) -> usize {
        self.marks.count_ones() as usize
            + usize::from(self.link != 0 && self.link != before.link)
            + usize::from(self.block != 0 && self.block != before.block)
            + usize::from(self.quote != 0 && self.quote != before.quote)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Where it ends, in bytes.
    pub(super) end: usize,
    pub(super) look: Look,
}

/// A text in runs of one look each.
#[derive(Clone, Debug, Default)]
pub(super) struct Strand {
    pub(super) text: String,
    pub(super) runs: Vec<Run>,
}

impl Strand {
    /// Adds text as Telegram would keep it: control characters become spaces.
    pub(super) fn push(&mut self, text: &str, look: Look) {
        if text.is_empty() {
            return;
        }
        // The last two bytes are those of the Unicode line separators, and of many other characters: a look is worth it.
        if text.bytes().any(|byte| (byte < b' ' && byte != b'\n') || matches!(byte, 0xa8 | 0xa9)) {
            for c in text.chars() {
                match c {
                    '\r' => {}
                    '\t' if look.block != 0 => self.text.push_str("    "),
                    '\n' | '\u{2028}' | '\u{2029}' => self.text.push('\n'),
                    '\0'..=' ' => self.text.push(' '),
                    c => self.text.push(c),
                }
            }
        } else {
            self.text.push_str(text);
        }
        let end = self.text.len();
        match self.runs.last_mut() {
            Some(last) if last.look == look => last.end = end,
            // Only characters that are left out.
            Some(last) if last.end == end => {}
            None if end == 0 => {}
            _ => self.runs.push(Run { end, look }),
        }
    }

    /// Takes the last character away, which must be of one byte.
    pub(super) fn pop(&mut self) {
        self.text.pop();
        let end = self.text.len();
        if let Some(last) = self.runs.last_mut() {
            last.end = end;
        }
        let before = self.runs.len().checked_sub(2).map_or(0, |before| self.runs[before].end);
        if before == end {
            self.runs.pop();
        }
    }

    /// Makes the last link ordinary text.
    pub(super) fn unlink(&mut self, link: u32) {
        for run in self.runs.iter_mut().rev().take_while(|run| run.look.link == link) {
            run.look.link = 0;
        }
    }

    /// The runs within a range, cut to it, from the one at `first` on.
    pub(super) fn within(&self, range: Range<usize>, first: usize) -> impl Iterator<Item = (&str, Look)> {
        let mut start = range.start;
        self.runs[first..].iter().skip_while(move |run| run.end <= range.start).map_while(move |run| {
            let piece = start..run.end.min(range.end);
            start = piece.end;
            (!piece.is_empty()).then(|| (&self.text[piece], run.look))
        })
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) strand: Strand,
    pub(super) links: Vec<String>,
    /// The language of each code block, if it has one.
    pub(super) languages: Vec<Option<String>>,
}

impl Document {
    /// A text without any look.
    pub(super) fn plain(text: &str) -> Self {
        let mut document = Self::default();
        document.strand.push(text, Look::default());
        document
    }

    pub(super) fn text(&self) -> &str {
        &self.strand.text
    }

    pub(super) fn link(&self, look: Look) -> Option<&str> {
        Some(self.links.get(look.link.checked_sub(1)? as usize)?.as_str())
    }

    pub(super) fn language(&self, look: Look) -> Option<&str> {
        self.languages.get(look.block.checked_sub(1)? as usize)?.as_deref()
    }
}

/// Whether there is nothing to see: Telegram refuses such a text. A little wider than what it is known to refuse.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}'
                // Combining marks that Telegram deletes.
                | '\u{30a}' | '\u{333}' | '\u{33f}')
    })
}
