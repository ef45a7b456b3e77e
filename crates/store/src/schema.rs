//! The schema is derived from the kinds of records, and grows by ordered migrations that run by themselves.
//!
//! Migrations only go forward, and expand: the version before must still run on the schema of the version after.

use jeton_core::record::{ColumnType, Index, KINDS, Kind};
use jeton_core::store::Fault;
use std::fmt::Write;

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded store.
    Sqlite,
    /// The shared store.
    Postgresql,
}

impl Dialect {
    /// The placeholder of the parameter with this number, from 1.
    pub(crate) fn parameter(self, number: usize) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
            Self::Postgresql => format!("${number}"),
        }
    }

    /// In SQLite nulls come first by nature; PostgreSQL must be told.
    pub(crate) fn ascending(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgresql => " NULLS FIRST",
        }
    }

    pub(crate) fn descending(self) -> &'static str {
        match self {
            Self::Sqlite => " DESC",
            Self::Postgresql => " DESC NULLS LAST",
        }
    }

    fn integer(self) -> &'static str {
        match self {
            Self::Sqlite => "INTEGER",
            Self::Postgresql => "bigint",
        }
    }

    fn bytes(self) -> &'static str {
        match self {
            Self::Sqlite => "BLOB",
            Self::Postgresql => "bytea",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Sqlite => "TEXT",
            Self::Postgresql => "text COLLATE \"C\"",
        }
    }

    /// `json`, not `jsonb`: the bytes that were written are the bytes that are read.
    fn body(self) -> &'static str {
        match self {
            Self::Sqlite => "TEXT",
            Self::Postgresql => "json",
        }
    }

    fn table_end(self) -> &'static str {
        match self {
            Self::Sqlite => ") STRICT, WITHOUT ROWID;\n",
            Self::Postgresql => ");\n",
        }
    }
}

/// One step of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// The schema's version after this step.
    pub(crate) version: i64,
    /// The statements of the step.
    pub(crate) statements: fn(Dialect) -> String,
}

/// Every step, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration { version: 1, statements: golden_schema }];

/// The steps that a store of this version lacks; a store from the future is refused.
pub(crate) fn missing(migrations: &[Migration], found: i64) -> Result<&[Migration], Fault> {
    let known = migrations.last().map_or(0, |last| last.version);
    if found > known {
        return Err(Fault::Foreign(format!(
            "its schema has version {found}, and this jeton knows versions up to {known}; start the newer jeton that made it"
        )));
    }
    let done = migrations.iter().take_while(|step| step.version <= found).count();
    Ok(&migrations[done..])
}

/// The whole schema that this version of Jeton makes in an empty store.
#[must_use]
pub fn golden_schema(dialect: Dialect) -> String {
    let mut sql = String::new();
    for kind in KINDS {
        table(&mut sql, dialect, kind);
        for index in kind.indexes {
            declared_index(&mut sql, dialect, kind, index);
        }
        let name = kind.name;
        writeln!(sql, "CREATE INDEX \"{name}_expires_at\" ON \"{name}\" (\"expires_at\") WHERE \"expires_at\" IS NOT NULL;\n")
            .expect("a string grows");
    }
    sql.push_str(log_tables(dialect));
    sql
}

fn table(sql: &mut String, dialect: Dialect, kind: &Kind) {
    let (integer, bytes, body) = (dialect.integer(), dialect.bytes(), dialect.body());
    let mut lines = vec![
        format!("  \"key\" {bytes} NOT NULL PRIMARY KEY"),
        format!("  \"version\" {integer} NOT NULL"),
        format!("  \"body_version\" {integer} NOT NULL"),
        format!("  \"expires_at\" {integer}"),
    ];
    for column in kind.columns {
        let ty = match column.ty {
            ColumnType::Text => dialect.text(),
            ColumnType::Integer => integer,
            ColumnType::Bytes => bytes,
        };
        lines.push(format!("  \"{}\" {ty}", column.name));
    }
    lines.push(format!("  \"body\" {body} NOT NULL"));
    // The placeholders of PostgreSQL have none.
    lines.push(format!("  \"checksum\" {integer} NOT NULL DEFAULT 0"));
    write!(sql, "CREATE TABLE \"{}\" (\n{}\n{}", kind.name, lines.join(",\n"), dialect.table_end()).expect("a string grows");
}

/// The key stands last, so that scans are ordered by it; a unique index cannot carry it.
fn declared_index(sql: &mut String, dialect: Dialect, kind: &Kind, index: &Index) {
    let mut columns: Vec<String> = index.columns.iter().map(|name| format!("\"{name}\"{}", dialect.ascending())).collect();
    let unique = if index.unique {
        "UNIQUE "
    } else {
        columns.push("\"key\"".to_owned());
        ""
    };
    let (name, columns) = (kind.name, columns.join(", "));
    writeln!(sql, "CREATE {unique}INDEX \"{name}_{}\" ON \"{name}\" ({columns});", index.name).expect("a string grows");
}

/// The committed batches, and what changed. In PostgreSQL a change carries its transaction, so that readers can wait for those
/// that are still under way.
fn log_tables(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            r#"CREATE TABLE "batch" (
  "id" BLOB NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "batch_at" ON "batch" ("at");

CREATE TABLE "change_log" (
  "seq" INTEGER NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL,
  "kind" TEXT NOT NULL,
  "key" BLOB NOT NULL
) STRICT;
"#
        }
        Dialect::Postgresql => {
            r#"CREATE TABLE "batch" (
  "id" bytea NOT NULL PRIMARY KEY,
  "at" bigint NOT NULL,
  "committed" boolean NOT NULL
);
CREATE INDEX "batch_at" ON "batch" ("at");

CREATE TABLE "change_log" (
  "xid" bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  "seq" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "at" bigint NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "key" bytea NOT NULL,
  PRIMARY KEY ("xid", "seq")
);
"#
        }
    }
}
