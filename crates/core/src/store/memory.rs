//! The reference store keeps everything in memory: the executable meaning of [`Store`].
//!
//! It is written to be read, not to be fast: a scan sorts, a unique index is checked by looking at every row.

use super::{
    BATCHES_KEPT_SECONDS, Batch, CHANGES_KEPT_SECONDS, Change, CommitError, Fault, Order, Position, Reading, Row, Scan, Store,
    View, Write,
};
use crate::name::{Key, Time};
use crate::record::{Kind, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A store that forgets everything at the end of the process.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    changed: Condvar,
}

/// What a coming commit does; for simulations and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// What it should.
    Succeed,
    /// Nothing; this is answered.
    Refuse(CommitError),
    /// The batch is written if it can be, but this is answered: the answer was lost.
    LoseAnswer(Fault),
}

#[derive(Default)]
struct State {
    tables: Tables,
    log: Vec<(Time, Change)>,
    batches: BTreeMap<Key, Time>,
    written: u64,
    planned: VecDeque<Planned>,
    down: Option<Fault>,
}

/// Rows by kind and key. A view shares them; a commit copies a table only while a view still looks at it.
type Tables = BTreeMap<&'static str, Arc<BTreeMap<Key, Row>>>;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans the coming commits, in order; behind them commits do what they should.
    pub fn plan(&self, commits: impl IntoIterator<Item = Planned>) {
        self.lock().planned.extend(commits);
    }

    /// Whether a plan for a coming commit is left.
    #[must_use]
    pub fn has_plans(&self) -> bool {
        !self.lock().planned.is_empty()
    }

    /// From now on everything fails like this; `None` ends it.
    pub fn fail_all(&self, fault: Option<Fault>) {
        self.lock().down = fault;
    }

    /// Every row, ended ones too, with the name of its kind.
    #[must_use]
    pub fn dump(&self) -> Vec<(&'static str, Row)> {
        let state = self.lock();
        state.tables.iter().flat_map(|(kind, rows)| rows.values().map(|row| (*kind, row.clone()))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A batch is undone before a panic can happen, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> Result<MutexGuard<'_, State>, Fault> {
        let state = self.lock();
        state.down.clone().map_or(Ok(state), Err)
    }
}

impl Store for MemoryStore {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        let tables = self.up()?.tables.clone();
        read(&mut Snapshot { now, tables })
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let mut state = self.up()?;
        match state.planned.pop_front().unwrap_or(Planned::Succeed) {
            Planned::Succeed => state.commit(&batch)?,
            Planned::Refuse(error) => return Err(error),
            Planned::LoseAnswer(fault) => {
                state.commit(&batch)?;
                return Err(fault.into());
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        let state = self.up()?;
        let later = state.log.iter().map(|(_, change)| change).filter(|change| change.position > after);
        Ok(later.take(limit).cloned().collect())
    }

    fn position(&self) -> Result<Position, Fault> {
        Ok(Position(self.up()?.written, 0))
    }

    fn wait(&self, millis: u64) {
        // Returning early or late is allowed, so neither a spurious wake-up nor a poisoned lock matters.
        drop(self.changed.wait_timeout(self.lock(), Duration::from_millis(millis)));
    }

    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        let mut state = self.up()?;
        let mut left = limit;
        for rows in state.tables.values_mut() {
            let ended: Vec<Key> = rows.values().filter(|row| !row.is_live(now)).map(|row| row.key).take(left).collect();
            left -= ended.len();
            if !ended.is_empty() {
                Arc::make_mut(rows).retain(|key, _| !ended.contains(key));
            }
        }
        let oldest = now.plus_seconds(-CHANGES_KEPT_SECONDS);
        let old = state.log.iter().take_while(|(at, _)| *at < oldest).count().min(left);
        left -= state.log.drain(..old).count();
        let oldest = now.plus_seconds(-BATCHES_KEPT_SECONDS);
        let old: Vec<Key> = state.batches.iter().filter(|(_, at)| **at < oldest).map(|(id, _)| *id).take(left).collect();
        left -= old.len();
        state.batches.retain(|id, _| !old.contains(id));
        Ok(limit - left)
    }
}

