//! Where each key came from: a line of the file, or an environment variable.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::shape::other_forms;

/// Where a key was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Not given anywhere: the default, or missing.
    Nowhere,
    /// In the file, at this line (from 1) and, for syntax errors, column.
    File { path: Arc<PathBuf>, line: usize, column: Option<usize> },
    /// In this environment variable.
    Env { name: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("default"),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Env { name } => write!(f, "env {name}"),
        }
    }
}

/// The origins of every given key, by path. Names and lines only, no values.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    file: Option<Arc<PathBuf>>,
    lines: BTreeMap<Vec<String>, usize>,
    variables: BTreeMap<Vec<String>, String>,
}

impl Origins {
    /// What was given at `path`, or a secret's other form of it, else what brought the table it would stand in.
    pub fn of(&self, path: &[String]) -> Origin {
        if let Some(found) = self.exact(path).or_else(|| self.other_form(path)) {
            return found;
        }
        for length in (1..=path.len()).rev() {
            let path = &path[..length];
            if let Some(found) = self.exact(path) {
                return found;
            }
            if let Some((_, name)) = self.variables.range(path.to_vec()..).next().filter(|(p, _)| p.starts_with(path)) {
                return Origin::Env { name: name.clone() };
            }
        }
        Origin::Nowhere
    }

    fn other_form(&self, path: &[String]) -> Option<Origin> {
        let (name, table) = path.split_last()?;
        other_forms(name).into_iter().find_map(|form| self.exact(&[table, &[form]].concat()))
    }

    /// What gave exactly this key; the environment beats the file.
    pub fn exact(&self, path: &[String]) -> Option<Origin> {
        let variable = self.variables.get(path).map(|name| Origin::Env { name: name.clone() });
        variable.or_else(|| Some(self.line(*self.lines.get(path)?, None)))
    }

    /// Whether this key, or the scalar it stands in, is text from the environment and so has no type of its own.
    pub fn is_env(&self, path: &[String]) -> bool {
        (1..=path.len()).any(|length| self.variables.contains_key(&path[..length]))
    }

    pub(super) fn line(&self, line: usize, column: Option<usize>) -> Origin {
        Origin::File { path: self.file.clone().unwrap_or_default(), line, column }
    }

    pub(super) fn set_file(&mut self, file: PathBuf) {
        self.file = Some(Arc::new(file));
    }

    pub(super) fn add_table(&mut self, text: &str, table: &DeTable<'_>) {
        let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.add_below(&starts, &mut Vec::new(), table);
    }

    fn add_below(&mut self, starts: &[usize], path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.add_value(starts, key.span().start, path, value.get_ref());
            path.pop();
        }
    }

    fn add_value(&mut self, starts: &[usize], at: usize, path: &mut Vec<String>, value: &DeValue<'_>) {
        let line = starts.partition_point(|start| *start <= at);
        self.lines.insert(path.clone(), line);
        match value {
            DeValue::Table(table) => self.add_below(starts, path, table),
            DeValue::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    path.push(format!("[{n}]"));
                    self.add_value(starts, item.span().start, path, item.get_ref());
                    path.pop();
                }
            }
            _ => {}
        }
    }

    pub(super) fn add_variable(&mut self, path: Vec<String>, name: String) {
        self.variables.insert(path, name);
    }

    pub(super) fn variables(&self) -> &BTreeMap<Vec<String>, String> {
        &self.variables
    }
}

/// Line and column (from 1, in characters) of a byte offset.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// `bots.main.api_key`, `keys[0]`, `texts."odd key"`.
pub(super) fn show_path(path: &[String]) -> String {
    let mut shown = String::new();
    for part in path {
        if !shown.is_empty() && !part.starts_with('[') {
            shown.push('.');
        }
        if part.starts_with('[') {
            shown.push_str(part);
        } else {
            shown.push_str(&show_key(part));
        }
    }
    shown
}

/// A key as TOML writes it: quoted where it must be.
pub(super) fn show_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { toml::Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(String::from).collect()
    }

    #[test]
    fn a_key_is_found_on_its_line_and_a_missing_one_at_its_table() {
        let text =
            "[server]\nlisten = 'x'\n\n[bots.main]\naccount = 'a'\nbreaker.failures = 1\nlist = [\n  1,\n  2 ]\n";
        let mut origins = Origins::default();
        origins.set_file("f".into());
        origins.add_table(text, DeTable::parse(text).unwrap().get_ref());
        origins.add_variable(path("bots.other.account"), "X".into());
        let line = |dotted| match origins.of(&path(dotted)) {
            Origin::File { line, .. } => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line("server.listen"), 2);
        assert_eq!(line("bots.main"), 4);
        assert_eq!(line("bots.main.api_key"), 4);
        assert_eq!(line("bots.main.breaker.failures"), 6);
        assert_eq!(line("bots.main.list.[1]"), 9);
        assert_eq!(origins.of(&path("bots.other.api_key")), Origin::Env { name: "X".into() });
        assert_eq!(origins.of(&path("log.filter")), Origin::Nowhere);
        assert_eq!(line_and_column("a\nbé =", 6), (2, 4));
    }
}
