//! Connections that only read, off the async threads; they never wait for the writer nor it for them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::JoinError;

use crate::contract::store::{Result, StoreError};
use crate::stores::sqlite::error::closed;
use crate::stores::sqlite::schema;

/// As many reads run at once.
const READERS: usize = 2;

pub(super) struct Readers {
    db: PathBuf,
    /// Opened when first needed.
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(db: PathBuf) -> Self {
        Self { db, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)), closed: AtomicBool::new(false) }
    }

    /// Reads in one snapshot.
    pub(super) async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let readers = Arc::clone(self);
        let run = move |permit: OwnedSemaphorePermit| {
            tokio::task::spawn_blocking(move || {
                let result = readers.read_now(read);
                drop(permit);
                result
            })
        };
        let failed = |error: JoinError| StoreError::Unavailable(format!("a read failed: {error}"));
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => run(permit).await.map_err(failed)?,
            Err(TryAcquireError::Closed) => Err(closed()),
            // A task of its own waits for the turn: were it the caller's future, and were that not polled for a while, the turn
            // would be given to it all the same, and everybody behind it would wait. With two such futures in one task, for ever.
            Err(TryAcquireError::NoPermits) => {
                let permits = Arc::clone(&self.permits);
                let turn = tokio::spawn(async move {
                    let permit = permits.acquire_owned().await.map_err(|_| closed())?;
                    run(permit).await.map_err(failed)?
                });
                turn.await.map_err(failed)?
            }
        }
    }

    fn read_now<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::reader(&self.db)?,
        };
        conn.execute_batch("BEGIN")?;
        let result = read(&conn);
        // A connection that cannot end its read is not used again.
        if conn.execute_batch("COMMIT").is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
        result
    }

    /// Waits for running reads and closes; later reads answer `Unavailable`.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        // An error means that it was closed before.
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.permits.close();
            drop(permits);
        }
    }
}
