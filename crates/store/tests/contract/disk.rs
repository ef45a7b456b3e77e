//! When the disk fails, the embedded store never says `Ok` for what may be lost, goes on reading, and comes back whole.
//!
//! Each case runs in a process of its own, whose disk is made to fail from outside.

use jeton_core::name::{Key, Time};
use jeton_core::record::{LastUse, Record};
use jeton_core::store::{Batch, CommitError, Fault, Row, Store, Write};
use jeton_store::SqliteStore;
use std::path::Path;
use std::process::Command;

/// Where a child keeps its store, and what it does.
const DIRECTORY: &str = "JETON_TEST_DIRECTORY";
const CASE: &str = "JETON_TEST_CASE";
/// The file that says which syncs fail (see `failing_fsync.c`).
const FAIL: &str = "JETON_FAIL";

fn key(number: u64) -> Key {
    Key::new(Time::from_millis(0), [number.to_be_bytes().as_slice(), &[0; 2]].concat().try_into().expect("ten bytes"))
}

/// One row of ten thousand bytes.
fn commit(store: &dyn Store, number: u64) -> Result<(), CommitError> {
    let body = format!("\"{}\"", "x".repeat(10_000)).into_bytes();
    let row = Row { key: key(number), version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body };
    store.commit(Batch {
        id: row.key,
        now: Time::from_millis(0),
        guards: Vec::new(),
        writes: vec![Write::Insert(LastUse::KIND, row)],
    })
}

/// How many rows stand there without a gap.
fn count(store: &dyn Store) -> u64 {
    let mut count = 0;
    let read = &mut |view: &mut dyn jeton_core::store::View| {
        while view.get(LastUse::KIND, key(count))?.is_some() {
            count += 1;
        }
        Ok(())
    };
    store.view(Time::from_millis(0), read).expect("reads go on");
    count
}

fn commit_until_it_fails(store: &dyn Store) -> (u64, Fault) {
    let mut number = 0;
    loop {
        match commit(store, number) {
            Ok(()) => number += 1,
            Err(CommitError::Fault(fault)) => return (number, fault),
            Err(CommitError::Conflict) => panic!("nobody else writes"),
        }
        assert!(number < 5000, "the disk does not fail");
    }
}

/// Not a case of its own: what the children of the cases do. Prints how many rows were acknowledged.
#[test]
fn child() {
    let (Some(directory), Ok(case)) = (std::env::var_os(DIRECTORY), std::env::var(CASE)) else { return };
    let store = SqliteStore::open(Path::new(&directory)).expect("opens");
    let fail = |files: &str| std::fs::write(std::env::var_os(FAIL).expect("is set"), files).expect("is writable");
    let acknowledged = match case.as_str() {
        "full" => {
            let (number, fault) = commit_until_it_fails(&store);
            assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
            number
        }
        "log" => {
            (0..10).for_each(|number| commit(&store, number).expect("commits"));
            fail("jeton.db-wal");
            let unknown = commit(&store, 10).expect_err("is not durable");
            assert!(
                matches!(&unknown, CommitError::Fault(Fault::Unavailable(cause)) if cause.contains("unknown")),
                "{unknown:?}"
            );
            fail("");
            let stopped = commit(&store, 11).expect_err("a second sync may lie");
            assert!(
                matches!(&stopped, CommitError::Fault(Fault::Unavailable(cause)) if cause.contains("start jeton again")),
                "{stopped:?}"
            );
            10
        }
        _ => {
            fail("jeton.db");
            let (number, fault) = commit_until_it_fails(&store);
            fail("");
            assert!(matches!(&fault, Fault::Unavailable(cause) if cause.contains("start jeton again")), "{fault}");
            number
        }
    };
    assert_eq!(count(&store), acknowledged);
    println!("acknowledged {acknowledged}.");
}

/// Runs a case in a child, then opens the store on the healed disk.
fn run(case: &str, script: &str, preload: Option<&Path>) -> (u64, u64) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().expect("tests are a program"));
    command.env(DIRECTORY, directory.path().join("data")).env(CASE, case).env(FAIL, directory.path().join("fail"));
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    let output = command.output().expect("a shell can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged = said.split("acknowledged ").nth(1).and_then(|rest| rest.split('.').next()?.parse().ok()).expect("says so");
    let store = SqliteStore::open(&directory.path().join("data")).expect("opens again");
    let found = count(&store);
    commit(&store, found).expect("writes again");
    (acknowledged, found)
}

const CHILD: &str = "exec \"$0\" --exact disk::child --nocapture";

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let (acknowledged, found) = run("full", &format!("trap '' XFSZ; ulimit -f 4000; {CHILD}"), None);
    assert!(acknowledged > 10);
    assert_eq!(found, acknowledged);
}

#[test]
fn a_failed_sync_is_never_an_ok_and_ends_writing() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let library = directory.path().join("failing_fsync.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/failing_fsync.c");
    // A C compiler is there: SQLite was built with it.
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(built.expect("a C compiler can be started").success());
    let (acknowledged, found) = run("log", CHILD, Some(&library));
    assert!(found == acknowledged || found == acknowledged + 1, "the outcome was unknown, but not double: {found}");
    let (acknowledged, found) = run("checkpoint", CHILD, Some(&library));
    assert!(acknowledged > 10);
    assert_eq!(found, acknowledged);
}
