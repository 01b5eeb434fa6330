//! The one thread that writes: it commits whatever has queued up as one transaction (group commit).
//!
//! A change is a closure that can be run again. A batch of them runs in one transaction; when one fails hard, all is rolled
//! back and each runs in a transaction of its own, so that only the bad one fails. A refusal (a lost lease, say) has by
//! rule written nothing and is committed past.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::contract::store::{Result, StoreError};
use crate::model::Clock;
use crate::stores::sqlite::error::{closed, is_refusal};
use crate::stores::sqlite::trouble::Troubles;
use crate::stores::sqlite::tx::{Effect, Tx};
use crate::stores::sqlite::watch::Registry;

/// How many changes share one commit at most.
const BATCH: usize = 256;

/// How many changes may queue before callers wait.
const QUEUE: usize = 1_024;

/// Makes one change on the opening thread, before anybody else can.
pub(super) fn alone(conn: &Connection, clock: &Clock, change: impl FnOnce(&Tx<'_>) -> Result<()>) -> Result<()> {
    let (mut names, mut effects) = (HashMap::new(), Vec::new());
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let tx = Tx { conn, now: clock.now(), exclusive: true, names: &mut names, effects: &mut effects };
    let done = change(&tx);
    conn.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

/// One caller's change.
trait Job: Send {
    /// Runs the change; an error is a hard one.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;

    /// Answers the caller: what the run gave, or the failure of its commit.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

struct Call<T, F> {
    change: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T> + Send> Job for Call<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let told = tx.effects.len();
        let written = tx.conn.total_changes();
        let ran = catch_unwind(AssertUnwindSafe(|| (self.change)(tx))).unwrap_or_else(|panic| Err(panicked(&*panic)));
        match ran {
            // One that has written after all is undone like any failure.
            Err(error) if is_refusal(&error) && written == tx.conn.total_changes() => {
                tx.effects.truncate(told);
                self.result = Some(Err(error));
                Ok(())
            }
            Err(error) => Err(error),
            done => {
                self.result = Some(done);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let result = match (failure, self.result) {
            (Some(failure), _) => Err(failure),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Unavailable("the change was not run".into())),
        };
        // A caller that has gone away is no reason to undo its change.
        let _ = self.reply.send(result);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a word");
    tracing::error!(panic = text, "a change of the store panicked; it was rolled back");
    StoreError::Unavailable(format!("a change panicked: {text}"))
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The callers' end. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    sender: mpsc::Sender<Message>,
    troubles: Arc<Troubles>,
    stop: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread. `keep` (the lock) is held until the connection is closed.
    pub(super) fn start(
        conn: Connection,
        task: Task,
        troubles: Arc<Troubles>,
        keep: impl Send + 'static,
    ) -> Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .stack_size(1024 * 1024)
            .spawn(move || {
                let closed = task.run(conn, receiver, &stopped);
                drop(keep);
                for reply in closed {
                    let _ = reply.send(());
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("the store's thread cannot be started: {error}")))?;
        Ok((Self { sender, troubles, stop }, thread))
    }

    /// Commits a change. Once queued it is carried out even if the caller goes away.
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Call { change, result: None, reply });
        match self.sender.try_send(Message::Job(job)) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return Err(closed()),
            // A task of its own waits for room: were it the caller's future, and were that not polled for a while, the room would be
            // kept for it all the same, and everybody behind it would wait.
            Err(TrySendError::Full(job)) => {
                let sender = self.sender.clone();
                tokio::spawn(async move { sender.send(job).await });
            }
        }
        let done = answer.await.map_err(|_| closed())?;
        if let Err(error) = &done {
            self.troubles.note(error);
        }
        done
    }

    /// Finishes what is queued and closes the database.
    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.sender.send(Message::Close(reply)).await.is_ok() {
            // The thread is gone already when the answer fails.
            let _ = answer.await;
        }
    }

    /// The same without waiting.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let (reply, _) = oneshot::channel();
        // When the queue is full the thread sees `stop` at its next batch.
        let _ = self.sender.try_send(Message::Close(reply));
    }
}

/// The thread's own.
pub(super) struct Task {
    pub(super) clock: Clock,
    pub(super) exclusive: bool,
    pub(super) registry: Arc<Registry>,
    pub(super) commits: Arc<AtomicU64>,
}

