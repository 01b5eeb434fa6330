//! Files of the repository that are generated from the source.

use std::path::Path;

/// Fails when the file is not what is generated; with `UPDATE_GENERATED=1` it is written instead. `path` is relative to the
/// package.
pub(crate) fn check(path: &str, content: &str) {
    let update = std::env::var_os("UPDATE_GENERATED").is_some_and(|v| v == "1");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if let Err(reason) = check_file(&path, content, update) {
        panic!("{reason}");
    }
}

fn check_file(path: &Path, content: &str, update: bool) -> Result<(), String> {
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    if stored == content {
        return Ok(());
    }
    if update {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("written");
        return Ok(());
    }
    let line = 1 + stored.lines().zip(content.lines()).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} is not what is generated, from line {line} on.\nRegenerate it with: UPDATE_GENERATED=1 cargo test generated",
        path.display()
    ))
}

#[test]
fn a_stale_file_is_noticed_and_written_anew() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("new/file");
    assert!(check_file(&path, "a\nb\n", false).unwrap_err().contains("UPDATE_GENERATED=1 cargo test generated"));
    check_file(&path, "a\nb\n", true).unwrap();
    check_file(&path, "a\nb\n", false).unwrap();
    assert!(check_file(&path, "a\nc\n", false).unwrap_err().contains("from line 2 on"));
}

#[test]
fn a_generated_file_that_is_right_passes() {
    check("rustfmt.toml", include_str!("../../rustfmt.toml"));
}
