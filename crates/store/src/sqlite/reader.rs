//! A reader looks at a store that it does not own: that of a running server, a stopped one, or a backup.

use super::directory::{self, expected_schema};
use super::read::{self, SqliteView};
use super::{fault, wal};
use crate::schema::MIGRATIONS;
use crate::statement;
use jeton_core::name::Time;
use jeton_core::record::Kind;
use jeton_core::store::{Fault, Position, Reading, Row};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Most sentences about the structure of one file.
const MOST_SENTENCES: usize = 100;

/// One connection that only reads.
pub struct SqliteReader {
    connection: Connection,
}

impl SqliteReader {
    /// Reads the store in this directory, whether a server runs on it or not. Nothing is made and nothing is changed.
    pub fn of_directory(directory: &Path) -> Result<Self, Fault> {
        let path = directory.join("jeton.db");
        if !path.is_file() {
            return Err(Fault::Unavailable(format!("there is no jeton.db in {}", directory.display())));
        }
        // Whoever holds the lock has looked at the log, and goes on writing it.
        if let Ok(_held) = directory::DataDirectory::lock(directory) {
            wal::examine(&path)?;
        }
        let reader = Self { connection: directory::reader(&path)? };
        reader.is_known()?;
        Ok(reader)
    }

    /// Reads a file that nobody writes, such as a backup.
    pub fn of_file(path: &Path) -> Result<Self, Fault> {
        let unreadable = |error: std::io::Error| Fault::Unavailable(format!("{}: {error}", path.display()));
        let path = path.canonicalize().map_err(unreadable)?;
        let mut uri = String::from("file:");
        for &byte in path.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02x}"));
            }
        }
        uri.push_str("?immutable=1");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&uri, flags)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        };
        let reader = Self { connection: open().map_err(|error| fault(&error))? };
        reader.is_known()?;
        Ok(reader)
    }

    /// Refuses what was not made by us, or by a newer one of us.
    fn is_known(&self) -> Result<(), Fault> {
        directory::is_ours(&self.connection)?;
        let found = directory::version(&self.connection)?;
        crate::schema::missing(MIGRATIONS, found).map(drop)
    }

    /// Version of the schema.
    pub fn schema_version(&self) -> Result<i64, Fault> {
        directory::version(&self.connection)
    }

    /// Runs `read` on one consistent view, as of `now`.
    pub fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        let view = self.connection.unchecked_transaction().map_err(|error| fault(&error))?;
        read(&mut SqliteView { connection: &view, now })
    }

    /// The newest position of the change log.
    pub fn position(&self) -> Result<Position, Fault> {
        let last = "SELECT coalesce(max(seq), 0) FROM change_log";
        let seq: i64 = self.connection.query_row(last, [], |row| row.get(0)).map_err(|error| fault(&error))?;
        Ok(Position(seq.cast_unsigned(), 0))
    }

    /// Every row of a kind, also those that have ended; one that is not as it was written is told as a fault that names it.
    pub fn walk(&self, kind: &'static Kind, each: &mut dyn FnMut(Result<Row, Fault>)) -> Result<(), Fault> {
        let mut walk = || {
            let mut statement = self.connection.prepare(&statement::every(kind))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                each(read::decode(kind, row));
            }
            Ok(())
        };
        walk().map_err(|error: rusqlite::Error| fault(&error))
    }

    /// What is wrong with the structure of the file: pages, indexes, and the tables themselves. One sentence each.
    pub fn structure(&self) -> Result<Vec<String>, Fault> {
        let mut sentences = directory::integrity(&self.connection, MOST_SENTENCES)?;
        let found = directory::schema(&self.connection)?;
        let expected = expected_schema(MIGRATIONS)?;
        for (name, sql) in &expected {
            match found.get(name) {
                None => sentences.push(format!("{name} is missing")),
                Some(other) if other != sql => sentences.push(format!("{name} is not declared as this version declares it")),
                Some(_) => {}
            }
        }
        let strange = found.keys().filter(|name| !expected.contains_key(*name));
        sentences.extend(strange.map(|name| format!("{name} is none of ours")));
        Ok(sentences)
    }
}
