//! When to reload: at SIGHUP everything, and the files of secrets whenever what stands in them has changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::lifecycle::Hangups;
use crate::app::notify::Notifier;
use crate::app::reload::{Reloaded, Reloader, Reread};
use crate::config::{FileDigest, Sources, digest_of};

/// How often the files of secrets are looked at. A change counts once it was seen twice: a file that is just being written is
/// left alone. Their contents are compared, whatever stands behind the name: an orchestrator swaps a link to a folder.
const LOOK: Duration = Duration::from_secs(2);

type Digests = BTreeMap<PathBuf, Option<FileDigest>>;

/// Reloads when there is reason to, until `stop`.
pub async fn watch(
    reloader: Reloader,
    sources: Sources,
    mut hangups: Hangups,
    notifier: Arc<Notifier>,
    stop: CancellationToken,
) {
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = hangups.next() => {
                tracing::info!("SIGHUP: reloading the configuration");
                notifier.reloading();
                reloader.reload(&sources, Reread::Everything).await;
                notifier.reloaded();
            }
            () = tokio::time::sleep(LOOK) => {
                let known = reloader.secret_files().await;
                let Ok(now) = tokio::task::spawn_blocking({
                    let known = known.clone();
                    move || look_at(&known)
                })
                .await
                else {
                    continue;
                };
                if looks.is_due(&known, now) {
                    tracing::info!("a file of a secret has changed: reloading secrets");
                    let reloaded = reloader.reload(&sources, Reread::Secrets).await;
                    let unread = known.keys().any(|name| digest_of(name).is_none());
                    looks.ended(matches!(reloaded, Reloaded::Refused(_)), unread);
                }
            }
        }
    }
}

/// A file that cannot be read at the moment counts as unchanged.
fn look_at(known: &Digests) -> Digests {
    known.iter().map(|(name, before)| (name.clone(), digest_of(name).or(*before))).collect()
}

/// What the last looks have seen.
#[derive(Default)]
struct Looks {
    /// Another content, seen once.
    seen: Option<Digests>,
    /// What was tried last: refused, it is not tried again and again.
    tried: Option<Digests>,
}

impl Looks {
    /// How the reload ended that was due. One that was refused while a file was away is worth another try when it is back.
    fn ended(&mut self, refused: bool, unread: bool) {
        if !refused || unread {
            self.tried = None;
        }
    }

    /// Whether to reload now.
    fn is_due(&mut self, known: &Digests, now: Digests) -> bool {
        if now == *known {
            self.seen = None;
            // What was refused is gone again: a last reload says that all is well.
            return self.tried.take().is_some();
        }
        if self.tried.as_ref() == Some(&now) {
            return false;
        }
        if self.seen.as_ref() == Some(&now) {
            (self.seen, self.tried) = (None, Some(now));
            return true;
        }
        self.seen = Some(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{Digests, Looks, look_at};

    fn digests(one: Option<u8>) -> Digests {
        Digests::from([("one".into(), one.map(|byte| [byte; 32])), ("two".into(), Some([9; 32]))])
    }

    #[test]
    fn a_change_counts_when_it_was_seen_twice_and_is_tried_once() {
        let (mut looks, known) = (Looks::default(), digests(Some(1)));
        assert!(!looks.is_due(&known, digests(Some(1))));
        assert!(!looks.is_due(&known, digests(Some(2))), "it may still be written");
        assert!(!looks.is_due(&known, digests(Some(3))), "it was");
        assert!(looks.is_due(&known, digests(Some(3))));
        looks.ended(true, false);
        assert!(!looks.is_due(&known, digests(Some(3))), "it was refused: once is enough");
        assert!(!looks.is_due(&known, digests(Some(4))));
        assert!(looks.is_due(&known, digests(Some(4))));
        looks.ended(true, false);
        assert!(looks.is_due(&known, digests(Some(1))), "back again: the refusal is over");
        looks.ended(false, false);
        assert!(!looks.is_due(&known, digests(Some(1))));
        assert!(!looks.is_due(&known, digests(Some(5))));
        assert!(looks.is_due(&known, digests(Some(5))));
        looks.ended(true, true);
        assert!(!looks.is_due(&known, digests(Some(5))));
        assert!(looks.is_due(&known, digests(Some(5))), "it was refused because the file was away");
        looks.ended(false, false);
        let known = digests(Some(5));
        assert!(!looks.is_due(&known, digests(Some(5))), "it is in force");
    }

    #[test]
    fn a_file_that_is_away_for_a_moment_changes_nothing_and_one_that_appears_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let missing = Digests::from([(file.clone(), None)]);
        assert_eq!(look_at(&missing), missing);
        std::fs::write(&file, "one").unwrap();
        let there = look_at(&missing);
        assert!(there != missing);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look_at(&there), there);
    }
}
