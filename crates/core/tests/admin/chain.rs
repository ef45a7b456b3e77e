//! The chain over the audit trail: whole until somebody touches what is kept, and then it says where.

use super::{Desk, chance};
use jeton_core::chain::{self, Expected, Report, Start, Verifier};
use jeton_core::name::{Key, RealmName, Time};
use jeton_core::record::{Audit, AuditMark, AuditSeal, Lookup, Realm, Record, Retention, audit_of_realm, blocks, realm_by_name};
use jeton_core::refusal::Fault;
use jeton_core::store::{Order, Records};
use jeton_core::world::Facts;
use jeton_jose::SealKey;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

fn all() -> Lookup {
    Lookup { index: None, prefix: Vec::new(), guard: None }
}

impl Desk {
    /// One transaction at the desk's present second.
    fn change<T>(&self, mut decide: impl FnMut(&mut Records<'_>) -> Result<T, Fault>) -> T {
        self.runs.set(self.runs.get() + 1);
        let mut chance = chance(self.runs.get());
        chance.now = Time::from_seconds(self.now.get());
        self.engine.transact(&chance.world(&Facts::default()), |records, _| decide(records)).expect("it is done")
    }

    pub(crate) fn seal(&self) -> usize {
        self.runs.set(self.runs.get() + 1);
        let mut chance = chance(self.runs.get());
        chance.now = Time::from_seconds(self.now.get());
        let facts = Facts::default();
        let sealed =
            self.engine.transact(&chance.world(&facts), |records, world| chain::seal(records, world, self.engine.data()));
        sealed.expect("it is sealed")
    }

    fn forget(&self, realm: Key, limit: usize) -> usize {
        self.runs.set(self.runs.get() + 1);
        let mut chance = chance(self.runs.get());
        chance.now = Time::from_seconds(self.now.get());
        let (facts, data) = (Facts::default(), self.engine.data());
        let gone =
            self.engine.transact(&chance.world(&facts), |records, world| chain::forget(records, world, data, (realm, limit)));
        gone.expect("it is done")
    }

    fn records<R: Record>(&self, lookup: &Lookup) -> Vec<R> {
        let now = Time::from_seconds(self.now.get());
        self.engine.read(now, |reader| reader.scan(lookup.clone(), None, Order::Ascending, 10_000)).expect("it is read")
    }

    /// Every line of an export, page by page.
    fn lines(&self, given: Value) -> Vec<Value> {
        let (mut lines, mut given) = (Vec::new(), given);
        loop {
            let page = self.run("audit.export", given.clone());
            lines.extend(page["items"].as_array().expect("items").clone());
            let Some(next) = page["next"].as_str() else { return lines };
            given["after"] = next.parse::<i64>().expect("a number").into();
        }
    }

    fn verified(&self) -> Report {
        verify(&self.lines(json!({})))
    }

    /// Some changes in two blocks: the first of realms and APIs, the second of one client.
    fn sealed() -> Self {
        let desk = Self::furnished();
        assert!(desk.seal() > 3);
        for title in ["One", "Two", "Three"] {
            desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": title}));
        }
        assert_eq!((desk.seal(), desk.seal()), (3, 0));
        desk
    }
}

fn verify(lines: &[Value]) -> Report {
    let signer = lines.first().and_then(|line| line["signer"].as_str()).map(str::to_owned);
    let mut verifier = Verifier::new(Expected { signer, head: None, start: Start::First });
    lines.iter().for_each(|line| verifier.line(line));
    verifier.finish()
}

#[track_caller]
fn finds(report: &Report, key: Option<Key>, what: &str) {
    let found = report.findings.iter().any(|finding| finding.key == key && finding.what.contains(what));
    assert!(found, "{key:?} {what}: {:?}", report.findings);
}

#[test]
fn what_is_sealed_is_whole_and_what_is_touched_is_named() {
    let desk = Desk::sealed();
    let report = desk.verified();
    assert_eq!((report.blocks, report.records, report.findings.len()), (2, desk.records::<Audit>(&all()).len() as u64, 0));

    // An edited record.
    let last = desk.records::<Audit>(&all()).pop().expect("a record");
    desk.change(|records| {
        let audit: Audit = records.read(last.key)?.expect("it is there");
        records.update(&Audit { action: "client.show".into(), ..audit })
    });
    finds(&desk.verified(), Some(last.key), "edited");
    desk.change(|records| {
        records.read::<Audit>(last.key)?;
        records.update(&last)
    });
    assert_eq!(desk.verified().findings, []);

    // Two records that changed places.
    let [.., one, two] = &desk.records::<Audit>(&all())[..] else { panic!("two records") };
    desk.change(|records| {
        records.read::<Audit>(one.key)?;
        records.read::<Audit>(two.key)?;
        records.update(&Audit { key: two.key, ..one.clone() })?;
        records.update(&Audit { key: one.key, ..two.clone() })
    });
    let report = desk.verified();
    finds(&report, Some(one.key), "edited");
    finds(&report, Some(two.key), "edited");
    desk.change(|records| {
        records.read::<Audit>(one.key)?;
        records.read::<Audit>(two.key)?;
        records.update(one)?;
        records.update(two)
    });

    // A deleted record, with nothing that says a rule wanted it.
    desk.change(|records| {
        let audit: Audit = records.read(one.key)?.expect("it is there");
        records.delete(&audit);
        Ok(())
    });
    finds(&desk.verified(), Some(one.key), "deleted");
}

#[test]
fn a_block_cannot_be_cut_out_changed_or_forged() {
    let cut = |sequences: &[u64]| {
        let desk = Desk::sealed();
        desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Four"}));
        desk.seal();
        let head = desk.verified().last.expect("a block");
        desk.change(|records| {
            for block in records.scan::<AuditSeal>(blocks(), None, Order::Ascending, 100)? {
                if sequences.contains(&block.sequence) {
                    records.delete(&block);
                }
            }
            Ok(())
        });
        let lines = desk.lines(json!({}));
        let mut verifier = Verifier::new(Expected { head: Some((head.0, head.1)), start: Start::First, signer: None });
        lines.iter().for_each(|line| verifier.line(line));
        verifier.finish()
    };
    finds(&cut(&[2]), None, "the blocks 2 to 2 are missing");
    finds(&cut(&[1]), None, "the blocks before it are missing");
    finds(&cut(&[3]), None, "the end was cut off");

    let desk = Desk::sealed();
    desk.change(|records| {
        let mut block = records.scan::<AuditSeal>(blocks(), None, Order::Ascending, 1)?.pop().expect("a block");
        block.late += 1;
        records.update(&block)
    });
    finds(&desk.verified(), None, "its hash is another one");

    // Whoever makes the hashes fit has no key to sign them with: another installation's signature does not count.
    let desk = Desk::sealed();
    let foreign = jeton_core::snapshot::DataKeys::new(SealKey::from_bytes([9; 32]));
    desk.change(|records| {
        let block = records.scan::<AuditSeal>(blocks(), None, Order::Descending, 1)?.pop().expect("a block");
        records.delete(&block);
        for entry in &block.entries {
            let audit: Audit = records.read(entry.key)?.expect("a record");
            records.update(&Audit { action: "nothing.happened".into(), ..audit })?;
            records.insert(&AuditMark { key: entry.key })?;
        }
        Ok(())
    });
    let mut chance = chance(99);
    chance.now = Time::from_seconds(desk.now.get());
    let facts = Facts::default();
    let forged = desk.engine.transact(&chance.world(&facts), |records, world| chain::seal(records, world, &foreign));
    assert!(forged.is_ok_and(|count| count == 3));
    finds(&desk.verified(), None, "not signed by this installation");
}

/// Rows: AD-06.
#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let desk = Desk::sealed();
    desk.now.set(desk.now.get() - 3600);
    desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Earlier"}));
    assert_eq!(desk.seal(), 1);
    desk.now.set(desk.now.get() + 7200);
    desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Later"}));
    assert_eq!(desk.seal(), 1);
    let report = desk.verified();
    assert_eq!((report.blocks, report.late, report.findings.len()), (4, 1, 0));
}

