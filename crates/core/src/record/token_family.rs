//! A token family is everything that grew out of one permission: one row, however often its refresh token rotates.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{ClientId, Key, Scope, Time};
use serde::{Deserialize, Serialize};

/// The refresh tokens, one after the other, and the access tokens that came with them (RFC 6749 §6, RFC 9700 §4.14.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFamily {
    /// Identity.
    pub key: Key,
    /// The realm it belongs to.
    pub realm: Key,
    /// The only client that may use it.
    pub client: Key,
    /// That client's id.
    pub client_id: ClientId,
    /// As whom its tokens act.
    pub subject: String,
    /// The most it gives.
    pub scope: Scope,
    /// From when it counts: it dies with the tokens of its client and its realm that were issued then.
    pub issued_at: Time,
    /// Which of its refresh tokens is the present one; the first is 1.
    pub generation: u64,
    /// When the present one took the place of the one before, as long as it is unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Time>,
    /// When it was last used.
    pub used_at: Time,
    /// When the last of its access tokens ends.
    pub access_until: Time,
    /// It ends then if it is not used before.
    pub idle_until: Time,
    /// It ends then, however much it is used.
    pub ends_at: Time,
    /// When it was revoked; no token of it is good from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

impl TokenFamily {
    /// Whether it ended by itself: at its absolute end, or because nobody used it.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        now >= self.ends_at || now >= self.idle_until
    }
}

impl Record for TokenFamily {
    const KIND: &'static Kind = &Kind {
        name: "token_family",
        columns: &[Column { name: "client", ty: ColumnType::Bytes }],
        indexes: &[Index { name: "client", columns: &["client"], unique: false }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.client.into()]
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.idle_until.min(self.ends_at).max(self.access_until))
    }
}

/// The families of a client, oldest first.
#[must_use]
pub fn families_of_client(client: Key) -> Lookup {
    Lookup { index: Some("client"), prefix: vec![client.into()], guard: None }
}
