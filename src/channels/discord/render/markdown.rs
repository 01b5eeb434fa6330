//! The model's Markdown as Discord's. What Discord renders passes through
//! (<https://support.discord.com/hc/en-us/articles/210298617>): three levels of headings, lists, quotes of one level, subtext,
//! fenced code. What it does not know is made readable: tables, deeper headings, rules, tasks.

use crate::channels::discord::render::inline::{self, Break};
use crate::channels::discord::render::page::{self, Page};
use crate::channels::discord::render::table;

const RULE: &str = "———";

/// The longest language of a fence, in bytes.
const MAX_LANGUAGE: usize = 32;

pub(super) fn page(source: &str) -> Page {
    let source = page::clean(source);
    let lines: Vec<&str> = source.split('\n').collect();
    let mut reader = Reader { page: Page::default(), paragraph: None, blank: false };
    reader.page.text.reserve(source.len() + source.len() / 16);
    let mut at = 0;
    while at < lines.len() {
        at += reader.block(&lines[at..]);
    }
    let mut page = reader.page;
    page.text.truncate(page.text.trim_end().len());
    page
}

struct Reader {
    page: Page,
    /// Where the line before begins, if it is ordinary text.
    paragraph: Option<usize>,
    /// Whether the line before is blank.
    blank: bool,
}

impl Reader {
    /// Takes the next lines; answers how many.
    fn block(&mut self, lines: &[&str]) -> usize {
        let line = lines[0];
        if line.trim().is_empty() {
            if !self.blank && !self.page.text.is_empty() {
                self.page.text.push('\n');
            }
            (self.blank, self.paragraph) = (true, None);
            return 1;
        }
        self.blank = false;
        let before = self.paragraph.take();
        let (quoted, rest) = unquoted(line);
        if let Some(fence) = Fence::opens(rest) {
            return self.code(&fence, lines, quoted);
        }
        if let Some(count) = table::rows(lines) {
            let rows = lines[..count].iter().map(|line| unquoted(line).1);
            table::push(&mut self.page, &rows.collect::<Vec<_>>());
            return count;
        }
        if line.starts_with(">>> ") {
            self.page.quoted.get_or_insert(self.page.text.len());
            inline::push(&mut self.page.text, line.trim_end(), Break("\n"));
        } else if quoted {
            // Discord knows one level, and wants the space (`BLOCK_QUOTE` in <https://github.com/discord/SimpleAST>).
            self.page.text.push_str("> ");
            self.text(rest.trim_end(), Break(" "), None);
        } else {
            self.text(line.trim_end(), Break("\n"), before);
        }
        self.page.text.push('\n');
        1
    }

    /// A line of text without its quote.
    fn text(&mut self, line: &str, br: Break, before: Option<usize>) {
        let start = self.page.text.len();
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        if let Some((level, title)) = heading(body) {
            let mark = &"### "[3 - level.min(3)..];
            match level {
                _ if title.is_empty() => {}
                1..=3 => {
                    self.page.text.push_str(mark);
                    inline::push(&mut self.page.text, title, Break(" "));
                }
                _ => {
                    self.page.text.push_str("**");
                    inline::push(&mut self.page.text, &title.replace("**", ""), Break(" "));
                    self.page.text.push_str("**");
                }
            }
        } else if is_rule(body) {
            self.page.text.push_str(RULE);
        } else if let Some(title) = before.filter(|_| body.len() > 1 && body.bytes().all(|byte| byte == b'=')) {
            // A heading by its underline.
            self.page.text.insert_str(title, "# ");
            self.page.text.pop();
        } else if let Some((marker, item)) = item(body) {
            self.page.text.push_str(indent);
            // Lists begin with `-` or `*` only.
            self.page.text.push_str(if marker == "+" { "-" } else { marker });
            self.page.text.push(' ');
            let (task, item) = match item.get(..4) {
                Some("[ ] ") => ("☐ ", &item[4..]),
                Some("[x] " | "[X] ") => ("☑ ", &item[4..]),
                _ => ("", item),
            };
            self.page.text.push_str(task);
            inline::push(&mut self.page.text, item, br);
        } else {
            self.page.text.push_str(indent);
            inline::push(&mut self.page.text, body, br);
            self.paragraph = Some(start);
        }
    }

