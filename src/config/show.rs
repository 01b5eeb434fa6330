//! `config show`: the configuration in force, each key with its origin.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    load::{Effective, HIDDEN, Loaded},
    origins::{show_key, show_path},
    shape::{branches, discriminator, is_object, is_secret, map_value, needs_values, properties},
};

/// The effective configuration as TOML; secrets as `[secret]`, and after each key where it came from: `default`, the file and
/// line, or the environment variable.
pub fn redacted(loaded: &Loaded) -> String {
    let mut shown = String::from("# The configuration in force. Secrets are not shown.\n");
    if let Some(file) = &loaded.file {
        let _ = writeln!(shown, "# File: {}", file.display());
    }
    for (id, mistakes) in &loaded.broken {
        let count = mistakes.0.len();
        let _ =
            writeln!(shown, "# channels.{id} is left out: {count} {}", if count == 1 { "mistake" } else { "mistakes" });
    }
    loaded.effective.table(&mut shown, &loaded.effective.schema, &loaded.effective.tree, &mut Vec::new());
    shown
}

/// A value as TOML writes it.
pub(super) fn toml_value(value: &Value) -> String {
    toml::Value::try_from(value).map(|v| v.to_string()).unwrap_or_else(|_| "\"\"".into())
}

impl Effective {
    fn table(&self, shown: &mut String, schema: &Value, tree: &Value, path: &mut Vec<String>) {
        let schema = branch_of(schema, tree);
        let named = properties(schema).map(|(name, s)| (name, Some(s)));
        let others = tree.as_object().into_iter().flatten().map(|(name, _)| name);
        let others = others
            .filter(|name| schema["properties"].get(name.as_str()).is_none())
            .map(|name| (name, map_value(schema)));
        let entries: Vec<(&String, Option<&Value>)> = named.chain(others).collect();
        // A table's own values come before the tables below it: after their header TOML would count them as theirs.
        let (tables, values): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, s)| s.is_some_and(holds_tables));

        if !path.is_empty() && (!values.is_empty() || tables.is_empty()) {
            let _ = writeln!(shown, "\n[{}]", show_path(path));
        }
        for (name, schema) in values {
            path.push(name.clone());
            self.value(shown, name, schema, tree.get(name), path);
            path.pop();
        }
        for (name, schema) in tables {
            let given = tree.get(name);
            // Defaults of a table that there is not would make it look as if there were.
            let shows = |s: &Value| properties(s).next().is_some() && !needs_values(s);
            let Some(schema) = schema.filter(|s| given.is_some() || shows(s)) else { continue };
            path.push(name.clone());
            self.table(shown, schema, given.unwrap_or(&Value::Null), path);
            path.pop();
        }
    }

    fn value(&self, shown: &mut String, name: &str, schema: Option<&Value>, given: Option<&Value>, path: &[String]) {
        let origin = match (self.sources.get(path), self.origins.exact(path)) {
            (Some(source), _) => source.clone(),
            (None, Some(origin)) => origin.to_string(),
            (None, None) => self.origins.of(path).to_string(),
        };
        let Some(schema) = schema else {
            let _ = writeln!(shown, "# {} is not shown: its kind does not describe it  # {origin}", show_key(name));
            return;
        };
        let name = show_key(name);
        let _ = match (given, schema.get("default")) {
            (Some(_), _) if is_secret(schema) => writeln!(shown, "{name} = \"{HIDDEN}\"  # {origin}"),
            (Some(value), _) => writeln!(shown, "{name} = {}  # {origin}", toml_value(value)),
            (None, Some(default)) => writeln!(shown, "{name} = {}  # default", toml_value(default)),
            (None, None) => Ok(()),
        };
    }
}

fn branch_of<'s>(schema: &'s Value, tree: &Value) -> &'s Value {
    let Some(branches) = branches(schema) else { return schema };
    let Some(tag) = discriminator(branches) else { return schema };
    branches.iter().find(|b| b["properties"][tag].get("const") == tree.get(tag)).unwrap_or(schema)
}

/// Whether a value of this schema is a table.
pub(super) fn holds_tables(schema: &Value) -> bool {
    is_object(schema) || branches(schema).is_some_and(|b| !b.is_empty() && b.iter().all(is_object))
}
