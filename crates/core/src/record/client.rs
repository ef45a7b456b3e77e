//! A client is an application that may ask for tokens: what it is, what it was granted, how it authenticates.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{ClientId, Key, Label, ResourceIdentifier, Scope, Time, Title, WebOrigin};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::collections::BTreeSet;
use std::fmt;

/// An application that may ask for tokens (RFC 6749 §1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// Its identifier, unique within the realm for ever.
    pub client_id: ClientId,
    /// Name for people.
    pub title: Title,
    /// Whether it can hold a secret.
    pub kind: ClientKind,
    /// The grants it may use.
    pub grants: BTreeSet<GrantName>,
    /// What it was granted.
    pub scope: Scope,
    /// What it gets when it asks for nothing; `None` is everything granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<Scope>,
    /// Exact redirect URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// The web pages from which it may ask; only a public client has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub web_origins: Vec<WebOrigin>,
    /// The person as whom its tokens act, where the realm says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Title>,
    /// The APIs for which it asks what tokens say (RFC 7662 §2.1): it is such an API's own client.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub introspects: BTreeSet<ResourceIdentifier>,
    /// How many copies of it run at the same time, each with tokens of its own.
    #[serde(default = "one")]
    pub instances: u32,
    /// Whether it may ask.
    pub status: Status,
    /// Tokens issued before this moment are dead.
    pub not_before: Time,
}

const fn one() -> u32 {
    1
}

/// Whether a client can hold a secret. A public client has no place for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientKind {
    /// Runs on a server (RFC 6749 §2.1).
    Confidential {
        /// How it may authenticate.
        auth_methods: AuthMethods,
        /// Its secrets; several may be live at once.
        secrets: Vec<ClientSecret>,
        /// The public keys of its own; several may be live at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keys: Vec<ClientKey>,
    },
    /// Runs on a person's device (RFC 6749 §2.1) and holds no secret.
    Public,
}

/// A set of authentication methods.
pub type AuthMethods = BTreeSet<AuthMethod>;

/// How a client may authenticate at the token endpoint (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// HTTP Basic (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// In the request body (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// By a statement that it signs with a key of its own (RFC 7523 §2.2).
    PrivateKeyJwt,
}

/// A grant a client may use (RFC 6749 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantName {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.1.
    AuthorizationCode,
}

/// One named secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// Identity; its last use is kept under the same key.
    pub key: Key,
    /// Name, unique within the client.
    pub name: Label,
    /// What is kept of the value.
    pub hash: SecretHash,
    /// First characters, so that an owner recognises it.
    pub hint: String,
    /// SHA-256 of the hash as it was imported, base64url: importing it again changes nothing, even after it was replaced by a
    /// keyed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
    /// From then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// One named public key, by which a client signs who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientKey {
    /// Identity; its last use is kept under the same key.
    pub key: Key,
    /// Name, unique within the client.
    pub name: Label,
    /// The public JWK (RFC 7517 §4), with its `kid` and its one `alg`.
    pub jwk: Map<String, serde_json::Value>,
}

/// What is kept of a secret: never the value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretHash {
    /// HMAC-SHA-256 under the installation's data key, base64url.
    Keyed {
        /// The 43 characters.
        mac: String,
    },
    /// SHA-256 of the value, base64url; imported from elsewhere.
    Sha256 {
        /// The 43 characters.
        digest: String,
    },
    /// A slow hash made elsewhere (PHC or crypt string); replaced by a keyed one when it first matches.
    Foreign {
        /// The string as it was imported.
        phc: String,
    },
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// Whether a realm, client, resource server or key is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Status {
    /// In use.
    Active,
    /// Switched off by its owner or an administrator.
    Disabled,
    /// Stopped for a reason that its owner may read.
    Suspended {
        /// The reason.
        reason: Title,
    },
    /// Gone; only its identity is kept, so that nobody gets it again.
    Deleted,
}

impl Status {
    /// Whether it is in use.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }
}

impl Record for Client {
    const KIND: &'static Kind = &Kind {
        name: "client",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }, Column { name: "client_id", ty: ColumnType::Text }],
        indexes: &[Index { name: "client_id", columns: &["realm", "client_id"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.client_id.as_str().into()]
    }
}

/// The client of this id in a realm, whatever its status.
#[must_use]
pub fn client_by_id(realm: Key, client_id: &ClientId) -> Lookup {
    Lookup { index: Some("client_id"), prefix: vec![realm.into(), client_id.as_str().into()], guard: None }
}

/// All clients of a realm, ordered by client id.
#[must_use]
pub fn clients_of_realm(realm: Key) -> Lookup {
    Lookup { index: Some("client_id"), prefix: vec![realm.into()], guard: None }
}
