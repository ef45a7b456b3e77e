//! The shared store is one PostgreSQL database that several nodes write.
//!
//! A batch takes two round trips whatever its size: everything up to the last write, then, if every guard held, COMMIT. Guards
//! are row locks, so no isolation level is relied on.

mod commit;
mod connection;
mod feed;
mod fill;
mod read;

use crate::pool::{Lease, Pool};
use crate::schema::MIGRATIONS;
use connection::{Connection, Failure, Server};
use feed::{Bell, Ear};
pub use fill::Present;
use jeton_core::name::Time;
use jeton_core::record::KINDS;
use jeton_core::store::{
    BATCHES_KEPT_SECONDS, Batch, CHANGES_KEPT_SECONDS, Change, CommitError, Fault, Position, Reading, Store, View,
};
use read::PostgresView;
use std::sync::Arc;

/// Most connections of one node, without the one that listens.
const CONNECTIONS: usize = 8;

/// The store of many machines. Its calls block, so they are made from threads that may, never from an asynchronous task.
pub struct PostgresStore {
    database: Arc<Database>,
    bell: Bell,
    ear: Ear,
}

/// Where connections come from.
struct Database {
    server: Server,
    pool: Pool<Connection>,
}

impl PostgresStore {
    /// Connects to the database of this URL (or `key=value` line, as libpq writes it) and brings its schema up to date.
    pub fn connect(url: &str) -> Result<Self, Fault> {
        let server = Server::parse(url)?;
        connection::migrate(&mut server.open()?, MIGRATIONS)?;
        let database = Arc::new(Database { server, pool: Pool::new(CONNECTIONS) });
        let bell = Bell::hang(Arc::clone(&database))?;
        Ok(Self { database, bell, ear: Ear::default() })
    }
}

impl PostgresStore {
    /// Connects to the database of this URL and fills it with every row of a view, in one transaction. Refused while any other
    /// process is connected, and where a store is, unless it may be replaced.
    pub fn fill(url: &str, view: &mut dyn View, present: Present, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
        let mut connection = Server::parse(url)?.open()?;
        connection::migrate(&mut connection, MIGRATIONS)?;
        fill::fill(&mut connection, view, present, progress)
    }
}

impl Database {
    fn take(&self) -> Result<Lease<'_, Connection>, Fault> {
        self.pool.take(|| self.server.open())
    }

    /// Asks something that may be asked again: a connection that was lost while it was idle is replaced once.
    fn ask<T>(&self, question: impl Fn(&mut Connection) -> Result<T, Failure>) -> Result<T, Fault> {
        for _ in 0..2 {
            let mut connection = self.take()?;
            match question(&mut connection) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lost(_)) => {
                    connection.discard();
                    self.pool.clear();
                }
                Err(failure) => return Err(failure.into_fault()),
            }
        }
        Err(Fault::Unavailable("PostgreSQL closes its connections".to_owned()))
    }
}

impl Store for PostgresStore {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        let mut view = PostgresView::new(&self.database, now);
        let result = read(&mut view);
        view.end();
        result
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        commit::commit(&self.database, &batch)?;
        if !batch.writes.is_empty() {
            self.bell.ring();
        }
        Ok(())
    }

    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        self.database.ask(|connection| feed::changes(connection, after, limit))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn position(&self) -> Result<Position, Fault> {
        self.database.ask(feed::position)
    }

    fn wait(&self, millis: u64) {
        self.ear.wait(&self.database.server, millis);
    }

    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        let ended = KINDS.iter().map(|kind| (kind.name, "key", "\"expires_at\" <= $1", now));
        let logs = [
            ("change_log", "ctid", "\"at\" < $1", now.plus_seconds(-CHANGES_KEPT_SECONDS)),
            ("batch", "id", "\"at\" < $1", now.plus_seconds(-BATCHES_KEPT_SECONDS)),
        ];
        let mut gone = 0;
        for (table, id, condition, moment) in ended.chain(logs) {
            let left = limit.saturating_sub(gone);
            let sql = format!(
                "DELETE FROM \"{table}\" WHERE \"{id}\" = ANY (ARRAY \
                 (SELECT \"{id}\" FROM \"{table}\" WHERE {condition} LIMIT $2 FOR UPDATE SKIP LOCKED))"
            );
            gone += self.database.ask(|connection| connection.execute(&sql, &[&moment.millis(), &read::bounded(left)]))?;
        }
        Ok(gone)
    }
}
