//! Cuts a document into messages.

use std::ops::Range;

use unicode_segmentation::GraphemeCursor;

use crate::channels::telegram::config::MAX_TEXT;
use crate::channels::telegram::render::document::{Document, Look, Strand, is_blank};
use crate::layout::cut::{ends, ends_sentence, fit, is_boundary};

/// The most entities that Telegram keeps in a message; those after it lose their effect (<https://limits.tginfo.me/en>).
const MAX_ENTITIES: usize = 100;

/// How much of an answer is told above the file that it goes as, in UTF-16 units. A caption may have 1024.
const LEAD: usize = 300;

/// What Telegram takes away at the ends of a text.
const TRIMMED: [char; 2] = [' ', '\n'];

/// The parts of the text that become a message each. Between them only white space is left out, and what nobody could see.
pub(super) fn split(document: &Document) -> Vec<Range<usize>> {
    let (strand, text) = (&document.strand, document.text());
    let (mut chunks, mut start, mut first) = (Vec::new(), 0, 0);
    loop {
        start = begin(strand, start, first);
        if start == text.len() {
            return chunks;
        }
        first += strand.runs[first..].partition_point(|run| run.end <= start);
        let reach = reach(strand, start, first, MAX_TEXT);
        let end = if reach == text.len() { reach } else { cut(text, start, reach) };
        let chunk = start..start + text[start..end].trim_end_matches(TRIMMED).len();
        if !is_blank(&text[chunk.clone()]) {
            chunks.push(chunk);
        }
        start = end;
    }
}

/// The first words of an answer.
pub(super) fn lead(document: &Document) -> String {
    beginning(document, LEAD)
}

/// The beginning of what the text says, of at most `max` UTF-16 units and a sign that it goes on.
pub(super) fn beginning(document: &Document, max: usize) -> String {
    let text = document.text().trim();
    let lead = match fit(text, max) {
        Ok(_) => text.to_owned(),
        Err(reach) => format!("{}…", text[..cut(text, 0, reach)].trim_end()),
    };
    if is_blank(&lead) { "📄".to_owned() } else { lead }
}

/// Where the text goes on after a cut: white space is left out, but not the indentation of a line of code.
fn begin(strand: &Strand, cut: usize, first: usize) -> usize {
    let text = &strand.text;
    let mut start = text.len() - text[cut..].trim_start_matches(TRIMMED).len();
    if start == text.len() {
        return start;
    }
    let runs = &strand.runs[first..];
    let run = runs.partition_point(|run| run.end <= start);
    if runs[run].look.block != 0 {
        // What Telegram trims, it trims outside of code only.
        let code = run.checked_sub(1).map_or(0, |before| runs[before].end).max(cut);
        let line = text[code..start].rfind('\n').map(|at| code + at + 1);
        let whole = code == 0 || code > cut || text[..code].ends_with('\n');
        start = line.or(whole.then_some(code)).unwrap_or(start);
    }
    start
}

/// The furthest that a message which begins at `start` can reach.
fn reach(strand: &Strand, start: usize, first: usize, max: usize) -> usize {
    let (mut left, mut entities, mut before, mut from) = (max, 0, Look::default(), start);
    for run in &strand.runs[first..] {
        entities += run.look.entities_after(before);
        if entities > MAX_ENTITIES {
            break;
        }
        match fit(&strand.text[from..run.end], left) {
            Ok(units) => left -= units,
            Err(bytes) => return from + bytes,
        }
        (before, from) = (run.look, run.end);
    }
    from
}

/// The best place to cut between `start` and `reach`: after a paragraph or a line in the second half, after a sentence or a
/// word in the last third, else between two characters as people count them.
fn cut(text: &str, start: usize, reach: usize) -> usize {
    // White space right behind makes `reach` itself a good place.
    let beyond = reach + text[reach..].bytes().take(2).take_while(|byte| matches!(byte, b' ' | b'\n')).count();
    let half = text.floor_char_boundary(start + (reach - start) / 2);
    let third = text.floor_char_boundary(start + (reach - start) / 3 * 2);
    let good = |at: &usize| (start + 1..=reach).contains(at) && is_boundary(text, *at);

    let blank_line = || text[half..beyond].rfind("\n\n").map(|at| half + at).filter(good);
    let line = || text[half..beyond].rfind('\n').map(|at| half + at).filter(good);
    let sentence = || ends(text, third, reach, ends_sentence).find(good);
    let word = || text[third..beyond].rfind(' ').map(|at| third + at).filter(good);
    let clause = || ends(text, third, reach, |_, c, _| matches!(c, '，' | '、' | '；' | '：')).find(good);
    if let Some(at) = blank_line().or_else(line).or_else(sentence).or_else(word).or_else(clause) {
        return at;
    }
    if is_boundary(text, reach) {
        return reach;
    }
    let before = GraphemeCursor::new(reach, text.len(), true).prev_boundary(text, 0);
    match before {
        Ok(Some(before)) if before > start => before,
        // One that is longer than a message.
        _ => reach,
    }
}
