//! The configuration of a running bridge changes.

mod flow;
mod keys;
mod process;
mod refusals;
mod streams;

use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{SandboxBot, SandboxOptions};
use serde_json::Value;

/// A channel on the readiness page.
fn channel<'a>(page: &'a Value, name: &str) -> Option<&'a Value> {
    page["channels"].as_array().unwrap().iter().find(|channel| channel["name"] == name)
}

/// A sandbox that knows two keys of two bots.
fn two_bots() -> SandboxOptions {
    let bot = |name: &str, key: &str| SandboxBot { name: name.into(), api_key: Secret::new(key) };
    SandboxOptions {
        bots: vec![bot("old", "sandbox-key"), bot("new", "another-sandbox-key")],
        ..SandboxOptions::default()
    }
}
