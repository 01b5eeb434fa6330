//! The real binary as a child process, with a sandbox of this process in CaiGunn's place.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use caigunn_bridge::sandbox::{Sandbox, SandboxHandle, SandboxOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{KEY, OTHER_KEY, PATIENCE, until};

/// Where a daemon of this process's tests can be found, what it is configured with, and its sandbox.
pub(crate) struct Place {
    pub(crate) sandbox: SandboxHandle,
    folder: TempDir,
    env: BTreeMap<String, String>,
    pub(crate) client: reqwest::Client,
}

impl Place {
    /// One bot, one HTTP channel `web` with the keys `shop` and `desk`, no rates, quick retries.
    pub(crate) async fn new(options: SandboxOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = Self { sandbox, folder, env: BTreeMap::new(), client: client() };
        let (store, base_url) = (place.store().display().to_string(), place.sandbox.base_url());
        place
            .set("SERVER__LISTEN", "127.0.0.1:0")
            .set("SERVER__GRACE_PERIOD", "5s")
            .set("STORE__PATH", &store)
            .set("ACCOUNTS__MAIN__ACCESS_TOKEN", "sandbox-token")
            .set("ACCOUNTS__MAIN__BASE_URL", &base_url)
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
            .set("PIPELINE__RECOVERY_WINDOW", "1s")
            .set("PIPELINE__BREAKER__OPEN_FOR", "300ms")
    }

    /// One key of the configuration, as in the environment but without its prefix.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Takes every key away that starts so.
    pub(crate) fn unset(mut self, prefix: &str) -> Self {
        self.env.retain(|key, _| !key.starts_with(prefix));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join("bridge.db")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// All that the daemons of this place have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The whole lines of the log; a kill may have cut one.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The binary, in this place's environment and nothing else's.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.current_dir(self.folder());
        command.envs(self.env.iter().map(|(key, value)| (format!("CAIGUNN_BRIDGE__{key}"), value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args)).await
    }

    /// Starts `run`, without waiting for anything; its log is added to that of its predecessors.
    pub(crate) fn spawn(&self) -> Daemon {
        self.spawn_with(&[])
    }

    /// The same with some keys of the configuration changed.
    pub(crate) fn spawn_with(&self, changes: &[(&str, &str)]) -> Daemon {
        let mut command = self.command(&["run"]);
        command.envs(changes.iter().map(|(key, value)| (format!("CAIGUNN_BRIDGE__{key}"), value)));
        self.spawn_command(command)
    }

    /// Starts a command made by [`Place::command`], its log as that of a daemon.
    pub(crate) fn spawn_command(&self, mut command: Command) -> Daemon {
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        let skipped = self.log().len();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Daemon { child, skipped }
    }

    /// Starts `run` and waits until it listens.
    pub(crate) async fn start(&self) -> (Daemon, SocketAddr) {
        self.listens(self.spawn()).await
    }

    /// Waits until a daemon listens.
    pub(crate) async fn listens(&self, mut daemon: Daemon) -> (Daemon, SocketAddr) {
        let mut addr = None;
        until("the bridge listens", async || {
            assert!(daemon.ended().is_none(), "the bridge has ended: {}", self.log());
            addr = self.listening(&daemon);
            addr.is_some()
        })
        .await;
        (daemon, addr.unwrap())
    }

    fn listening(&self, daemon: &Daemon) -> Option<SocketAddr> {
        let log = self.log();
        let mut lines = log[daemon.skipped..].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == "listening")?["addr"].as_str()?.parse().ok()
    }
}

/// A client that waits longer than any answer takes.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().connect_timeout(SOON).timeout(Duration::from_secs(90)).build().unwrap()
}

/// The binary with an empty environment.
pub(crate) fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caigunn-bridge"));
    command.args(args).env_clear().stdin(Stdio::null());
    // A place for temporary files is all it is told of the machine.
    command.env("TMPDIR", std::env::temp_dir());
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end, off this thread: its server may be in this process.
pub(crate) async fn ran(mut command: Command) -> Ran {
    let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running child. It does not outlive this value.
pub(crate) struct Daemon {
    child: Child,
    /// How much of the log was its predecessors'.
    skipped: usize,
}

impl Daemon {
    pub(crate) fn of(child: Child) -> Self {
        Self { child, skipped: 0 }
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its short name, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// What of its memory is resident, in bytes; 0 where there is no `/proc`.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).map_or(0, |kib| kib.parse().unwrap());
        kib * 1024
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end; answers the exit code.
    pub(crate) async fn exit_code(mut self) -> i32 {
        let mut status = None;
        until("the process has ended", async || {
            status = self.ended();
            status.is_some()
        })
        .await;
        status.and_then(|status| status.code()).expect("not killed by a signal")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that stays free between two starts. It is not one of those that the system gives to outgoing connections: a
/// client that keeps trying such a port while nobody listens can end up connected to itself.
pub(crate) fn steady_addr() -> SocketAddr {
    let mut tries = std::iter::repeat_with(|| SocketAddr::from(([127, 0, 0, 1], fastrand::u16(20_000..32_000))));
    tries.find(|addr| std::net::TcpListener::bind(addr).is_ok()).unwrap()
}

/// How long a child may take for what it does at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

const _: () = assert!(SOON.as_secs() < PATIENCE.as_secs());
