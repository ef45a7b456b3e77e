//! A signing key signs with exactly one algorithm, and is parsed once because parsing costs as much as signing.
//!
//! It gives away its public half and signatures, nothing else: the private bytes leave this file only when a key is
//! made, so that the caller can seal them. It does not know when a key is to be used or retired.

use crate::public_key::Numbers;
use crate::{Algorithm, JoseError, PublicKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use std::fmt;
use zeroize::Zeroizing;

/// The longest signature: RSA with 8192 bits.
pub(crate) const MAX_SIGNATURE: usize = 1024;

/// A private key, parsed and ready, with its one algorithm.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key from the library's random generator, with its PKCS#8 DER for safe keeping. RSA keys have 2048 bits.
    ///
    /// This is slow for RSA (a tenth of a second and more): do it off the request threads.
    ///
    /// # Errors
    /// `Library` when the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<Vec<u8>>), JoseError> {
        let der = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| JoseError::Library)?;
                Zeroizing::new(pair.as_der().map_err(|_| JoseError::Library)?.as_ref().to_vec())
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| JoseError::Library)?;
                Zeroizing::new(pair.to_pkcs8v1().map_err(|_| JoseError::Library)?.as_ref().to_vec())
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(|_| JoseError::Library)?;
                Zeroizing::new(pair.to_pkcs8v1().map_err(|_| JoseError::Library)?.as_ref().to_vec())
            }
        };
        let key = Self::from_pkcs8(algorithm, &der).map_err(|_| JoseError::Library)?;
        Ok((key, der))
    }

    /// Reads an unencrypted PKCS#8 private key in DER (RFC 5958).
    ///
    /// # Errors
    /// `BadPrivateKey` when it cannot be read or is not of this algorithm; `WeakKey` for an RSA key below 2048 bits.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, JoseError> {
        let bad = JoseError::BadPrivateKey;
        let (pair, numbers) = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| bad)?;
                let (n, e) = rsa_numbers(pair.public_key().as_ref()).ok_or(bad)?;
                (Pair::Rsa(pair), Numbers::Rsa { n, e })
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| bad)?;
                // SEC 1 §2.3.3: 4, then x and y, 32 bytes each.
                let (x, y) = match pair.public_key().as_ref() {
                    [4, point @ ..] if point.len() == 64 => (point[..32].to_vec(), point[32..].to_vec()),
                    _ => return Err(bad),
                };
                (Pair::P256(pair), Numbers::P256 { x, y })
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| bad)?;
                let x = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), Numbers::Ed25519 { x })
            }
        };
        Ok(Self { pair, public: PublicKey::new(algorithm, numbers)? })
    }

    /// The Ed25519 key of a seed (RFC 8032 §5.1.5), for keys that are derived from another one instead of kept.
    ///
    /// # Errors
    /// `Library` when the library fails.
    pub fn ed25519_from_seed(seed: &[u8; 32]) -> Result<Self, JoseError> {
        // RFC 8410 §7: a PKCS#8 structure of this algorithm is a constant, then the seed.
        const BEFORE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let der = Zeroizing::new([&BEFORE[..], seed].concat());
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| JoseError::Library)?;
        let x = pair.public_key().as_ref().to_vec();
        Ok(Self { pair: Pair::Ed25519(pair), public: PublicKey::new(Algorithm::EdDsa, Numbers::Ed25519 { x })? })
    }

    /// The RFC 7638 thumbprint of the public key (SHA-256, base64url, 43 characters).
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The one algorithm of this key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. ES256 gives the fixed form `r || s` (RFC 7518 §3.4). ES256 and PS256 draw randomness inside the library.
    ///
    /// # Errors
    /// `Library` when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let mut buffer = [0; MAX_SIGNATURE];
        Ok(self.sign_into(message, &mut buffer)?.to_vec())
    }

    /// As [`SigningKey::sign`], without an allocation of ours.
    pub(crate) fn sign_into<'b>(&self, message: &[u8], buffer: &'b mut [u8; MAX_SIGNATURE]) -> Result<&'b [u8], JoseError> {
        let len = match &self.pair {
            Pair::Rsa(pair) => {
                let padding = if self.algorithm() == Algorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let len = pair.public_modulus_len();
                pair.sign(padding, &SystemRandom::new(), message, &mut buffer[..len]).map_err(|_| JoseError::Library)?;
                len
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| JoseError::Library)?;
                buffer[..64].copy_from_slice(signature.as_ref());
                64
            }
            Pair::Ed25519(pair) => {
                let signature = pair.try_sign(message).map_err(|_| JoseError::Library)?;
                buffer[..64].copy_from_slice(signature.as_ref());
                64
            }
        };
        Ok(&buffer[..len])
    }

    /// How long every signature of this key is, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_modulus_len(),
            Pair::P256(_) | Pair::Ed25519(_) => 64,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("kid", &self.kid()).field("alg", &self.algorithm()).finish_non_exhaustive()
    }
}

