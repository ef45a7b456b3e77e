//! Thrift is how well a client keeps its tokens: the realm's rule about it, and what is remembered of a client that wastes them.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{HelpPage, Key, Time};
use serde::{Deserialize, Serialize};

/// What happens to a client that asks for far more tokens than it needs. Each step includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThriftPolicy {
    /// Nothing is measured.
    Off,
    /// It is measured, and administrators see it.
    #[default]
    Observe,
    /// The client is told, in a header that names the page that explains it, and by a notice.
    Coach,
    /// It gets the same token again, with its remaining life, as long as that is fresh.
    Coalesce,
    /// What cannot be coalesced is refused for a while (status 429).
    Limit,
    /// Whoever goes on nevertheless is suspended, until an administrator enables it again.
    Suspend,
}

/// A realm's rule about thrift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThriftSettings {
    /// How far it goes.
    pub policy: ThriftPolicy,
    /// So many seconds before its end a token needs no more keeping.
    pub margin: i64,
    /// For so many seconds a client may waste tokens before the last step; it is coached after a half, limited after three quarters.
    pub patience: i64,
    /// The page that explains it to partners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<HelpPage>,
}

impl Default for ThriftSettings {
    fn default() -> Self {
        Self { policy: ThriftPolicy::default(), margin: 300, patience: 24, page: None }
    }
}

/// A client that was seen to waste tokens. A thrifty one has no such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thrift {
    /// The client's key.
    pub key: Key,
    /// Its realm.
    pub realm: Key,
    /// The moment before which its tokens are dead; with another one, counting begins anew.
    pub from: Time,
    /// How much of the realm's patience was used up at `at`, in quarters of a millisecond.
    pub level: i64,
    /// When it last wasted a token.
    pub at: Time,
    /// When it began to.
    pub since: Time,
    /// Tokens that it asked for since then although those it had were fresh.
    pub wasted: u64,
    /// When it was last coached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coached_at: Option<Time>,
}

impl Record for Thrift {
    const KIND: &'static Kind = &Kind {
        name: "thrift",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }],
        indexes: &[Index { name: "realm", columns: &["realm"], unique: false }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into()]
    }

    fn expires_at(&self) -> Option<Time> {
        const DAYS: i64 = 30;
        Some(self.at.plus_seconds(DAYS * 86_400))
    }
}

/// The clients of a realm that wasted tokens lately.
#[must_use]
pub fn thrift_of_realm(realm: Key) -> Lookup {
    Lookup { index: Some("realm"), prefix: vec![realm.into()], guard: None }
}
