//! An API key identifies the calling application at an API, beside or instead of a token.

use super::{Client, Column, ColumnType, Index, Kind, Lookup, Record, Status, Value};
use crate::name::{ClientId, Key, Label, Time};
use serde::{Deserialize, Serialize};

/// A key of one client. Its value is kept only as a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// The client that it identifies.
    pub client: Key,
    /// That client's id, which never changes.
    pub client_id: ClientId,
    /// Name, unique within the client.
    pub name: Label,
    /// Keyed hash of the value, base64url.
    pub hash: String,
    /// First characters, so that an owner recognises it.
    pub hint: String,
    /// From then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Whether it is in use.
    pub status: Status,
}

impl Record for ApiKey {
    const KIND: &'static Kind = &Kind {
        name: "api_key",
        columns: &[
            Column { name: "realm", ty: ColumnType::Bytes },
            Column { name: "client", ty: ColumnType::Bytes },
            Column { name: "hash", ty: ColumnType::Text },
        ],
        indexes: &[
            Index { name: "hash", columns: &["realm", "hash"], unique: true },
            Index { name: "client", columns: &["client"], unique: false },
        ],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.client.into(), self.hash.as_str().into()]
    }

    fn parent(&self) -> Option<(&'static Kind, Key)> {
        Some((Client::KIND, self.client))
    }
}

/// The key with this hash in a realm, whatever its status.
#[must_use]
pub fn key_by_hash(realm: Key, hash: &str) -> Lookup {
    Lookup { index: Some("hash"), prefix: vec![realm.into(), hash.into()], guard: None }
}

/// All keys of a client; the answer is guarded by the client.
#[must_use]
pub fn keys_of_client(client: Key) -> Lookup {
    Lookup { index: Some("client"), prefix: vec![client.into()], guard: Some((Client::KIND, client)) }
}