#[test]
fn a_record_that_goes_before_it_is_sealed_leaves_a_gap_that_is_told() {
    let desk = Desk::sealed();
    desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Four"}));
    let waiting = desk.records::<AuditMark>(&all()).pop().expect("a mark").key;
    desk.change(|records| {
        let audit: Audit = records.read(waiting)?.expect("it is there");
        records.delete(&audit);
        Ok(())
    });
    desk.seal();
    finds(&desk.verified(), Some(waiting), "deleted before it was sealed");
}

#[test]
fn two_sealers_that_race_make_one_chain() {
    let desk = Desk::furnished();
    for round in 0..300 {
        desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": format!("Title {round}")}));
    }
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (engine, now) = (&desk.engine, desk.now.get());
            scope.spawn(move || {
                let mut chance = chance(1_000_000 + seed);
                chance.now = Time::from_seconds(now);
                let facts = Facts::default();
                for round in 0..3 {
                    chance.random = jeton_core::world::Random::from_seed([(seed * 10 + round) as u8; 32]);
                    let _ = engine.transact(&chance.world(&facts), |records, world| chain::seal(records, world, engine.data()));
                }
            });
        }
    });
    assert!(desk.records::<AuditMark>(&all()).is_empty());
    let report = desk.verified();
    assert_eq!((report.records, report.findings.len()), (desk.records::<Audit>(&all()).len() as u64, 0));
}

