//! `sandbox`: the CaiGunn-compatible server alone.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::lifecycle::Signals;
use crate::cli::output::Output;
use crate::cli::run::{cannot_listen, init_default_logs};
use crate::cli::{Exit, help};
use crate::model::Secret;
use crate::sandbox::{Sandbox, SandboxBot, SandboxOptions};

#[derive(clap::Args)]
#[command(after_help = help::SANDBOX)]
pub(super) struct Args {
    /// Address to listen on. Anybody who reaches it can use it: keep it on the loopback interface.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// A chatbot, as name=api-key; can be given several times.
    #[arg(long = "bot", value_name = "NAME=KEY", value_parser = bot, default_value = "demo=sandbox-key")]
    bots: Vec<(String, String)>,
    /// The access token it accepts.
    #[arg(long, value_name = "TOKEN", default_value = "sandbox-token")]
    access_token: String,
    /// How long each answer takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// How much longer an answer may take, at random, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_jitter_ms: u64,
    /// The share of calls that fail in one way or another, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    failure_rate: f64,
    /// After how many seconds a token expires; without it, never.
    #[arg(long, value_name = "SECONDS")]
    token_ttl: Option<u64>,
    /// Answer without remembering the conversations, for load runs.
    #[arg(long)]
    no_history: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write it as a number from 0 to 1".to_owned())
}

fn bot(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() => Ok((name.to_owned(), key.to_owned())),
        _ => Err("write it as name=api-key".to_owned()),
    }
}

pub(super) async fn run(args: Args) -> Exit {
    init_default_logs();
    let signals = Signals::listen();
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return cannot_listen(args.listen, &error),
    };
    let bots = args.bots.into_iter().map(|(name, key)| SandboxBot { name, api_key: Secret::new(key) }).collect();
    let options = SandboxOptions {
        bots,
        access_token: Secret::new(args.access_token),
        latency: Duration::from_millis(args.latency_ms),
        latency_jitter: Duration::from_millis(args.latency_jitter_ms),
        failure_rate: args.failure_rate,
        token_ttl: args.token_ttl.map(Duration::from_secs),
        keep_history: !args.no_history,
        control: true,
        ..SandboxOptions::default()
    };
    let sandbox = match Sandbox::start(listener, options).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            Output::error(&format!("the sandbox cannot start: {error}"));
            return Exit::Failure;
        }
    };
    Output::line(&format!("sandbox: {} (control under /_sandbox/)", sandbox.base_url()));
    let stop = CancellationToken::new();
    tokio::spawn(signals.stop(stop.clone()));
    stop.cancelled().await;
    sandbox.stop().await;
    Exit::Ok
}
