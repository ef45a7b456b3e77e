//! A registered origin says from which web pages a public client may ask; it is the index over the origins of all clients.

use super::{Client, Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{Key, WebOrigin};
use serde::{Deserialize, Serialize};

/// One origin of one client. The client's record has the list; this finds it by origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredOrigin {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// The client that registered it.
    pub client: Key,
    /// The origin.
    pub origin: WebOrigin,
}

impl Record for RegisteredOrigin {
    const KIND: &'static Kind = &Kind {
        name: "web_origin",
        columns: &[
            Column { name: "realm", ty: ColumnType::Bytes },
            Column { name: "client", ty: ColumnType::Bytes },
            Column { name: "origin", ty: ColumnType::Text },
        ],
        indexes: &[
            Index { name: "origin", columns: &["realm", "origin", "client"], unique: true },
            Index { name: "client", columns: &["client"], unique: false },
        ],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.client.into(), self.origin.as_str().into()]
    }

    fn parent(&self) -> Option<(&'static Kind, Key)> {
        Some((Client::KIND, self.client))
    }
}

/// Who registered this origin in a realm.
#[must_use]
pub fn holders_of_origin(realm: Key, origin: &WebOrigin) -> Lookup {
    Lookup { index: Some("origin"), prefix: vec![realm.into(), origin.as_str().into()], guard: None }
}

/// All origins of a client; the answer is guarded by the client.
#[must_use]
pub fn origins_of_client(client: Key) -> Lookup {
    Lookup { index: Some("client"), prefix: vec![client.into()], guard: Some((Client::KIND, client)) }
}
