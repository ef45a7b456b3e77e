//! A revocation says that a token, or every token of a family, is dead before its time (RFC 7009). It goes when they would have ended.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{Key, Time};
use serde::{Deserialize, Serialize};

/// The early end of a token or of a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Identity.
    pub key: Key,
    /// The realm of the tokens.
    pub realm: Key,
    /// What is dead.
    pub target: Revoked,
    /// When the last of them would have ended.
    pub until: Time,
}

/// What is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revoked {
    /// The token whose digest this is. Of a signed one its signature is no part: there can be several for the same statement, and
    /// none of them may bring it back.
    Token(Key),
    /// Every access token of this family.
    Family(Key),
}

impl Revoked {
    /// The bytes by which it is found.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (kind, key) = match self {
            Self::Token(key) => (0, key),
            Self::Family(key) => (1, key),
        };
        [&[kind], &key.as_bytes()[..]].concat()
    }
}

impl Record for Revocation {
    const KIND: &'static Kind = &Kind {
        name: "revocation",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }, Column { name: "target", ty: ColumnType::Bytes }],
        indexes: &[Index { name: "target", columns: &["realm", "target"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), Value::Bytes(self.target.bytes())]
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.until)
    }
}

/// The revocation of this in a realm.
#[must_use]
pub fn revocation_of(realm: Key, target: Revoked) -> Lookup {
    Lookup { index: Some("target"), prefix: vec![realm.into(), Value::Bytes(target.bytes())], guard: None }
}
