//! The JSON schema of the whole configuration: what the loader checks against, and what editors read.

use std::borrow::Cow;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Config, channels::Channel};

/// What the rest of the house adds to the configuration: the kinds of channels and the texts that can be replaced.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub kinds: &'a [Kind],
    /// Keys allowed under `texts.<language>`.
    pub texts: &'a [&'a str],
}

/// A kind of channel, as the configuration sees it.
#[derive(Debug, Clone)]
pub struct Kind {
    pub(super) name: Cow<'static, str>,
    pub(super) schema: Value,
}

impl Kind {
    /// A kind whose own keys are the fields of `T`: a struct, neither recursive nor an enum, with no field named like one of
    /// [`Channel`]'s (those win).
    pub fn of<T: JsonSchema>(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), schema: plain::<T>() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The JSON schema of the configuration file. Beside each secret it also allows `<key>_file` and `<key>_env`.
pub fn schema(known: &Known<'_>) -> Value {
    let mut schema = internal(known);
    publish(&mut schema);
    let mut document = Map::new();
    document.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    if let Value::Object(rest) = schema {
        document.extend(rest);
    }
    document.into()
}

/// The schema that the loader walks: no references, no nulls (TOML has none), secrets in one form.
pub(super) fn internal(known: &Known<'_>) -> Value {
    let mut schema = plain::<Config>();
    let kinds: Vec<Value> = known.kinds.iter().map(|kind| channel_of_kind(Some(kind))).collect();
    let channels = if kinds.is_empty() { channel_of_kind(None) } else { json!({ "oneOf": kinds }) };
    schema["properties"]["channels"]["additionalProperties"] = channels;
    let texts: Map<String, Value> =
        known.texts.iter().map(|key| ((*key).to_owned(), json!({ "type": "string", "minLength": 1 }))).collect();
    let text_keys = &mut schema["properties"]["texts"]["additionalProperties"];
    text_keys["properties"] = texts.into();
    text_keys["additionalProperties"] = false.into();
    schema
}

/// One channel's table: what all channels have and what the kind adds.
fn channel_of_kind(kind: Option<&Kind>) -> Value {
    let mut schema = plain::<Channel>();
    let Some(kind) = kind else {
        schema["additionalProperties"] = true.into();
        return schema;
    };
    schema["properties"]["kind"] =
        json!({ "const": kind.name, "description": schema["properties"]["kind"]["description"] });
    schema["description"] = kind.schema.get("description").cloned().unwrap_or_else(|| json!(""));
    if let (Some(all), Some(own)) = (schema["properties"].as_object_mut(), kind.schema["properties"].as_object()) {
        for (name, property) in own {
            all.entry(name).or_insert_with(|| property.clone());
        }
    }
    if let (Some(all), Some(own)) = (schema["required"].as_array_mut(), kind.schema["required"].as_array()) {
        all.extend(own.iter().cloned());
    }
    schema["additionalProperties"] = kind.schema.get("additionalProperties").cloned().unwrap_or(false.into());
    schema
}

pub(super) fn common_keys() -> Vec<String> {
    let schema = plain::<Channel>();
    properties(&schema).map(|(name, _)| name.clone()).collect()
}

/// The schema of one type, everything in place and nulls gone.
pub(super) fn plain<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

fn without_null(schema: &mut Value) {
    let null = |v: &Value| *v == json!("null") || v.get("type") == Some(&json!("null"));
    if let Value::Object(map) = schema {
        if map.get("default") == Some(&Value::Null) {
            map.shift_remove("default");
        }
        if let Some(Value::Array(types)) = map.get_mut("type") {
            types.retain(|t| !null(t));
            if let [one] = types.as_slice() {
                let one = one.clone();
                map.insert("type".into(), one);
            }
        }
        if let Some(Value::Array(choices)) = map.get_mut("enum") {
            choices.retain(|c| !c.is_null());
        }
        if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
            branches.retain(|b| !null(b));
            if let [Value::Object(one)] = branches.as_slice() {
                let one = one.clone();
                map.shift_remove("anyOf");
                for (key, value) in one {
                    map.entry(key).or_insert(value);
                }
            }
        }
    }
    each_child(schema, &mut without_null);
}

/// Adds the other forms of each secret, and so that an editor does not miss a required one.
fn publish(schema: &mut Value) {
    each_child(schema, &mut publish);
    let secrets: Vec<String> = properties(schema).filter(|(_, s)| is_secret(s)).map(|(name, _)| name.clone()).collect();
    let mut one_of_each = Vec::new();
    for name in secrets {
        let [file, env] = [format!("{name}_file"), format!("{name}_env")];
        schema["properties"][&file] = json!({ "type": "string", "description": format!("File that holds `{name}`.") });
        schema["properties"][&env] =
            json!({ "type": "string", "description": format!("Environment variable that holds `{name}`.") });
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            let before = required.len();
            required.retain(|r| *r != json!(name));
            if required.len() < before {
                one_of_each
                    .push(json!({ "oneOf": [{ "required": [name] }, { "required": [file] }, { "required": [env] }] }));
            }
        }
    }
    if !one_of_each.is_empty() {
        schema["allOf"] = one_of_each.into();
    }
}

fn each_child(schema: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    let Value::Object(map) = schema else { return };
    for key in ["properties", "$defs", "patternProperties"] {
        if let Some(Value::Object(children)) = map.get_mut(key) {
            children.values_mut().for_each(&mut *visit);
        }
    }
    for key in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(children)) = map.get_mut(key) {
            children.iter_mut().for_each(&mut *visit);
        }
    }
    for key in ["additionalProperties", "items"] {
        if let Some(child) = map.get_mut(key) {
            visit(child);
        }
    }
}

/// The named properties of an object's schema, in the order of the struct.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The schema of values under names that the user chooses.
pub(super) fn map_value(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|s| s.is_object())
}

pub(super) fn is_secret(schema: &Value) -> bool {
    format(schema) == "secret"
}

pub(super) fn format(schema: &Value) -> &str {
    schema.get("format").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_object(schema: &Value) -> bool {
    text(schema, "type") == "object"
}

pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|r| r.iter().any(|n| n == name))
}

pub(super) fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
}

/// The key by whose constant the tables of a `oneOf` are told apart: `kind`.
pub(super) fn discriminator(branches: &[Value]) -> Option<&str> {
    let first = branches.first()?;
    let constant = |branch: &Value, name: &str| branch["properties"][name].get("const").is_some();
    let mut names = properties(first).map(|(name, _)| name.as_str());
    names.find(|name| branches.iter().all(|b| is_object(b) && constant(b, name)))
}

/// The strings among which a value must be, when the schema is a list of such.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(one) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![one]);
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return list.iter().map(Value::as_str).collect();
    }
    let lists: Option<Vec<_>> = branches(schema)?.iter().map(choices).collect();
    Some(lists?.concat())
}
