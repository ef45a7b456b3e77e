//! Keys for simulated deployments: checked-in test keys, because making an RSA key is slow and never the same twice.

use jeton_jose::{Algorithm, SigningKey, b64};

/// The private key of this number, as PKCS#8, and its thumbprint.
///
/// # Panics
/// If the files in `keys/` are damaged.
#[must_use]
pub fn pair(algorithm: Algorithm, number: usize) -> (Vec<u8>, String) {
    let file = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => include_str!("../keys/rsa.txt"),
        Algorithm::Es256 => include_str!("../keys/p256.txt"),
        Algorithm::EdDsa => include_str!("../keys/ed25519.txt"),
    };
    let lines: Vec<&str> = file.lines().collect();
    let pkcs8 = b64::decode(lines[number % lines.len()].as_bytes()).expect("a test key is base64url");
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a test key is PKCS#8");
    (pkcs8, key.kid().to_owned())
}
