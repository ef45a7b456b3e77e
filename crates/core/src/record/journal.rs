//! A journal entry tells the owner of a client why a request was refused.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{Key, RequestId, Time};
use serde::{Deserialize, Serialize};

/// One refused request. Entries are bounded per client, flushed in batches, and end by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// Identity; its time is the moment of the refusal.
    pub key: Key,
    /// The realm that was asked.
    pub realm: Key,
    /// The client, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Key>,
    /// The endpoint, for example `token`.
    pub endpoint: String,
    /// The exact reason, as the table of refusals names it.
    pub why: String,
    /// The id in the answer.
    pub request_id: RequestId,
    /// When the entry is forgotten.
    pub expires_at: Time,
}

impl Record for JournalEntry {
    const KIND: &'static Kind = &Kind {
        name: "journal_entry",
        columns: &[
            Column { name: "realm", ty: ColumnType::Bytes },
            Column { name: "client", ty: ColumnType::Bytes },
            Column { name: "request_id", ty: ColumnType::Text },
        ],
        indexes: &[
            Index { name: "client", columns: &["realm", "client"], unique: false },
            Index { name: "request_id", columns: &["request_id"], unique: false },
        ],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.client.map_or(Value::Null, Value::from), self.request_id.as_str().into()]
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.expires_at)
    }
}

/// The refusals of one client, oldest first; without a client, those of a realm that no client could be found for.
#[must_use]
pub fn entries_of_client(realm: Key, client: Option<Key>) -> Lookup {
    let client = client.map_or(Value::Null, Value::from);
    Lookup { index: Some("client"), prefix: vec![realm.into(), client], guard: None }
}

/// The refusals of one request.
#[must_use]
pub fn entries_of_request(request_id: &RequestId) -> Lookup {
    Lookup { index: Some("request_id"), prefix: vec![request_id.as_str().into()], guard: None }
}
