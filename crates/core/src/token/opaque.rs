//! An opaque access token is a sealed value that only this installation can read: no row, no look-up.
//!
//! Form: `jat_` and base64url of (nonce, ciphertext, tag). Inside: form, issue and end in seconds, then token id, client id,
//! subject, scope and audiences, each behind its length. The realm's key is part of what is authenticated.

use super::check::{digest_of, family_of};
use super::mint::Content;
use crate::name::{ClientId, Key, Scope, Time};
use crate::refusal::Why;
use crate::snapshot::RealmState;
use crate::verified::AccessToken;
use jeton_jose::b64;

/// By this prefix a leak scanner recognises a token.
const PREFIX: &str = "jat_";
const FORM: u8 = 1;

/// Seals what a token says.
pub(super) fn seal(realm: &RealmState, nonce: [u8; 12], content: &Content<'_>) -> String {
    let issue = content.issue;
    let mut plain = Vec::with_capacity(192);
    plain.push(FORM);
    plain.extend_from_slice(&content.issued_at.to_be_bytes());
    plain.extend_from_slice(&content.expires_at.to_be_bytes());
    push_bytes(&mut plain, &content.token_id);
    let subject = if issue.subject == issue.client_id.as_str() { "" } else { &issue.subject };
    for text in [issue.client_id.as_str(), subject, &issue.scope.to_string()] {
        push_text(&mut plain, text);
    }
    for audience in &issue.audience {
        push_text(&mut plain, audience);
    }
    let sealed = realm.access_seal.seal(nonce, realm.realm.key.as_bytes(), &plain);
    let mut token = Vec::with_capacity(PREFIX.len() + b64::encoded_len(sealed.len()));
    token.extend_from_slice(PREFIX.as_bytes());
    b64::append(&sealed, &mut token);
    String::from_utf8(token).expect("the prefix and base64url are ASCII")
}

fn push_text(plain: &mut Vec<u8>, text: &str) {
    push_bytes(plain, text.as_bytes());
}

fn push_bytes(plain: &mut Vec<u8>, bytes: &[u8]) {
    // Scopes and audiences are bounded far below 64 KiB by their own types; a longer text is cut at no place, it cannot occur.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    plain.extend_from_slice(&len.to_be_bytes());
    plain.extend_from_slice(bytes);
}

/// Opens a token of this realm. Expiry is the caller's check.
pub(crate) fn open(realm: &RealmState, token: &str) -> Result<AccessToken, Why> {
    let sealed = token.strip_prefix(PREFIX).ok_or(Why::TokenMalformed)?;
    let sealed = b64::decode(sealed.as_bytes()).map_err(|_| Why::TokenMalformed)?;
    let plain = realm.access_seal.open(realm.realm.key.as_bytes(), &sealed).map_err(|_| Why::TokenSignature)?;
    parse(&plain, digest_of(token.as_bytes())).ok_or(Why::TokenMalformed)
}

fn parse(plain: &[u8], digest: Key) -> Option<AccessToken> {
    let (&form, rest) = plain.split_first()?;
    if form != FORM {
        return None;
    }
    let (issued_at, rest) = rest.split_first_chunk::<8>()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let (token_id, mut rest) = split(rest)?;
    let mut texts = Vec::with_capacity(4);
    while !rest.is_empty() {
        let (text, tail) = split(rest)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        rest = tail;
    }
    let mut texts = texts.into_iter();
    let client_id = ClientId::parse(&texts.next()?).ok()?;
    let subject = texts.next().filter(|subject| !subject.is_empty()).unwrap_or_else(|| client_id.as_str().to_owned());
    let scope = texts.next()?;
    let scope = if scope.is_empty() { Scope::default() } else { Scope::parse(&scope).ok()? };
    Some(AccessToken {
        client_id,
        subject,
        scope,
        audience: texts.collect(),
        issued_at: Time::from_seconds(i64::from_be_bytes(*issued_at)),
        expires_at: Time::from_seconds(i64::from_be_bytes(*expires_at)),
        token_id: b64::encode(token_id),
        family: family_of(token_id),
        digest,
    })
}

/// The first of several parts, each behind its length.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}
