//! Links and images: a link where Telegram takes it, else a label with its URL behind it.

use pulldown_cmark::CowStr;

use crate::channels::telegram::render::document::is_blank;
use crate::channels::telegram::render::link::{self, Destination};
use crate::channels::telegram::render::markdown::Reader;
use crate::layout::cjk::JOINER;

/// A link whose end has not come yet.
#[derive(Debug)]
pub(super) struct Anchor<'a> {
    url: CowStr<'a>,
    start: usize,
    /// Whether it is a link of its own: not within another one, and to somewhere that Telegram links to.
    linked: bool,
    nested: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn anchor(&mut self, url: CowStr<'a>) {
        let url = if self.joined { CowStr::from(url.replace(JOINER, "")) } else { url };
        self.open_line();
        let nested = !self.anchors.is_empty();
        let linked = !nested && link::judge(&url) == Destination::Link;
        if linked {
            self.document.links.push(url.to_string());
            self.look.link = self.document.links.len() as u32;
        }
        self.anchors.push(Anchor { url, start: self.document.text().len(), linked, nested });
    }

    pub(super) fn end_anchor(&mut self) {
        let Some(Anchor { url, start, linked, nested }) = self.anchors.pop() else { return };
        let label = &self.document.text()[start..];
        let (blank, same) = (is_blank(label), label == &*url);
        if nested {
            return;
        }
        if linked && blank {
            self.push(&url, self.marked());
        }
        let id = std::mem::take(&mut self.look.link);
        if linked && (same || blank) {
            // Clients link a URL that is written out by themselves.
            self.document.strand.unlink(id);
        }
        if !linked && let Destination::Text(url) = link::judge(&url) {
            let said = self.document.text()[start..].trim() == url;
            if blank {
                self.push(url, self.marked());
            } else if !said {
                self.push(&format!(" ({url})"), self.marked());
            }
        }
    }
}
