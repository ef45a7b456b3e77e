//! Planted faults: a deployment that breaks a promise on purpose, so that it can be shown that the invariants notice.
//!
//! None of them is in the product: a store that lies between the engine and the real one, or an answer that is changed on its way.

use bytes::Bytes;
use http::{Response, StatusCode};
use jeton_core::event::{Event, Outcome};
use jeton_core::name::Key;
use jeton_core::name::Time;
use jeton_core::record::{Kind, Value};
use jeton_core::refusal::{Fault, Why};
use jeton_core::store::{Batch, Change, CommitError, MemoryStore, Position, Reading, Row, Scan, Store, View};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is wrong with a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    /// Nothing.
    #[default]
    Nothing,
    /// A suspended or disabled client is read as an active one.
    IgnoreSuspension,
    /// A client is read with a scope that it was not granted.
    WidenScope,
    /// Every seventh commit is acknowledged and forgotten.
    ForgetCommits,
    /// Nodes do not follow what other nodes write.
    NeverFollow,
    /// Revocations are written and never read.
    HideRevocations,
    /// A refusal writes a row.
    WriteOnRefusal,
    /// An answer gives a client's secret away.
    LeakSecret,
    /// Answers come without their event.
    LoseEvents,
    /// A revoked family is read as a living one.
    ReviveFamilies,
    /// A family is read as it was before its last use.
    ForgetRotations,
    /// A call to one realm is answered by another one.
    MixRealms,
    /// A successor signs as soon as it is published.
    HurryKeys,
    /// The end of a family is written and never read.
    HideFamilyEnds,
    /// A node forgets who failed.
    ForgetFailures,
    /// Where failures are too many, the right secret is refused, too.
    LockOut,
    /// Who says that it keeps its tokens does not.
    KeepNothing,
    /// A key that retires is read as one whose tokens have all ended.
    EndKeys,
}

/// A store that may lie.
pub struct PlantedStore {
    inner: Arc<MemoryStore>,
    plant: Plant,
    commits: AtomicU32,
}

impl PlantedStore {
    /// Stands before a store.
    #[must_use]
    pub const fn new(inner: Arc<MemoryStore>, plant: Plant) -> Self {
        Self { inner, plant, commits: AtomicU32::new(0) }
    }
}

struct PlantedView<'a> {
    inner: &'a mut dyn View,
    plant: Plant,
}

impl PlantedView<'_> {
    fn shows(&self, kind: &Kind, row: &Row) -> bool {
        let hides = match self.plant {
            Plant::HideRevocations => true,
            Plant::HideFamilyEnds => String::from_utf8_lossy(&row.body).contains(r#""family""#),
            _ => false,
        };
        kind.name != "revocation" || !hides
    }

    fn bend(&self, kind: &Kind, mut row: Row) -> Row {
        let bends = match self.plant {
            Plant::ReviveFamilies | Plant::ForgetRotations => "token_family",
            Plant::EndKeys => "signing_key",
            _ => "client",
        };
        if kind.name != bends {
            return row;
        }
        let mut body: serde_json::Value = serde_json::from_slice(&row.body).unwrap_or_default();
        match self.plant {
            Plant::IgnoreSuspension => body["status"] = serde_json::json!({ "state": "active" }),
            Plant::WidenScope => {
                let scope = body["scope"].as_array_mut();
                let more = serde_json::Value::from("orders/write");
                if let Some(scope) = scope.filter(|scope| !scope.contains(&more)) {
                    scope.push(more);
                }
            }
            Plant::EndKeys if body["state"]["is"] == "retiring" => body["state"]["until"] = body["state"]["since"].clone(),
            Plant::ReviveFamilies => drop(body.as_object_mut().and_then(|body| body.remove("revoked_at"))),
            Plant::ForgetRotations => {
                let generation = body["generation"].as_u64().unwrap_or_default();
                body["generation"] = generation.saturating_sub(1).max(1).into();
            }
            _ => return row,
        }
        row.body = body.to_string().into_bytes();
        row
    }
}

impl View for PlantedView<'_> {
    fn get(&mut self, kind: &'static Kind, key: Key) -> Result<Option<Row>, Fault> {
        Ok(self.inner.get(kind, key)?.filter(|row| self.shows(kind, row)).map(|row| self.bend(kind, row)))
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, Fault> {
        Ok(self
            .inner
            .scan(scan)?
            .into_iter()
            .filter(|row| self.shows(scan.kind, row))
            .map(|row| self.bend(scan.kind, row))
            .collect())
    }
}

impl Store for PlantedStore {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        let plant = self.plant;
        self.inner.view(now, &mut |view| read(&mut PlantedView { inner: view, plant }))
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let count = self.commits.fetch_add(1, Ordering::Relaxed);
        if self.plant == Plant::ForgetCommits && count % 7 == 6 {
            return Ok(());
        }
        self.inner.commit(batch)
    }

    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        match self.plant {
            Plant::NeverFollow => Ok(Vec::new()),
            _ => self.inner.changes(after, limit),
        }
    }

    fn position(&self) -> Result<Position, Fault> {
        self.inner.position()
    }

    fn wait(&self, millis: u64) {
        self.inner.wait(millis);
    }

    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        self.inner.sweep(now, limit)
    }
}

/// An answer to whoever has the right secret as if it had none.
#[must_use]
pub fn lock_out(mut response: Response<Bytes>, mut event: Option<Event>) -> (Response<Bytes>, Option<Event>) {
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        if let Some(event) = &mut event {
            event.outcome = Outcome::Refused(Why::ClientTooManyFailures);
        }
    }
    (response, event)
}

/// A row that nobody decided to write.
#[must_use]
pub fn stray_row(key: Key) -> Row {
    Row { key, version: 1, body_version: 1, columns: vec![Value::Integer(0)], expires_at: None, body: b"{}".to_vec() }
}
