//! A client trades a refresh token for a new access token (RFC 6749 §6).
//!
//! Here live the sealed refresh tokens that some providers promise with client credentials: they do not rotate, need the
//! client's authentication every time, and die with its tokens. Families of rotating tokens come with people.

use super::scope::{self, Granted};
use super::{Asked, Grant};
use crate::name::Scope;
use crate::record::{GrantName, Permission, Revoked};
use crate::refusal::Why;
use crate::snapshot::RealmState;
use crate::store::Changing;
use crate::token::{Issue, Refresh, digest_of_refresh, open_refresh};
use crate::world::Stop;

/// The descriptor.
pub(super) const GRANT: Grant = Grant { name: GrantName::RefreshToken, wire: "refresh_token", offered, exchange };

/// Without people, only this permission makes refresh tokens.
fn offered(realm: &RealmState) -> bool {
    realm.permits(Permission::RefreshWithClientCredentials)
}

fn exchange(asked: &Asked<'_>, _: &mut Changing<'_, '_>) -> Result<Issue, Stop> {
    let client = asked.client.client();
    let presented = asked.refresh_token.ok_or(Why::RequestParameterMissing)?;
    if !offered(asked.realm) {
        return Err(Why::RefreshTokenInvalid.into());
    }
    let token = open_refresh(asked.realm, presented.expose())?;
    // RFC 6749 §6: the refresh token is bound to the client to which it was issued.
    if token.client_id != client.client_id {
        return Err(Why::RefreshTokenForeign.into());
    }
    if asked.world.now >= token.expires_at {
        return Err(Why::RefreshTokenExpired.into());
    }
    let from = client.not_before.max(asked.realm.realm.not_before);
    let revoked = Revoked::Token(digest_of_refresh(presented.expose()));
    if token.issued_at.seconds() < from.seconds() || asked.memory.revocations.has(asked.realm.realm.key, revoked) {
        return Err(Why::RefreshTokenRevoked.into());
    }
    // What was withdrawn from the client since then is not given again.
    let kept: Scope = token.scope.iter().filter(|scope| client.scope.contains(scope)).cloned().collect();
    let Granted { scope, audience } = scope::narrow(asked, &kept)?;
    Ok(Issue {
        client_id: client.client_id.clone(),
        subject: client.client_id.as_str().to_owned(),
        scope,
        asked: asked.scope.map(str::to_owned),
        audience,
        refresh: Refresh::Same(presented.expose().to_owned()),
        family: None,
    })
}
