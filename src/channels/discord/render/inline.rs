//! One line of text: links, images, footnotes and HTML as Discord can show them; all else stays as it is.

/// The longest URL that is looked for, in bytes.
const MAX_URL: usize = 1024;

/// The longest run of backticks that is looked for again.
const MAX_TICKS: usize = 63;

/// What a `<br>` becomes, which depends on where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Break(pub(super) &'static str);

/// Adds a line, rewritten.
pub(super) fn push(out: &mut String, line: &str, br: Break) {
    if !line.bytes().any(|byte| matches!(byte, b'[' | b'<' | b'`' | b'\\')) {
        out.push_str(line);
        return;
    }
    let from = out.len();
    let mut reader = Reader { out, brackets: Vec::new(), missing: 0, br, open_comment: false };
    reader.line(line);
    // What was left out may have brought backticks together; as a fence they would swallow the rest.
    if out[from..].contains("```") {
        let fixed = out[from..].replace("```", "\\`\\`\\`");
        out.truncate(from);
        out.push_str(&fixed);
    }
}

struct Reader<'a> {
    out: &'a mut String,
    /// Where in the output a label may begin, and whether it is an image's.
    brackets: Vec<(usize, bool)>,
    /// The lengths of runs of backticks that do not come again, as a set.
    missing: u64,
    br: Break,
    /// Whether no comment ends in the rest of the line.
    open_comment: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let mut rest = line;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'[' | b']' | b'<' | b'`' | b'\\' | b'!')) {
            self.out.push_str(&rest[..at]);
            rest = &rest[at..];
            let taken = match rest.as_bytes()[0] {
                b'\\' => self.escape(rest),
                b'`' => self.ticks(rest),
                b'<' => self.angle(rest),
                b']' => self.close(rest),
                b'!' if rest[1..].starts_with('[') => self.open(true, 2),
                b'[' => match footnote(rest) {
                    Some(name) => {
                        self.out.extend(["[", name, "]"]);
                        name.len() + 3
                    }
                    None => self.open(false, 1),
                },
                _ => self.copy(rest, 1),
            };
            rest = &rest[taken..];
        }
        self.out.push_str(rest);
    }

    fn copy(&mut self, rest: &str, length: usize) -> usize {
        self.out.push_str(&rest[..length]);
        length
    }

    fn open(&mut self, image: bool, taken: usize) -> usize {
        self.brackets.push((self.out.len(), image));
        self.out.push_str(if image { "![" } else { "[" });
        taken
    }

    fn escape(&mut self, rest: &str) -> usize {
        match rest[1..].chars().next() {
            Some(c) => self.copy(rest, 1 + c.len_utf8()),
            // A line break in CommonMark.
            None => 1,
        }
    }

    /// A run of backticks: code if the same run comes again in the line.
    fn ticks(&mut self, rest: &str) -> usize {
        let run = rest.len() - rest.trim_start_matches('`').len();
        let known = run <= MAX_TICKS && self.missing & (1 << run) == 0;
        let Some(end) = known.then(|| closing(&rest[run..], run)).flatten() else {
            if run <= MAX_TICKS {
                self.missing |= 1 << run;
            }
            return if run < 3 { self.copy(rest, run) } else { self.escaped_ticks(run) };
        };
        let code = &rest[run..run + end];
        if run < 3 && !code.contains("```") {
            return self.copy(rest, run + end + run);
        }
        if code.contains("``") {
            self.out.push_str(&code.replace('`', "\\`"));
        } else {
            // Three of them would be a block.
            self.out.extend(["``", code, "``"]);
        }
        run + end + run
    }

    fn escaped_ticks(&mut self, run: usize) -> usize {
        self.out.extend(std::iter::repeat_n("\\`", run));
        run
    }

    fn angle(&mut self, rest: &str) -> usize {
        if let Some(comment) = rest.strip_prefix("<!--") {
            if !self.open_comment
                && let Some(end) = comment.find("-->")
            {
                return 4 + end + 3;
            }
            self.open_comment = true;
        }
        let Some(end) = rest[1..].find(['<', '>']).filter(|&end| rest[1 + end..].starts_with('>')) else {
            return self.copy(rest, 1);
        };
        let name = rest[1..=end].trim_end_matches(['/', ' ']);
        if name.eq_ignore_ascii_case("br") {
            self.out.push_str(self.br.0);
            return end + 2;
        }
        // A mention, an emoji, a time, a URL, or HTML, which Discord shows as it is.
        if name.contains(['`', '[', '\\']) { self.copy(rest, 1) } else { self.copy(rest, end + 2) }
    }

    fn close(&mut self, rest: &str) -> usize {
        let Some((start, image)) = self.brackets.pop() else { return self.copy(rest, 1) };
        let Some((url, length)) = rest[1..].strip_prefix('(').and_then(destination) else { return self.copy(rest, 1) };
        let label = self.out[start + if image { 2 } else { 1 }..].to_owned();
        self.out.truncate(start);
        if !image || self.brackets.is_empty() {
            push_link(self.out, label.trim(), url);
        } else if label.trim().is_empty() {
            self.out.push_str(url);
        } else {
            // An image in a link: the link is the one to keep.
            self.out.push_str(&label);
        }
        if !image {
            // No link has a link in it.
            self.brackets.clear();
        }
        2 + length
    }
}

/// Where the run of backticks comes again.
fn closing(rest: &str, run: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = rest[from..].find('`') {
        let start = from + at;
        let length = rest[start..].bytes().take_while(|&byte| byte == b'`').count();
        if length == run {
            return Some(start);
        }
        from = start + length;
    }
    None
}

