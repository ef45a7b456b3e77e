//! The embedded store is one SQLite file: one thread writes, a few connections read, and nobody else may open it.
//!
//! `Ok` from a commit means that the write-ahead log was synced. Many commits share one sync.

mod directory;
mod read;
mod reader;
mod replace;
mod wal;
mod write;
mod writer;

use crate::pool::Pool;
use crate::schema::MIGRATIONS;
pub use reader::SqliteReader;
pub use replace::Replacement;

use directory::DataDirectory;
use jeton_core::name::Time;
use jeton_core::store::{Batch, Change, CommitError, Fault, Position, Reading, Store};
use read::SqliteView;
use rusqlite::Connection;
use std::path::Path;
use writer::Writer;

/// Most connections that read at the same time.
const READERS: usize = 8;

/// The store of one machine.
pub struct SqliteStore {
    // Dropped in this order: readers, writer, and last the lock of the directory.
    readers: Pool<Connection>,
    writer: Writer,
    directory: DataDirectory,
}

impl SqliteStore {
    /// Opens the store in this directory, or makes one. Only one process may hold it.
    pub fn open(directory: &Path) -> Result<Self, Fault> {
        let directory = DataDirectory::lock(directory)?;
        let connection = directory.open_first(MIGRATIONS)?;
        let writer = Writer::start(connection)?;
        Ok(Self { readers: Pool::new(READERS), writer, directory })
    }

    fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let connection = self.readers.take(|| self.directory.open_reader())?;
        let view = connection.unchecked_transaction().map_err(|error| fault(&error))?;
        // The view only reads, so it is rolled back when it is dropped.
        question(&view)
    }
}

impl Store for SqliteStore {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        self.read(|connection| read(&mut SqliteView { connection, now }))
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.writer.commit(batch)
    }

    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        self.read(|connection| read::changes(connection, after, limit))
    }

    fn position(&self) -> Result<Position, Fault> {
        Ok(self.writer.position())
    }

    fn writable(&self) -> Result<(), Fault> {
        self.writer.writable()
    }

    fn close(&self) {
        // The last connection that is closed takes the log away, so the writer's must be the last.
        self.readers.close();
        self.writer.close();
    }

    fn wait(&self, millis: u64) {
        self.writer.wait(millis);
    }

    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        self.writer.sweep(now, limit)
    }
}

/// A connection to a new file of our schema, whose writer syncs it at the end himself.
pub(crate) fn export_connection(path: &Path) -> Result<Connection, Fault> {
    directory::new_file(path, MIGRATIONS)
}

/// Values on their way into a statement.
pub(crate) fn parameters(values: &[jeton_core::record::Value]) -> impl Iterator<Item = read::Parameter<'_>> {
    values.iter().map(read::Parameter)
}

/// What an error of SQLite means to the caller.
pub(crate) fn fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            Fault::Corrupt(format!("jeton.db: {error}"))
        }
        _ => Fault::Unavailable(format!("jeton.db: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::name::Key;
    use jeton_core::record::{LastUse, Record};
    use jeton_core::store::{Row, Write};
    use std::sync::Arc;

    fn batch(number: u8) -> Batch {
        let key = Key::from_bytes([number; 16]);
        let row = Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: b"1".to_vec() };
        Batch { id: key, now: Time::from_millis(0), guards: Vec::new(), writes: vec![Write::Insert(LastUse::KIND, row)] }
    }

    #[test]
    fn a_store_that_was_closed_leaves_no_log_and_does_nothing_more() {
        let directory = tempfile::tempdir().expect("works");
        let store = Arc::new(SqliteStore::open(directory.path()).expect("opens"));
        store.commit(batch(1)).expect("commits");
        store.changes(Position::default(), 1).expect("reads");
        assert!(directory.path().join("jeton.db-wal").exists());
        // Somebody who reads is waited for.
        let (begun, waits) = std::sync::mpsc::channel();
        let reading = Arc::clone(&store);
        let reader = std::thread::spawn(move || {
            reading.view(Time::from_millis(0), &mut |view| {
                let _ = begun.send(());
                std::thread::sleep(std::time::Duration::from_millis(300));
                view.get(LastUse::KIND, Key::from_bytes([1; 16])).map(|row| assert!(row.is_some()))
            })
        });
        waits.recv().expect("it reads");
        store.close();
        assert!(!directory.path().join("jeton.db-wal").exists());
        reader.join().expect("ends").expect("reads");
        assert!(matches!(store.commit(batch(2)), Err(CommitError::Fault(Fault::Unavailable(_)))));
        assert!(matches!(store.changes(Position::default(), 1), Err(Fault::Unavailable(_))));
        store.close();
        drop(store);
        let again = SqliteStore::open(directory.path()).expect("opens");
        assert_eq!(again.changes(Position::default(), 10).expect("reads").len(), 1);
    }
}
