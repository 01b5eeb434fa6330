//! The three forms of a secret: `token = "…"`, `token_file = "/run/secrets/token"`, `token_env = "TOKEN"`.

use std::{ffi::OsStr, path::Path};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    layers::read_at_most,
    mistake::{Mistake, OPEN_TO_ALL},
    origins::Origin,
    shape::{is_secret, map_value, other_forms, properties},
    validate::Validator,
};

const MAX_SECRET: usize = 64 << 10;
/// Stands for a secret that could not be read, so that it is not reported as missing as well. The mistake is on record: no
/// configuration that holds this is ever handed out.
pub(super) const UNREADABLE: &str = "unreadable-secret-placeholder";

enum Form {
    Inline,
    File,
    Env,
}

impl Validator<'_> {
    /// Replaces the `_file` and `_env` forms in a table by what they name.
    pub(super) fn resolve_secrets(&mut self, schema: &Value, map: &mut Map<String, Value>, path: &mut Vec<String>) {
        let mut names: Vec<String> = properties(schema).filter(|(_, s)| is_secret(s)).map(|(n, _)| n.clone()).collect();
        // In a table of secrets under names of the user's choice, `alice_file` is the file of `alice`.
        if map_value(schema).is_some_and(is_secret) {
            let known = |key: &str| schema["properties"].get(key).is_some();
            let chosen = map.keys().filter(|k| !known(k)).map(|k| base(k).to_owned());
            names.extend(chosen);
        }
        names.sort();
        names.dedup();
        for name in names {
            self.resolve(&name, map, path);
        }
    }

    fn resolve(&mut self, name: &str, map: &mut Map<String, Value>, path: &mut Vec<String>) {
        let [file, env] = other_forms(name);
        let forms = [(name.to_owned(), Form::Inline), (file, Form::File), (env, Form::Env)];
        let mut given: Vec<_> = forms.into_iter().filter(|(key, _)| map.contains_key(key)).collect();
        // The layers decide first: any form in the environment replaces every form in the file.
        let from_env = |key: &str| self.origins.is_env(&[path.as_slice(), &[key.to_owned()]].concat());
        if given.iter().any(|(key, _)| from_env(key)) {
            let (kept, beaten): (Vec<_>, Vec<_>) = given.into_iter().partition(|(key, _)| from_env(key));
            beaten.iter().for_each(|(key, _)| drop(map.shift_remove(key)));
            given = kept;
        }
        if let [first, .., last] = given.as_slice() {
            path.push(last.0.clone());
            let reason = format!("and `{}` are both given", first.0);
            self.wrong(path, reason, "keep one of them".to_owned());
            path.pop();
        }
        let mut values = given.into_iter().filter_map(|(key, form)| Some((map.shift_remove(&key)?, key, form)));
        let Some((value, key, form)) = values.next() else { return };
        // More than one form is already on record; the others must not be taken for unknown keys.
        values.for_each(drop);
        path.push(key);
        let (value, source) = match (form, value) {
            (Form::Inline, Value::String(text)) => (Value::String(trimmed(text)), None),
            (Form::Inline, other) => (other, None),
            (Form::File, Value::String(file)) => (self.read_file(&file, path), Some(format!("file {file}"))),
            (Form::Env, Value::String(variable)) => {
                let source = format!("env {variable}");
                (self.read_variable(&variable, path), Some(source))
            }
            (form, _) => {
                let what = if matches!(form, Form::File) { "a path" } else { "the name of an environment variable" };
                self.wrong(path, format!("must be {what}, in quotes"), None);
                (UNREADABLE.into(), None)
            }
        };
        let given_by = self.origins.exact(path);
        path.pop();
        path.push(name.to_owned());
        let shown = match (given_by, source) {
            (Some(given_by), Some(source)) => Some(format!("{source}, named by {given_by}")),
            (_, source) => source,
        };
        self.secrets.insert(path.clone(), shown);
        path.pop();
        map.insert(name.to_owned(), value);
    }

    fn read_file(&mut self, file: &str, path: &[String]) -> Value {
        let bytes = read_at_most(Path::new(file), MAX_SECRET);
        self.files.insert(file.into(), bytes.as_deref().ok().map(digest));
        let read = bytes
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".into()))
            .map(trimmed)
            .and_then(|text| if text.is_empty() { Err("is empty".into()) } else { Ok(text) });
        match read {
            Ok(text) => {
                if world_readable(Path::new(file)) {
                    let warning = Mistake::at(self.origins, path, format!("names {file}, which {OPEN_TO_ALL}"));
                    self.warnings.push(warning.hint(format!("chmod o-r {file}")));
                }
                text.into()
            }
            Err(_) if file.is_empty() => {
                self.wrong(path, "is empty", None);
                UNREADABLE.into()
            }
            Err(reason) => {
                // Without a folder it may be the secret itself, put into the wrong field.
                let named = if file.contains(['/', '\\']) { file } else { "a file in the working directory" };
                self.wrong(
                    path,
                    format!("names {named}, which {reason}"),
                    "a path, such as /run/secrets/name".to_owned(),
                );
                UNREADABLE.into()
            }
        }
    }

    fn read_variable(&mut self, variable: &str, path: &[String]) -> Value {
        let reason = match self.env.get(OsStr::new(variable)).map(|v| v.to_str()) {
            Some(Some(text)) if !trimmed(text.into()).is_empty() => return trimmed(text.into()).into(),
            Some(Some(_)) => "is empty",
            Some(None) => "is not UTF-8 text",
            None => "is not set",
        };
        // A secret put here by mistake must not be shown: only what can be a variable's name is.
        let named = if is_variable(variable) {
            format!("names {variable}, which {reason}")
        } else {
            "must be the name of an environment variable".into()
        };
        self.wrong(path, named, None);
        UNREADABLE.into()
    }

    /// A warning when everyone can read the file in which secrets are written out.
    pub(super) fn warn_of_open_file(&mut self, file: &Path) {
        let inline = |(path, source): &(&Vec<String>, &Option<String>)| {
            source.is_none() && matches!(self.origins.exact(path), Some(Origin::File { .. }))
        };
        let Some((path, _)) = self.secrets.iter().find(inline) else { return };
        if world_readable(file) {
            let warning = Mistake::at(self.origins, path, format!("is written out in a file that {OPEN_TO_ALL}"));
            let name = path.last().map(String::as_str).unwrap_or_default();
            self.warnings.push(warning.hint(format!("chmod o-r {}, or use `{name}_file`", file.display())));
        }
    }
}

/// A digest of what stands in a file of secrets.
pub type FileDigest = [u8; 32];

fn digest(bytes: &[u8]) -> FileDigest {
    Sha256::digest(bytes).into()
}

/// What stands in a file of secrets now; `None` if it cannot be read.
pub fn digest_of(file: &Path) -> Option<FileDigest> {
    read_at_most(file, MAX_SECRET).ok().map(|bytes| digest(&bytes))
}

fn base(key: &str) -> &str {
    let cut = key.strip_suffix("_file").or_else(|| key.strip_suffix("_env"));
    cut.filter(|rest| !rest.is_empty()).unwrap_or(key)
}

fn trimmed(text: String) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

fn is_variable(name: &str) -> bool {
    // Real names are short and, nearly always, capitals; tokens are neither.
    name.len() <= 64
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && name.contains(|c: char| !c.is_ascii_digit())
}

#[cfg(unix)]
fn world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn world_readable(_: &Path) -> bool {
    false
}
