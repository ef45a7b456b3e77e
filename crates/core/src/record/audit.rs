//! An audit record says who changed what and when; it is written in the transaction that makes the change.

use super::{AuditMark, Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{Key, RequestId};
use serde::{Deserialize, Serialize};

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Identity; its time is the moment of the change.
    pub key: Key,
    /// Who.
    pub actor: Actor,
    /// The realm that was changed, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Key>,
    /// The command's name, for example `client.create`.
    pub action: String,
    /// What was changed, in words that the command line understands, for example `acme/client/build-7`.
    pub target: String,
    /// What changed: names and new values, never a secret.
    pub detail: serde_json::Value,
    /// The request that did it.
    pub request_id: RequestId,
}

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Actor {
    /// Somebody at the machine, by user id.
    Local {
        /// Numeric user id of the peer.
        uid: u32,
    },
    /// A client of the admin realm.
    Client {
        /// Its client id.
        client_id: String,
    },
    /// The server itself.
    System,
}

impl Record for Audit {
    const KIND: &'static Kind = &Kind {
        name: "audit",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }, Column { name: "request_id", ty: ColumnType::Text }],
        indexes: &[
            Index { name: "realm", columns: &["realm"], unique: false },
            Index { name: "request_id", columns: &["request_id"], unique: false },
        ],
        version: 1,
    };

    /// No audit record escapes the chain, whoever writes it.
    const MARK: Option<&'static Kind> = Some(AuditMark::KIND);

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.map_or(Value::Null, Value::from), self.request_id.as_str().into()]
    }
}

/// The audit records of a realm, oldest first.
#[must_use]
pub fn audit_of_realm(realm: Key) -> Lookup {
    Lookup { index: Some("realm"), prefix: vec![realm.into()], guard: None }
}

/// The audit records of one request.
#[must_use]
pub fn audit_of_request(request_id: &RequestId) -> Lookup {
    Lookup { index: Some("request_id"), prefix: vec![request_id.as_str().into()], guard: None }
}
