//! A JWT is a signed statement by one issuer, about one subject, for some audience, until some time.
//!
//! All of these are required, and each has one type: a claim of the wrong type is refused, never taken as missing.
//! This file knows neither scopes nor clients, remembers no `jti`, and takes the time as an argument (RFC 7519, RFC 8725).

use crate::{JoseError, KeySet, json, parse_compact};
use serde_json::{Map, Value};

/// The longest JWT that is read, in bytes.
pub const MAX_TOKEN: usize = 8192;

/// How far `nbf` and `iat` may lie in the future, in seconds: clocks differ, but not by more.
pub const CLOCK_SKEW: i64 = 10;

/// The last second of the year 9999; a later time is a mistake or an attack.
const LATEST: i64 = 253_402_300_799;

/// What the caller expects of a token. All of it is compared; nothing is guessed from the token.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// The issuer, byte for byte (RFC 8725 §3.8).
    pub issuer: &'a str,
    /// At least one of these must be in `aud`. Empty: the caller checks the audience himself, and `aud` may be missing.
    pub audiences: &'a [&'a str],
    /// The types that may stand in `typ`, as in [`crate::Unverified::verify`]. `""` stands for no `typ`.
    pub typ: &'a [&'a str],
    /// Now, in seconds since 1970.
    pub now: i64,
    /// How many seconds after `exp` the token still passes: 0 for our own tokens, at most 10 for others.
    pub leeway: i64,
}

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`: who says it.
    pub issuer: String,
    /// `sub`: about whom.
    pub subject: String,
    /// `aud`: for whom; one string counts as a list of one.
    pub audience: Vec<String>,
    /// `exp`: until when, exclusively, in seconds since 1970.
    pub expires_at: i64,
    /// `iat`: since when, in seconds since 1970.
    pub issued_at: i64,
    /// `jti`: the name of the token, when it has one.
    pub token_id: Option<String>,
    /// All claims, these included, in the order of the token.
    pub all: Map<String, Value>,
}

/// Verifies a compact JWT of at most 8 KiB and its claims.
///
/// The key is the one that `kid` names; a token without `kid` passes only with a set of exactly one key.
///
/// # Errors
/// The errors of [`parse_compact`] and [`crate::Unverified::verify`]; `UnknownKey`; `ClaimMissing` and `ClaimMalformed`;
/// `IssuerMismatch`, `AudienceMismatch`, `Expired`, `NotYetValid`.
pub fn verify(token: &[u8], keys: &KeySet, expect: &Expect<'_>) -> Result<Claims, JoseError> {
    let all = verified_object(token, keys, expect.typ)?;
    let issued_at = time(&all, "iat")?.ok_or(JoseError::ClaimMissing("iat"))?;
    check_claims(all, issued_at, expect)
}

/// As [`verify`], for assertions of others, which need not have `iat` (RFC 7523 §3, item 6).
///
/// Without it `issued_at` is `nbf`, or else `now`.
///
/// # Errors
/// As [`verify`], but never `ClaimMissing("iat")`.
pub fn verify_assertion(token: &[u8], keys: &KeySet, expect: &Expect<'_>) -> Result<Claims, JoseError> {
    let all = verified_object(token, keys, expect.typ)?;
    let issued_at = time(&all, "iat")?.or(time(&all, "nbf")?).unwrap_or(expect.now);
    check_claims(all, issued_at, expect)
}

/// What an unverified token claims as its `iss` or another text claim. Only to find out whose keys to try: it proves nothing.
///
/// # Errors
/// The errors of [`parse_compact`] and of strict JSON; `ClaimMissing` or `ClaimMalformed`.
pub fn unproven(token: &[u8], claim: &'static str) -> Result<String, JoseError> {
    let unverified = parse_compact(token, MAX_TOKEN)?;
    let all = json::parse_object(unverified.unproven_payload(), MAX_TOKEN)?;
    text(&all, claim)?.ok_or(JoseError::ClaimMissing(claim))
}

fn verified_object(token: &[u8], keys: &KeySet, typ: &[&str]) -> Result<Map<String, Value>, JoseError> {
    let unverified = parse_compact(token, MAX_TOKEN)?;
    // RFC 7515 §4.1.4: kid is a hint for looking the key up, nothing more.
    let key = match &unverified.header().kid {
        Some(kid) => keys.by_kid(kid),
        // OpenID Connect Core 1.0 §10.1: with several keys in the set, a token must have a kid.
        None => keys.only(),
    };
    let payload = unverified.verify(key.ok_or(JoseError::UnknownKey)?, typ)?;
    json::parse_object(&payload, MAX_TOKEN)
}

fn check_claims(all: Map<String, Value>, issued_at: i64, expect: &Expect<'_>) -> Result<Claims, JoseError> {
    // RFC 8725 §3.8: the issuer must be the one whose keys were used.
    let issuer = text(&all, "iss")?.ok_or(JoseError::ClaimMissing("iss"))?;
    if issuer != expect.issuer {
        return Err(JoseError::IssuerMismatch);
    }
    let subject = text(&all, "sub")?.ok_or(JoseError::ClaimMissing("sub"))?;
    let audience = audience(&all)?;
    // RFC 7519 §4.1.3: "If the principal processing the claim does not identify itself with a value in the "aud" claim
    // when this claim is present, then the JWT MUST be rejected."
    if !expect.audiences.is_empty() {
        let named = audience.as_ref().ok_or(JoseError::ClaimMissing("aud"))?;
        if !named.iter().any(|name| expect.audiences.contains(&name.as_str())) {
            return Err(JoseError::AudienceMismatch);
        }
    }
    // RFC 7519 §4.1.4: "the current date/time MUST be before the expiration date/time listed in the "exp" claim."
    let expires_at = time(&all, "exp")?.ok_or(JoseError::ClaimMissing("exp"))?;
    if expect.now >= expires_at.saturating_add(expect.leeway) {
        return Err(JoseError::Expired);
    }
    // RFC 7519 §4.1.5: "the current date/time MUST be after or equal to the not-before date/time listed in the "nbf" claim."
    let latest = expect.now.saturating_add(CLOCK_SKEW);
    if issued_at > latest || time(&all, "nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(JoseError::NotYetValid);
    }
    let token_id = text(&all, "jti")?;
    Ok(Claims { issuer, subject, audience: audience.unwrap_or_default(), expires_at, issued_at, token_id, all })
}

/// A claim that is a text when it is there. An empty text is refused: it names nobody.
fn text(all: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JoseError> {
    match all.get(name) {
        None => Ok(None),
        Some(Value::String(value)) if !value.is_empty() => Ok(Some(value.clone())),
        Some(_) => Err(JoseError::ClaimMalformed(name)),
    }
}

/// A NumericDate that is a whole number of seconds, from 1970 to 9999 (RFC 7519 §2; fractions are refused on purpose).
fn time(all: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, JoseError> {
    match all.get(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(seconds) if (0..=LATEST).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(JoseError::ClaimMalformed(name)),
        },
    }
}

/// `aud`: one string, or a list of at least one string (RFC 7519 §4.1.3).
fn audience(all: &Map<String, Value>) -> Result<Option<Vec<String>>, JoseError> {
    let malformed = JoseError::ClaimMalformed("aud");
    match all.get("aud") {
        None => Ok(None),
        Some(Value::String(name)) if !name.is_empty() => Ok(Some(vec![name.clone()])),
        Some(Value::Array(names)) if !names.is_empty() => {
            let name = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
            names.iter().map(name).collect::<Option<Vec<_>>>().map(Some).ok_or(malformed)
        }
        Some(_) => Err(malformed),
    }
}
