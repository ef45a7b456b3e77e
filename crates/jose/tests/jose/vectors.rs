//! What others have published or computed must come out here too.

use crate::{hex, key, object, rows, text};
use jeton_jose::{
    Algorithm, JoseError, KeySet, MacKey, PublicKey, SealKey, SigningKey, b64, parse_compact, sha256, sign_compact,
};
use serde_json::{Value, json};

fn signatures() -> Vec<Value> {
    let Value::Array(rows) = rows(include_str!("../../vectors/signatures.json")) else { panic!("rows") };
    rows
}

#[test]
fn published_tokens_verify() {
    for row in signatures() {
        let algorithm = Algorithm::parse(text(&row, "alg")).expect("offered");
        let key = PublicKey::from_jwk(object(&row["jwk"]), Some(algorithm)).expect("a published key");
        assert_eq!(key.kid(), text(&row, "thumbprint"), "{}", row["name"]);
        let token = parse_compact(text(&row, "token").as_bytes(), 8192).expect("a published token");
        let payload = token.verify(&key, &[""]).unwrap_or_else(|error| panic!("{}: {error}", row["name"]));
        assert_eq!(payload, text(&row, "payload").as_bytes());
        assert_eq!(token.verify(&key, &["JWT"]), Err(JoseError::TypeMismatch));
        assert_eq!(token.verify(&key, &[]), Err(JoseError::TypeMismatch));
    }
}

#[test]
fn published_private_keys_sign_the_same_tokens() {
    for row in signatures() {
        let algorithm = Algorithm::parse(text(&row, "alg")).expect("offered");
        let der = b64::decode(text(&row, "pkcs8").as_bytes()).expect("base64url");
        let key = SigningKey::from_pkcs8(algorithm, &der).expect("a published key");
        assert_eq!(key.kid(), text(&row, "thumbprint"));
        let (signed, signature) = text(&row, "token").rsplit_once('.').expect("three parts");
        let ours = key.sign(signed.as_bytes()).expect("signs");
        assert_eq!(key.public().verify(signed.as_bytes(), &ours), Ok(()));
        // RS256 and EdDSA have one signature for one message; ES256 and PS256 have many.
        if row["deterministic"] == true {
            assert_eq!(b64::encode(&ours), signature, "{}", row["name"]);
        }
    }
}

#[test]
fn a_published_key_set_keeps_its_signing_key() {
    let set = KeySet::parse(include_bytes!("../../vectors/rfc7517-a1.json")).expect("RFC 7517 Appendix A.1");
    let kids: Vec<_> = set.iter().map(PublicKey::kid).collect();
    // The EC key is for encryption.
    assert_eq!(kids, ["2011-04-29"]);
    let key = set.by_kid("2011-04-29").expect("the RSA key");
    assert_eq!(key.algorithm(), Algorithm::Rs256);
    // RFC 7638 §3.1.
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn our_key_sets_print_public_members_in_one_order() {
    let keys = Algorithm::ALL.map(key);
    let ec = keys.iter().filter(|key| key.algorithm() != Algorithm::Ps256).map(|key| key.public().clone());
    let set = KeySet::from_keys(ec).expect("three different keys");
    let printed = set.to_json().to_string();
    let again = KeySet::parse(printed.as_bytes()).expect("reads its own set");
    assert_eq!(again.to_json().to_string(), printed);
    let members: Vec<Vec<_>> =
        again.to_json()["keys"].as_array().expect("keys").iter().map(|key| object(key).keys().cloned().collect()).collect();
    assert_eq!(members[0], ["e", "kty", "n", "use", "alg", "kid"]);
    assert_eq!(members[1], ["crv", "kty", "x", "y", "use", "alg", "kid"]);
    assert_eq!(members[2], ["crv", "kty", "x", "use", "alg", "kid"]);
}

#[test]
fn one_rsa_key_under_two_algorithms_is_a_duplicate() {
    let keys = [Algorithm::Rs256, Algorithm::Ps256].map(|algorithm| key(algorithm).public().clone());
    assert_eq!(KeySet::from_keys(keys).map(drop), Err(JoseError::DuplicateKey));
}

#[test]
fn the_header_has_three_members() {
    let key = key(Algorithm::EdDsa);
    let token = sign_compact(&key, "at+jwt", b"{}").expect("signs");
    let header = b64::decode(token.split('.').next().expect("a header").as_bytes()).expect("base64url");
    let expected = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid()}).to_string();
    assert_eq!(header, expected.as_bytes());
    let signer = jeton_jose::CompactSigner::new(std::sync::Arc::new(key), "at+jwt");
    assert_eq!(signer.sign(b"{}").expect("signs"), token);
}

#[test]
fn sealing_and_hashing_agree_with_another_implementation() {
    let vectors = rows(include_str!("../../vectors/sealing.json"));
    for row in vectors["rfc8452_c2"].as_array().expect("rows") {
        let key = SealKey::from_bytes(hex(text(row, "key")).try_into().expect("32 bytes"));
        let nonce = hex(text(row, "nonce")).try_into().expect("12 bytes");
        let (aad, plain) = (hex(text(row, "aad")), hex(text(row, "plain")));
        let sealed = key.seal(nonce, &aad, &plain);
        assert_eq!(sealed, hex(text(row, "sealed")));
        assert_eq!(*key.open(&aad, &sealed).expect("opens"), plain);
    }
    let key = SealKey::from_bytes(hex(text(&vectors, "key")).try_into().expect("32 bytes"));
    assert_eq!(key.fingerprint(), text(&vectors, "fingerprint"));
    assert_eq!(key.derive_mac("code", b"realm").mac(&[b"x"]).to_vec(), hex(text(&vectors, "derived_mac")));
    let key = MacKey::from_bytes(&[7; 32]);
    for row in vectors["macs"].as_array().expect("rows") {
        let parts: Vec<&[u8]> =
            row["parts"].as_array().expect("parts").iter().map(|part| part.as_str().expect("text").as_bytes()).collect();
        assert_eq!(key.mac(&parts).to_vec(), hex(text(row, "mac")), "{row}");
    }
    // FIPS 180-4, the example "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(b"abc").to_vec(), hex(abc));
}
