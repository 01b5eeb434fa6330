//! Every secret of the configuration, planted in each of its forms, is searched for in all that comes out of a full run of the
//! real process: at the loudest log level, through failures of every kind. The one place where one may be found is the
//! database, which holds the refreshed access token.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use caigunn_bridge::app::App;
use caigunn_bridge::config::{Sources, redacted};
use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, Fault, Sandbox, SandboxBot, SandboxHandle, SandboxOptions, Scripted};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::leaks::{files_below, places, refusing_proxy};
use crate::support::{base64, picture, until};

const TOKEN: &str = "PLANTED-access-token-inline";
const TOKEN_FILE: &str = "PLANTED-access-token-in-a-file";
const PROXY_PASSWORD: &str = "PLANTED-proxy-password";
const BOT_KEY: &str = "PLANTED-bot-key-by-env";
const BOT_KEY_INLINE: &str = "PLANTED-bot-key-inline";
const HASH_KEY: &str = "PLANTED-uid-hash-key";
const KEY: &str = "PLANTED-channel-key-in-env";
const KEY_FILE: &str = "PLANTED-channel-key-in-a-file";
const BROKEN_KEY: &str = "PLANTED-key-of-a-broken-channel";
/// Not ours, but no log should show what a stranger tries.
const TRIED: &str = "PLANTED-key-that-was-tried";
/// What people write: in the database, and nowhere else.
const BODY: &str = "PLANTED-words-of-a-person";

/// In upper case in the middle, so that no other word matches.
const PLANTED: &str = "PLANTED";

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

struct World {
    folder: tempfile::TempDir,
    sandbox: SandboxHandle,
    env: Vec<(String, String)>,
    /// All that came out, by where it came from.
    out: Vec<(String, Vec<u8>)>,
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = SandboxOptions {
            access_token: Secret::new(TOKEN),
            bots: vec![
                SandboxBot { name: "one".into(), api_key: Secret::new(BOT_KEY) },
                SandboxBot { name: "two".into(), api_key: Secret::new(BOT_KEY_INLINE) },
            ],
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        private(&at("token"), TOKEN_FILE);
        private(&at("desk"), KEY_FILE);
        let (base, show) = (sandbox.base_url(), |path: PathBuf| path.display().to_string());
        let file = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            [store]
            path = "{store}"
            [log]
            filter = "trace"
            [identity]
            uid_hash_key = "{HASH_KEY}"
            [pipeline]
            give_up_after = "1s"
            recovery_window = "0s"
            retry = {{ min = "20ms", max = "100ms" }}
            [pipeline.breaker]
            failures = 10000
            [accounts.main]
            base_url = "{base}"
            access_token = "{TOKEN}"
            [accounts.far]
            base_url = "http://caigunn.invalid"
            access_token_file = "{token}"
            [bots.one]
            account = "main"
            api_key_env = "BOT_ONE"
            [bots.two]
            account = "main"
            api_key = "{BOT_KEY_INLINE}"
            [bots.far]
            account = "far"
            api_key = "{BOT_KEY_INLINE}-far"
            [channels.web]
            kind = "http"
            bot = "one"
            keys.desk.key_file = "{desk}"
            [channels.two]
            kind = "http"
            path = "/two"
            bot = "two"
            keys.desk.key_file = "{desk}"
            [channels.far]
            kind = "http"
            path = "/far"
            bot = "far"
            keys.desk.key_file = "{desk}"
            [channels.broken]
            kind = "http"
            bot = "one"
            wait = "for ever"
            keys.desk = {{ key = "{BROKEN_KEY}", kee = "{BROKEN_KEY}" }}
            "#,
            store = show(at("store/bridge.db")),
            token = show(at("token")),
            desk = show(at("desk")),
        );
        private(&at("bridge.toml"), &file);
        let proxy = refusing_proxy().await;
        let env = [
            ("BOT_ONE", BOT_KEY.to_owned()),
            ("CAIGUNN_BRIDGE_CONFIG", show(at("bridge.toml"))),
            ("CAIGUNN_BRIDGE__ACCOUNTS__FAR__PROXY", format!("http://user:{PROXY_PASSWORD}@127.0.0.1:{proxy}")),
            ("CAIGUNN_BRIDGE__CHANNELS__WEB__KEYS__SHOP__KEY", KEY.to_owned()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, sandbox, env, out: Vec::new() }
    }

