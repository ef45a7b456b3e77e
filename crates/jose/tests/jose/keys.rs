//! Keys that must not become keys: JW-22 and JW-27 of the attack catalogue, and their kin.

use crate::{key, object, rows, text};
use jeton_jose::{Algorithm, JoseError, KeySet, PublicKey, b64};
use serde_json::{Value, json};

/// A published JWK with some members changed; `null` takes one away.
fn changed(algorithm: Algorithm, changes: Value) -> Value {
    let mut jwk = key(algorithm).public().to_jwk();
    let members = jwk.as_object_mut().expect("an object");
    for (name, value) in object(&changes) {
        match value {
            Value::Null => drop(members.shift_remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    jwk
}

#[track_caller]
fn check(algorithm: Algorithm, changes: Value, expected: Result<(), JoseError>) {
    let jwk = changed(algorithm, changes.clone());
    assert_eq!(PublicKey::from_jwk(object(&jwk), None).map(drop), expected, "{changes}");
    // A set takes what a key takes, and passes over what it does not offer.
    let set = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes());
    match expected {
        Err(JoseError::UnsupportedKey) => assert!(set.expect("passed over").is_empty()),
        _ => assert_eq!(set.map(drop), expected, "{changes}"),
    }
}

/// Rows: JW-27.
#[test]
fn private_and_symmetric_keys_are_refused() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AQAB"), json!(""), json!(1), json!([])] {
            check(Algorithm::Rs256, json!({ name: value }), Err(JoseError::SecretKey));
        }
        check(Algorithm::Es256, json!({ name: "AQAB", "use": "enc" }), Err(JoseError::SecretKey));
    }
    check(Algorithm::EdDsa, json!({ "kty": "oct", "alg": null }), Err(JoseError::SecretKey));
}

/// Rows: JW-22.
#[test]
fn weak_rsa_keys_are_refused() {
    let weak = Err(JoseError::WeakKey);
    let number = |len: usize, first: u8, last: u8| {
        let mut bytes = vec![0xa5; len];
        bytes[0] = first;
        bytes[len - 1] = last;
        b64::encode(&bytes)
    };
    for (n, expected) in [
        (number(64, 0x80, 1), weak),
        (number(128, 0x80, 1), weak),
        (number(255, 0xff, 1), weak),
        (number(256, 0x7f, 1), weak),
        (number(256, 0x80, 1), Ok(())),
        (number(256, 0x80, 2), weak),
        (number(257, 0, 1), weak),
        (number(1024, 0xff, 1), Ok(())),
        (number(1025, 1, 1), weak),
        (String::new(), weak),
    ] {
        check(Algorithm::Rs256, json!({ "n": n }), expected);
    }
    for (e, expected) in [
        ("AQ", weak),
        ("Ag", weak),
        ("Aw", Ok(())),
        ("AQAB", Ok(())),
        ("AQAA", weak),
        ("AAEAAQ", weak),
        ("AA", weak),
        ("", weak),
        ("Af____8", Ok(())),
        ("Av____8", weak),
        ("AQAAAAAAAAAB", weak),
    ] {
        check(Algorithm::Ps256, json!({ "e": e }), expected);
    }
}

/// Rows: JW-22.
#[test]
fn points_off_the_curve_are_refused() {
    let weak = Err(JoseError::WeakKey);
    let zero = b64::encode(&[0; 32]);
    let x = text(&key(Algorithm::Es256).public().to_jwk(), "x").to_owned();
    let y = text(&key(Algorithm::Es256).public().to_jwk(), "y").to_owned();
    // The same 64 bytes, cut elsewhere: the point would be right, the key would have a second name.
    let point = [&x, &y].map(|part| b64::decode(part.as_bytes()).expect("base64url")).concat();
    check(Algorithm::Es256, json!({}), Ok(()));
    for changes in [
        json!({ "x": zero }),
        json!({ "y": zero }),
        json!({ "x": zero, "y": zero }),
        json!({ "x": y, "y": x }),
        json!({ "x": b64::encode(&[0xff; 32]) }),
        json!({ "x": b64::encode(&[1; 31]) }),
        json!({ "x": b64::encode(&[0; 33]) }),
        json!({ "y": b64::encode(&[1; 48]) }),
        json!({ "x": b64::encode(&point[..31]), "y": b64::encode(&point[31..]) }),
        json!({ "x": b64::encode(&point[..33]), "y": b64::encode(&point[33..]) }),
        json!({ "x": "", "y": "" }),
    ] {
        check(Algorithm::Es256, changes, weak);
    }
}

/// Rows: JW-22.
#[test]
fn low_and_second_spellings_of_ed25519_points_are_refused() {
    let bad = rows(include_str!("../../vectors/ed25519-bad-points.json"));
    for list in ["low_order", "second_spelling"] {
        for x in bad[list].as_array().expect("points") {
            check(Algorithm::EdDsa, json!({ "x": x }), Err(JoseError::WeakKey));
        }
    }
    for len in [0, 31, 33, 44] {
        check(Algorithm::EdDsa, json!({ "x": b64::encode(&vec![3; len]) }), Err(JoseError::WeakKey));
    }
}

