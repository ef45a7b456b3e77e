//! A signed token is three base64url parts with dots between them, and this file reads and writes no other form.
//!
//! The header is compared with what the key and the caller already know; nothing in it chooses code, brings a key or
//! has anything fetched. There is no JSON serialisation, no detached payload, no `crit`, no `zip` and no encryption
//! (RFC 7515, RFC 8725).

use crate::signing_key::MAX_SIGNATURE;
use crate::{Algorithm, JoseError, PublicKey, SigningKey, b64, json};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;

/// The longest `kid`, in bytes.
pub const MAX_KID_LEN: usize = 128;

/// The longest decoded header, in bytes.
const MAX_HEADER: usize = 4096;

/// Members that would bring or fetch a key, compress, leave the payload unencoded, or make the token an encrypted one.
const FORBIDDEN: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "zip", "b64", "enc", "epk"];

/// The header of a token: the members that mean something here (RFC 7515 §4.1). Others are ignored, or refused by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm that the token claims; it is only ever compared.
    pub alg: Algorithm,
    /// The type of the token as it was written.
    pub typ: Option<String>,
    /// The name of the key: 1 to 128 bytes without control characters. It is only ever looked up in a set.
    pub kid: Option<String>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        let members = json::parse_object(bytes, MAX_HEADER)?;
        // RFC 7515 §4.1.11: "If any of the listed extension Header Parameters are not understood and supported by the
        // recipient, then the JWS is invalid." None is, and an empty list is not allowed.
        if members.contains_key("crit") {
            return Err(JoseError::CriticalHeader);
        }
        // RFC 8725 §3.10: do not trust received claims, nor jku and x5u, nor the keys that a token brings along.
        if FORBIDDEN.iter().any(|name| members.contains_key(*name)) {
            return Err(JoseError::ForbiddenHeader);
        }
        // RFC 7515 §4.1.1: "This Header Parameter MUST be present and MUST be understood and processed by implementations."
        let alg = members.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        Ok(Self {
            alg: alg.ok_or(JoseError::UnknownAlgorithm)?,
            typ: optional_text(&members, "typ")?,
            kid: members.get("kid").map(checked_kid).transpose()?,
        })
    }

    /// Whether the type is one of those expected. An expected `""` stands for a token without `typ`, and for nothing else.
    fn is_of_type(&self, expected: &[&str]) -> bool {
        let Some(typ) = &self.typ else {
            return expected.contains(&"");
        };
        let found = media_type(typ);
        !found.is_empty() && expected.iter().any(|name| media_type(name).eq_ignore_ascii_case(found))
    }
}

/// The type without an `application/` in front, when no other slash follows (RFC 7515 §4.1.9).
fn media_type(name: &str) -> &str {
    match name.split_at_checked(12) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") && !rest.contains('/') => rest,
        _ => name,
    }
}

/// Reads a `kid` (RFC 7515 §4.1.4: "Its value MUST be a case-sensitive string").
pub(crate) fn checked_kid(value: &Value) -> Result<String, JoseError> {
    match value {
        Value::String(kid) if (1..=MAX_KID_LEN).contains(&kid.len()) && !kid.chars().any(char::is_control) => Ok(kid.clone()),
        _ => Err(JoseError::BadKeyId),
    }
}

fn optional_text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, JoseError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JoseError::Malformed),
    }
}

