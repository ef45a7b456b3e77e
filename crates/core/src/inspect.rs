//! An inspection reads every row of a store and names each object that cannot be right.
//!
//! Whoever inspects hands in the rows kind by kind, in the order of [`crate::record::KINDS`]; at the end follows what only the whole can tell.

use crate::name::Key;
use crate::record::{
    ApiKey, Audit, AuditMark, AuditSeal, Client, DataKey, Delivery, Installation, JournalEntry, KeyState, Kind, LastUse, Realm,
    Record, RegisteredOrigin, Reminder, ResourceServer, Revocation, SigningKeyRecord, SpentAssertion, Thrift, TokenFamily, Usage,
    Webhook, WebhookProgress,
};
use crate::run::root_key;
use crate::snapshot::DataKeys;
use crate::store::{Row, decode};
use jeton_jose::{SealKey, sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object, for example `client 018f…`.
    pub object: String,
    /// What is wrong with it.
    pub cause: String,
}

impl Finding {
    /// Something is wrong with this object.
    #[must_use]
    pub fn new(object: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { object: object.into(), cause: cause.into() }
    }
}

/// The row that another one belongs to.
type Reference = (&'static Kind, Key);

/// Kind and key of a row.
type Object = (&'static str, Key);

/// How one kind is inspected.
struct Inspected {
    kind: &'static Kind,
    look: fn(&mut Inspection<'_>, &Row),
}

/// One line for each kind, in the order of [`crate::record::KINDS`].
const INSPECTED: &[Inspected] = &[
    Inspected { kind: Installation::KIND, look: |found, row| found.record(row, none, Inspection::installation) },
    Inspected { kind: DataKey::KIND, look: |found, row| found.record(row, none, Inspection::data_key) },
    Inspected { kind: Realm::KIND, look: |found, row| found.record::<Realm>(row, none, nothing) },
    Inspected { kind: ResourceServer::KIND, look: |found, row| found.record::<ResourceServer>(row, none, nothing) },
    Inspected { kind: SigningKeyRecord::KIND, look: |found, row| found.record(row, none, Inspection::signing_key) },
    Inspected { kind: Client::KIND, look: |found, row| found.record::<Client>(row, |it| vec![(Realm::KIND, it.realm)], nothing) },
    Inspected { kind: ApiKey::KIND, look: |found, row| found.record::<ApiKey>(row, |it| vec![(Realm::KIND, it.realm)], nothing) },
    Inspected {
        kind: TokenFamily::KIND,
        look: |found, row| {
            found.record::<TokenFamily>(row, |it| vec![(Realm::KIND, it.realm), (Client::KIND, it.client)], nothing)
        },
    },
    Inspected {
        kind: Revocation::KIND,
        look: |found, row| found.record::<Revocation>(row, |it| vec![(Realm::KIND, it.realm)], nothing),
    },
    // Whether the audit trail is whole, only the chain says: [`crate::chain::follow`].
    Inspected { kind: Audit::KIND, look: |found, row| found.record::<Audit>(row, none, nothing) },
    Inspected { kind: JournalEntry::KIND, look: |found, row| found.record::<JournalEntry>(row, none, nothing) },
    Inspected { kind: Usage::KIND, look: |found, row| found.record::<Usage>(row, none, nothing) },
    Inspected { kind: LastUse::KIND, look: |found, row| found.record::<LastUse>(row, none, nothing) },
    Inspected { kind: AuditMark::KIND, look: |found, row| found.record::<AuditMark>(row, none, nothing) },
    Inspected { kind: AuditSeal::KIND, look: |found, row| found.record::<AuditSeal>(row, none, nothing) },
    Inspected { kind: Webhook::KIND, look: |found, row| found.record::<Webhook>(row, none, nothing) },
    Inspected { kind: WebhookProgress::KIND, look: |found, row| found.record::<WebhookProgress>(row, none, nothing) },
    Inspected { kind: Delivery::KIND, look: |found, row| found.record::<Delivery>(row, none, nothing) },
    Inspected {
        kind: RegisteredOrigin::KIND,
        look: |found, row| {
            found.record::<RegisteredOrigin>(row, |it| vec![(Realm::KIND, it.realm), (Client::KIND, it.client)], nothing)
        },
    },
    Inspected {
        kind: Thrift::KIND,
        look: |found, row| found.record::<Thrift>(row, |it| vec![(Realm::KIND, it.realm), (Client::KIND, it.key)], nothing),
    },
    Inspected { kind: Reminder::KIND, look: |found, row| found.record::<Reminder>(row, none, nothing) },
    Inspected {
        kind: SpentAssertion::KIND,
        look: |found, row| found.record::<SpentAssertion>(row, |it| vec![(Client::KIND, it.client)], nothing),
    },
];

fn none<R: Record>(_: &R) -> Vec<Reference> {
    Vec::new()
}

fn nothing<R: Record>(_: &mut Inspection<'_>, _: &R) {}

/// An inspection under way.
pub struct Inspection<'a> {
    seal: Option<&'a SealKey>,
    /// Opened by the root data key, once it was seen.
    data: Option<DataKeys>,
    installations: u64,
    seen: BTreeSet<Object>,
    /// References to rows that were not seen yet: from where to where.
    open: BTreeSet<(Object, Object)>,
    /// Digests of the values of unique indexes.
    taken: BTreeSet<[u8; 16]>,
    counts: BTreeMap<&'static str, u64>,
    findings: Vec<Finding>,
}

impl<'a> Inspection<'a> {
    /// Begins. Without a seal key, keys are looked at but not opened.
    #[must_use]
    pub fn new(seal: Option<&'a SealKey>) -> Self {
        Self {
            seal,
            data: None,
            installations: 0,
            seen: BTreeSet::new(),
            open: BTreeSet::new(),
            taken: BTreeSet::new(),
            counts: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Looks at one row of a kind.
    pub fn row(&mut self, kind: &'static Kind, row: &Row) {
        *self.counts.entry(kind.name).or_default() += 1;
        match INSPECTED.iter().find(|inspected| inspected.kind == kind) {
            Some(inspected) => (inspected.look)(self, row),
            None => self.findings.push(Finding::new(kind.name, "nobody knows how to inspect this kind")),
        }
    }

    /// Something that whoever reads the rows has found.
    pub fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// How many rows of a kind were looked at.
    #[must_use]
    pub fn count(&self, kind: &Kind) -> u64 {
        self.counts.get(kind.name).copied().unwrap_or(0)
    }

    /// The keys of the store, if they were opened with the seal key.
    #[must_use]
    pub fn opened(&self) -> Option<&DataKeys> {
        self.data.as_ref()
    }

    /// Ends, and tells everything that was found.
    #[must_use]
    pub fn end(mut self) -> Vec<Finding> {
        for ((from, key), (to, missing)) in std::mem::take(&mut self.open) {
            if !self.seen.contains(&(to, missing)) {
                self.findings
                    .push(Finding::new(format!("{from} {key}"), format!("it belongs to {to} {missing}, which is missing")));
            }
        }
        if self.installations == 0 && self.counts.values().any(|count| *count > 0) {
            self.findings.push(Finding::new("installation", "it is missing"));
        }
        if self.installations > 0 && self.count(DataKey::KIND) == 0 {
            self.findings.push(Finding::new("data_key root", "it is missing, so nothing in this store can be opened"));
        }
        self.findings
    }

    fn record<R: Record>(&mut self, row: &Row, belongs: fn(&R) -> Vec<Reference>, then: fn(&mut Self, &R)) {
        let (kind, key) = (R::KIND, row.key);
        let object = || format!("{} {key}", kind.name);
        self.seen.insert((kind.name, key));
        let record: R = match decode(row) {
            Ok(record) => record,
            Err(fault) => {
                let cause = match fault {
                    crate::refusal::Fault::Corrupt(cause) | crate::refusal::Fault::Foreign(cause) => cause,
                    other => other.to_string(),
                };
                let cause = cause.strip_prefix(&format!("{}: ", object())).map_or(cause.clone(), str::to_owned);
                return self.findings.push(Finding::new(object(), format!("its body is not a {}: {cause}", kind.name)));
            }
        };
        if record.key() != key {
            self.findings.push(Finding::new(object(), "its body has another key"));
        }
        for (column, (found, said)) in kind.columns.iter().zip(row.columns.iter().zip(record.columns())) {
            if *found != said {
                self.findings.push(Finding::new(object(), format!("column {} differs from its body", column.name)));
            }
        }
        if row.expires_at != record.expires_at() {
            self.findings.push(Finding::new(object(), "column expires_at differs from its body"));
        }
        if row.version == 0 || i64::try_from(row.version).is_err() {
            self.findings.push(Finding::new(object(), "its version is not a number from 1"));
        }
        self.unique(kind, row);
        for (to, missing) in belongs(&record).into_iter().chain(record.parent()) {
            if !self.seen.contains(&(to.name, missing)) {
                self.open.insert(((kind.name, key), (to.name, missing)));
            }
        }
        then(self, &record);
    }

    /// Two rows never share the values of a unique index; rows with a null are never equal.
    fn unique(&mut self, kind: &'static Kind, row: &Row) {
        for index in kind.indexes.iter().filter(|index| index.unique) {
            let values = row.values(kind, index.columns);
            if values.contains(&crate::record::Value::Null) {
                continue;
            }
            let digest = sha256(format!("{} {} {values:?}", kind.name, index.name).as_bytes());
            if !self.taken.insert(std::array::from_fn(|at| digest[at])) {
                let cause = format!("another row has the same {}", index.columns.join(" and "));
                self.findings.push(Finding::new(format!("{} {}", kind.name, row.key), cause));
            }
        }
    }

    fn installation(&mut self, record: &Installation) {
        self.installations += 1;
        if let Some(seal) = self.seal
            && seal.fingerprint() != record.seal_fingerprint
        {
            let (given, needed) = (seal.fingerprint(), &record.seal_fingerprint);
            let cause = format!("it is sealed with another key: this one has the fingerprint {given}, it needs {needed}");
            self.findings.push(Finding::new(format!("installation {}", record.key), cause));
            self.seal = None;
        }
    }

    fn data_key(&mut self, record: &DataKey) {
        let Some(seal) = self.seal else { return };
        if record.purpose != "root" {
            return self.findings.push(Finding::new(format!("data_key {}", record.key), "it has a purpose that nobody knows"));
        }
        match root_key(record, seal) {
            Ok(root) => self.data = Some(DataKeys::new(root)),
            Err(_) => {
                self.findings.push(Finding::new(format!("data_key {}", record.key), "it cannot be opened with the seal key"));
            }
        }
    }

    fn signing_key(&mut self, record: &SigningKeyRecord) {
        let Some(data) = &self.data else { return };
        // What is gone has no private key any more.
        if matches!(record.state, KeyState::Gone { .. }) {
            return;
        }
        match data.open_signing_key(record) {
            Err(_) => {
                let cause = "it cannot be opened with the seal key";
                self.findings.push(Finding::new(format!("signing_key {}", record.key), cause));
            }
            Ok(key) if key.public().kid() != record.kid => {
                self.findings.push(Finding::new(format!("signing_key {}", record.key), "it is another key than its kid says"));
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Time;
    use crate::record::KINDS;
    use crate::store::{MemoryStore, Order, Scan, Store};

    #[test]
    fn every_kind_is_inspected() {
        let inspected: Vec<&str> = INSPECTED.iter().map(|inspected| inspected.kind.name).collect();
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(inspected, kinds, "a new kind needs its line in crates/core/src/inspect.rs");
    }

    #[test]
    fn an_object_that_cannot_be_right_is_named() {
        let (store, now) = (MemoryStore::new(), Time::from_millis(1));
        let seal = SealKey::from_bytes([7; 32]);
        let random = crate::world::Random::from_seed([1; 32]);
        let (request_id, facts) =
            (crate::name::RequestId::parse("0000000000000000").expect("an id"), crate::world::Facts::default());
        let world = crate::world::World {
            now,
            random: &random,
            request_id: &request_id,
            source: crate::world::World::INSIDE,
            facts: &facts,
        };
        let store = std::sync::Arc::new(store);
        crate::run::Engine::open(store.clone(), &seal, &world).expect("opens");
        let look = |seal: &SealKey, change: fn(&'static Kind, &mut Row)| {
            let mut inspection = Inspection::new(Some(seal));
            let read = &mut |view: &mut dyn crate::store::View| {
                for kind in KINDS {
                    let scan = Scan { kind, index: None, prefix: Vec::new(), after: None, order: Order::Ascending, limit: 100 };
                    for mut row in view.scan(&scan)? {
                        change(kind, &mut row);
                        inspection.row(kind, &row);
                    }
                }
                Ok(())
            };
            store.view(now, read).expect("reads");
            inspection.end().into_iter().map(|finding| format!("{}: {}", finding.object, finding.cause)).collect::<Vec<_>>()
        };
        assert_eq!(look(&seal, |_, _| ()), [""; 0]);
        let told = look(&SealKey::from_bytes([8; 32]), |_, _| ());
        assert!(told.len() == 1 && told[0].contains("another key"), "{told:?}");
        let told = look(&seal, |kind, row| {
            if *kind == *DataKey::KIND {
                row.columns[0] = "route".into();
            }
        });
        assert!(told.len() == 1 && told[0].ends_with("column purpose differs from its body"), "{told:?}");
        let told = look(&seal, |_, row| row.body.truncate(5));
        assert!(told.iter().any(|finding| finding.contains("its body is not a data_key")), "{told:?}");
    }
}
