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
        let audit = if shown.includes(entry.realm) { Some(read(entry.key)?) } else { None };
        lines.push(line(block.sequence, index, entry, audit)?);
    }
    Ok(lines)
}

fn line(block: u64, index: usize, entry: &SealedEntry, audit: Option<Option<Audit>>) -> Result<Value, Fault> {
    let at = entry.key.created_at().to_rfc3339();
    let place = |what: &str| json!({ "line": what, "block": block, "index": index });
    let (mut line, more) = match audit {
        None => (place("withheld"), json!({ "leaf": leaf(entry) })),
        // What was sealed is said again, so that a changed record can be told from a changed block.
        Some(Some(audit)) => {
            let record = serde_json::to_value(audit).map_err(|_| Fault::Broken("an audit record cannot be written as JSON"))?;
            let entry = json!({ "key": entry.key, "realm": entry.realm, "digest": entry.digest });
            (place("record"), json!({ "at": at, "sealed": entry, "record": record }))
        }
        Some(None) => {
            let entry = json!({ "key": entry.key, "realm": entry.realm, "digest": entry.digest });
            (place("gone"), json!({ "at": at, "sealed": entry }))
        }
    };
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
    Ok(line)
}