    /// A fenced block: out of quotes and lists, as Discord would show their marks and indentation within it.
    fn code(&mut self, fence: &Fence<'_>, lines: &[&str], quoted: bool) -> usize {
        let mut body = String::new();
        let mut taken = 1;
        for line in &lines[1..] {
            let (still, inner) = if quoted { unquoted(line) } else { (true, *line) };
            if !still {
                break;
            }
            taken += 1;
            if fence.closes(inner) {
                break;
            }
            let indent = inner.bytes().take(fence.indent).take_while(|&byte| byte == b' ').count();
            body.push_str(&inner[indent..]);
            body.push('\n');
        }
        self.page.push_code(&fence.language(), &body);
        self.blank = self.page.text.ends_with("\n\n");
        taken
    }
}

#[derive(Debug)]
struct Fence<'a> {
    sign: char,
    length: usize,
    indent: usize,
    info: &'a str,
}

impl<'a> Fence<'a> {
    fn opens(line: &'a str) -> Option<Self> {
        let mut body = line.trim_start_matches(' ');
        if let Some((_, first)) = item(body) {
            // The first thing in an item.
            body = first.trim_start_matches(' ');
        }
        let sign = body.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = body.trim_start_matches(sign);
        let length = body.len() - info.len();
        let good = length >= 3 && !(sign == '`' && info.contains('`'));
        good.then(|| Self { sign, length, indent: line.len() - body.len(), info: info.trim() })
    }

    fn closes(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.length && line.chars().all(|c| c == self.sign)
    }

    /// Discord takes letters, digits, `+`, `-`, `.` and `_`; with anything else the line would be a part of the code.
    fn language(&self) -> String {
        let word = self.info.split([' ', ',', '{', '\t', ':']).next().unwrap_or_default();
        let word = word.replace('#', "s");
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        if word.len() <= MAX_LANGUAGE && word.bytes().all(known) { word } else { String::new() }
    }
}

/// Whether a line is part of a quote, and what stands in it. Three signs without a space between are Discord's own.
fn unquoted(line: &str) -> (bool, &str) {
    let (mut quoted, mut rest) = (false, line);
    if line.starts_with(">>> ") {
        return (false, line);
    }
    loop {
        let body = rest.trim_start_matches(' ');
        match body.strip_prefix('>') {
            Some(inner) if rest.len() - body.len() <= 3 => {
                quoted = true;
                rest = inner.strip_prefix(' ').unwrap_or(inner);
            }
            _ => return (quoted, rest),
        }
    }
}

/// The level and the title of a heading.
fn heading(body: &str) -> Option<(usize, &str)> {
    let rest = body.trim_start_matches('#');
    let level = body.len() - rest.len();
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    // Signs at the end belong to the mark if a space is before them.
    let title = if bare.is_empty() || bare.ends_with(' ') { bare.trim_end() } else { title };
    Some((level, title))
}

fn is_rule(body: &str) -> bool {
    let Some(sign) = body.bytes().next().filter(|byte| matches!(byte, b'-' | b'*' | b'_')) else { return false };
    body.bytes().all(|byte| byte == sign || byte == b' ') && body.bytes().filter(|&byte| byte == sign).count() >= 3
}

/// The marker of an item of a list, and the item.
fn item(body: &str) -> Option<(&str, &str)> {
    let digits = body.bytes().take(9).take_while(u8::is_ascii_digit).count();
    let end = match body.as_bytes().get(digits)? {
        b'.' if digits > 0 => digits + 1,
        b'-' | b'*' | b'+' if digits == 0 => 1,
        _ => return None,
    };
    let rest = &body[end..];
    rest.starts_with(' ').then(|| (&body[..end], rest.trim_start_matches(' ')))
}