#[test]
fn what_a_rule_forgets_is_told_from_what_somebody_deletes() {
    let desk = Desk::sealed();
    let realm: Realm = desk.records(&realm_by_name(&RealmName::parse("acme").expect("good"))).pop().expect("a realm");
    let refused = desk.refused("realm.set", json!({"realm": "acme", "settings": {"retention": {"audit_days": 1}}}));
    assert!(refused.contains("30 to 36500"), "{refused}");
    desk.run("realm.set", json!({"realm": "acme", "settings": {"retention": {"audit_days": 30}}}));
    desk.seal();
    assert_eq!(desk.forget(realm.key, 500), 0, "nothing is old enough");
    desk.now.set(desk.now.get() + 32 * DAY);
    let before = desk.records::<Audit>(&audit_of_realm(realm.key)).len();
    assert_eq!((desk.forget(realm.key, 2), desk.forget(realm.key, 500), desk.forget(realm.key, 500)), (2, before - 2, 0));
    desk.seal();
    let report = desk.verified();
    assert_eq!((report.forgotten, report.findings.len()), (before as u64, 0));
    let left = desk.records::<Audit>(&audit_of_realm(realm.key));
    assert!(left.iter().all(|audit| audit.action == chain::FORGET), "only the statements are left");

    // A statement without our signature excuses nothing.
    desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Five"}));
    desk.seal();
    let victim = desk.records::<Audit>(&audit_of_realm(realm.key)).pop().expect("a record");
    desk.change(|records| {
        let audit: Audit = records.read(victim.key)?.expect("it is there");
        records.delete(&audit);
        let detail = json!({ "before": i64::MAX, "proof": "AAAA" });
        records.insert(&Audit {
            key: Key::new(Time::from_seconds(desk.now.get()), [7; 10]),
            action: chain::FORGET.into(),
            detail,
            ..audit
        })
    });
    desk.seal();
    finds(&desk.verified(), Some(victim.key), "deleted");
    assert_eq!(Retention::default().audit_days, None, "by itself nothing is forgotten");
}

#[test]
fn an_export_of_one_realm_verifies_and_shows_no_other() {
    let desk = Desk::furnished();
    desk.run("realm.create", json!({"realm": "beta", "issuer": "https://auth.beta.example"}));
    desk.seal();
    desk.run("realm.set", json!({"realm": "beta", "title": "Beta"}));
    desk.seal();
    let lines = desk.lines(json!({"realm": "acme"}));
    let report = verify(&lines);
    assert_eq!(report.findings, []);
    assert!(report.withheld >= 2 && report.records > 3, "{report:?}");
    assert!(!Value::from(lines.clone()).to_string().contains("beta"), "another realm's record is shown");

    // A file that lost a line, or whose lines changed places, says so.
    let mut cut = lines.clone();
    cut.remove(2);
    finds(&verify(&cut), None, "lines were cut");
    let mut swapped = lines;
    swapped.swap(1, 2);
    assert!(verify(&swapped).findings.iter().any(|finding| finding.what.contains("reordered")));
}
