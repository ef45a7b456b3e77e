//! A view of the embedded store is one read transaction.

use super::fault;
use crate::schema::Dialect;
use crate::statement::{self, DECLARED};
use jeton_core::name::{Key, Time};
use jeton_core::record::{Kind, Value};
use jeton_core::store::{Change, Fault, Position, Row, Scan, View};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

/// One snapshot.
pub(super) struct SqliteView<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Time,
}

/// A value on its way into a statement.
pub(crate) struct Parameter<'a>(pub(super) &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl View for SqliteView<'_> {
    fn get(&mut self, kind: &'static Kind, key: Key) -> Result<Option<Row>, Fault> {
        let parameters = [key.into(), Value::Integer(self.now.millis())];
        Ok(rows(self.connection, kind, &statement::get(Dialect::Sqlite, kind), &parameters)?.pop())
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        for mut query in statement::scan(Dialect::Sqlite, scan, self.now)? {
            let left = scan.limit - found.len();
            if left == 0 {
                break;
            }
            query.parameters.push(Value::Integer(i64::try_from(left).unwrap_or(i64::MAX)));
            found.extend(rows(self.connection, scan.kind, &query.sql, &query.parameters)?);
        }
        Ok(found)
    }
}

fn rows(connection: &Connection, kind: &'static Kind, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, Fault> {
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters.iter().map(Parameter)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(decode(kind, row));
        }
        Ok(found)
    };
    let found = read().map_err(|error: rusqlite::Error| fault(&error))?;
    found.into_iter().collect()
}

/// A row as it was written; one that is not is named.
pub(super) fn decode(kind: &'static Kind, row: &rusqlite::Row<'_>) -> Result<Row, Fault> {
    let key = row.get(0).map_err(|error| Fault::Corrupt(format!("a row of {}: {error}", kind.name)))?;
    let key = Key::from_bytes(key);
    let read = || {
        let body: String = row.get(4)?;
        let columns = (0..kind.columns.len()).map(|place| value(row, DECLARED + place)).collect::<rusqlite::Result<_>>()?;
        let found = Row {
            key,
            version: row.get::<_, i64>(1)?.cast_unsigned(),
            body_version: row.get(2)?,
            columns,
            expires_at: row.get::<_, Option<i64>>(3)?.map(Time::from_millis),
            body: body.into_bytes(),
        };
        Ok((found, row.get(5)?))
    };
    let read: rusqlite::Result<(Row, i64)> = read();
    let (found, checksum) = read.map_err(|error| Fault::Corrupt(format!("{} {key}: {error}", kind.name)))?;
    statement::whole(kind, found, checksum)
}

fn value(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Value> {
    Ok(match row.get_ref(place)? {
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(_) => Value::Text(row.get(place)?),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

/// Changes behind a position, oldest first.
pub(super) fn changes(connection: &Connection, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
    let sql = "SELECT seq, kind, key FROM change_log WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let change = |row: &rusqlite::Row<'_>| {
            let position = Position(row.get::<_, i64>(0)?.cast_unsigned(), 0);
            Ok(Change { position, kind: row.get(1)?, key: Key::from_bytes(row.get(2)?) })
        };
        statement
            .query_map((signed(after.0), i64::try_from(limit).unwrap_or(i64::MAX)), change)?
            .collect::<rusqlite::Result<Vec<Change>>>()
    };
    read().map_err(|error: rusqlite::Error| fault(&error))
}

/// SQLite counts in 63 bits.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::{SqliteReader, SqliteStore};
    use jeton_core::name::{Key, Time};
    use jeton_core::record::{LastUse, Record};
    use jeton_core::store::{Batch, Fault, Row, Store, Write};

    #[test]
    fn a_row_that_was_changed_on_the_disk_is_named_and_others_are_read() {
        let directory = tempfile::tempdir().expect("works");
        let keys = [1, 2].map(|number| Key::from_bytes([number; 16]));
        let store = SqliteStore::open(directory.path()).expect("opens");
        let row = |key| Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: b"[17]".to_vec() };
        let writes = keys.iter().map(|key| Write::Insert(LastUse::KIND, row(*key))).collect();
        store.commit(Batch { id: keys[0], now: Time::from_millis(0), guards: Vec::new(), writes }).expect("commits");
        drop(store);
        // What a flipped bit makes of it is still JSON, and still a well-formed database.
        let connection = rusqlite::Connection::open(directory.path().join("jeton.db")).expect("opens");
        connection.execute("UPDATE last_use SET body = '[16]' WHERE key = ?1", [keys[1].as_bytes()]).expect("changes");
        drop(connection);
        let store = SqliteStore::open(directory.path()).expect("opens");
        let mut found = Vec::new();
        let read = &mut |view: &mut dyn jeton_core::store::View| {
            found = keys.iter().map(|key| view.get(LastUse::KIND, *key)).collect();
            Ok(())
        };
        store.view(Time::from_millis(0), read).expect("reads");
        assert_eq!(found[0], Ok(Some(row(keys[0]))));
        let named = format!("last_use {}: it is not what was written", keys[1]);
        assert!(matches!(&found[1], Err(Fault::Corrupt(told)) if told.starts_with(&named)), "{found:?}");
        let mut walked = Vec::new();
        let reader = SqliteReader::of_directory(directory.path()).expect("reads beside it");
        reader.walk(LastUse::KIND, &mut |row| walked.push(row.is_ok())).expect("walks");
        assert_eq!(walked, [true, false]);
    }
}
