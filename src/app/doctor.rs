//! A look at everything that could be wrong, for `check`: [`look`] what is found · [`disk`] the store · [`host`] the address, the
//! limits and the clock of this machine · [`proxies`] what calls go through · [`probe`](crate::app::probe) the other side of every
//! connection.

mod disk;
mod host;
pub mod look;
mod proxies;

use std::path::{Path, PathBuf};

use crate::app::{App, probe};
use crate::config::{Loaded, Mistake};
pub use look::{Leg, Level, Look};

/// Looks at everything. Without `online` nothing leaves this machine.
pub async fn examine(app: &App, loaded: &Loaded, online: bool) -> Vec<Look> {
    let mut looks = configuration(loaded);
    looks.extend(secrets(loaded));
    looks.push(host::limits(&loaded.config));
    let (store, in_use) = disk::look(loaded).await;
    looks.extend(store);
    looks.push(host::listen(&loaded.config, in_use).await);
    looks.extend(proxies::look(&loaded.config, online).await);
    if online {
        looks.extend(host::clock(&loaded.config).await);
        looks.extend(probe::probe(app, loaded).await);
    }
    looks
}

fn configuration(loaded: &Loaded) -> Vec<Look> {
    let config = &loaded.config;
    let from = loaded.file.as_ref().map_or("the environment alone".to_owned(), |file| file.display().to_string());
    let channels = config.channels.len() + loaded.broken.len();
    let counts = [count(config.accounts.len(), "account"), count(config.bots.len(), "bot"), count(channels, "channel")];
    let counts = format!("configuration from {from}: {}", counts.join(", "));
    let mut looks = Vec::new();
    // With mistakes in it, it is not well; each of them is told.
    if channels == 0 {
        let hint = "`caigunn-bridge init` writes a configuration; in one of your own add a `[channels.<id>]` section";
        looks.push(Look::wrong(Leg::Config, counts, hint));
    } else if loaded.broken.is_empty() {
        looks.push(Look::ok(Leg::Config, counts));
    }
    // That there is no channel has been said.
    let warnings = loaded.warnings.iter().filter(|warning| warning.key != "channels" && !warning.is_of_open_file());
    looks.extend(warnings.map(|warning| of_warning(Leg::Config, warning)));
    looks
}

fn secrets(loaded: &Loaded) -> Vec<Look> {
    let open = loaded.warnings.iter().filter(|warning| warning.is_of_open_file());
    let looks: Vec<_> = open.map(|warning| of_warning(Leg::Secrets, warning)).collect();
    if looks.is_empty() {
        return vec![Look::ok(Leg::Secrets, "secrets: none is in a file that everyone on this machine can read")];
    }
    looks
}

fn of_warning(leg: Leg, warning: &Mistake) -> Look {
    let hint = warning.hint.as_deref().unwrap_or("`caigunn-bridge config show` tells where each key comes from");
    Look::warn(leg, format!("{} {}", warning.key, warning.reason).trim_start(), hint)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The nearest folder above a path that is there.
fn nearest_folder(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned())
}
