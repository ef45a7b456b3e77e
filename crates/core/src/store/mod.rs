//! A store keeps rows of records: three verbs for reading, one guarded batch for writing.
//!
//! A decision reads versioned rows from one consistent view, buffers its writes in [`Records`], and commits one [`Batch`] that is
//! guarded by the versions it read. Bytes in, bytes out: a store knows no record's meaning, no raw token and no secret.

use crate::name::{Key, Time};
use crate::record::{Kind, Value};

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod memory;
mod records;

pub use crate::refusal::Fault;
pub use memory::{MemoryStore, Planned};
pub(crate) use records::decode;
pub use records::{Changing, Reader, Records};

/// How long a change is kept in the log: twice as long as a node may be cut off and go on.
pub const CHANGES_KEPT_SECONDS: i64 = 48 * 3600;
/// How long the id of a committed batch is kept, so that a commit of unknown outcome can be looked up.
pub const BATCHES_KEPT_SECONDS: i64 = 3600;

/// A row as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identity.
    pub key: Key,
    /// Grows with every write of the row; starts at 1.
    pub version: u64,
    /// Version of the body's form ([`Kind::version`] when it was written).
    pub body_version: u32,
    /// The values of [`Kind::columns`].
    pub columns: Vec<Value>,
    /// From then on the row is not returned.
    pub expires_at: Option<Time>,
    /// The record as JSON.
    pub body: Vec<u8>,
}

impl Row {
    /// Whether the row has not ended.
    #[must_use]
    pub fn is_live(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The values of these columns of the kind, in that order.
    #[must_use]
    pub fn values(&self, kind: &Kind, columns: &[&str]) -> Vec<Value> {
        let value = |name: &&str| kind.columns.iter().zip(&self.columns).find(|(column, _)| column.name == *name);
        columns.iter().map(|name| value(name).map_or(Value::Null, |(_, value)| value.clone())).collect()
    }

    /// A checksum over everything that a write of the row says, so that a store notices when a disk gives back something else.
    /// The row's version is not part of it: it also grows without a write.
    #[must_use]
    pub fn checksum(&self, kind: &Kind) -> i64 {
        let mut bytes = Vec::with_capacity(self.body.len() + 256);
        let mut part = |tag: u8, part: &[u8]| {
            bytes.push(tag);
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        part(0, kind.name.as_bytes());
        part(1, self.key.as_bytes());
        part(2, &self.body_version.to_be_bytes());
        part(3, &self.expires_at.map_or_else(Vec::new, |end| end.millis().to_be_bytes().to_vec()));
        part(4, &self.body);
        for value in &self.columns {
            match value {
                Value::Null => part(5, &[]),
                Value::Integer(number) => part(6, &number.to_be_bytes()),
                Value::Text(text) => part(7, text.as_bytes()),
                Value::Bytes(bytes) => part(8, bytes),
            }
        }
        let digest = jeton_jose::sha256(&bytes);
        i64::from_be_bytes(std::array::from_fn(|index| digest[index]))
    }
}

/// An ordered, bounded reading of one kind.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What to read.
    pub kind: &'static Kind,
    /// Index to follow; `None` is the order of keys.
    pub index: Option<&'static str>,
    /// Values that the index's leading columns must equal; a null equals a null.
    pub prefix: Vec<Value>,
    /// Start behind this place (exclusive), in the scan's direction.
    pub after: Option<Place>,
    /// Direction.
    pub order: Order,
    /// Most rows to return.
    pub limit: usize,
}

impl Scan {
    /// The columns of the index that the scan follows; none in the order of keys. A scan that does not fit its kind is a fault.
    pub fn columns(&self) -> Result<&'static [&'static str], Fault> {
        let columns = match self.index {
            None => &[],
            Some(name) => {
                let index = self.kind.indexes.iter().find(|index| index.name == name);
                index.ok_or(Fault::Broken("a scan follows an index that its kind does not have"))?.columns
            }
        };
        let free = columns.len().checked_sub(self.prefix.len());
        let free = free.ok_or(Fault::Broken("a scan fixes more columns than its index has"))?;
        if self.after.as_ref().is_some_and(|place| place.values.len() != free) {
            return Err(Fault::Broken("a scan starts behind a place of another index"));
        }
        Ok(columns)
    }
}

