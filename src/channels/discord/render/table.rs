//! Tables: aligned as code where they fit on a screen, else as a list.

use unicode_width::UnicodeWidthStr;

use crate::channels::discord::render::inline::{self, Break};
use crate::channels::discord::render::page::Page;

/// The widest table that is aligned, in columns of a character each. Phones show about half of it in a line.
const MAX_WIDTH: usize = 64;

/// What stands between two columns.
const BETWEEN: &str = " | ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Center,
    Right,
}

/// How many of the lines are a table.
pub(super) fn rows(lines: &[&str]) -> Option<usize> {
    let (header, delimiter) = (lines[0], lines.get(1)?);
    if !header.contains('|') || !delimiter.contains('-') {
        return None;
    }
    let columns = alignments(unquoted(delimiter))?.len();
    if cells(unquoted(header)).len() != columns {
        return None;
    }
    Some(2 + lines[2..].iter().take_while(|line| line.contains('|')).count())
}

fn unquoted(line: &str) -> &str {
    line.trim_start_matches([' ', '>'])
}

/// Adds a table, whose second line says how its columns are aligned.
pub(super) fn push(page: &mut Page, lines: &[&str]) {
    let alignments = alignments(lines[1]).unwrap_or_default();
    let source = lines[..1].iter().chain(&lines[2..]).map(|line| cells(line));
    let source: Vec<Vec<String>> = source.collect();
    let plain: Vec<Vec<String>> = source.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    match aligned(&plain, &alignments) {
        Some(text) => page.push_code("", &text),
        None => push_list(&mut page.text, &source, &plain[0]),
    }
}

/// A table as a list: each row under its first cell, each further cell after the name of its column.
fn push_list(out: &mut String, rows: &[Vec<String>], names: &[String]) {
    let body = if rows.len() > 1 { &rows[1..] } else { rows };
    for row in body {
        for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            if column == 0 {
                out.push_str("**");
                inline::push(out, &cell.replace("**", ""), Break(" "));
                out.push_str("**");
            } else {
                out.push_str("- ");
                if let Some(name) = names.get(column).filter(|name| !name.is_empty() && rows.len() > 1) {
                    out.extend([name, ": "]);
                }
                inline::push(out, cell, Break(" "));
            }
            out.push('\n');
        }
    }
}

fn alignments(line: &str) -> Option<Vec<Align>> {
    let align = |cell: &str| {
        let (left, right) = (cell.starts_with(':'), cell.ends_with(':'));
        let bare = cell.trim_matches(':');
        let good = !bare.is_empty() && bare.bytes().all(|byte| byte == b'-');
        good.then_some(match (left, right) {
            (true, true) => Align::Center,
            (false, true) => Align::Right,
            _ => Align::Left,
        })
    };
    // A line that is no such one is told by its first signs.
    line.contains('|').then(|| cells(line).iter().map(|cell| align(cell)).collect::<Option<Vec<_>>>())?
}

/// The cells of a row. A bar that is escaped, or within code, is none between two of them.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let (mut cells, mut cell, mut escaped) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '|' if escaped => {
                cell.pop();
                cell.push('|');
            }
            '|' => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            c => cell.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    cells
}

/// A cell as code shows it: without marks of emphasis and code, its links with their URLs behind them.
fn plain(cell: &str) -> String {
    if !cell.contains(['*', '`', '[', '<', '\\', '~', '_', '|']) {
        return cell.to_owned();
    }
    let mut out = String::new();
    inline::push(&mut out, cell, Break(" "));
    let out = out.replace("](", " (").replace(['`', '['], "").replace("**", "").replace("~~", "");
    let bare = out.strip_prefix(['*', '_']).and_then(|rest| rest.strip_suffix(['*', '_']));
    let mut plain = String::with_capacity(out.len());
    let mut signs = bare.unwrap_or(&out).chars().peekable();
    while let Some(c) = signs.next() {
        if c != '\\' || !signs.peek().is_some_and(char::is_ascii_punctuation) {
            plain.push(c);
        }
    }
    plain
}

/// The rows (the first is the header), aligned; `None` if they are too wide for that.
fn aligned(rows: &[Vec<String>], alignments: &[Align]) -> Option<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    if columns > MAX_WIDTH / BETWEEN.len() {
        return None;
    }
    let mut widths = vec![1; columns];
    for (width, cell) in rows.iter().flat_map(|row| widths_of(row)) {
        widths[cell] = width.max(widths[cell]);
    }
    let total = widths.iter().sum::<usize>() + BETWEEN.len() * columns.saturating_sub(1);
    if columns == 0 || total > MAX_WIDTH {
        return None;
    }
    let mut text = String::with_capacity((total + 1) * (rows.len() + 1));
    for (index, row) in rows.iter().enumerate() {
        if index == 1 {
            for (column, width) in widths.iter().enumerate() {
                text.push_str(if column == 0 { "" } else { "-|-" });
                text.extend(std::iter::repeat_n('-', *width));
            }
            text.push('\n');
        }
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            let room = width - cell.width();
            let left = match alignments.get(column) {
                Some(Align::Right) => room,
                Some(Align::Center) => room / 2,
                _ => 0,
            };
            text.push_str(if column == 0 { "" } else { BETWEEN });
            text.extend(std::iter::repeat_n(' ', left));
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', room - left));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    Some(text)
}

fn widths_of(row: &[String]) -> impl Iterator<Item = (usize, usize)> {
    row.iter().enumerate().map(|(column, cell)| (cell.width(), column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned_by_the_width_of_their_characters() {
        let table = rows(&[&["Name", "數量", "x"], &["蘋果", "1", "mid"], &["b"]]);
        let aligned = aligned(&table, &[Align::Left, Align::Right, Align::Center]).unwrap();
        assert_eq!(aligned, "Name | 數量 |  x\n-----|------|----\n蘋果 |    1 | mid\nb    |      |");
    }

    #[test]
    fn what_is_too_wide_is_not_aligned() {
        let wide = "x".repeat(MAX_WIDTH - 4);
        assert!(aligned(&rows(&[&["a", &wide]]), &[]).is_some());
        let wide = "x".repeat(MAX_WIDTH - 3);
        assert!(aligned(&rows(&[&["a", &wide]]), &[]).is_none());
        assert!(aligned(&[vec![String::new(); 1_000]], &[]).is_none());
        assert!(aligned(&[], &[]).is_none());
    }
}
