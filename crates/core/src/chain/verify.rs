//! Verifying reads the lines of an export, one by one, and says what was cut, edited or reordered, and where.

use super::canonical::{Head, block_message, digest, forget_message, is_signed, leaf, parse_key, root};
use super::forget::FORGET;
use crate::name::{Key, Time};
use crate::record::{Audit, SealedEntry};
use jeton_jose::PublicKey;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most findings that are told one by one.
const MOST_FINDINGS: usize = 1000;

/// What is known before the first line.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The public key of the installation, as block lines show it; without it, the one of the first block is taken for it.
    pub signer: Option<String>,
    /// A block that is known to have existed: its place and its hash.
    pub head: Option<(u64, String)>,
    /// Where the lines begin.
    pub start: Start,
}

/// Where the lines begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first block of the chain.
    First,
    /// Somewhere.
    #[default]
    Midway,
}

/// Something that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The block.
    pub block: u64,
    /// The record, if it is about one; its time is the moment of the change.
    pub key: Option<Key>,
    /// What is wrong, in words.
    pub what: String,
}

/// What was verified.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many blocks.
    pub blocks: u64,
    /// How many records, each compared with its digest.
    pub records: u64,
    /// How many records were withheld from this export.
    pub withheld: u64,
    /// How many records were forgotten by a realm's rules.
    pub forgotten: u64,
    /// How many records were committed late, or under a clock that was set back.
    pub late: u64,
    /// The first block.
    pub first: Option<u64>,
    /// The last block: its place, its hash, and when it was sealed.
    pub last: Option<(u64, String, Time)>,
    /// Who signed.
    pub signer: Option<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads lines.
pub struct Verifier {
    expected: Expected,
    key: Option<PublicKey>,
    report: Report,
    open: Option<Open>,
    gone: Vec<(u64, SealedEntry)>,
    forgotten: BTreeMap<Key, Time>,
    sealed: BTreeSet<Key>,
}

struct Open {
    head: Head,
    leaves: Vec<String>,
}

#[derive(Deserialize)]
struct BlockLine {
    block: u64,
    key: Key,
    count: u64,
    late: u64,
    newest: Key,
    previous: String,
    root: String,
    hash: String,
    signature: String,
    signer: String,
}

#[derive(Deserialize)]
struct EntryLine {
    block: u64,
    index: usize,
    leaf: Option<String>,
    sealed: Option<SealedEntry>,
    record: Option<Value>,
}

