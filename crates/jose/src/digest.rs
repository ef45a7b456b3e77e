//! A digest is the SHA-256 of some bytes.
//!
//! It is no key and no secret: whoever knows the bytes can make it. For keyed hashes see `MacKey`.

/// The SHA-256 of `bytes` (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
