//! Media: files beside the database, durable before their row is; a budget of bytes over all of them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::params;

use crate::contract::store::{Media, Result, StoreError};
use crate::model::MediaId;
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::files;

/// What an unfinished file ends with.
const PART: &str = ".part";

pub(super) struct MediaDir {
    root: PathBuf,
    budget: u64,
    used: AtomicU64,
}

impl MediaDir {
    pub(super) fn open(root: PathBuf, budget: u64, used: u64) -> Result<Self> {
        files::create_private_dir(&root).map_err(|error| files::io_trouble(&root, "created", &error))?;
        Ok(Self { root, budget, used: AtomicU64::new(used) })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Two levels, from the end of the id: its beginning is the time and would fill one directory after the other.
    fn path(&self, id: MediaId) -> PathBuf {
        let name = id.to_string();
        let from_end = |n: usize| name.get(name.len() - n..name.len() - n + 2).unwrap_or_default();
        self.root.join(from_end(2)).join(from_end(4)).join(&name)
    }

    fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.budget);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Reservation { dir: Arc::clone(self), bytes }),
            Err(_) => Err(StoreError::MediaFull { budget: self.budget }),
        }
    }

    fn write(&self, id: MediaId, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(id);
        let dir = files::parent(&path);
        if !dir.is_dir() {
            let above = files::parent(dir);
            files::create_private_dir(above)?;
            files::create_private_dir(dir)?;
            files::sync_dir(&self.root)?;
            files::sync_dir(above)?;
        }
        let part = files::beside(&path, PART);
        let mut file = files::create_private(&part, true)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        files::sync_dir(dir)
    }

    /// Removes the file of a row that is gone.
    pub(super) fn remove(&self, id: MediaId, bytes: u64) {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It has no row any more: a later sweep tries again.
            Err(error) => tracing::warn!(path = %path.display(), %error, "a media file cannot be removed"),
        }
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Files that are at least `age` old: those of an id, and unfinished ones.
    pub(super) fn old_files(&self, age: Duration) -> Vec<(PathBuf, Option<MediaId>)> {
        let mut found = Vec::new();
        for file in entries(&self.root).flat_map(|dir| entries(&dir)).flat_map(|dir| entries(&dir)) {
            let modified = fs::metadata(&file).and_then(|file| file.modified());
            let old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).unwrap_or_default() >= age);
            if old {
                let id = file.file_name().and_then(|name| name.to_str()).and_then(MediaId::parse);
                found.push((file, id));
            }
        }
        found
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Bytes of the budget that go back when the file does not come to be.
struct Reservation {
    dir: Arc<MediaDir>,
    bytes: u64,
}

impl Reservation {
    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.dir.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[async_trait]
impl Media for SqliteStore {
    async fn put_media(&self, bytes: Bytes) -> Result<MediaId> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let reservation = self.media.reserve(size).inspect_err(|error| self.troubles.note(error))?;
        let (dir, writer, id) = (Arc::clone(&self.media), self.writer.clone(), MediaId::generate());
        let troubles = Arc::clone(&self.troubles);
        // A task of its own: a caller that goes away leaves no file without its row behind.
        let task = tokio::spawn(async move {
            let into = Arc::clone(&dir);
            let written = tokio::task::spawn_blocking(move || {
                into.write(id, &bytes)
                    .map_err(|error| StoreError::Unavailable(format!("a media file cannot be written: {error}")))
                    .inspect_err(|error| troubles.note(error))
            });
            written.await.map_err(|error| StoreError::Unavailable(error.to_string()))??;
            let row = writer.write(move |tx| {
                tx.run(
                    "INSERT INTO media (id, bytes, created_at) VALUES (?1, ?2, ?3)",
                    params![id.as_bytes(), i64::try_from(size).unwrap_or(i64::MAX), tx.now.0],
                )
            });
            match row.await {
                Ok(_) => {
                    reservation.keep();
                    Ok(id)
                }
                Err(error) => {
                    dir.remove(id, 0);
                    Err(error)
                }
            }
        });
        task.await.map_err(|error| StoreError::Unavailable(format!("media cannot be kept: {error}")))?
    }

    async fn media(&self, id: MediaId) -> Result<Bytes> {
        let path = self.media.path(id);
        let read = tokio::task::spawn_blocking(move || {
            let bytes = File::open(&path).and_then(|mut file| {
                let mut bytes = Vec::new();
                io::Read::read_to_end(&mut file, &mut bytes).map(|_| bytes)
            });
            match bytes {
                Ok(bytes) => Ok(bytes.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound("such media")),
                Err(error) => Err(files::io_trouble(&path, "read", &error)),
            }
        });
        read.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}
