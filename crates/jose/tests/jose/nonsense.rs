//! Twenty thousand broken inputs from a fixed seed: nothing panics, and nothing broken passes.

use crate::{key, rows};
use jeton_jose::jwt::{self, Expect};
use jeton_jose::{Algorithm, KeySet, PublicKey, SealKey, SigningKey, b64, json, parse_compact, pkce, sign_compact};
use serde_json::json;

/// A small generator with a fixed seed (xorshift64*), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    /// The input after one to four changes of the kinds that find bugs.
    fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = b".{}[]\":,\\=+/\0\x80\xff"[self.below(15)],
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                4 => bytes.insert(at, self.below(256) as u8),
                5 => {
                    let end = at + self.below(bytes.len() - at);
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => bytes.reverse(),
            }
        }
        bytes
    }
}

#[test]
fn broken_input_never_panics_and_never_passes() {
    let mut dice = Dice(0x6a65_746f_6e20_3031);
    let keys = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256].map(key);
    let set = KeySet::from_keys(keys.iter().map(|key| key.public().clone())).expect("three keys");
    let claims = json!({ "iss": "i", "sub": "s", "aud": ["a", "b"], "exp": 20, "iat": 5, "nbf": 5, "x": { "y": [1.5, null] } })
        .to_string();
    let tokens = keys.each_ref().map(|key| sign_compact(key, "at+jwt", claims.as_bytes()).expect("signs"));
    let expect = Expect { issuer: "i", audiences: &["b"], typ: &["at+jwt"], now: 10, leeway: 0 };
    assert!(tokens.iter().all(|token| jwt::verify(token.as_bytes(), &set, &expect).is_ok()));
    let printed = set.to_json().to_string();
    let seal = SealKey::from_bytes([5; 32]);
    let sealed = seal.seal([6; 12], b"aad", claims.as_bytes());
    for round in 0..20_000 {
        let token = &tokens[round % tokens.len()];
        let broken = dice.mutate(token.as_bytes());
        assert!(broken == token.as_bytes() || jwt::verify(&broken, &set, &expect).is_err(), "{broken:?}");
        // The same damage below the encoding: broken headers and claims under a good signature.
        let (header, payload) = (dice.mutate(br#"{"alg":"EdDSA","typ":"at+jwt"}"#), dice.mutate(claims.as_bytes()));
        if let Ok(parsed) = parse_compact(crate::forge(&keys[0], &header, &payload).as_bytes(), 8192)
            && let Ok(verified) = parsed.verify(keys[0].public(), &["at+jwt"])
        {
            assert_eq!(verified, payload);
        }
        let broken = dice.mutate(&sealed);
        assert!(broken == sealed || seal.open(b"aad", &broken).is_err());
        let broken = dice.mutate(printed.as_bytes());
        if let Ok(read) = KeySet::parse(&broken) {
            let again = KeySet::parse(read.to_json().to_string().as_bytes()).expect("what is read can be printed and read");
            assert_eq!(again.to_json(), read.to_json());
        }
        // What strict JSON accepts, the usual parser reads in the same way.
        let broken = dice.mutate(claims.as_bytes());
        if let Ok(strict) = json::parse(&broken, 4096) {
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&broken).expect("JSON"), strict);
        }
        // Base64url has one spelling.
        let broken = dice.mutate(token.split('.').next().expect("a part").as_bytes());
        assert!(
            b64::decode(&broken).is_ok_and(|bytes| b64::encode(&bytes).as_bytes() == broken) || b64::decode(&broken).is_err()
        );
        let text = String::from_utf8_lossy(&broken);
        assert!(pkce::check(&text, &text).is_err());
    }
}

#[test]
fn broken_private_keys_never_panic() {
    let mut dice = Dice(7);
    let vectors = rows(include_str!("../../vectors/signatures.json"));
    for row in vectors.as_array().expect("rows") {
        let algorithm = Algorithm::parse(crate::text(row, "alg")).expect("offered");
        let der = b64::decode(crate::text(row, "pkcs8").as_bytes()).expect("base64url");
        for _ in 0..500 {
            if let Ok(key) = SigningKey::from_pkcs8(algorithm, &dice.mutate(&der)) {
                let read = PublicKey::from_jwk(crate::object(&key.public().to_jwk()), None).expect("a sound key");
                assert_eq!(read.kid(), key.kid());
            }
        }
    }
}