/// A token in the compact form that has been taken apart and not yet verified. Its payload comes out only by `verify`.
pub struct Unverified<'a> {
    header: Header,
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Takes a compact token of at most `max_len` bytes apart (RFC 7515 §5.2, steps 1 to 7).
///
/// # Errors
/// `TooLarge` above `max_len`; `Malformed` unless there are exactly three non-empty parts of canonical base64url and the
/// first is strict JSON; the errors of the header otherwise.
pub fn parse_compact(token: &[u8], max_len: usize) -> Result<Unverified<'_>, JoseError> {
    if token.len() > max_len {
        return Err(JoseError::TooLarge);
    }
    // RFC 7515 §7.1: header, payload and signature with dots between them; a third dot is not base64url. None is empty:
    // an empty signature is what an unsecured token has (RFC 7515 Appendix A.5).
    let dot = |from: usize| token[from..].iter().position(|byte| *byte == b'.').map(|at| from + at);
    let first = dot(0).ok_or(JoseError::Malformed)?;
    let second = dot(first + 1).ok_or(JoseError::Malformed)?;
    let (header, payload, signature) = (&token[..first], &token[first + 1..second], &token[second + 1..]);
    if header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(JoseError::Malformed);
    }
    if header.len() > b64::encoded_len(MAX_HEADER) {
        return Err(JoseError::TooLarge);
    }
    Ok(Unverified {
        header: Header::parse(&b64::decode(header)?)?,
        signed: &token[..second],
        payload: b64::decode(payload)?,
        signature: b64::decode(signature)?,
    })
}

impl Unverified<'_> {
    /// The header, to choose a key by.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload before anything is proven. Only to find out whose keys to try.
    pub(crate) fn unproven_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies the token with one key and returns the bytes of its payload.
    ///
    /// `typ` lists the expected types; they are compared without case and without `application/` (RFC 7515 §4.1.9).
    /// `""` in the list stands for a token that has no `typ`; an empty list accepts nothing.
    ///
    /// # Errors
    /// `AlgorithmMismatch`, `TypeMismatch` or `BadSignature`.
    pub fn verify(&self, key: &PublicKey, typ: &[&str]) -> Result<Vec<u8>, JoseError> {
        // RFC 8725 §3.1: the algorithm is the key's; the header only has to say the same.
        if self.header.alg != key.algorithm() {
            return Err(JoseError::AlgorithmMismatch);
        }
        // RFC 8725 §3.11: explicit typing keeps one kind of token from passing for another.
        if !self.header.is_of_type(typ) {
            return Err(JoseError::TypeMismatch);
        }
        key.verify(self.signed, &self.signature)?;
        Ok(self.payload.clone())
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Signs claims as a compact token with the header `{"alg","typ","kid"}` (RFC 7515 §7.1). For many tokens use [`CompactSigner`].
///
/// # Errors
/// `Library` when the library fails.
pub fn sign_compact(key: &SigningKey, typ: &str, claims: &[u8]) -> Result<String, JoseError> {
    sign_parts(key, &encoded_header(key, typ), claims)
}

/// A key and a type with their header encoded once, for signing many tokens.
pub struct CompactSigner {
    key: Arc<SigningKey>,
    header: String,
}

impl CompactSigner {
    /// Encodes the header for all tokens to come.
    #[must_use]
    pub fn new(key: Arc<SigningKey>, typ: &str) -> Self {
        let header = encoded_header(&key, typ);
        Self { key, header }
    }

    /// Signs claims as a compact token; the only allocation of ours is the token.
    ///
    /// # Errors
    /// `Library` when the library fails.
    pub fn sign(&self, claims: &[u8]) -> Result<String, JoseError> {
        sign_parts(&self.key, &self.header, claims)
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for CompactSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CompactSigner").field("key", &self.key).finish_non_exhaustive()
    }
}

fn encoded_header(key: &SigningKey, typ: &str) -> String {
    b64::encode(json!({ "alg": key.algorithm().name(), "typ": typ, "kid": key.kid() }).to_string().as_bytes())
}

fn sign_parts(key: &SigningKey, header: &str, claims: &[u8]) -> Result<String, JoseError> {
    let parts = header.len() + b64::encoded_len(claims.len()) + b64::encoded_len(key.signature_len());
    let mut token = Vec::with_capacity(parts + 2);
    token.extend_from_slice(header.as_bytes());
    token.push(b'.');
    b64::append(claims, &mut token);
    let mut buffer = [0; MAX_SIGNATURE];
    let signature = key.sign_into(&token, &mut buffer)?;
    token.push(b'.');
    b64::append(signature, &mut token);
    Ok(String::from_utf8(token).expect("base64url and dots are ASCII"))
}
