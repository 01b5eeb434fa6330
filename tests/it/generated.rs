//! Files of the repository that are generated from the source.

use std::path::Path;

use caigunn_bridge::app::App;
use caigunn_bridge::config::{self, Sources};

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

#[test]
fn the_example_configuration() {
    let example = App::builder().with_known(config::example);
    check("config/bridge.example.toml", &example);

    // It stops at what has to be replaced, and at nothing else.
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("bridge.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        App::builder().load(&Sources { file: Some(file.clone()), ..Sources::default() }).unwrap()
    };
    let broken = load(&example).broken;
    assert_eq!(broken.values().map(|mistakes| mistakes.0.len()).sum::<usize>(), 1, "{broken:?}");
    assert_eq!(broken["http"].0[0].key, "channels.http.keys.main.key");
    let loaded = load(&example.replace("REPLACE-ME", "0123456789abcdef"));
    assert!(loaded.broken.is_empty(), "{:?}", loaded.broken);
    assert_eq!(loaded.config.channels.len(), 1);
}

#[test]
fn the_schema_of_the_configuration() {
    let schema = App::builder().with_known(config::schema);
    check("config/bridge.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

#[test]
fn the_reference_of_the_configuration() {
    let reference = App::builder().with_known(config::reference);
    check("docs/configuration.md", &reference);
    for key in ["`listen`", "`access_token`", "`uid_template`", "`playground`", "`allow_roles`", "`gave_up`"] {
        assert!(reference.contains(&format!("\n| {key} |")), "{key}");
    }
}
