//! A signing key signs the tokens of one realm for one purpose; its private part is kept sealed.

use super::{Column, ColumnType, Index, Kind, Lookup, Realm, Record, Value};
use crate::name::Key;
use jeton_jose::Algorithm;
use serde::{Deserialize, Serialize};

/// A key pair of a realm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeyRecord {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// PKCS#8, sealed under the installation's data key, base64url.
    pub sealed: String,
}

/// What a key signs. A key never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Access tokens.
    AccessToken,
    /// ID tokens.
    IdToken,
    /// Signed answers about tokens (RFC 9701).
    Introspection,
}

/// The life of a key: next → active → retiring → gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Published, not yet used.
    Next,
    /// Signs.
    Active,
    /// Signs no more, still published.
    Retiring,
    /// Neither.
    Gone,
}

impl Record for SigningKeyRecord {
    const KIND: &'static Kind = &Kind {
        name: "signing_key",
        columns: &[Column { name: "realm", ty: ColumnType::Bytes }, Column { name: "kid", ty: ColumnType::Text }],
        indexes: &[Index { name: "kid", columns: &["realm", "kid"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.realm.into(), self.kid.as_str().into()]
    }

    fn parent(&self) -> Option<(&'static Kind, Key)> {
        Some((Realm::KIND, self.realm))
    }
}

/// All keys of a realm; the answer is guarded by the realm.
#[must_use]
pub fn keys_of_realm(realm: Key) -> Lookup {
    Lookup { index: Some("kid"), prefix: vec![realm.into()], guard: Some((Realm::KIND, realm)) }
}
