//! A spent assertion proved once who a client is, and must not do so again while it would be believed (RFC 7523 §3, item 7).

use super::{Kind, Record, Value};
use crate::name::{Key, Time};
use serde::{Deserialize, Serialize};

/// The mark of one assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentAssertion {
    /// A digest of the client and the assertion's `jti`, so that one of two at the same moment finds it taken.
    pub key: Key,
    /// The client that signed it.
    pub client: Key,
    /// When nobody would believe the assertion any more.
    pub until: Time,
}

impl Record for SpentAssertion {
    const KIND: &'static Kind = &Kind { name: "spent_assertion", columns: &[], indexes: &[], version: 1 };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        Vec::new()
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.until)
    }
}
