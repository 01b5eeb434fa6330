//! Reads the model's Markdown (CommonMark with tables, strikethrough and task lists) into a document.

mod links;
mod tables;

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::channels::telegram::render::document::{BOLD, CODE, Document, ITALIC, Look, STRIKE};
use crate::channels::telegram::render::latex;
use crate::channels::telegram::render::markdown::links::Anchor;
use crate::channels::telegram::render::markdown::tables::Table;
use crate::layout::cjk::{self, JOINER};

/// Lists that are nested deeper look like this one.
const MAX_DEPTH: usize = 8;

const RULE: &str = "———";

pub(super) fn document(source: &str) -> Document {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let joined = cjk::joined(source);
    let source = &*joined;
    let mut reader = Reader { source, formulas: latex::formulas(source), ..Reader::default() };
    reader.joined = matches!(joined, Cow::Owned(_)) || source.contains(JOINER);
    reader.document.strand.text.reserve(source.len());
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        reader.event(event, range);
    }
    reader.document
}

/// What is between the text so far and what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Line,
    Blank,
}

/// What stands in front of an item of a list.
#[derive(Clone, Copy, Debug)]
enum Marker {
    Bullet,
    Number(u64),
    Task(bool),
}

#[derive(Debug, Default)]
struct Reader<'a> {
    source: &'a str,
    /// Whether there are joiners in it.
    joined: bool,
    formulas: Vec<Range<usize>>,
    document: Document,
    gap: Gap,
    /// With how many lists its own is in.
    marker: Option<(Marker, usize)>,
    /// The number of the next item of each open list, if it is numbered.
    lists: Vec<Option<u64>>,
    quotes: usize,
    /// How many quotes there have been.
    quoted: u32,
    bold: usize,
    italic: usize,
    strike: usize,
    /// How the text looks now, but for its marks.
    look: Look,
    anchors: Vec<Anchor<'a>>,
    table: Option<Table>,
    html: Option<String>,
}

