//! Tables: aligned as code where they fit on a screen, else as a list.

use crate::channels::discord::render::inline::{self, Break};
use crate::channels::discord::render::page::Page;
use crate::layout::table::{Align, aligned};

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
