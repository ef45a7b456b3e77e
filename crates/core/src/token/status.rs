//! The status of a token is what somebody may know of it: all that it says, or nothing at all (RFC 7662 §2.2).

use super::check::check;
use super::family_token::FamilyToken;
use super::presented::digest_of_refresh;
use super::refresh::{self, SealedRefresh};
use crate::client_auth::Known;
use crate::name::{ClientId, Scope, Time};
use crate::record::{Client, Permission, Revoked, TokenFamily};
use crate::store::Changing;
use crate::verified::AccessToken;
use crate::world::{Stop, World};
use jeton_jose::json::append_text;
use std::sync::Arc;

/// What somebody may know of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// It lives, and this is what it says.
    Active(View),
    /// It does not live, or is none of the asker's business: nobody can tell which.
    Inactive,
}

/// What a living token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// An access token.
    Access(Arc<AccessToken>),
    /// A refresh token: only for the client that it was given to, so that no API takes it for an access token.
    Refresh(RefreshView),
}

/// What a living refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshView {
    /// The client that it was given to.
    pub client_id: ClientId,
    /// As whom its access tokens act.
    pub subject: String,
    /// The most that it gives.
    pub scope: Scope,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

/// What `asker` may know of a token, now. It may see its own tokens, and those for the APIs that it introspects for.
pub fn status(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    (asker, presented): (&Client, &str),
) -> Result<TokenStatus, Stop> {
    if let Some(token) = FamilyToken::parse(presented) {
        // Whoever shows what this realm did not make learns nothing, and costs no reading.
        if !token.is_of(known.realm) {
            return Ok(TokenStatus::Inactive);
        }
        let family: Option<TokenFamily> = change.records()?.read(token.family)?;
        let family = family.filter(|family| refreshes(known, world, asker, (family, token.generation)));
        return Ok(family.map_or(TokenStatus::Inactive, |family| TokenStatus::Active(View::Refresh(of_family(family, asker)))));
    }
    if presented.starts_with(refresh::PREFIX) {
        let view = refresh::open(known.realm, presented).ok().filter(|token| lives(known, world, asker, (token, presented)));
        return Ok(view.map_or(TokenStatus::Inactive, |token| TokenStatus::Active(View::Refresh(sealed(token, asker)))));
    }
    match check(known.realm, known.memory, world, presented) {
        Ok((token, client)) if client.key == asker.key || is_for(known, asker, &token) => {
            Ok(TokenStatus::Active(View::Access(token)))
        }
        Ok(_) | Err((Stop::Refuse(_) | Stop::RefuseAnd(..) | Stop::RefuseFor(..), _)) => Ok(TokenStatus::Inactive),
        // Neither active nor inactive: it is not known.
        Err((stop @ (Stop::Need(_) | Stop::Fault(_)), _)) => Err(stop),
    }
}

/// RFC 7662 §4: an API learns of no token that is not for it.
fn is_for(known: Known<'_>, asker: &Client, token: &AccessToken) -> bool {
    let resources = asker.introspects.iter().filter_map(|identifier| known.realm.resource(identifier.as_str()));
    resources.into_iter().any(|resource| known.realm.is_for(&token.audience, resource))
}

/// Whether a family's refresh token of this generation would still be exchanged.
fn refreshes(known: Known<'_>, world: &World<'_>, asker: &Client, (family, generation): (&TokenFamily, u64)) -> bool {
    let from = asker.not_before.max(known.realm.realm.not_before);
    family.client == asker.key
        && known.realm.permits(Permission::RefreshWithClientCredentials)
        && family.revoked_at.is_none()
        && !family.is_over(world.now)
        && family.issued_at.seconds() >= from.seconds()
        && family.generation == generation
}

fn of_family(family: TokenFamily, asker: &Client) -> RefreshView {
    RefreshView {
        scope: family.scope.iter().filter(|scope| asker.scope.contains(scope)).cloned().collect(),
        client_id: family.client_id,
        subject: family.subject,
        issued_at: family.issued_at,
        expires_at: family.ends_at.min(family.idle_until),
    }
}

/// Whether a sealed refresh token of the asker's would still be exchanged.
fn lives(known: Known<'_>, world: &World<'_>, asker: &Client, (token, presented): (&SealedRefresh, &str)) -> bool {
    let realm = &known.realm.realm;
    let from = asker.not_before.max(realm.not_before);
    token.client_id == asker.client_id
        && world.now < token.expires_at
        && token.issued_at.seconds() >= from.seconds()
        && known.realm.permits(Permission::RefreshWithClientCredentials)
        && !known.memory.revocations.has(realm.key, Revoked::Token(digest_of_refresh(presented)))
}

fn sealed(token: SealedRefresh, asker: &Client) -> RefreshView {
    RefreshView {
        subject: token.client_id.as_str().to_owned(),
        scope: token.scope.iter().filter(|scope| asker.scope.contains(scope)).cloned().collect(),
        client_id: token.client_id,
        issued_at: token.issued_at,
        expires_at: token.expires_at,
    }
}

impl TokenStatus {
    /// Writes the answer of RFC 7662 §2.2 as JSON.
    pub fn write(&self, issuer: &str, json: &mut Vec<u8>) {
        match self {
            Self::Inactive => json.extend_from_slice(br#"{"active":false}"#),
            Self::Active(view) => {
                json.extend_from_slice(br#"{"active":true"#);
                view.write(json);
                append_member("iss", issuer, json);
                json.push(b'}');
            }
        }
    }
}

impl View {
    fn write(&self, json: &mut Vec<u8>) {
        let (client_id, subject, scope) = match self {
            Self::Access(token) => (&token.client_id, &token.subject, &token.scope),
            Self::Refresh(token) => (&token.client_id, &token.subject, &token.scope),
        };
        if !scope.is_empty() {
            append_member("scope", &scope.to_string(), json);
        }
        append_member("client_id", client_id.as_str(), json);
        append_member("sub", subject, json);
        let (issued_at, expires_at) = match self {
            Self::Access(token) => {
                // RFC 6749 §5.1 has types of access tokens only.
                append_member("token_type", "Bearer", json);
                write_audience(&token.audience, json);
                if !token.token_id.is_empty() {
                    append_member("jti", &token.token_id, json);
                }
                (token.issued_at, token.expires_at)
            }
            Self::Refresh(token) => (token.issued_at, token.expires_at),
        };
        append_number("iat", issued_at.seconds(), json);
        append_number("exp", expires_at.seconds(), json);
    }
}

/// `aud`: one text, or a list of them (RFC 7519 §4.1.3).
fn write_audience(audience: &[String], json: &mut Vec<u8>) {
    match audience {
        [] => {}
        [one] => append_member("aud", one, json),
        several => {
            for (index, one) in several.iter().enumerate() {
                json.extend_from_slice(if index == 0 { br#","aud":["# } else { b"," });
                append_text(one, json);
            }
            json.push(b']');
        }
    }
}

fn append_member(name: &str, value: &str, json: &mut Vec<u8>) {
    json.push(b',');
    append_text(name, json);
    json.push(b':');
    append_text(value, json);
}

fn append_number(name: &str, value: i64, json: &mut Vec<u8>) {
    json.push(b',');
    append_text(name, json);
    json.push(b':');
    json.extend_from_slice(value.to_string().as_bytes());
}
