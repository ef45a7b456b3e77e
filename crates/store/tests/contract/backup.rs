//! A backup is the same whichever store it is made from, and fills either.

use crate::postgres::server;
use jeton_core::name::{Key, Time};
use jeton_core::record::{Installation, KINDS, Kind, Record, Usage, Value};
use jeton_core::store::{Batch, Fault, Order, Row, Scan, Store, View, Write};
use jeton_store::{PostgresStore, Present, SqliteReader, SqliteStore, write_backup};
use std::path::Path;

const NOW: Time = Time::from_millis(1000);

fn row(kind: &'static Kind, number: u64, columns: Vec<Value>) -> Write {
    let key = Key::new(Time::from_millis(0), [number.to_be_bytes().as_slice(), &[0; 2]].concat().try_into().expect("ten bytes"));
    let body = format!("{{\"number\":{number},\"text\":\"ä\"}}").into_bytes();
    Write::Insert(kind, Row { key, version: 1, body_version: 1, columns, expires_at: None, body })
}

/// More rows than are read at once, an installation, and a row that has grown.
fn fill(store: &dyn Store) {
    let mut writes = vec![row(Installation::KIND, 1, vec![Value::Integer(1)])];
    writes
        .extend((0..2500).map(|number| row(Usage::KIND, number, vec![Value::Bytes(vec![7; 16]), Value::Integer(number as i64)])));
    let grown = writes[3].target();
    writes.push(Write::Touch(grown.0, grown.1));
    store.commit(Batch { id: Key::from_bytes([9; 16]), now: NOW, guards: Vec::new(), writes }).expect("commits");
}

fn rows(view: &mut dyn View) -> Result<Vec<Row>, Fault> {
    let mut found = Vec::new();
    for kind in KINDS {
        let limit = 10_000;
        found.extend(view.scan(&Scan { kind, index: None, prefix: Vec::new(), after: None, order: Order::Ascending, limit })?);
    }
    Ok(found)
}

fn all(store: &dyn Store) -> Vec<Row> {
    let mut found = Vec::new();
    store
        .view(NOW, &mut |view| {
            found = rows(view)?;
            Ok(())
        })
        .expect("reads");
    found
}

fn backup(store: &dyn Store, path: &Path) -> SqliteReader {
    store.view(NOW, &mut |view| write_backup(view, path, &mut |_| ()).map(drop)).expect("is written");
    SqliteReader::of_file(path).expect("is read")
}

#[test]
fn a_backup_has_every_row_as_it_was() {
    let room = tempfile::tempdir().expect("works");
    let store = SqliteStore::open(&room.path().join("data")).expect("opens");
    fill(&store);
    let reader = backup(&store, &room.path().join("a backup?#%.db"));
    let mut found = Vec::new();
    reader
        .view(NOW, &mut |view| {
            found = rows(view)?;
            Ok(())
        })
        .expect("reads");
    assert_eq!(found, all(&store));
    assert_eq!(found.len(), 2501);
    assert_eq!(reader.structure(), Ok(Vec::new()));
}

#[test]
fn a_backup_moves_a_store_to_postgresql_and_back() {
    let Some(server) = server() else { return };
    let room = tempfile::tempdir().expect("works");
    let store = SqliteStore::open(&room.path().join("data")).expect("opens");
    fill(&store);
    let reader = backup(&store, &room.path().join("one.backup"));
    let url = server.url();
    let filled = |present| {
        let mut done = Ok(());
        reader
            .view(NOW, &mut |view| {
                done = PostgresStore::fill(&url, view, present, &mut |_| ());
                Ok(())
            })
            .expect("reads");
        done
    };
    assert_eq!(filled(Present::Stays), Ok(()));
    assert!(filled(Present::Stays).is_err_and(|fault| fault.to_string().contains("--replace")));
    let moved = PostgresStore::connect(&url).expect("connects");
    assert_eq!(all(&moved), all(&store));
    assert!(filled(Present::Goes).is_err_and(|fault| fault.to_string().contains("stop every node")));
    let again = backup(&moved, &room.path().join("two.backup"));
    drop(moved);
    // Sessions end a moment after their connections.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while filled(Present::Goes).is_err() {
        assert!(std::time::Instant::now() < deadline, "the database is never left alone");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut found = Vec::new();
    again
        .view(NOW, &mut |view| {
            found = rows(view)?;
            Ok(())
        })
        .expect("reads");
    assert_eq!(found, all(&store));
}
