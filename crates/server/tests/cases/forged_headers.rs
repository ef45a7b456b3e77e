//! Tokens whose header, form or signature is forged: rows JW-01 to JW-09, JW-17 to JW-26 of the attack catalogue.

use crate::forge::{self, Forge, ISSUER, changed, claims, hmac, public_forms};
use crate::harness::http;
use jeton_core::name::Time;
use jeton_core::record::{KeyEnd, KeyPurpose, KeyState};
use jeton_jose::{Algorithm, SigningKey, b64};
use serde_json::{Value, json};
use std::net::TcpListener;

#[test]
fn jw_01_the_algorithm_cannot_be_chosen() {
    let mut forge = Forge::start();
    for alg in [
        json!("none"),
        json!("None"),
        json!("noNe"),
        json!("NONE"),
        json!(""),
        json!(1),
        json!(["ES256"]),
        json!(true),
        json!({}),
        json!("es256"),
        json!("ES256 "),
        json!("RS256"),
        json!("PS256"),
        json!("EdDSA"),
        json!("ES384"),
        json!("HS256"),
    ] {
        let signed = forge.with_members(json!({ "alg": alg }));
        forge.refuses(&format!("alg {alg}"), &signed);
        let (unsigned, _) = signed.rsplit_once('.').expect("a signature");
        forge.refuses(&format!("alg {alg} without a signature"), &format!("{unsigned}."));
    }
    let token = forge.with_members(json!({ "alg": null }));
    forge.refuses("no alg", &token);
    forge.close();
}

#[test]
fn jw_02_jw_03_a_public_key_is_no_hmac_key() {
    let mut forge = Forge::start();
    for (what, key) in public_forms(&forge.key) {
        for alg in ["HS256", "ES256"] {
            for kid in [json!(forge.key.kid()), json!(null), json!("unknown"), json!("")] {
                let header = changed(forge.header(), json!({ "alg": alg, "kid": kid }));
                let signed =
                    format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(claims().to_string().as_bytes()));
                let token = format!("{signed}.{}", b64::encode(&hmac(&key, signed.as_bytes())));
                forge.refuses(&format!("{alg} with {what} and kid {kid}"), &token);
            }
        }
    }
    forge.close();
}

#[test]
fn jw_05_a_key_id_is_only_looked_up() {
    let mut forge = Forge::start();
    let own = forge.key.kid().to_owned();
    for kid in [
        "../../dev/null",
        "/dev/null",
        "' OR 1=1--",
        "",
        "\0",
        "unknown",
        " ",
        "%00",
        "http://127.0.0.1/",
        &own[1..],
        &format!("{own} "),
        &format!("{own}\0"),
        &own.to_lowercase(),
        &"k".repeat(129),
        &"k".repeat(3000),
    ] {
        let token = forge.with_members(json!({ "kid": kid }));
        if kid != own {
            forge.refuses(&format!("kid {kid:?}"), &token);
        }
    }
    for kid in [json!(1), json!([own]), json!({}), json!(true)] {
        let token = forge.with_members(json!({ "kid": kid }));
        forge.refuses(&format!("kid {kid}"), &token);
    }
    // The key of one tenant under the name of another's: the signature decides.
    let beta = forge.connection.ask(&http::get("/beta/jwks", &[])).expect("keys").answer;
    let beta: Value = serde_json::from_slice(&beta.body).expect("JSON");
    let token = forge.with_members(json!({ "kid": beta["keys"][0]["kid"] }));
    forge.refuses("another tenant's kid", &token);
    // 64 KiB do not pass the listener.
    let token = forge.with_members(json!({ "kid": "k".repeat(65_536) }));
    assert_eq!(forge.status(&token, "/acme/data"), 431);
    forge.close();
}

