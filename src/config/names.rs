//! The names that the user chooses, of accounts, bots and channels, and the tags of languages.

use crate::model::Lang;

/// The JSON schema `format` of a name: `[a-z][a-z0-9_]*`, without `__`, which separates levels in environment variables, and without
/// a `_` at the end, which would move that separator.
pub const NAME_FORMAT: &str = "name";
/// The JSON schema `format` of a language tag: `en`, `zh-TW`.
pub const LANGUAGE_FORMAT: &str = "language";

/// Whether this can name an account, a bot or a channel.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !text.contains("__")
        && !text.ends_with('_')
        && text.len() <= 64
}

/// Whether this has the form of a language tag.
pub fn is_language(text: &str) -> bool {
    Lang::from_tag(text).is_some()
}
