//! The embedded store keeps the contract, and keeps its word when the disk does not.

use jeton_core::name::Time;
use jeton_core::store::{Batch, Change, CommitError, Fault, MemoryStore, Position, Reading, Store};
use jeton_store::SqliteStore;
use tempfile::TempDir;

/// A store together with its directory, which goes when the store has gone.
struct Temporary(SqliteStore, #[expect(dead_code, reason = "is held for its drop")] TempDir);

impl Store for Temporary {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        self.0.view(now, read)
    }
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.0.commit(batch)
    }
    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        self.0.changes(after, limit)
    }
    fn position(&self) -> Result<Position, Fault> {
        self.0.position()
    }
    fn wait(&self, millis: u64) {
        self.0.wait(millis);
    }
    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        self.0.sweep(now, limit)
    }
}

fn fresh() -> Box<dyn Store> {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    Box::new(Temporary(SqliteStore::open(directory.path()).expect("opens"), directory))
}

jeton_core::store_contract!(fresh);

#[test]
fn it_agrees_with_memory() {
    jeton_core::store::contract::lockstep(&MemoryStore::new(), &*fresh(), 20_261_122, 2000);
}
