//! A backup is a SQLite file with our own schema, whichever store it is made from; so one can be moved to the other.

use crate::schema::{MIGRATIONS, Migration};
use crate::sqlite::{export_connection, fault, parameters};
use crate::statement;
use jeton_core::record::{KINDS, Kind};
use jeton_core::store::{Fault, Order, Place, Row, Scan, View};
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

/// Rows that are read at once.
const PAGE: usize = 1000;

/// How many rows of each kind there are, in the order of kinds.
pub type Counts = Vec<(&'static str, u64)>;

/// The version of the schema that this jeton writes.
#[must_use]
pub fn schema_version() -> i64 {
    MIGRATIONS.iter().map(|step: &Migration| step.version).max().unwrap_or(0)
}

/// Writes every row of a view into a new file; `progress` is told how many rows were written. The file is not synced.
pub fn write_backup(view: &mut dyn View, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Counts, Fault> {
    let connection = export_connection(path)?;
    connection.execute_batch("BEGIN").map_err(|error| fault(&error))?;
    let mut counts = Counts::new();
    let mut all = 0;
    for kind in KINDS {
        let mut count = 0;
        each_page(view, kind, &mut |rows| {
            for row in &rows {
                insert(&connection, kind, row)?;
            }
            count += rows.len() as u64;
            progress(all + count);
            Ok(())
        })?;
        all += count;
        counts.push((kind.name, count));
    }
    connection.execute_batch("COMMIT").map_err(|error| fault(&error))?;
    connection.close().map_err(|(_, error)| fault(&error))?;
    Ok(counts)
}

/// The rows of a kind in the order of their keys, some at a time.
pub fn each_page(
    view: &mut dyn View,
    kind: &'static Kind,
    each: &mut dyn FnMut(Vec<Row>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let scan = Scan { kind, index: None, prefix: Vec::new(), after, order: Order::Ascending, limit: PAGE };
        let rows = view.scan(&scan)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(Place { values: Vec::new(), key: last.key });
        let is_end = rows.len() < PAGE;
        each(rows)?;
        if is_end {
            return Ok(());
        }
    }
}

fn insert(connection: &Connection, kind: &'static Kind, row: &Row) -> Result<(), Fault> {
    let values = statement::copied(kind, row)?;
    let sql = statement::copy(crate::Dialect::Sqlite, kind);
    let mut statement = connection.prepare_cached(&sql).map_err(|error| fault(&error))?;
    statement.execute(params_from_iter(parameters(&values))).map_err(|error| fault(&error))?;
    Ok(())
}
