//! A commit locks what the batch relies on, writes, looks whether every guard held, and only then commits.
//!
//! Rows are locked in the order of kind and key, so two batches never wait for each other in a circle. Rows that must stay absent
//! are reserved by placeholders (version 0), which nobody else ever sees: whoever inserts the same key waits for us.

use super::Database;
use super::connection::{Connection, Failure};
use super::read::{key, references, slice};
use crate::schema::Dialect;
use crate::statement;
use futures_util::future::{join, maybe_done};
use jeton_core::name::Key;
use jeton_core::record::{Kind, Value};
use jeton_core::store::{Batch, CommitError, Fault, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

/// How often a lost outcome is looked up, and how long after each other.
const LOOKUPS: u32 = 3;
const LOOKUP_PAUSE: Duration = Duration::from_millis(500);

/// Commits a batch, whatever becomes of the connection meanwhile.
pub(super) fn commit(database: &Database, batch: &Batch) -> Result<(), CommitError> {
    let mut last = Failure::Conflict;
    for _ in 0..2 {
        let mut connection = database.take()?;
        match write(&mut connection, batch) {
            Ok(()) => match connection.execute_script("COMMIT") {
                Ok(()) => return Ok(()),
                Err(Failure::Lost(cause)) => {
                    connection.discard();
                    database.pool.clear();
                    return look_up(database, batch, &cause);
                }
                Err(failure) => return Err(failure.into_commit_error()),
            },
            // COMMIT was never sent, so nothing was committed: it may be tried again.
            Err(Failure::Lost(cause)) => {
                connection.discard();
                database.pool.clear();
                last = Failure::Lost(cause);
            }
            Err(failure) => {
                let is_taken = matches!(failure, Failure::Taken);
                if connection.execute_script("ROLLBACK").is_err() {
                    connection.discard();
                } else if is_taken && clear_rivals(&mut connection, batch).unwrap_or(0) > 0 {
                    last = failure;
                    continue;
                }
                return Err(failure.into_commit_error());
            }
        }
    }
    Err(last.into_commit_error())
}

/// Everything but COMMIT, in one round trip.
fn write(connection: &mut Connection, batch: &Batch) -> Result<(), Failure> {
    let plan = Plan::of(batch)?;
    let mut steps = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        steps.push((connection.prepare(&step.sql)?, step));
    }
    let (begun, results) = connection.run(async |client| {
        let sent = steps.iter().map(|(statement, step)| step.send(client, statement));
        join(client.batch_execute("BEGIN"), all_in_order(sent)).await
    })?;
    begun?;
    let mut versions = BTreeMap::new();
    let mut is_whole = true;
    // In order: the first error is the cause of those behind it.
    for (result, step) in results.into_iter().zip(&plan.steps) {
        match (result?, &step.expected) {
            (Answer::Rows(rows), Expected::Versions(kind)) => read_versions(&mut versions, kind, batch, &rows)?,
            (Answer::Count(count), Expected::Count(expected)) => is_whole &= count == *expected,
            _ => {}
        }
    }
    let holds = batch.guards.iter().all(|guard| versions.get(&(guard.kind.name, guard.key)).copied() == guard.version);
    if is_whole && (holds || cfg!(feature = "planted-fault")) { Ok(()) } else { Err(Failure::Conflict) }
}

