//! Cuts a page into messages.

use unicode_segmentation::GraphemeCursor;

use crate::channels::discord::render::MAX_TEXT;
use crate::channels::discord::render::marks::{ATOM, Marks};
use crate::channels::discord::render::page::{Code, FENCE, Page, is_blank};
use crate::layout::cut::{ends, ends_sentence, fit, is_boundary, units};

/// How much of an answer is told above the file that it goes as.
const LEAD: usize = 300;

/// What marks a line, and the rest of it after a cut.
const LINE_MARKS: [&str; 2] = ["> ", "-# "];

/// What closes everything that can be open at a cut is never longer.
const MAX_CLOSING: usize = 16;

/// The messages.
pub(super) fn split(page: &Page) -> Vec<String> {
    let text = page.text.trim_end();
    let start = text.len() - text.trim_start().len();
    if fit(&text[start..], MAX_TEXT).is_ok() {
        return vec![text[start..].to_owned()];
    }
    let mut cutter = Cutter::new(page, MAX_TEXT);
    let mut chunks = Vec::new();
    while let Some(chunk) = cutter.next() {
        if !is_blank(&chunk) {
            chunks.push(chunk);
        }
    }
    chunks
}

/// The first words of an answer.
pub(super) fn lead(page: &Page) -> String {
    beginning(page, LEAD)
}

/// The beginning of the text, of at most `max` UTF-16 units, and a sign that it goes on.
pub(super) fn beginning(page: &Page, max: usize) -> String {
    let text = page.text.trim();
    if fit(text, max).is_ok() {
        return text.to_owned();
    }
    let mut chunk = Cutter::new(page, max - 2).next().unwrap_or_default();
    if chunk.ends_with(FENCE) {
        // A fence is on a line of its own.
        chunk.push('\n');
    } else if chunk.rsplit(char::is_whitespace).next().is_some_and(|word| word.contains("://")) {
        // The sign would be taken for a part of the URL.
        chunk.push(' ');
    }
    chunk.push('…');
    chunk
}

struct Cutter<'a> {
    page: &'a Page,
    text: &'a str,
    marks: Marks,
    max: usize,
    /// Where the next message begins, what opens again there, and where its line begins.
    start: usize,
    opening: String,
    line: usize,
    /// Whether it begins within a block of code.
    inside: bool,
    /// The first block of code that does not end before.
    code: usize,
}

impl<'a> Cutter<'a> {
    fn new(page: &'a Page, max: usize) -> Self {
        let text = page.text.trim_end();
        let start = text.len() - text.trim_start().len();
        Self {
            page,
            text,
            marks: Marks::of(page),
            max,
            start,
            opening: String::new(),
            line: start,
            inside: false,
            code: 0,
        }
    }

    fn next(&mut self) -> Option<String> {
        let (text, start) = (self.text, self.start);
        if start >= text.len() {
            return None;
        }
        let mut chunk = std::mem::take(&mut self.opening);
        let room = self.max - units(&chunk);
        let Err(reach) = fit(&text[start..], room) else {
            chunk.push_str(&text[start..]);
            self.start = text.len();
            return Some(chunk);
        };
        let mut at = self.cut(start, start + reach);
        let (mut closing, mut opening) = self.around(at);
        if !closing.is_empty() && fit(text[start..at].trim_end(), room - units(&closing)).is_err() {
            let reach = fit(&text[start..], room - MAX_CLOSING).unwrap_or_else(|reach| reach);
            at = self.cut(start, start + reach);
            (closing, opening) = self.around(at);
        }
        let code = self.code_at(at);
        let piece = text[start..at].trim_end();
        // Bare fences would be shown as such.
        if code.is_some() && self.inside && piece.is_empty() {
            chunk.clear();
        } else {
            chunk.push_str(piece);
            chunk.push_str(&closing);
        }
        self.go_on(at, opening, code);
        Some(chunk)
    }