impl<'a> Reader<'a> {
    fn event(&mut self, event: Event<'a>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, &range),
            Event::End(tag) => self.end(tag, &range),
            Event::Text(text) => self.text_at(&text, range.start),
            Event::Code(code) => {
                let look = if self.look.link == 0 { Look { marks: CODE, ..self.look } } else { self.marked() };
                self.open_line();
                self.push(&code, look);
            }
            Event::Html(text) => match &mut self.html {
                Some(html) => html.push_str(&text),
                None => self.markup(&text),
            },
            Event::InlineHtml(text) => self.markup(&text),
            Event::SoftBreak => self.line_break(),
            Event::HardBreak => {
                if latex::contains(&self.formulas, range.start) && self.source[range].starts_with('\\') {
                    self.text("\\");
                }
                self.line_break();
            }
            Event::Rule => {
                self.block();
                self.text(RULE);
                self.gap = Gap::Blank;
            }
            Event::TaskListMarker(done) => self.marker = Some((Marker::Task(done), self.lists.len().saturating_sub(1))),
            // Not asked for in the options.
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
        }
    }

    fn start(&mut self, tag: Tag<'a>, range: &Range<usize>) {
        match tag {
            Tag::Heading { .. } => {
                self.block();
                self.bold += 1;
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.quotes += 1;
                // Telegram's quotes have no quotes in them.
                if self.quotes == 1 {
                    self.quoted += 1;
                    self.look.quote = self.quoted;
                }
            }
            Tag::CodeBlock(kind) => self.code_block(&kind),
            Tag::HtmlBlock => {
                self.block();
                self.html = Some(String::new());
            }
            Tag::List(first) => {
                self.block();
                if !self.lists.is_empty() && self.marker.is_none() {
                    self.gap = Gap::Line;
                }
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Table(alignments) => {
                self.block();
                self.table = Some(Table { alignments, ..Table::default() });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableCell => {
                if let Some(table) = &mut self.table {
                    table.outer = Some(std::mem::take(&mut self.document.strand));
                }
            }
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough if latex::contains(&self.formulas, range.start) => {
                self.text(
                    &self.source[range.start..range.start + delimiter(&tag.to_end(), &self.source[range.clone()])],
                );
            }
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.strike += 1,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.anchor(dest_url),
            _ => self.block(),
        }
    }

    fn end(&mut self, tag: TagEnd, range: &Range<usize>) {
        match tag {
            TagEnd::Heading(_) => {
                self.bold -= 1;
                self.gap = Gap::Blank;
            }
            TagEnd::BlockQuote(_) => {
                self.quotes -= 1;
                if self.quotes == 0 {
                    self.look.quote = 0;
                }
                self.gap = Gap::Blank;
            }
            TagEnd::CodeBlock => {
                let strand = &mut self.document.strand;
                // The last line break belongs to the fence.
                if self.look.block != 0
                    && strand.text.ends_with('\n')
                    && strand.runs.last().is_some_and(|run| run.look.block == self.look.block)
                {
                    strand.pop();
                }
                self.look.block = 0;
                self.gap = Gap::Blank;
            }
            TagEnd::HtmlBlock => {
                let html = self.html.take().unwrap_or_default();
                self.markup(html.trim_end());
                self.gap = self.gap.max(Gap::Blank);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.gap = self.gap.max(if self.lists.is_empty() { Gap::Blank } else { Gap::Line });
            }
            TagEnd::Item => {
                if self.marker.is_some() {
                    // An empty one.
                    self.open_line();
                }
                self.gap = self.gap.max(Gap::Line);
            }
            TagEnd::Table => self.end_table(),
            TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::TableCell => {
                if let Some(table) = &mut self.table
                    && let Some(outer) = table.outer.take()
                {
                    let cell = std::mem::replace(&mut self.document.strand, outer);
                    if let Some(row) = table.rows.last_mut() {
                        row.push(cell);
                    }
                }
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough
                if latex::contains(&self.formulas, range.start) =>
            {
                self.text(&self.source[range.end - delimiter(&tag, &self.source[range.clone()])..range.end]);
            }
            TagEnd::Emphasis => self.italic -= 1,
            TagEnd::Strong => self.bold -= 1,
            TagEnd::Strikethrough => self.strike -= 1,
            TagEnd::Link | TagEnd::Image => self.end_anchor(),
            _ => self.gap = Gap::Blank,
        }
    }

    /// Text as it is read from a place in the source.
    fn text_at(&mut self, text: &str, place: usize) {
        // Within a formula a backslash escapes nothing.
        if self.look.block == 0
            && place > 0
            && self.source.as_bytes()[place - 1] == b'\\'
            && latex::contains(&self.formulas, place - 1)
        {
            self.text("\\");
        }
        self.text(text);
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.open_line();
            self.push(text, self.marked());
        }
    }

    fn push(&mut self, text: &str, look: Look) {
        if self.joined && text.contains(JOINER) {
            self.document.strand.push(&text.replace(JOINER, ""), look);
        } else {
            self.document.strand.push(text, look);
        }
    }

    fn marked(&self) -> Look {
        if self.look.block != 0 {
            return self.look;
        }
        let mark = |mark, count| if count > 0 { mark } else { 0 };
        let marks = mark(BOLD, self.bold) | mark(ITALIC, self.italic) | mark(STRIKE, self.strike);
        Look { marks, ..self.look }
    }

    fn in_cell(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.outer.is_some())
    }

    /// A block begins: on a line of its own, unless it is the first one of an item.
    fn block(&mut self) {
        if self.marker.is_none() {
            self.gap = self.gap.max(if self.lists.is_empty() { Gap::Blank } else { Gap::Line });
        }
    }

    /// Makes way for text: the gap before it, its indentation, its marker.
    fn open_line(&mut self) {
        if self.in_cell() || (self.gap == Gap::None && self.marker.is_none()) {
            return;
        }
        let marker = self.marker.take();
        let indented = marker.map_or(self.lists.len(), |(_, outer)| outer);
        let gap = self.end_gap();
        // Lines of code begin where they are, whatever they are part of.
        if gap && self.look.block == 0 {
            self.indent(indented);
        }
        let look = Look { quote: self.look.quote, ..Look::default() };
        match marker.map(|(marker, _)| marker) {
            None => {}
            Some(Marker::Bullet) => self.push("• ", look),
            Some(Marker::Number(number)) => self.push(&format!("{number}. "), look),
            Some(Marker::Task(done)) => self.push(if done { "☑ " } else { "☐ " }, look),
        }
    }

    /// Writes the gap, which is part of a quote only where both its sides are. Answers whether a line begins.
    fn end_gap(&mut self) -> bool {
        let gap = std::mem::take(&mut self.gap);
        let strand = &mut self.document.strand;
        let Some(last) = strand.runs.last() else { return gap != Gap::None };
        let quote = if last.look.quote == self.look.quote { self.look.quote } else { 0 };
        let look = Look { quote, ..Look::default() };
        strand.push(["", "\n", "\n\n"][gap as usize], look);
        gap != Gap::None
    }

    fn indent(&mut self, depth: usize) {
        let look = Look { quote: self.look.quote, ..Look::default() };
        self.push(&"                "[..2 * depth.min(MAX_DEPTH)], look);
    }

    fn line_break(&mut self) {
        if self.in_cell() {
            self.push(" ", self.marked());
        } else if self.gap == Gap::None && self.marker.is_none() && !self.document.text().is_empty() {
            self.push("\n", self.marked());
            self.indent(self.lists.len());
        }
    }

    fn item(&mut self) {
        if self.marker.is_some() {
            // The first thing in an item is another one: both markers are on one line.
            self.open_line();
        } else {
            self.gap = self.gap.max(Gap::Line);
        }
        let deep = self.lists.len() > MAX_DEPTH;
        let marker = match self.lists.last_mut() {
            _ if deep => None,
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                Some(Marker::Number(*number - 1))
            }
            _ => Some(Marker::Bullet),
        };
        self.marker = marker.map(|marker| (marker, self.lists.len().saturating_sub(1)));
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'a>) {
        self.block();
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split([' ', ',', '{', '\t']).next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'#' | b'.' | b'_');
        let good = (1..=32).contains(&language.len()) && language.bytes().all(known);
        self.begin_code(good.then(|| language.to_owned()));
    }

    fn begin_code(&mut self, language: Option<String>) {
        if self.marker.is_some() {
            self.open_line();
            self.gap = Gap::Line;
        }
        self.document.languages.push(language);
        self.look.block = self.document.languages.len() as u32;
    }

    /// HTML of the model's: shown as it is, but for line breaks and comments.
    fn markup(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            self.text(before);
            if let Some(comment) = tag.strip_prefix("<!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
                continue;
            }
            let end = tag.find('>').map_or(tag.len(), |end| end + 1);
            let name = tag[1..end].trim_end_matches(['>', '/', ' ']);
            if name.eq_ignore_ascii_case("br") {
                self.line_break();
            } else {
                self.text(&tag[..end]);
            }
            rest = &tag[end..];
        }
        self.text(rest);
    }
}

/// How many characters mark one side of an emphasis.
fn delimiter(tag: &TagEnd, source: &str) -> usize {
    match tag {
        TagEnd::Emphasis => 1,
        TagEnd::Strikethrough if !source.starts_with("~~") => 1,
        _ => 2,
    }
}
