//! The JSON schema of the whole configuration: what the loader checks against, and what editors read.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{
    Config,
    access::OF_SERVERS,
    channels::Channel,
    shape::{each_child, is_secret, other_forms, plain, properties},
};

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
    pub(super) servers: bool,
}

impl Kind {
    /// A kind whose own keys are the fields of `T`: a struct, neither recursive nor an enum, with no field named like one of
    /// [`Channel`]'s (those win).
    pub fn of<T: JsonSchema>(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), schema: plain::<T>(), servers: false }
    }

    /// The platform has servers, roles in them, and threads that are named like chats: `access` has lists of them. On any
    /// other kind such a list is a mistake, as it would keep nobody out.
    #[must_use]
    pub fn with_servers(mut self) -> Self {
        self.servers = true;
        self
    }

    pub fn has_servers(&self) -> bool {
        self.servers
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
    if !kind.servers {
        for part in ["/properties/access/properties", "/properties/access/default"] {
            let Some(keys) = schema.pointer_mut(part).and_then(Value::as_object_mut) else { continue };
            keys.retain(|key, _| !OF_SERVERS.contains(&key.as_str()));
        }
    }
    schema["additionalProperties"] = kind.schema.get("additionalProperties").cloned().unwrap_or(false.into());
    schema
}

pub(super) fn common_keys() -> Vec<String> {
    let schema = plain::<Channel>();
    properties(&schema).map(|(name, _)| name.clone()).collect()
}

/// Adds the other forms of each secret, and so that an editor does not miss a required one.
fn publish(schema: &mut Value) {
    each_child(schema, &mut publish);
    let secrets: Vec<String> = properties(schema).filter(|(_, s)| is_secret(s)).map(|(name, _)| name.clone()).collect();
    let mut one_of_each = Vec::new();
    for name in secrets {
        let [file, env] = other_forms(&name);
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