    /// Sets where the next message begins: white space is left out, but not the indentation of a line of code.
    fn go_on(&mut self, at: usize, opening: String, code: Option<&Code>) {
        // Blank lines of code are left out at a cut, as Discord leaves them out where a block begins.
        let skipped = code.map(|code| {
            let body = &self.text[at.min(code.body.end)..code.body.end];
            let blank = &body[..body.len() - body.trim_start().len()];
            (blank.len() < body.len(), at + blank.rfind('\n').map_or(0, |line| line + 1), code.whole.end)
        });
        let (inside, at) = match skipped {
            Some((true, next, _)) => (true, next),
            // Nothing is left of it but its fence.
            Some((false, _, end)) => (false, end),
            None => (false, at),
        };
        self.inside = inside;
        let rest = &self.text[at..];
        let mut start = if inside { at } else { at + rest.len() - rest.trim_start().len() };
        let opening = if inside || code.is_none() { opening } else { String::new() };
        if let Some(line) = self.text[self.start..start].rfind('\n') {
            self.line = self.start + line + 1;
        }
        while self.page.codes.get(self.code).is_some_and(|code| code.whole.end <= start) {
            self.code += 1;
        }
        let line = &self.text[self.line..];
        if !inside && start < self.text.len() {
            if self.page.quoted.is_some_and(|quote| quote < start) {
                self.opening.push_str(">>> ");
            } else if let Some(mark) = LINE_MARKS.into_iter().find(|mark| line.starts_with(mark)) {
                if self.line < start {
                    self.opening.push_str(mark);
                } else if !opening.is_empty() {
                    // What opens again does so behind the mark of the line.
                    self.opening.push_str(mark);
                    start += mark.len();
                }
            }
        }
        self.opening.push_str(&opening);
        self.start = start;
    }

    fn code_at(&self, at: usize) -> Option<&'a Code> {
        let page = self.page;
        let next = self.code + page.codes[self.code..].partition_point(|code| code.whole.end <= at);
        page.codes.get(next).filter(|code| code.whole.start < at)
    }

    /// What closes all that is open at a place, and what opens it again.
    fn around(&self, at: usize) -> (String, String) {
        match self.code_at(at) {
            Some(code) => (format!("\n{FENCE}"), self.page.opening(code).to_owned()),
            None => self.marks.around(at),
        }
    }

    /// The best place to cut between `start` and `reach`. Outside of emphasis: after a paragraph or a line in the second half,
    /// after a sentence or a word in the last third. Then the same within it, then between two characters as people count them.
    fn cut(&self, start: usize, reach: usize) -> usize {
        let text = self.text;
        // White space right behind makes `reach` itself a good place.
        let beyond = reach + text[reach..].bytes().take(2).take_while(|byte| matches!(byte, b' ' | b'\n')).count();
        let half = text.floor_char_boundary(start + (reach - start) / 2);
        let third = text.floor_char_boundary(start + (reach - start) / 3 * 2);
        for avoided in [u8::MAX, ATOM] {
            let good = |at: &usize| {
                (start + 1..=reach).contains(at) && self.marks.at(*at) & avoided == 0 && is_boundary(text, *at)
            };
            let lines = |from: usize| text[from..beyond].rmatch_indices('\n').map(move |(at, _)| from + at);
            let ends_paragraph = |at: &usize| {
                let next = &text[at + 1..];
                self.code_at(*at).is_none()
                    && (next.starts_with('\n') || next.starts_with(FENCE) || next.starts_with('#'))
            };
            let paragraph = || lines(half).filter(ends_paragraph).find(good);
            let line = || lines(half).find(good);
            let sentence = || ends(text, third, reach, ends_sentence).find(good);
            let word = || text[third..beyond].rmatch_indices(' ').map(|(at, _)| third + at).find(good);
            let clause = || ends(text, third, reach, |_, c, _| matches!(c, '，' | '、' | '；' | '：')).find(good);
            if let Some(at) = paragraph().or_else(line).or_else(sentence).or_else(word).or_else(clause) {
                return at;
            }
        }
        let places = || text[third..reach].char_indices().rev().map(|(at, _)| third + at);
        let places = || std::iter::once(reach).chain(places()).filter(|at| *at > start);
        let whole = |avoided: u8| places().find(|at| self.marks.at(*at) & avoided == 0 && is_boundary(text, *at));
        whole(u8::MAX).or_else(|| whole(ATOM)).unwrap_or_else(|| {
            // A character or a URL that is longer than a message.
            let before = GraphemeCursor::new(reach, text.len(), true).prev_boundary(text, 0);
            match before {
                _ if is_boundary(text, reach) => reach,
                Ok(Some(before)) if before > start => before,
                _ => reach,
            }
        })
    }
}
