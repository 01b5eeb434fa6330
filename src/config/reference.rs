//! The reference for people: a page with every key, its type, range and default, and what it does.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    accounts::BASE_URL_FORMAT,
    channels::Channel,
    example::bound,
    layers::PREFIX,
    names::LANGUAGE_FORMAT,
    schema::{Known, common_keys, internal},
    server::ADDRESS_FORMAT,
    shape::{branches, discriminator, format, is_object, is_required, is_secret, map_value, plain, properties, text},
    show::{holds_tables, toml_value},
    units::{BYTES_FORMAT, DURATION_FORMAT},
};
use crate::model::{Lang, texts::Text};

const HEAD: &str = "\
# Configuration

<!-- Generated from the source: UPDATE_GENERATED=1 cargo test generated -->

Every key, as this version knows it. `caigunn-bridge config example` prints the same as a commented file, `caigunn-bridge config schema`
as a JSON schema for editors; `caigunn-bridge config show` prints what is in force and where each key comes from, and
`caigunn-bridge check` finds all mistakes at once.

## How it is loaded

Defaults, then the file, then the environment; the later wins, key by key.

- **The file** is `--config FILE`, else `$CAIGUNN_BRIDGE_CONFIG`, else the first of `./bridge.toml`, `./config/bridge.toml`,
  `~/.config/caigunn-bridge/bridge.toml`, `/etc/caigunn-bridge/bridge.toml`. It may be missing: the environment can say it all.
- **The environment**: `CAIGUNN_BRIDGE__`, then the path of the key in capitals with `__` between its parts. `listen` in `[server]` is
  `CAIGUNN_BRIDGE__SERVER__LISTEN`; `token` of `[channels.telegram]` is `CAIGUNN_BRIDGE__CHANNELS__TELEGRAM__TOKEN`. A list is written with
  commas. Each section below says how its variables begin.
- **Names** of accounts, bots and channels are yours: a small letter, then small letters, digits and single `_`, 64 at most.
- An unknown key is a mistake, not ignored. A channel with a mistake is left out and the others run; a mistake elsewhere stops the start.

### Secrets

Wherever the type is *secret*, the key has three forms, of which one is given:

| form | |
| --- | --- |
| `token = \"…\"` | written out; keep others from reading the file (`chmod 600`) |
| `token_file = \"/run/secrets/token\"` | a file that holds it, as Docker, Kubernetes and systemd give them; one line end is cut off |
| `token_env = \"NAME\"` | a variable of the environment that holds it |

In the environment the same: `…__TOKEN`, `…__TOKEN_FILE`, `…__TOKEN_ENV`. No secret is logged, shown or sent to a chat.

### Types

| type | is written as |
| --- | --- |
| duration | `\"500ms\"`, `\"30s\"`, `\"15m\"`, `\"1h30m\"`, `\"7d\"`, `\"0\"` |
| size | `\"512KiB\"`, `\"20MiB\"`, `\"1GB\"`, or a number of bytes |
| address | an IP address and a port: `\"127.0.0.1:8080\"`, `\"0.0.0.0:8080\"`, `\"[::]:8080\"` |
| list | `[\"a\", \"b\"]`; an id in a list may be a number or text |
";

/// The reference of every key, as Markdown.
pub fn reference(known: &Known<'_>) -> String {
    let schema = internal(known);
    let mut page = Page { out: HEAD.into() };
    for (name, section) in properties(&schema) {
        match name.as_str() {
            "channels" => page.channels(section),
            "texts" => page.texts(known),
            _ => page.section(section, &mut vec![name.clone()]),
        }
    }
    page.out
}

struct Page {
    out: String,
}

impl Page {
    fn section(&mut self, schema: &Value, path: &mut Vec<String>) {
        let Some(each) = map_value(schema).filter(|_| properties(schema).next().is_none()) else {
            return self.table(schema, path, &[]);
        };
        path.push(if format(&schema["propertyNames"]) == LANGUAGE_FORMAT { "<language>" } else { "<name>" }.into());
        let doc = [text(schema, "description"), text(each, "description")].join(" ");
        self.head(&doc, path);
        self.below(each, path, &[]);
        path.pop();
    }

    fn table(&mut self, schema: &Value, path: &mut Vec<String>, skipped: &[String]) {
        self.head(text(schema, "description"), path);
        self.below(schema, path, skipped);
    }

    fn head(&mut self, doc: &str, path: &[String]) {
        let depth = if path.len() > 2 { "###" } else { "##" };
        let _ = writeln!(self.out, "\n{depth} `[{}]`\n", path.join("."));
        if !doc.trim().is_empty() {
            let _ = writeln!(self.out, "{}\n", prose(doc));
        }
        let _ = writeln!(self.out, "Environment: `{}`\n", variable(path));
    }

    /// The keys of a table, then the tables in it.
    fn below(&mut self, schema: &Value, path: &mut Vec<String>, skipped: &[String]) {
        let own = properties(schema).filter(|(name, _)| !skipped.contains(name));
        let (tables, values): (Vec<_>, Vec<_>) = own.partition(|(_, schema)| holds_tables(schema));
        if !values.is_empty() {
            self.out.push_str("| key | type | default | |\n| --- | --- | --- | --- |\n");
        }
        for (name, value) in values {
            let _ = writeln!(
                self.out,
                "| `{name}` | {} | {} | {} |",
                cell(&type_of(value)),
                cell(&default_of(schema, name, value)),
                cell(&what_of(value)),
            );
        }
        for (name, table) in tables {
            path.push(name.clone());
            self.section(table, path);
            path.pop();
        }
    }

