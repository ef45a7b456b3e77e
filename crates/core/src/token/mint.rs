//! Minting turns a decided [`Issue`] into tokens. Nothing else draws their randomness or signs them.

use super::{family_token, opaque, refresh};
use crate::bucket::Pace;
use crate::name::{ClientId, Key, Scope};
use crate::record::{AccessTokenFormat, ClaimRow, ClaimShape, ClaimSource};
use crate::refusal::{Fault, Why};
use crate::snapshot::RealmState;
use crate::world::{Stop, World};
use jeton_jose::json::append_text;
use jeton_jose::{b64, jwt};

/// What shall be issued: decided, not yet made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The client that asked.
    pub client_id: ClientId,
    /// As whom the token acts.
    pub subject: String,
    /// What it allows, in canonical order.
    pub scope: Scope,
    /// The scope as it was asked for, if it was.
    pub asked: Option<String>,
    /// For whom it is.
    pub audience: Vec<String>,
    /// Whether a refresh token goes with it.
    pub refresh: Refresh,
    /// The family whose end is the token's end, too.
    pub family: Option<Key>,
}

/// Which refresh token goes with an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// None (RFC 6749 §4.4.3).
    None,
    /// A new sealed one.
    Sealed,
    /// The one that was presented, which does not rotate.
    Same(String),
    /// That of this generation of a family.
    OfFamily {
        /// The family.
        family: Key,
        /// Its generation.
        generation: u64,
    },
}

/// What was issued.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// Remaining life in seconds.
    pub expires_in: i64,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// What the access token allows.
    pub scope: Scope,
    /// The scope as it was asked for.
    pub asked: Option<String>,
    /// What the client is told beside it.
    pub told: Told,
}

/// What a client is told beside its token, because it wastes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it does not.
    Nothing,
    /// That it does; this token is new.
    Coached(Pace),
    /// That it does; this is the token that it had.
    Repeated(Pace),
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued(… for {} s)", self.expires_in)
    }
}

/// Everything a claim can say.
pub(super) struct Content<'a> {
    pub issue: &'a Issue,
    pub issued_at: i64,
    pub expires_at: i64,
    /// Chance; behind the family's key, if there is one.
    pub token_id: Vec<u8>,
}

/// Makes the tokens of an issue.
pub fn mint(realm: &RealmState, world: &World<'_>, issue: Issue) -> Result<Issued, Stop> {
    let settings = &realm.realm.settings;
    let issued_at = world.now.seconds();
    let chance: [u8; 28] = world.random.draw("access token");
    let token_id = match issue.family {
        None => chance[..16].to_vec(),
        Some(family) => [&family.as_bytes()[..], &chance[..16]].concat(),
    };
    let content =
        Content { issue: &issue, issued_at, expires_at: issued_at.saturating_add(settings.access_token.lifetime), token_id };
    let access_token = match &settings.access_token.format {
        AccessTokenFormat::Opaque => {
            let mut nonce = [0; 12];
            nonce.copy_from_slice(&chance[16..]);
            opaque::seal(realm, nonce, &content)
        }
        AccessTokenFormat::Jwt { claims, .. } => {
            let signer =
                realm.signer.as_ref().ok_or_else(|| Fault::Unavailable("the realm's signing key is not ready".into()))?;
            let claims = claim_set(realm.realm.issuer.as_str(), claims, &content);
            signer.sign(&claims).map_err(|_| Fault::Broken("an access token cannot be signed"))?
        }
    };
    if access_token.len() > jwt::MAX_TOKEN {
        return Err(Why::ScopeTooLong.into());
    }
    let refresh_token = match &issue.refresh {
        Refresh::None => None,
        Refresh::Same(token) => Some(token.clone()),
        Refresh::Sealed => Some(refresh::seal(realm, world, &issue)),
        Refresh::OfFamily { family, generation } => Some(family_token::present(realm, *family, *generation)),
    };
    let (expires_in, told) = (settings.access_token.lifetime, Told::Nothing);
    Ok(Issued { access_token, expires_in, refresh_token, scope: issue.scope, asked: issue.asked, told })
}

/// The claims as JSON, in the realm's order.
fn claim_set(issuer: &str, rows: &[ClaimRow], content: &Content<'_>) -> Vec<u8> {
    let mut json = Vec::with_capacity(512);
    json.push(b'{');
    // A scope has at least one token (RFC 6749 §3.3): without one there is no claim.
    for row in rows.iter().filter(|row| row.from != ClaimSource::Scope || !content.issue.scope.is_empty()) {
        if json.len() > 1 {
            json.push(b',');
        }
        write_text(&mut json, "", &row.name);
        json.push(b':');
        write_claim(&mut json, issuer, row, content);
    }
    json.push(b'}');
    json
}

fn write_claim(json: &mut Vec<u8>, issuer: &str, row: &ClaimRow, content: &Content<'_>) {
    let issue = content.issue;
    match (row.from, row.shape) {
        (ClaimSource::Issuer, _) => write_text(json, &row.prefix, issuer),
        (ClaimSource::Subject, _) => write_text(json, &row.prefix, &issue.subject),
        (ClaimSource::ClientId, _) => write_text(json, &row.prefix, issue.client_id.as_str()),
        (ClaimSource::TokenId, _) => write_text(json, &row.prefix, &b64::encode(&content.token_id)),
        (ClaimSource::IssuedAt, _) => write_number(json, content.issued_at),
        (ClaimSource::ExpiresAt, _) => write_number(json, content.expires_at),
        (ClaimSource::One, _) => write_number(json, 1),
        (ClaimSource::Audience, ClaimShape::Natural) if issue.audience.len() == 1 => {
            write_text(json, &row.prefix, &issue.audience[0])
        }
        (ClaimSource::Audience, _) => write_list(json, issue.audience.iter().map(String::as_str)),
        (ClaimSource::Scope, ClaimShape::Natural) => write_text(json, &row.prefix, &issue.scope.to_string()),
        (ClaimSource::Scope, ClaimShape::Array) => write_list(json, issue.scope.iter().map(|token| token.as_str())),
    }
}

fn write_number(json: &mut Vec<u8>, number: i64) {
    json.extend_from_slice(number.to_string().as_bytes());
}

fn write_list<'a>(json: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    json.push(b'[');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_text(json, "", text);
    }
    json.push(b']');
}

fn write_text(json: &mut Vec<u8>, prefix: &str, text: &str) {
    if prefix.is_empty() { append_text(text, json) } else { append_text(&format!("{prefix}{text}"), json) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_json() {
        let mut json = Vec::new();
        write_text(&mut json, "AT.", "a\"b\\c\n");
        assert_eq!(serde_json::from_slice::<String>(&json).expect("JSON"), "AT.a\"b\\c\n");
    }
}
