//! A real browser: headless Chromium, told what to do by the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).
//!
//! It is spoken to through a pipe: when the process of the tests ends, in whatever way, the pipe ends, and so does the browser.

mod page;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(super) use page::Page;

use crate::support::PATIENCE;

pub(super) struct Browser {
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    next: AtomicU64,
    shared: Arc<Shared>,
    _profile: TempDir,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    /// What was reported so far, by session.
    events: Mutex<HashMap<String, Vec<Value>>>,
}

/// The browser of the tests that run just now: starting one takes seconds.
static RUNNING: Mutex<Weak<Browser>> = Mutex::new(Weak::new());

impl Browser {
    /// The browser; `None`, and a word about it, where there is none.
    #[expect(clippy::print_stderr, reason = "who reads the tests' output shall know what was not tested")]
    pub(super) fn get() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(browser) = running.upgrade() {
            return Some(browser);
        }
        let found = Command::new("sh").args(["-c", "command -v chromium"]).stdout(Stdio::null()).status().unwrap();
        if !found.success() {
            eprintln!(
                "PASSED OVER: no `chromium` in PATH, so what needs a browser is not tested (`.ci/tools` installs one)"
            );
            return None;
        }
        let browser = Arc::new(Self::start());
        *running = Arc::downgrade(&browser);
        Some(browser)
    }

    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads commands from descriptor 3 and writes to 4.
        let script = r#"exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
            --disable-background-networking --disable-component-update --disable-sync --mute-audio --lang=en-US \
            --remote-debugging-pipe --user-data-dir="$0" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { return };
                reader.heard(serde_json::from_slice(&message).unwrap());
            }
            // Whoever still waits is told by the end of its channel.
            reader.answers.lock().unwrap().clear();
        });
        let child = Mutex::new(child);
        Self { child, input: Mutex::new(input), next: AtomicU64::new(1), shared, _profile: profile }
    }

    /// A command, of one session or of the browser itself, and what it answers.
    async fn command(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.tries(session, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn tries(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        self.shared.answers.lock().unwrap().insert(id, sender);
        self.write(&command);
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {method}"));
        let mut answer = answer.expect("the browser is there");
        if answer.get("error").is_some() { Err(answer["error"].take()) } else { Ok(answer["result"].take()) }
    }

    fn write(&self, command: &Value) {
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        if let Some(input) = self.input.lock().unwrap().as_mut() {
            input.write_all(&bytes).unwrap();
        }
    }

    /// What a session has reported, of one kind.
    fn events(&self, session: &str, method: &str) -> Vec<Value> {
        let events = self.shared.events.lock().unwrap();
        let events = events.get(session).into_iter().flatten();
        events.filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// A page of its own: its storage is nobody else's.
    pub(super) async fn page(self: &Arc<Self>) -> Page {
        let context = self.command(None, "Target.createBrowserContext", json!({ "disposeOnDetach": true })).await;
        let context = context["browserContextId"].as_str().unwrap().to_owned();
        self.page_in(&context).await
    }

    async fn page_in(self: &Arc<Self>, context: &str) -> Page {
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.command(None, "Target.createTarget", target).await["targetId"].take();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.command(None, "Target.attachToTarget", attach).await;
        Page::attached(self, session["sessionId"].as_str().unwrap(), context).await
    }
}

impl Shared {
    fn heard(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = self.answers.lock().unwrap().remove(&id) {
                let _ = waiting.send(message);
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        self.events.lock().unwrap().entry(session).or_default().push(message);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
