//! Project Wycheproof's attacks on signatures and sealing come out as it says, through our own keys and not below them.

use jeton_jose::{Algorithm, JoseError, PublicKey, SealKey, b64};
use serde_json::{Value, json};
use wycheproof::TestResult;

/// Vectors that were tried: how many must pass and how many must fail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tried {
    good: usize,
    bad: usize,
}

impl Tried {
    /// One vector; what is only acceptable may go either way.
    fn note(&mut self, name: &str, result: TestResult, accepted: bool) {
        match result {
            TestResult::Valid => {
                assert!(accepted, "{name} is right and was refused");
                self.good += 1;
            }
            TestResult::Invalid => {
                assert!(!accepted, "{name} is wrong and was accepted");
                self.bad += 1;
            }
            TestResult::Acceptable => {}
        }
    }
}

fn public(jwk: &Value, algorithm: Algorithm) -> Result<PublicKey, JoseError> {
    PublicKey::from_jwk(jwk.as_object().expect("an object"), Some(algorithm))
}

/// A number without the zeros in front that a DER integer may have.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    b64::encode(&bytes[zeros..])
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("vectors");
    let mut tried = Tried::default();
    for group in set.test_groups {
        let point: &[u8] = &group.key.key;
        assert_eq!((point.len(), point[0]), (65, 4));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": b64::encode(&point[1..33]), "y": b64::encode(&point[33..])});
        let key = public(&jwk, Algorithm::Es256).expect("a point on the curve");
        for test in group.tests {
            let accepted = key.verify(&test.msg, &test.sig).is_ok();
            tried.note(&format!("ECDSA {}: {}", test.tc_id, test.comment), test.result, accepted);
        }
    }
    assert!(tried.good >= 150 && tried.bad >= 80, "{tried:?}");
}

#[test]
fn eddsa() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).expect("vectors");
    let mut tried = Tried::default();
    for group in set.test_groups {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64::encode(&group.key.pk)});
        let key = public(&jwk, Algorithm::EdDsa).expect("a sound key");
        for test in group.tests {
            let accepted = key.verify(&test.msg, &test.sig).is_ok();
            tried.note(&format!("EdDSA {}: {}", test.tc_id, test.comment), test.result, accepted);
        }
    }
    assert!(tried.good >= 80 && tried.bad >= 50, "{tried:?}");
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut tried = Tried::default();
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256, TestName::Rsa8192Sha256] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            let jwk = json!({"kty": "RSA", "n": number(&group.key.n), "e": number(&group.key.e)});
            let key = public(&jwk, Algorithm::Rs256).expect("a sound key");
            for test in group.tests {
                let accepted = key.verify(&test.msg, &test.sig).is_ok();
                tried.note(&format!("RS256 {} {}: {}", group.key_size, test.tc_id, test.comment), test.result, accepted);
            }
        }
    }
    assert!(tried.good >= 25 && tried.bad >= 900, "{tried:?}");
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut tried = Tried::default();
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            // RFC 7518 §3.5: the salt is as long as the hash.
            assert_eq!(group.salt_size, 32);
            let jwk = json!({"kty": "RSA", "alg": "PS256", "n": number(&group.key.n), "e": number(&group.key.e)});
            let key = public(&jwk, Algorithm::Ps256).expect("a sound key");
            for test in group.tests {
                let accepted = key.verify(&test.msg, &test.sig).is_ok();
                tried.note(&format!("PS256 {} {}: {}", group.key_size, test.tc_id, test.comment), test.result, accepted);
            }
        }
    }
    assert!(tried.good >= 150 && tried.bad >= 120, "{tried:?}");
}

#[test]
fn sealing() {
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcmSiv).expect("vectors");
    let mut tried = Tried::default();
    for group in set.test_groups.into_iter().filter(|group| group.key_size == 256 && group.nonce_size == 96) {
        for test in group.tests {
            let key = SealKey::from_bytes(test.key[..].try_into().expect("32 bytes"));
            let sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
            let opened = key.open(&test.aad, &sealed);
            let accepted = opened.is_ok_and(|plain| *plain == test.pt[..]);
            tried.note(&format!("AES-256-GCM-SIV {}: {}", test.tc_id, test.comment), test.result, accepted);
            if test.result == TestResult::Valid {
                assert_eq!(key.seal(test.nonce[..].try_into().expect("12 bytes"), &test.aad, &test.pt), sealed);
            }
        }
    }
    assert!(tried.good >= 40 && tried.bad >= 20, "{tried:?}");
}
