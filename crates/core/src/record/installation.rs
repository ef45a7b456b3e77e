//! An installation is one store with its own identity; its data keys are wrapped by a seal key that is kept elsewhere.

use super::{Column, ColumnType, Index, Kind, Record, Value};
use crate::name::Key;
use serde::{Deserialize, Serialize};

/// The one record that says which installation a store belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// Identity of the installation.
    pub key: Key,
    /// Fingerprint of the seal key; never the key.
    pub seal_fingerprint: String,
}

impl Record for Installation {
    const KIND: &'static Kind = &Kind {
        name: "installation",
        columns: &[Column { name: "singleton", ty: ColumnType::Integer }],
        indexes: &[Index { name: "singleton", columns: &["singleton"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![Value::Integer(1)]
    }
}

/// A key for data, wrapped by the seal key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataKey {
    /// Identity.
    pub key: Key,
    /// What it protects, for example `root`.
    pub purpose: String,
    /// The 32 bytes, sealed, base64url.
    pub wrapped: String,
}

impl Record for DataKey {
    const KIND: &'static Kind = &Kind {
        name: "data_key",
        columns: &[Column { name: "purpose", ty: ColumnType::Text }],
        indexes: &[Index { name: "purpose", columns: &["purpose"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.purpose.as_str().into()]
    }
}