/// Reads `n` and `e` from the `RSAPublicKey` that the library writes: two integers in a sequence (RFC 8017 §A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = der_value(0x30, der)?;
    let (n, rest) = der_value(0x02, sequence)?;
    let (e, _) = der_value(0x02, rest)?;
    // X.690 §8.3: a positive integer with its top bit set is led by a zero octet.
    let positive = |number: &[u8]| number.strip_prefix(&[0]).unwrap_or(number).to_vec();
    Some((positive(n), positive(e)))
}

/// One DER value with this tag, and what follows it. Lengths of up to two octets are enough for 8192 bits (X.690 §8.1.3).
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, body) = match der {
        [t, 0x82, high, low, body @ ..] if *t == tag => (usize::from(*high) << 8 | usize::from(*low), body),
        [t, 0x81, len, body @ ..] if *t == tag => (usize::from(*len), body),
        [t, len @ ..=0x7f, body @ ..] if *t == tag => (usize::from(*len), body),
        _ => return None,
    };
    body.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_public_half_verifies() {
        for algorithm in Algorithm::ALL {
            let (made, der) = SigningKey::generate(algorithm).expect("makes a key");
            let key = SigningKey::from_pkcs8(algorithm, &der).expect("reads it again");
            assert_eq!(made.kid(), key.kid());
            let signature = key.sign(b"message").expect("signs");
            assert_eq!(signature.len(), key.signature_len());
            assert_eq!(made.public().verify(b"message", &signature), Ok(()));
            assert_eq!(made.public().verify(b"massage", &signature), Err(JoseError::BadSignature));
            let jwk = key.public().to_jwk();
            let read = PublicKey::from_jwk(jwk.as_object().expect("an object"), None).expect("reads its own JWK");
            assert_eq!((read.kid(), read.algorithm()), (key.kid(), algorithm));
            assert_eq!(read.verify(b"message", &signature), Ok(()));
            assert_eq!(read.to_jwk(), jwk);
        }
    }

    #[test]
    fn a_private_key_serves_one_family_of_algorithms() {
        let (_, der) = SigningKey::generate(Algorithm::Es256).expect("makes a key");
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
            assert_eq!(SigningKey::from_pkcs8(algorithm, &der).map(drop), Err(JoseError::BadPrivateKey));
        }
        for cut in 0..der.len() {
            assert!(SigningKey::from_pkcs8(Algorithm::Es256, &der[..cut]).is_err());
        }
    }

    #[test]
    fn debug_prints_name_and_algorithm_only() {
        let (key, _) = SigningKey::generate(Algorithm::EdDsa).expect("makes a key");
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, alg: EdDsa, .. }}", key.kid()));
    }

    #[test]
    fn keys_may_be_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<SigningKey>();
        shared::<PublicKey>();
        shared::<crate::KeySet>();
        shared::<crate::SealKey>();
        shared::<crate::MacKey>();
        shared::<crate::CompactSigner>();
    }
}
