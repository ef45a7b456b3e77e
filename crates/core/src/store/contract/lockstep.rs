//! A lock-step run gives two stores the same random operations and compares every answer.

use super::*;
use crate::record::{ApiKey, ColumnType};

/// The kinds that are written: unique and not, with nulls, texts and numbers, with and without columns.
const WRITTEN: [&Kind; 5] = [Client::KIND, JournalEntry::KIND, Usage::KIND, LastUse::KIND, ApiKey::KIND];
const TEXTS: [&str; 6] = ["", "a", "A", "b", "ä", "aa"];

/// Random numbers from a seed (SplitMix64); good enough to choose with, and the same everywhere.
struct Choice(u64);

impl Choice {
    fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.number(choices.len() as u64)).expect("is below the length")]
    }

    fn value(&mut self, ty: ColumnType) -> Value {
        match (self.number(6), ty) {
            (0, _) => Value::Null,
            (_, ColumnType::Text) => self.of(&TEXTS).into(),
            (_, ColumnType::Integer) => Value::Integer(self.of(&[i64::MIN, -1, 0, 1, 10, i64::MAX])),
            (_, ColumnType::Bytes) => key(self.number(3)).into(),
        }
    }

    fn row(&mut self, kind: &'static Kind, now: Time) -> Row {
        let columns = kind.columns.iter().map(|column| self.value(column.ty)).collect();
        let end = i64::try_from(self.number(40)).expect("small");
        let expires_at = (end < 30).then(|| now.plus_seconds(end));
        let body = format!("{{\"n\":{}}}", self.number(1000));
        Row { expires_at, ..row(self.number(12), columns, &body) }
    }

    fn batch(&mut self, store: &dyn Store, now: Time) -> Batch {
        let writes = (0..=self.number(3)).map(|_| self.write(now)).collect();
        let mut guards: Vec<Guard> = (0..self.number(3))
            .map(|_| {
                let (kind, number) = (self.of(&WRITTEN), self.number(12));
                let version = look(store, now, |view| view.get(kind, key(number))).map(|row| row.version);
                // One in eight is stale.
                guard(kind, number, if self.number(8) == 0 { Some(1000) } else { version })
            })
            .collect();
        guards.sort_by_key(|guard| (guard.kind.name, guard.key));
        guards.dedup_by_key(|guard| (guard.kind.name, guard.key));
        batch(now, guards, writes)
    }

    fn write(&mut self, now: Time) -> Write {
        let kind = self.of(&WRITTEN);
        match self.number(5) {
            0 | 1 => Write::Insert(kind, self.row(kind, now)),
            2 => Write::Replace(kind, self.row(kind, now)),
            3 => Write::Touch(kind, key(self.number(12))),
            _ => Write::Delete(kind, key(self.number(12))),
        }
    }

    fn scan(&mut self) -> Scan {
        let kind = self.of(&WRITTEN);
        let index = (self.number(4) > 0 && !kind.indexes.is_empty()).then(|| self.number(kind.indexes.len() as u64));
        let index = index.map(|number| &kind.indexes[usize::try_from(number).expect("is below the length")]);
        let types: Vec<ColumnType> =
            index.map_or(&[] as &[&str], |index| index.columns).iter().map(|name| column_type(kind, name)).collect();
        let fixed = usize::try_from(self.number(types.len() as u64 + 1)).expect("small");
        let prefix = types[..fixed].iter().map(|ty| self.value(*ty)).collect();
        let after = (self.number(2) == 0)
            .then(|| Place { values: types[fixed..].iter().map(|ty| self.value(*ty)).collect(), key: key(self.number(12)) });
        let order = self.of(&[Order::Ascending, Order::Descending]);
        let limit = usize::try_from(self.number(6)).expect("small");
        Scan { kind, index: index.map(|index| index.name), prefix, after, order, limit }
    }
}

fn column_type(kind: &Kind, name: &str) -> ColumnType {
    kind.columns.iter().find(|column| column.name == name).expect("an index has columns of its kind").ty
}

/// Runs so many operations on both stores; the first difference is a panic that names the operation and the seed.
pub fn lockstep(reference: &dyn Store, subject: &dyn Store, seed: u64, operations: usize) {
    let mut choice = Choice(seed);
    let mut now = NOW;
    let mut committed = 0;
    for operation in 0..operations {
        let place = format!("operation {operation} of seed {seed}");
        now = now.plus_seconds(i64::try_from(choice.number(3)).expect("small"));
        match choice.number(20) {
            // A store may have forgotten an ended row before, so only what is read afterwards is compared.
            0 => [subject, reference]
                .iter()
                .for_each(|store| assert!(store.sweep(now, 3).expect("answers") <= 3, "{place}: sweep")),
            1..=9 => {
                let batch = choice.batch(reference, now);
                let expected = reference.commit(batch.clone());
                committed += usize::from(expected.is_ok());
                assert_eq!(subject.commit(batch.clone()), expected, "{place}: {batch:?}");
            }
            10..=11 => {
                let (kind, number) = (choice.of(&WRITTEN), choice.number(12));
                let read = |store| look(store, now, |view| view.get(kind, key(number)));
                assert_eq!(read(subject), read(reference), "{place}: get {} {number}", kind.name);
            }
            _ => {
                let scan = choice.scan();
                let read = |store| look(store, now, |view| view.scan(&scan));
                assert_eq!(read(subject), read(reference), "{place}: {scan:?}");
            }
        }
    }
    assert!(committed > operations / 20, "only {committed} batches were committed: the choices prove nothing");
    let written = reference.changes(Position::default(), usize::MAX).expect("answers");
    let told = follow(subject, Position::default(), written.len());
    let targets = |changes: Vec<Change>| changes.into_iter().map(|change| (change.kind, change.key)).collect::<Vec<_>>();
    assert_eq!(targets(told), targets(written), "the change logs of seed {seed}");
}
