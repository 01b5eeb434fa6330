//! One type's JSON schema, and what a schema says of a value.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

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

pub(super) fn each_child(schema: &mut Value, visit: &mut impl FnMut(&mut Value)) {
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

/// Whether a table of this schema is nothing without values that the user must give.
pub(super) fn needs_values(schema: &Value) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty())
}

/// The schema of values under names that the user chooses.
pub(super) fn map_value(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|s| s.is_object())
}

pub(super) fn is_secret(schema: &Value) -> bool {
    format(schema) == "secret"
}

/// The keys beside a secret's own that say where it is: a file, a variable of the environment.
pub(super) fn other_forms(secret: &str) -> [String; 2] {
    ["_file", "_env"].map(|form| format!("{secret}{form}"))
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
