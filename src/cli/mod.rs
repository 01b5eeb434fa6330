//! The command line.

mod check;
mod config;
mod demo;
mod healthcheck;
mod help;
mod init;
mod messages;
mod output;
mod pages;
mod run;
mod sandbox;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::App;
use crate::cli::output::Output;
use crate::config::{FILE_VARIABLE, Loaded, PREFIX, Sources};

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
    /// `check` found something wrong, or `init` a key that is refused.
    Findings,
    /// `init` was stopped by a signal.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Store => 3,
            Exit::Findings => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// A durable bridge between chat platforms and CaiGunn chatbots.
#[derive(Parser)]
#[command(name = "caigunn-bridge", version, after_help = help::BRIDGE, max_term_width = 100)]
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
    /// Try the bridge without any account: an embedded sandbox, an HTTP channel, and lines to copy.
    Demo(demo::Args),
    /// Ask a few questions, try the keys and tokens, and write a configuration.
    Init(Box<init::Args>),
    /// Look for mistakes: in the configuration, on this machine and, with --online, in every connection.
    Check(check::Args),
    /// Run the bridge until SIGTERM or SIGINT.
    #[command(after_help = help::RUN)]
    Run(ConfigFile),
    /// Ask a running bridge whether it is healthy: exit code 0 or 1, for containers.
    Healthcheck(healthcheck::Args),
    /// Look at messages that wait or were given up, and decide about them.
    Messages(messages::Args),
    /// Print an example configuration, its JSON schema, or the configuration in force.
    #[command(subcommand, after_help = help::CONFIG)]
    Config(config::Command),
    /// Run the sandbox alone: a server that answers like CaiGunn, for development and tests.
    Sandbox(sandbox::Args),
    /// Print a script with which a shell completes the commands and options.
    Completions(pages::Completions),
    /// Print the manual page.
    Man(pages::Man),
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
            Command::Demo(args) => demo::run(&app, args).await,
            Command::Init(args) => init::run(&app, *args).await,
            Command::Check(args) => check::run(&app, args).await,
            Command::Run(file) => run::run(&app, file.config).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Messages(args) => messages::run(&app, args).await,
            Command::Config(command) => config::run(&app, command),
            Command::Sandbox(args) => sandbox::run(args).await,
            Command::Completions(args) => pages::completions(&args),
            Command::Man(args) => pages::man(&args),
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
    load_sources(app, &Sources::of_process(file))
}

/// The same, where the sources are needed again.
fn load_sources(app: &App, sources: &Sources) -> Result<Loaded, Exit> {
    let loaded = load_from(app, sources)?;
    match missing(&loaded, sources) {
        Some(text) => {
            Output::error(&text);
            Err(Exit::Usage)
        }
        None => Ok(loaded),
    }
}

/// The same, and nothing at all is a configuration, too: the defaults.
fn load_from(app: &App, sources: &Sources) -> Result<Loaded, Exit> {
    app.load(sources).map_err(|mistakes| {
        Output::error(&mistakes.to_string());
        Exit::Usage
    })
}

/// What to say when nothing is configured at all: where it was looked for, and how one begins.
fn missing(loaded: &Loaded, sources: &Sources) -> Option<String> {
    let config = &loaded.config;
    let nothing = config.accounts.is_empty() && config.bots.is_empty() && config.channels.is_empty();
    if loaded.file.is_some() || !nothing || !loaded.broken.is_empty() {
        return None;
    }
    let places: Vec<String> = sources.places.iter().map(|place| format!("\n  {}", place.display())).collect();
    Some(format!(
        "there is no configuration. It was looked for in the environment ({FILE_VARIABLE}, {PREFIX}…) and in{}\n\
         hint: `caigunn-bridge init` writes one, `caigunn-bridge demo` needs none",
        places.concat()
    ))
}
