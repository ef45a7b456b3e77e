//! A database is filled from another store in one transaction: all of it or nothing.

use super::connection::{Connection, Failure};
use super::read::{references, slice};
use crate::backup::each_page;
use crate::schema::Dialect;
use crate::statement;
use jeton_core::record::{KINDS, Kind};
use jeton_core::store::{Fault, Row, View};

/// Rows that are sent before their answers are waited for.
const AT_ONCE: usize = 100;

/// What becomes of a store that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// It stays, and nothing is filled.
    Stays,
    /// It is replaced.
    Goes,
}

/// Fills the database from a view; what is there is removed first if it may be. `progress` is told how many rows there are.
pub(super) fn fill(
    connection: &mut Connection,
    view: &mut dyn View,
    present: Present,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    connection.execute_script("BEGIN").map_err(Failure::into_fault)?;
    let filled = fill_in_transaction(connection, view, present, progress);
    let end = if filled.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute_script(end).map_err(Failure::into_fault);
    filled.and(ended)
}

fn fill_in_transaction(
    connection: &mut Connection,
    view: &mut dyn View,
    present: Present,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name') \
                  AND datname = current_database() AND pid <> pg_backend_pid()";
    if count(connection, others)? > 0 {
        return Err(Fault::Foreign("another jeton process is connected to this database; stop every node first".to_owned()));
    }
    let tables: Vec<String> = KINDS.iter().map(|kind| format!("\"{}\"", kind.name)).collect();
    // Whoever starts meanwhile waits until it is done.
    let lock = format!("LOCK TABLE {}, \"batch\", \"change_log\" IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    connection.execute_script(&lock).map_err(Failure::into_fault)?;
    if count(connection, "SELECT count(*) FROM installation")? > 0 {
        if present == Present::Stays {
            return Err(Fault::Foreign("there is a store in this database already; say --replace to replace it".to_owned()));
        }
        let empty = format!("TRUNCATE {}, \"batch\", \"change_log\"", tables.join(", "));
        connection.execute_script(&empty).map_err(Failure::into_fault)?;
    }
    let mut all = 0;
    for kind in KINDS {
        each_page(view, kind, &mut |rows| {
            for some in rows.chunks(AT_ONCE) {
                insert(connection, kind, some)?;
            }
            all += rows.len() as u64;
            progress(all);
            Ok(())
        })?;
    }
    Ok(())
}

fn count(connection: &mut Connection, sql: &str) -> Result<i64, Fault> {
    let rows = connection.query(sql, &[]).map_err(Failure::into_fault)?;
    let count = rows.first().ok_or(Fault::Broken("a count has one row"))?.try_get(0);
    count.map_err(|error| Failure::from(error).into_fault())
}

fn insert(connection: &mut Connection, kind: &'static Kind, rows: &[Row]) -> Result<(), Fault> {
    let statement = connection.prepare(&statement::copy(Dialect::Postgresql, kind)).map_err(Failure::into_fault)?;
    let values = rows.iter().map(|row| statement::copied(kind, row)).collect::<Result<Vec<_>, Fault>>()?;
    let results = connection.run(async |client| {
        let references: Vec<_> = values.iter().map(|values| references(values)).collect();
        let parameters: Vec<_> = references.iter().map(|references| slice(references)).collect();
        let sent = parameters.iter().map(|parameters| client.execute(&statement, parameters));
        futures_util::future::join_all(sent).await
    });
    for result in results.map_err(Failure::into_fault)? {
        result.map_err(|error| Failure::from(error).into_fault())?;
    }
    Ok(())
}
