//! The floor: axum, reqwest, and nothing between them. Nothing is read, checked, stored or counted.

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use http::{StatusCode, header};
use reqwest::Client;

#[derive(Clone)]
struct Floor {
    client: Client,
    url: String,
}

#[expect(clippy::disallowed_methods, reason = "the floor is bare: no limits")]
pub(crate) async fn run(stub: &str) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().http1_only().build()?;
    let floor = Floor { client, url: format!("{stub}/api/external/chatbot/talk") };
    let app = Router::new().route("/healthz", get(|| async {})).route("/v1/messages", post(pass)).with_state(floor);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

async fn pass(State(floor): State<Floor>, body: Bytes) -> Result<Response, StatusCode> {
    let request = floor.client.post(&floor.url).header(header::CONTENT_TYPE, "application/json").body(body);
    let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let bytes = answer.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json").body(Body::from(bytes));
    response.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
