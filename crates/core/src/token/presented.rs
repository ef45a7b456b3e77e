//! A presented token is told apart by its form, and opened: an access token, or a refresh token of one kind or another.

use super::check::{self, digest_of};
use super::refresh::{self, SealedRefresh};
use crate::name::{ClientId, Key, Time};
use crate::refusal::Why;
use crate::snapshot::RealmState;
use crate::verified::AccessToken;

/// A token that this realm made. Whether it lives is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Genuine {
    /// An access token.
    Access(AccessToken),
    /// A sealed refresh token, and by what it is revoked.
    Sealed(SealedRefresh, Key),
}

impl Genuine {
    /// The only client that may end it.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::Access(token) => &token.client_id,
            Self::Sealed(token, _) => &token.client_id,
        }
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Time {
        match self {
            Self::Access(token) => token.issued_at,
            Self::Sealed(token, _) => token.issued_at,
        }
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Time {
        match self {
            Self::Access(token) => token.expires_at,
            Self::Sealed(token, _) => token.expires_at,
        }
    }

    /// The family that it belongs to.
    #[must_use]
    pub fn family(&self) -> Option<Key> {
        match self {
            Self::Access(token) => token.family,
            Self::Sealed(..) => None,
        }
    }

    /// By what it is revoked.
    #[must_use]
    pub fn digest(&self) -> Key {
        match self {
            Self::Access(token) => token.digest,
            Self::Sealed(_, digest) => *digest,
        }
    }
}

/// Opens a token of this realm, whatever kind it is. No hint is needed for that (RFC 7009 §2.1, RFC 7662 §2.1).
pub fn genuine(realm: &RealmState, now: Time, presented: &str) -> Result<Genuine, Why> {
    if presented.starts_with(refresh::PREFIX) {
        return refresh::open(realm, presented).map(|token| Genuine::Sealed(token, digest_of_refresh(presented)));
    }
    check::open(realm, now, presented).map(Genuine::Access)
}

/// By what a sealed refresh token is revoked.
#[must_use]
pub fn digest_of_refresh(presented: &str) -> Key {
    digest_of(presented.as_bytes())
}
