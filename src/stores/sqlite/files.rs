//! The files of a store: who may read them, who may use them, and whether they are ours. Nothing here changes a file that
//! exists already.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::contract::store::{Result, StoreError};
use crate::stores::sqlite::schema::{APPLICATION_ID, LATEST};

/// `<db><suffix>`.
pub(super) fn beside(db: &Path, suffix: &str) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn unusable(db: &Path, what: &str, hint: &str) -> StoreError {
    StoreError::Unusable(format!("the store {} {what}\nhint: {hint}", db.display()))
}

pub(super) fn io_trouble(path: &Path, what: &str, error: &io::Error) -> StoreError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Unusable(format!(
            "{path} cannot be {what}: {error}\nhint: the bridge's user needs to own the directory of `store.path`"
        )),
        _ => StoreError::Unavailable(format!("{path} cannot be {what}: {error}")),
    }
}

/// Takes the daemon's lock. It is the kernel's: it ends with the process, however that ends.
pub(super) fn lock(db: &Path) -> Result<File> {
    let path = beside(db, ".lock");
    let file = create_private(&path, false).map_err(|error| io_trouble(&path, "opened", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unusable(
            db,
            "is in use by another bridge",
            "stop the other one, or give this one a `store.path` of its own",
        )),
        Err(TryLockError::Error(error)) => Err(io_trouble(&path, "locked", &error)),
    }
}

/// Opens or creates a file that its owner alone can read, whatever the umask.
pub(super) fn create_private(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).create_new(new).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    set_mode(path, 0o600)?;
    Ok(file)
}

pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    set_mode(path, 0o700)
}

#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path)?.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Makes a directory's new names durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The directory that a file is in; `.` for a bare name.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether there is nothing yet where the database goes. An empty file holds nothing that could be lost.
pub(super) fn is_missing(db: &Path) -> Result<bool> {
    match fs::metadata(db) {
        Ok(found) if found.is_file() => Ok(found.len() == 0),
        Ok(_) => Err(unusable(db, "is not a file", "set `store.path` to a file; it is created if it does not exist")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(io_trouble(db, "read", &error)),
    }
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

pub(super) fn newer_is_refused(db: &Path, version: i32) -> Result<()> {
    if version <= LATEST {
        return Ok(());
    }
    let what = format!("was written by a newer bridge (schema {version}; this one knows up to {LATEST})");
    Err(unusable(db, &what, "run the newer version again, or restore the backup that was made before it"))
}
