//! When to reload: at SIGHUP everything, and the files of secrets whenever what stands in them has changed.

use std::collections::{BTreeMap, BTreeSet};
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
    let (mut looks, mut away) = (Looks::default(), Away::default());
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
                let Ok((now, unread)) = tokio::task::spawn_blocking({
                    let known = known.clone();
                    move || look_at(&known)
                })
                .await
                else {
                    continue;
                };
                reloader.unread(away.look(unread));
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

/// What stands in the files now, and which of them could be read before and cannot at the moment; those count as unchanged.
fn look_at(known: &Digests) -> (Digests, BTreeSet<PathBuf>) {
    let mut unread = BTreeSet::new();
    let look = |(name, before): (&PathBuf, &Option<FileDigest>)| {
        let now = digest_of(name);
        if now.is_none() && before.is_some() {
            unread.insert(name.clone());
        }
        (name.clone(), now.or(*before))
    };
    (known.iter().map(look).collect(), unread)
}

/// The files that cannot be read. One counts when it was away twice: one that is just being replaced is soon back.
#[derive(Default)]
struct Away {
    seen: BTreeSet<PathBuf>,
    told: BTreeSet<PathBuf>,
}

impl Away {
    fn look(&mut self, unread: BTreeSet<PathBuf>) -> &BTreeSet<PathBuf> {
        let away: BTreeSet<_> = unread.intersection(&self.seen).cloned().collect();
        for file in away.difference(&self.told) {
            tracing::warn!("the file of a secret, {}, cannot be read: its old value goes on", file.display());
        }
        for file in self.told.difference(&away) {
            tracing::info!("the file of a secret, {}, is back", file.display());
        }
        (self.seen, self.told) = (unread, away);
        &self.told
    }
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
    use std::collections::BTreeSet;

    use super::{Away, Digests, Looks, look_at};

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
        assert_eq!(look_at(&missing), (missing.clone(), BTreeSet::new()), "it was never there");
        std::fs::write(&file, "one").unwrap();
        let there = look_at(&missing).0;
        assert!(there != missing);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look_at(&there), (there.clone(), BTreeSet::from([file])));
    }

    #[test]
    fn a_file_is_away_when_it_was_missed_twice() {
        let (mut away, none, one) = (Away::default(), BTreeSet::new(), BTreeSet::from(["one".into()]));
        for (unread, told) in [(&one, &none), (&none, &none), (&one, &none), (&one, &one), (&one, &one), (&none, &none)]
        {
            assert_eq!(away.look(unread.clone()), told);
        }
    }
}
