//! Usage counts what a client did in one hour; a last use remembers when a secret or key last served.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{Key, Time};
use serde::{Deserialize, Serialize};

/// One client in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Identity.
    pub key: Key,
    /// The client.
    pub client: Key,
    /// Hours since 1970.
    pub hour: i64,
    /// Tokens issued.
    pub issued: u64,
    /// Requests refused.
    pub refused: u64,
    /// Tokens that it asked for in its own name.
    #[serde(default)]
    pub asked: u64,
    /// Those of them that it needed.
    #[serde(default)]
    pub needed: u64,
    /// Those of them that were answered with the token that it had.
    #[serde(default)]
    pub repeated: u64,
    /// When the row is forgotten.
    pub expires_at: Time,
}

impl Record for Usage {
    const KIND: &'static Kind = &Kind {
        name: "usage",
        columns: &[Column { name: "client", ty: ColumnType::Bytes }, Column { name: "hour", ty: ColumnType::Integer }],
        indexes: &[Index { name: "client_hour", columns: &["client", "hour"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.client.into(), Value::Integer(self.hour)]
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.expires_at)
    }
}

/// The hours of one client, oldest first.
#[must_use]
pub fn usage_of_client(client: Key) -> Lookup {
    Lookup { index: Some("client_hour"), prefix: vec![client.into()], guard: None }
}

/// When a secret or an API key last served. Kept beside it, so that using one never touches the client's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastUse {
    /// The key of the secret or API key.
    pub key: Key,
    /// The moment, true to about a minute.
    pub at: Time,
}

impl Record for LastUse {
    const KIND: &'static Kind = &Kind { name: "last_use", columns: &[], indexes: &[], version: 1 };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        Vec::new()
    }
}
