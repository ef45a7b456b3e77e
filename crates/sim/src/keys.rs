//! Keys for simulated deployments: checked-in test keys, because making an RSA key is slow and never the same twice.

use jeton_jose::{Algorithm, SigningKey, b64};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many test keys there are of each kind.
pub const KEYS: usize = 8;

/// A private key and its thumbprint.
type Pair = (Vec<u8>, String);

/// The private key of this number, as PKCS#8, and its thumbprint.
///
/// # Panics
/// If the files in `keys/` are damaged.
#[must_use]
pub fn pair(algorithm: Algorithm, number: usize) -> Pair {
    let file = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => include_str!("../keys/rsa.txt"),
        Algorithm::Es256 => include_str!("../keys/p256.txt"),
        Algorithm::EdDsa => include_str!("../keys/ed25519.txt"),
    };
    // Reading a key costs as much as signing, and every seed wants the same ones.
    static READ: Mutex<BTreeMap<(&'static str, usize), Pair>> = Mutex::new(BTreeMap::new());
    let number = number % file.lines().count();
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || {
        let line = file.lines().nth(number).expect("a line of this number");
        let pkcs8 = b64::decode(line.as_bytes()).expect("a test key is base64url");
        let kid = SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a test key is PKCS#8").kid().to_owned();
        (pkcs8, kid)
    };
    read.entry((file, number)).or_insert_with(made).clone()
}
