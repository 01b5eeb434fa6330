//! Which links Telegram takes (after tdlib's `LinkManager::check_link` and `parse_url`).

/// The user whom a `tg://user?id=…` mentions.
pub(super) fn user(url: &str) -> Option<String> {
    let rest = url.to_ascii_lowercase().strip_prefix("tg:").map(|rest| rest.trim_start_matches("//").to_owned())?;
    let query = rest.strip_prefix("user?").or_else(|| rest.strip_prefix("user/?"))?;
    let id = query.split(['&', '#']).find_map(|pair| pair.strip_prefix("id="))?;
    id.parse::<u64>().is_ok_and(|id| id != 0).then(|| id.to_owned())
}

/// The link in the form in which Telegram keeps it; `None` if it is not one.
pub(super) fn checked(url: &str) -> Option<String> {
    let lower = url.to_ascii_lowercase();
    for scheme in ["tg", "ton"] {
        if let Some(rest) = lower.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':')) {
            let rest = &url[url.len() - rest.len()..];
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            let (host, query) = split(rest)?;
            let query = query.strip_prefix("/?").map_or(query.clone(), |query| format!("?{query}"));
            return Some(format!("{scheme}://{host}{query}"));
        }
    }
    let (scheme, rest) = match lower.split_once("://") {
        Some((scheme @ ("http" | "https"), _)) => (scheme, &url[scheme.len() + 3..]),
        // Anything else in front of `://` is a protocol that Telegram does not know.
        Some((scheme, _)) if !scheme.contains(':') => return None,
        _ => ("http", url),
    };
    let (host, query) = split(rest)?;
    // A `mailto:` has no slashes: it is read as user information before a host.
    let bare = host.rsplit('@').next().unwrap_or_default();
    (bare.contains('.') || bare.starts_with('[')).then(|| format!("{scheme}://{host}{query}"))
}

/// The host (with user information and port), and the rest, which begins with a slash.
fn split(rest: &str) -> Option<(String, String)> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, query) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let good =
        |c: char| c.is_alphanumeric() || !c.is_ascii() || matches!(c, '.' | '-' | '_' | '%' | '[' | ']' | ':' | '~');
    if name.is_empty() || name == "." || !name.chars().all(good) {
        return None;
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return None;
    }
    let query = if query.starts_with('/') { query.to_owned() } else { format!("/{query}") };
    Some((authority.to_lowercase(), query.replace(' ', "%20")))
}
