//! What time it is at the server.

use std::time::{Duration, SystemTime};

use reqwest::header::DATE;

use super::account::{is_loopback, parse_base};
use super::http::HttpClient;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The `Date` of an answer from `base_url`, whatever else that answer is; `None` when there is no answer, or no date in it. It
/// carries no token.
pub async fn server_time(base_url: &str, http: &HttpClient) -> Option<SystemTime> {
    let base = parse_base(base_url).ok()?;
    let client = http.client(is_loopback(&base)).ok()?;
    let answer = client.get(base).timeout(PATIENCE).send().await.ok()?;
    httpdate::parse_http_date(answer.headers().get(DATE)?.to_str().ok()?).ok()
}
