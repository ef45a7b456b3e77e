//! A client shows who it is by a statement that it signs with a key of its own: `private_key_jwt` (RFC 7523 §2.2 and §3).

use super::Known;
use crate::name::{Key, Time};
use crate::record::{Client, ClientKey, SpentAssertion};
use crate::refusal::Why;
use crate::store::Changing;
use crate::world::{Presented, Stop, World};
use jeton_jose::jwt::{self, Claims, Expect};
use jeton_jose::{Algorithm, Header, JoseError, KeySet, PublicKey, parse_compact, sha256};
use serde_json::{Map, Value, json};

/// The only `client_assertion_type` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// RFC 7523bis recommends a type of its own; libraries send `JWT` or nothing.
const TYPES: &[&str] = &["client-authentication+jwt", "JWT", ""];
/// Longest life of an assertion from now, in seconds.
const LONGEST: i64 = 300;
/// So much longer than the assertion its mark is kept, in seconds: a request may have begun before the end and be decided later,
/// another node's clock may be ahead, and one that jumped may be set right.
const MARK_OUTLIVES: i64 = 600;

/// An assertion and the type that stood beside it.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The JWT.
    pub jwt: Presented,
    /// RFC 7521 §4.2 `client_assertion_type`.
    pub of_type: Option<String>,
}

impl Assertion {
    /// The client that it names. That proves nothing.
    pub(super) fn subject(&self) -> Result<String, Why> {
        // RFC 7521 §4.2: both parameters are REQUIRED.
        if self.of_type.as_deref() != Some(ASSERTION_TYPE) {
            return Err(Why::ClientAssertionMalformed);
        }
        jwt::unproven(self.jwt.expose().as_bytes(), "sub").map_err(|_| Why::ClientAssertionMalformed)
    }

    /// Verifies it by the client's keys. Nothing is spent yet.
    pub(super) fn verify(&self, known: Known<'_>, world: &World<'_>, client: &Client, keys: &[ClientKey]) -> Result<Proven, Why> {
        let Some(signer) = self.signer(keys) else {
            // The same work as with a key that fits.
            verify_for_nobody(self, world);
            return Err(Why::ClientAssertionSignature);
        };
        let key = public_key(&signer.jwk).map_err(|_| Why::ClientAssertionSignature)?;
        let id = client.client_id.as_str();
        // RFC 7523 §3, items 1 and 2: issuer and subject are the client.
        let claims = verified(self, key, id, world.now).map_err(|error| explain(&error))?;
        if claims.subject != id {
            return Err(Why::ClientAssertionMalformed);
        }
        // RFC 7523bis: the audience is the issuer and nothing else, as one string; whoever is addressed, too, could use it here.
        if claims.all.get("aud").and_then(Value::as_str) != Some(known.realm.realm.issuer.as_str()) {
            return Err(Why::ClientAssertionAudience);
        }
        if claims.expires_at > world.now.seconds().saturating_add(LONGEST + jwt::CLOCK_SKEW) {
            return Err(Why::ClientAssertionExpired);
        }
        // What was made before all tokens of the realm were ended counts no more: a restore has forgotten what was spent.
        let made = claims.all.get("iat").map_or(claims.expires_at - LONGEST, |_| claims.issued_at);
        if made < known.realm.realm.not_before.seconds() {
            return Err(Why::ClientAssertionExpired);
        }
        // RFC 7523 §3, item 7: without a name it could not be told from its copy.
        let token_id = claims.token_id.as_deref().ok_or(Why::ClientAssertionMalformed)?;
        Ok(Proven {
            signer: signer.key,
            mark: SpentAssertion {
                key: mark_of(client.key, token_id),
                client: client.key,
                until: Time::from_seconds(claims.expires_at.saturating_add(MARK_OUTLIVES)),
            },
        })
    }

    /// The key that it says it was signed with: the one of its `kid`, or the only one, with its algorithm.
    fn signer<'a>(&self, keys: &'a [ClientKey]) -> Option<&'a ClientKey> {
        let header = self.header()?;
        let is = |key: &ClientKey, name: &str, value: &str| key.jwk.get(name).and_then(Value::as_str) == Some(value);
        let named = match (&header.kid, keys) {
            (Some(kid), keys) => keys.iter().find(|key| is(key, "kid", kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        named.filter(|key| is(key, "alg", header.alg.name()))
    }

    fn header(&self) -> Option<Header> {
        parse_compact(self.jwt.expose().as_bytes(), jwt::MAX_TOKEN).ok().map(|parsed| parsed.header().clone())
    }
}

/// An assertion that is genuine, and could be a copy of one that was used already.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    /// Whose signature it bears.
    pub signer: Key,
    mark: SpentAssertion,
}

impl Proven {
    /// Uses it up: of two uses at the same moment, on whatever node, one commits (RFC 7523 §3, item 7).
    pub fn spend(&self, change: &mut Changing<'_, '_>) -> Result<(), Stop> {
        let records = change.records()?;
        if records.read::<SpentAssertion>(self.mark.key)?.is_some() {
            return Err(Why::ClientAssertionReplayed.into());
        }
        records.insert(&self.mark).map_err(Stop::from)
    }
}

/// Does for a client that does not exist the work that is done for one that signs with ES256.
pub(super) fn verify_for_nobody(assertion: &Assertion, world: &World<'_>) {
    // The base point of P-256: a public key like any other, whose private one is 1.
    let nobody = json!({
        "kty": "EC", "crv": "P-256", "alg": Algorithm::Es256.name(),
        "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    });
    let Value::Object(jwk) = nobody else { return };
    let kid = assertion.header().and_then(|header| header.kid).map(|kid| ("kid".to_owned(), kid.into()));
    if let Ok(key) = public_key(&jwk.into_iter().chain(kid).collect()) {
        let _ = verified(assertion, key, "", world.now);
    }
}

/// Reads a public key as an administrator hands it in: strict, with one algorithm, under its own name or its thumbprint.
pub fn public_key(jwk: &Map<String, Value>) -> Result<PublicKey, JoseError> {
    PublicKey::from_jwk(jwk, None)
}

fn verified(assertion: &Assertion, key: PublicKey, issuer: &str, now: Time) -> Result<Claims, JoseError> {
    let expect = Expect { issuer, audiences: &[], typ: TYPES, now: now.seconds(), leeway: 0 };
    jwt::verify_assertion(assertion.jwt.expose().as_bytes(), &KeySet::from_keys([key])?, &expect)
}

fn explain(error: &JoseError) -> Why {
    match error {
        JoseError::BadSignature | JoseError::UnknownKey | JoseError::AlgorithmMismatch => Why::ClientAssertionSignature,
        JoseError::Expired | JoseError::NotYetValid => Why::ClientAssertionExpired,
        _ => Why::ClientAssertionMalformed,
    }
}

/// The key of an assertion's mark: the beginning of a SHA-256 over the client and the `jti`.
fn mark_of(client: Key, token_id: &str) -> Key {
    let digest = sha256(&[&client.as_bytes()[..], token_id.as_bytes()].concat());
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Key::from_bytes(key)
}
