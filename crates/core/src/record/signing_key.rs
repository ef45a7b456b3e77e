//! A signing key signs the tokens of one realm for one purpose; its private part is kept sealed.

use super::{Column, ColumnType, Index, Kind, Lookup, Realm, Record, Value};
use crate::name::{Key, Time};
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
    /// Since when it stands in the key set.
    pub published_at: Time,
    /// Where it stands in its life.
    pub state: KeyState,
    /// For so many seconds at most a token of it is in force after it signs no more: the longest life that its realm gave tokens
    /// since the key was made, and how long a cut-off node goes on. It never shrinks: tokens do not end earlier because others do.
    pub outlasted: i64,
    /// PKCS#8, sealed under the installation's data key, base64url; empty once the key is gone.
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
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeyState {
    /// Published, not yet used.
    Next,
    /// Signs.
    Active {
        /// Since when.
        from: Time,
    },
    /// Signs no more, still published and accepted.
    Retiring {
        /// Since when it signed.
        from: Time,
        /// Since when it does not.
        since: Time,
        /// From then on no token that it signed is in force.
        until: Time,
    },
    /// Neither published nor accepted.
    Gone {
        /// Since when.
        since: Time,
        /// How it ended.
        end: KeyEnd,
    },
}

/// How a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyEnd {
    /// Its last token had ended.
    Outlived,
    /// It was never used and is not needed.
    Withdrawn,
    /// An administrator ended it, and its tokens with it.
    Revoked,
}

impl KeyState {
    /// The state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active { .. } => "active",
            Self::Retiring { .. } => "retiring",
            Self::Gone { .. } => "gone",
        }
    }

    /// Whether it stands in the key set.
    #[must_use]
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Gone { .. })
    }

    /// Whether its tokens pass: a key that was never used has signed nothing.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Active { .. } | Self::Retiring { .. })
    }

    /// Whether it signs.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active { .. })
    }
}

impl SigningKeyRecord {
    /// The same key, ended: neither published nor accepted, its private part wiped.
    #[must_use]
    pub fn gone(&self, since: Time, end: KeyEnd) -> Self {
        Self { state: KeyState::Gone { since, end }, sealed: String::new(), ..self.clone() }
    }
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
