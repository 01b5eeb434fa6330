//! The store: is it there, can it be written, how fast, and is there room. It is looked at without making one: it must belong
//! to whoever runs the bridge, not to whoever checks.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Leg, Level, Look, count, nearest_folder};
use crate::app::start;
use crate::config::Loaded;
use crate::contract::store::{Store, StoreError};
use crate::model::Clock;
use crate::stores::sqlite;

/// A commit that takes longer than this is worth a word: every message waits for a few of them.
const SLOW: Duration = Duration::from_millis(50);

/// With less than this the next write may be the one that fails.
const LEAST_FREE: u64 = 64 << 20;

/// What SQLite and the system say of what may not be written; SQLite's words: https://www.sqlite.org/rescode.html
const READ_ONLY: [&str; 4] = ["readonly", "Read-only", "Permission denied", "unable to open"];

/// How often the disk is tried. The best of them counts: what it is able to do, not what else it does just now.
const TRIES: usize = 3;

/// What there is to say of the store, and whether a bridge runs on it now.
pub(super) async fn look(loaded: &Loaded) -> (Vec<Look>, bool) {
    let path = &loaded.config.store.path;
    let mut looks = room(loaded);
    if !path.exists() {
        looks.insert(0, to_be_made(path));
        return (looks, false);
    }
    let shown = path.display();
    let store = match start::open_store(&loaded.config, &Clock::system(), false).await {
        Ok(store) => store,
        Err(error) => {
            return (vec![unusable(path, &error, &looks)], false);
        }
    };
    let mut best = Ok(Duration::MAX);
    for _ in 0..TRIES {
        best = match (best, store.probe().await) {
            (Ok(best), Ok(took)) => Ok(best.min(took)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    let looked = match best {
        Ok(took) => left_over(&*store, loaded).await.map(|left| (took, left)),
        Err(error) => Err(error),
    };
    match looked {
        Ok((took, left)) => {
            looks.insert(0, judged(format!("store {shown}: one commit takes {}", millis(took)), took));
            looks.extend(left);
        }
        Err(error) => looks = vec![unusable(path, &error, &looks)],
    }
    store.close().await;
    (looks, sqlite::is_in_use(path))
}

/// One trouble, told once: a disk that is too full is its cause.
fn unusable(path: &Path, error: &StoreError, room: &[Look]) -> Look {
    let text = error.to_string();
    let full = room.iter().find(|look| look.level == Level::Wrong).and_then(|look| look.hint.as_deref());
    let usual = full.unwrap_or(match READ_ONLY.iter().any(|word| text.contains(word)) {
        true => "whoever runs the bridge must be able to write the file and its folder: other files are made beside it",
        false => "look at the disk's space and health",
    });
    let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, usual));
    Look::wrong(Leg::Store, format!("store {}: {what}", path.display()), hint)
}

fn to_be_made(path: &Path) -> Look {
    let shown = path.display();
    let hint = "set `store.path` to a folder that the bridge may write";
    let folder = match nearest_folder(path) {
        Ok(folder) => folder,
        Err(error) => return Look::wrong(Leg::Store, format!("store {shown}: {error}"), hint),
    };
    let best = (0..TRIES).map(|_| trial(&folder)).reduce(|best, took| Ok(best?.min(took?)));
    match best.unwrap_or(Ok(Duration::ZERO)) {
        Ok(took) => judged(
            format!(
                "store {shown}: will be made in {}: one write to the disk takes {}",
                folder.display(),
                millis(took)
            ),
            took,
        ),
        Err(error) => {
            Look::wrong(Leg::Store, format!("store {shown}: {} cannot be written: {error}", folder.display()), hint)
        }
    }
}

/// Writes as much as a commit does, durably, and takes it away again.
fn trial(folder: &Path) -> std::io::Result<Duration> {
    let trial = folder.join(format!(".caigunn-bridge-{}", uuid::Uuid::new_v4().as_simple()));
    let mut file = std::fs::File::create_new(&trial)?;
    let began = Instant::now();
    let written = file.write_all(&[0; 4096]).and_then(|()| file.sync_data());
    let took = began.elapsed();
    let removed = std::fs::remove_file(&trial);
    written.and(removed).map(|()| took)
}

fn judged(what: String, took: Duration) -> Look {
    if took <= SLOW {
        return Look::ok(Leg::Store, what);
    }
    let hint = "every message waits for a few of them: put `store.path` on a local disk, not on a network's";
    Look::warn(Leg::Store, format!("{what}, which is slow"), hint)
}

/// What is wrong with the free space, if anything.
fn room(loaded: &Loaded) -> Vec<Look> {
    let store = &loaded.config.store;
    let Ok(folder) = nearest_folder(&store.path) else { return Vec::new() };
    let Ok(space) = rustix::fs::statvfs(&folder) else { return Vec::new() };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    // What pictures take already is not free, and is part of what they may take.
    let media = media_bytes(&store.path);
    scarce(&folder, free, store.media_budget.get().saturating_sub(media)).into_iter().collect()
}

fn scarce(folder: &Path, free: u64, media: u64) -> Option<Look> {
    let what = |note: &str| format!("store: {} MiB are free in {}{note}", free >> 20, folder.display());
    if free < LEAST_FREE {
        let hint = "make room, or set `store.path` to a larger disk: a full disk takes no messages";
        return Some(Look::wrong(Leg::Store, what(""), hint));
    }
    if free < media.saturating_add(LEAST_FREE) {
        let hint = "make room, or lower `store.media_budget`, so that pictures cannot fill the disk";
        return Some(Look::warn(Leg::Store, what(", and pictures may take more than that"), hint));
    }
    None
}

fn media_bytes(db: &Path) -> u64 {
    let mut folder = db.as_os_str().to_owned();
    folder.push(".media");
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

async fn left_over(store: &dyn Store, loaded: &Loaded) -> Result<Vec<Look>, StoreError> {
    let known = |id: &str| loaded.config.channels.contains_key(id) || loaded.broken.contains_key(id);
    let left = store.channels_with_work().await?.into_iter().filter(|(channel, _)| !known(channel.as_str()));
    let looks = left.map(|(channel, work)| {
        let work = count(usize::try_from(work).unwrap_or(usize::MAX), "message");
        Look::wrong(
            Leg::Channel,
            format!("channel {channel} left the configuration with {work} undone; they are kept"),
            format!("put `[channels.{channel}]` back, or drop what `messages list --channel {channel}` lists"),
        )
        .of(channel.as_str())
    });
    Ok(looks.collect())
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{judged, scarce, unusable};
    use crate::app::doctor::Level;
    use crate::contract::store::StoreError;

    #[test]
    fn a_slow_disk_is_worth_a_word() {
        for (millis, level) in [(0, Level::Ok), (50, Level::Ok), (51, Level::Warn), (3_000, Level::Warn)] {
            let look = judged("one commit takes so long".to_owned(), Duration::from_millis(millis));
            assert_eq!((look.level, look.hint.is_some()), (level, level != Level::Ok), "{millis}");
        }
    }

    #[test]
    fn the_hint_fits_the_trouble() {
        let full = scarce(Path::new("/data"), 0, 0);
        for (error, room, hint) in [
            ("attempt to write a readonly database", None, "whoever runs the bridge"),
            ("disk I/O error", None, "look at the disk"),
            ("database or disk is full", full, "make room"),
        ] {
            let look = unusable(Path::new("/data/b.db"), &StoreError::Unavailable(error.to_owned()), room.as_slice());
            assert!(look.hint.unwrap_or_default().starts_with(hint), "{error}");
        }
        let told = StoreError::Unusable("it is damaged\nhint: restore it".to_owned());
        assert_eq!(unusable(Path::new("/data/b.db"), &told, &[]).hint.as_deref(), Some("restore it"));
    }

    #[test]
    fn a_disk_is_too_full_for_anything_or_for_the_pictures() {
        let level = |free: u64, media: u64| scarce(Path::new("/data"), free << 20, media << 20).map(|look| look.level);
        assert_eq!(level(63, 0), Some(Level::Wrong));
        assert_eq!(level(64, 0), None);
        assert_eq!(level(1_000, 1_024), Some(Level::Warn));
        assert_eq!(level(1_088, 1_024), None);
    }
}
