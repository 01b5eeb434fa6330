//! The validator: what a walk goes by, what it has found, and how a tree that was found good is read.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{mistake::Mistake, origins::Origins, secrets::FileDigest};

pub(super) type Env = BTreeMap<OsString, OsString>;

/// One walk over a tree. What it does to tables and values is in `walk`, what to secrets in `secrets`.
pub(super) struct Validator<'a> {
    pub(super) origins: &'a Origins,
    pub(super) env: &'a Env,
    /// The whole schema, to say to which section a stray key belongs.
    pub(super) whole: Option<&'a Value>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    /// Where each secret stands in the tree, and what its value was read from if not from there.
    pub(super) secrets: BTreeMap<Vec<String>, Option<String>>,
    /// The files that secrets were read from, or should have been.
    pub(super) files: BTreeMap<PathBuf, Option<FileDigest>>,
}

impl<'a> Validator<'a> {
    pub(super) fn new(origins: &'a Origins, env: &'a Env) -> Self {
        let (mistakes, warnings, secrets) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { origins, env, whole: None, mistakes, warnings, secrets, files: BTreeMap::new() }
    }

    pub(super) fn wrong(&mut self, path: &[String], reason: impl Into<String>, hint: impl Into<Option<String>>) {
        self.mistakes.push(Mistake::at(self.origins, path, reason).hint(hint));
    }

    /// Reads a tree that was found good. What serde still refuses is a mistake whose text is cleared of secrets.
    pub(super) fn read<T: DeserializeOwned>(&self, mut tree: Value, path: &[String]) -> Result<T, Mistake> {
        let mut secrets = Vec::new();
        for secret in self.secrets.keys() {
            let below = secret.strip_prefix(path).unwrap_or(secret);
            let found = at_path(&mut tree, below).and_then(|v| v.as_str());
            secrets.extend(found.filter(|s| !s.is_empty()).map(str::to_owned));
        }
        serde_json::from_value(tree).map_err(|error| {
            let mut reason = error.to_string();
            for secret in secrets {
                let escaped = format!("{secret:?}");
                reason = reason.replace(escaped.trim_matches('"'), "[secret]").replace(&secret, "[secret]");
            }
            Mistake::at(self.origins, path, format!("cannot be used: {reason}"))
        })
    }
}

/// The value at a path of keys and `[n]`.
pub(super) fn at_path<'t>(tree: &'t mut Value, path: &[String]) -> Option<&'t mut Value> {
    path.iter().try_fold(tree, |at, part| match at {
        Value::Array(items) => items.get_mut(part.trim_matches(['[', ']']).parse::<usize>().ok()?),
        other => other.get_mut(part),
    })
}
