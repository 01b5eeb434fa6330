//! `docs/http-api.md`, point by point, against a running bridge.

mod access;
mod bodies;
mod callbacks;
mod clients;
mod conversations;
mod cors;
mod errors;
mod events;
mod forms;
mod idempotency;
mod image_urls;
mod limits;
mod openapi;
mod outbound;
mod receiver;
mod scopes;
mod section;
mod sessions;
mod slow_readers;
mod waiting;

use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};

use crate::support::Bridge;

/// A message as `multipart/form-data`.
fn post_form(bridge: &Bridge, key: &str, form: Form) -> RequestBuilder {
    bridge.client.post(bridge.url("/v1/messages")).bearer_auth(key).multipart(form)
}

fn file(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("a picture.png")
}