#[test]
fn jw_06_jw_07_a_token_brings_no_key() {
    let mut forge = Forge::start();
    let trap = TcpListener::bind("127.0.0.1:0").expect("a listener");
    trap.set_nonblocking(true).expect("it does not block");
    let url = format!("http://{}/jwks", trap.local_addr().expect("an address"));
    let (other, _) = SigningKey::generate(Algorithm::Es256).expect("a key");
    let jwk = other.public().to_jwk();
    for changes in [
        json!({ "jku": url }),
        json!({ "x5u": url }),
        json!({ "jku": "http://169.254.169.254/latest/meta-data" }),
        json!({ "jku": "file:///etc/passwd" }),
        json!({ "x5u": "file:///etc/passwd" }),
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": null }),
        json!({ "jwk": jwk, "kid": jwk["kid"] }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "jku": url, "kid": null }),
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
    ] {
        let header = changed(forge.header(), changes.clone());
        let ours = forge.with_header(&header);
        forge.refuses(&format!("{changes} with the right signature"), &ours);
        let signed = format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(claims().to_string().as_bytes()));
        let signature = other.sign(signed.as_bytes()).expect("it signs");
        forge.refuses(&format!("{changes} signed with the key it brings"), &format!("{signed}.{}", b64::encode(&signature)));
    }
    assert!(trap.accept().is_err(), "nothing may be fetched");
    forge.close();
}

#[test]
fn jw_09_only_access_tokens_pass() {
    let mut forge = Forge::start();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let token = forge.with_members(json!({ "typ": typ }));
        forge.accepts(typ, &token);
    }
    for typ in [
        json!("JWT"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("id+jwt"),
        json!(""),
        json!("at+jwt "),
        json!("at"),
        json!("text/at+jwt"),
        json!("application/application/at+jwt"),
        json!("secevent+jwt"),
        json!(1),
        json!(["at+jwt"]),
    ] {
        let token = forge.with_members(json!({ "typ": typ }));
        forge.refuses(&format!("typ {typ}"), &token);
    }
    let token = forge.with_members(json!({ "typ": null }));
    forge.refuses("no typ", &token);
    forge.close();
}

#[test]
fn jw_17_jw_18_jw_19_jw_21_there_is_one_form() {
    let mut forge = Forge::start();
    let right = forge.with_claims(json!({}));
    let parts: Vec<String> = right.split('.').map(str::to_owned).collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("three parts") };
    // 64 bytes of signature are 86 letters; the last carries two bits, and its four others must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(&signature[85..]).expect("base64url");
    let loose = format!("{}{}", &signature[..85], &alphabet[last + 1..last + 2]);
    let flattened = json!({ "payload": payload, "protected": header, "signature": signature }).to_string();
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string();
    for (what, token) in [
        ("two parts", format!("{header}.{payload}")),
        ("no signature", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("four parts", format!("{right}.{signature}")),
        ("a dot behind it", format!("{right}.")),
        ("a dot before it", format!(".{right}")),
        ("padding", format!("{header}=.{payload}.{signature}")),
        ("padding behind it", format!("{right}==")),
        ("loose bits", format!("{header}.{payload}.{loose}")),
        ("a percent sign", format!("{header}%2E{payload}.{signature}")),
        ("the flattened JSON form", flattened),
        ("the general JSON form", general),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("another letter case", right.to_lowercase()),
    ] {
        forge.refuses(what, &token);
    }
    let standard = |part: &str| part.replace('-', "+").replace('_', "/");
    let other = format!("{header}.{payload}.{}", standard(signature));
    if other != right {
        forge.refuses("the other alphabet", &other);
    }
    for changes in [
        json!({ "enc": "A256GCM" }),
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }),
        json!({ "alg": "dir", "enc": "A256GCM" }),
        json!({ "zip": "DEF" }),
        json!({ "epk": {} }),
        json!({ "cty": "JWT", "enc": "A128GCM" }),
    ] {
        let token = forge.with_members(changes.clone());
        forge.refuses(&changes.to_string(), &token);
    }
    // A token in the place of claims.
    let nested = forge.sign(changed(forge.header(), json!({ "cty": "JWT" })).to_string().as_bytes(), right.as_bytes());
    forge.refuses("a token inside a token", &nested);
    forge.close();
}

