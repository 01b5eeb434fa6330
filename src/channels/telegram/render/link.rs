//! Which links become links.

/// What is to be done with the destination of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    /// Telegram takes it.
    Link,
    /// It is to be read beside the label: Telegram drops links that it does not take without a word.
    Text(&'a str),
    /// It leads nowhere from a chat.
    Nowhere,
}

/// The longest URL that becomes a link, in bytes.
const MAX_URL: usize = 2048;

/// After what tdlib's `LinkManager::check_link` takes, a little stricter. `mailto:` is not among it: it would be read as an
/// http URL with a user's name; an address as text is found by every client.
pub(super) fn judge(url: &str) -> Destination<'_> {
    let text = url.trim();
    if text.is_empty() || text.starts_with('#') {
        return Destination::Nowhere;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return Destination::Text(text) };
    let good = url.len() <= MAX_URL && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    let rest = rest.strip_prefix("//");
    match (scheme.to_ascii_lowercase().as_str(), rest) {
        ("http" | "https", Some(rest)) if good && is_host(rest) => Destination::Link,
        ("tg", Some(rest)) if good && rest.starts_with(|c: char| c.is_ascii_alphabetic()) && is_name(rest) => {
            Destination::Link
        }
        ("mailto", None) => Destination::Text(text["mailto:".len()..].split('?').next().unwrap_or_default()),
        _ => Destination::Text(text),
    }
}

fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// A host as Telegram wants it: with a dot, and a port that is one.
fn is_host(rest: &str) -> bool {
    let authority = authority(rest);
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let inner = host.trim_matches('.');
    inner.contains('.')
        && inner.len() == host.len()
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn is_name(rest: &str) -> bool {
    authority(rest).bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_telegram_takes_is_a_link() {
        for url in ["https://a.example/x?y=1#z", "HTTP://例子.測試", "http://a.b:8080", "tg://user?id=42"] {
            assert_eq!(judge(url), Destination::Link, "{url}");
        }
        for url in [
            "http://localhost:8080/",
            "ftp://a.b",
            "javascript:alert(1)",
            "https://a.b:99999/",
            "https://a b.c",
            "x/y",
            "https://.a",
            "https://u@a.b",
            "tg:resolve",
        ] {
            assert_eq!(judge(url), Destination::Text(url), "{url}");
        }
        assert_eq!(judge("mailto:a@b.c?subject=x"), Destination::Text("a@b.c"));
        assert_eq!(judge("#part"), Destination::Nowhere);
        assert_eq!(judge(" "), Destination::Nowhere);
        let long = format!("https://a.b/{}", "x".repeat(MAX_URL));
        assert_eq!(judge(&long), Destination::Text(&long));
    }
}
