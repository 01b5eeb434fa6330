//! The store for one machine: SQLite, embedded.
//!
//! One thread writes and commits what has queued up together (`writer`); a few connections read beside it (`reader`).
//! Waiters in this process are woken after the commit, in memory (`watch`). Media are files beside the database
//! (`media`).

mod contacts;
mod cursors;
mod error;
mod files;
mod finish;
mod gone;
mod hold;
mod intake;
mod journal;
mod kv;
mod leases;
mod media;
mod moves;
mod nudges;
mod outbox;
mod reader;
mod rows;
mod schema;
mod sends;
mod sweep;
mod trouble;
mod turns;
mod tx;
mod upkeep;
mod watch;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::contract::store::{Result, StoreError};
use crate::model::Clock;
use crate::stores::sqlite::media::MediaDir;
use crate::stores::sqlite::nudges::LOOK;
use crate::stores::sqlite::reader::Readers;
use crate::stores::sqlite::trouble::Troubles;
use crate::stores::sqlite::watch::Registry;
use crate::stores::sqlite::writer::{Task, Writer};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The daemon: creates what is missing, takes the lock of the file, ends what a dead process left claimed. The command
    /// line opens beside it without.
    pub exclusive: bool,
    /// How many bytes of media are kept at most.
    pub media_budget: u64,
    pub clock: Clock,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { exclusive: true, media_budget: 2 * 1024 * 1024 * 1024, clock: Clock::system() }
    }
}

/// A store in one file, with its log, lock and media beside it; all are readable by their owner alone.
pub struct SqliteStore {
    db: PathBuf,
    exclusive: bool,
    clock: Clock,
    writer: Writer,
    troubles: Arc<Troubles>,
    readers: Arc<Readers>,
    registry: Arc<Registry>,
    media: Arc<MediaDir>,
    commits: Arc<AtomicU64>,
    /// The version of the database at the last look for what other processes did.
    seen_turns: AtomicI64,
    seen_rows: AtomicI64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store at `path`; blocks for some milliseconds.
    ///
    /// # Errors
    /// `Unusable` when the file is in use, newer, damaged or no store of the bridge: it is then left as it is.
    /// `Unavailable` when the disk or the system fails.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Arc<Self>> {
        let db = path.as_ref().to_path_buf();
        let SqliteOptions { exclusive, media_budget, clock } = options;
        let (conn, lock) = if exclusive { open_exclusive(&db)? } else { (open_beside(&db)?, None) };
        if exclusive {
            writer::alone(&conn, &clock, leases::end_all)?;
        }
        let used: u64 =
            conn.query_row("SELECT coalesce(sum(bytes), 0) FROM media", [], |row| Ok(rows::unsigned(row, 0)))??;
        let media = Arc::new(MediaDir::open(files::beside(&db, ".media"), media_budget, used)?);
        let registry = Arc::new(Registry::default());
        let commits = Arc::new(AtomicU64::new(0));
        let task =
            Task { clock: clock.clone(), exclusive, registry: Arc::clone(&registry), commits: Arc::clone(&commits) };
        let troubles = Arc::new(Troubles::default());
        let (writer, thread) = Writer::start(conn, task, Arc::clone(&troubles), lock)?;
        Ok(Arc::new(Self {
            readers: Arc::new(Readers::new(db.clone())),
            db,
            exclusive,
            clock,
            writer,
            troubles,
            registry,
            media,
            commits,
            seen_turns: AtomicI64::new(LOOK),
            seen_rows: AtomicI64::new(LOOK),
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Commits made since the store was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How many futures wait for the end of a turn.
    pub fn waiting(&self) -> usize {
        self.registry.waiting()
    }

    /// Bounds the database to `pages` of 4 KiB, or to no less than it has; beyond, changes answer `Unavailable`.
    pub async fn limit_pages(&self, pages: u32) -> Result<()> {
        self.writer
            .write(move |tx| Ok(tx.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?))
            .await
    }
}

impl Drop for SqliteStore {
    /// What is queued is still committed, then the file is free for the next to open it.
    fn drop(&mut self) {
        self.writer.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

/// Whether a bridge runs on this database now.
pub fn is_in_use(db: &Path) -> bool {
    files::is_locked(db)
}

fn open_exclusive(db: &Path) -> Result<(Connection, Option<std::fs::File>)> {
    let dir = files::parent(db);
    if !dir.exists() {
        files::create_private_dir(dir).map_err(|error| files::io_trouble(dir, "created", &error))?;
    }
    // Judged before anything is put beside it, and again under the lock: nobody else's new store is written over.
    if !files::is_missing(db)? {
        schema::inspect(db)?;
    }
    let lock = files::lock(db)?;
    if files::is_missing(db)? {
        schema::create(db)?;
    }
    let version = schema::check(db)?;
    files::set_mode(db, 0o600).map_err(|error| files::io_trouble(db, "made private", &error))?;
    let conn = schema::writer(db)?;
    schema::migrate(&conn, version)?;
    Ok((conn, Some(lock)))
}

fn open_beside(db: &Path) -> Result<Connection> {
    if files::is_missing(db)? {
        return Err(files::unusable(db, "does not exist", "start the bridge once, or check `store.path`"));
    }
    let version = schema::check(db)?;
    if version < schema::LATEST {
        // Only the owner of the lock may change the schema.
        let _lock = files::lock(db).map_err(|error| match error {
            StoreError::Unusable(_) => {
                files::unusable(db, "is in use by an older bridge", "restart the bridge with this version first")
            }
            other => other,
        })?;
        let conn = schema::writer(db)?;
        schema::migrate(&conn, version)?;
        return Ok(conn);
    }
    schema::writer(db)
}
