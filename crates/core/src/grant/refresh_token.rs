//! A client trades a refresh token for a new access token (RFC 6749 §6).
//!
//! There are two forms. Those of a family rotate: only the newest is good, and one that is used twice ends its family. The sealed
//! ones that some providers promise with client credentials do not rotate and need no row.

use super::scope::{self, Granted};
use super::{Asked, Grant};
use crate::name::Scope;
use crate::record::{Client, ClientKind, GrantName, Permission, Revoked, TokenFamily};
use crate::refusal::Why;
use crate::snapshot::RealmState;
use crate::store::Changing;
use crate::token::{FamilyToken, Holder, Issue, Refresh, digest_of_refresh, open_refresh, use_family};
use crate::world::{Consequence, Presented, Stop};

/// The descriptor.
pub(super) const GRANT: Grant = Grant { name: GrantName::RefreshToken, wire: "refresh_token", offered, exchange };

/// Without people, only this permission makes refresh tokens.
fn offered(realm: &RealmState) -> bool {
    realm.permits(Permission::RefreshWithClientCredentials)
}

fn exchange(asked: &Asked<'_>, change: &mut Changing<'_, '_>) -> Result<Issue, Stop> {
    let presented = asked.refresh_token.ok_or(Why::RequestParameterMissing)?;
    if !offered(asked.realm) {
        return Err(Why::RefreshTokenInvalid.into());
    }
    match FamilyToken::parse(presented.expose()) {
        Some(token) => of_family(asked, change, &token),
        None => sealed(asked, presented),
    }
}

fn of_family(asked: &Asked<'_>, change: &mut Changing<'_, '_>, token: &FamilyToken) -> Result<Issue, Stop> {
    let (client, settings, now) = (asked.client.client(), &asked.realm.realm.settings, asked.world.now);
    // RFC 6749 §10.10: a guess costs no reading.
    if !token.is_of(asked.realm) {
        return Err(Why::RefreshTokenInvalid.into());
    }
    let records = change.records()?;
    // This realm made it; where its family is not known any more, that has ended and was swept away.
    let family: Option<TokenFamily> = records.read(token.family)?;
    let family = family.filter(|family| family.realm == asked.realm.realm.key).ok_or(Why::RefreshTokenExpired)?;
    // RFC 6749 §6: the refresh token is bound to the client to which it was issued.
    if family.client != client.key {
        return Err(Why::RefreshTokenForeign.into());
    }
    // RFC 7009 §2.1: with a refresh token everything that is based on the same grant ends.
    if family.revoked_at.is_some() || died(asked, family.issued_at.seconds()) {
        return Err(Why::RefreshTokenRevoked.into());
    }
    // RFC 9700 §4.14.2: it SHOULD expire if the client has been inactive for some time.
    if family.is_over(now) {
        return Err(if now >= family.ends_at { Why::RefreshTokenExpired } else { Why::RefreshTokenIdle }.into());
    }
    // RFC 9700 §4.14.2: of two users of one token one is a thief, and nobody knows which: the family ends.
    let Some(used) = use_family(&family, token.generation, &settings.refresh_token, holder(client), now) else {
        return Err(Stop::RefuseAnd(Why::RefreshTokenReplayed, Consequence::RevokeFamily(family.key)));
    };
    // RFC 6749 §6: the scope of the token may be less, that of the family stays. A refusal here has not used the token.
    let Granted { scope, audience } = scope::narrow(asked, &kept(&family.scope, client))?;
    let access_until = used.access_until.max(asked.from.plus_seconds(settings.access_token.lifetime));
    records.update(&TokenFamily { access_until, ..used.clone() })?;
    Ok(Issue {
        client_id: client.client_id.clone(),
        subject: family.subject,
        scope,
        asked: asked.scope.map(str::to_owned),
        audience,
        refresh: used.refresh(),
        family: Some(family.key),
    })
}

fn sealed(asked: &Asked<'_>, presented: &Presented) -> Result<Issue, Stop> {
    let client = asked.client.client();
    let token = open_refresh(asked.realm, presented.expose())?;
    // RFC 6749 §6: the refresh token is bound to the client to which it was issued.
    if token.client_id != client.client_id {
        return Err(Why::RefreshTokenForeign.into());
    }
    if asked.world.now >= token.expires_at {
        return Err(Why::RefreshTokenExpired.into());
    }
    let revoked = Revoked::Token(digest_of_refresh(presented.expose()));
    if died(asked, token.issued_at.seconds()) || asked.memory.revocations.has(asked.realm.realm.key, revoked) {
        return Err(Why::RefreshTokenRevoked.into());
    }
    let Granted { scope, audience } = scope::narrow(asked, &kept(&token.scope, client))?;
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

/// Whether what was issued in this second died with the tokens of its client or its realm.
fn died(asked: &Asked<'_>, issued_at: i64) -> bool {
    issued_at < asked.client.client().not_before.max(asked.realm.realm.not_before).seconds()
}

/// A client that runs on people's devices proves nothing.
fn holder(client: &Client) -> Holder {
    match client.kind {
        ClientKind::Confidential { .. } => Holder::Proven,
        ClientKind::Public => Holder::Anybody,
    }
}

/// What was withdrawn from the client since then is not given again.
fn kept(held: &Scope, client: &Client) -> Scope {
    held.iter().filter(|scope| client.scope.contains(scope)).cloned().collect()
}