/// The name of a footnote that is referred to, or told.
fn footnote(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("[^")?;
    let end = name.bytes().take(64).position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))?;
    (end > 0 && name[end..].starts_with(']') && !name[end + 1..].starts_with('(')).then(|| &name[..end])
}

/// The URL behind `](`, without a title, and the bytes up to the bracket that closes.
fn destination(rest: &str) -> Option<(&str, usize)> {
    let window = &rest[..rest.floor_char_boundary(MAX_URL)];
    let start = window.len() - window.trim_start().len();
    let (url, mut at) = if let Some(inner) = window[start..].strip_prefix('<') {
        let end = inner.find(['>', '<'])?;
        (&inner[..end], start + 1 + end + 1)
    } else {
        let mut depth = 0_usize;
        let end = window[start..].bytes().position(|byte| match byte {
            b'(' => {
                depth += 1;
                false
            }
            b')' if depth == 0 => true,
            b')' => {
                depth -= 1;
                false
            }
            // Not in a URL, and each of them may begin another link.
            b' ' | b'[' | b'<' | b'`' | b'\t' => true,
            _ => false,
        })?;
        (&window[start..start + end], start + end)
    };
    let behind = window.get(at..)?.trim_start();
    at = window.len() - behind.len();
    if let Some(quote) = behind.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = behind[1..].find([quote, '['])?;
        at += 1 + end + 1;
        at += window.get(at..)?.bytes().take_while(|&byte| byte == b' ').count();
    }
    window.get(at..)?.starts_with(')').then_some((url, at + 1))
}

/// A masked link where Discord takes it, else a label with the URL behind it. It takes http and https
/// (<https://github.com/discord/discord-api-docs/issues/6088>), and no label that looks like a URL itself
/// (<https://github.com/discord/discord-api-docs/issues/7721>).
fn push_link(out: &mut String, label: &str, url: &str) {
    let web = url_len(url) > 0;
    let masked = web && !label.is_empty() && !label.contains("://");
    if masked {
        out.push('[');
        if label.contains(['[', ']']) {
            // A bracket ends a label.
            let mut escaped = false;
            for c in label.chars() {
                if matches!(c, '[' | ']') && !escaped {
                    out.push('\\');
                }
                escaped = c == '\\' && !escaped;
                out.push(c);
            }
        } else {
            out.push_str(label);
        }
        out.push_str("](");
        push_target(out, url);
        out.push(')');
    } else if label.is_empty() || label == url {
        out.push_str(url);
    } else {
        out.push_str(label);
        let url = url.strip_prefix("mailto:").unwrap_or(url);
        if !url.is_empty() && !url.starts_with('#') && url != label {
            out.extend([" (", url, ")"]);
        }
    }
}

/// The first bracket ends a target, whatever came before.
fn push_target(out: &mut String, url: &str) {
    for c in url.chars() {
        match c {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '[' => out.push_str("%5B"),
            ']' => out.push_str("%5D"),
            '\\' => out.push_str("%5C"),
            ' ' => out.push_str("%20"),
            c => out.push(c),
        }
    }
}

/// How long the URL is that a text begins with; 0 if it begins with none.
pub(super) fn url_len(text: &str) -> usize {
    let run = &text[..url_run(text)];
    // What Discord does not count as part of one where it ends.
    let end = run.trim_end_matches(['.', ',', ':', ';', '"', '\'', ')', ']', '。', '，', '）', '」']).len();
    if end > "http://".len() { end } else { 0 }
}

/// How far the signs go that may belong to the URL which a text begins with.
pub(super) fn url_run(text: &str) -> usize {
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    if !begins("https://") && !begins("http://") {
        return 0;
    }
    text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>')).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(line: &str) -> String {
        let mut out = String::new();
        push(&mut out, line, Break("\n"));
        out
    }

    #[test]
    fn links_are_what_discord_takes() {
        for (line, expected) in [
            ("[a](https://b.c/d \"title\")", "[a](https://b.c/d)"),
            ("[a](https://b.c/d_(e)) f", "[a](https://b.c/d_%28e%29) f"),
            ("[a](<https://b.c/d e>)", "[a](https://b.c/d%20e)"),
            ("![alt](https://b.c/d.png) ![](https://b.c)", "[alt](https://b.c/d.png) https://b.c"),
            ("[![badge](https://i.j/k.svg)](https://l.m)", "[badge](https://l.m)"),
            ("[https://a.b](https://a.b) [see http://x.y](https://a.b)", "https://a.b see http://x.y (https://a.b)"),
            ("[a](x/y) [b](#c) [d](mailto:e@f.g)", "a (x/y) b d (e@f.g)"),
            ("[a [b] c](https://d.e)", r"[a \[b\] c](https://d.e)"),
            ("`[a](b)` \\[a](b) [x] [y]: z", "`[a](b)` \\[a](b) [x] [y]: z"),
            ("so[^1] and [^n]: x", "so[1] and [n]: x"),
        ] {
            assert_eq!(pushed(line), expected, "{line}");
        }
    }

    #[test]
    fn html_stays_but_for_breaks_and_comments() {
        assert_eq!(
            pushed("a<br/>b<!-- c --> <b>d</b> <@1> <#2> <:e:3> <https://f.g>"),
            "a\nb <b>d</b> <@1> <#2> <:e:3> <https://f.g>"
        );
        assert_eq!(pushed("1 < 2 <!-- open"), "1 < 2 <!-- open");
    }

    #[test]
    fn backticks_never_become_a_fence() {
        assert_eq!(pushed("`a` ``b`` ```c``` ``` d"), "`a` ``b`` ``c`` \\`\\`\\` d");
        assert_eq!(pushed("`` ``` ``"), " \\`\\`\\` ");
        assert!(!pushed("``<!-- -->`x").contains("```"));
    }
}
