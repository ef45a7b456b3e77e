//! A write is a batch that is applied inside the writer's transaction, whole or not at all.

use super::read::{Parameter, signed};
use crate::schema::Dialect;
use crate::statement;
use jeton_core::name::{Key, Time};
use jeton_core::record::{KINDS, Kind, Value};
use jeton_core::store::{BATCHES_KEPT_SECONDS, Batch, CHANGES_KEPT_SECONDS, Fault, Guard, Row, Write};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params_from_iter};

/// Why a batch was not applied.
#[derive(Debug)]
pub(super) enum Failure {
    /// It conflicts; what it wrote was undone.
    Conflict,
    /// It cannot be written at all; what it wrote was undone.
    Fault(Fault),
    /// SQLite failed; the whole transaction must go.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) if is_unique_violation(&error) => Self::Conflict,
            // A value that does not fit its STRICT column.
            Some(ErrorCode::ConstraintViolation) => Self::Fault(Fault::Broken("a row does not fit its table")),
            _ => Self::Sqlite(error),
        }
    }
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// Applies a batch inside the present transaction. `seq` counts the changes that were logged.
pub(super) fn apply(connection: &mut Connection, batch: &Batch, seq: &mut u64) -> Result<(), Failure> {
    let point = connection.savepoint()?;
    let mut logged = *seq;
    let result = apply_all(&point, batch, &mut logged);
    if let Err(failure) = result {
        // Dropping a savepoint rolls it back; after a failure of SQLite there may be none left.
        drop(point);
        return Err(failure);
    }
    point.commit()?;
    *seq = logged;
    Ok(())
}

fn apply_all(connection: &Connection, batch: &Batch, seq: &mut u64) -> Result<(), Failure> {
    for guard in &batch.guards {
        if !holds(connection, guard, batch.now)? {
            return Err(Failure::Conflict);
        }
    }
    run(connection, "INSERT INTO batch (id, at) VALUES (?1, ?2)", &[batch.id.into(), Value::Integer(batch.now.millis())])?;
    for write in &batch.writes {
        if apply_one(connection, write, batch.now)? != 1 {
            return Err(Failure::Conflict);
        }
        *seq += 1;
        let (kind, key) = write.target();
        let change = [Value::Integer(signed(*seq)), Value::Integer(batch.now.millis()), kind.name.into(), key.into()];
        run(connection, "INSERT INTO change_log (seq, at, kind, key) VALUES (?1, ?2, ?3, ?4)", &change)?;
    }
    Ok(())
}

fn holds(connection: &Connection, guard: &Guard, now: Time) -> Result<bool, Failure> {
    if cfg!(feature = "planted-fault") {
        return Ok(true);
    }
    let mut statement = connection.prepare_cached(&statement::version(Dialect::Sqlite, guard.kind))?;
    let found: Option<i64> = statement.query_row((guard.key.as_bytes(), now.millis()), |row| row.get(0)).optional()?;
    Ok(found.map(i64::cast_unsigned) == guard.version)
}

fn apply_one(connection: &Connection, write: &Write, now: Time) -> Result<usize, Failure> {
    let row_of = |kind: &Kind, key: Key, sql: fn(Dialect, &Kind) -> String| {
        run(connection, &sql(Dialect::Sqlite, kind), &[key.into(), Value::Integer(now.millis())])
    };
    match write {
        Write::Insert(kind, row) => contents(connection, kind, row, (statement::insert(Dialect::Sqlite, kind), now)),
        Write::Replace(kind, row) => contents(connection, kind, row, (statement::replace(Dialect::Sqlite, kind), now)),
        Write::Touch(kind, key) => row_of(kind, *key, statement::touch),
        Write::Delete(kind, key) => row_of(kind, *key, statement::delete),
    }
}

/// Writes a row; if a unique value is taken by a row that has ended, that one goes first.
fn contents(connection: &Connection, kind: &Kind, row: &Row, (sql, now): (String, Time)) -> Result<usize, Failure> {
    let parameters = statement::parameters(kind, row, now).map_err(Failure::Fault)?;
    match run(connection, &sql, &parameters) {
        Err(Failure::Conflict) => {
            for rival in statement::clear_rivals(Dialect::Sqlite, kind, row, now) {
                run(connection, &rival.sql, &rival.parameters)?;
            }
            run(connection, &sql, &parameters)
        }
        result => result,
    }
}

fn run(connection: &Connection, sql: &str, parameters: &[Value]) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(params_from_iter(parameters.iter().map(Parameter)))?)
}

/// Removes ended rows, old changes and old batch ids inside the present transaction.
pub(super) fn sweep(connection: &Connection, now: Time, limit: usize) -> rusqlite::Result<usize> {
    let mut gone = 0;
    let ended = |kind: &&Kind| (kind.name, "key", "\"expires_at\" <= ?1", now);
    let logs = [
        ("change_log", "seq", "\"at\" < ?1", now.plus_seconds(-CHANGES_KEPT_SECONDS)),
        ("batch", "id", "\"at\" < ?1", now.plus_seconds(-BATCHES_KEPT_SECONDS)),
    ];
    for (table, id, condition, moment) in KINDS.iter().map(ended).chain(logs) {
        let sql =
            format!("DELETE FROM \"{table}\" WHERE \"{id}\" IN (SELECT \"{id}\" FROM \"{table}\" WHERE {condition} LIMIT ?2)");
        let left = i64::try_from(limit - gone).unwrap_or(i64::MAX);
        gone += connection.prepare_cached(&sql)?.execute((moment.millis(), left))?;
    }
    Ok(gone)
}
