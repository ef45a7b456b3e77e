//! Checking reads an access token of a realm and says what it allows, or exactly why it is refused.

use super::opaque;
use crate::event::Concerned;
use crate::name::{ClientId, Key, Scope, Time};
use crate::record::{AccessTokenFormat, ClaimRow, ClaimSource, Client, Revoked};
use crate::refusal::Why;
use crate::snapshot::{Memory, RealmState};
use crate::verified::AccessToken;
use crate::world::{Stop, World};
use jeton_jose::{JoseError, KeySet, jwt, sha256};
use serde_json::Value;
use std::sync::Arc;

/// The family that a token id names: its first half, if it is twice as long as others.
pub(super) fn family_of(token_id: &[u8]) -> Option<Key> {
    let (family, rest) = token_id.split_first_chunk::<16>()?;
    (rest.len() == 16).then(|| Key::from_bytes(*family))
}

/// By what a token is revoked: the beginning of a SHA-256.
pub(super) fn digest_of(bytes: &[u8]) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&sha256(bytes)[..16]);
    Key::from_bytes(key)
}

/// What of a signed token cannot be changed: everything but its signature. Whoever holds a token signed with ECDSA can make
/// another signature of it that is good, too (SEC 1 §4.1.4 accepts `s` and `n - s`), and so another text of the same token.
fn signed_part(presented: &str) -> &str {
    presented.rsplit_once('.').map_or(presented, |(signed, _)| signed)
}

/// By what an access token is revoked, signed or opaque.
#[must_use]
pub fn digest_of_access(token: &str) -> Key {
    digest_of(signed_part(token).as_bytes())
}

/// What a living access token says, and its client.
pub type Checked = (Arc<AccessToken>, Arc<Client>);

/// Checks a presented token: genuine, of this realm, not ended, not revoked, its client still in good standing. A refusal names
/// the client where the token is genuine, so that its owner reads why.
pub fn check(
    realm: &RealmState,
    memory: &Memory,
    world: &World<'_>,
    presented: &str,
) -> Result<Checked, (Stop, Option<Concerned>)> {
    let anonymous = |stop: Stop| (stop, None);
    let token = match &realm.realm.settings.access_token.format {
        AccessTokenFormat::Opaque => opaque::open(realm, presented).map(Arc::new),
        AccessTokenFormat::Jwt { .. } => {
            memory.verified.or_verify(&realm.verification, presented, || open(realm, world.now, presented))
        }
    };
    let token = token.map_err(|why| anonymous(why.into()))?;
    in_time(realm, &token, world.now).map_err(|why| anonymous(why.into()))?;
    let client = memory.client(world.facts, realm.realm.key, &token.client_id).map_err(anonymous)?;
    let client = client.ok_or_else(|| anonymous(Why::TokenRevoked.into()))?;
    let revoked = |target| memory.revocations.has(realm.realm.key, target);
    let ended = revoked(Revoked::Token(token.digest)) || token.family.is_some_and(|family| revoked(Revoked::Family(family)));
    let from = client.not_before.max(realm.realm.not_before);
    let alive = !ended && client.status.is_active() && token.issued_at.seconds() >= from.seconds();
    if !alive || !realm.realm.status.is_active() {
        return Err((Why::TokenRevoked.into(), Some(Concerned::from(&*client))));
    }
    Ok((token, client))
}

/// Opens an access token of this realm. A signed one must be in time, too; who may use it, and whether it lives, is not looked at.
pub fn open(realm: &RealmState, now: Time, presented: &str) -> Result<AccessToken, Why> {
    match &realm.realm.settings.access_token.format {
        AccessTokenFormat::Opaque => opaque::open(realm, presented),
        AccessTokenFormat::Jwt { typ, claims, .. } => open_jwt(realm, typ, claims, now, presented),
    }
}

fn in_time(realm: &RealmState, token: &AccessToken, now: Time) -> Result<(), Why> {
    // decisions.md 15: our own tokens are refused when now >= exp, everywhere.
    if now >= token.expires_at {
        return Err(Why::TokenExpired);
    }
    // As when it was verified: a clock may have gone back since then. Nobody else makes opaque ones, so theirs is no matter.
    let is_signed = matches!(realm.realm.settings.access_token.format, AccessTokenFormat::Jwt { .. });
    if is_signed && token.issued_at.seconds() > now.seconds().saturating_add(jwt::CLOCK_SKEW) {
        return Err(Why::TokenNotYetValid);
    }
    Ok(())
}

fn open_jwt(realm: &RealmState, typ: &str, rows: &[ClaimRow], now: Time, presented: &str) -> Result<AccessToken, Why> {
    let expect = jwt::Expect { issuer: realm.realm.issuer.as_str(), audiences: &[], typ: &[typ], now: now.seconds(), leeway: 0 };
    let verify = |keys: &KeySet| jwt::verify(presented.as_bytes(), keys, &expect);
    let claims = verify(&realm.accepted).or_else(|error| {
        let mut upcoming = realm.upcoming.iter().filter(|(from, _)| error == JoseError::UnknownKey && now >= *from);
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
    let row = rows.iter().find(|row| row.from == ClaimSource::TokenId);
    let token_id = row.and_then(|row| claims.all.get(&row.name)?.as_str()).unwrap_or_default().to_owned();
    let bare = row.and_then(|row| token_id.strip_prefix(&row.prefix)).unwrap_or_default();
    let family = jeton_jose::b64::decode(bare.as_bytes()).ok().and_then(|id| family_of(&id));
    Ok(AccessToken {
        client_id,
        subject: claims.subject,
        scope,
        audience: claims.audience,
        issued_at: Time::from_seconds(claims.issued_at),
        expires_at: Time::from_seconds(claims.expires_at),
        family,
        token_id,
        digest: digest_of_access(presented),
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
