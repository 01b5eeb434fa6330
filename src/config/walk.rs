//! The walk of a tree along its schema: names every mistake, gives text from the environment its type, and has each secret
//! read from where it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    access::OF_SERVERS,
    formats::{check_number, check_string, example_of, name_problem},
    mistake::{Mistake, quote},
    origins::Origins,
    shape::{
        branches, choices, discriminator, is_object, is_required, is_secret, map_value, other_forms, plain, properties,
        text,
    },
    suggest::{closest, did_you_mean},
    validate::{Env, Validator},
};

/// Checks one section against the schema of `T` and reads it. `path` is where the section stands, dotted (`channels.web`);
/// without origins (`&Origins::default()`) mistakes have no line.
pub fn check_section<T: DeserializeOwned + JsonSchema>(
    path: &str,
    raw: &Value,
    origins: &Origins,
) -> Result<T, Vec<Mistake>> {
    let env = Env::new();
    let mut validator = Validator::new(origins, &env);
    let mut tree = raw.clone();
    let mut path: Vec<String> = path.split('.').filter(|p| !p.is_empty()).map(String::from).collect();
    validator.check(&plain::<T>(), &mut tree, &mut path);
    if !validator.mistakes.is_empty() {
        return Err(validator.mistakes);
    }
    validator.read(tree, &path).map_err(|mistake| vec![mistake])
}

impl Validator<'_> {
    pub(super) fn check(&mut self, schema: &Value, value: &mut Value, path: &mut Vec<String>) {
        if is_secret(schema) {
            self.secrets.entry(path.clone()).or_default();
        }
        if self.origins.is_env(path) {
            coerce(schema, value);
        }
        if let Some(choices) = choices(schema) {
            return self.check_choice(&choices, value, path);
        }
        if let Some(branches) = branches(schema) {
            return self.check_branches(branches, value, path);
        }
        let expected = text(schema, "type");
        match (expected, &mut *value) {
            ("object", Value::Object(map)) => self.check_table(schema, map, path),
            ("array", Value::Array(items)) => self.check_list(schema, items, path),
            ("string", Value::String(string)) => {
                if let Err((reason, hint)) = check_string(schema, string) {
                    self.wrong(path, reason, hint);
                }
            }
            ("integer" | "number", Value::Number(number)) if expected == "number" || !number.is_f64() => {
                if let Err(reason) = check_number(schema, number) {
                    self.wrong(path, reason, None);
                }
            }
            ("boolean", Value::Bool(_)) | ("", _) => {}
            (_, Value::String(_)) if self.origins.is_env(path) => {
                let below = (expected == "object").then(|| "set the keys below it, as in …__KEY".to_owned());
                self.wrong(path, format!("must be {}", article(expected)), below);
            }
            (_, other) => self.wrong(
                path,
                format!("must be {}, not {}", article(expected), kind_of(other)),
                type_hint(schema, other),
            ),
        }
    }

    fn check_choice(&mut self, choices: &[&str], value: &Value, path: &[String]) {
        let list = one_of(choices);
        match value {
            Value::String(given) if choices.contains(&given.as_str()) => {}
            Value::String(given) => {
                let hint = did_you_mean(given, choices.iter().copied());
                self.wrong(path, format!("must be {list}, not {}", quote(given)), hint);
            }
            other => self.wrong(path, format!("must be {list}, not {}", kind_of(other)), None),
        }
    }

    fn check_branches(&mut self, branches: &[Value], value: &mut Value, path: &mut Vec<String>) {
        if let (Some(tag), Value::Object(map)) = (discriminator(branches), &mut *value) {
            return self.check_tagged(branches, tag, map, path);
        }
        let fits = |branch: &&Value| {
            choices(branch).is_some_and(|c| value.as_str().is_some_and(|v| c.contains(&v)))
                || choices(branch).is_none() && same_type(branch, value)
        };
        // No branch fits: the last one's mistake is as good as any (in practice a scalar or its table form).
        if let Some(branch) = branches.iter().find(fits).or(branches.last()) {
            self.check(branch, value, path);
        }
    }

    fn check_tagged(&mut self, branches: &[Value], tag: &str, map: &mut Map<String, Value>, path: &mut Vec<String>) {
        let constant = |branch: &Value| branch["properties"][tag]["const"].as_str().unwrap_or_default().to_owned();
        let chosen = map.get(tag).and_then(Value::as_str).map(str::to_owned);
        if let Some(branch) = branches.iter().find(|b| chosen == Some(constant(b))) {
            return self.check_table(branch, map, path);
        }
        let names: Vec<String> = branches.iter().map(constant).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        path.push(tag.into());
        match map.get(tag) {
            None => self.wrong(path, "is missing", format!("it is {}", one_of(&names))),
            Some(given) => self.check_choice(&names, given, path),
        }
        path.pop();
        // What every branch has alike can still be checked; about the rest nothing can be said.
        let common =
            properties(&branches[0]).filter(|(name, s)| branches.iter().all(|b| b["properties"].get(name) == Some(s)));
        let mut part = Map::new();
        let mut schema = serde_json::json!({ "type": "object", "properties": {}, "required": [] });
        for (name, property) in common {
            schema["properties"][name] = property.clone();
            if let (true, Some(required)) = (is_required(&branches[0], name), schema["required"].as_array_mut()) {
                required.push(name.as_str().into());
            }
            part.extend(map.get(name).map(|v| (name.clone(), v.clone())));
        }
        self.check_table(&schema, &mut part, path);
    }

    fn check_table(&mut self, schema: &Value, map: &mut Map<String, Value>, path: &mut Vec<String>) {
        self.resolve_secrets(schema, map, path);
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &mut *map {
            path.push(name.clone());
            if let Some(twin) = seen.insert(name.to_lowercase(), name.clone()) {
                self.wrong(
                    path,
                    format!("differs from `{twin}` only in upper and lower case"),
                    "give it another name".to_owned(),
                );
            } else if let Some(property) = schema["properties"].get(name) {
                self.check(property, value, path);
            } else if let Some(each) = map_value(schema) {
                if let Some((reason, hint)) = schema.get("propertyNames").and_then(|names| name_problem(names, name)) {
                    self.wrong(path, reason, hint);
                }
                self.check(each, value, path);
            } else if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
                let hint = self.hint_for_unknown(schema, path);
                self.wrong(path, "is not a known key", hint);
            }
            path.pop();
        }
        for (name, property) in
            properties(schema).filter(|(name, _)| is_required(schema, name) && !map.contains_key(*name))
        {
            path.push(name.clone());
            let [file, env] = other_forms(name);
            let forms = format!("give `{name}`, `{file}` (a path) or `{env}` (a variable's name)");
            let choices = choices(property).map(|c| format!("it is {}", one_of(&c)));
            self.wrong(path, "is missing", if is_secret(property) { Some(forms) } else { choices });
            path.pop();
        }
    }

    fn check_list(&mut self, schema: &Value, items: &mut [Value], path: &mut Vec<String>) {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        if let Some(least) = bound("minItems").filter(|n| (items.len() as u64) < *n) {
            self.wrong(path, format!("must have at least {least} items"), None);
        }
        if let Some(most) = bound("maxItems").filter(|n| (items.len() as u64) > *n) {
            self.wrong(path, format!("must have at most {most} items"), None);
        }
        let Some(each) = schema.get("items").filter(|s| s.is_object()) else { return };
        for (n, item) in items.iter_mut().enumerate() {
            path.push(format!("[{n}]"));
            self.check(each, item, path);
            path.pop();
        }
    }

    fn hint_for_unknown(&self, schema: &Value, path: &[String]) -> Option<String> {
        let name = path.last()?;
        if path.len() > 1 && path[path.len() - 2] == "access" && OF_SERVERS.contains(&name.as_str()) {
            return Some(
                "a channel of this kind has no servers or roles: the list would let in and keep out nobody".into(),
            );
        }
        let forms: Vec<String> =
            properties(schema).filter(|(_, s)| is_secret(s)).flat_map(|(n, _)| other_forms(n)).collect();
        let names = properties(schema).map(|(n, _)| n.as_str()).chain(forms.iter().map(String::as_str));
        if let Some(near) = closest(name, names) {
            return Some(format!("did you mean `{near}`?"));
        }
        let whole = self.whole?;
        if let Some((section, _)) = properties(whole).find(|(_, s)| s["properties"].get(name).is_some()) {
            return Some(format!("it belongs in [{section}]"));
        }
        let names: Vec<&str> = properties(schema).map(|(n, _)| n.as_str()).collect();
        (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
    }
}