    fn took(&mut self, whence: impl Into<String>, what: impl Into<Vec<u8>>) {
        self.out.push((whence.into(), what.into()));
    }

    fn binary(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caigunn-bridge"));
        command.args(args).env_clear().envs(self.env.iter().cloned()).current_dir(self.folder.path());
        command
    }

    /// Runs a command of the real program and keeps what it prints.
    async fn command(&mut self, args: &[&str]) -> String {
        let mut command = self.binary(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        self.took(args.join(" "), printed.clone());
        String::from_utf8(printed).unwrap()
    }

    /// Makes a request and keeps the whole answer.
    async fn request(&mut self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        let (status, url, headers) =
            (response.status().as_u16(), response.url().to_string(), format!("{:?}", response.headers()));
        let body = response.text().await.unwrap();
        self.took(format!("{status} {url}"), format!("{headers}\n{body}"));
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

/// A running process; killed if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn no_secret_comes_out_of_a_full_run() {
    let mut world = World::new().await;
    let log_path = world.folder.path().join("log");
    let log = File::create(&log_path).unwrap();
    let mut run = world.binary(&["run"]);
    run.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
    let mut process = Process(run.spawn().unwrap());
    let mut addr = String::new();
    until("the bridge listens", async || {
        let log = std::fs::read_to_string(&log_path).unwrap();
        let line = log
            .lines()
            .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "listening"));
        addr = line.map(|line| line["addr"].as_str().unwrap().to_owned()).unwrap_or_default();
        !addr.is_empty()
    })
    .await;

    exercise(&mut world, &addr).await;
    for args in [
        &["check"][..],
        &["check", "--online"],
        &["check", "--json"],
        &["config", "show"],
        &["config", "schema"],
        &["messages", "list"],
        &["messages", "list", "--dead", "--json"],
    ] {
        world.command(args).await;
    }

    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    until("the bridge stops", async || process.0.try_wait().unwrap().is_some()).await;
    world.took("the log", std::fs::read(&log_path).unwrap());
    in_process(&mut world);

