//! A bridge in this process: the real application, a sandbox on a real socket in CaiGunn's place, a store in a folder of its
//! own. What an operator would write into the environment is set with [`Setup::set`].

pub(crate) mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use caigunn_bridge::app::{App, Running};
use caigunn_bridge::config::Sources;
use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Sandbox, SandboxBot, SandboxHandle, SandboxOptions};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "key-of-the-shop-0123456789";
pub(crate) const OTHER_KEY: &str = "key-of-the-desk-0123456789";

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a bridge is started with.
pub(crate) struct Setup {
    env: BTreeMap<String, String>,
    pub(crate) sandbox: SandboxOptions,
    app: App,
}

impl Default for Setup {
    /// One bot, one HTTP channel `web` with the keys `shop` and `desk`, quick retries.
    fn default() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let setup = Self { env: BTreeMap::new(), sandbox: SandboxOptions::default(), app: App::builder() };
        setup
            .set("SERVER__LISTEN", "127.0.0.1:0")
            .set("SERVER__GRACE_PERIOD", "2s")
            .set("ACCOUNTS__MAIN__ACCESS_TOKEN", "sandbox-token")
            .set("BOTS__MAIN__ACCOUNT", "main")
            .set("BOTS__MAIN__API_KEY", "sandbox-key")
            .set("CHANNELS__WEB__KIND", "http")
            .set("CHANNELS__WEB__BOT", "main")
            .set("CHANNELS__WEB__KEYS__SHOP__KEY", KEY)
            .set("CHANNELS__WEB__KEYS__SHOP__RATE_PER_MINUTE", "0")
            .set("CHANNELS__WEB__KEYS__DESK__KEY", OTHER_KEY)
            .set("PIPELINE__USER_RATE", "0")
            .set("PIPELINE__RETRY__MIN", "20ms")
            .set("PIPELINE__RETRY__MAX", "200ms")
            .set("PIPELINE__RECOVERY_WINDOW", "400ms")
            .set("PIPELINE__BREAKER__OPEN_FOR", "300ms")
    }
}

impl Setup {
    /// One key of the configuration, as in the environment but without its prefix.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, key: &str) -> Self {
        self.env.remove(key);
        self
    }

    /// A second bot of the sandbox.
    pub(crate) fn sandbox_bot(mut self, name: &str, key: &str) -> Self {
        self.sandbox.bots.push(SandboxBot { name: name.to_owned(), api_key: Secret::new(key) });
        self
    }

    pub(crate) fn register(mut self, registration: caigunn_bridge::contract::Registration) -> Self {
        self.app = self.app.register(registration);
        self
    }

    pub(crate) async fn start(self) -> Bridge {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, self.sandbox).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut env = self.env;
        env.entry("STORE__PATH".to_owned()).or_insert_with(|| folder.path().join("bridge.db").display().to_string());
        env.entry("ACCOUNTS__MAIN__BASE_URL".to_owned()).or_insert_with(|| sandbox.base_url());
        let running = start(&self.app, &env).await;
        let addr = running.addr();
        Bridge { addr, sandbox, folder, env, app: self.app, running: Some(running), client: reqwest::Client::new() }
    }
}

async fn start(app: &App, env: &BTreeMap<String, String>) -> Running {
    let env = env.iter().map(|(key, value)| (OsString::from(format!("CAIGUNN_BRIDGE__{key}")), OsString::from(value)));
    let sources = Sources { file: None, env: env.collect(), places: Vec::new() };
    let loaded = app.load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    app.start(&loaded).await.unwrap()
}

/// A running bridge with its sandbox.
pub(crate) struct Bridge {
    pub(crate) addr: SocketAddr,
    pub(crate) sandbox: SandboxHandle,
    folder: TempDir,
    env: BTreeMap<String, String>,
    app: App,
    running: Option<Running>,
    pub(crate) client: reqwest::Client,
}

impl Bridge {
    pub(crate) async fn new() -> Self {
        Setup::default().start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A message of a user under the first key, sent as JSON.
    pub(crate) fn message(&self, user: &str, text: &str) -> RequestBuilder {
        self.post(KEY, &json!({ "user": user, "text": text }))
    }

    pub(crate) fn post(&self, key: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url("/v1/messages")).bearer_auth(key).json(body)
    }

    pub(crate) fn get(&self, key: &str, path: &str) -> RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(key)
    }

    /// Sends a message and reads its answer: status 200.
    pub(crate) async fn say(&self, user: &str, text: &str) -> Value {
        let response = self.message(user, text).send().await.unwrap();
        assert_eq!(response.status(), 200, "{user}: {text}");
        response.json().await.unwrap()
    }

    /// Waits until the message has ended.
    pub(crate) async fn ended(&self, key: &str, id: &str) -> Value {
        let request = self.get(key, &format!("/v1/messages/{id}")).header("Prefer", "wait=20");
        let view: Value = request.send().await.unwrap().json().await.unwrap();
        assert_ne!(view["state"], "pending", "{id} has not ended: {view}");
        view
    }

    pub(crate) async fn metrics(&self) -> String {
        self.client.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap()
    }

    /// The readiness page.
    pub(crate) async fn ready(&self) -> Value {
        self.client.get(self.url("/readyz")).send().await.unwrap().json().await.unwrap()
    }

    /// Stops the bridge in order; the sandbox goes on.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop_token().cancel();
            assert!(tokio::time::timeout(PATIENCE, running.stopped()).await.expect("the bridge stops"));
        }
    }

    /// Starts it again, over the same store, with keys of the configuration changed.
    pub(crate) async fn start_again(&mut self, changes: &[(&str, &str)]) {
        self.stop().await;
        for (key, value) in changes {
            self.env.insert((*key).to_owned(), (*value).to_owned());
        }
        let running = start(&self.app, &self.env).await;
        self.addr = running.addr();
        self.running = Some(running);
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The status and the problem document of a refused request.
pub(crate) async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    (status, response.json().await.unwrap())
}
