//! A connection drives the asynchronous driver from one blocking thread, and keeps its statements prepared.

use crate::schema::{Dialect, Migration, missing};
use jeton_core::store::{CommitError, Fault};
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Statement};

/// How long one exchange may take before the connection is given up; the server gives up sooner.
const DEADLINE: Duration = Duration::from_secs(6);
/// What every session promises. `synchronous_commit` may be stronger than `on`, but never off: `Ok` means durable.
const SESSION: &str = "SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// Statements kept prepared. They are few by design; the bound only guards against a mistake.
const STATEMENTS: usize = 1000;

/// Where the database is.
pub(super) struct Server(Config);

/// One session.
pub(super) struct Connection {
    runtime: Runtime,
    client: Client,
    statements: HashMap<String, Statement>,
}

/// Why the database did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody else was first.
    Conflict,
    /// A unique value is taken.
    Taken,
    /// The connection is of no use any more.
    Lost(String),
    /// The connection goes on, but this did not work.
    Fault(Fault),
}

impl Failure {
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Conflict | Self::Taken => Fault::Unavailable("PostgreSQL: too many transactions at once".to_owned()),
            Self::Lost(cause) => Fault::Unavailable(format!("PostgreSQL: {cause}")),
            Self::Fault(fault) => fault,
        }
    }

    pub(super) fn into_commit_error(self) -> CommitError {
        match self {
            Self::Conflict | Self::Taken => CommitError::Conflict,
            failure => CommitError::Fault(failure.into_fault()),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else { return Self::Lost(error.to_string()) };
        let sentence = format!("PostgreSQL: {} ({})", told.message(), told.code().code());
        match told.code() {
            &SqlState::UNIQUE_VIOLATION => Self::Taken,
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE => {
                Self::Conflict
            }
            // A former primary after a failover, or a session that lost its statements: the next connection may be better.
            &SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::INVALID_SQL_STATEMENT_NAME => Self::Lost(sentence),
            code => match &code.code()[..2] {
                "08" | "57" if *code != SqlState::QUERY_CANCELED => Self::Lost(sentence),
                "22" | "23" => Self::Fault(Fault::Broken("a value does not fit its PostgreSQL column")),
                "XX" => Self::Fault(Fault::Corrupt(sentence)),
                _ => Self::Fault(Fault::Unavailable(sentence)),
            },
        }
    }
}

