//! The SQLite store: the suite of every store, and what is its own.

mod faults;
mod files;
mod group_commit;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use caigunn_bridge::contract::store::Store;
use caigunn_bridge::model::{Clock, Timestamp};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::store_suite::{MEDIA_BUDGET, StoreFactory, store_suite};

pub(crate) struct Sqlite {
    dir: TempDir,
    clock: Clock,
}

impl Sqlite {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("bridge.db")
    }

    pub(crate) fn options(&self, exclusive: bool) -> SqliteOptions {
        SqliteOptions { exclusive, media_budget: MEDIA_BUDGET, clock: self.clock.clone() }
    }

    pub(crate) fn open_now(&self) -> Arc<SqliteStore> {
        SqliteStore::open(self.path(), self.options(true)).unwrap()
    }
}

#[async_trait]
impl StoreFactory for Sqlite {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Clock::fixed(Timestamp(1_800_000_000_000)) }
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open_now()
    }

    async fn reopen_after_crash(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        // Without `close`: the log is left as it is.
        assert_eq!(Arc::strong_count(&store), 1, "somebody still has the dead process's store");
        drop(store);
        self.open_now()
    }

    async fn beside(&self) -> Arc<dyn Store> {
        SqliteStore::open(self.path(), self.options(false)).unwrap()
    }
}

mod suite {
    use super::store_suite;

    store_suite!(super::Sqlite);
}
