//! An audit seal is one block of the chain over the audit trail: which records it holds, their digests, and the block before.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::Key;
use serde::{Deserialize, Serialize};

/// One block. It is written once and never changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSeal {
    /// Identity; its time is the moment of sealing.
    pub key: Key,
    /// Place in the chain, from 1, without a gap.
    pub sequence: u64,
    /// Hash of the block before, base64url; of the first block, a hash of the installation's identity.
    pub previous: String,
    /// The records, in the order of their keys.
    pub entries: Vec<SealedEntry>,
    /// How many of them have a smaller key than a record of an earlier block: committed late, or by a clock that was set back.
    pub late: u64,
    /// The greatest key of a record up to here.
    pub newest: Key,
    /// Hash of all of this, base64url.
    pub hash: String,
    /// Ed25519 signature of the hash under a key of the installation, base64url.
    pub signature: String,
}

/// One audit record in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedEntry {
    /// The record.
    pub key: Key,
    /// The realm that was changed, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Key>,
    /// SHA-256 of the record's canonical form, base64url; none if the record was gone before it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Record for AuditSeal {
    const KIND: &'static Kind = &Kind {
        name: "audit_seal",
        columns: &[Column { name: "sequence", ty: ColumnType::Integer }],
        indexes: &[Index { name: "sequence", columns: &["sequence"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![Value::Integer(self.sequence.cast_signed())]
    }
}

/// An audit mark says that the audit record of the same key is not sealed yet. It is written in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditMark {
    /// The audit record.
    pub key: Key,
}

impl Record for AuditMark {
    const KIND: &'static Kind = &Kind { name: "audit_mark", columns: &[], indexes: &[], version: 1 };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        Vec::new()
    }
}

/// The blocks in the order of the chain.
#[must_use]
pub fn blocks() -> Lookup {
    Lookup { index: Some("sequence"), prefix: Vec::new(), guard: None }
}
