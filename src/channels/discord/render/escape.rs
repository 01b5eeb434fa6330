//! What the bridge itself says, so that it shows as it is written. Discord takes a backslash before any sign away and shows the sign
//! (`ESCAPE` in <https://github.com/discord/SimpleAST>, `SimpleMarkdownRules.kt`).

use crate::channels::discord::render::inline::url_run;
use crate::channels::discord::render::page::{self, Page};

/// The longest name of an emoji.
const MAX_NAME: usize = 32;

/// The text with every mark escaped; URLs as they are, so that they can be clicked.
pub(super) fn page(text: &str) -> Page {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for (index, line) in page::clean(text).split('\n').enumerate() {
        if index > 0 {
            escaped.push('\n');
        }
        push_line(&mut escaped, line);
    }
    Page { text: escaped, ..Page::default() }
}

fn push_line(out: &mut String, line: &str) {
    let body = line.trim_start_matches(' ');
    out.push_str(&line[..line.len() - body.len()]);
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = body;
    if body.starts_with(['#', '>', '-', '+']) {
        out.push('\\');
    } else if digits > 0 && body[digits..].starts_with(['.', ')']) {
        out.push_str(&body[..digits]);
        out.push('\\');
        rest = &body[digits..];
    }
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let url = if c == 'h' || c == 'H' { url_run(rest) } else { 0 };
        if url > 0 {
            // Not even what may follow it: Discord would take the backslash for a part of the URL.
            out.push_str(&rest[..url]);
            rest = &rest[url..];
        } else {
            // The first sign of a line may have been escaped above.
            let done = first && out.ends_with('\\');
            if !done && is_mark(c, rest) {
                out.push('\\');
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        first = false;
    }
}

fn is_mark(c: char, rest: &str) -> bool {
    match c {
        '\\' | '*' | '_' | '~' | '`' | '|' | '[' | ']' => true,
        // Mentions, custom emoji, times. A URL in angle brackets stays one: with the first of them escaped, the second would
        // belong to it.
        '<' => rest[1..].starts_with(['@', '#', ':', 'a', 't', '/', 'i']),
        ':' => is_emoji(&rest[1..]),
        _ => false,
    }
}

/// Whether a name and a colon follow: clients show `:smile:` as an emoji.
fn is_emoji(rest: &str) -> bool {
    let name = rest.bytes().take(MAX_NAME).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-'));
    let length = name.count();
    length > 0 && rest.as_bytes().get(length) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_escaped_and_urls_are_not() {
        for (text, escaped) in [
            ("a *b* _c_ ~~d~~ ||e|| `f` \\g", r"a \*b\* \_c\_ \~\~d\~\~ \|\|e\|\| \`f\` \\g"),
            ("# h\n> q\n- l\n-# s\n12. n\n* s", "\\# h\n\\> q\n\\- l\n\\-# s\n12\\. n\n\\* s"),
            ("see https://a.b/x_y_z*?q=[1]* or_", r"see https://a.b/x_y_z*?q=[1]* or\_"),
            ("[a](https://b.c/d_e)", r"\[a\](https://b.c/d_e)"),
            ("<@1> <:x:2> 1 < 2 :smile: 10: x", r"\<@1> \<\:x:2> 1 < 2 \:smile: 10: x"),
            ("a-b #1 (x) 漢_字", r"a-b #1 (x) 漢\_字"),
        ] {
            assert_eq!(page(text).text, escaped);
        }
    }
}
