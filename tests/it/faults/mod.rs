//! What goes wrong at the backend, and how each message ends all the same: promises 3, 4, 5 and 8.

mod ages;
mod breaker;
mod calls;
mod credentials;
mod doubt;
mod giving_up;
mod order;
mod pictures;
mod poison;

use serde_json::Value;

use crate::support::Bridge;

/// What `/readyz` says of a bot.
async fn bot(bridge: &Bridge, name: &str) -> Value {
    let ready = bridge.ready().await;
    ready["bots"].as_array().unwrap().iter().find(|bot| bot["name"] == name).unwrap().clone()
}

/// A metric's value; 0 if it is not there yet. Metrics are the process's, so a test uses names of its own.
async fn metric(bridge: &Bridge, series: &str) -> f64 {
    let page = bridge.metrics().await;
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    line.unwrap_or_default()
}
