//! The example file: every key with its documentation and default.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    names::{LANGUAGE_FORMAT, is_name},
    origins::{show_key, show_path},
    schema::{Known, internal},
    shape::{
        branches, choices, discriminator, format, is_required, is_secret, map_value, needs_values, properties, text,
    },
    show::{holds_tables, toml_value},
    units::{BYTES_FORMAT, DURATION_FORMAT},
};

const HEAD: &str = "\
# caigunn-bridge: every setting, with its default. Generated from the source.
#
# What must be set is not commented out. A line `#key = value` is a setting at its default: remove the `#` to change it.
# Any key can come from the environment instead: CAIGUNN_BRIDGE__SERVER__LISTEN for `listen` in [server], and so on.
# A secret `token` can also be given as `token_file = \"/run/secrets/token\"` or `token_env = \"NAME\"` (environment:
# ..__TOKEN_FILE), so that it is not written here.
";
const WIDTH: usize = 118;

/// The example configuration. It parses as it is, and with the marks of any section's settings removed.
pub fn example(known: &Known<'_>) -> String {
    let schema = internal(known);
    let mut example = Example { out: HEAD.into(), after_doc: false, within: false };
    for (name, section) in properties(&schema) {
        example.section(section, &mut vec![name.clone()], true);
    }
    example.out
}

struct Example {
    out: String,
    /// The next table follows the documentation of the names it stands under: no empty line between.
    after_doc: bool,
    /// The next table belongs to one that is commented out: it stays in its block, as it is nothing without it.
    within: bool,
}

impl Example {
    /// A table, or a table of tables under names that the user chooses.
    fn section(&mut self, schema: &Value, path: &mut Vec<String>, live: bool) {
        let Some(each) = map_value(schema).filter(|_| properties(schema).next().is_none()) else {
            return self.table(schema, path, live);
        };
        let live = live && schema.get("x-essential") == Some(&Value::Bool(true));
        if !holds_tables(each) {
            self.head(text(schema, "description"), path, live);
            self.setting("main", each, live, live);
            return;
        }
        self.doc(text(schema, "description"), if self.within { "#\n" } else { "\n" });
        self.after_doc = true;
        let Some(kinds) = branches(each) else {
            path.push(if format(&schema["propertyNames"]) == LANGUAGE_FORMAT { "en" } else { "main" }.into());
            self.table(each, path, live);
            path.pop();
            return;
        };
        for (n, kind) in kinds.iter().enumerate() {
            let name =
                discriminator(kinds).and_then(|tag| kind["properties"][tag]["const"].as_str()).unwrap_or_default();
            path.push(if is_name(name) { name } else { "main" }.into());
            // One channel is enough to start with.
            self.table(kind, path, live && n == 0);
            path.pop();
        }
    }

    fn table(&mut self, schema: &Value, path: &mut Vec<String>, live: bool) {
        self.head(text(schema, "description"), path, live);
        let (tables, values): (Vec<_>, Vec<_>) = properties(schema).partition(|(_, s)| holds_tables(s));
        let essential =
            |name: &str, s: &Value| is_required(schema, name) || s.get("x-essential") == Some(&Value::Bool(true));
        for (name, property) in values {
            self.setting(name, property, live && essential(name, property), essential(name, property));
        }
        for (name, property) in tables {
            path.push(name.clone());
            self.within = !live;
            // One that may be left out, and that holds what must be set, is not there until somebody wants it.
            let wanted = is_required(schema, name) || !needs_values(property);
            self.section(property, path, live && wanted);
            self.within = false;
            path.pop();
        }
    }

    fn head(&mut self, doc: &str, path: &[String], live: bool) {
        let before = match (std::mem::take(&mut self.after_doc), self.within) {
            (true, _) => "",
            (false, true) => "#\n",
            (false, false) => "\n",
        };
        self.doc(doc, before);
        let _ = writeln!(self.out, "{}[{}]", if live { "" } else { "#" }, show_path(path));
    }

    fn setting(&mut self, name: &str, schema: &Value, live: bool, essential: bool) {
        let mut doc = text(schema, "description").to_owned();
        if let (false, [least, most]) = (essential, ["minimum", "maximum"].map(|key| bound(schema, key))) {
            match (least, most) {
                (Some(least), Some(most)) => doc.push_str(&format!(" ({least} to {most})")),
                (Some(least), None) if least != "0" => doc.push_str(&format!(" (at least {least})")),
                (None, Some(most)) => doc.push_str(&format!(" (at most {most})")),
                _ => {}
            }
        }
        self.doc(&doc, "");
        for choice in branches(schema).into_iter().flatten() {
            let value = choice.get("const").map(toml_value).unwrap_or_default();
            self.doc(&format!("  {value}: {}", text(choice, "description")), "");
        }
        let _ = writeln!(
            self.out,
            "{}{} = {}",
            if live { "" } else { "#" },
            show_key(name),
            toml_value(&value_for(schema))
        );
    }

    /// Comment lines, wrapped; an indent at the start is kept on every line.
    fn doc(&mut self, doc: &str, before: &str) {
        self.out.push_str(before);
        let indent = &doc[..doc.len() - doc.trim_start().len()];
        let mut line = String::new();
        for word in doc.split_whitespace() {
            if !line.is_empty() && indent.len() + line.len() + word.len() + 3 > WIDTH {
                let _ = writeln!(self.out, "# {indent}{line}");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            let _ = writeln!(self.out, "# {indent}{line}");
        }
    }
}

/// A bound of a value, as it is written.
pub(super) fn bound(schema: &Value, key: &str) -> Option<String> {
    let value = schema.get(key).or_else(|| schema.get(format!("x-{key}")))?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn value_for(schema: &Value) -> Value {
    let given = schema.get("const").or_else(|| schema.get("default")).or_else(|| schema["examples"].get(0));
    if let Some(value) = given {
        return value.clone();
    }
    if let Some(first) = choices(schema).and_then(|c| c.first().copied()) {
        return first.into();
    }
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    match (text(schema, "type"), format(schema)) {
        ("string", DURATION_FORMAT) => Some(text(schema, "x-minimum")).filter(|t| !t.is_empty()).unwrap_or("1h").into(),
        ("string", BYTES_FORMAT) => "1MiB".into(),
        ("string", _) if is_secret(schema) => {
            let mut placeholder = String::from("REPLACE-ME");
            while (placeholder.len() as u64) < least {
                placeholder.push_str("-REPLACE-ME");
            }
            placeholder.into()
        }
        ("string", _) => "...".into(),
        ("integer" | "number", _) => schema.get("minimum").cloned().unwrap_or(json!(0)),
        ("boolean", _) => false.into(),
        _ => json!([]),
    }
}