impl Server {
    /// Reads a URL. It may hold a password, so no message repeats it.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let mut config: Config = url.parse().map_err(|error| Fault::Foreign(format!("the PostgreSQL URL: {error}")))?;
        let is_near = config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
            Host::Unix(_) => true,
        });
        match config.get_ssl_mode() {
            SslMode::Disable => {}
            SslMode::Prefer if is_near => drop(config.ssl_mode(SslMode::Disable)),
            _ => {
                return Err(Fault::Foreign(
                    "this jeton speaks to PostgreSQL without TLS only: use a Unix socket, localhost, or a private network with sslmode=disable"
                        .to_owned(),
                ));
            }
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_application_name().is_none() {
            config.application_name("jeton");
        }
        config.tcp_user_timeout(DEADLINE);
        Ok(Self(config))
    }

    /// A new session.
    pub(super) fn open(&self) -> Result<Connection, Fault> {
        self.open_with(|_| {})
    }

    /// A new session that tells of each notification.
    pub(super) fn open_with(&self, mut notified: impl FnMut(&str) + Send + 'static) -> Result<Connection, Fault> {
        let no_runtime = |error| Fault::Unavailable(format!("a connection needs an event loop: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
        // The configured limit is that of the network's connection; a server that accepts it and then says nothing is bounded here.
        let opened = runtime.block_on(async { tokio::time::timeout(DEADLINE, self.0.connect(NoTls)).await });
        let silent = |_| Fault::Unavailable("PostgreSQL: the server does not answer".to_owned());
        let (client, mut driver) = opened.map_err(silent)?.map_err(|error| Failure::from(error).into_fault())?;
        runtime.spawn(async move {
            // An end or an error of the session is seen by whoever uses it next.
            while let Some(Ok(message)) = std::future::poll_fn(|context| driver.poll_message(context)).await {
                if let AsyncMessage::Notification(notice) = message {
                    notified(notice.channel());
                }
            }
        });
        let mut connection = Connection { runtime, client, statements: HashMap::new() };
        connection.execute_script(SESSION).map_err(Failure::into_fault)?;
        Ok(connection)
    }
}

impl Connection {
    /// Runs one exchange with the database, for no longer than the deadline.
    pub(super) fn run<T>(&self, exchange: impl AsyncFnOnce(&Client) -> T) -> Result<T, Failure> {
        let bounded = async { tokio::time::timeout(DEADLINE, exchange(&self.client)).await };
        self.runtime.block_on(bounded).map_err(|_| Failure::Lost("the server does not answer".to_owned()))
    }

    /// Drives the session until this happens, at most so long; whether it happened or the session ended.
    pub(super) fn wait_for(&self, event: impl Future, most: Duration) {
        let bounded = async { tokio::time::timeout(most, event).await };
        // Late is as good as heard: the caller looks for changes in both cases.
        drop(self.runtime.block_on(bounded));
    }

    /// Whether the session is known to have ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// A prepared statement, kept for the next time.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.run(async |client| client.prepare(sql).await)??;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs statements that have no parameters.
    pub(super) fn execute_script(&mut self, sql: &str) -> Result<(), Failure> {
        Ok(self.run(async |client| client.batch_execute(sql).await)??)
    }

    pub(super) fn execute(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<usize, Failure> {
        let statement = self.prepare(sql)?;
        let rows = self.run(async |client| client.execute(&statement, parameters).await)??;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    pub(super) fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql)?;
        Ok(self.run(async |client| client.query(&statement, parameters).await)??)
    }
}

/// Brings the schema up to date in one transaction; nodes that start together wait for each other.
pub(super) fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Fault> {
    let result = migrate_in_transaction(connection, migrations);
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute_script(end).map_err(Failure::into_fault);
    result.and(ended)
}

fn migrate_in_transaction(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Fault> {
    let encoding = connection.query("SELECT current_setting('server_encoding')", &[]).map_err(Failure::into_fault)?;
    if encoding.first().and_then(|row| row.try_get(0).ok()) != Some("UTF8") {
        return Err(Fault::Foreign("the PostgreSQL database must have the encoding UTF8".to_owned()));
    }
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(7310601); \
                CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL PRIMARY KEY)";
    connection.execute_script(lock).map_err(Failure::into_fault)?;
    let found = connection.query("SELECT coalesce(max(version), 0) FROM schema_version", &[]).map_err(Failure::into_fault)?;
    let found: i64 = found.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
    for step in missing(migrations, found)? {
        connection.execute_script(&(step.statements)(Dialect::Postgresql)).map_err(|failure| {
            let fault = failure.into_fault();
            Fault::Foreign(format!("its schema cannot be brought to version {}: {fault}", step.version))
        })?;
        connection.execute("INSERT INTO schema_version VALUES ($1)", &[&step.version]).map_err(Failure::into_fault)?;
    }
    Ok(())
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::PostgresForTests;

    const FIRST: Migration =
        Migration { version: 1, statements: |_| "CREATE TABLE thing (key int); INSERT INTO thing VALUES (7)".into() };
    const SECOND: Migration = Migration { version: 2, statements: |_| "ALTER TABLE thing ADD COLUMN colour text".into() };
    const BAD: Migration = Migration { version: 2, statements: |_| "DROP TABLE thing; CREATE NONSENSE".into() };

    #[test]
    fn an_older_schema_is_migrated_whole_or_not_at_all() {
        let Some(postgres) = PostgresForTests::start() else { return };
        let server = Server::parse(&postgres.url()).expect("is a URL");
        let migrate = |steps: &[Migration]| migrate(&mut server.open().expect("connects"), steps);
        assert_eq!(migrate(&[FIRST]), Ok(()));
        assert!(matches!(migrate(&[FIRST, BAD]), Err(Fault::Foreign(_))));
        assert_eq!(migrate(&[FIRST, SECOND]), Ok(()));
        assert_eq!(migrate(&[FIRST, SECOND]), Ok(()));
        let rows = server.open().expect("connects").query("SELECT key, colour FROM thing", &[]).expect("has both columns");
        assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [7]);
        assert!(matches!(migrate(&[FIRST]), Err(Fault::Foreign(_))));
    }

    #[test]
    fn a_message_never_repeats_the_password() {
        for url in
            ["postgresql://jeton:hunter2@db.example/x?sslmode=require", "postgresql://jeton:hunter2@db.example/x?nonsense=1"]
        {
            let refused = Server::parse(url).err().expect("is refused").to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
