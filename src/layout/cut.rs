//! Where a text may be cut.

use unicode_segmentation::GraphemeCursor;

/// The length of a text in UTF-16 units.
pub fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// The length of a text in UTF-16 units if that is within `max`, else how many bytes of it are.
pub fn fit(text: &str, max: usize) -> Result<usize, usize> {
    if text.is_ascii() {
        return if text.len() <= max { Ok(text.len()) } else { Err(max) };
    }
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > max {
            return Err(at);
        }
    }
    Ok(units)
}

/// Where something ends with one of the characters that `is_end` knows by what is before and behind them, the last place first.
pub fn ends(
    text: &str,
    from: usize,
    to: usize,
    is_end: fn(&str, char, Option<char>) -> bool,
) -> impl Iterator<Item = usize> {
    let mut next = text[to..].chars().next();
    text[from..to].char_indices().rev().filter_map(move |(at, c)| {
        let behind = next.replace(c);
        is_end(&text[..from + at], c, behind).then_some(from + at + c.len_utf8())
    })
}

/// Chinese needs no space behind a sentence; closing marks stay with theirs.
pub fn ends_sentence(before: &str, c: char, next: Option<char>) -> bool {
    let closing = |c| matches!(c, '」' | '』' | '）' | '”' | '》');
    let full = |c| matches!(c, '。' | '！' | '？');
    match c {
        '.' | '!' | '?' | '…' | '”' if next.is_none_or(char::is_whitespace) => true,
        _ if next.is_some_and(|next| closing(next) || full(next)) => false,
        _ => full(c) || (closing(c) && before.ends_with(full)),
    }
}

pub fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(true)
}