/// A place in an index: the values of the columns behind the prefix, then the key. In the order of keys only the key counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Values of the remaining columns of the index.
    pub values: Vec<Value>,
    /// The row's key.
    pub key: Key,
}

/// Direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// What a batch relies on: the version of a row when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Kind of the row.
    pub kind: &'static Kind,
    /// Key of the row.
    pub key: Key,
    /// The version that was read; `None` if there was no row.
    pub version: Option<u64>,
}

/// One write. Replace, touch and delete of a row that is not there conflict. A row that has ended is not there, neither for a
/// guard nor for a unique index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new row. If its key or a unique index is taken, the batch conflicts. `version` of the row is ignored and becomes 1.
    Insert(&'static Kind, Row),
    /// New contents of an existing row; its version grows by one.
    Replace(&'static Kind, Row),
    /// Only the version grows by one; for parents of what is written.
    Touch(&'static Kind, Key),
    /// The row goes.
    Delete(&'static Kind, Key),
}

impl Write {
    /// Kind and key of the row.
    #[must_use]
    pub fn target(&self) -> (&'static Kind, Key) {
        match self {
            Self::Insert(kind, row) | Self::Replace(kind, row) => (kind, row.key),
            Self::Touch(kind, key) | Self::Delete(kind, key) => (kind, *key),
        }
    }
}

/// All or nothing: writes that hold only if every guard still holds.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Identity, by which a commit of unknown outcome is looked up. A batch whose id was committed before conflicts.
    pub id: Key,
    /// When it was decided; expiry is judged by it.
    pub now: Time,
    /// In the order of (kind, key), without repetition.
    pub guards: Vec<Guard>,
    /// In the order in which they were decided.
    pub writes: Vec<Write>,
}

/// A change that others must follow: a row of this kind and key was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Position in the log.
    pub position: Position,
    /// Name of the kind.
    pub kind: String,
    /// Key of the row.
    pub key: Key,
}

/// A position in the change log of a store; later changes have greater positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64, pub u64);

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A guard no longer holds, or a unique value is taken: decide again.
    Conflict,
    /// The store did not do it, or nobody can tell.
    Fault(Fault),
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// One consistent view of a store. Rows whose end is at or before `now` are not returned.
pub trait View {
    /// The row of this key.
    fn get(&mut self, kind: &'static Kind, key: Key) -> Result<Option<Row>, Fault>;

    /// Rows in the scan's order, at most `limit`.
    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, Fault>;
}

/// Reads inside one view.
pub type Reading<'a> = &'a mut dyn FnMut(&mut dyn View) -> Result<(), Fault>;

/// A transactional store of rows.
pub trait Store: Send + Sync {
    /// Runs `read` on one consistent view, as of `now`. The view is read-only.
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault>;

    /// Commits a batch. `Ok` means durable.
    fn commit(&self, batch: Batch) -> Result<(), CommitError>;

    /// Changes behind a position, oldest first, at most `limit`; a store that only this process writes may answer none.
    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault>;

    /// The newest position.
    fn position(&self) -> Result<Position, Fault>;

    /// Whether other processes may write to it.
    fn is_shared(&self) -> bool {
        false
    }

    /// Why nothing can be written until the process is started again; `Ok` if it can.
    fn writable(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Brings the store to rest before the process ends: what was written stands in its place, and nothing is read or written any
    /// more. A store that was not closed, because the process was killed, is as good: its next start does what is left.
    fn close(&self) {}

    /// Waits until something may have changed, at most `millis`; returns early when a store can tell.
    fn wait(&self, millis: u64);

    /// Forgets rows that ended before `now`, old change-log entries and old batch ids; at most `limit` rows a call.
    /// Returns how many rows went.
    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault>;
}
