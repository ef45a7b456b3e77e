//! JWS, JWK, JWT, PKCE and sealing: pure functions over bytes and keys.
//!
//! Everything here takes its bytes, its keys and its time as arguments and returns a value or a precise error.
//! There is no clock, no socket, no file and no thread in this crate. What it deliberately leaves out: `alg` `none`,
//! symmetric signatures, encrypted tokens, compression, and every header that brings or fetches a foreign key.
//! So none of these can be switched on by a token.

pub mod b64;
pub mod json;
pub mod jwt;
pub mod pkce;

mod algorithm;
mod digest;
mod error;
mod jws;
mod key_set;
mod mac;
mod public_key;
mod seal;
mod signing_key;

pub use algorithm::Algorithm;
pub use digest::sha256;
pub use error::JoseError;
pub use jws::{CompactSigner, Header, MAX_KID_LEN, Unverified, parse_compact, sign_compact};
pub use key_set::KeySet;
pub use mac::{MacKey, constant_time_eq, hmac_sha256};
pub use public_key::PublicKey;
pub use seal::{SEAL_OVERHEAD, SealKey};
pub use signing_key::SigningKey;
