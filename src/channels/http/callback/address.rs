//! Where callbacks may go.

use reqwest::Url;

/// The address of a callback, if it is one.
pub(in crate::channels::http) fn address(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}
