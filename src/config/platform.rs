//! What the sections of chat platforms have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::channels::RawSection;
use super::mistake::Mistake;
use crate::model::{LateEdit, Secret};

/// What becomes of an edit that comes too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateEdits {
    /// It is recorded and not answered.
    #[default]
    Ignore,
    /// It is asked like a new message.
    Ask,
}

impl From<LateEdits> for LateEdit {
    fn from(late: LateEdits) -> Self {
        match late {
            LateEdits::Ignore => Self::Ignore,
            LateEdits::Ask => Self::Ask,
        }
    }
}

/// Whether a text is an address to put a path behind.
pub fn is_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

impl RawSection {
    /// What is wrong with a list of regular expressions.
    pub fn check_patterns(&self, key: &str, patterns: &[String]) -> Vec<Mistake> {
        let wrong = |(n, pattern): (usize, &String)| {
            let error = regex::Regex::new(pattern).err()?.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint = "a backslash is written twice in \"…\", once in '…'".to_owned();
            Some(self.mistake(&format!("{key}.[{n}]"), format!("is no regular expression: {why}")).hint(hint))
        };
        patterns.iter().enumerate().filter_map(wrong).collect()
    }

    /// What is wrong with a proxy, if there is one.
    pub fn check_proxy(&self, key: &str, proxy: Option<&Secret>) -> Option<Mistake> {
        let wrong = proxy.is_some_and(|proxy| reqwest::Proxy::all(proxy.expose()).is_err());
        wrong.then(|| self.mistake(key, "is no proxy URL").hint("for example http://proxy:3128".to_owned()))
    }
}
