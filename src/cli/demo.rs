//! `demo`: the whole bridge on this machine, with the sandbox in CaiGunn's place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};
use tokio::net::TcpListener;

use crate::app::lifecycle::Signals;
use crate::app::{App, StartError};
use crate::cli::output::Output;
use crate::cli::run::{cannot_listen, init_logs, refuse};
use crate::cli::{Exit, help};
use crate::config::Sources;
use crate::model::Secret;
use crate::sandbox::{Sandbox, SandboxBot, SandboxOptions};

#[derive(clap::Args)]
#[command(after_help = help::DEMO)]
pub(super) struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder for the store; without it, a new one under the temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The demo's API key. It opens a demo on this machine and nothing else.
const API_KEY: &str = "demo-key-for-this-machine";
const BOT_KEY: &str = "sandbox-key";
const ACCESS_TOKEN: &str = "sandbox-token";

pub(super) async fn run(app: &App, args: Args) -> Exit {
    let folder = match Folder::make(args.data) {
        Ok(folder) => folder,
        Err(error) => {
            Output::error(&format!("the demo's folder cannot be made: {error}"));
            return Exit::Failure;
        }
    };
    let exit = run_in(app, args.listen, &folder).await;
    folder.remove();
    exit
}

async fn run_in(app: &App, listen: SocketAddr, folder: &Folder) -> Exit {
    let options = SandboxOptions {
        bots: vec![SandboxBot { name: "demo".to_owned(), api_key: Secret::new(BOT_KEY) }],
        access_token: Secret::new(ACCESS_TOKEN),
        control: true,
        ..SandboxOptions::default()
    };
    let sandbox = match TcpListener::bind(("127.0.0.1", 0)).await {
        Ok(listener) => Sandbox::start(listener, options).await,
        Err(error) => Err(error),
    };
    let sandbox = match sandbox {
        Ok(sandbox) => sandbox,
        Err(error) => {
            Output::error(&format!("the sandbox cannot start: {error}"));
            return Exit::Failure;
        }
    };
    let picture = folder.path.join("picture.png");
    if let Err(error) = draw(&picture) {
        Output::error(&format!("the sample picture cannot be written: {error}"));
        return Exit::Failure;
    }
    let loaded = match app.load(&sources(listen, &sandbox.base_url(), &folder.path)) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            Output::error(&mistakes.to_string());
            return Exit::Usage;
        }
    };
    if let Err(exit) = init_logs(&loaded) {
        return exit;
    }
    let signals = Signals::listen();
    let running = match app.start(&loaded).await {
        Ok(running) => running,
        // It has no configuration in which another address could be set.
        Err(StartError::Listen { addr, error }) => return cannot_listen(addr, &error),
        Err(error) => return refuse(&error),
    };
    invite(running.addr(), &picture);
    tokio::spawn(signals.stop(running.stop_token()));
    let exit = if running.stopped().await { Exit::Ok } else { Exit::Failure };
    sandbox.stop().await;
    exit
}

/// The demo's configuration, given as an operator could give it: by the environment alone.
fn sources(listen: SocketAddr, sandbox: &str, folder: &Path) -> Sources {
    let store = folder.join("bridge.db");
    let settings = [
        ("SERVER__LISTEN", listen.to_string().into()),
        ("STORE__PATH", OsString::from(store)),
        ("ACCOUNTS__SANDBOX__BASE_URL", sandbox.into()),
        ("ACCOUNTS__SANDBOX__ACCESS_TOKEN", ACCESS_TOKEN.into()),
        ("BOTS__DEMO__ACCOUNT", "sandbox".into()),
        ("BOTS__DEMO__API_KEY", BOT_KEY.into()),
        ("CHANNELS__WEB__KIND", "http".into()),
        ("CHANNELS__WEB__BOT", "demo".into()),
        ("CHANNELS__WEB__KEYS__DEMO__KEY", API_KEY.into()),
        ("CHANNELS__WEB__KEYS__DEMO__OUTBOUND", "all".into()),
        ("CHANNELS__WEB__PLAYGROUND", "true".into()),
        // Whoever tries things out writes fast.
        ("PIPELINE__USER_RATE", "0".into()),
    ];
    // What is worth a look on a terminal is the invitation and what became of each message.
    let log = [("LOG__FILTER", OsString::from("warn,caigunn_bridge::pipeline::work=info"))];
    let env: BTreeMap<OsString, OsString> = settings
        .into_iter()
        .chain(log)
        .map(|(key, value)| (format!("{}{key}", crate::config::PREFIX).into(), value))
        .collect();
    Sources { file: None, env, places: Vec::new() }
}

fn invite(addr: SocketAddr, picture: &Path) {
    let here = format!("http://{}", reachable(addr));
    let auth = format!("-H 'Authorization: Bearer {API_KEY}'");
    Output::line("The bridge runs, with a sandbox in CaiGunn's place.\n");
    Output::line(&format!("  Open  {here}/chat\n"));
    Output::line("or copy a line, for a text or a picture:\n");
    let json = "-H 'Content-Type: application/json' -d '{\"user\":\"you\",\"text\":\"Hello!\"}'";
    Output::line(&format!("  curl -s {here}/v1/messages {auth} {json}\n"));
    Output::line(&format!(
        "  curl -s {here}/v1/messages {auth} -F user=you -F 'text=What is this?' -F 'images=@{}'\n",
        picture.display()
    ));
    Output::line("Ctrl-C ends it.");
}

/// Where this machine reaches a listener: one on every address is reached on the machine's own.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// A small picture to send: a red disc on white.
fn draw(path: &Path) -> std::io::Result<()> {
    const SIDE: u32 = 120;
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let from_middle = |n: u32| i64::from(n) - i64::from(SIDE / 2);
        let inside = from_middle(x).pow(2) + from_middle(y).pow(2) < 48 * 48;
        if inside { Rgb([0xd0, 0x10, 0x20]) } else { Rgb([0xff, 0xff, 0xff]) }
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(std::io::Error::other)?;
    std::fs::write(path, bytes.into_inner())
}

/// The demo's folder.
struct Folder {
    path: PathBuf,
    is_ours: bool,
}

impl Folder {
    fn make(chosen: Option<PathBuf>) -> std::io::Result<Self> {
        let is_ours = chosen.is_none();
        let path = chosen.unwrap_or_else(|| {
            let name = format!("caigunn-bridge-demo-{}", uuid::Uuid::new_v4().as_simple());
            std::env::temp_dir().join(name)
        });
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, is_ours })
    }

    fn remove(self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "the demo's folder {} cannot be removed", self.path.display());
        }
    }
}
