//! Following the chain reads the whole audit trail out of one view of a store, and compares it with what was sealed.

use super::canonical::{shown_key, signer};
use super::lines::{Shown, lines_of};
use super::verify::{Expected, Finding, Report, Start, Verifier};
use crate::name::Key;
use crate::record::{Audit, AuditMark, AuditSeal, Lookup, Record, Value, blocks};
use crate::refusal::Fault;
use crate::snapshot::DataKeys;
use crate::store::{Order, Place, Reader};
use std::collections::BTreeSet;

/// Rows that are read at once.
const PAGE: usize = 1000;
/// Blocks that are read at once.
const PAGE_BLOCKS: usize = 16;

/// What was found in the trail of a store.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The chain, and what is wrong with it or outside it.
    pub report: Report,
    /// How many records wait to be sealed.
    pub waiting: u64,
}

/// Follows the chain from its first block on, and looks for records outside it. What cannot be read is a finding, too.
pub fn follow(reader: &mut Reader<'_>, data: &DataKeys) -> Result<Trail, Fault> {
    let signer = signer(data)?;
    // The key follows from the seal key, not from what the store says.
    let expected = Expected { signer: Some(shown_key(signer.public())), head: None, start: Start::First };
    let (mut verifier, mut last) = (Verifier::new(expected), 0);
    let mut every_block = || {
        loop {
            let place = Place { values: vec![Value::Integer(last)], key: Key::from_bytes([255; 16]) };
            let page: Vec<AuditSeal> = reader.scan(blocks(), Some(place), Order::Ascending, PAGE_BLOCKS)?;
            let Some(end) = page.last().map(|block| block.sequence.cast_signed()) else { return Ok(()) };
            // A row that says it is another one must not lead back.
            if end <= last {
                return Err(Fault::Corrupt(format!("audit_seal: behind block {last} stands one that says it is block {end}")));
            }
            last = end;
            for block in &page {
                let lines = lines_of(block, Shown::All, &signer, |key| reader.read::<Audit>(key))?;
                lines.iter().for_each(|line| verifier.line(line));
            }
        }
    };
    let blocks_read = every_block();
    let mut outside = Outside::default();
    let records_read = outside.read(reader);
    let mut loose = outside.findings;
    if blocks_read.is_ok() {
        // Where blocks could not be read, nobody can say which records they hold.
        let what = "the record is in no block: it was put in, or its block was cut off";
        loose.extend(outside.sealed.iter().filter(|key| !verifier.holds(**key)).map(|key| finding(Some(*key), what)));
    }
    let mut report = verifier.finish();
    for read in [blocks_read, records_read] {
        match read {
            Ok(()) => {}
            Err(Fault::Corrupt(cause) | Fault::Foreign(cause)) => report.findings.push(finding(None, &cause)),
            Err(fault) => return Err(fault),
        }
    }
    report.findings.extend(loose);
    Ok(Trail { report, waiting: outside.waiting })
}

fn finding(key: Option<Key>, what: &str) -> Finding {
    Finding { block: 0, key, what: what.to_owned() }
}

/// The records of the trail, whether a block holds them or not.
#[derive(Default)]
struct Outside {
    sealed: BTreeSet<Key>,
    waiting: u64,
    findings: Vec<Finding>,
}

impl Outside {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let mut marked = BTreeSet::new();
        each(reader, |mark: AuditMark| {
            marked.insert(mark.key);
        })?;
        each(reader, |audit: Audit| {
            if marked.contains(&audit.key) {
                self.waiting += 1;
            } else if !self.sealed.insert(audit.key) {
                self.findings.push(finding(Some(audit.key), "the record stands twice: one was put in"));
            }
        })
    }
}

fn each<R: Record>(reader: &mut Reader<'_>, mut take: impl FnMut(R)) -> Result<(), Fault> {
    let mut last: Option<Key> = None;
    loop {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let after = last.map(|key| Place { values: Vec::new(), key });
        let page: Vec<R> = reader.scan(all, after, Order::Ascending, PAGE)?;
        let Some(key) = page.last().map(Record::key) else { return Ok(()) };
        if last.is_some_and(|last| key <= last) {
            return Err(Fault::Corrupt(format!("{} {key}: it stands behind greater keys", R::KIND.name)));
        }
        last = Some(key);
        let is_end = page.len() < PAGE;
        page.into_iter().for_each(&mut take);
        if is_end {
            return Ok(());
        }
    }
}
