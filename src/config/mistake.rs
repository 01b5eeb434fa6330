//! What is wrong in a configuration, where, and what to do about it.

use std::fmt;

use super::{
    names::is_name,
    origins::{Origin, Origins, show_path},
};

/// How the warnings about secrets in open files end.
pub(super) const OPEN_TO_ALL: &str = "everyone on this machine can read";

/// One mistake. No field ever holds the value of a secret or of an unknown key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    /// The key, dotted: `bots.main.api_key`. Empty when the mistake is the whole source's (a syntax error, say).
    pub key: String,
    /// What is wrong, continuing the key: "must be at least 1".
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Mistake {
    pub fn new(origin: Origin, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { origin, key: key.into(), reason: reason.into(), hint: None }
    }

    /// A mistake at `path`, with the line or variable in which it was written.
    pub fn at(origins: &Origins, path: &[String], reason: impl Into<String>) -> Self {
        Self::new(origins.of(path), show_path(path), reason)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether it is about a secret in a file that others can read.
    pub fn is_of_open_file(&self) -> bool {
        self.reason.ends_with(OPEN_TO_ALL)
    }

    /// The channel whose section holds this mistake.
    pub(super) fn channel(&self) -> Option<&str> {
        let id = self.key.strip_prefix("channels.")?.split('.').next()?;
        is_name(id).then_some(id)
    }

    fn place(&self) -> String {
        match &self.origin {
            Origin::Nowhere => String::new(),
            Origin::File { line, column: Some(column), .. } => format!("line {line}, column {column}  "),
            Origin::File { line, .. } => format!("line {line}  "),
            Origin::Env { name } => format!("env {name}  "),
        }
    }
}

/// On one line, for a log.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Nowhere => {}
            origin => write!(f, "{origin}: ")?,
        }
        match self.key.as_str() {
            "" => f.write_str(&self.reason)?,
            key => write!(f, "{key} {}", self.reason)?,
        }
        self.hint.iter().try_for_each(|hint| write!(f, " (hint: {hint})"))
    }
}

/// Every mistake of a configuration, as a person reads them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// In the order of the file, then the environment; one of a kind.
    pub(super) fn sorted(mut list: Vec<Mistake>) -> Self {
        list.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
        list.dedup();
        Self(list)
    }

    fn title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {}", if count == 1 { "mistake" } else { "mistakes" })?;
        let file = self.0.iter().find_map(|m| match &m.origin {
            Origin::File { path, .. } => Some(path.display()),
            _ => None,
        });
        let env = self.0.iter().any(|m| matches!(m.origin, Origin::Env { .. }));
        match (file, env) {
            (Some(path), true) => write!(f, " in {path} and the environment"),
            (Some(path), false) => write!(f, " in {path}"),
            (None, true) => write!(f, " in the environment"),
            (None, false) => write!(f, " in the configuration"),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.title(f)?;
        writeln!(f, ":")?;
        for mistake in &self.0 {
            writeln!(f)?;
            let head = format!("{}{}", mistake.place(), mistake.key);
            if !head.is_empty() {
                writeln!(f, "  {}", head.trim_end())?;
            }
            writeln!(f, "          {}", mistake.reason)?;
            if let Some(hint) = &mistake.hint {
                writeln!(f, "          hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A short quote of a value that is known not to be a secret.
pub(super) fn quote(given: &str) -> String {
    let short: String = given.chars().take(40).collect();
    if short.len() < given.len() { format!("{short:?}…") } else { format!("{short:?}") }
}
