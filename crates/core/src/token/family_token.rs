//! The refresh token of a family names its family and generation and proves both: of all of them only one number is stored.
//!
//! Form: `jrf_` and 64 characters of base64url: the family's key (16 bytes), the generation (8 bytes, big-endian), and a proof
//! (24 bytes), a keyed hash by the realm's key over both. It is always the same token for the same generation, so that a client
//! whose answer was lost gets it again without its being kept. The proof needs no record, so that a guess costs no reading; whose
//! the token is stands in the family.

use crate::name::Key;
use crate::record::TokenFamily;
use crate::snapshot::RealmState;
use jeton_jose::{b64, constant_time_eq};

/// By this prefix a leak scanner recognises it.
const PREFIX: &str = "jrf_";
/// RFC 6749 §10.10: the chance to guess one SHOULD be below 2^-160; this is 2^-192, and 48 bytes leave no spare bits in base64url.
const PROOF: usize = 24;

/// A refresh token of a family as it was shown: read, not yet proven.
pub struct FamilyToken {
    /// The family that it names.
    pub family: Key,
    /// Its place in the family.
    pub generation: u64,
    proof: [u8; PROOF],
}

impl FamilyToken {
    /// Reads what has the form of one; anything else is none.
    #[must_use]
    pub fn parse(shown: &str) -> Option<Self> {
        let bytes = b64::decode(shown.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let (family, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let proof = <[u8; PROOF]>::try_from(rest).ok()?;
        Some(Self { family: Key::from_bytes(*family), generation: u64::from_be_bytes(*generation), proof })
    }

    /// Whether this realm made it. Whose it is, and whether it is still good, stands in the family.
    #[must_use]
    pub fn is_of(&self, realm: &RealmState) -> bool {
        constant_time_eq(&self.proof, &proof(realm, self.family, self.generation))
    }
}

/// The refresh token of the family's present generation.
pub(super) fn present(realm: &RealmState, family: Key, generation: u64) -> String {
    let proof = proof(realm, family, generation);
    let bytes = [&family.as_bytes()[..], &generation.to_be_bytes(), &proof].concat();
    format!("{PREFIX}{}", b64::encode(&bytes))
}

/// The refresh token of the family's present generation, for whoever may hand it out.
#[must_use]
pub fn refresh_token_of(realm: &RealmState, family: &TokenFamily) -> String {
    present(realm, family.key, family.generation)
}

fn proof(realm: &RealmState, family: Key, generation: u64) -> [u8; PROOF] {
    let mac = realm.family_mac.mac(&[family.as_bytes(), &generation.to_be_bytes()]);
    let mut proof = [0; PROOF];
    proof.copy_from_slice(&mac[..PROOF]);
    proof
}
