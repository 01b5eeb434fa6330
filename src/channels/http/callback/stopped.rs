//! A receiver that answered 410: remembered in the store, so that it holds over a restart and for every replica that starts.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use crate::contract::store::{Result, Store};

const SPACE: &str = "http_callback";

pub(super) struct Stopped {
    key: String,
    /// Read from the store once.
    known: OnceCell<AtomicBool>,
}

impl Stopped {
    /// `key`: what it is remembered under; another one for another URL.
    pub(super) fn new(key: String) -> Self {
        Self { key, known: OnceCell::new() }
    }

    pub(super) async fn is(&self, store: &dyn Store) -> Result<bool> {
        let read = || async { store.get(SPACE, &self.key).await.map(|found| AtomicBool::new(found.is_some())) };
        Ok(self.known.get_or_try_init(read).await?.load(Ordering::Acquire))
    }

    /// As [`is`](Self::is), of what is known without a look.
    pub(super) fn is_known(&self) -> bool {
        self.known.get().is_some_and(|stopped| stopped.load(Ordering::Acquire))
    }

    pub(super) async fn set(&self, store: &dyn Store, stopped: bool) -> Result<()> {
        self.is(store).await?;
        if stopped {
            store.put(SPACE, &self.key, "410").await?;
        } else {
            store.remove(SPACE, &self.key).await?;
        }
        if let Some(known) = self.known.get() {
            known.store(stopped, Ordering::Release);
        }
        Ok(())
    }
}
