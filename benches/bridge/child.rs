//! The processes: the stub, the floor, the bridge.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::wire::{Connection, KEY};

/// A process that ends with its value.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

/// `exec`s a program with as many open files as the system lets it have.
fn command(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n $(ulimit -Hn) 2>/dev/null; exec \"$0\" \"$@\""]).arg(program);
    command.stdin(Stdio::null());
    command
}

/// This program again, in another role.
pub(crate) fn role(arguments: &[&str]) -> Result<Process> {
    let mut child = command(&std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut address)?;
    Ok(Process { child, address: address.trim().to_owned() })
}

pub(crate) fn stub() -> Result<Process> {
    role(&["--as-stub"])
}

pub(crate) fn floor(stub: &Process) -> Result<Process> {
    role(&["--as-floor", &format!("http://{}", stub.address)])
}

/// The least that teloxide can do, polling that server. It listens nowhere.
pub(crate) fn echo(server: &Process) -> Result<Process> {
    let url = format!("http://{}", server.address);
    let child = command(&std::env::current_exe()?).args(["--as-echo", &url]).spawn()?;
    Ok(Process { child, address: String::new() })
}

/// A program that listens nowhere.
pub(crate) fn program(program: &Path, settings: &[(&str, &str)]) -> Result<Process> {
    let child = command(program).envs(settings.iter().copied()).spawn()?;
    Ok(Process { child, address: String::new() })
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Resident memory, in KiB; `None` where `/proc` does not tell.
    pub(crate) fn rss(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Processor seconds used so far.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        // The kernel reports in hundredths of a second, whatever its own clock.
        Some((user + system) / 100.0)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        Connection::open(&self.address).await?.get(path).await
    }
}

/// A bridge over a store of its own.
pub(crate) struct Bridge {
    pub(crate) process: Process,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
    _folder: TempDir,
}

impl Bridge {
    /// The release binary, or the one that `CAIGUNN_BENCH_BRIDGE` names (another build, to compare). The rates per key and per user are off; they would be what is measured.
    pub(crate) async fn start(stub: &Process, settings: &[(&str, &str)]) -> Result<Self> {
        // Beside the build's own files: on a disk, not in memory.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let program = std::env::var_os("CAIGUNN_BENCH_BRIDGE").unwrap_or(env!("CARGO_BIN_EXE_caigunn-bridge").into());
        let mut command = command(&PathBuf::from(program));
        command.arg("run").current_dir(&folder).env_clear();
        for (key, value) in [
            ("SERVER__LISTEN", address.as_str()),
            ("STORE__PATH", "bridge.db"),
            ("LOG__FILTER", "warn"),
            ("ACCOUNTS__MAIN__BASE_URL", &format!("http://{}", stub.address)),
            ("ACCOUNTS__MAIN__ACCESS_TOKEN", "token"),
            ("BOTS__MAIN__ACCOUNT", "main"),
            ("BOTS__MAIN__API_KEY", "key"),
            ("CHANNELS__WEB__KIND", "http"),
            ("CHANNELS__WEB__BOT", "main"),
            ("CHANNELS__WEB__KEYS__BENCH__KEY", KEY),
            ("CHANNELS__WEB__KEYS__BENCH__RATE_PER_MINUTE", "0"),
            ("PIPELINE__USER_RATE", "0"),
        ] {
            command.env(format!("CAIGUNN_BRIDGE__{key}"), value);
        }
        for (key, value) in settings {
            command.env(format!("CAIGUNN_BRIDGE__{key}"), value);
        }
        let began = Instant::now();
        let child = command.spawn()?;
        let process = Process { child, address };
        while process.get("/healthz").await.is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                bail!("the bridge does not start");
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(Self { process, started_in: began.elapsed(), _folder: folder })
    }

    /// The sum of a metric's series whose labels hold a text.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let page = self.process.get("/metrics").await?;
        let series = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
        });
        Ok(series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
