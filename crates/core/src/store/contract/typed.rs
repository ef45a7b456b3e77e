//! Cases about records: a decision that reads and writes with types, and the forms of older versions.

use super::*;
use crate::record::Lookup;
use crate::store::{Reader, Records};
use serde::{Deserialize, Serialize};

/// A record of our own in the table of [`Usage`]. Its parent is a row of [`LastUse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Child {
    key: Key,
    parent: Key,
    number: i64,
    colour: String,
}

impl Record for Child {
    const KIND: &'static Kind = Usage::KIND;

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.parent.into(), Value::Integer(self.number)]
    }

    fn parent(&self) -> Option<(&'static Kind, Key)> {
        Some((LastUse::KIND, self.parent))
    }

    fn upgrade(from: u32, mut body: serde_json::Value) -> serde_json::Value {
        if from == 0 {
            body["colour"] = "grey".into();
        }
        body
    }
}

fn child(number: u64) -> Child {
    Child { key: key(number), parent: key(1), number: i64::try_from(number).expect("small"), colour: "red".to_owned() }
}

fn children() -> Lookup {
    Lookup { index: Some("client_hour"), prefix: vec![key(1).into()], guard: Some((LastUse::KIND, key(1))) }
}

/// Runs a decision on one view and answers its batch.
fn decide(store: &dyn Store, mut decision: impl FnMut(&mut Records<'_>) -> Result<(), Fault>) -> Batch {
    look(store, NOW, |view| {
        let mut records = Records::new(view);
        decision(&mut records)?;
        Ok(records.into_batch(batch(NOW, Vec::new(), Vec::new()).id, NOW))
    })
}

fn with_parent(fresh: Fresh<'_>) -> Box<dyn Store> {
    let store = fresh();
    write(&*store, vec![Write::Insert(LastUse::KIND, note(1, "{}"))]).expect("commits");
    store
}

/// A decision sees what it wrote; others see it after the commit.
pub fn a_decision_reads_what_it_wrote(fresh: Fresh<'_>) {
    let store = with_parent(fresh);
    let batch = decide(&*store, |records| {
        assert_eq!(records.read::<Child>(key(2))?, None);
        records.insert(&child(2))?;
        assert_eq!(records.read(key(2))?, Some(child(2)));
        records.update(&Child { colour: "blue".to_owned(), ..child(2) })?;
        assert_eq!(records.read(key(2))?, Some(Child { colour: "blue".to_owned(), ..child(2) }));
        Ok(())
    });
    assert_eq!(get(&*store, Usage::KIND, 2), None);
    assert_eq!(store.commit(batch), Ok(()));
    let read = look(&*store, NOW, |view| Reader::new(view).scan::<Child>(children(), None, Order::Ascending, 10));
    assert_eq!(read, [Child { colour: "blue".to_owned(), ..child(2) }]);
    assert_eq!(version(&*store, LastUse::KIND, 1), Some(2), "the parent was touched");
}

/// A body of an older version is brought up to the present one.
pub fn an_older_record_is_upgraded(fresh: Fresh<'_>) {
    let store = with_parent(fresh);
    let body = format!("{{\"key\":\"{}\",\"parent\":\"{}\",\"number\":2}}", key(2), key(1));
    let old = Row { body_version: 0, body: body.into(), ..usage(2, 1, 2) };
    write(&*store, vec![Write::Insert(Usage::KIND, old)]).expect("commits");
    let read = look(&*store, NOW, |view| Reader::new(view).read::<Child>(key(2)));
    assert_eq!(read, Some(Child { colour: "grey".to_owned(), ..child(2) }));
    let batch = decide(&*store, |records| records.update(&child(2)));
    store.commit(batch).expect("commits");
    assert_eq!(get(&*store, Usage::KIND, 2).map(|row| row.body_version), Some(1));
}

/// A body of a newer version is not guessed at.
pub fn a_newer_record_is_refused(fresh: Fresh<'_>) {
    let store = with_parent(fresh);
    write(&*store, vec![Write::Insert(Usage::KIND, Row { body_version: 2, ..usage(2, 1, 2) })]).expect("commits");
    let answer = store.view(NOW, &mut |view| Reader::new(view).read::<Child>(key(2)).map(drop));
    assert!(matches!(answer, Err(Fault::Foreign(_))), "{answer:?}");
}

/// A decision that relied on a scan conflicts when somebody adds, changes or removes a child.
pub fn a_phantom_conflicts(fresh: Fresh<'_>) {
    let store = with_parent(fresh);
    let count = || {
        decide(&*store, |records| {
            let number = records.scan::<Child>(children(), None, Order::Ascending, 10)?.len() as u64;
            records.insert(&Child { key: key(100 + number), ..child(100 + number) })
        })
    };
    let early = count();
    store.commit(decide(&*store, |records| records.insert(&child(2)))).expect("commits");
    assert_eq!(store.commit(early), Err(CommitError::Conflict));
    let early = count();
    store
        .commit(decide(&*store, |records| {
            let found = records.read::<Child>(key(2))?.expect("was inserted");
            records.delete(&found);
            Ok(())
        }))
        .expect("commits");
    assert_eq!(store.commit(early), Err(CommitError::Conflict));
    assert_eq!(store.commit(count()), Ok(()));
}