impl State {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let holds = |guard: &super::Guard| {
            let row = self.tables.get(guard.kind.name).and_then(|rows| rows.get(&guard.key)).filter(|row| row.is_live(batch.now));
            row.map(|row| row.version) == guard.version
        };
        if self.batches.contains_key(&batch.id) || !batch.guards.iter().all(holds) {
            return Err(CommitError::Conflict);
        }
        let mut undo = Vec::new();
        for write in &batch.writes {
            let (kind, key) = write.target();
            let rows = Arc::make_mut(self.tables.entry(kind.name).or_default());
            undo.push((kind, key, rows.get(&key).cloned()));
            if !apply(rows, write, batch.now) {
                self.restore(undo);
                return Err(CommitError::Conflict);
            }
        }
        for write in &batch.writes {
            let (kind, key) = write.target();
            self.written += 1;
            self.log.push((batch.now, Change { position: Position(self.written, 0), kind: kind.name.to_owned(), key }));
        }
        self.batches.insert(batch.id, batch.now);
        Ok(())
    }

    fn restore(&mut self, undo: Vec<(&'static Kind, Key, Option<Row>)>) {
        for (kind, key, before) in undo.into_iter().rev() {
            let rows = Arc::make_mut(self.tables.entry(kind.name).or_default());
            match before {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
    }
}

/// Does one write; false if it conflicts.
fn apply(rows: &mut BTreeMap<Key, Row>, write: &Write, now: Time) -> bool {
    let (kind, key) = write.target();
    let version = rows.get(&key).filter(|row| row.is_live(now)).map(|row| row.version);
    match (write, version) {
        (Write::Insert(_, row), None) if is_unique(rows, kind, row, now) => {
            rows.insert(key, Row { version: 1, ..row.clone() });
            true
        }
        (Write::Replace(_, row), Some(version)) if is_unique(rows, kind, row, now) => {
            rows.insert(key, Row { version: version + 1, ..row.clone() });
            true
        }
        (Write::Touch(..), Some(version)) => rows.get_mut(&key).map(|row| row.version = version + 1).is_some(),
        (Write::Delete(..), Some(_)) => rows.remove(&key).is_some(),
        _ => false,
    }
}

fn is_unique(rows: &BTreeMap<Key, Row>, kind: &Kind, row: &Row, now: Time) -> bool {
    kind.indexes.iter().filter(|index| index.unique).all(|index| {
        let values = row.values(kind, index.columns);
        let taken = |other: &Row| other.key != row.key && other.is_live(now) && other.values(kind, index.columns) == values;
        values.contains(&Value::Null) || !rows.values().any(taken)
    })
}

struct Snapshot {
    now: Time,
    tables: Tables,
}

impl View for Snapshot {
    fn get(&mut self, kind: &'static Kind, key: Key) -> Result<Option<Row>, Fault> {
        let row = self.tables.get(kind.name).and_then(|rows| rows.get(&key));
        Ok(row.filter(|row| row.is_live(self.now)).cloned())
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, Fault> {
        let (fixed, free) = scan.columns()?.split_at(scan.prefix.len());
        let Some(rows) = self.tables.get(scan.kind.name) else { return Ok(Vec::new()) };
        let live = rows.values().filter(|row| row.is_live(self.now) && row.values(scan.kind, fixed) == scan.prefix);
        let mut found: Vec<(Vec<Value>, Key, &Row)> = live.map(|row| (row.values(scan.kind, free), row.key, row)).collect();
        found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        if scan.order == Order::Descending {
            found.reverse();
        }
        let is_behind = |values: &Vec<Value>, key: &Key| match (&scan.after, scan.order) {
            (None, _) => true,
            (Some(place), Order::Ascending) => (values, key) > (&place.values, &place.key),
            (Some(place), Order::Descending) => (values, key) < (&place.values, &place.key),
        };
        let rows = found.into_iter().filter(|(values, key, _)| is_behind(values, key)).take(scan.limit);
        Ok(rows.map(|(_, _, row)| row.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod contract {
        crate::store_contract!(|| Box::new(crate::store::MemoryStore::new()) as Box<dyn crate::store::Store>);
    }

    #[test]
    fn a_planned_commit_does_what_was_planned() {
        let store = MemoryStore::new();
        let lost = Fault::Unavailable("the answer was lost".to_owned());
        store.plan([Planned::Refuse(CommitError::Conflict), Planned::LoseAnswer(lost.clone()), Planned::Succeed]);
        let row = |number| {
            let key = Key::from_bytes([number; 16]);
            Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: b"{}".to_vec() }
        };
        let commit = |number| {
            let write = Write::Insert(<crate::record::LastUse as crate::record::Record>::KIND, row(number));
            store.commit(Batch { id: row(number).key, now: Time::from_millis(0), guards: Vec::new(), writes: vec![write] })
        };
        assert_eq!(commit(1), Err(CommitError::Conflict));
        assert_eq!(commit(2), Err(CommitError::Fault(lost.clone())));
        assert_eq!(commit(3), Ok(()));
        assert_eq!(store.dump(), [("last_use", row(2)), ("last_use", row(3))]);
        store.fail_all(Some(lost.clone()));
        assert_eq!(store.position(), Err(lost));
    }
}
