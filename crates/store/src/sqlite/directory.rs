//! The data directory belongs to one process at a time; it holds the lock and the database.

use super::{fault, replace, wal};
use crate::schema::{Dialect, Migration, missing};
use jeton_core::store::Fault;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Older ones may corrupt a database whose write-ahead log is reset (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;
/// Statements kept ready per connection: six for each kind, with room.
const STATEMENTS: usize = 256;
/// A file of at most so many bytes is looked through at the start; that takes a fraction of a second.
const CHECKED_AT_START: u64 = 32 << 20;
/// Marks the file as ours: "jetn".
const APPLICATION_ID: i32 = 0x6a65_746e;

/// A locked directory. The lock ends with the value, or with the process.
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if need be, for its owner only, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, Fault> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Fault::Foreign(format!("SQLite {} is older than 3.51.3 and may lose data", rusqlite::version())));
        }
        let unusable = |error: std::io::Error| Fault::Unavailable(format!("the data directory {}: {error}", path.display()));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path).map_err(unusable)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(unusable)?;
                let (pid, path) = (pid.trim(), path.display());
                return Err(Fault::Foreign(format!(
                    "another jeton process (pid {pid}) uses this data directory {path}; stop it, or give this one a directory of its own"
                )));
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unusable)?;
        replace::finish(path)?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The first connection: makes the file, sets what is kept in it, and brings its schema up to date.
    pub(super) fn open_first(&self, migrations: &[Migration]) -> Result<Connection, Fault> {
        let path = self.path.join("jeton.db");
        wal::examine(&path)?;
        if std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            // Made here, so that its name is safe before anything is written to it.
            let log = OpenOptions::new().append(true).create(true).open(self.path.join("jeton.db-wal"));
            log.and_then(|log| give_to_owner(&log, &path))
                .map_err(|error| Fault::Unavailable(format!("jeton.db-wal: {error}")))?;
            self.sync()?;
        }
        let mut connection = open(&path)?;
        is_ours(&connection)?;
        if std::fs::metadata(&path).is_ok_and(|file| file.len() <= CHECKED_AT_START)
            && let Some(sentence) = integrity(&connection, 1)?.pop()
        {
            return Err(Fault::Corrupt(format!(
                "jeton.db: {sentence}; jeton check tells more, jeton restore puts back a backup"
            )));
        }
        let journal: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(|error| fault(&error))?;
        if journal != "wal" {
            return Err(Fault::Unavailable(format!("{} cannot have a write-ahead log", self.path.display())));
        }
        migrate(&mut connection, migrations)?;
        if schema(&connection)? != expected_schema(migrations)? {
            return Err(Fault::Corrupt("jeton.db: its tables are not declared as this version declares them".to_owned()));
        }
        stamp(&connection)?;
        // On a first start both names are new.
        self.sync()?;
        Ok(connection)
    }

    /// Makes the names in the directory safe. SQLite does not mind when that fails, but a log without a name is lost with the power.
    fn sync(&self) -> Result<(), Fault> {
        let unsynced =
            |error| Fault::Unavailable(format!("the data directory {} cannot be synced: {error}", self.path.display()));
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(unsynced)
    }

    /// A connection that only reads.
    pub(super) fn open_reader(&self) -> Result<Connection, Fault> {
        reader(&self.path.join("jeton.db"))
    }
}

fn open(path: &Path) -> Result<Connection, Fault> {
    let set = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "synchronous", if cfg!(feature = "planted-fault") { "off" } else { "full" })?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    set().map_err(|error: rusqlite::Error| fault(&error))
}