    let mut found = String::new();
    let basic = base64(format!("user:{PROXY_PASSWORD}").as_bytes());
    for (whence, what) in &world.out {
        for place in [PLANTED, &basic].iter().flat_map(|needle| places(what, needle)) {
            // An answer may repeat the caller's own words to the caller.
            let own_words =
                place.starts_with(BODY) && (whence.starts_with("200 ") || whence.starts_with("messages show"));
            if !own_words {
                let _ = writeln!(found, "{whence}: {place}");
            }
        }
    }
    let store = world.folder.path().join("store");
    let mut kept = 0;
    for path in files_below(&store) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is its owner's alone", path.display());
        let bytes = std::fs::read(&path).unwrap();
        for place in [PLANTED, &basic].iter().flat_map(|needle| places(&bytes, needle)) {
            // The sandbox makes a refreshed token of the configured one, a number and a checksum.
            let refreshed =
                place.strip_prefix(TOKEN).is_some_and(|rest| rest.starts_with(".1.") || rest.starts_with(".2."));
            kept += u32::from(refreshed);
            if !refreshed && !place.starts_with(BODY) {
                let _ = writeln!(found, "{}: {place}", path.display());
            }
        }
    }
    assert!(found.is_empty(), "{found}");
    assert!(kept >= 1, "the search does find the refreshed token where it is kept");
    let log = &world.out.iter().find(|(whence, _)| whence == "the log").unwrap().1;
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        assert!(!places(log, &format!(r#""level":"{level}""#)).is_empty(), "the run was loud: {level}");
    }
}

/// Successes and failures of every kind, against the running process.
async fn exercise(world: &mut World, addr: &str) {
    let client = crate::support::client();
    let url = |path: &str| format!("http://{addr}{path}");
    let say = |path: &str, key: &str, user: &str| {
        let body = json!({ "user": user, "text": format!("{BODY} of {user}") });
        client.post(url(&format!("{path}/v1/messages"))).bearer_auth(key).json(&body)
    };
    let get = |path: &str| client.get(url(path)).bearer_auth(KEY);

    for key in [KEY, KEY_FILE] {
        assert_eq!(world.request(say("", key, "alice")).await.0, 200);
    }
    let shown = json!({ "user": "alice", "text": BODY, "images": [base64(&picture(image::ImageFormat::Png)), "AAAA"] });
    assert_eq!(world.request(client.post(url("/v1/messages")).bearer_auth(KEY).json(&shown)).await.0, 200);
    assert_eq!(world.request(get("/v1/conversations/alice/history")).await.0, 200);

    // Refusals whose words repeat the credentials.
    let echo = format!("no good: {TOKEN}, {BOT_KEY}");
    for (status, processed) in [(400, false), (500, true), (503, false), (429, false)] {
        let body = json!({ "detail": format!("{TOKEN} {BOT_KEY}") }).to_string();
        let fault = Fault::Status {
            status,
            body: Some(body),
            content_type: Some("application/json".into()),
            retry_after: None,
            processed,
        };
        world.sandbox.push_fault(Scripted::on(fault, Call::Talk));
        world.request(say("", KEY, "carol")).await;
    }
    for fault in [Fault::Html502, Fault::Reset, Fault::ProcessThenReset, Fault::ResetMidBody, Fault::TruncatedJson] {
        world.sandbox.push_fault(Scripted::on(fault, Call::Talk));
        assert_eq!(world.request(say("", KEY, "dave")).await.0, 200);
    }
    // Given up, and dead letters.
    let fault = Fault::Status {
        status: 503,
        body: Some(echo),
        content_type: Some("text/plain".into()),
        retry_after: None,
        processed: false,
    };
    world.sandbox.push_fault(Scripted::on(fault, Call::Talk).times(0));
    let (_, dead) = world.request(say("", KEY, "erin")).await;
    assert_eq!(dead["reason"], "gave_up", "{dead}");
    world.sandbox.clear_faults();
    let id = dead["id"].as_str().unwrap().to_owned();
    world.command(&["messages", "show", &id]).await;
    assert!(world.command(&["messages", "retry", &id]).await.contains(&id));

    world.sandbox.expire_token();
    assert_eq!(world.request(say("", KEY, "bob")).await.0, 200);

    // A proxy that refuses.
    let (_, far) = world.request(say("/far", KEY_FILE, "frank")).await;
    assert_eq!(far["state"], "dead", "{far}");

    // Problems.
    for request in [
        say("", TRIED, "x"),
        say("", KEY, ""),
        client
            .post(url("/v1/messages"))
            .bearer_auth(KEY)
            .header("Content-Type", "application/json")
            .body("{\"user\": "),
        client.post(url("/v1/messages")).basic_auth("user", Some(TRIED)).body("x"),
        get("/v1/messages/none"),
        client.put(url("/v1/messages")).bearer_auth(KEY),
        say("/broken", BROKEN_KEY, "x"),
    ] {
        assert!(world.request(request).await.0 >= 400);
    }

    // A revoked key, then a token that cannot be renewed.
    world.sandbox.revoke_key("two");
    assert_eq!(world.request(say("/two", KEY_FILE, "grace").header("Prefer", "wait=1")).await.0, 202);
    world.sandbox.refuse_refresh(true);
    world.sandbox.expire_token();
    assert_eq!(world.request(say("", KEY, "heidi").header("Prefer", "wait=1")).await.0, 202);
    let (_, ready) = world.request(get("/readyz")).await;
    for bot in ["one", "two"] {
        let paused =
            ready["bots"].as_array().unwrap().iter().any(|part| part["name"] == bot && part["state"] == "paused");
        assert!(paused, "{ready}");
    }
    for path in ["/healthz", "/metrics", "/v1/conversations/alice/history"] {
        world.request(get(path)).await;
    }
}

/// The configuration as this process sees it.
fn in_process(world: &mut World) {
    let env = world.env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let file = Some(world.folder.path().join("bridge.toml"));
    let loaded = App::builder().load(&Sources { file, env, places: Vec::new() }).unwrap();
    assert!(loaded.broken.contains_key("broken"));
    world.took("Debug of the configuration", format!("{loaded:?}\n{loaded:#?}\n{:?}", loaded.config));
    world.took("the configuration shown", redacted(&loaded));
    let mistakes = loaded.broken.values().map(ToString::to_string).collect::<String>();
    world.took("the mistakes", mistakes);
}
