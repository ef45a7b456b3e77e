//! A statement is the SQL of one verb on one kind, the same in both dialects but for spelling.
//!
//! Its text depends only on the kind and on which values are null, so that prepared statements are few and are found again.

use crate::schema::Dialect;
use jeton_core::name::Time;
use jeton_core::record::{Kind, Value};
use jeton_core::store::{Fault, Order, Place, Row, Scan};

/// The columns that every kind has, in the order in which they are read and written.
const FIXED: [&str; 6] = ["key", "version", "body_version", "expires_at", "body", "checksum"];
/// Where the declared columns of a row that is read begin.
pub(crate) const DECLARED: usize = FIXED.len();

/// Text and parameters of one question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) sql: String,
    /// All parameters but the last one, which is the most rows to return.
    pub(crate) parameters: Vec<Value>,
}

/// A row that has not ended; the moment is the parameter with this number.
fn live(dialect: Dialect, kind: &Kind, number: usize) -> String {
    let (name, now) = (kind.name, dialect.parameter(number));
    format!("(\"{name}\".\"expires_at\" IS NULL OR \"{name}\".\"expires_at\" > {now})")
}

/// The same for rows that are written: nor is it a placeholder.
fn present(dialect: Dialect, kind: &Kind, number: usize) -> String {
    format!("\"version\" > 0 AND {}", live(dialect, kind, number))
}

