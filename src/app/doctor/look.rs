//! What is found, as `check` tells it.

use crate::config::Mistake;
use crate::contract::Finding;

/// What was looked at. The names are stable: scripts go by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    Config,
    Secrets,
    Limits,
    Store,
    Listen,
    Proxy,
    Clock,
    Bot,
    Channel,
}

impl Leg {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secrets => "secrets",
            Self::Limits => "limits",
            Self::Store => "store",
            Self::Listen => "listen",
            Self::Proxy => "proxy",
            Self::Clock => "clock",
            Self::Bot => "bot",
            Self::Channel => "channel",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work.
    Wrong,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub leg: Leg,
    /// Which one, where there are several: the name of a bot or channel.
    pub subject: Option<String>,
    pub level: Level,
    /// A whole sentence that names what it is about.
    pub what: String,
    /// What to do; there is one whenever not all is well.
    pub hint: Option<String>,
}

impl Look {
    pub(super) fn ok(leg: Leg, what: impl Into<String>) -> Self {
        Self { leg, subject: None, level: Level::Ok, what: what.into(), hint: None }
    }

    pub(super) fn warn(leg: Leg, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warn, hint: Some(hint.into()), ..Self::ok(leg, what) }
    }

    pub(super) fn wrong(leg: Leg, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Wrong, hint: Some(hint.into()), ..Self::ok(leg, what) }
    }

    pub(super) fn of(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    /// That there is no configuration at all.
    pub fn no_configuration(what: &str, hint: &str) -> Self {
        Self::wrong(Leg::Config, what, hint)
    }

    /// A mistake of the configuration as something that was found.
    pub fn mistake(mistake: &Mistake) -> Self {
        let hint =
            mistake.hint.as_deref().unwrap_or("`caigunn-bridge config example` has every key with what it means");
        let whole = Mistake { hint: None, ..mistake.clone() };
        Self::wrong(Leg::Config, whole.to_string(), hint)
    }

    /// What a probe found of `subject`.
    pub(in crate::app) fn found(leg: Leg, subject: &str, finding: Finding) -> Self {
        let (level, what) = match (finding.ok, finding.what.strip_prefix("warning: ")) {
            (false, _) => (Level::Wrong, finding.what.as_str()),
            (true, Some(warning)) => (Level::Warn, warning),
            (true, None) => (Level::Ok, finding.what.as_str()),
        };
        let what = format!("{} {subject}: {what}", leg.as_str());
        Self { leg, subject: Some(subject.to_owned()), level, what, hint: finding.hint }
    }
}
