//! A sealed refresh token goes with client credentials where a provider promised one: no row, no rotation, dead when its
//! client's tokens are revoked.

use super::mint::Issue;
use crate::name::{ClientId, Scope, Time};
use crate::refusal::Why;
use crate::snapshot::RealmState;
use crate::world::World;
use jeton_jose::b64;
use serde::{Deserialize, Serialize};

pub(super) const PREFIX: &str = "jrt_";

/// What a sealed refresh token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRefresh {
    /// The only client that may use it.
    #[serde(rename = "c")]
    pub client_id: ClientId,
    /// The most it gives.
    #[serde(rename = "s")]
    pub scope: Scope,
    /// When it was issued.
    #[serde(rename = "i")]
    pub issued_at: Time,
    /// When it ends.
    #[serde(rename = "e")]
    pub expires_at: Time,
}

/// Seals a refresh token for what is issued.
pub(super) fn seal(realm: &RealmState, world: &World<'_>, issue: &Issue) -> String {
    let content = SealedRefresh {
        client_id: issue.client_id.clone(),
        scope: issue.scope.clone(),
        issued_at: world.now,
        expires_at: world.now.plus_seconds(realm.realm.settings.refresh_token_lifetime),
    };
    let plain = serde_json::to_vec(&content).expect("texts and numbers are always JSON");
    let sealed = realm.refresh_seal.seal(world.random.draw("refresh token"), realm.realm.key.as_bytes(), &plain);
    format!("{PREFIX}{}", b64::encode(&sealed))
}

/// Opens a refresh token of this realm. Whose it is and when it ends is the grant's check.
pub fn open(realm: &RealmState, token: &str) -> Result<SealedRefresh, Why> {
    let sealed = token.strip_prefix(PREFIX).ok_or(Why::RefreshTokenInvalid)?;
    let sealed = b64::decode(sealed.as_bytes()).map_err(|_| Why::RefreshTokenInvalid)?;
    let plain = realm.refresh_seal.open(realm.realm.key.as_bytes(), &sealed).map_err(|_| Why::RefreshTokenInvalid)?;
    serde_json::from_slice(&plain).map_err(|_| Why::RefreshTokenInvalid)
}
