//! Which links become links.

use std::ops::Range;

/// The longest URL that becomes a link, in bytes.
const MAX_URL: usize = 2048;

/// Whether a link may lead there: `http`, `https` or `mailto`, spelled out, nothing else. A page's own paths and fragments are
/// not the model's to know.
pub(super) fn is_good(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    // Browsers drop tabs and line breaks within a URL and control characters before it: a scheme could be spelled with them.
    if url.len() > MAX_URL || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return false;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty()),
        "mailto" => rest.contains('@'),
        _ => false,
    }
}

/// The first bare URL in a text, without the punctuation behind it.
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("http")?;
        from = start + 4;
        let glued = text[..start].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        let url = &text[start..];
        let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme));
        let Some(scheme) = scheme.filter(|_| !glued) else { continue };
        let inside =
            |c: u8| c.is_ascii_graphic() && !matches!(c, b'<' | b'>' | b'"' | b'`' | b'\\' | b'^' | b'{' | b'|' | b'}');
        // No further than a URL may reach: a long answer of nothing but beginnings would be read to its end from each of them.
        let Some(end) = (0..=MAX_URL).find(|at| url.as_bytes().get(*at).is_none_or(|c| !inside(*c))) else { continue };
        let length = trimmed(&url[..end]).len();
        if length > scheme.len() {
            return Some(start..start + length);
        }
    }
}

/// Without the sentence's own punctuation; a bracket that was opened within the URL belongs to it.
fn trimmed(mut url: &str) -> &str {
    let count = |sign: char| url.matches(sign).count();
    // How many more are closed than opened. What opens one ends the trimming.
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    while let Some(last) = url.chars().next_back() {
        let outside = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => true,
            ')' if round > 0 => {
                round -= 1;
                true
            }
            ']' if square > 0 => {
                square -= 1;
                true
            }
            _ => false,
        };
        if !outside {
            break;
        }
        url = &url[..url.len() - 1];
    }
    url
}

#[cfg(test)]
mod tests {
    use super::{find, is_good};

    #[test]
    fn schemes_are_spelled_out() {
        for good in ["http://a", "HTTPS://a.b/c?d=e#f", "mailto:a@b.c"] {
            assert!(is_good(good), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "\u{1}javascript:alert(1)",
            " https://a",
            "https:a",
            "//a.b",
            "/a",
            "#a",
            "",
            "data:text/html,x",
            "blob:https://a",
            "file:///etc",
            "mailto:",
            "https://a b",
        ] {
            assert!(!is_good(bad), "{bad:?}");
        }
    }

    #[test]
    fn no_text_takes_long() {
        let began = std::time::Instant::now();
        let cut = |text: &str| find(text).is_some();
        assert!(!cut(&format!("https://a{}", ")".repeat(500_000))));
        assert!(cut(&"https://".repeat(20_000)), "its end is short enough");
        assert!(!cut(&format!("https://{}", "a".repeat(500_000))));
        assert!(cut(&format!("https://a{}", ")".repeat(super::MAX_URL - 9))));
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn bare_urls_end_where_the_sentence_goes_on() {
        for (text, expected) in [
            ("see https://a.b/c.", Some("https://a.b/c")),
            ("（https://a.b/c）", Some("https://a.b/c")),
            ("在https://a.b/c，然後", Some("https://a.b/c")),
            ("(http://a.b/c_(d))", Some("http://a.b/c_(d)")),
            ("http://a.b/(c]))].)", Some("http://a.b/(c])")),
            ("xhttps://a.b", None),
            ("https://", None),
            ("http and https://a.b", Some("https://a.b")),
        ] {
            assert_eq!(find(text).map(|range| &text[range]), expected, "{text}");
        }
    }
}
