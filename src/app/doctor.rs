//! A look at everything that could be wrong, for `check`: [`disk`] the store · [`host`] the address, the limits and the clock
//! of this machine · [`proxies`] what calls go through · [`probe`](crate::app::probe) the other side of every connection.

mod disk;
mod host;
mod proxies;

use std::path::{Path, PathBuf};

use crate::app::{App, probe};
use crate::config::{Loaded, Mistake};
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
    fn ok(leg: Leg, what: impl Into<String>) -> Self {
        Self { leg, subject: None, level: Level::Ok, what: what.into(), hint: None }
    }

    fn warn(leg: Leg, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warn, hint: Some(hint.into()), ..Self::ok(leg, what) }
    }

    fn wrong(leg: Leg, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Wrong, hint: Some(hint.into()), ..Self::ok(leg, what) }
    }

    fn of(self, subject: &str) -> Self {
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

/// Looks at everything. Without `online` nothing leaves this machine.
pub async fn examine(app: &App, loaded: &Loaded, online: bool) -> Vec<Look> {
    let mut looks = configuration(loaded);
    looks.extend(secrets(loaded));
    looks.push(host::limits(&loaded.config));
    let (store, in_use) = disk::look(loaded).await;
    looks.extend(store);
    looks.push(host::listen(&loaded.config, in_use).await);
    looks.extend(proxies::look(&loaded.config, online).await);
    if online {
        looks.extend(host::clock(&loaded.config).await);
        looks.extend(probe::probe(app, loaded).await);
    }
    looks
}

fn configuration(loaded: &Loaded) -> Vec<Look> {
    let config = &loaded.config;
    let from = loaded.file.as_ref().map_or("the environment alone".to_owned(), |file| file.display().to_string());
    let channels = config.channels.len() + loaded.broken.len();
    let counts = [count(config.accounts.len(), "account"), count(config.bots.len(), "bot"), count(channels, "channel")];
    let counts = format!("configuration from {from}: {}", counts.join(", "));
    let mut looks = vec![if channels == 0 {
        let hint = "`caigunn-bridge init` writes a configuration; in one of your own add a `[channels.<id>]` section";
        Look::wrong(Leg::Config, counts, hint)
    } else {
        Look::ok(Leg::Config, counts)
    }];
    // That there is no channel has been said.
    let warnings = loaded.warnings.iter().filter(|warning| warning.key != "channels" && !warning.is_of_open_file());
    looks.extend(warnings.map(|warning| of_warning(Leg::Config, warning)));
    looks
}

fn secrets(loaded: &Loaded) -> Vec<Look> {
    let open = loaded.warnings.iter().filter(|warning| warning.is_of_open_file());
    let looks: Vec<_> = open.map(|warning| of_warning(Leg::Secrets, warning)).collect();
    if looks.is_empty() {
        return vec![Look::ok(Leg::Secrets, "secrets: none is in a file that everyone on this machine can read")];
    }
    looks
}

fn of_warning(leg: Leg, warning: &Mistake) -> Look {
    let hint = warning.hint.as_deref().unwrap_or("`caigunn-bridge config show` tells where each key comes from");
    Look::warn(leg, format!("{} {}", warning.key, warning.reason).trim_start(), hint)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The nearest folder above a path that is there.
fn nearest_folder(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned())
}
