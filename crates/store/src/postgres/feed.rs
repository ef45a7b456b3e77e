//! The feed tells nodes what others changed, and skips nothing.
//!
//! Transactions do not commit in the order in which they began. A change is shown only when every transaction that began before
//! its own has ended, so that nothing can appear behind a reader's back.

use super::Database;
use super::connection::{Connection, Failure, Server};
use super::read::{bounded, key};
use jeton_core::store::{Change, Fault, Position};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;
use tokio::sync::Notify;

/// The name under which nodes are woken. It carries no data.
const CHANNEL: &str = "jeton_changes";
/// Least time between two wake-ups.
const PAUSE: Duration = Duration::from_millis(20);
/// Transactions before this one have all ended.
const ENDED: &str = "xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/// Changes behind a position, oldest first.
pub(super) fn changes(connection: &mut Connection, after: Position, limit: usize) -> Result<Vec<Change>, Failure> {
    let sql =
        format!("SELECT xid, seq, kind, key FROM change_log WHERE (xid, seq) > ($1, $2) AND {ENDED} ORDER BY xid, seq LIMIT $3");
    let rows = connection.query(&sql, &[&after.0.cast_signed(), &after.1.cast_signed(), &bounded(limit)])?;
    let change = |row: &tokio_postgres::Row| {
        let key = key(row, 3).map_err(|error| Failure::Fault(Fault::Corrupt(format!("the change log: {error}"))))?;
        Ok(Change { position: position_of(row)?, kind: row.try_get(2)?, key })
    };
    rows.iter().map(change).collect()
}

/// The newest position that `changes` shows.
pub(super) fn position(connection: &mut Connection) -> Result<Position, Failure> {
    let sql = format!("SELECT xid, seq FROM change_log WHERE {ENDED} ORDER BY xid DESC, seq DESC LIMIT 1");
    connection.query(&sql, &[])?.first().map_or(Ok(Position::default()), position_of)
}

fn position_of(row: &tokio_postgres::Row) -> Result<Position, Failure> {
    Ok(Position(row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get::<_, i64>(1)?.cast_unsigned()))
}

/// Wakes the other nodes after a commit. Not inside it: PostgreSQL lets only one transaction that notifies commit at a time.
pub(super) struct Bell(SyncSender<()>);

impl Bell {
    /// Starts the thread that rings. It ends when the bell is dropped.
    pub(super) fn hang(database: Arc<Database>) -> Result<Self, Fault> {
        let (bell, rung) = sync_channel(1);
        let thread = std::thread::Builder::new().name("jeton-store-bell".to_owned());
        thread
            .spawn(move || keep_ringing(&database, &rung))
            .map_err(|error| Fault::Unavailable(format!("no thread: {error}")))?;
        Ok(Self(bell))
    }

    /// Rings soon. One ring serves all commits before it.
    pub(super) fn ring(&self) {
        // A full queue means that it will ring anyway.
        let _ = self.0.try_send(());
    }
}

fn keep_ringing(database: &Database, rung: &Receiver<()>) {
    while rung.recv().is_ok() {
        // Who is not woken polls.
        drop(database.ask(|connection| connection.execute_script(&format!("NOTIFY {CHANNEL}"))));
        std::thread::sleep(PAUSE);
    }
}

/// Hears the bell on a connection of its own.
#[derive(Default)]
pub(super) struct Ear(Mutex<Option<(Connection, Arc<Notify>)>>);

impl Ear {
    /// Waits for the bell, at most so long. Without a connection it just waits, and the caller polls.
    pub(super) fn wait(&self, server: &Server, millis: u64) {
        let most = Duration::from_millis(millis);
        let mut ear = match self.0.try_lock() {
            Ok(ear) => ear,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return std::thread::sleep(most),
        };
        let Some((connection, rung)) = &mut *ear else {
            // What was committed before we listen is not heard, so the first wait does not wait.
            match listen(server) {
                Ok(listening) => *ear = Some(listening),
                Err(_) => std::thread::sleep(most),
            }
            return;
        };
        connection.wait_for(rung.notified(), most);
        if connection.is_closed() {
            *ear = None;
        }
    }
}

fn listen(server: &Server) -> Result<(Connection, Arc<Notify>), Failure> {
    let rung = Arc::new(Notify::new());
    let ring = Arc::clone(&rung);
    let mut connection = server.open_with(move |_| ring.notify_one()).map_err(Failure::Fault)?;
    connection.execute_script(&format!("LISTEN {CHANNEL}"))?;
    Ok((connection, rung))
}