fn selected(kind: &Kind) -> String {
    let names = FIXED.iter().copied().chain(kind.columns.iter().map(|column| column.name));
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Reads one row; parameters: key, now.
pub(crate) fn get(dialect: Dialect, kind: &Kind) -> String {
    let (columns, live, key) = (selected(kind), live(dialect, kind, 2), dialect.parameter(1));
    format!("SELECT {columns} FROM \"{}\" WHERE \"key\" = {key} AND {live}", kind.name)
}

/// Reads the version of one row; parameters: key, now.
pub(crate) fn version(dialect: Dialect, kind: &Kind) -> String {
    let (live, key) = (live(dialect, kind, 2), dialect.parameter(1));
    format!("SELECT \"version\" FROM \"{}\" WHERE \"key\" = {key} AND {live}", kind.name)
}

/// A new row, in the place of one that has ended or of a placeholder (version 0) if need be; parameters: [`parameters`].
pub(crate) fn insert(dialect: Dialect, kind: &Kind) -> String {
    let name = kind.name;
    let columns: Vec<&str> = kind.columns.iter().map(|column| column.name).collect();
    let names: String = columns.iter().map(|column| format!(", \"{column}\"")).collect();
    let values: String = (7..7 + columns.len()).map(|number| format!(", {}", dialect.parameter(number))).collect();
    let set: String = columns.iter().map(|column| format!(", \"{column}\" = excluded.\"{column}\"")).collect();
    let [key, now, body_version, end, body, checksum] = [1, 2, 3, 4, 5, 6].map(|number| dialect.parameter(number));
    format!(
        "INSERT INTO \"{name}\" (\"key\", \"version\", \"body_version\", \"expires_at\", \"body\", \"checksum\"{names}) \
         VALUES ({key}, 1, {body_version}, {end}, {body}, {checksum}{values}) \
         ON CONFLICT (\"key\") DO UPDATE SET \"version\" = 1, \"body_version\" = excluded.\"body_version\", \
         \"expires_at\" = excluded.\"expires_at\", \"body\" = excluded.\"body\", \"checksum\" = excluded.\"checksum\"{set} \
         WHERE \"{name}\".\"version\" = 0 OR \"{name}\".\"expires_at\" <= {now}"
    )
}

/// New contents; parameters: [`parameters`].
pub(crate) fn replace(dialect: Dialect, kind: &Kind) -> String {
    let set: String = (kind.columns.iter().zip(7..))
        .map(|(column, number)| format!(", \"{}\" = {}", column.name, dialect.parameter(number)))
        .collect();
    let [key, body_version, end, body, checksum] = [1, 3, 4, 5, 6].map(|number| dialect.parameter(number));
    format!(
        "UPDATE \"{}\" SET \"version\" = \"version\" + 1, \"body_version\" = {body_version}, \"expires_at\" = {end}, \
         \"body\" = {body}, \"checksum\" = {checksum}{set} WHERE \"key\" = {key} AND {}",
        kind.name,
        present(dialect, kind, 2)
    )
}

/// The version grows; parameters: key, now.
pub(crate) fn touch(dialect: Dialect, kind: &Kind) -> String {
    let (present, key) = (present(dialect, kind, 2), dialect.parameter(1));
    format!("UPDATE \"{}\" SET \"version\" = \"version\" + 1 WHERE \"key\" = {key} AND {present}", kind.name)
}

/// The row goes; parameters: key, now.
pub(crate) fn delete(dialect: Dialect, kind: &Kind) -> String {
    let (present, key) = (present(dialect, kind, 2), dialect.parameter(1));
    format!("DELETE FROM \"{}\" WHERE \"key\" = {key} AND {present}", kind.name)
}

/// Reads every row of a kind in the order of keys, also those that have ended.
pub(crate) fn every(kind: &Kind) -> String {
    format!("SELECT {} FROM \"{}\" ORDER BY \"key\"", selected(kind), kind.name)
}

/// A row as another store had it; parameters: [`copied`].
pub(crate) fn copy(dialect: Dialect, kind: &Kind) -> String {
    let values: Vec<String> = (1..=FIXED.len() + kind.columns.len()).map(|number| dialect.parameter(number)).collect();
    format!("INSERT INTO \"{}\" ({}) VALUES ({})", kind.name, selected(kind), values.join(", "))
}

/// All columns of a row, in the order in which they are read.
pub(crate) fn copied(kind: &Kind, row: &Row) -> Result<Vec<Value>, Fault> {
    let version = i64::try_from(row.version).unwrap_or(i64::MAX);
    let mut values = parameters(kind, row, Time::from_millis(0))?;
    // Key, now, body version, end …: the moment gives way to the version.
    values[1] = Value::Integer(version);
    Ok(values)
}

/// Key, now, body version, end, body, checksum and the declared columns of a row that is written.
pub(crate) fn parameters(kind: &Kind, row: &Row, now: Time) -> Result<Vec<Value>, Fault> {
    let body = String::from_utf8(row.body.clone()).map_err(|_| Fault::Broken("a row's body is not JSON"))?;
    let end = row.expires_at.map_or(Value::Null, |end| Value::Integer(end.millis()));
    let mut values = vec![
        row.key.into(),
        Value::Integer(now.millis()),
        Value::Integer(row.body_version.into()),
        end,
        Value::Text(body),
        Value::Integer(row.checksum(kind)),
    ];
    values.extend(row.columns.iter().cloned());
    Ok(values)
}

/// A row as it was read, unless it is not what was written.
pub(crate) fn whole(kind: &Kind, row: Row, checksum: i64) -> Result<Row, Fault> {
    if row.checksum(kind) == checksum {
        return Ok(row);
    }
    Err(Fault::Corrupt(format!("{} {}: it is not what was written, its checksum is wrong", kind.name, row.key)))
}

/// For each unique index, how to remove an ended row that still holds the values of this one.
pub(crate) fn clear_rivals(dialect: Dialect, kind: &Kind, row: &Row, now: Time) -> Vec<Query> {
    let clear = |columns: &[&str]| {
        let parameters: Vec<Value> =
            [Value::Integer(now.millis()), row.key.into()].into_iter().chain(row.values(kind, columns)).collect();
        let equal: String = (columns.iter().zip(3..))
            .map(|(column, number)| format!(" AND \"{column}\" = {}", dialect.parameter(number)))
            .collect();
        let [now, key] = [1, 2].map(|number| dialect.parameter(number));
        let sql = format!("DELETE FROM \"{}\" WHERE \"expires_at\" <= {now} AND \"key\" <> {key}{equal}", kind.name);
        Query { sql, parameters }
    };
    kind.indexes.iter().filter(|index| index.unique).map(|index| clear(index.columns)).collect()
}

/// The questions that answer a scan, one behind the other. Each is one range of the index: what lies behind a place of several
/// columns is not one range, and an `OR` would not follow the index.
pub(crate) fn scan(dialect: Dialect, scan: &Scan, now: Time) -> Result<Vec<Query>, Fault> {
    let columns = scan.columns()?;
    let ranges = match &scan.after {
        None => vec![Range { equal: scan.prefix.clone(), beyond: None }],
        Some(place) => ranges_behind(scan, place),
    };
    Ok(ranges.into_iter().map(|range| range.query(dialect, scan, columns, now)).collect())
}

/// Rows whose leading columns have these values, and whose next column (or key) lies beyond.
struct Range {
    equal: Vec<Value>,
    beyond: Option<Value>,
}

fn ranges_behind(scan: &Scan, place: &Place) -> Vec<Range> {
    let fixed = |free: usize| -> Vec<Value> { scan.prefix.iter().chain(&place.values[..free]).cloned().collect() };
    let mut ranges = vec![Range { equal: fixed(place.values.len()), beyond: Some(place.key.into()) }];
    for (free, value) in place.values.iter().enumerate().rev() {
        if scan.order == Order::Ascending {
            ranges.push(Range { equal: fixed(free), beyond: Some(value.clone()) });
        } else if *value != Value::Null {
            ranges.push(Range { equal: fixed(free), beyond: Some(value.clone()) });
            // Nulls come before every value, so they are last in this direction.
            ranges.push(Range { equal: fixed(free).into_iter().chain([Value::Null]).collect(), beyond: None });
        }
    }
    ranges
}

impl Range {
    fn query(self, dialect: Dialect, scan: &Scan, columns: &[&str], now: Time) -> Query {
        // A key is never null, so its index is plain.
        let (direction, by_key, beyond) = match scan.order {
            Order::Ascending => (dialect.ascending(), "\"key\"", ">"),
            Order::Descending => (dialect.descending(), "\"key\" DESC", "<"),
        };
        let mut parameters = vec![Value::Integer(now.millis())];
        let mut conditions = vec![live(dialect, scan.kind, 1)];
        let next = columns.get(self.equal.len()).copied().unwrap_or("key");
        for (column, value) in columns.iter().zip(self.equal) {
            if value == Value::Null {
                conditions.push(format!("\"{column}\" IS NULL"));
            } else {
                parameters.push(value);
                conditions.push(format!("\"{column}\" = {}", dialect.parameter(parameters.len())));
            }
        }
        match self.beyond {
            None => {}
            Some(Value::Null) => conditions.push(format!("\"{next}\" IS NOT NULL")),
            Some(value) => {
                parameters.push(value);
                conditions.push(format!("\"{next}\" {beyond} {}", dialect.parameter(parameters.len())));
            }
        }
        let order: String = columns.iter().map(|column| format!("\"{column}\"{direction}, ")).collect();
        let (name, limit) = (scan.kind.name, dialect.parameter(parameters.len() + 1));
        let (columns, conditions) = (selected(scan.kind), conditions.join(" AND "));
        Query {
            sql: format!("SELECT {columns} FROM \"{name}\" WHERE {conditions} ORDER BY {order}{by_key} LIMIT {limit}"),
            parameters,
        }
    }
}