/// A connection to this file that only reads, and leaves the log to whoever writes it.
pub(super) fn reader(path: &Path) -> Result<Connection, Fault> {
    let connection = open(path)?;
    let set = || {
        connection.pragma_update(None, "query_only", true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
    };
    set().map_err(|error| fault(&error))?;
    Ok(connection)
}

/// A new file with our schema and nothing in it. It is not synced, and worthless until its maker has done so.
pub(super) fn new_file(path: &Path, migrations: &[Migration]) -> Result<Connection, Fault> {
    let mut connection = open(path)?;
    let set = || {
        connection.pragma_update(None, "journal_mode", "off")?;
        connection.pragma_update(None, "synchronous", "off")
    };
    set().map_err(|error| fault(&error))?;
    migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// Refuses a file with tables that are not ours.
pub(super) fn is_ours(connection: &Connection) -> Result<(), Fault> {
    let read = || {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok(tables == 0 || owner == APPLICATION_ID)
    };
    match read().map_err(|error: rusqlite::Error| fault(&error))? {
        true => Ok(()),
        false => Err(Fault::Foreign("jeton.db was not made by jeton".to_owned())),
    }
}

/// The version of the schema; 0 if there is none.
pub(super) fn version(connection: &Connection) -> Result<i64, Fault> {
    let last = "SELECT coalesce(max(version), 0) FROM schema_version";
    connection.query_row(last, [], |row| row.get(0)).map_err(|error| fault(&error))
}

/// What SQLite finds wrong with the file, one sentence each, at most so many.
pub(super) fn integrity(connection: &Connection, most: usize) -> Result<Vec<String>, Fault> {
    let read = || {
        let mut statement = connection.prepare(&format!("PRAGMA integrity_check({most})"))?;
        let told = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(told.into_iter().filter(|sentence| sentence != "ok").map(|sentence| sentence.replace('\n', "; ")).collect())
    };
    match read() {
        Ok(sentences) => Ok(sentences),
        Err(error) => match fault(&error) {
            Fault::Corrupt(_) => Ok(vec![error.to_string()]),
            other => Err(other),
        },
    }
}

/// How each table and index is declared.
pub(super) type Schema = BTreeMap<String, String>;

/// How the tables and indexes of this file are declared.
pub(super) fn schema(connection: &Connection) -> Result<Schema, Fault> {
    let read = || {
        let mut statement = connection
            .prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<Schema>>()
    };
    read().map_err(|error: rusqlite::Error| fault(&error))
}

/// How they should be.
pub(super) fn expected_schema(migrations: &[Migration]) -> Result<Schema, Fault> {
    let mut empty = Connection::open_in_memory().map_err(|error| fault(&error))?;
    migrate(&mut empty, migrations)?;
    schema(&empty)
}

/// Empties the log into the file and gives the file a new stamp, so that no older log is ever taken for its own (see `wal`).
/// Whether that was possible: somebody who reads may need the log for a while.
pub(super) fn stamp(connection: &Connection) -> Result<bool, Fault> {
    let empty = || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i32>(0)).map(|busy| busy == 0);
    let stamped = || {
        if !empty()? {
            return Ok(false);
        }
        let stamp: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        connection.pragma_update(None, "user_version", stamp.wrapping_add(1))?;
        empty()
    };
    stamped().map_err(|error: rusqlite::Error| fault(&error))
}

/// Gives a log to whom the database belongs, as SQLite does with what it makes: root must leave none that the server may not open.
fn give_to_owner(log: &File, database: &Path) -> io::Result<()> {
    let (is, wanted) = (log.metadata()?, std::fs::metadata(database)?);
    if (is.uid(), is.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(log, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    log.set_permissions(wanted.permissions())
}

/// Brings the schema up to date in one transaction.
fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Fault> {
    let broken = |error: rusqlite::Error| fault(&error);
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(broken)?;
    is_ours(&change)?;
    if tables == 0 {
        change.pragma_update(None, "application_id", APPLICATION_ID).map_err(broken)?;
        // Two files never begin with the same stamp.
        let stamp: i32 = change.query_row("SELECT abs(random() % 2000000000)", [], |row| row.get(0)).map_err(broken)?;
        change.pragma_update(None, "user_version", stamp).map_err(broken)?;
        change.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY) STRICT").map_err(broken)?;
    }
    let found = version(&change)?;
    for step in missing(migrations, found)? {
        change.execute_batch(&(step.statements)(Dialect::Sqlite)).map_err(broken)?;
        change.execute("INSERT INTO schema_version VALUES (?1)", [step.version]).map_err(broken)?;
    }
    change.commit().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const FIRST: Migration =
        Migration { version: 1, statements: |_| "CREATE TABLE thing (key BLOB); INSERT INTO thing VALUES (x'07')".into() };
    const SECOND: Migration = Migration { version: 2, statements: |_| "ALTER TABLE thing ADD COLUMN colour TEXT".into() };

    fn open(path: &Path, migrations: &[Migration]) -> Result<Connection, Fault> {
        DataDirectory::lock(path)?.open_first(migrations)
    }

    #[test]
    fn an_older_schema_is_migrated_and_a_newer_one_refused() {
        let directory = tempfile::tempdir().expect("works");
        drop(open(directory.path(), &[FIRST]).expect("works"));
        let connection = open(directory.path(), &[FIRST, SECOND]).expect("works");
        let row = connection.query_row("SELECT key, colour FROM thing", [], |row| Ok((row.get(0)?, row.get(1)?))).expect("works");
        assert_eq!(row, (vec![7_u8], None::<String>));
        drop(connection);
        let refused = open(directory.path(), &[FIRST]).expect_err("is refused").to_string();
        assert!(refused.contains("version 2") && refused.contains("newer jeton"), "{refused}");
    }

    #[test]
    fn a_log_belongs_to_whom_the_database_belongs() {
        let directory = tempfile::tempdir().expect("works");
        drop(open(directory.path(), &[FIRST]).expect("works"));
        let [database, log] = ["jeton.db", "jeton.db-wal"].map(|name| directory.path().join(name));
        std::fs::set_permissions(&database, PermissionsExt::from_mode(0o640)).expect("works");
        // Only root can give it to somebody else.
        let given = fchown(File::open(&database).expect("works"), Some(65_534), Some(65_534)).is_ok();
        let connection = open(directory.path(), &[FIRST]).expect("works");
        let of = |path: &Path| std::fs::metadata(path).map(|file| (file.uid(), file.gid(), file.mode() & 0o777)).expect("works");
        assert_eq!(of(&log), of(&database));
        assert!(!given || of(&log).0 == 65_534);
        drop(connection);
    }

    #[test]
    fn a_failed_step_leaves_the_older_schema_whole() {
        const BAD: Migration = Migration { version: 2, statements: |_| "DROP TABLE thing; CREATE TABLE nonsense".into() };
        let directory = tempfile::tempdir().expect("works");
        drop(open(directory.path(), &[FIRST]).expect("works"));
        assert!(open(directory.path(), &[FIRST, BAD]).is_err());
        assert!(open(directory.path(), &[FIRST, SECOND]).is_ok());
    }

    #[test]
    fn a_second_process_is_told_who_holds_the_directory() {
        let directory = tempfile::tempdir().expect("works");
        let _held = DataDirectory::lock(directory.path()).expect("works");
        let refused = DataDirectory::lock(directory.path()).err().expect("is refused").to_string();
        assert!(refused.contains(&format!("(pid {})", std::process::id())), "{refused}");
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        let directory = tempfile::tempdir().expect("works");
        Connection::open(directory.path().join("jeton.db"))
            .expect("works")
            .execute_batch("CREATE TABLE theirs (x)")
            .expect("works");
        assert!(matches!(open(directory.path(), &[FIRST]), Err(Fault::Foreign(_))));
        std::fs::write(directory.path().join("jeton.db"), "not a database at all, only some text").expect("works");
        assert!(matches!(open(directory.path(), &[FIRST]), Err(Fault::Corrupt(_))));
    }
}
