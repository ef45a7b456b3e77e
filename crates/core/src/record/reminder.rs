//! A reminder remembers that somebody was told of the end of a secret or an API key, so that nobody is told twice.

use super::{Kind, Record, Value};
use crate::name::{Key, Time};
use serde::{Deserialize, Serialize};

/// What was told of one secret or API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// The key of the secret or API key.
    pub key: Key,
    /// The end that was told; with another one, it is told again.
    pub ends_at: Time,
    /// It was told that this many days or fewer are left.
    pub days: i64,
}

impl Record for Reminder {
    const KIND: &'static Kind = &Kind { name: "reminder", columns: &[], indexes: &[], version: 1 };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        Vec::new()
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.ends_at.plus_seconds(86_400))
    }
}
