//! Tables: aligned as code, or as a list where they are too wide for that.

use pulldown_cmark::Alignment;

use crate::channels::telegram::render::document::{BOLD, CODE, Look, Strand};
use crate::channels::telegram::render::html;
use crate::channels::telegram::render::markdown::{Gap, Reader};
use crate::layout::table::{Align, aligned};

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    pub(super) rows: Vec<Vec<Strand>>,
    /// The text before the table, while a cell is read.
    pub(super) outer: Option<Strand>,
}

impl Reader<'_> {
    pub(super) fn end_table(&mut self) {
        let Some(Table { alignments, rows, .. }) = self.table.take() else { return };
        let cell = |cell: &Strand| html::plain(&self.document, cell, 0..cell.text.len()).trim().replace('\n', " ");
        let plain: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let align = |alignment: &Alignment| match alignment {
            Alignment::None | Alignment::Left => Align::Left,
            Alignment::Center => Align::Center,
            Alignment::Right => Align::Right,
        };
        let alignments: Vec<Align> = alignments.iter().map(align).collect();
        match aligned(&plain, &alignments) {
            Some(text) => {
                self.begin_code(None);
                self.text(&text);
                self.look.block = 0;
            }
            None => self.list(&rows, &plain),
        }
        self.gap = Gap::Blank;
    }

    /// A table as a list: each row under its first cell, each further cell after the name of its column.
    fn list(&mut self, rows: &[Vec<Strand>], plain: &[Vec<String>]) {
        let Some((header, body)) = rows.split_first() else { return };
        let rows = if body.is_empty() { std::slice::from_ref(header) } else { body };
        for row in rows {
            for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.text.trim().is_empty()) {
                let name = plain[0].get(column).map_or("", String::as_str);
                if column > 0 {
                    self.gap = self.gap.max(Gap::Line);
                    self.text("• ");
                    if !name.is_empty() && !body.is_empty() {
                        self.text(&format!("{name}: "));
                    }
                }
                let bold = if column == 0 { BOLD } else { 0 };
                self.open_line();
                for (text, look) in cell.within(0..cell.text.len(), 0) {
                    let marks = if look.marks == CODE { CODE } else { look.marks | bold };
                    self.document.strand.push(text, Look { marks, quote: self.look.quote, ..look });
                }
            }
            self.gap = Gap::Blank;
        }
    }
}
