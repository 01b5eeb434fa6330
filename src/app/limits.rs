//! How many files (and so connections) the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What is open beside connections: the database, pictures, the log, listeners.
const BESIDE: u64 = 128;

/// Connections that one channel's calls to its platform may take.
const PER_CHANNEL: u64 = 80;

/// The most files that a bridge with this configuration has open at once.
pub(crate) fn open_files_needed(config: &Config) -> u64 {
    let channels = u64::try_from(config.channels.len()).unwrap_or(u64::MAX);
    u64::from(config.server.max_connections)
        .saturating_add(u64::from(config.pipeline.max_in_flight))
        .saturating_add(channels.saturating_mul(PER_CHANNEL))
        .saturating_add(BESIDE)
}

/// Raises the soft limit as far as is needed, and may be: it is 1024 nearly everywhere, for programs that a bridge is not.
pub fn raise_open_files(config: &Config) {
    let needed = open_files_needed(config);
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.map_or(needed, |hard| hard.min(needed));
    if now.current.is_some_and(|soft| soft < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, wanted, "the limit of open files cannot be raised");
        }
    }
}