    /// What every kind has once, then each kind's own.
    fn channels(&mut self, schema: &Value) {
        let kinds = map_value(schema).and_then(branches).map(Vec::as_slice).unwrap_or_default();
        let mut path = vec!["channels".to_owned(), "<id>".to_owned()];
        let every = plain::<Channel>();
        self.head(text(schema, "description"), &path);
        let _ = writeln!(self.out, "Every kind of channel has these keys; `kind` says which others there are.\n");
        self.below(&every, &mut path, &[]);
        let common = common_keys();
        let tag = discriminator(kinds).unwrap_or("kind");
        for kind in kinds {
            let name = text(&kind["properties"][tag], "const");
            let _ = writeln!(self.out, "\n## `[channels.<id>]` with `kind = \"{name}\"`\n");
            let doc = text(kind, "description");
            if !doc.is_empty() {
                let _ = writeln!(self.out, "{}\n", prose(doc));
            }
            self.below(kind, &mut path, &common);
        }
    }

    fn texts(&mut self, known: &Known<'_>) {
        let _ = writeln!(
            self.out,
            "\n## `[texts.<language>]`\n\nEvery sentence of the bridge's own that a person can see; what is set here replaces it. Languages: {}. \
             Words in braces are filled in.\n\nEnvironment: `{PREFIX}TEXTS__<LANGUAGE>__…`\n",
            Lang::ALL.map(|lang| format!("`{lang}`")).join(", ")
        );
        let _ = writeln!(self.out, "| key | {} |", Lang::ALL.map(|lang| lang.to_string()).join(" | "));
        let _ = writeln!(self.out, "| --- |{}", " --- |".repeat(Lang::ALL.len()));
        for key in known.texts {
            let built_in = Text::ALL.iter().find(|text| text.key() == *key);
            let wording = |lang| match built_in.map_or("", |text| text.built_in(lang)) {
                "" => "*(nothing)*".to_owned(),
                wording => cell(wording),
            };
            let _ = writeln!(self.out, "| `{key}` | {} |", Lang::ALL.map(wording).join(" | "));
        }
    }
}

fn variable(path: &[String]) -> String {
    let parts: Vec<String> = path.iter().map(|part| part.to_uppercase()).collect();
    format!("{PREFIX}{}__…", parts.join("__"))
}

fn type_of(schema: &Value) -> String {
    let name = match (text(schema, "type"), format(schema)) {
        _ if is_secret(schema) => "*secret*",
        (_, DURATION_FORMAT) => "duration",
        (_, BYTES_FORMAT) => "size",
        (_, ADDRESS_FORMAT) => "address",
        (_, BASE_URL_FORMAT) => "URL",
        ("integer", _) => "whole number",
        ("number", _) => "number",
        ("boolean", _) => "`true` or `false`",
        ("array", _) => "list",
        _ if one_of(schema).is_some() => "one of",
        _ => "text",
    };
    match range(schema) {
        Some(range) => format!("{name}, {range}"),
        None => name.to_owned(),
    }
}

fn range(schema: &Value) -> Option<String> {
    match [bound(schema, "minimum"), bound(schema, "maximum")] {
        [Some(least), Some(most)] => Some(format!("{least} to {most}")),
        [Some(least), None] if least != "0" => Some(format!("at least {least}")),
        [None, Some(most)] => Some(format!("at most {most}")),
        _ => None,
    }
}

fn default_of(table: &Value, name: &str, schema: &Value) -> String {
    match schema.get("default").or_else(|| schema.get("const")) {
        Some(value) => format!("`{}`", toml_value(value)),
        None if is_required(table, name) => "**must be set**".to_owned(),
        None => String::new(),
    }
}

/// The choices of a value: each with what it means.
fn one_of(schema: &Value) -> Option<Vec<String>> {
    let plain = schema.get("enum").and_then(Value::as_array);
    let choices: Vec<String> = match plain {
        Some(list) => list.iter().map(|choice| format!("`{}`", toml_value(choice))).collect(),
        None => branches(schema)?.iter().filter(|branch| !is_object(branch)).filter_map(choice).collect(),
    };
    (!choices.is_empty()).then_some(choices)
}

fn choice(branch: &Value) -> Option<String> {
    let value = toml_value(branch.get("const")?);
    let doc = prose(text(branch, "description"));
    Some(if doc.is_empty() { format!("`{value}`") } else { format!("`{value}`: {doc}") })
}

fn what_of(schema: &Value) -> String {
    let mut what = prose(text(schema, "description"));
    if let Some(choices) = one_of(schema).or_else(|| one_of(schema.get("items")?)) {
        let list = schema.get("enum").is_some() || schema.get("items").is_some();
        what.push_str(if list { " Of: " } else { "<br>" });
        what.push_str(&choices.join(if list { ", " } else { "<br>" }));
    }
    what
}

/// One line; what stands in angle brackets outside code would be taken for HTML.
fn prose(doc: &str) -> String {
    let line = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = line.split('`').enumerate();
    let shown = parts.map(|(n, part)| if n % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() });
    shown.collect::<Vec<_>>().join("`")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
