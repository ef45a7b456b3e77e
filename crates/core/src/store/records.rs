//! Records read with a type and write into a buffer, so that nothing is written before a decision is made.

use super::{Batch, Fault, Guard, Order, Place, Row, Scan, View, Write};
use crate::name::{Key, Time};
use crate::record::{Kind, Lookup, Record};
use crate::world::{Facts, Need, Stop};
use std::collections::BTreeMap;

/// Typed reading of one view, without writing.
pub struct Reader<'a> {
    view: &'a mut dyn View,
}

impl<'a> Reader<'a> {
    /// Reads from this view.
    pub fn new(view: &'a mut dyn View) -> Self {
        Self { view }
    }

    /// The record of this key.
    pub fn read<R: Record>(&mut self, key: Key) -> Result<Option<R>, Fault> {
        self.view.get(R::KIND, key)?.map(|row| decode(&row)).transpose()
    }

    /// The first record that a lookup finds.
    pub fn find<R: Record>(&mut self, lookup: Lookup) -> Result<Option<R>, Fault> {
        Ok(self.scan(lookup, None, Order::Ascending, 1)?.pop())
    }

    /// Records that a lookup finds, in order, at most `limit`.
    pub fn scan<R: Record>(&mut self, lookup: Lookup, after: Option<Place>, order: Order, limit: usize) -> Result<Vec<R>, Fault> {
        let scan = Scan { kind: R::KIND, index: lookup.index, prefix: lookup.prefix, after, order, limit };
        self.view.scan(&scan)?.iter().map(decode).collect()
    }
}

/// Typed reading with memory of what was read, and buffered writing.
pub struct Records<'a> {
    view: &'a mut dyn View,
    guards: BTreeMap<(&'static str, Key), Guard>,
    writes: Vec<Write>,
    /// Where the last write of each record stands among the writes.
    last: BTreeMap<(&'static str, Key), usize>,
}

impl<'a> Records<'a> {
    /// Reads from this view; nothing is written until [`Records::into_batch`] is committed.
    pub fn new(view: &'a mut dyn View) -> Self {
        Self { view, guards: BTreeMap::new(), writes: Vec::new(), last: BTreeMap::new() }
    }

    /// The record of this key, as this decision has left it.
    pub fn read<R: Record>(&mut self, key: Key) -> Result<Option<R>, Fault> {
        let row = self.view.get(R::KIND, key)?;
        self.guard(R::KIND, key, row.as_ref().map(|row| row.version));
        match self.written(R::KIND, key) {
            Some(Write::Insert(_, row) | Write::Replace(_, row)) => decode(row).map(Some),
            Some(Write::Delete(..)) => Ok(None),
            _ => row.map(|row| decode(&row)).transpose(),
        }
    }

    /// The first record that a lookup finds, as this decision has left it.
    pub fn find<R: Record>(&mut self, lookup: Lookup) -> Result<Option<R>, Fault> {
        let mut found = self.scan(lookup, None, Order::Ascending, 1)?;
        Ok(found.pop())
    }

    /// Records that a lookup finds, in order, at most `limit`. Rows that this decision wrote itself are seen as it left them,
    /// except that new ones do not appear: a decision does not scan for what it has just made.
    pub fn scan<R: Record>(&mut self, lookup: Lookup, after: Option<Place>, order: Order, limit: usize) -> Result<Vec<R>, Fault> {
        if let Some((kind, key)) = lookup.guard {
            let parent = self.view.get(kind, key)?;
            self.guard(kind, key, parent.map(|row| row.version));
        }
        let scan = Scan { kind: R::KIND, index: lookup.index, prefix: lookup.prefix, after, order, limit };
        let rows = self.view.scan(&scan)?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            self.guard(R::KIND, row.key, Some(row.version));
            match self.written(R::KIND, row.key) {
                Some(Write::Insert(_, row) | Write::Replace(_, row)) => records.push(decode(row)?),
                Some(Write::Delete(..)) => {}
                _ => records.push(decode(&row)?),
            }
        }
        Ok(records)
    }

    /// A new record. If its key or a unique value is taken, the commit conflicts and the decision runs again.
    pub fn insert<R: Record>(&mut self, record: &R) -> Result<(), Fault> {
        self.touch_parent(record);
        self.push(R::KIND, record.key(), Write::Insert(R::KIND, encode(record)?));
        Ok(())
    }

    /// New contents of a record that was read.
    pub fn update<R: Record>(&mut self, record: &R) -> Result<(), Fault> {
        let row = encode(record)?;
        let key = row.key;
        // A record made by this decision stays one insert.
        let made = self.last.get(&(R::KIND.name, key)).and_then(|at| self.writes.get_mut(*at));
        if let Some(Write::Insert(_, made)) = made {
            *made = row;
            return Ok(());
        }
        self.touch_parent(record);
        self.push(R::KIND, key, Write::Replace(R::KIND, row));
        Ok(())
    }

    /// The record goes.
    pub fn delete<R: Record>(&mut self, record: &R) {
        self.touch_parent(record);
        self.push(R::KIND, record.key(), Write::Delete(R::KIND, record.key()));
    }

    /// Forgets what this decision wrote; what it read still guards the batch.
    pub fn forget_writes(&mut self) {
        self.writes.clear();
        self.last.clear();
    }

    /// Whether anything was written.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.writes.is_empty()
    }

    /// What this decision relies on and writes.
    #[must_use]
    pub fn into_batch(self, id: Key, now: Time) -> Batch {
        Batch { id, now, guards: self.guards.into_values().collect(), writes: self.writes }
    }

    fn guard(&mut self, kind: &'static Kind, key: Key, version: Option<u64>) {
        self.guards.entry((kind.name, key)).or_insert(Guard { kind, key, version });
    }

    fn touch_parent<R: Record>(&mut self, record: &R) {
        let Some((kind, key)) = record.parent() else {
            return;
        };
        if self.written(kind, key).is_none() {
            self.push(kind, key, Write::Touch(kind, key));
        }
    }

    fn push(&mut self, kind: &'static Kind, key: Key, write: Write) {
        self.last.insert((kind.name, key), self.writes.len());
        self.writes.push(write);
    }

    /// The last write of this record by this decision.
    fn written(&self, kind: &'static Kind, key: Key) -> Option<&Write> {
        self.last.get(&(kind.name, key)).and_then(|at| self.writes.get(*at))
    }
}

