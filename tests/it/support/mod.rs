//! A bridge in this process: the real application, a sandbox on a real socket in CaiGunn's place, a store in a folder of its
//! own. What an operator would write into the environment is set with [`Setup::set`].

pub(crate) mod leaks;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod sse;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use caigunn_bridge::app::reload::Reread;
use caigunn_bridge::app::{App, Reloaded, Running};
use caigunn_bridge::config::Sources;
use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, LogEntry, Sandbox, SandboxBot, SandboxHandle, SandboxOptions};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use log::Log;

pub(crate) const KEY: &str = "key-of-the-shop-0123456789";
pub(crate) const OTHER_KEY: &str = "key-of-the-desk-0123456789";

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a bridge is started with.
pub(crate) struct Setup {
    env: BTreeMap<String, String>,
    pub(crate) sandbox: SandboxOptions,
    app: App,
    runtime: OwnRuntime,
}

/// A runtime that only the bridge runs on, so that it can be cut off without a warning.
#[derive(Default)]
struct OwnRuntime {
    runtime: Option<Runtime>,
    log: Option<Log>,
}

impl OwnRuntime {
    fn new(log: Option<Log>) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(log) = log.clone() {
            builder.on_thread_start(move || log.keeps_this_thread());
        }
        Self { runtime: Some(builder.worker_threads(2).enable_all().build().unwrap()), log }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Default for Setup {
    /// One bot, one HTTP channel `web` with the keys `shop` and `desk`, quick retries.
    fn default() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (sandbox, runtime) = (SandboxOptions::default(), OwnRuntime::default());
        let setup = Self { env: BTreeMap::new(), sandbox, app: App::builder(), runtime };
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

    /// What a key was set to.
    pub(crate) fn env(&self, key: &str) -> &str {
        &self.env[key]
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

    /// Makes [`Bridge::crash`] possible.
    pub(crate) fn crashable(mut self) -> Self {
        self.runtime = OwnRuntime::new(self.runtime.log.clone());
        self
    }

    /// The same, and what the bridge's tasks log is kept.
    pub(crate) fn logged(mut self, log: &Log) -> Self {
        self.runtime.log = Some(log.clone());
        self.crashable()
    }

    pub(crate) async fn start(self) -> Bridge {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, self.sandbox).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut env = self.env;
        env.entry("STORE__PATH".to_owned()).or_insert_with(|| folder.path().join("bridge.db").display().to_string());
        env.entry("ACCOUNTS__MAIN__BASE_URL".to_owned()).or_insert_with(|| sandbox.base_url());
        let (app, runtime) = (Arc::new(self.app), self.runtime);
        let running = start(&app, &env, &runtime).await;
        let addr = running.addr();
        Bridge { addr, sandbox, folder, env, app, running: Some(running), runtime, client: client() }
    }
}

fn sources(env: &BTreeMap<String, String>) -> Sources {
    let env = env.iter().map(|(key, value)| (OsString::from(format!("CAIGUNN_BRIDGE__{key}")), OsString::from(value)));
    Sources { file: None, env: env.collect(), places: Vec::new() }
}

async fn start(app: &Arc<App>, env: &BTreeMap<String, String>, runtime: &OwnRuntime) -> Running {
    let sources = sources(env);
    let loaded = app.load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let Some(runtime) = &runtime.runtime else { return app.start(&loaded).await.unwrap() };
    let app = Arc::clone(app);
    let starting = async move {
        loop {
            match app.start(&loaded).await {
                // What ran before was cut off a moment ago and still lets go of the file.
                Err(error) if error.to_string().contains("in use") => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                started => return started.unwrap(),
            }
        }
    };
    runtime.spawn(starting).await.unwrap()
}

/// A running bridge with its sandbox.
pub(crate) struct Bridge {
    pub(crate) addr: SocketAddr,
    pub(crate) sandbox: SandboxHandle,
    folder: TempDir,
    env: BTreeMap<String, String>,
    app: Arc<App>,
    running: Option<Running>,
    runtime: OwnRuntime,
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

