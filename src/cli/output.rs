//! What the commands print. A closed pipe (`| head`) is no error.

use std::io::Write;

pub(super) struct Output;

impl Output {
    /// A line on standard output.
    pub(super) fn line(text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// A question on standard output, without the end of its line.
    pub(super) fn prompt(text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// A line on standard error.
    pub(super) fn error(text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
    }

    /// A table: a heading and rows, in columns as wide as their widest cell; the last one is not padded.
    pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heading.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let print = |cells: &[String]| {
            let last = cells.len().saturating_sub(1);
            let padded = cells.iter().zip(&widths).enumerate().map(|(n, (cell, width))| {
                if n == last { cell.clone() } else { format!("{cell}{}", " ".repeat(width - cell.chars().count())) }
            });
            Self::line(padded.collect::<Vec<_>>().join("  ").trim_end());
        };
        print(&heading.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        for row in rows {
            print(row);
        }
    }
}

/// An age as a person says it: the two largest units.
pub(super) fn age(age: std::time::Duration) -> String {
    let seconds = age.as_secs();
    let units = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = units.iter().position(|(_, n)| *n > 0).unwrap_or(3);
    units[first..]
        .iter()
        .take(2)
        .filter(|(_, n)| *n > 0 || seconds == 0)
        .map(|(unit, n)| format!("{n}{unit}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::age;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h2m"), (90_000, "1d1h"), (86_400, "1d")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
