//! Where a cut would break something: within emphasis, which is then closed and opened again, and within what has no parts, such as
//! a URL, a mention or an escaped sign.

use std::ops::Range;

use crate::channels::discord::render::inline::url_len;
use crate::channels::discord::render::page::Page;

/// A cut here breaks something that cannot be put together again.
pub(super) const ATOM: u8 = 1 << 7;
/// The most bytes of something that has no parts.
const MAX_ATOM: usize = 600;

/// What can be open, each a bit of the flags. The last one is code in a line.
const DELIMITERS: [&str; 7] = ["**", "*", "_", "__", "~~", "||", "`"];
const TICK: usize = 6;

#[derive(Debug)]
pub(super) struct Marks {
    /// For each place between two bytes, what a cut there is within.
    flags: Vec<u8>,
    /// For each delimiter, what it encloses, itself included; in order.
    spans: [Vec<Span>; DELIMITERS.len()],
}

#[derive(Debug)]
struct Span {
    range: Range<usize>,
    /// Two backticks rather than one.
    double: bool,
}

impl Marks {
    pub(super) fn of(page: &Page) -> Self {
        let mut marks = Self { flags: vec![0; page.text.len() + 1], spans: Default::default() };
        let mut from = 0;
        for code in &page.codes {
            marks.scan(&page.text, from..code.whole.start);
            // A fence stays whole, and with it some of its code.
            marks.atom(code.whole.start..code.body.start + 1);
            marks.atom(code.body.end - 1..code.whole.end);
            from = code.whole.end;
        }
        marks.scan(&page.text, from..page.text.len());
        marks
    }

    pub(super) fn at(&self, place: usize) -> u8 {
        self.flags[place]
    }

    /// What closes the emphasis around a place, and what opens it again.
    pub(super) fn around(&self, place: usize) -> (String, String) {
        let mut open = Vec::new();
        if self.flags[place] & !ATOM != 0 {
            for (kind, spans) in self.spans.iter().enumerate().filter(|(kind, _)| self.flags[place] & (1 << kind) != 0)
            {
                let next = spans.partition_point(|span| span.range.start < place);
                if let Some(span) = next.checked_sub(1).map(|last| &spans[last]) {
                    open.push((span.range.start, if span.double { "``" } else { DELIMITERS[kind] }));
                }
            }
            open.sort_unstable();
        }
        let opening = open.iter().map(|(_, delimiter)| *delimiter).collect();
        let closing = open.iter().rev().map(|(_, delimiter)| *delimiter).collect();
        (closing, opening)
    }

    /// No cut between the first and the last byte.
    fn atom(&mut self, range: Range<usize>) {
        for flags in &mut self.flags[range.start + 1..range.end.max(range.start + 1)] {
            *flags |= ATOM;
        }
    }

    fn span(&mut self, kind: usize, range: Range<usize>, double: bool) {
        for flags in &mut self.flags[range.start + 1..range.end] {
            *flags |= 1 << kind;
        }
        // Neither side of it is left alone.
        let width = if double { 2 } else { DELIMITERS[kind].len() };
        self.atom(range.start..range.start + width + 1);
        self.atom(range.end - width - 1..range.end);
        self.spans[kind].push(Span { range, double });
    }

    /// Finds what is in a part of the text that is not code, paragraph by paragraph.
    fn scan(&mut self, text: &str, part: Range<usize>) {
        let mut start = part.start;
        while start < part.end {
            let end = text[start..part.end].find("\n\n").map_or(part.end, |at| start + at + 2);
            self.paragraph(text, start..end);
            start = end;
        }
    }

