//! `[channels.<id>]`: what every kind of channel has in common. This file knows no kind.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{access::Access, mistake::Mistake, origins::Origins, units::HumanDuration, walk::check_section};
use crate::model::{Lang, Scope};

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
    /// Who shares one conversation. Each kind has its own default.
    pub scope: Option<Scope>,
    /// How a person's uid is made: `{channel}` `{tenant}` `{chat}` `{thread}` `{user}` `{bot}`, joined by `-`. What the scope
    /// tells apart and the template does not name is appended. Known people keep the uid they have.
    #[schemars(extend("examples" = ["{channel}-{user}"]))]
    pub uid_template: Option<String>,
    /// Language of notices to someone whose own is not known.
    #[serde(default)]
    pub language: Lang,
    /// Replaces `pipeline.max_age` on this channel.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "30d", "examples" = ["1h"]))]
    pub max_age: Option<HumanDuration>,
    /// Who may talk to the bot: without `allow` lists, everybody. With them, whoever is in an allowed chat, is an allowed user or
    /// is let in by any other of them ("I in private, and everybody in that group"). `deny` wins over `allow`, and admins are
    /// always let in. All go by the platform's own ids, as numbers or text (over HTTP: `conversation` and `user`).
    #[serde(default)]
    pub access: Access,
    /// The kind's own part, as written; secrets are read, everything is checked against the kind's schema.
    #[serde(skip)]
    pub own: RawSection,
}

fn yes() -> bool {
    true
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
