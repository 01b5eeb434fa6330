//! `[channels.<id>]`: what every kind of channel has in common. This file knows no kind.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    mistake::Mistake, origins::Origins, uid_template::UidTemplate, units::HumanDuration, validate::check_section,
};

/// The part of a channel that does not depend on its kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Which kind of channel this is.
    pub kind: String,
    /// The chatbot that answers: a name under `bots`.
    #[schemars(extend("examples" = ["main"]))]
    pub bot: String,
    /// Turned off, the channel does not run; its accepted messages are kept.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Who shares one conversation.
    #[serde(default)]
    pub scope: Scope,
    /// How a person's uid is made: `{channel}` `{tenant}` `{chat}` `{user}` `{bot}`, joined by `-`. Without it,
    /// `{channel}-{user}`, or the like for another scope. Known people keep the uid they have.
    #[schemars(extend("examples" = ["{channel}-{user}"]))]
    pub uid_template: Option<String>,
    /// Language of notices to someone whose own is not known.
    #[serde(default = "english")]
    #[schemars(extend("format" = LANGUAGE_FORMAT))]
    pub language: String,
    /// Replaces `pipeline.max_age` on this channel.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "30d", "examples" = ["1h"]))]
    pub max_age: Option<HumanDuration>,
    /// The kind's own part, as written; secrets are read, everything is checked against the kind's schema.
    #[serde(skip)]
    pub own: RawSection,
}

fn yes() -> bool {
    true
}

fn english() -> String {
    "en".into()
}

impl Channel {
    /// The template in force: the configured one, else the scope's.
    pub fn template(&self) -> UidTemplate {
        let text = self.uid_template.as_deref().unwrap_or(self.scope.default_template());
        UidTemplate::parse(text).unwrap_or_else(|_| UidTemplate::for_scope(self.scope))
    }
}

/// Who shares one conversation with the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each person has one, wherever they write.
    #[default]
    User,
    /// Everyone in a chat shares one.
    Chat,
    /// Everyone in a thread (or topic) of a chat shares one.
    Thread,
    /// Each person has one in each chat.
    UserInChat,
}

impl Scope {
    pub const fn default_template(self) -> &'static str {
        match self {
            Self::User => "{channel}-{user}",
            Self::Chat | Self::Thread => "{channel}-{chat}",
            Self::UserInChat => "{channel}-{chat}-{user}",
        }
    }
}

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
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The keys of one channel that belong to its kind. They may hold secrets: `Debug` shows names only.
#[derive(Clone, Default)]
pub struct RawSection {
    path: String,
    values: Map<String, Value>,
    origins: Arc<Origins>,
}

impl RawSection {
    pub fn new(path: impl Into<String>, values: Map<String, Value>, origins: Arc<Origins>) -> Self {
        Self { path: path.into(), values, origins }
    }

    /// Reads the section as the kind's own struct.
    pub fn parse<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Vec<Mistake>> {
        check_section(&self.path, &Value::Object(self.values.clone()), &self.origins)
    }

    /// A mistake that only the kind can see, at `key` below this section (dotted) with the line it is written on.
    pub fn mistake(&self, key: &str, reason: impl Into<String>) -> Mistake {
        let path = self.path.split('.').chain(key.split('.').filter(|k| !k.is_empty())).map(String::from);
        Mistake::at(&self.origins, &path.collect::<Vec<_>>(), reason)
    }

    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }
}

impl fmt::Debug for RawSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSection").field("path", &self.path).field("keys", &self.values.keys()).finish()
    }
}