/// The records that a decision may change, as far as it runs where it may wait for them.
pub enum Changing<'a, 'v> {
    /// It may not wait here; the fault says why it cannot wait elsewhere either.
    Later(Option<Fault>),
    /// It may read and write these.
    Now(&'a mut Records<'v>),
}

impl<'v> Changing<'_, 'v> {
    /// Nothing can be changed in this run of a decision.
    #[must_use]
    pub fn later(facts: &Facts) -> Self {
        Self::Later(facts.fault.clone())
    }

    /// The records; where the decision may not wait for them, it needs to run elsewhere.
    pub fn records(&mut self) -> Result<&mut Records<'v>, Stop> {
        match self {
            Self::Now(records) => Ok(records),
            Self::Later(None) => Err(Stop::Need(Need::Records)),
            Self::Later(Some(fault)) => Err(Stop::Fault(fault.clone())),
        }
    }
}

fn encode<R: Record>(record: &R) -> Result<Row, Fault> {
    let body = serde_json::to_vec(record).map_err(|_| Fault::Broken("a record cannot be written as JSON"))?;
    Ok(Row {
        key: record.key(),
        version: 1,
        body_version: R::KIND.version,
        columns: record.columns(),
        expires_at: record.expires_at(),
        body,
    })
}

/// A record from its row, whatever version of its form was written.
pub(crate) fn decode<R: Record>(row: &Row) -> Result<R, Fault> {
    let corrupt = |cause: serde_json::Error| Fault::Corrupt(format!("{} {}: {cause}", R::KIND.name, row.key));
    if row.body_version == R::KIND.version {
        return serde_json::from_slice(&row.body).map_err(corrupt);
    }
    if row.body_version > R::KIND.version {
        return Err(Fault::Foreign(format!("{} {} was written by a newer version", R::KIND.name, row.key)));
    }
    let mut body = serde_json::from_slice(&row.body).map_err(corrupt)?;
    for version in row.body_version..R::KIND.version {
        body = R::upgrade(version, body);
    }
    serde_json::from_value(body).map_err(corrupt)
}