/// Sends each statement before the next one, and waits for all answers. (`join_all` does not promise the order.)
async fn all_in_order<F: Future>(statements: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = statements.map(|statement| Box::pin(maybe_done(statement))).collect();
    std::future::poll_fn(|context| {
        let left = waiting.iter_mut().filter_map(|answer| answer.as_mut().poll(context).is_pending().then_some(())).count();
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.iter_mut().filter_map(|answer| answer.as_mut().take_output()).collect()
}

fn read_versions(
    versions: &mut BTreeMap<(&'static str, Key), u64>,
    kind: &Kind,
    batch: &Batch,
    rows: &[Row],
) -> Result<(), Failure> {
    for row in rows {
        let key = key(row, 0).map_err(|error| Failure::Fault(Fault::Corrupt(format!("a key of {}: {error}", kind.name))))?;
        let (version, end): (i64, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        if end.is_none_or(|end| batch.now.millis() < end) {
            versions.insert((kind.name, key), version.cast_unsigned());
        }
    }
    Ok(())
}

/// The statements of a batch, in order.
struct Plan {
    steps: Vec<Step>,
}

struct Step {
    sql: String,
    parameters: Parameters,
    expected: Expected,
}

enum Parameters {
    Values(Vec<Value>),
    Keys(Vec<Vec<u8>>),
    KeysAt(Vec<Vec<u8>>, i64),
    Log(i64, Vec<&'static str>, Vec<Vec<u8>>),
}

/// What the answer of a step must be.
enum Expected {
    Versions(&'static Kind),
    Count(u64),
    Anything,
}

enum Answer {
    Rows(Vec<Row>),
    Count(u64),
}

impl Step {
    async fn send(&self, client: &tokio_postgres::Client, statement: &Statement) -> Result<Answer, tokio_postgres::Error> {
        let references = match &self.parameters {
            Parameters::Values(values) => references(values),
            _ => Vec::new(),
        };
        let parameters: Vec<&(dyn ToSql + Sync)> = match &self.parameters {
            Parameters::Values(_) => slice(&references),
            Parameters::Keys(keys) => vec![keys],
            Parameters::KeysAt(keys, now) => vec![keys, now],
            Parameters::Log(at, kinds, keys) => vec![at, kinds, keys],
        };
        match self.expected {
            Expected::Versions(_) => client.query(statement, &parameters).await.map(Answer::Rows),
            _ => client.execute(statement, &parameters).await.map(Answer::Count),
        }
    }
}

/// Keys of one kind that a batch touches.
struct Keys {
    kind: &'static Kind,
    /// Rows to lock.
    locked: BTreeSet<Key>,
    /// Rows that must stay absent, and rows that are inserted.
    absent: BTreeSet<Key>,
    mode: &'static str,
}

impl Keys {
    fn none(kind: &'static Kind) -> Self {
        Self { kind, locked: BTreeSet::new(), absent: BTreeSet::new(), mode: "SHARE" }
    }
}

impl Plan {
    fn of(batch: &Batch) -> Result<Self, Failure> {
        let now = batch.now.millis();
        let kinds = keys_by_kind(batch);
        let inserted: BTreeSet<(&str, Key)> = batch.writes.iter().filter_map(inserted).collect();
        let needs_places =
            batch.guards.iter().any(|guard| guard.version.is_none() && !inserted.contains(&(guard.kind.name, guard.key)));
        let mut steps = Vec::new();
        for keys in kinds.values().filter(|keys| !keys.locked.is_empty()) {
            let (name, mode) = (keys.kind.name, keys.mode);
            let sql = format!(
                "SELECT \"key\", \"version\", \"expires_at\" FROM \"{name}\" WHERE \"key\" = ANY ($1) ORDER BY \"key\" FOR {mode}"
            );
            steps.push(Step { sql, parameters: Parameters::Keys(bytes(&keys.locked)), expected: Expected::Versions(keys.kind) });
        }
        let reserved: Vec<&Keys> = kinds.values().filter(|keys| needs_places && !keys.absent.is_empty()).collect();
        steps.extend(reserved.iter().map(|keys| reserve(keys, now)));
        let id = vec![batch.id.into(), Value::Integer(now)];
        steps.push(Step {
            sql: "INSERT INTO batch (id, at, committed) VALUES ($1, $2, true)".to_owned(),
            parameters: Parameters::Values(id),
            expected: Expected::Count(1),
        });
        for write in &batch.writes {
            steps.push(write_step(write, batch)?);
        }
        for keys in reserved {
            let sql = format!("DELETE FROM \"{}\" WHERE \"key\" = ANY ($1) AND \"version\" = 0", keys.kind.name);
            steps.push(Step { sql, parameters: Parameters::Keys(bytes(&keys.absent)), expected: Expected::Anything });
        }
        if !batch.writes.is_empty() {
            steps.push(log_step(batch));
        }
        Ok(Self { steps })
    }
}

fn inserted(write: &Write) -> Option<(&'static str, Key)> {
    match write {
        Write::Insert(kind, row) => Some((kind.name, row.key)),
        _ => None,
    }
}

fn bytes(keys: &BTreeSet<Key>) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.as_bytes().to_vec()).collect()
}

/// Kinds in the order of their names. A kind of which a row is written is locked for writing as a whole, because a lock that is
/// raised later could wait in a circle.
fn keys_by_kind(batch: &Batch) -> BTreeMap<&'static str, Keys> {
    let mut kinds = BTreeMap::new();
    for guard in &batch.guards {
        let keys = kinds.entry(guard.kind.name).or_insert_with(|| Keys::none(guard.kind));
        keys.locked.insert(guard.key);
        if guard.version.is_none() {
            keys.absent.insert(guard.key);
        }
    }
    for write in &batch.writes {
        let (kind, key) = write.target();
        let keys = kinds.entry(kind.name).or_insert_with(|| Keys::none(kind));
        if !matches!(write, Write::Insert(..)) {
            keys.locked.insert(key);
        } else if !keys.locked.contains(&key) {
            // A row that is deleted first is locked, and needs no place.
            keys.absent.insert(key);
        }
        if keys.locked.contains(&key) {
            keys.mode = "UPDATE";
        }
    }
    kinds
}

/// Placeholders for rows that are absent. A row that has ended serves as its own; a live one makes the count too small.
fn reserve(keys: &Keys, now: i64) -> Step {
    let name = keys.kind.name;
    let sql = format!(
        "INSERT INTO \"{name}\" (\"key\", \"version\", \"body_version\", \"body\") \
         SELECT \"absent\", 0, 0, 'null' FROM unnest($1::bytea[]) AS \"absent\" ORDER BY \"absent\" \
         ON CONFLICT (\"key\") DO UPDATE SET \"version\" = \"{name}\".\"version\" WHERE \"{name}\".\"expires_at\" <= $2"
    );
    Step { sql, parameters: Parameters::KeysAt(bytes(&keys.absent), now), expected: Expected::Count(keys.absent.len() as u64) }
}

fn write_step(write: &Write, batch: &Batch) -> Result<Step, Failure> {
    let now = batch.now;
    let by_key = |key: &Key| Ok(vec![(*key).into(), Value::Integer(now.millis())]);
    let (sql, values) = match write {
        Write::Insert(kind, row) => (statement::insert(Dialect::Postgresql, kind), statement::parameters(kind, row, now)),
        Write::Replace(kind, row) => (statement::replace(Dialect::Postgresql, kind), statement::parameters(kind, row, now)),
        Write::Touch(kind, key) => (statement::touch(Dialect::Postgresql, kind), by_key(key)),
        Write::Delete(kind, key) => (statement::delete(Dialect::Postgresql, kind), by_key(key)),
    };
    Ok(Step { sql, parameters: Parameters::Values(values.map_err(Failure::Fault)?), expected: Expected::Count(1) })
}

fn log_step(batch: &Batch) -> Step {
    let targets = batch.writes.iter().map(Write::target);
    let (kinds, keys) = targets.map(|(kind, key)| (kind.name, key.as_bytes().to_vec())).unzip();
    let sql = "INSERT INTO change_log (at, kind, key) SELECT $1, kind, key \
               FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS changed (kind, key, place) ORDER BY place";
    Step { sql: sql.to_owned(), parameters: Parameters::Log(batch.now.millis(), kinds, keys), expected: Expected::Anything }
}

/// Removes ended rows that still hold unique values of this batch. Answers how many there were.
fn clear_rivals(connection: &mut Connection, batch: &Batch) -> Result<usize, Failure> {
    let mut gone = 0;
    for write in &batch.writes {
        if let Write::Insert(kind, row) | Write::Replace(kind, row) = write {
            for query in statement::clear_rivals(Dialect::Postgresql, kind, row, batch.now) {
                gone += connection.execute(&query.sql, &slice(&references(&query.parameters)))?;
            }
        }
    }
    Ok(gone)
}

/// Finds out what became of a COMMIT without an answer, by claiming the batch's id: whoever claims it second learns who was
/// first. The claim waits for a transaction that is still under way, and bars one that comes later.
fn look_up(database: &Database, batch: &Batch, cause: &str) -> Result<(), CommitError> {
    let claim = "INSERT INTO batch (id, at, committed) VALUES ($1, $2, false) ON CONFLICT (id) DO NOTHING";
    let read = "SELECT committed FROM batch WHERE id = $1";
    let (id, at) = (batch.id.as_bytes().to_vec(), batch.now.millis());
    for _ in 0..LOOKUPS {
        let found = database.ask(|connection| {
            connection.execute(claim, &[&id, &at])?;
            let row = connection.query(read, &[&id])?;
            row.first().map_or(Ok(None), |row| Ok(Some(row.try_get::<_, bool>(0)?)))
        });
        match found {
            Ok(Some(true)) => return Ok(()),
            Ok(_) => return Err(CommitError::Fault(Fault::Unavailable(format!("PostgreSQL: nothing was committed: {cause}")))),
            Err(_) => std::thread::sleep(LOOKUP_PAUSE),
        }
    }
    Err(CommitError::Fault(Fault::Unavailable(format!("PostgreSQL: the outcome of the commit is unknown: {cause}"))))
}
