//! The files: who may read them, who may use them, which are refused and left as they are.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use caigunn_bridge::contract::store::{Kv, Media, Retention, StoreError, Upkeep, WorkFilter};
use caigunn_bridge::stores::sqlite::SqliteStore;
use rusqlite::Connection;

use super::Sqlite;
use crate::store_suite::{StoreFactory, secs};

fn refused(sqlite: &Sqlite, exclusive: bool) -> String {
    match SqliteStore::open(sqlite.path(), sqlite.options(exclusive)) {
        Err(StoreError::Unusable(text)) => {
            assert!(text.contains(&sqlite.path().display().to_string()), "the path is missing: {text}");
            assert!(text.contains("\nhint: "), "the hint is missing: {text}");
            text
        }
        Err(other) => panic!("not unusable: {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Refused in both ways, and not a byte of it or beside it is changed.
fn refused_untouched(sqlite: &Sqlite, why: &str) {
    let before = fs::read(sqlite.path()).unwrap();
    for exclusive in [true, false] {
        let text = refused(sqlite, exclusive);
        assert!(text.contains(why), "{text}");
    }
    assert!(fs::read(sqlite.path()).unwrap() == before, "the file was changed");
    for suffix in [".new", ".media"] {
        let mut beside = sqlite.path().into_os_string();
        beside.push(suffix);
        assert!(!Path::new(&beside).exists(), "{beside:?} was made");
    }
}

async fn written(sqlite: &Sqlite) {
    let store = sqlite.open_now();
    for n in 0..200 {
        store.put("space", &n.to_string(), &"x".repeat(200)).await.unwrap();
    }
    store.close().await;
    fs::remove_dir(sqlite.path().with_extension("db.media")).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn all_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    store.put("a", "b", "c").await.unwrap();
    store.put_media(Bytes::from_static(b"png")).await.unwrap();
    let mut open = vec![sqlite.path().parent().unwrap().to_path_buf()];
    let mut seen = 0;
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            seen += 1;
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    assert!(seen >= 8, "database, log, its index, lock and media were looked at: {seen}");
    drop(store);
    // A file that a backup brought back too open is closed again.
    fs::set_permissions(sqlite.path(), fs::Permissions::from_mode(0o644)).unwrap();
    drop(sqlite.open_now());
    assert_eq!(fs::metadata(sqlite.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_command_line_is_not() {
    let sqlite = Sqlite::new();
    assert!(refused(&sqlite, false).contains("does not exist"));
    let first = sqlite.open_now();
    assert!(refused(&sqlite, true).contains("in use by another bridge"));
    let beside = SqliteStore::open(sqlite.path(), sqlite.options(false)).unwrap();
    beside.put("a", "b", "c").await.unwrap();
    assert_eq!(first.get("a", "b").await.unwrap().as_deref(), Some("c"));
    first.close().await;
    drop(sqlite.open_now());
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let sqlite = Sqlite::new();
    written(&sqlite).await;
    let older = Connection::open(sqlite.path()).unwrap();
    older
        .execute_batch(
            "DROP INDEX outbox_gone; ALTER TABLE gone DROP COLUMN error; INSERT INTO names VALUES (1, 'web');
             INSERT INTO gone VALUES (1, 'chat', 0);
             PRAGMA user_version = 1;",
        )
        .unwrap();
    older.close().unwrap();
    let store = sqlite.open_now();
    let filter = WorkFilter { gone: true, ..WorkFilter::default() };
    assert!(store.work(filter).await.unwrap().is_empty());
    store.close().await;
    drop(store);
    let now = Connection::open(sqlite.path()).unwrap();
    let version: i32 = now.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let error: String = now.query_row("SELECT error FROM gone", [], |row| row.get(0)).unwrap();
    assert_eq!((version, error.as_str()), (2, ""));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let sqlite = Sqlite::new();
    written(&sqlite).await;
    Connection::open(sqlite.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused_untouched(&sqlite, "newer bridge (schema 99");
}

#[tokio::test]
async fn a_newer_schema_that_only_the_log_knows_is_refused() {
    let sqlite = Sqlite::new();
    written(&sqlite).await;
    let newer = Connection::open(sqlite.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    refused_untouched(&sqlite, "newer bridge (schema 99");
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let sqlite = Sqlite::new();
    for garbage in [&b"hello"[..], &[0; 4096], b"SQLite format 3\0 but no more"] {
        fs::write(sqlite.path(), garbage).unwrap();
        refused_untouched(&sqlite, "is not a database");
    }
    fs::remove_file(sqlite.path()).unwrap();
    Connection::open(sqlite.path())
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    refused_untouched(&sqlite, "another application's database");
    fs::remove_file(sqlite.path()).unwrap();
    fs::create_dir(sqlite.path()).unwrap();
    assert!(refused(&sqlite, true).contains("is not a file"));
}

#[tokio::test]
async fn a_damaged_store_is_refused() {
    let sqlite = Sqlite::new();
    written(&sqlite).await;
    let whole = fs::read(sqlite.path()).unwrap();
    // The page of the schema, a page in the middle, half of the file.
    for (from, to) in [(100, 4096), (whole.len() / 2, whole.len() / 2 + 20_000)] {
        let mut damaged = whole.clone();
        damaged[from..to].fill(0xa5);
        fs::write(sqlite.path(), &damaged).unwrap();
        refused_untouched(&sqlite, "restore it from a backup");
    }
    fs::write(sqlite.path(), &whole[..whole.len() / 2]).unwrap();
    refused_untouched(&sqlite, "restore it from a backup");
    fs::write(sqlite.path(), &whole).unwrap();
    let store = sqlite.open_now();
    assert_eq!(store.get("space", "7").await.unwrap(), Some("x".repeat(200)));
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let sqlite = Sqlite::new();
    fs::write(sqlite.path(), b"").unwrap();
    // What a crash left of an earlier creation is no obstacle.
    fs::write(sqlite.path().with_extension("db.new"), b"half").unwrap();
    let store = sqlite.open_now();
    store.put("a", "b", "c").await.unwrap();
}

#[tokio::test]
async fn stray_files_are_swept() {
    let sqlite = Sqlite::new();
    let store = sqlite.open_now();
    let id = store.put_media(Bytes::from_static(b"kept")).await.unwrap();
    let dir = sqlite.path().with_extension("db.media").join("aa").join("bb");
    fs::create_dir_all(&dir).unwrap();
    let old = std::time::SystemTime::now() - secs(7_200);
    for (name, is_old) in [("med_0192b7d0a1b27c3d8e9f0a1b2c3d4e5f", true), ("x.part", true), ("young.part", false)] {
        let file = fs::File::create(dir.join(name)).unwrap();
        if is_old {
            file.set_modified(old).unwrap();
        }
    }
    let retention = Retention { bodies: secs(100_000), keys_beyond: secs(1), orphans: secs(3_600) };
    let swept = store.sweep(retention).await.unwrap();
    assert_eq!((swept.files, swept.media), (2, 0));
    assert!(dir.join("young.part").exists());
    assert_eq!(store.media(id).await.unwrap(), "kept");
}
