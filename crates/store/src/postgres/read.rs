//! A view of PostgreSQL is one read-only transaction that begins with its first question.

use super::Database;
use super::connection::{Connection, Failure};
use crate::pool::Lease;
use crate::schema::Dialect;
use crate::statement::{self, DECLARED};
use bytes::BytesMut;
use futures_util::future::join;
use jeton_core::name::{Key, Time};
use jeton_core::record::{ColumnType, Kind, Value};
use jeton_core::store::{Fault, Row, Scan, View};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Every question sees the state of the first one.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One snapshot.
pub(super) struct PostgresView<'a> {
    database: &'a Database,
    now: Time,
    connection: Option<Lease<'a, Connection>>,
}

impl<'a> PostgresView<'a> {
    pub(super) fn new(database: &'a Database, now: Time) -> Self {
        Self { database, now, connection: None }
    }

    /// Ends the transaction; a connection that cannot end it is not used again.
    pub(super) fn end(self) {
        if let Some(mut connection) = self.connection
            && connection.execute_script("COMMIT").is_err()
        {
            connection.discard();
        }
    }

    fn rows(&mut self, kind: &'static Kind, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, Fault> {
        let rows = match &mut self.connection {
            Some(connection) => ask(connection, sql, parameters).map_err(Failure::into_fault)?,
            None => self.begin(sql, parameters)?,
        };
        let decoded = rows.iter().map(|row| {
            let (row, checksum) =
                decode(kind, row).map_err(|error| Fault::Corrupt(format!("a row of {}: {error}", kind.name)))?;
            statement::whole(kind, row, checksum)
        });
        decoded.collect()
    }

    /// Begins, and asks the first question in the same round trip. An idle connection may have been lost: it is replaced once.
    fn begin(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<tokio_postgres::Row>, Fault> {
        for _ in 0..2 {
            let mut connection = self.database.take()?;
            match begin(&mut connection, sql, parameters) {
                Ok(rows) => {
                    self.connection = Some(connection);
                    return Ok(rows);
                }
                Err(failure) => {
                    // It may have begun, so it is not given back.
                    connection.discard();
                    let Failure::Lost(_) = failure else { return Err(failure.into_fault()) };
                    self.database.pool.clear();
                }
            }
        }
        Err(Fault::Unavailable("PostgreSQL closes its connections".to_owned()))
    }
}

fn begin(connection: &mut Connection, sql: &str, parameters: &[Value]) -> Result<Vec<tokio_postgres::Row>, Failure> {
    let statement = connection.prepare(sql)?;
    let parameters = references(parameters);
    let (begun, rows) =
        connection.run(async |client| join(client.batch_execute(BEGIN), client.query(&statement, &slice(&parameters))).await)?;
    begun?;
    Ok(rows?)
}

fn ask(connection: &mut Connection, sql: &str, parameters: &[Value]) -> Result<Vec<tokio_postgres::Row>, Failure> {
    let parameters = references(parameters);
    connection.query(sql, &slice(&parameters))
}

impl View for PostgresView<'_> {
    fn get(&mut self, kind: &'static Kind, key: Key) -> Result<Option<Row>, Fault> {
        let parameters = [key.into(), Value::Integer(self.now.millis())];
        Ok(self.rows(kind, &statement::get(Dialect::Postgresql, kind), &parameters)?.pop())
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        for mut query in statement::scan(Dialect::Postgresql, scan, self.now)? {
            let left = scan.limit - found.len();
            if left == 0 {
                break;
            }
            query.parameters.push(Value::Integer(bounded(left)));
            found.extend(self.rows(scan.kind, &query.sql, &query.parameters)?);
        }
        Ok(found)
    }
}

/// A limit as PostgreSQL counts.
pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A value on its way into a statement, whose text fixes the types.
#[derive(Debug)]
pub(super) struct Parameter<'a>(&'a Value);

pub(super) fn references(values: &[Value]) -> Vec<Parameter<'_>> {
    values.iter().map(Parameter).collect()
}

pub(super) fn slice<'a>(parameters: &'a [Parameter<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => number.to_sql(ty, out),
            Value::Text(text) => text.as_bytes().to_sql(ty, out),
            Value::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The text of a `json` column.
struct Body<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Body<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }
}

/// The sixteen bytes in this place of a row.
pub(super) fn key(row: &tokio_postgres::Row, place: usize) -> Result<Key, Box<dyn Error + Sync + Send>> {
    let bytes: &[u8] = row.try_get(place)?;
    Ok(Key::from_bytes(bytes.try_into()?))
}

/// A row and the checksum beside it.
fn decode(kind: &'static Kind, row: &tokio_postgres::Row) -> Result<(Row, i64), Box<dyn Error + Sync + Send>> {
    let columns = (kind.columns.iter().zip(DECLARED..)).map(|(column, place)| match column.ty {
        ColumnType::Text => Ok(row.try_get::<_, Option<String>>(place)?.map_or(Value::Null, Value::Text)),
        ColumnType::Integer => Ok(row.try_get::<_, Option<i64>>(place)?.map_or(Value::Null, Value::Integer)),
        ColumnType::Bytes => Ok(row.try_get::<_, Option<Vec<u8>>>(place)?.map_or(Value::Null, Value::Bytes)),
    });
    let found = Row {
        key: key(row, 0)?,
        version: row.try_get::<_, i64>(1)?.cast_unsigned(),
        body_version: u32::try_from(row.try_get::<_, i64>(2)?)?,
        columns: columns.collect::<Result<_, tokio_postgres::Error>>()?,
        expires_at: row.try_get::<_, Option<i64>>(3)?.map(Time::from_millis),
        body: row.try_get::<_, Body<'_>>(4)?.0.to_vec(),
    };
    Ok((found, row.try_get(5)?))
}