    /// Sends a message without waiting for its answer, and reads its id.
    pub(crate) async fn hand_in(&self, user: &str, text: &str) -> String {
        let response = self.message(user, text).header("Prefer", "respond-async").send().await.unwrap();
        assert_eq!(response.status(), 202, "{user}: {text}");
        let view: Value = response.json().await.unwrap();
        view["id"].as_str().unwrap().to_owned()
    }

    /// The calls of `talk` and `vision` so far, oldest first.
    pub(crate) fn asks(&self) -> Vec<LogEntry> {
        let log = self.sandbox.log().into_iter();
        log.filter(|entry| matches!(entry.call, Call::Talk | Call::Vision)).collect()
    }

    /// How many asks with this text there were, and how many of them the chatbot has carried out.
    pub(crate) fn asked(&self, text: &str) -> (usize, usize) {
        let asks: Vec<_> = self.asks().into_iter().filter(|entry| entry.text.as_deref() == Some(text)).collect();
        (asks.len(), asks.iter().filter(|entry| entry.processed).count())
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

    /// Runs the real command line over the same configuration and store, and reads what it prints.
    pub(crate) async fn command(&self, args: &[&str]) -> String {
        let env = self.env.iter().map(|(key, value)| (format!("CAIGUNN_BRIDGE__{key}"), value));
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_caigunn-bridge"));
        command.args(args).env_clear().envs(env).current_dir(self.folder());
        // Off this thread: the bridge runs on it.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Stops the bridge in order; the sandbox goes on.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop_token().cancel();
            assert!(tokio::time::timeout(PATIENCE, running.stopped()).await.expect("the bridge stops"));
        }
    }

    /// Cuts the bridge off in the midst of whatever it does, as near to a killed process as one process can come: every task
    /// ends where it waits, and nothing is said or stored any more. [`Bridge::start_again`] goes on.
    pub(crate) async fn crash(&mut self) {
        assert!(self.runtime.runtime.is_some(), "the setup is not crashable");
        self.runtime = OwnRuntime::new(self.runtime.log.clone());
        if let Some(running) = self.running.take() {
            assert!(!running.stopped().await);
        }
    }

    /// Changes the configuration under way: what a SIGHUP does. An empty value takes a key out, and so does one below a key that
    /// ends in `__` all that begin so.
    pub(crate) async fn reload(&mut self, changes: &[(&str, &str)]) -> Reloaded {
        for (key, value) in changes {
            match (value.is_empty(), key.ends_with("__")) {
                (true, true) => self.env.retain(|known, _| !known.starts_with(key)),
                (true, false) => drop(self.env.remove(*key)),
                (false, _) => drop(self.env.insert((*key).to_owned(), (*value).to_owned())),
            }
        }
        let (sources, reloader) = (sources(&self.env), self.running.as_ref().unwrap().reloader());
        let reloading = async move { reloader.reload(&sources, Reread::Everything).await };
        match &self.runtime.runtime {
            Some(runtime) => runtime.spawn(reloading).await.unwrap(),
            None => reloading.await,
        }
    }

    /// The configuration, to be put back.
    pub(crate) fn keep(&self) -> BTreeMap<String, String> {
        self.env.clone()
    }

    pub(crate) fn put_back(&mut self, env: BTreeMap<String, String>) {
        self.env = env;
    }

    /// The same for a change that is good; answers what changed.
    pub(crate) async fn reloads(&mut self, changes: &[(&str, &str)]) -> Vec<String> {
        match self.reload(changes).await {
            Reloaded::Changed(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    /// Starts it again, over the same store, with keys of the configuration changed; an empty value takes one out.
    pub(crate) async fn start_again(&mut self, changes: &[(&str, &str)]) {
        self.stop().await;
        for (key, value) in changes {
            if value.is_empty() {
                self.env.remove(*key);
            } else {
                self.env.insert((*key).to_owned(), (*value).to_owned());
            }
        }
        let running = start(&self.app, &self.env, &self.runtime).await;
        self.addr = running.addr();
        self.running = Some(running);
    }
}

/// A client that waits longer than any answer takes.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(2 * PATIENCE).build().unwrap()
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

/// A picture of one colour.
pub(crate) fn picture(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(40, 30, image::Rgb([220, 20, 30])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}
