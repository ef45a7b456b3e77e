//! Checking reads an access token of a realm and says what it allows, or exactly why it is refused.

use super::opaque;
use crate::event::Concerned;
use crate::name::{ClientId, Key, Scope, Time};
use crate::record::{AccessTokenFormat, ClaimRow, ClaimSource, Client};
use crate::refusal::Why;
use crate::snapshot::{Memory, RealmState};
use crate::world::{Stop, World};
use jeton_jose::{JoseError, KeySet, jwt};
use serde_json::Value;
use std::sync::Arc;

/// What a valid access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The client that asked for it.
    pub client_id: ClientId,
    /// As whom it acts.
    pub subject: String,
    /// What it allows.
    pub scope: Scope,
    /// For whom it is.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// Its own id.
    pub token_id: String,
    /// The family that it belongs to.
    pub family: Option<Key>,
}

/// The family that a token id names: its first half, if it is twice as long as others.
pub(super) fn family_of(token_id: &[u8]) -> Option<Key> {
    let (family, rest) = token_id.split_first_chunk::<16>()?;
    (rest.len() == 16).then(|| Key::from_bytes(*family))
}

/// Checks a presented token: genuine, of this realm, not ended, its client still in good standing. A refusal names the client
/// where the token is genuine, so that its owner reads why.
pub fn check(
    realm: &RealmState,
    memory: &Memory,
    world: &World<'_>,
    presented: &str,
) -> Result<(AccessToken, Arc<Client>), (Stop, Option<Concerned>)> {
    let anonymous = |stop: Stop| (stop, None);
    let token = match &realm.realm.settings.access_token.format {
        AccessTokenFormat::Opaque => opaque::open(realm, presented),
        AccessTokenFormat::Jwt { typ, claims, .. } => open_jwt(realm, typ, claims, world, presented),
    };
    let token = token.map_err(|why| anonymous(why.into()))?;
    // decisions.md 15: our own tokens are refused when now >= exp, everywhere.
    if world.now >= token.expires_at {
        return Err(anonymous(Why::TokenExpired.into()));
    }
    let client = memory.client(world.facts, realm.realm.key, &token.client_id).map_err(anonymous)?;
    let client = client.ok_or_else(|| anonymous(Why::TokenRevoked.into()))?;
    let from = client.not_before.max(realm.realm.not_before);
    let alive = client.status.is_active() && token.issued_at.seconds() >= from.seconds();
    if !alive || !realm.realm.status.is_active() {
        return Err((Why::TokenRevoked.into(), Some(Concerned::from(&*client))));
    }
    Ok((token, client))
}

fn open_jwt(realm: &RealmState, typ: &str, rows: &[ClaimRow], world: &World<'_>, presented: &str) -> Result<AccessToken, Why> {
    let expect =
        jwt::Expect { issuer: realm.realm.issuer.as_str(), audiences: &[], typ: &[typ], now: world.now.seconds(), leeway: 0 };
    let verify = |keys: &KeySet| jwt::verify(presented.as_bytes(), keys, &expect);
    let claims = verify(&realm.accepted).or_else(|error| {
        let mut upcoming = realm.upcoming.iter().filter(|(from, _)| error == JoseError::UnknownKey && world.now >= *from);
        upcoming.find_map(|(_, key)| verify(key).ok()).ok_or_else(|| explain(realm, presented, &error))
    })?;
    let value = |source: ClaimSource| rows.iter().find(|row| row.from == source).and_then(|row| claims.all.get(&row.name));
    // Where tokens have no claim for the client, it is the subject; where they have, it must be there (RFC 9068 §2.2).
    let names_client = rows.iter().any(|row| row.from == ClaimSource::ClientId);
    let client_id = value(if names_client { ClaimSource::ClientId } else { ClaimSource::Subject }).and_then(Value::as_str);
    let client_id = client_id.and_then(|id| ClientId::parse(id).ok()).ok_or(Why::TokenMalformed)?;
    let scope = match value(ClaimSource::Scope) {
        None => Scope::default(),
        Some(Value::String(text)) if text.is_empty() => Scope::default(),
        Some(Value::String(text)) => Scope::parse(text).map_err(|_| Why::TokenMalformed)?,
        Some(list) => serde_json::from_value(list.clone()).map_err(|_| Why::TokenMalformed)?,
    };
    let token_id = claims.token_id.unwrap_or_default();
    Ok(AccessToken {
        client_id,
        subject: claims.subject,
        scope,
        audience: claims.audience,
        issued_at: Time::from_seconds(claims.issued_at),
        expires_at: Time::from_seconds(claims.expires_at),
        family: jeton_jose::b64::decode(token_id.as_bytes()).ok().and_then(|id| family_of(&id)),
        token_id,
    })
}

/// Says what is wrong with a token that was not accepted.
fn explain(realm: &RealmState, presented: &str, error: &JoseError) -> Why {
    let of_another_issuer = || {
        // Unproven, so it grants nothing: it only tells the likely mistake, a token of another environment, from a forgery.
        jwt::unproven(presented.as_bytes(), "iss").is_ok_and(|issuer| issuer != realm.realm.issuer.as_str())
    };
    match error {
        JoseError::UnknownKey if of_another_issuer() => Why::TokenIssuer,
        JoseError::BadSignature | JoseError::UnknownKey | JoseError::AlgorithmMismatch => Why::TokenSignature,
        JoseError::IssuerMismatch => Why::TokenIssuer,
        JoseError::Expired => Why::TokenExpired,
        JoseError::NotYetValid => Why::TokenNotYetValid,
        _ => Why::TokenMalformed,
    }
}