    fn paragraph(&mut self, text: &str, range: Range<usize>) {
        let text = &text[..range.end];
        let bytes = text.as_bytes();
        let mut open: Vec<(usize, usize)> = Vec::new();
        let (mut at, mut missing) = (range.start, 0_u8);
        while at < range.end {
            let Some(next) = bytes[at..].iter().position(|byte| is_special(*byte)) else { break };
            at += next;
            let rest = &text[at..];
            let length = match bytes[at] {
                b'\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                b'<' => bracketed(rest, b'>'),
                b'[' => link_len(rest),
                b'h' | b'H' => url_len(&rest[..rest.floor_char_boundary(MAX_ATOM)]),
                b'`' => {
                    let run = run(rest);
                    let end = (run < 3 && missing & (1 << run) == 0).then(|| code_end(rest, run)).flatten();
                    match end {
                        Some(end) => self.span(TICK, at..at + end, run == 2),
                        None if run < 3 => missing |= 1 << run,
                        None => {}
                    }
                    at += end.unwrap_or(run);
                    continue;
                }
                _ => {
                    at += self.delimiter(text, at, &mut open);
                    continue;
                }
            };
            if length > 1 {
                self.atom(at..at + length);
            }
            at += length.max(1);
        }
    }

    /// A run of one sign: closes what it can, opens what is left.
    fn delimiter(&mut self, text: &str, at: usize, open: &mut Vec<(usize, usize)>) -> usize {
        let sign = text.as_bytes()[at];
        let length = run(&text[at..]);
        let (before, after) = (text[..at].chars().next_back(), text[at + length..].chars().next());
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let opens = after.is_some_and(|c| !c.is_whitespace()) && !(sign == b'_' && word(before));
        let closes = before.is_some_and(|c| !c.is_whitespace()) && !(sign == b'_' && word(after));
        let (mut from, end) = (at, at + length);
        let kinds = match sign {
            b'*' => [0, 1],
            b'_' => [3, 2],
            b'~' => [4, 4],
            _ => [5, 5],
        };
        if length > 3 {
            return length;
        }
        // The innermost first.
        let closed = |open: &[(usize, usize)], from: usize| {
            let found = open.iter().rposition(|(kind, start)| {
                let width = DELIMITERS[*kind].len();
                kinds.contains(kind) && from + width <= end && start + width < from
            });
            found.filter(|_| closes)
        };
        while let Some(found) = closed(open, from) {
            let (kind, start) = open[found];
            open.truncate(found);
            from += DELIMITERS[kind].len();
            self.span(kind, start..from, false);
        }
        for kind in kinds {
            let width = DELIMITERS[kind].len();
            if opens && from + width <= end && open.iter().all(|(other, _)| *other != kind) {
                open.push((kind, from));
                from += width;
            }
        }
        length
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'<' | b'[' | b'h' | b'H' | b'`' | b'*' | b'_' | b'~' | b'|')
}

fn run(rest: &str) -> usize {
    let first = rest.as_bytes()[0];
    rest.bytes().take_while(|byte| *byte == first).count()
}

/// Where code of a line ends that begins with one backtick or two.
fn code_end(rest: &str, run: usize) -> Option<usize> {
    let delimiter = &"``"[..run];
    let at = rest[run..].find(delimiter)?;
    (at > 0).then_some(run + at + run)
}

/// The length of a mention, an emoji, a time or a URL in its brackets; 0 if there is none.
fn bracketed(rest: &str, close: u8) -> usize {
    let end = rest.bytes().skip(1).take(MAX_ATOM).position(|byte| byte == close || byte <= b' ' || byte == b'<');
    end.filter(|end| rest.as_bytes()[end + 1] == close).map_or(0, |end| end + 2)
}

/// The length of a masked link; 0 if there is none.
fn link_len(rest: &str) -> usize {
    let mut escaped = false;
    let label = rest.bytes().skip(1).take(MAX_ATOM).position(|byte| {
        let end = !escaped && matches!(byte, b']' | b'[');
        escaped = byte == b'\\' && !escaped;
        end
    });
    let Some(label) = label.filter(|end| rest[end + 1..].starts_with("](")) else { return 0 };
    let target =
        rest.bytes().skip(label + 3).take(MAX_ATOM).position(|byte| byte == b')' || byte <= b' ' || byte == b'[');
    target.filter(|end| rest.as_bytes()[label + 3 + end] == b')').map_or(0, |end| label + 3 + end + 1)
}
