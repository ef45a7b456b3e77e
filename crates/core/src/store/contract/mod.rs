//! The contract is what every store must do, said as cases that are mounted once per store.
//!
//! To see that it can fail, plant a fault: `cargo test -p jeton-store --features planted-fault --test contract` ignores all
//! guards, and the cases about guards and races must fail.
//!
//! Rows here use the tables of real kinds with bodies of their own, because stores make tables only for real kinds.

mod lockstep;
mod races;
mod rows;
mod typed;

pub use lockstep::lockstep;
pub use races::*;
pub use rows::*;
pub use typed::*;

use super::{Batch, Change, CommitError, Fault, Guard, Order, Place, Position, Row, Scan, Store, View, Write};
use crate::name::{Key, Time};
use crate::record::{Client, JournalEntry, Kind, LastUse, Record, Usage, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes an empty store.
pub type Fresh<'a> = &'a dyn Fn() -> Box<dyn Store>;

/// Mounts every case as a test. The first expression is a function that makes an empty store; the second, if any, tells whether
/// there can be one here.
#[macro_export]
macro_rules! store_contract {
    ($fresh:expr) => {
        $crate::store_contract! { $fresh, || true }
    };
    ($fresh:expr, $is_there:expr) => {
        $crate::store_contract! { $fresh, $is_there,
            a_batch_is_read_back, an_aborted_batch_leaves_nothing, a_taken_key_conflicts, a_taken_unique_value_conflicts,
            nulls_are_never_equal_in_a_unique_index, writes_of_absent_rows_conflict, versions_grow_by_one, a_deleted_row_is_gone,
            a_used_batch_id_conflicts, ended_rows_are_not_there, the_sweep_is_bounded, scans_are_ordered_and_bounded,
            scans_start_behind_a_place, nulls_come_first, a_wrong_scan_is_a_fault, a_view_does_not_move, big_batches_are_whole,
            a_decision_reads_what_it_wrote, an_older_record_is_upgraded, a_newer_record_is_refused, a_phantom_conflicts,
            skewed_decisions_conflict, insert_has_one_winner, a_record_is_spent_once, write_skew_never_happens,
            the_change_log_never_skips, a_waiting_reader_is_woken,
        }
    };
    ($fresh:expr, $is_there:expr, $($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            if $is_there() {
                $crate::store::contract::$case(&|| $fresh());
            }
        })+
    };
}

/// The moment at which cases begin.
const NOW: Time = Time::from_seconds(1_800_000_000);

fn key(number: u64) -> Key {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Key::from_bytes(bytes)
}

/// A row of [`Client::KIND`], whose realm and id are unique together.
fn client(number: u64, realm: u64, id: &str) -> Row {
    row(number, vec![key(realm).into(), id.into()], "{}")
}

/// A row of [`JournalEntry::KIND`], whose client may be null.
fn entry(number: u64, client: Option<u64>, request: &str) -> Row {
    let client = client.map_or(Value::Null, |client| key(client).into());
    row(number, vec![key(1).into(), client, request.into()], "{}")
}

/// A row of [`Usage::KIND`].
fn usage(number: u64, client: u64, hour: i64) -> Row {
    row(number, vec![key(client).into(), Value::Integer(hour)], "{}")
}

/// A row of [`LastUse::KIND`], which has no columns.
fn note(number: u64, body: &str) -> Row {
    row(number, Vec::new(), body)
}

fn row(number: u64, columns: Vec<Value>, body: &str) -> Row {
    Row { key: key(number), version: 1, body_version: 1, columns, expires_at: None, body: body.into() }
}

fn batch(now: Time, guards: Vec<Guard>, writes: Vec<Write>) -> Batch {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Batch { id: key(LAST.fetch_add(1, Ordering::Relaxed) + 1), now, guards, writes }
}

fn guard(kind: &'static Kind, number: u64, version: Option<u64>) -> Guard {
    Guard { kind, key: key(number), version }
}

/// Commits writes without guards.
fn write(store: &dyn Store, writes: Vec<Write>) -> Result<(), CommitError> {
    store.commit(batch(NOW, Vec::new(), writes))
}

fn look<T>(store: &dyn Store, now: Time, mut question: impl FnMut(&mut dyn View) -> Result<T, Fault>) -> T {
    let mut answer = None;
    store
        .view(now, &mut |view| {
            answer = Some(question(view)?);
            Ok(())
        })
        .expect("the store answers");
    answer.expect("a view that succeeds has run")
}

fn get(store: &dyn Store, kind: &'static Kind, number: u64) -> Option<Row> {
    look(store, NOW, |view| view.get(kind, key(number)))
}

fn version(store: &dyn Store, kind: &'static Kind, number: u64) -> Option<u64> {
    get(store, kind, number).map(|row| row.version)
}

fn scan(kind: &'static Kind, index: Option<&'static str>, prefix: Vec<Value>) -> Scan {
    Scan { kind, index, prefix, after: None, order: Order::Ascending, limit: 100 }
}

/// The numbers of the keys that a scan finds.
fn found(store: &dyn Store, scan: &Scan) -> Vec<u64> {
    let rows = look(store, NOW, |view| view.scan(scan));
    rows.iter().map(|row| u64::from_be_bytes(row.key.as_bytes()[8..].try_into().expect("a key has sixteen bytes"))).collect()
}

/// Reads changes until there are so many, or none has come for a long time.
fn follow(store: &dyn Store, begin: Position, expected: usize) -> Vec<Change> {
    let mut seen: Vec<Change> = Vec::new();
    let mut idle = 0;
    while seen.len() < expected && idle < 200 {
        let after = seen.last().map_or(begin, |change| change.position);
        let more = store.changes(after, 7).expect("answers");
        if more.is_empty() {
            idle += 1;
            store.wait(100);
        } else {
            idle = 0;
        }
        seen.extend(more);
    }
    assert_eq!(seen.len(), expected, "changes were skipped");
    seen
}
