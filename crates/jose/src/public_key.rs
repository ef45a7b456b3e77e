//! A public key checks signatures of exactly one algorithm.
//!
//! It is read from a JWK once, with every check that the key type allows, and is then trusted. What it deliberately
//! does not do: it holds no private or symmetric key, follows no address and reads no certificate (RFC 7517, RFC 7518 §6).

use crate::jws::checked_kid;
use crate::{Algorithm, JoseError, b64, sha256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use std::fmt;

/// A public key with its one algorithm and its `kid`.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    kid: String,
    numbers: Numbers,
    verifier: ParsedPublicKey,
}

/// The numbers that make up a key, as they are published: big-endian bytes, of fixed length for curves.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Numbers {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

/// Members that only private and symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl PublicKey {
    /// Reads a public JWK (RFC 7517 §4). `expected` is the one algorithm the caller would use this key for.
    ///
    /// The `kid` is the JWK's own, or else the thumbprint. An RSA key that names no algorithm, with none expected, is RS256.
    ///
    /// # Errors
    /// `SecretKey` for private members and symmetric keys; `UnsupportedKey` for another type, curve, use or algorithm;
    /// `AlgorithmMismatch` when `alg` contradicts the key type or `expected`; `WeakKey` for RSA below 2048 or above 8192 bits or
    /// with a bad exponent, for a point off its curve, and for Ed25519 points of low order or with a second spelling;
    /// `BadKeyId` and `Malformed` for members of the wrong form.
    pub fn from_jwk(jwk: &Map<String, Value>, expected: Option<Algorithm>) -> Result<Self, JoseError> {
        // RFC 7517 §9.2: a public key shows none of the members that would give the private one away.
        if SECRET_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(JoseError::SecretKey);
        }
        check_use(jwk)?;
        let numbers = Numbers::from_jwk(jwk)?;
        let algorithm = choose_algorithm(&numbers, named_algorithm(jwk)?, expected)?;
        let mut key = Self::new(algorithm, numbers)?;
        if let Some(kid) = jwk.get("kid") {
            key.kid = checked_kid(kid)?;
        }
        Ok(key)
    }

    /// Prepares a key of checked numbers; its `kid` is the thumbprint.
    pub(crate) fn new(algorithm: Algorithm, numbers: Numbers) -> Result<Self, JoseError> {
        if !numbers.fit(algorithm) {
            return Err(JoseError::AlgorithmMismatch);
        }
        numbers.check()?;
        let verifier = numbers.verifier(algorithm)?;
        Ok(Self { algorithm, kid: numbers.thumbprint(), numbers, verifier })
    }

    /// The JWK as it is published: public members only, `use` `sig`, `alg` and `kid` (RFC 7517 §4).
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.numbers.required_members();
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm.name()));
        jwk.insert("kid".to_owned(), json!(self.kid));
        Value::Object(jwk)
    }

    /// The name by which tokens refer to this key (RFC 7517 §4.5). At most 128 bytes, never empty.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The RFC 7638 thumbprint: the base64url of a SHA-256 over the required members. It depends on nothing else.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.numbers.thumbprint()
    }

    /// The one algorithm of this key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// `BadSignature`, for whatever reason the signature does not fit.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        // RFC 7518 §3.4: "The JWS Signature value MUST be a 64-octet sequence." RFC 8032 §5.1.7 has the same length.
        if !matches!(self.numbers, Numbers::Rsa { .. }) && signature.len() != 64 {
            return Err(JoseError::BadSignature);
        }
        // RFC 8725 §3.4: cryptographic inputs are validated; an honest signer never draws an R of low order.
        if let Numbers::Ed25519 { .. } = self.numbers
            && !is_sound_ed25519_point(&signature[..32])
        {
            return Err(JoseError::BadSignature);
        }
        self.verifier.verify_sig(message, signature).map_err(|_| JoseError::BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PublicKey").field("kid", &self.kid).field("alg", &self.algorithm).finish()
    }
}

/// Refuses keys that are not for signatures.
fn check_use(jwk: &Map<String, Value>) -> Result<(), JoseError> {
    // RFC 7517 §4.2: "use" is "sig" or "enc"; a missing one leaves the use open.
    match jwk.get("use") {
        None => {}
        Some(Value::String(name)) if name == "sig" => {}
        Some(Value::String(_)) => return Err(JoseError::UnsupportedKey),
        Some(_) => return Err(JoseError::Malformed),
    }
    // RFC 7517 §4.3: a public key that may check signatures lists the operation "verify".
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|name| name == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(JoseError::UnsupportedKey),
        Some(_) => Err(JoseError::Malformed),
    }
}

/// The algorithm that the JWK itself names.
fn named_algorithm(jwk: &Map<String, Value>) -> Result<Option<Algorithm>, JoseError> {
    match jwk.get("alg") {
        None => Ok(None),
        Some(Value::String(name)) => Algorithm::parse(name).map(Some).ok_or(JoseError::UnsupportedKey),
        Some(_) => Err(JoseError::Malformed),
    }
}

/// Fixes the one algorithm of a key. RFC 8725 §3.1: "Each key MUST be used with exactly one algorithm".
fn choose_algorithm(numbers: &Numbers, named: Option<Algorithm>, expected: Option<Algorithm>) -> Result<Algorithm, JoseError> {
    if let (Some(named), Some(expected)) = (named, expected)
        && named != expected
    {
        return Err(JoseError::AlgorithmMismatch);
    }
    // OpenID Connect Core 1.0 §15.1 makes RS256 what an RSA key that says nothing is for.
    let only = match numbers {
        Numbers::Rsa { .. } => Algorithm::Rs256,
        Numbers::P256 { .. } => Algorithm::Es256,
        Numbers::Ed25519 { .. } => Algorithm::EdDsa,
    };
    Ok(named.or(expected).unwrap_or(only))
}

