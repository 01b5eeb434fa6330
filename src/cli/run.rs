//! `run`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::lifecycle::{Hangups, Signals};
use crate::app::notify::{self, Notifier};
use crate::app::{App, StartError, limits, reload, telemetry};
use crate::cli::output::Output;
use crate::cli::{Exit, load_sources};
use crate::config::{Loaded, LogFormat, Sources};

pub(super) async fn run(app: &App, file: Option<PathBuf>) -> Exit {
    // First of all: unheard, a SIGHUP would end the process.
    let hangups = Hangups::listen();
    let sources = Sources::of_process(file);
    let loaded = match load_sources(app, &sources) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Err(exit) = init_logs(&loaded) {
        return exit;
    }
    // Without any channel the start is refused, with the same words.
    for warning in loaded.warnings.iter().filter(|warning| warning.key != "channels") {
        tracing::warn!("configuration: {warning}");
    }
    limits::raise_open_files(&loaded.config);
    let signals = Signals::listen();
    let running = match app.start(&loaded).await {
        Ok(running) => running,
        Err(error) => return refuse(&error),
    };
    tracing::info!(addr = %running.addr(), version = env!("CARGO_PKG_VERSION"), "listening");
    tokio::spawn(signals.stop(running.stop_token()));
    let notifier = Arc::new(Notifier::of_process());
    tokio::spawn(notify::report(Arc::clone(&notifier), running.health(), running.stop_token()));
    tokio::spawn(reload::watch(running.reloader(), sources, hangups, notifier, running.stop_token()));
    if running.stopped().await { Exit::Ok } else { Exit::Failure }
}

pub(super) fn init_logs(loaded: &Loaded) -> Result<(), Exit> {
    let log = &loaded.config.log;
    telemetry::init_logs(&log.filter, log.format).map_err(|error| {
        Output::error(&error);
        Exit::Usage
    })
}

/// Logs for the commands that have no configuration.
pub(super) fn init_default_logs() {
    // The default filter is valid.
    let _ = telemetry::init_logs("info", LogFormat::Auto);
}

/// For the commands that are told by a flag where to listen.
pub(super) fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> Exit {
    let hint = format!("is another process using the port? `--listen {}:0` takes any free one", addr.ip());
    Output::error(&format!("cannot listen on {addr}: {error}\nhint: {hint}"));
    Exit::Failure
}

pub(super) fn refuse(error: &StartError) -> Exit {
    Output::error(&error.to_string());
    match error {
        StartError::Store(_) => Exit::Store,
        StartError::NoChannel => Exit::Usage,
        StartError::Listen { .. } => Exit::Failure,
    }
}
