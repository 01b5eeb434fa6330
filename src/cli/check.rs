//! `check`: everything that could be wrong, looked at.

use std::path::{Path, PathBuf};

use crate::app::{App, probe, start};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::config::{Loaded, Sources};
use crate::contract::Finding;
use crate::contract::store::StoreError;
use crate::model::Clock;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Also call CaiGunn with each bot's key and look at every channel's platform.
    #[arg(long)]
    online: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(app: &App, file: Option<PathBuf>, args: Args) -> Exit {
    let loaded = match app.load(&Sources::of_process(file)) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            Output::error(&mistakes.to_string());
            return Exit::Usage;
        }
    };
    let mut findings = configuration(&loaded);
    findings.extend(store(&loaded).await);
    if args.online {
        findings.extend(probe::probe(app, &loaded).await);
    }
    for finding in &findings {
        print(finding, args.json);
    }
    let broken = !loaded.broken.is_empty();
    for mistakes in loaded.broken.values() {
        Output::error(&mistakes.to_string());
    }
    match (broken, findings.iter().all(|finding| finding.ok)) {
        (true, _) => Exit::Usage,
        (false, false) => Exit::Findings,
        (false, true) => Exit::Ok,
    }
}

fn print(finding: &Finding, json: bool) {
    if json {
        let line = serde_json::json!({ "ok": finding.ok, "what": finding.what, "hint": finding.hint });
        Output::line(&line.to_string());
        return;
    }
    let mark = if finding.ok { "ok    " } else { "WRONG " };
    Output::line(&format!("{mark}{}", finding.what));
    if let Some(hint) = &finding.hint {
        Output::line(&format!("      hint: {hint}"));
    }
}

fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let from = loaded.file.as_ref().map_or("the environment alone".to_owned(), |file| file.display().to_string());
    let counts = format!(
        "configuration from {from}: {} account(s), {} bot(s), {} channel(s)",
        config.accounts.len(),
        config.bots.len(),
        config.channels.len()
    );
    let mut findings = vec![if config.channels.is_empty() && loaded.broken.is_empty() {
        Finding::wrong(counts, "add a `[channels.<id>]` section; `caigunn-bridge config example` prints one")
    } else {
        Finding::ok(counts)
    }];
    for warning in &loaded.warnings {
        findings.push(Finding { ok: true, what: format!("warning: {} {}", warning.key, warning.reason), hint: warning.hint.clone() });
    }
    findings
}

/// Looks at the store without making one: it must belong to whoever runs the bridge, not to whoever checks.
async fn store(loaded: &Loaded) -> Vec<Finding> {
    let path = &loaded.config.store.path;
    let shown = path.display();
    if !path.exists() {
        return vec![match writable(path) {
            Ok(folder) => Finding::ok(format!("store {shown}: will be made in {}", folder.display())),
            Err((folder, error)) => Finding::wrong(
                format!("store {shown}: {} cannot be written: {error}", folder.display()),
                "set `store.path` to a folder that the bridge may write",
            ),
        }];
    }
    let store = match start::open_store(&loaded.config, &Clock::system(), false).await {
        Ok(store) => store,
        Err(error) => {
            let text = error.to_string();
            let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, "see the troubleshooting page"));
            return vec![Finding::wrong(format!("store {shown}: {what}"), hint.to_owned())];
        }
    };
    let mut findings = Vec::new();
    match store.probe().await {
        Ok(took) => findings.push(Finding::ok(format!("store {shown}: one commit takes {:.1} ms", took.as_secs_f64() * 1e3))),
        Err(error) => findings.push(Finding::wrong(format!("store {shown}: {error}"), "look at the disk's space and health")),
    }
    match left_over(&*store, loaded).await {
        Ok(left) => findings.extend(left),
        Err(error) => findings.push(Finding::wrong(format!("store {shown}: {error}"), "look at the disk's space and health")),
    }
    store.close().await;
    findings
}

async fn left_over(store: &dyn crate::contract::Store, loaded: &Loaded) -> Result<Vec<Finding>, StoreError> {
    let known = |id: &str| loaded.config.channels.contains_key(id) || loaded.broken.contains_key(id);
    let left = store.channels_with_work().await?.into_iter().filter(|(channel, _)| !known(channel.as_str()));
    Ok(left
        .map(|(channel, work)| {
            Finding::wrong(
                format!("channel {channel} left the configuration with {work} message(s) undone; they are kept"),
                format!("put `[channels.{channel}]` back, or `messages list --channel {channel}` and drop them"),
            )
        })
        .collect())
}

/// Whether the nearest folder that exists can be written.
fn writable(path: &Path) -> Result<PathBuf, (PathBuf, std::io::Error)> {
    let absolute = std::path::absolute(path).map_err(|error| (path.to_owned(), error))?;
    let folder = absolute.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned();
    let trial = folder.join(format!(".caigunn-bridge-{}", uuid::Uuid::new_v4().as_simple()));
    match std::fs::write(&trial, b"").and_then(|()| std::fs::remove_file(&trial)) {
        Ok(()) => Ok(folder),
        Err(error) => Err((folder, error)),
    }
}
