//! `GET /v1/openapi.json`: the description of these routes, `docs/openapi.json`, with what this channel's section says filled in.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::channels::http::HttpChannel;
use crate::channels::http::config::HttpConfig;
use crate::model::hex::hex;

const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// Asks for no key: it tells nothing that the repository does not.
pub(super) fn route(config: &HttpConfig) -> MethodRouter<Arc<HttpChannel>> {
    let body = Bytes::from(document(config).to_string());
    let tag = HeaderValue::from_str(&format!("\"{}\"", hex(&Sha256::digest(&body)[..16])))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    get(async move |headers: HeaderMap| answer(&headers, body, tag))
}

fn document(config: &HttpConfig) -> Value {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let url = if config.path.is_empty() { "/" } else { &config.path };
    document["servers"] = json!([{ "url": url }]);
    document["components"]["schemas"]["Text"]["maxLength"] = config.max_text.into();
    document["components"]["schemas"]["Images"]["maxItems"] = config.max_images.into();
    document["components"]["schemas"]["Files"]["maxItems"] = config.max_images.into();
    if let Some(paths) = document["paths"].as_object_mut()
        && !config.playground
    {
        paths.remove("/chat/session");
    }
    document
}

fn answer(headers: &HeaderMap, body: Bytes, tag: HeaderValue) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
        })
    });
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
