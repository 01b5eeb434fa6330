//! Writes files for their owner alone: all of them, or none.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Puts every text into its file. They are written whole under names of their own first, and get their names last, in order: a
/// reader never sees half a file, and the last one names only what is there.
///
/// # Errors
/// The file that could not be written. What is new is taken away again; what was there before is as it was, unless it had been
/// replaced already when a later one could not be named.
pub(super) fn all(files: &[(PathBuf, String)]) -> Result<(), (PathBuf, io::Error)> {
    let mut made = Made::default();
    let written = files.iter().try_for_each(|(path, text)| {
        let draft = draft(path, text, &mut made);
        draft.map_err(|error| (path.clone(), error))
    });
    let named = written.and_then(|()| {
        for (n, (path, _)) in files.iter().enumerate() {
            let is_new = path.symlink_metadata().is_err();
            let named = std::fs::rename(&made.drafts[n], path).and_then(|()| sync(path.parent()));
            named.map_err(|error| (path.clone(), error))?;
            if is_new {
                made.files.push(path.clone());
            }
        }
        Ok(())
    });
    if named.is_err() {
        made.undo();
    }
    named
}

/// What was not there before.
#[derive(Default)]
struct Made {
    folders: Vec<PathBuf>,
    drafts: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// As far as it goes: the error that counts is known.
    fn undo(self) {
        self.drafts.iter().chain(&self.files).for_each(|file| drop(std::fs::remove_file(file)));
        self.folders.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

fn draft(path: &Path, text: &str, made: &mut Made) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        DirBuilder::new().mode(0o700).create(folder)?;
        made.folders.push(folder.to_owned());
    }
    let draft = folder.join(format!(".caigunn-bridge-{}", uuid::Uuid::new_v4().as_simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    made.drafts.push(draft);
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::all;

    #[test]
    fn all_files_are_written_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("old.toml"), "old").unwrap();
        std::fs::create_dir(path("taken")).unwrap();
        let files = [("new.secrets/key", "key"), ("new.toml", "config")];
        let files = files.map(|(name, text)| (path(name), text.to_owned()));

        // A folder is where the last file would go: the rename fails at the end.
        let wrong = [files[0].clone(), (path("taken/../taken"), "text".to_owned())];
        assert!(all(&wrong).is_err());
        assert!(!path("new.secrets").exists());
        let (where_not, _) = all(&[(path("old.toml/below"), String::new())]).unwrap_err();
        assert_eq!(where_not, path("old.toml/below"));
        assert_eq!(std::fs::read_to_string(path("old.toml")).unwrap(), "old");

        all(&files).unwrap();
        for (file, text) in &files {
            assert_eq!(&std::fs::read_to_string(file).unwrap(), text);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(path("new.secrets").metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let left = |folder| std::fs::read_dir(folder).unwrap().count();
        assert_eq!((left(path("")), left(path("new.secrets"))), (4, 1), "no draft is left");
    }
}
