//! The command line.

mod check;
mod config;
mod demo;
mod healthcheck;
mod messages;
mod output;
mod run;
mod sandbox;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::App;
use crate::cli::output::Output;
use crate::config::{Loaded, Sources};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// Something failed at run time.
    Failure,
    /// The command line or the configuration is wrong (clap uses the same code).
    Usage,
    /// The store cannot be used.
    Store,
    /// `check` found something wrong.
    Findings,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Store => 3,
            Exit::Findings => 4,
        })
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    ended as asked (run: after SIGTERM or SIGINT, with everything finished or handed back)
  1    failed at run time
  2    the command line or the configuration is wrong
  3    the store cannot be used (damaged, newer, in use by another bridge)
  4    check found something wrong
  130  stopped at once by a second signal";

/// A durable bridge between chat platforms and CaiGunn chatbots.
#[derive(Parser)]
#[command(name = "caigunn-bridge", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// For the commands that read the configuration.
#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file. Without it: $CAIGUNN_BRIDGE_CONFIG, ./bridge.toml, ./config/bridge.toml,
    /// ~/.config/caigunn-bridge/bridge.toml, /etc/caigunn-bridge/bridge.toml.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bridge until SIGTERM or SIGINT.
    Run(ConfigFile),
    /// Try the bridge without any account: an embedded sandbox, an HTTP channel, and lines to copy.
    Demo(demo::Args),
    /// Run the sandbox alone: a server that answers like CaiGunn, for development and tests.
    Sandbox(sandbox::Args),
    /// Ask a running bridge whether it is healthy: exit code 0 or 1, for containers.
    Healthcheck(healthcheck::Args),
    /// Look for mistakes: in the configuration, the store and, with --online, every connection.
    Check(check::Args),
    /// Print an example configuration, its JSON schema, or the configuration in force.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at messages that wait or were given up, and decide about them.
    Messages(messages::Args),
}

/// The command line as clap describes it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, does what it says, and answers the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The one TLS provider; a second installation could only find the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::error(&format!("the runtime cannot start: {error}"));
            return Exit::Failure.into();
        }
    };
    let app = App::builder();
    let exit = runtime.block_on(async {
        match cli.command {
            Command::Run(file) => run::run(&app, file.config).await,
            Command::Demo(args) => demo::run(&app, args).await,
            Command::Sandbox(args) => sandbox::run(args).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Check(args) => check::run(&app, args).await,
            Command::Config(command) => config::run(&app, command),
            Command::Messages(args) => messages::run(&app, args).await,
        }
    });
    // What still blocks a thread (a decoder, a closing file) must not keep the process from ending.
    runtime.shutdown_background();
    exit.into()
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("bridge")
        // Deep recursion has no place here; smaller stacks keep the idle process small.
        .thread_stack_size(1024 * 1024)
        .max_blocking_threads(32)
        .build()
}

/// Loads the configuration, or prints what is wrong with it.
fn load(app: &App, file: Option<PathBuf>) -> Result<Loaded, Exit> {
    app.load(&Sources::of_process(file)).map_err(|mistakes| {
        Output::error(&mistakes.to_string());
        Exit::Usage
    })
}
