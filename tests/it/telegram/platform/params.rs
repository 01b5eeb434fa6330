//! The parameters of a call, from JSON or a form, taken at their documented types.

use std::collections::HashMap;

use axum::extract::{FromRequest, Multipart, Request};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::state::Upload;
use super::wire::Refusal;

/// No upload is larger (<https://core.telegram.org/bots/api#senddocument>); there is room for the rest of the form.
const MOST_BYTES: usize = 52_000_000;

pub(super) struct Params {
    fields: Map<String, Value>,
    pub(super) files: HashMap<String, Upload>,
    /// In a form everything is text, and lists and objects are JSON within it.
    form: bool,
}

impl Params {
    pub(super) async fn read(request: Request) -> Result<Self, Refusal> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("multipart/form-data") {
            return Self::form(request).await;
        }
        let json = kind.starts_with("application/json");
        let body = axum::body::to_bytes(request.into_body(), MOST_BYTES).await;
        let body = body.map_err(|_| Refusal::new(413, "Request Entity Too Large"))?;
        let fields = match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) if json => fields,
            _ if body.is_empty() => Map::new(),
            _ => return Err(Refusal::new(400, "Bad Request: can't parse JSON object")),
        };
        Ok(Self { fields, files: HashMap::new(), form: false })
    }

    async fn form(request: Request) -> Result<Self, Refusal> {
        let broken = || Refusal::new(400, "Bad Request: can't parse the form");
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
        let mut params = Self { fields: Map::new(), files: HashMap::new(), form: true };
        while let Some(field) = form.next_field().await.map_err(|_| broken())? {
            let name = field.name().ok_or_else(broken)?.to_owned();
            match field.file_name().map(str::to_owned) {
                Some(file) => {
                    let mime = field.content_type().map(str::to_owned);
                    let content = field.bytes().await.map_err(|_| Refusal::new(413, "Request Entity Too Large"))?;
                    params.files.insert(name, Upload { name: file, content, mime });
                }
                None => {
                    let text = field.text().await.map_err(|_| broken())?;
                    params.fields.insert(name, text.into());
                }
            }
        }
        Ok(params)
    }

    /// The names that a method does not have.
    pub(super) fn strangers(&self, known: &[&str]) -> Vec<String> {
        let attached = |name: &str| self.fields.values().any(|value| *value == format!("attach://{name}"));
        let files = self.files.keys().filter(|name| !attached(name));
        self.fields.keys().chain(files).filter(|name| !known.contains(&name.as_str())).cloned().collect()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = if self.form { value.as_str().and_then(|text| text.parse().ok()) } else { value.as_i64() };
        number.map(Some).ok_or_else(|| wrong(name, "Integer"))
    }

    pub(super) fn bool(&self, name: &str) -> Result<bool, Refusal> {
        let Some(value) = self.get(name) else { return Ok(false) };
        let bool = if self.form { value.as_str().and_then(|text| text.parse().ok()) } else { value.as_bool() };
        bool.ok_or_else(|| wrong(name, "Boolean"))
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| wrong(name, "String"))
    }

    /// An object or a list.
    pub(super) fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value {
            Value::Object(_) | Value::Array(_) => Ok(Some(value.clone())),
            // JSON-serialized lists and objects are documented as such; inside of JSON they may be plain.
            Value::String(text) => serde_json::from_str(text).map(Some).map_err(|_| wrong(name, "JSON")),
            _ => Err(wrong(name, "JSON")),
        }
    }

    /// The fields of an object that its type does not have.
    pub(super) fn strangers_in(&self, name: &str, known: &[&str]) -> Vec<String> {
        let object = self.json(name).ok().flatten().unwrap_or_default();
        let fields = object.as_object().into_iter().flat_map(Map::keys);
        fields.filter(|field| !known.contains(&field.as_str())).map(|field| format!("{name}.{field}")).collect()
    }

    pub(super) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(list) = self.json(name)? else { return Ok(None) };
        serde_json::from_value(list).map(Some).map_err(|_| wrong(name, "Array of String"))
    }

    /// The chat: its number, here always; there are no public names.
    pub(super) fn chat(&self) -> Result<i64, Refusal> {
        match self.get("chat_id") {
            None => Err(Refusal::new(400, "Bad Request: chat_id is empty")),
            Some(Value::Number(number)) => number.as_i64().ok_or_else(|| wrong("chat_id", "Integer")),
            Some(Value::String(text)) => text.parse().map_err(|_| Refusal::new(400, "Bad Request: chat not found")),
            Some(_) => Err(wrong("chat_id", "Integer or String")),
        }
    }
}

fn wrong(name: &str, wanted: &str) -> Refusal {
    Refusal::new(400, &format!("Bad Request: parameter \"{name}\" must be of type {wanted}"))
}
