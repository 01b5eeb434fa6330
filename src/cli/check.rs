//! `check`: everything that could be wrong, looked at.

use std::path::{Path, PathBuf};

use crate::app::{App, probe, start};
use crate::cli::output::Output;
use crate::cli::{ConfigFile, Exit};
use crate::config::{Loaded, Sources};
use crate::contract::Finding;
use crate::contract::store::StoreError;
use crate::model::Clock;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Also call CaiGunn with each bot's key and look at every channel's platform.
    #[arg(long)]
    online: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(app: &App, args: Args) -> Exit {
    let loaded = match app.load(&Sources::of_process(args.file.config)) {
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

/// How a finding begins that is not wrong and should be read all the same.
const WARNING: &str = "warning: ";

fn print(finding: &Finding, json: bool) {
    if json {
        let line = serde_json::json!({ "ok": finding.ok, "what": finding.what, "hint": finding.hint });
        Output::line(&line.to_string());
        return;
    }
    let (mark, what) = match (finding.ok, finding.what.strip_prefix(WARNING)) {
        (false, _) => ("WRONG", finding.what.as_str()),
        (true, None) => ("ok   ", finding.what.as_str()),
        (true, Some(warning)) => ("warn ", warning),
    };
    Output::line(&format!("{mark} {what}"));
    if let Some(hint) = &finding.hint {
        Output::line(&format!("      hint: {hint}"));
    }
}

fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let from = loaded.file.as_ref().map_or("the environment alone".to_owned(), |file| file.display().to_string());
    let channels = config.channels.len() + loaded.broken.len();
    let counts = [count(config.accounts.len(), "account"), count(config.bots.len(), "bot"), count(channels, "channel")];
    let counts = format!("configuration from {from}: {}", counts.join(", "));
    let mut findings = vec![if channels == 0 {
        Finding::wrong(counts, "add a `[channels.<id>]` section; `caigunn-bridge config example` prints one")
    } else {
        Finding::ok(counts)
    }];
    // That there is no channel has been said.
    for warning in loaded.warnings.iter().filter(|warning| warning.key != "channels") {
        let what = format!("{WARNING}{} {}", warning.key, warning.reason);
        findings.push(Finding { ok: true, what, hint: warning.hint.clone() });
    }
    findings
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
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
            let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, "look at the disk's space and health"));
            return vec![Finding::wrong(format!("store {shown}: {what}"), hint.to_owned())];
        }
    };
    let mut findings = Vec::new();
    match store.probe().await {
        Ok(took) => {
            findings.push(Finding::ok(format!("store {shown}: one commit takes {:.1} ms", took.as_secs_f64() * 1e3)))
        }
        Err(error) => {
            findings.push(Finding::wrong(format!("store {shown}: {error}"), "look at the disk's space and health"))
        }
    }
    match left_over(&*store, loaded).await {
        Ok(left) => findings.extend(left),
        Err(error) => {
            findings.push(Finding::wrong(format!("store {shown}: {error}"), "look at the disk's space and health"))
        }
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
                format!(
                    "channel {channel} left the configuration with {} undone; they are kept",
                    count(usize::try_from(work).unwrap_or(usize::MAX), "message")
                ),
                format!("put `[channels.{channel}]` back, or drop what `messages list --channel {channel}` lists"),
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
