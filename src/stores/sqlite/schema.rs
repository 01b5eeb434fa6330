//! Creating, checking and migrating the database.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::contract::store::{Result, StoreError};
use crate::stores::sqlite::files::{self, io_trouble, unusable};

/// "CaBr" in the header of every database of the bridge.
const APPLICATION_ID: i32 = 0x4361_4272;

/// Migration `n` brings schema `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_first.sql"), include_str!("migrations/0002_gone.sql")];

#[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "a handful of migrations")]
pub(super) const LATEST: i32 = MIGRATIONS.len() as i32;

/// Above this size the whole database is not read at every start.
const CHECKED_BYTES: u64 = 8 * 1024 * 1024;

/// How long a commit waits for another process's.
const BUSY: Duration = Duration::from_secs(2);

/// Builds the database under another name, so that a file under its own name is always a whole one.
pub(super) fn create(db: &Path) -> Result<()> {
    let draft = files::beside(db, ".new");
    for old in [draft.clone(), files::beside(&draft, "-journal")] {
        if let Err(error) = fs::remove_file(&old)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(io_trouble(&old, "removed", &error));
        }
    }
    let file = files::create_private(&draft, true).map_err(|error| io_trouble(&draft, "created", &error))?;
    let conn = Connection::open(&draft)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&conn, 0)?;
    close(conn)?;
    file.sync_all()
        .and_then(|()| fs::rename(&draft, db))
        .and_then(|()| files::sync_dir(files::parent(db)))
        .map_err(|error| io_trouble(db, "created", &error))
}

/// Refuses what this version cannot use, over a connection that cannot write. Answers the schema's version.
pub(super) fn check(db: &Path) -> Result<i32> {
    inspect(db)?;
    let conn = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let version = read(&conn, db).map_err(|error| damaged(db, error))?;
    close(conn)?;
    Ok(version)
}

fn read(conn: &Connection, db: &Path) -> Result<i32> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let version = number("user_version")?;
    // What the header says may be older than what the log says.
    newer_is_refused(db, version)?;
    if number("application_id")? != APPLICATION_ID || version < 1 {
        return Err(unusable(db, "holds no schema of the bridge", "restore it from a backup"));
    }
    let size = fs::metadata(db).map_or(0, |file| file.len());
    if size <= CHECKED_BYTES {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(unusable(db, &format!("is damaged: {verdict}"), RESTORE));
        }
    } else {
        for table in ["names", "contacts", "turns", "asks", "journal", "outbox", "kv", "leases", "media", "gone"] {
            conn.prepare(&format!("SELECT 1 FROM {table} LIMIT 1"))?.exists([])?;
        }
    }
    Ok(version)
}

const RESTORE: &str = "keep the file and restore it from a backup; `sqlite3 FILE .recover` may save what is in it";

/// A failure that a damaged file causes, told with its path.
fn damaged(db: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unusable(text) if !text.starts_with("the store ") => {
            let first = text.lines().next().unwrap_or_default().to_owned();
            unusable(db, &format!("cannot be read: {first}"), RESTORE)
        }
        other => other,
    }
}

/// Brings the schema from `version` to the latest, one commit each.
pub(super) fn migrate(conn: &Connection, version: i32) -> Result<()> {
    for (from, sql) in (0_i32..).zip(MIGRATIONS) {
        if from >= version {
            conn.execute_batch(&format!("BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {};\nCOMMIT;", from + 1))?;
        }
    }
    Ok(())
}

/// The one connection that writes.
pub(super) fn writer(db: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(db, flags)?;
    conn.busy_timeout(BUSY)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(unusable(
            db,
            &format!("cannot keep a write-ahead log (journal mode {mode})"),
            "put it on a local file system; network file systems do not work",
        ));
    }
    // A commit is on disk when it returns: FULL. The log is carried over every 16 MB, so that few commits pay for it, and
    // is cut back after a burst.
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 33554432;
         PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA mmap_size = 0;",
    )?;
    conn.set_prepared_statement_cache_capacity(160);
    Ok(conn)
}

/// A connection that reads beside the writer, without either waiting for the other.
pub(super) fn reader(db: &Path) -> Result<Connection> {
    let conn = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.execute_batch("PRAGMA cache_size = -1024; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")?;
    conn.set_prepared_statement_cache_capacity(48);
    Ok(conn)
}

pub(super) fn close(conn: Connection) -> Result<()> {
    conn.close().map_err(|(_, error)| error.into())
}

/// Judges an existing file by its first hundred bytes, before SQLite may touch it.
pub(super) fn inspect(db: &Path) -> Result<()> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut header = [0_u8; 100];
    let read = File::open(db).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => header[0] = 0,
        Err(error) => return Err(io_trouble(db, "read", &error)),
    }
    if !header.starts_with(MAGIC) {
        let hint = "set `store.path` to another file; if this one was a store, it is damaged: restore a backup";
        return Err(unusable(db, "is not a database", hint));
    }
    let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(68) != APPLICATION_ID {
        return Err(unusable(
            db,
            "is another application's database",
            "set `store.path` to a file of the bridge's own",
        ));
    }
    newer_is_refused(db, number(60))
}

fn newer_is_refused(db: &Path, version: i32) -> Result<()> {
    if version <= LATEST {
        return Ok(());
    }
    let what = format!("was written by a newer bridge (schema {version}; this one knows up to {LATEST})");
    Err(unusable(db, &what, "run the newer version again, or restore the backup that was made before it"))
}