#[test]
fn jw_23_an_odd_signature_is_none() {
    let mut forge = Forge::start();
    let right = forge.with_claims(json!({}));
    let (signed, signature) = right.rsplit_once('.').expect("a signature");
    let bytes = b64::decode(signature.as_bytes()).expect("base64url");
    let (r, s) = bytes.split_at(32);
    let integer = |bytes: &[u8]| {
        let mut bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_some_and(|byte| *byte >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, u8::try_from(bytes.len()).expect("short")], bytes].concat()
    };
    let inner = [integer(r), integer(s)].concat();
    let der = [vec![0x30, u8::try_from(inner.len()).expect("short")], inner].concat();
    let order = b64::decode(b"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").expect("base64url");
    for (what, signature) in [
        ("all zero", vec![0; 64]),
        ("r zero", [&[0; 32], s].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("r the order", [&order[..], s].concat()),
        ("s the order", [r, &order[..]].concat()),
        ("all ones", vec![255; 64]),
        ("DER", der),
        ("63 bytes", bytes[..63].to_vec()),
        ("65 bytes", [&bytes[..], &[0]].concat()),
        ("65 bytes with a zero first", [&[0], &bytes[..]].concat()),
        ("one byte", vec![1]),
        ("the halves exchanged", [s, r].concat()),
        ("one bit changed", [&[bytes[0] ^ 1], &bytes[1..]].concat()),
    ] {
        forge.refuses(&format!("a signature of {what}"), &format!("{signed}.{}", b64::encode(&signature)));
    }
    let (header, payload) = signed.split_once('.').expect("two parts");
    let wider = b64::encode(changed(claims(), json!({ "scope": "read write" })).to_string().as_bytes());
    forge.refuses("changed claims", &format!("{header}.{wider}.{signature}"));
    let other = b64::encode(changed(forge.header(), json!({ "x": 1 })).to_string().as_bytes());
    forge.refuses("a changed header", &format!("{other}.{payload}.{signature}"));
    forge.close();
}

/// Access tokens and ID tokens have keys of their own, whatever a dialect's `typ` is.
#[test]
fn jw_26_a_key_counts_from_its_first_use_to_its_end() {
    use KeyPurpose::{AccessToken, IdToken};
    let now = Time::from_seconds(forge::now());
    let active = KeyState::Active { from: now };
    let retiring = KeyState::Retiring { from: now, since: now, until: now.plus_seconds(3600) };
    let gone = |end| KeyState::Gone { since: now, end };
    for (purpose, state, status) in [
        (AccessToken, active, 200),
        (AccessToken, retiring, 200),
        (AccessToken, gone(KeyEnd::Revoked), 401),
        (AccessToken, gone(KeyEnd::Outlived), 401),
        (AccessToken, KeyState::Next, 401),
        (IdToken, active, 401),
        (IdToken, retiring, 401),
    ] {
        let mut forge = Forge::with_key(purpose, state);
        let token = forge.with_claims(json!({}));
        assert_eq!(forge.status(&token, "/acme/data"), status, "a token of a key for {purpose:?} that is {state:?}");
    }
}

#[test]
fn tn_01_tn_03_a_key_of_one_tenant_is_nothing_at_another() {
    let mut forge = Forge::start();
    let keys = forge.connection.ask(&http::get("/beta/jwks", &[])).expect("keys").answer;
    assert!(!String::from_utf8_lossy(&keys.body).contains(forge.key.kid()), "beta publishes a key of acme");
    for (iss, aud) in [
        ("https://login.beta.example", "https://api.beta.example"),
        (ISSUER, "https://api.beta.example"),
        (ISSUER, "https://api.acme.example"),
    ] {
        let token = forge.with_claims(json!({ "iss": iss, "aud": aud }));
        assert_eq!(forge.status(&token, "/beta/data"), 401, "{iss} {aud}");
    }
    forge.close();
}
