//! Tables, aligned for a screen that shows all characters of a line in columns.

use unicode_width::UnicodeWidthStr;

/// The widest table that is aligned, in columns of a character each. Phones show about half of it in a line.
const MAX_WIDTH: usize = 64;

/// What stands between two columns.
const BETWEEN: &str = " | ";

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

/// The rows (the first is the header), aligned; `None` if they are too wide for that.
pub fn aligned(rows: &[Vec<String>], alignments: &[Align]) -> Option<String> {
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