#[test]
fn other_kinds_of_key_are_passed_over() {
    let other = Err(JoseError::UnsupportedKey);
    for (algorithm, changes) in [
        (Algorithm::Es256, json!({ "crv": "P-384" })),
        (Algorithm::Es256, json!({ "crv": "secp256k1" })),
        (Algorithm::Es256, json!({ "crv": "p-256" })),
        (Algorithm::EdDsa, json!({ "crv": "X25519" })),
        (Algorithm::EdDsa, json!({ "crv": "Ed448" })),
        (Algorithm::EdDsa, json!({ "kty": "AKP" })),
        (Algorithm::Rs256, json!({ "kty": "rsa" })),
        (Algorithm::Rs256, json!({ "use": "enc" })),
        (Algorithm::Rs256, json!({ "alg": "RSA-OAEP" })),
        (Algorithm::Rs256, json!({ "alg": "HS256" })),
        (Algorithm::Rs256, json!({ "alg": "none" })),
        (Algorithm::Rs256, json!({ "alg": "RS512" })),
        (Algorithm::Rs256, json!({ "key_ops": ["encrypt"] })),
        (Algorithm::Rs256, json!({ "key_ops": [] })),
    ] {
        check(algorithm, changes, other);
    }
}

#[test]
fn misshapen_keys_are_refused() {
    for (changes, error) in [
        (json!({ "kty": null }), JoseError::Malformed),
        (json!({ "kty": 1 }), JoseError::Malformed),
        (json!({ "crv": null }), JoseError::Malformed),
        (json!({ "x": null }), JoseError::Malformed),
        (json!({ "x": 7 }), JoseError::Malformed),
        (json!({ "x": "AA==" }), JoseError::Malformed),
        (json!({ "x": "+/AA" }), JoseError::Malformed),
        (json!({ "use": ["sig"] }), JoseError::Malformed),
        (json!({ "key_ops": "verify" }), JoseError::Malformed),
        (json!({ "alg": 256 }), JoseError::Malformed),
        (json!({ "alg": "EdDSA" }), JoseError::AlgorithmMismatch),
        (json!({ "alg": "RS256" }), JoseError::AlgorithmMismatch),
        (json!({ "kid": "" }), JoseError::BadKeyId),
        (json!({ "kid": 1 }), JoseError::BadKeyId),
        (json!({ "kid": "a\u{0}b" }), JoseError::BadKeyId),
        (json!({ "kid": "k".repeat(129) }), JoseError::BadKeyId),
    ] {
        check(Algorithm::Es256, changes, Err(error));
    }
    check(Algorithm::Es256, json!({ "kid": "k".repeat(128), "key_ops": ["verify"], "use": null, "alg": null }), Ok(()));
}

#[test]
fn the_algorithm_of_a_key_is_fixed_once() {
    let silent = changed(Algorithm::Rs256, json!({ "alg": null }));
    let chosen = |jwk: &Value, expected| PublicKey::from_jwk(object(jwk), expected).map(|key| key.algorithm());
    assert_eq!(chosen(&silent, None), Ok(Algorithm::Rs256));
    assert_eq!(chosen(&silent, Some(Algorithm::Ps256)), Ok(Algorithm::Ps256));
    assert_eq!(chosen(&silent, Some(Algorithm::Es256)), Err(JoseError::AlgorithmMismatch));
    let named = changed(Algorithm::Ps256, json!({}));
    assert_eq!(chosen(&named, None), Ok(Algorithm::Ps256));
    assert_eq!(chosen(&named, Some(Algorithm::Rs256)), Err(JoseError::AlgorithmMismatch));
}

/// Rows: JW-27.
#[test]
fn key_sets_are_strict_and_bounded() {
    let one = key(Algorithm::Es256).public().to_jwk();
    let set = |keys: Vec<Value>| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).map(|set| set.iter().len());
    assert_eq!(set(vec![]), Ok(0));
    assert_eq!(set(vec![one.clone(), one.clone()]), Err(JoseError::DuplicateKey));
    let named = |at: usize| changed(Algorithm::Es256, json!({ "kid": format!("key {at}") }));
    assert_eq!(set((0..64).map(named).collect()), Ok(64));
    assert_eq!(set((0..65).map(named).collect()), Err(JoseError::TooLarge));
    let own = |count: usize| {
        let keys = (0..count).map(|at| PublicKey::from_jwk(named(at).as_object().expect("an object"), None).expect("a key"));
        KeySet::from_keys(keys).map(|set| set.iter().len())
    };
    assert_eq!((own(1024), own(1025)), (Ok(1024), Err(JoseError::TooLarge)));
    for (text, error) in [
        ("[]", JoseError::Malformed),
        ("{}", JoseError::Malformed),
        (r#"{"keys":{}}"#, JoseError::Malformed),
        (r#"{"keys":[1]}"#, JoseError::Malformed),
        (r#"{"keys":[],"keys":[]}"#, JoseError::DuplicateMember),
        (r#"{"keys":[{"kty":"RSA","\u006bty":"EC"}]}"#, JoseError::DuplicateMember),
        ("{\"keys\":[]}\0", JoseError::Malformed),
        ("\u{feff}{\"keys\":[]}", JoseError::Malformed),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).map(drop), Err(error), "{text}");
    }
    assert_eq!(KeySet::parse(&vec![b' '; 65_537]).map(drop), Err(JoseError::TooLarge));
}
