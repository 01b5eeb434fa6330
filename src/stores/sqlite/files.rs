//! The files of a store: who may read them, who may use them, and whether they are ours. Nothing here changes a file that
//! exists already.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::contract::store::{Result, StoreError};

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

/// Whether a daemon holds the lock.
pub(super) fn is_locked(db: &Path) -> bool {
    File::open(beside(db, ".lock")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
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
