//! Writes files for their owner alone: all of them, or none.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Puts every text into its file. They are written whole under names of their own first, and get their names last, in order: a
/// reader never sees half a file, and the last one names only what is there.
///
/// # Errors
/// The file that could not be written. What was there before is as it was, unless a rename itself failed.
pub(super) fn all(files: &[(PathBuf, String)]) -> Result<(), (PathBuf, io::Error)> {
    let mut drafts = Vec::new();
    let mut made = Vec::new();
    let written = files.iter().try_for_each(|(path, text)| {
        let draft = draft(path, text, &mut drafts, &mut made);
        draft.map_err(|error| (path.clone(), error))
    });
    let named = written.and_then(|()| {
        let pairs = files.iter().zip(&drafts);
        pairs.into_iter().try_for_each(|((path, _), draft)| {
            std::fs::rename(draft, path).and_then(|()| sync(path.parent())).map_err(|error| (path.clone(), error))
        })
    });
    if named.is_err() {
        // The error that counts is known.
        drafts.iter().for_each(|draft| drop(std::fs::remove_file(draft)));
        made.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
    named
}

fn draft(path: &Path, text: &str, drafts: &mut Vec<PathBuf>, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        DirBuilder::new().mode(0o700).create(folder)?;
        made.push(folder.to_owned());
    }
    let draft = folder.join(format!(".caigunn-bridge-{}", uuid::Uuid::new_v4().as_simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    drafts.push(draft);
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