impl Verifier {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        let key = expected.signer.as_deref().and_then(parse_key);
        let report = Report { signer: expected.signer.clone(), ..Report::default() };
        let (gone, forgotten, sealed) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { expected, key, report, open: None, gone, forgotten, sealed }
    }

    /// Reads the next line.
    pub fn line(&mut self, line: &Value) {
        match line["line"].as_str() {
            Some("block") => match serde_json::from_value(line.clone()) {
                Ok(block) => self.block(block),
                Err(_) => self.find(None, "a line is not one of an export".into()),
            },
            Some("record" | "gone" | "withheld") => match serde_json::from_value(line.clone()) {
                Ok(entry) => self.entry(entry),
                Err(_) => self.find(None, "a line is not one of an export".into()),
            },
            _ => self.find(None, "a line is not one of an export".into()),
        }
    }

    /// Whether a block that was read holds this record.
    #[must_use]
    pub fn holds(&self, key: Key) -> bool {
        self.sealed.contains(&key)
    }

    /// There are no more lines.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.close();
        for (block, entry) in std::mem::take(&mut self.gone) {
            let end = entry.realm.and_then(|realm| self.forgotten.get(&realm));
            if end.is_some_and(|end| entry.key.created_at() < *end) {
                self.report.forgotten += 1;
            } else {
                self.find_in(block, Some(entry.key), "the record was deleted; no rule of its realm explains it".into());
            }
        }
        if let Some((place, _)) = &self.expected.head {
            let (place, end) = (*place, self.report.last.as_ref().map_or(0, |(place, ..)| *place));
            if end < place {
                self.find_in(end, None, format!("the chain ends here, but block {place} existed: the end was cut off"));
            }
        }
        self.report
    }

    fn block(&mut self, line: BlockLine) {
        self.close();
        let BlockLine { block, key, count, late, newest, previous, root, hash, signature, signer } = line;
        let head = Head { sequence: block, key, previous, count, late, newest, root };
        self.follow(&head);
        if self.key.is_none() {
            self.key = parse_key(&signer);
            self.report.signer = Some(signer);
        }
        if head.hash() != hash {
            self.find_in(block, None, "the block was edited: its hash is another one".into());
        }
        if !self.key.as_ref().is_some_and(|key| is_signed(key, &block_message(&hash), &signature)) {
            self.find_in(block, None, "the block is not signed by this installation".into());
        }
        if let Some((place, known)) = &self.expected.head
            && *place == block
            && *known != hash
        {
            self.find_in(block, None, "this is not the block that existed at this place".into());
        }
        self.report.blocks += 1;
        self.report.late += late;
        self.report.first.get_or_insert(block);
        self.report.last = Some((block, hash, key.created_at()));
        self.open = Some(Open { head, leaves: Vec::new() });
    }

    /// Whether a block follows the one before.
    fn follow(&mut self, head: &Head) {
        let (block, last) = (head.sequence, self.report.last.as_ref().map(|(place, hash, _)| (*place, hash.clone())));
        let what = match last {
            None if block > 1 && self.expected.start == Start::First => {
                format!("the blocks before it are missing: the chain begins with block {block}")
            }
            None => return,
            Some((last, hash)) if block == last + 1 && hash == head.previous => return,
            Some((last, _)) if block == last + 1 => format!("it does not follow block {last}: one of them was replaced"),
            Some((last, _)) if block > last => format!("the blocks {} to {} are missing", last + 1, block - 1),
            Some((last, _)) => format!("it stands behind block {last}: the blocks were reordered"),
        };
        self.find_in(block, None, what);
    }

    fn entry(&mut self, line: EntryLine) {
        let place = self.open.as_ref().map(|open| (open.head.sequence, open.leaves.len()));
        let Some((block, index)) = place.filter(|(block, _)| *block == line.block) else {
            return self.find_in(line.block, None, "a record stands outside its block: lines were cut or reordered".into());
        };
        if index != line.index {
            let key = line.sealed.as_ref().map(|sealed| sealed.key);
            let what = format!("record {} stands where record {index} belongs: lines were cut or reordered", line.index);
            self.find_in(block, key, what);
        }
        let leaf = match (&line.sealed, line.leaf) {
            (Some(sealed), _) => self.shown(block, sealed, line.record),
            (None, leaf) => {
                self.report.withheld += 1;
                leaf.unwrap_or_default()
            }
        };
        if let Some(open) = &mut self.open {
            open.leaves.push(leaf);
        }
    }

    /// Compares a record with what was sealed; returns its leaf.
    fn shown(&mut self, block: u64, sealed: &SealedEntry, record: Option<Value>) -> String {
        self.sealed.insert(sealed.key);
        let key = Some(sealed.key);
        match record.map(serde_json::from_value::<Audit>) {
            None if sealed.digest.is_none() => self.find_in(block, key, "the record was deleted before it was sealed".into()),
            None => self.gone.push((block, sealed.clone())),
            Some(Err(_)) => self.find_in(block, key, "the record was edited: it cannot be read".into()),
            Some(Ok(audit)) => {
                self.report.records += 1;
                let same = audit.key == sealed.key && audit.realm == sealed.realm && Some(digest(&audit)) == sealed.digest;
                if same {
                    self.remember_forgetting(&audit);
                } else {
                    self.find_in(block, key, "the record was edited: it is not what was sealed".into());
                }
            }
        }
        leaf(sealed)
    }

    /// A signed statement that records were forgotten by rule.
    fn remember_forgetting(&mut self, audit: &Audit) {
        let (Some(realm), Some(before), Some(proof)) =
            (audit.realm, audit.detail["before"].as_i64(), audit.detail["proof"].as_str())
        else {
            return;
        };
        let before = Time::from_millis(before);
        let is_ours = self.key.as_ref().is_some_and(|key| is_signed(key, &forget_message(realm, before), proof));
        if audit.action == FORGET && is_ours {
            let end = self.forgotten.entry(realm).or_insert(before);
            *end = (*end).max(before);
        }
    }

    /// The lines of the open block are all there.
    fn close(&mut self) {
        let Some(Open { head, leaves }) = self.open.take() else { return };
        if leaves.is_empty() {
            self.report.withheld += head.count;
        } else if leaves.len() as u64 != head.count {
            let what = format!("{} of its {} records are here: lines were cut", leaves.len(), head.count);
            self.find_in(head.sequence, None, what);
        } else if root(&leaves) != head.root {
            let what = "what the block says of its records was edited".into();
            self.find_in(head.sequence, None, what);
        }
    }

    fn find(&mut self, key: Option<Key>, what: String) {
        let block = self.report.last.as_ref().map_or(0, |(place, ..)| *place);
        self.find_in(block, key, what);
    }

    fn find_in(&mut self, block: u64, key: Option<Key>, what: String) {
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(Finding { block, key, what });
        }
    }
}
