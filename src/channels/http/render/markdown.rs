//! The model's Markdown as HTML that a page may show. Safe by construction: every tag is written here, from a short list, and
//! what the model wrote only ever becomes text or the address of a link.

use pulldown_cmark::{
    Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream,
};

use crate::channels::http::render::link;
use crate::layout::cjk::{self, JOINER};

/// Lists and quotes that are nested deeper look like this one: a page's own tree of elements must not grow without bound.
const MAX_DEPTH: usize = 12;

/// CommonMark with tables, strikethrough and task lists. Raw HTML is shown as text, pictures are links, links lead to the web or
/// to an address for mail, and a line break stays one, as people expect it in a chat.
pub(in crate::channels::http) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let joined = cjk::joined(markdown);
    let mut writer = Writer { html: String::with_capacity(joined.len() * 3 / 2), ..Writer::default() };
    for event in TextMergeStream::new(Parser::new_ext(&joined, options)) {
        writer.event(event);
    }
    writer.html
}

#[derive(Default)]
struct Writer {
    html: String,
    /// The links and pictures that are open: whether a tag was written for each, where its text begins, and where it leads.
    links: Vec<(bool, usize, String)>,
    /// The lists and quotes that are open.
    depth: usize,
    /// How the columns of the open table are aligned, and the column.
    table: (Vec<Alignment>, usize),
    in_head: bool,
    in_code: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_code || self.is_in_link() => self.text(&text),
            Event::Text(text) => self.linked(&text),
            Event::Code(code) => {
                self.html.push_str("<code>");
                self.text(&code);
                self.html.push_str("</code>");
            }
            // A tag that the model wrote is a text about tags.
            Event::Html(text) | Event::InlineHtml(text) => {
                for (n, line) in text.trim_end_matches('\n').split('\n').enumerate() {
                    self.html.push_str(if n == 0 { "" } else { "<br>" });
                    self.text(line);
                }
                self.html.push_str(if text.ends_with('\n') { "<br>" } else { "" });
            }
            Event::SoftBreak | Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(true) => self.html.push_str("<input type=\"checkbox\" disabled checked> "),
            Event::TaskListMarker(false) => self.html.push_str("<input type=\"checkbox\" disabled> "),
            // Not asked for in the options.
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.html.push_str("<p>"),
            Tag::Heading { level, .. } => self.html.push_str(heading(level).0),
            Tag::BlockQuote(_) => self.nest("<blockquote>"),
            Tag::CodeBlock(kind) => self.code_block(&kind),
            Tag::List(None) => self.nest("<ul>"),
            Tag::List(Some(1)) => self.nest("<ol>"),
            Tag::List(Some(first)) => self.nest(&format!("<ol start=\"{first}\">")),
            Tag::Item if self.depth <= MAX_DEPTH => self.html.push_str("<li>"),
            Tag::Table(columns) => {
                self.table = (columns, 0);
                self.html.push_str("<table>");
            }
            Tag::TableHead => {
                self.in_head = true;
                self.table.1 = 0;
                self.html.push_str("<thead><tr>");
            }
            Tag::TableRow => {
                self.table.1 = 0;
                self.html.push_str("<tr>");
            }
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.html.push_str("<em>"),
            Tag::Strong => self.html.push_str("<strong>"),
            Tag::Strikethrough => self.html.push_str("<del>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.open_link(&dest_url),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.html.push_str("</p>"),
            TagEnd::HtmlBlock => {
                let kept = self.html.trim_end_matches("<br>").len();
                self.html.truncate(kept);
                self.html.push_str("</p>");
            }
            TagEnd::Heading(level) => self.html.push_str(heading(level).1),
            TagEnd::BlockQuote(_) => self.unnest("</blockquote>"),
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.html.push_str("</code></pre>");
            }
            TagEnd::List(true) => self.unnest("</ol>"),
            TagEnd::List(false) => self.unnest("</ul>"),
            TagEnd::Item if self.depth <= MAX_DEPTH => self.html.push_str("</li>"),
            TagEnd::Table => self.html.push_str("</tbody></table>"),
            TagEnd::TableHead => {
                self.in_head = false;
                self.html.push_str("</tr></thead><tbody>");
            }
            TagEnd::TableRow => self.html.push_str("</tr>"),
            TagEnd::TableCell => self.html.push_str(if self.in_head { "</th>" } else { "</td>" }),
            TagEnd::Emphasis => self.html.push_str("</em>"),
            TagEnd::Strong => self.html.push_str("</strong>"),
            TagEnd::Strikethrough => self.html.push_str("</del>"),
            TagEnd::Link | TagEnd::Image => self.close_link(),
            _ => {}
        }
    }

    fn nest(&mut self, tag: &str) {
        self.depth += 1;
        if self.depth <= MAX_DEPTH {
            self.html.push_str(tag);
        }
    }

    fn unnest(&mut self, tag: &str) {
        if self.depth <= MAX_DEPTH {
            self.html.push_str(tag);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>) {
        self.in_code = true;
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#' | '_' | '.');
        if !language.is_empty() && language.len() <= 32 && language.chars().all(plain) {
            self.html.extend(["<pre><code class=\"language-", language, "\">"]);
        } else {
            self.html.push_str("<pre><code>");
        }
    }

    fn cell(&mut self) {
        self.html.push_str(if self.in_head { "<th" } else { "<td" });
        // No style: a page with a strict policy would not take it.
        self.html.push_str(match self.table.0.get(self.table.1) {
            Some(Alignment::Center) => " align=\"center\">",
            Some(Alignment::Right) => " align=\"right\">",
            _ => ">",
        });
        self.table.1 += 1;
    }

    fn is_in_link(&self) -> bool {
        self.links.iter().any(|(written, ..)| *written)
    }

    fn open_link(&mut self, url: &CowStr<'_>) {
        let url = url.replace(JOINER, "");
        // A link within a link (a picture in one) would end the outer one.
        let written = !self.is_in_link() && link::is_good(&url);
        if written {
            self.anchor(&url);
        }
        self.links.push((written, self.html.len(), url));
    }

    fn close_link(&mut self) {
        let Some((written, start, url)) = self.links.pop() else { return };
        if written {
            if self.html.len() == start {
                self.text(&url);
            }
            self.html.push_str("</a>");
        }
    }

    fn anchor(&mut self, url: &str) {
        self.html.push_str("<a href=\"");
        self.text(url);
        self.html.push_str("\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
    }

    /// Text whose bare URLs become links.
    fn linked(&mut self, text: &str) {
        let mut rest = text;
        while let Some(url) = link::find(rest) {
            self.text(&rest[..url.start]);
            self.anchor(&rest[url.clone()]);
            self.text(&rest[url.clone()]);
            self.html.push_str("</a>");
            rest = &rest[url.end..];
        }
        self.text(rest);
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                '`' => self.html.push_str("&#96;"),
                JOINER | '\0' => {}
                c => self.html.push(c),
            }
        }
    }
}

fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 => ("<h1>", "</h1>"),
        HeadingLevel::H2 => ("<h2>", "</h2>"),
        HeadingLevel::H3 => ("<h3>", "</h3>"),
        HeadingLevel::H4 => ("<h4>", "</h4>"),
        HeadingLevel::H5 => ("<h5>", "</h5>"),
        HeadingLevel::H6 => ("<h6>", "</h6>"),
    }
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn what_models_write_becomes_html() {
        for (markdown, expected) in [
            (
                "plain *it* **b** ~~s~~ `c<`",
                "<p>plain <em>it</em> <strong>b</strong> <del>s</del> <code>c&lt;</code></p>",
            ),
            ("one\ntwo", "<p>one<br>two</p>"),
            ("## Title", "<h2>Title</h2>"),
            ("- a\n- [x] b", "<ul><li>a</li><li><input type=\"checkbox\" disabled checked> b</li></ul>"),
            ("3. a", "<ol start=\"3\"><li>a</li></ol>"),
            ("> q", "<blockquote><p>q</p></blockquote>"),
            ("```rust\nfn x() {}\n```", "<pre><code class=\"language-rust\">fn x() {}\n</code></pre>"),
            ("```\"onx=1\nx\n```", "<pre><code>x\n</code></pre>"),
            (
                "|a|b|\n|-|-:|\n|1|2|",
                "<table><thead><tr><th>a</th><th align=\"right\">b</th></tr></thead><tbody>\
                 <tr><td>1</td><td align=\"right\">2</td></tr></tbody></table>",
            ),
            ("**注意：**文字", "<p><strong>注意：</strong>文字</p>"),
            ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
        ] {
            assert_eq!(html(markdown), expected, "{markdown}");
        }
    }

    #[test]
    fn tags_are_text() {
        assert_eq!(html("<b>x</b>"), "<p>&lt;b&gt;x&lt;/b&gt;</p>");
        assert_eq!(html("<div>\n<i>\n</div>\n"), "<p>&lt;div&gt;<br>&lt;i&gt;<br>&lt;/div&gt;</p>");
        assert_eq!(html("<!-- c -->"), "<p>&lt;!-- c --&gt;</p>");
        assert_eq!(html("&lt;b&gt;"), "<p>&lt;b&gt;</p>");
    }

    #[test]
    fn links_lead_to_the_web_or_to_mail_and_pictures_are_links() {
        let link = |url: &str, text: &str| {
            format!("<p><a href=\"{url}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">{text}</a></p>")
        };
        assert_eq!(html("[a](https://b.c/?d&e)"), link("https://b.c/?d&amp;e", "a"));
        assert_eq!(html("<mailto:a@b.c>"), link("mailto:a@b.c", "mailto:a@b.c"));
        assert_eq!(html("![a](https://b.c/d.png)"), link("https://b.c/d.png", "a"));
        assert_eq!(html("![](https://b.c/d.png)"), link("https://b.c/d.png", "https://b.c/d.png"));
        assert_eq!(html("https://b.c/d_e_f"), link("https://b.c/d_e_f", "https://b.c/d_e_f"));
        assert_eq!(html("[![p](https://p.q)](https://b.c)"), link("https://b.c", "p"));
        for bad in ["[a](javascript:alert(1))", "[a](/x)", "[a](#x)", "![a](data:image/svg+xml,x)", "[a](vbscript:x)"] {
            assert_eq!(html(bad), "<p>a</p>", "{bad}");
        }
    }

    #[test]
    fn nesting_ends() {
        let html = html(&">".repeat(5_000));
        assert_eq!(html.matches("<blockquote>").count(), super::MAX_DEPTH);
        assert_eq!(html.matches("</blockquote>").count(), super::MAX_DEPTH);
    }
}
