//! The writer is the one thread that writes: it takes all batches that wait, and gives them one transaction and one sync.
//!
//! After a failed sync nobody knows what the disk holds, and a second sync may lie. So the writer stops, reads go on, and the
//! next start of the process recovers from the write-ahead log.

use super::write::{self, Failure};
use super::{directory, fault};
use jeton_core::name::Time;
use jeton_core::store::{Batch, CommitError, Fault, Position};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most batches in one transaction.
const GROUP: usize = 512;
/// Pages in the write-ahead log from which on they are copied into the database.
const CHECKPOINT_PAGES: i32 = 1000;

/// Where batches are handed in.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

/// How far the log has come.
#[derive(Default)]
struct Progress {
    seq: Mutex<u64>,
    /// Why nothing is written any more.
    stopped: OnceLock<String>,
    moved: Condvar,
}

enum Job {
    Commit(Batch, SyncSender<Result<(), CommitError>>),
    Sweep(Time, usize, SyncSender<Result<usize, Fault>>),
    Close(SyncSender<()>),
}

impl Writer {
    /// Starts the thread on this connection.
    pub(super) fn start(mut connection: Connection) -> Result<Self, Fault> {
        let last = "SELECT coalesce(max(seq), 0) FROM change_log";
        let seq = connection.query_row(last, [], |row| row.get::<_, i64>(0)).map_err(|error| fault(&error))?.cast_unsigned();
        let progress = Arc::new(Progress { seq: Mutex::new(seq), stopped: OnceLock::new(), moved: Condvar::new() });
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        // Our own hook takes the place of SQLite's, which ignores a checkpoint that fails.
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(|error| fault(&error))?;
        let (jobs, queue) = channel();
        let stamp: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| fault(&error))?;
        let mut desk = Desk { connection, seq, progress: Arc::clone(&progress), wal_pages, stopped: None, stamp, stamps: true };
        let thread = std::thread::Builder::new().name("jeton-store-writer".to_owned()).spawn(move || {
            let asked = desk.work(&queue);
            // The connection is closed, and with it the log gone, before anybody is told.
            drop((desk, queue));
            // Whoever does not wait any more needs no answer.
            let _ = asked.map(|asked| asked.send(()));
        });
        let thread = thread.map_err(|error| Fault::Unavailable(format!("the writer thread cannot start: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), progress })
    }

    pub(super) fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.ask(|answer| Job::Commit(batch, answer))?
    }

    pub(super) fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        self.ask(|answer| Job::Sweep(now, limit, answer))?
    }

    /// Writes what waits, empties the log into the file, and ends.
    pub(super) fn close(&self) {
        // One that has ended already is closed.
        drop(self.ask(Job::Close));
    }

    pub(super) fn position(&self) -> Position {
        Position(*self.progress.seq.lock().unwrap_or_else(PoisonError::into_inner), 0)
    }

    pub(super) fn writable(&self) -> Result<(), Fault> {
        self.progress.stopped.get().map_or(Ok(()), |cause| Err(Fault::Unavailable(cause.clone())))
    }

    pub(super) fn wait(&self, millis: u64) {
        let seq = self.progress.seq.lock().unwrap_or_else(PoisonError::into_inner);
        // Returning early or late is allowed, so neither a spurious wake-up nor a poisoned lock matters.
        drop(self.progress.moved.wait_timeout(seq, Duration::from_millis(millis)));
    }