/// Gives text from the environment the type that the schema asks for, where it reads as one.
fn coerce(schema: &Value, value: &mut Value) {
    let Value::String(given) = &*value else { return };
    let trimmed = given.trim();
    let typed = match text(schema, "type") {
        "integer" => trimmed.parse::<i64>().map(Value::from).ok(),
        "number" => trimmed.parse::<f64>().ok().and_then(|n| serde_json::Number::from_f64(n).map(Value::Number)),
        "boolean" => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
        "array" => Some(trimmed.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
        _ => None,
    };
    if let Some(typed) = typed {
        *value = typed;
    }
}

fn same_type(schema: &Value, value: &Value) -> bool {
    match (text(schema, "type"), value) {
        ("", _) | ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("array", Value::Array(_)) => true,
        ("integer", Value::Number(n)) => !n.is_f64(),
        ("number", Value::Number(_)) => true,
        (_, Value::Object(_)) => is_object(schema),
        _ => false,
    }
}

fn article(schema_type: &str) -> &str {
    match schema_type {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a table",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(n) if n.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn type_hint(schema: &Value, given: &Value) -> Option<String> {
    match (text(schema, "type"), given) {
        ("string", Value::Number(_) | Value::Bool(_)) => Some(example_of(schema)),
        ("integer" | "number" | "boolean", Value::String(_)) => Some("without quotes".into()),
        ("array", Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            Some("in brackets, even when it is one: […]".into())
        }
        _ => None,
    }
}

fn one_of(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|c| format!("\"{c}\"")).collect();
    match quoted.split_last() {
        None => "nothing (there are no choices)".into(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