impl Task {
    fn run(
        self,
        conn: Connection,
        mut receiver: mpsc::Receiver<Message>,
        stop: &AtomicBool,
    ) -> Vec<oneshot::Sender<()>> {
        let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH);
        let mut names = HashMap::new();
        let mut effects = Vec::new();
        let mut closing = Vec::new();
        while let Some(message) = receiver.blocking_recv() {
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Job(job) => batch.push(job),
                    Message::Close(reply) => {
                        receiver.close();
                        closing.push(reply);
                    }
                }
                next = if batch.len() < BATCH { receiver.try_recv().ok() } else { None };
            }
            if stop.load(Ordering::Acquire) {
                receiver.close();
            }
            self.commit_batch(&conn, &mut batch, &mut names, &mut effects);
        }
        if let Err((_, error)) = conn.close() {
            tracing::warn!(%error, "the database was not closed cleanly; nothing is lost");
        }
        closing
    }

    fn commit_batch(
        &self,
        conn: &Connection,
        batch: &mut Vec<Box<dyn Job>>,
        names: &mut HashMap<String, i64>,
        effects: &mut Vec<Effect>,
    ) {
        if batch.is_empty() {
            return;
        }
        let mut locked = begin(conn).err();
        if locked.is_none() {
            let whole = self.transaction(conn, batch, names, effects);
            if whole.is_ok() || batch.len() == 1 {
                self.tell(effects);
                for job in batch.drain(..) {
                    job.answer(whole.clone().err());
                }
            }
        }
        for mut job in batch.drain(..) {
            // Each would wait for the lock as long as the first did.
            if locked.is_none() {
                locked = begin(conn).err();
            }
            if let Some(error) = &locked {
                job.answer(Some(error.clone()));
                continue;
            }
            let alone = self.transaction(conn, std::slice::from_mut(&mut job), names, effects);
            self.tell(effects);
            job.answer(alone.err());
        }
    }

    /// Runs and commits in the open transaction, or rolls it back.
    fn transaction(
        &self,
        conn: &Connection,
        jobs: &mut [Box<dyn Job>],
        names: &mut HashMap<String, i64>,
        effects: &mut Vec<Effect>,
    ) -> Result<()> {
        let done = self.attempt(conn, jobs, names, effects);
        if done.is_err() {
            effects.clear();
            // A name may have got its number in what is now undone.
            names.clear();
            if !conn.is_autocommit()
                && let Err(error) = conn.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "a transaction cannot be rolled back");
            }
        }
        done
    }

    fn attempt(
        &self,
        conn: &Connection,
        jobs: &mut [Box<dyn Job>],
        names: &mut HashMap<String, i64>,
        effects: &mut Vec<Effect>,
    ) -> Result<()> {
        let before = conn.total_changes();
        for job in jobs {
            let mut tx = Tx { conn, now: self.clock.now(), exclusive: self.exclusive, names, effects };
            job.run(&mut tx)?;
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        if conn.total_changes() != before {
            self.commits.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("bridge_store_commits_total").increment(1);
        }
        Ok(())
    }

    fn tell(&self, effects: &mut Vec<Effect>) {
        if !effects.is_empty() {
            self.registry.tell(effects.drain(..));
        }
    }
}

fn begin(conn: &Connection) -> Result<()> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::contract::store::{Kv, StoreError};
    use crate::model::TurnId;
    use crate::stores::sqlite::tx::Effect;
    use crate::stores::sqlite::{SqliteOptions, SqliteStore};

    fn store() -> (tempfile::TempDir, Arc<SqliteStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("bridge.db"), SqliteOptions::default()).unwrap();
        (dir, store)
    }

    const PUT: &str = "INSERT INTO kv (space, key, value) VALUES ('a', 'b', 'c')";

    #[tokio::test]
    async fn a_panic_fails_its_own_change_alone() {
        let (_dir, store) = store();
        let bad = store.writer.write(|tx| -> Result<(), StoreError> {
            tx.run(PUT, [])?;
            panic!("a bug")
        });
        let (bad, good) = tokio::join!(bad, store.put("x", "y", "z"));
        assert!(matches!(&bad, Err(StoreError::Unavailable(text)) if text.contains("a bug")), "{bad:?}");
        good.unwrap();
        assert_eq!(store.get("a", "b").await.unwrap(), None);
        assert_eq!(store.get("x", "y").await.unwrap().as_deref(), Some("z"));
    }

    #[tokio::test]
    async fn a_refusal_that_has_written_is_undone() {
        let (_dir, store) = store();
        let refused = store.writer.write(|tx| -> Result<(), StoreError> {
            tx.run(PUT, [])?;
            tx.effect(Effect::Opened(TurnId::generate()));
            Err(StoreError::LeaseLost)
        });
        let (refused, good) = tokio::join!(refused, store.put("x", "y", "z"));
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        good.unwrap();
        assert_eq!(store.get("a", "b").await.unwrap(), None);
    }
}