    fn ask<T>(&self, job: impl FnOnce(SyncSender<T>) -> Job) -> Result<T, Fault> {
        let gone = || Fault::Unavailable("the writer has ended".to_owned());
        let (answer, wait) = sync_channel(1);
        self.jobs.as_ref().ok_or_else(gone)?.send(job(answer)).map_err(|_| gone())?;
        wait.recv().map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without senders the thread ends; a panic in it has been reported on the way.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What the thread works on.
struct Desk {
    connection: Connection,
    seq: u64,
    progress: Arc<Progress>,
    wal_pages: Arc<AtomicI32>,
    stopped: Option<String>,
    /// The file's stamp, and whether the next transaction begins a log and gives it the next one (see `wal`).
    stamp: i32,
    stamps: bool,
}

impl Desk {
    /// Works until nobody can ask any more, or somebody asks to close, who is told afterwards.
    fn work(&mut self, queue: &Receiver<Job>) -> Option<SyncSender<()>> {
        let mut asked = None;
        while asked.is_none() {
            let Ok(first) = queue.recv() else { break };
            let mut group = Vec::new();
            let mut sweeps = Vec::new();
            for job in std::iter::once(first).chain(std::iter::from_fn(|| queue.try_recv().ok())).take(GROUP) {
                match job {
                    Job::Commit(batch, answer) => group.push((batch, answer)),
                    Job::Sweep(now, limit, answer) => sweeps.push((now, limit, answer)),
                    Job::Close(answer) => asked = Some(answer),
                }
            }
            self.commit_group(group);
            for (now, limit, answer) in sweeps {
                // A caller that no longer waits needs no answer.
                drop(answer.send(self.sweep(now, limit)));
            }
            self.checkpoint();
        }
        if self.stopped.is_none()
            && let Err(Fault::Corrupt(cause)) = directory::stamp(&self.connection)
        {
            self.stop(&cause);
        }
        asked
    }

    /// Every batch of the group gets its own answer, all of them after the sync.
    fn commit_group(&mut self, group: Vec<(Batch, SyncSender<Result<(), CommitError>>)>) {
        if group.is_empty() {
            return;
        }
        let mut results = Vec::with_capacity(group.len());
        let seq = self.seq;
        let written = self.transact(|connection, seq| {
            for (batch, _) in &group {
                results.push(match write::apply(connection, batch, seq) {
                    Ok(()) => Ok(()),
                    Err(Failure::Conflict) => Err(CommitError::Conflict),
                    Err(Failure::Fault(fault)) => Err(CommitError::Fault(fault)),
                    Err(Failure::Sqlite(error)) => return Err(error),
                });
            }
            Ok(())
        });
        if self.seq != seq {
            *self.progress.seq.lock().unwrap_or_else(PoisonError::into_inner) = self.seq;
            self.progress.moved.notify_all();
        }
        let mut results = results.into_iter();
        for (_, answer) in group {
            let result = match &written {
                Ok(()) => results.next().unwrap_or(Err(CommitError::Fault(Fault::Broken("a batch without a result")))),
                Err(fault) => match results.next() {
                    Some(Err(error)) => Err(error),
                    _ => Err(CommitError::Fault(fault.clone())),
                },
            };
            // A caller that no longer waits needs no answer.
            drop(answer.send(result));
        }
    }

    fn sweep(&mut self, now: Time, limit: usize) -> Result<usize, Fault> {
        let mut gone = 0;
        self.transact(|connection, _| {
            gone = write::sweep(connection, now, limit)?;
            Ok(())
        })?;
        Ok(gone)
    }

    /// One transaction, synced when this returns. `change` gets the connection and the number of the last change.
    fn transact(&mut self, change: impl FnOnce(&mut Connection, &mut u64) -> rusqlite::Result<()>) -> Result<(), Fault> {
        if let Some(cause) = &self.stopped {
            return Err(Fault::Unavailable(cause.clone()));
        }
        let mut seq = self.seq;
        // A transaction guard would borrow the connection for the whole group, so it is opened by hand.
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        let stamp = if self.stamps { self.stamp.wrapping_add(1) } else { self.stamp };
        let begun = begun.and_then(|()| match self.stamps {
            true => self.connection.pragma_update(None, "user_version", stamp),
            false => Ok(()),
        });
        let done = begun.and_then(|()| change(&mut self.connection, &mut seq));
        if let Err(error) = done {
            self.roll_back();
            self.judge(&error);
            return Err(fault(&error));
        }
        if let Err(error) = self.connection.execute_batch("COMMIT") {
            self.roll_back();
            self.judge(&error);
            return Err(Fault::Unavailable(format!("the outcome of the commit is unknown: {error}")));
        }
        (self.seq, self.stamp, self.stamps) = (seq, stamp, false);
        Ok(())
    }

    fn roll_back(&mut self) {
        // After some failures SQLite has already rolled back, and there is nothing left to do.
        if !self.connection.is_autocommit() && self.connection.execute_batch("ROLLBACK").is_err() {
            self.stop("jeton.db cannot be rolled back");
        }
    }

    /// Copies pages out of the log from time to time. Its syncs matter like those of a commit.
    fn checkpoint(&mut self) {
        if self.stopped.is_some() || self.wal_pages.load(Ordering::Relaxed) < CHECKPOINT_PAGES {
            return;
        }
        self.wal_pages.store(0, Ordering::Relaxed);
        let copied = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        match self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], copied) {
            // Only a log that was copied whole is begun anew.
            Ok((log, done)) => self.stamps |= log == done,
            Err(error) => self.judge(&error),
        }
    }

    fn judge(&mut self, error: &rusqlite::Error) {
        if error.sqlite_error().is_some_and(|error| leaves_doubt(error.extended_code)) {
            self.stop(&format!("the disk failed ({error}), so nothing more is written; check it, then start jeton again"));
        }
    }

    fn stop(&mut self, cause: &str) {
        self.stopped = Some(cause.to_owned());
        // Only the first cause is told.
        drop(self.progress.stopped.set(cause.to_owned()));
        // The log is what a restart recovers from: closing must not copy it and throw it away.
        if self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).is_err() {
            self.stopped = Some(format!("{cause} (and the log may be lost)"));
        }
    }
}

/// Whether this error leaves doubt about what the disk holds: a sync that failed, or a database that is damaged.
fn leaves_doubt(code: i32) -> bool {
    use rusqlite::ffi;
    matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
        || matches!(code & 0xff, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB)
}
