//! An error says which single check refused the bytes.
//!
//! It carries no bytes of the input, so it can be logged as it is. It does not say what a caller may be told:
//! that is the business of whoever turns it into a refusal.

use std::fmt;

/// Why a key, a token, a proof or a sealed value was refused. Each variant stands for one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoseError {
    /// The bytes are not of the expected form: base64url, JSON, the three parts, or a member of the wrong type.
    Malformed,
    /// The input is longer than its limit.
    TooLarge,
    /// The JSON is nested deeper than its limit.
    TooDeep,
    /// A JSON object has two members of one name.
    DuplicateMember,
    /// `alg` is missing, is not a string, or names nothing in the closed set.
    UnknownAlgorithm,
    /// The header's `alg`, or the algorithm asked for, is not the one algorithm of the key.
    AlgorithmMismatch,
    /// `typ` is not one of the expected types.
    TypeMismatch,
    /// The header has `crit`; no extension is understood here.
    CriticalHeader,
    /// The header brings a key, an address of a key, compression or an unencoded payload.
    ForbiddenHeader,
    /// A `kid` is empty, longer than its limit, not a string, or has control characters.
    BadKeyId,
    /// No key of the set fits the token.
    UnknownKey,
    /// Two keys of one set have the same `kid`.
    DuplicateKey,
    /// The key is well formed but of a type, curve, use or algorithm that is not offered here.
    UnsupportedKey,
    /// A private or symmetric key stands where a public key is expected.
    SecretKey,
    /// The key is too short, has a bad exponent, is off its curve or has low order.
    WeakKey,
    /// The private key cannot be read, or does not fit the algorithm.
    BadPrivateKey,
    /// The signature does not fit the message and the key.
    BadSignature,
    /// A claim that must be there is not there.
    ClaimMissing(&'static str),
    /// A claim is there with a type or a range that it must not have.
    ClaimMalformed(&'static str),
    /// `iss` is not the expected issuer.
    IssuerMismatch,
    /// `aud` holds none of the expected audiences.
    AudienceMismatch,
    /// The time of `exp` has come.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// The PKCE verifier or challenge has the wrong length or characters.
    PkceMalformed,
    /// The PKCE verifier does not fit the challenge.
    PkceMismatch,
    /// The sealed value was cut, changed, or sealed under another key or for another purpose.
    SealBroken,
    /// The cryptographic library failed to do what it never should fail to do. This one is our fault.
    Library,
}

impl fmt::Display for JoseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::Malformed => "the bytes are malformed",
            Self::TooLarge => "the input is too large",
            Self::TooDeep => "the JSON is nested too deeply",
            Self::DuplicateMember => "a JSON member occurs twice",
            Self::UnknownAlgorithm => "the algorithm is not offered",
            Self::AlgorithmMismatch => "the algorithm is not that of the key",
            Self::TypeMismatch => "the token is of another type",
            Self::CriticalHeader => "the header has a critical extension",
            Self::ForbiddenHeader => "the header has a forbidden member",
            Self::BadKeyId => "the key id is malformed",
            Self::UnknownKey => "no key fits the token",
            Self::DuplicateKey => "two keys have the same id",
            Self::UnsupportedKey => "the kind of key is not offered",
            Self::SecretKey => "a private or symmetric key stands in a public place",
            Self::WeakKey => "the key is weak or invalid",
            Self::BadPrivateKey => "the private key cannot be read",
            Self::BadSignature => "the signature does not verify",
            Self::ClaimMissing(name) => return write!(out, "the claim {name} is missing"),
            Self::ClaimMalformed(name) => return write!(out, "the claim {name} is malformed"),
            Self::IssuerMismatch => "the token is from another issuer",
            Self::AudienceMismatch => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::PkceMalformed => "the PKCE value is malformed",
            Self::PkceMismatch => "the PKCE verifier does not fit",
            Self::SealBroken => "the sealed value cannot be opened",
            Self::Library => "the cryptographic library failed",
        };
        out.write_str(sentence)
    }
}

impl std::error::Error for JoseError {}
