//! A resource server is an API: its identifier, where it is hosted, its scopes in words, and the operations the sample API offers.

use super::{Column, ColumnType, Index, Kind, Lookup, Realm, Record, Status, Value};
use crate::name::{Key, ResourceIdentifier, ScopeToken, Title};
use serde::{Deserialize, Serialize};

/// An API that accepts this realm's tokens (RFC 6749 §1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceServer {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// What stands in `aud`; never an address.
    pub identifier: ResourceIdentifier,
    /// Name for people.
    pub title: Title,
    /// Where it is hosted; told to developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its scopes.
    pub scopes: Vec<ScopeEntry>,
    /// Whether a call needs an API key of the same client beside the token.
    #[serde(default)]
    pub api_key: Placement,
    /// Operations that the built-in sample API serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// Whether it is in use.
    pub status: Status,
}

/// A scope of an API, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeEntry {
    /// The scope token.
    pub scope: ScopeToken,
    /// One sentence for developers and for people who are asked.
    pub sentence: Title,
}

/// Whether and where a call carries an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// No key.
    #[default]
    None,
    /// In the header that the dialect names, checked before the token.
    Header,
}

/// An operation of the sample API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// HTTP method.
    pub method: String,
    /// Path below the realm's mount; `{name}` stands for one segment.
    pub path: String,
    /// Scopes that the token must have, all of them.
    #[serde(default)]
    pub scope: Vec<ScopeToken>,
    /// What is answered; `{name}` in texts is not replaced.
    pub answer: serde_json::Value,
}

impl Record for ResourceServer {
    const KIND: &'static Kind = &Kind {
        name: "resource_server",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }, Column { name: "identifier", ty: ColumnType::Text }],
        indexes: &[Index { name: "identifier", columns: &["realm", "identifier"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.identifier.as_str().into()]
    }

    fn parent(&self) -> Option<(&'static Kind, Key)> {
        Some((Realm::KIND, self.realm))
    }
}

/// The resource server of this identifier in a realm.
#[must_use]
pub fn resource_by_identifier(realm: Key, identifier: &ResourceIdentifier) -> Lookup {
    Lookup { index: Some("identifier"), prefix: vec![realm.into(), identifier.as_str().into()], guard: None }
}

/// All resource servers of a realm; the answer is guarded by the realm.
#[must_use]
pub fn resources_of_realm(realm: Key) -> Lookup {
    Lookup { index: Some("identifier"), prefix: vec![realm.into()], guard: Some((Realm::KIND, realm)) }
}