impl Numbers {
    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, JoseError> {
        match (text(jwk, "kty")?, jwk.contains_key("crv")) {
            ("oct", _) => Err(JoseError::SecretKey),
            ("RSA", _) => Ok(Self::Rsa { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? }),
            ("EC", true) if text(jwk, "crv")? == "P-256" => Ok(Self::P256 { x: bytes(jwk, "x")?, y: bytes(jwk, "y")? }),
            ("OKP", true) if text(jwk, "crv")? == "Ed25519" => Ok(Self::Ed25519 { x: bytes(jwk, "x")? }),
            ("EC" | "OKP", false) => Err(JoseError::Malformed),
            _ => Err(JoseError::UnsupportedKey),
        }
    }

    fn fit(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::Rsa { .. }, Algorithm::Rs256 | Algorithm::Ps256)
                | (Self::P256 { .. }, Algorithm::Es256)
                | (Self::Ed25519 { .. }, Algorithm::EdDsa)
        )
    }

    /// What can be seen from the numbers alone; whether a P-256 point is on its curve is seen by the library.
    fn check(&self) -> Result<(), JoseError> {
        let sound = match self {
            Self::Rsa { n, e } => is_sound_modulus(n) && is_sound_exponent(e),
            // RFC 7518 §6.2.1.2: "The length of this octet string MUST be the full size of a coordinate for the curve".
            Self::P256 { x, y } => x.len() == 32 && y.len() == 32,
            Self::Ed25519 { x } => x.len() == 32 && is_sound_ed25519_point(x),
        };
        if sound { Ok(()) } else { Err(JoseError::WeakKey) }
    }

    fn verifier(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, JoseError> {
        let parsed = match self {
            Self::Rsa { n, e } => {
                let pss = algorithm == Algorithm::Ps256;
                let parameters = if pss { &RSA_PSS_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA256 };
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
            // SEC 1 §2.3.4: 4 leads an uncompressed point; the library refuses points that are not on the curve.
            Self::P256 { x, y } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &x[..], &y[..]].concat()),
            Self::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
        };
        parsed.map_err(|_| JoseError::WeakKey)
    }

    /// RFC 7638 §3.2: the required members of the key type, in lexicographic order, as both JWK and thumbprint use them.
    fn required_members(&self) -> Map<String, Value> {
        let members = match self {
            Self::Rsa { n, e } => vec![("e", b64::encode(e)), ("kty", "RSA".to_owned()), ("n", b64::encode(n))],
            Self::P256 { x, y } => {
                vec![("crv", "P-256".to_owned()), ("kty", "EC".to_owned()), ("x", b64::encode(x)), ("y", b64::encode(y))]
            }
            // RFC 8037 §2: the thumbprint of an OKP key hashes crv, kty and x.
            Self::Ed25519 { x } => {
                vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", b64::encode(x))]
            }
        };
        members.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
    }

    /// RFC 7638 §3: the map keeps its order and is written without white space.
    fn thumbprint(&self) -> String {
        b64::encode(&sha256(Value::Object(self.required_members()).to_string().as_bytes()))
    }
}

/// A modulus of 2048 to 8192 bits, odd, without leading zeros.
fn is_sound_modulus(n: &[u8]) -> bool {
    // RFC 7518 §6.3.1.1: no leading zero octets. RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used".
    let (Some(first), Some(last)) = (n.first(), n.last()) else {
        return false;
    };
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    *first != 0 && last % 2 == 1 && (2048..=8192).contains(&bits)
}

/// An odd exponent from 3 to 33 bits, without leading zeros. With 1 every signature would be its own message.
fn is_sound_exponent(e: &[u8]) -> bool {
    // RFC 8017 §3.1: e is an integer between 3 and n - 1; the upper limit is the library's.
    let (Some(first), Some(last)) = (e.first(), e.last()) else {
        return false;
    };
    let bits = e.len() * 8 - first.leading_zeros() as usize;
    *first != 0 && last % 2 == 1 && e != [1] && bits <= 33
}

/// The y coordinates of the points of order 1, 2, 4 and 8, little-endian; the sign bit of x is not part of them.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    // 1
    {
        let mut y = [0; 32];
        y[0] = 1;
        y
    },
    // p - 1
    {
        let mut y = [0xff; 32];
        y[0] = 0xec;
        y[31] = 0x7f;
        y
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05,
        0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa,
        0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// An Ed25519 point in its only spelling and of high order; that it lies on the curve is checked with each signature.
fn is_sound_ed25519_point(point: &[u8]) -> bool {
    let Ok(mut y) = <[u8; 32]>::try_from(point) else {
        return false;
    };
    y[31] &= 0x7f;
    // RFC 8032 §5.1.3: decoding fails when y is not below p = 2^255 - 19.
    let not_below_p = y[0] >= 0xed && y[1..31].iter().all(|byte| *byte == 0xff) && y[31] == 0x7f;
    !not_below_p && !LOW_ORDER.contains(&y)
}

/// A member that must be a string.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<&'a str, JoseError> {
    jwk.get(name).and_then(Value::as_str).ok_or(JoseError::Malformed)
}

/// A member that must be base64url bytes.
fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JoseError> {
    b64::decode(text(jwk, name)?.as_bytes())
}
