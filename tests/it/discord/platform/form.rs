//! The body and query of a call.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Multipart, Request};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::errors::Refusal;
use super::state::Upload;

/// The default limit of all files together, which is that of the whole request
/// (<https://discord.com/developers/docs/reference#uploading-files>).
pub(super) const MOST_BYTES: usize = 10 << 20;
/// Room for the rest of the request.
const MOST_OF_ALL: usize = MOST_BYTES + (1 << 20);

#[derive(Default)]
pub(super) struct Form {
    pub(super) fields: Map<String, Value>,
    /// A list of commands, say.
    pub(super) list: Option<Vec<Value>>,
    /// `files[n]` by n.
    pub(super) files: BTreeMap<u64, Upload>,
    pub(super) query: Vec<(String, String)>,
    /// Parts of a form that there are not.
    strange: Vec<String>,
}

impl Form {
    pub(super) async fn read(request: Request) -> Result<Self, Refusal> {
        let query = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query: Vec<_> = query
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let (json, multipart) = (kind.starts_with("application/json"), kind.starts_with("multipart/form-data"));
        let mut form = if multipart { Self::parts(request).await? } else { Self::body(request, json).await? };
        form.query = query;
        Ok(form)
    }

    async fn body(request: Request, json: bool) -> Result<Self, Refusal> {
        let body = axum::body::to_bytes(request.into_body(), MOST_OF_ALL).await.map_err(|_| Refusal::too_large())?;
        let mut form = Self::default();
        if body.is_empty() {
            return Ok(form);
        }
        if !json {
            let said = "Expected \"Content-Type\" header to be one of {'application/json'}.";
            return Err(Refusal::new(400, 50035, said));
        }
        match serde_json::from_slice(&body).map_err(|_| Refusal::bad_json())? {
            Value::Object(fields) => form.fields = fields,
            Value::Array(list) => form.list = Some(list),
            _ => return Err(Refusal::bad_json()),
        }
        Ok(form)
    }

    /// `payload_json` and `files[n]`.
    async fn parts(request: Request) -> Result<Self, Refusal> {
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| Refusal::bad_json())?;
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| Refusal::bad_json())? {
            let name = part.name().unwrap_or_default().to_owned();
            let number =
                name.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']')).and_then(|n| n.parse().ok());
            let (file, mime) = (part.file_name().map(str::to_owned), part.content_type().map(str::to_owned));
            let content = part.bytes().await.map_err(|_| Refusal::too_large())?;
            match (number, file) {
                (Some(number), Some(file)) => {
                    form.files.insert(number, Upload { name: file, content, mime });
                }
                _ if name == "payload_json" => {
                    form.fields = serde_json::from_slice(&content).map_err(|_| Refusal::bad_json())?;
                }
                _ => form.strange.push(name),
            }
        }
        if form.files.values().map(|file| file.content.len()).sum::<usize>() > MOST_BYTES {
            return Err(Refusal::too_large());
        }
        Ok(form)
    }

    /// The names that a call does not have.
    pub(super) fn strangers(&self, fields: &[&str], query: &[&str]) -> Vec<String> {
        let named = self.fields.keys().filter(|name| !fields.contains(&name.as_str())).cloned();
        let asked = self.query.iter().map(|(name, _)| name).filter(|name| !query.contains(&name.as_str()));
        named.chain(asked.map(|name| format!("?{name}"))).chain(self.strange.iter().cloned()).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| Refusal::wrong_type(name, "string"))
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| Refusal::wrong_type(name, "int"))
    }

    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A number of Discord's in the query.
    pub(super) fn asked_id(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.asked(name) else { return Ok(None) };
        let wrong = || Refusal::form(name, "NUMBER_TYPE_COERCE", &format!("Value \"{value}\" is not snowflake."));
        value.parse().map(Some).map_err(|_| wrong())
    }
}
