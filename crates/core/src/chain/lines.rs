//! The lines of an export: each block, then its records with their place, so that a file of them can be verified by itself.

use super::canonical::{Head, leaf, shown_key};
use crate::name::Key;
use crate::record::{Audit, AuditSeal, SealedEntry};
use crate::refusal::Fault;
use jeton_jose::SigningKey;
use serde_json::{Value, json};

/// Whose records an export shows; those of others are only counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everybody's.
    All,
    /// Those of one realm.
    Realm(Key),
}

impl Shown {
    /// Whether a record of this realm is shown.
    #[must_use]
    pub fn includes(self, realm: Option<Key>) -> bool {
        match self {
            Self::All => true,
            Self::Realm(only) => realm == Some(only),
        }
    }
}

/// The lines of one block. A block without a record that is shown is one line.
pub fn lines_of(
    block: &AuditSeal,
    shown: Shown,
    signer: &SigningKey,
    mut read: impl FnMut(Key) -> Result<Option<Audit>, Fault>,
) -> Result<Vec<Value>, Fault> {
    let head = Head::of(block);
    let mut lines = vec![json!({
        "line": "block", "block": block.sequence, "at": block.key.created_at().to_rfc3339(), "key": block.key,
        "count": head.count, "late": block.late, "newest": block.newest, "previous": block.previous, "root": head.root,
        "hash": block.hash, "signature": block.signature, "signer": shown_key(signer.public()),
    })];
    if !block.entries.iter().any(|entry| shown.includes(entry.realm)) {
        return Ok(lines);
    }
    for (index, entry) in block.entries.iter().enumerate() {
        let found = match shown.includes(entry.realm).then(|| read(entry.key)) {
            None => Found::Withheld,
            Some(Ok(Some(audit))) => Found::Record(audit),
            Some(Ok(None)) => Found::Gone,
            Some(Err(Fault::Corrupt(_))) => Found::Unreadable,
            Some(Err(fault)) => return Err(fault),
        };
        lines.push(line(block.sequence, index, entry, found)?);
    }
    Ok(lines)
}

/// What became of a record of a block.
enum Found {
    Withheld,
    Record(Audit),
    Unreadable,
    Gone,
}

fn line(block: u64, index: usize, entry: &SealedEntry, found: Found) -> Result<Value, Fault> {
    let at = entry.key.created_at().to_rfc3339();
    // What was sealed is said again, so that a changed record can be told from a changed block.
    let sealed = || json!({ "key": entry.key, "realm": entry.realm, "digest": entry.digest });
    Ok(match found {
        Found::Withheld => json!({ "line": "withheld", "block": block, "index": index, "leaf": leaf(entry) }),
        Found::Gone => json!({ "line": "gone", "block": block, "index": index, "at": at, "sealed": sealed() }),
        Found::Unreadable => {
            json!({ "line": "record", "block": block, "index": index, "at": at, "sealed": sealed(), "record": "unreadable" })
        }
        Found::Record(audit) => {
            let record = serde_json::to_value(audit).map_err(|_| Fault::Broken("an audit record cannot be written as JSON"))?;
            json!({ "line": "record", "block": block, "index": index, "at": at, "sealed": sealed(), "record": record })
        }
    })
}
