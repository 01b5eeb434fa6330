//! Writes a part of a document as Telegram's HTML (<https://core.telegram.org/bots/api#html-style>), and as plain text.

use std::ops::Range;

use crate::channels::telegram::render::document::{BOLD, CODE, Document, ITALIC, Look, STRIKE, Strand};
use crate::layout::cut::units;

/// What can be open at once, outermost first. Within a quote anything can be; within a link only bold and its like; within
/// code nothing.
const LEVELS: usize = 7;

/// The part as HTML; `None` if nothing in it needs any.
pub(super) fn write(document: &Document, range: &Range<usize>) -> Option<String> {
    let strand = &document.strand;
    let first = strand.runs.partition_point(|run| run.end <= range.start);
    if strand.within(range.clone(), first).all(|(_, look)| look == Look::default()) {
        return None;
    }
    let mut html = String::with_capacity(range.len() + range.len() / 4 + 32);
    let mut open = Look::default();
    for (text, look) in strand.within(range.clone(), first) {
        change(document, &mut html, open, look);
        escape(&mut html, text);
        open = look;
    }
    change(document, &mut html, open, Look::default());
    Some(html)
}

/// What a look has open at each level; 0 is nothing.
fn levels(look: Look) -> [u32; LEVELS] {
    let mark = |mark| u32::from(look.marks & mark);
    [look.quote, look.block, look.link, mark(BOLD), mark(ITALIC), mark(STRIKE), mark(CODE)]
}

/// Closes what the next stretch does not share, opens what it adds.
fn change(document: &Document, html: &mut String, before: Look, after: Look) {
    let (old, new) = (levels(before), levels(after));
    let shared = (0..LEVELS).find(|&level| old[level] != new[level]).unwrap_or(LEVELS);
    for level in (shared..LEVELS).rev().filter(|&level| old[level] != 0) {
        html.push_str(match level {
            0 => "</blockquote>",
            1 if document.language(before).is_some() => "</code></pre>",
            1 => "</pre>",
            2 => "</a>",
            3 => "</b>",
            4 => "</i>",
            5 => "</s>",
            _ => "</code>",
        });
    }
    for level in (shared..LEVELS).filter(|&level| new[level] != 0) {
        match level {
            0 => html.push_str("<blockquote>"),
            1 => match document.language(after) {
                Some(language) => {
                    html.push_str("<pre><code class=\"language-");
                    escape(html, language);
                    html.push_str("\">");
                }
                None => html.push_str("<pre>"),
            },
            2 => {
                html.push_str("<a href=\"");
                escape(html, document.link(after).unwrap_or_default());
                html.push_str("\">");
            }
            3 => html.push_str("<b>"),
            4 => html.push_str("<i>"),
            5 => html.push_str("<s>"),
            _ => html.push_str("<code>"),
        }
    }
}

/// The four references that Telegram knows.
fn escape(html: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"')) {
        html.push_str(&rest[..at]);
        html.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&quot;",
        });
        rest = &rest[at + 1..];
    }
    html.push_str(rest);
}

/// The part as plain text with the URLs of its links, or without them if it would be longer than `max` UTF-16 units.
pub(super) fn plain_within(document: &Document, range: &Range<usize>, max: usize) -> String {
    let plain = plain(document, &document.strand, range.clone());
    // No text has more UTF-16 units than bytes.
    if plain.len() <= max || units(&plain) <= max { plain } else { document.text()[range.clone()].to_owned() }
}

/// The part with the URL of each link behind it.
pub(super) fn plain(document: &Document, strand: &Strand, range: Range<usize>) -> String {
    let mut plain = String::with_capacity(range.len());
    let (mut open, mut start) = (Look::default(), 0);
    let first = strand.runs.partition_point(|run| run.end <= range.start);
    let pieces = strand.within(range, first).chain([("", Look::default())]);
    for (text, look) in pieces {
        if look.link != open.link {
            if let Some(url) = document.link(open)
                && plain[start..] != *url
            {
                plain.extend([" (", url, ")"]);
            }
            start = plain.len();
        }
        plain.push_str(text);
        open = look;
    }
    plain
}
