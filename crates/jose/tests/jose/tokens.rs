//! Tokens that must not pass: the rows JW-01 to JW-23 of the attack catalogue that a library can answer.
//!
//! Every forged token here is correctly signed unless its signature is the point, so that only the one check can refuse it.

use crate::{forge, key, object, rows, text};
use jeton_jose::jwt::{self, Expect};
use jeton_jose::{Algorithm, JoseError, KeySet, PublicKey, SigningKey, parse_compact, sign_compact};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

const EXPECT: Expect<'_> = Expect { issuer: "https://as.example", audiences: &["api"], typ: &["at+jwt"], now: NOW, leeway: 0 };

fn set(key: &SigningKey) -> KeySet {
    KeySet::from_keys([key.public().clone()]).expect("one key")
}

fn claims() -> Value {
    json!({ "iss": "https://as.example", "sub": "client", "aud": "api", "exp": NOW + 60, "iat": NOW, "jti": "1" })
}

/// The verdict on a token with this header and the good claims. `KID` stands for the key's id.
fn with_header(header: &str) -> Result<(), JoseError> {
    let key = key(Algorithm::EdDsa);
    let header = header.replace("KID", key.kid());
    let token = forge(&key, header.as_bytes(), claims().to_string().as_bytes());
    jwt::verify(token.as_bytes(), &set(&key), &EXPECT).map(drop)
}

/// The verdict on a token with a good header and this payload.
fn with_payload(payload: &[u8], expect: &Expect<'_>) -> Result<(), JoseError> {
    let key = key(Algorithm::EdDsa);
    let token = sign_compact(&key, "at+jwt", payload).expect("signs");
    jwt::verify(token.as_bytes(), &set(&key), expect).map(drop)
}

/// The verdict on the good claims with one of them replaced, or taken away by `None`.
fn with_claim(name: &str, value: Option<Value>) -> Result<(), JoseError> {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    members.shift_remove(name);
    members.extend(value.map(|value| (name.to_owned(), value)));
    with_payload(claims.to_string().as_bytes(), &EXPECT)
}

#[test]
fn the_good_token_passes() {
    let key = key(Algorithm::EdDsa);
    let token = sign_compact(&key, "at+jwt", claims().to_string().as_bytes()).expect("signs");
    let verified = jwt::verify(token.as_bytes(), &set(&key), &EXPECT).expect("the good token");
    assert_eq!((verified.issuer.as_str(), verified.subject.as_str()), ("https://as.example", "client"));
    assert_eq!((verified.expires_at, verified.issued_at), (NOW + 60, NOW));
    assert_eq!((verified.audience, verified.token_id.as_deref()), (vec!["api".to_owned()], Some("1")));
    assert_eq!(Value::Object(verified.all), claims());
    assert_eq!(jwt::unproven(token.as_bytes(), "sub").as_deref(), Ok("client"));
    assert_eq!(jwt::unproven(token.as_bytes(), "nonce"), Err(JoseError::ClaimMissing("nonce")));
}

#[test]
fn jw_01_the_algorithm_is_one_of_ours() {
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""noNe""#,
        r#""NONE""#,
        r#""""#,
        "1",
        r#"["EdDSA"]"#,
        "null",
        "true",
        "{}",
        r#""HS256""#,
        r#""eddsa""#,
        r#""ES256K""#,
        r#""RS1""#,
        r#""EdDSA ""#,
        r#""EdDSA\u0000""#,
        r#""RSA-OAEP""#,
    ] {
        assert_eq!(with_header(&format!(r#"{{"alg":{alg},"typ":"at+jwt"}}"#)), Err(JoseError::UnknownAlgorithm), "{alg}");
    }
    assert_eq!(with_header(r#"{"typ":"at+jwt"}"#), Err(JoseError::UnknownAlgorithm));
    assert_eq!(with_header(r#"{"alg":"EdDSA","typ":"at+jwt"}"#), Ok(()));
}

#[test]
fn jw_02_the_header_does_not_choose_the_algorithm() {
    let vectors = rows(include_str!("../../vectors/hostile-signatures.json"));
    let key = key(Algorithm::Rs256);
    for row in vectors["hmac_with_public_key"].as_array().expect("rows") {
        let expected = if row["alg"] == "HS256" { JoseError::UnknownAlgorithm } else { JoseError::BadSignature };
        let verdict = parse_compact(text(row, "token").as_bytes(), 8192).and_then(|token| token.verify(key.public(), &["JWT"]));
        assert_eq!(verdict, Err(expected), "{row}");
    }
    // Each key with each other algorithm in the header, correctly signed.
    for ours in Algorithm::ALL {
        let key = crate::key(ours);
        for named in Algorithm::ALL {
            let header = json!({ "alg": named, "typ": "at+jwt" }).to_string();
            let token = forge(&key, header.as_bytes(), claims().to_string().as_bytes());
            let expected = if named == ours { Ok(()) } else { Err(JoseError::AlgorithmMismatch) };
            assert_eq!(jwt::verify(token.as_bytes(), &set(&key), &EXPECT).map(drop), expected, "{ours} {named}");
        }
    }
}

#[test]
fn jw_03_jw_05_the_key_id_is_only_looked_up() {
    let header = |kid: &str| format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":{kid}}}"#);
    assert_eq!(with_header(&header(r#""KID""#)), Ok(()));
    for kid in ["../../dev/null", "' OR 1=1--", "KI", "KID ", "kid", "/proc/self/environ", "http://169.254.169.254/"] {
        assert_eq!(with_header(&header(&json!(kid).to_string())), Err(JoseError::UnknownKey), "{kid}");
    }
    for kid in ["\"\"", "null", "1", "[\"KID\"]", "{}", "true", "\"KID\\u0000\"", "\"a\\nb\""] {
        assert_eq!(with_header(&header(kid)), Err(JoseError::BadKeyId), "{kid}");
    }
    assert_eq!(with_header(&header(&json!("k".repeat(128)).to_string())), Err(JoseError::UnknownKey));
    assert_eq!(with_header(&header(&json!("k".repeat(129)).to_string())), Err(JoseError::BadKeyId));
    assert_eq!(with_header(&header(&json!("k".repeat(3900)).to_string())), Err(JoseError::BadKeyId));
    assert_eq!(with_header(&header(&json!("k".repeat(5000)).to_string())), Err(JoseError::TooLarge));
    assert_eq!(with_header(&header(&json!("k".repeat(65_536)).to_string())), Err(JoseError::TooLarge));
}

#[test]
fn a_token_without_key_id_needs_a_set_of_one() {
    let ed = key(Algorithm::EdDsa);
    let token = forge(&ed, br#"{"alg":"EdDSA","typ":"at+jwt"}"#, claims().to_string().as_bytes());
    let two = KeySet::from_keys([ed.public().clone(), key(Algorithm::Es256).public().clone()]).expect("two keys");
    assert_eq!(jwt::verify(token.as_bytes(), &two, &EXPECT).map(drop), Err(JoseError::UnknownKey));
    assert_eq!(jwt::verify(token.as_bytes(), &KeySet::default(), &EXPECT).map(drop), Err(JoseError::UnknownKey));
    let named = sign_compact(&ed, "at+jwt", claims().to_string().as_bytes()).expect("signs");
    assert!(jwt::verify(named.as_bytes(), &two, &EXPECT).is_ok());
    // Another issuer's key under the same name: the signature decides.
    let mut jwk = key(Algorithm::Es256).public().to_jwk();
    jwk["kid"] = json!(ed.kid());
    let foreign = KeySet::from_keys([PublicKey::from_jwk(object(&jwk), None).expect("a key")]).expect("one key");
    assert_eq!(jwt::verify(named.as_bytes(), &foreign, &EXPECT).map(drop), Err(JoseError::AlgorithmMismatch));
}

#[test]
fn jw_06_jw_07_jw_19_jw_21_the_header_brings_nothing() {
    let own = key(Algorithm::EdDsa).public().to_jwk();
    for (member, error) in [
        (json!({ "jku": "https://evil.example/jwks" }), JoseError::ForbiddenHeader),
        (json!({ "x5u": "file:///etc/passwd" }), JoseError::ForbiddenHeader),
        (json!({ "jwk": own }), JoseError::ForbiddenHeader),
        (json!({ "jwk": null }), JoseError::ForbiddenHeader),
        (json!({ "x5c": ["AAAA"] }), JoseError::ForbiddenHeader),
        (json!({ "zip": "DEF" }), JoseError::ForbiddenHeader),
        (json!({ "b64": false }), JoseError::ForbiddenHeader),
        (json!({ "enc": "A256GCM" }), JoseError::ForbiddenHeader),
        (json!({ "epk": {} }), JoseError::ForbiddenHeader),
        (json!({ "crit": ["exp"], "exp": 1 }), JoseError::CriticalHeader),
        (json!({ "crit": ["b64"], "b64": true }), JoseError::CriticalHeader),
        (json!({ "crit": ["alg"] }), JoseError::CriticalHeader),
        (json!({ "crit": [] }), JoseError::CriticalHeader),
        (json!({ "crit": null }), JoseError::CriticalHeader),
        (json!({ "typ": 1 }), JoseError::Malformed),
    ] {
        let mut header = json!({ "alg": "EdDSA", "typ": "at+jwt" });
        header.as_object_mut().expect("an object").extend(object(&member).clone());
        assert_eq!(with_header(&header.to_string()), Err(error), "{member}");
    }
    // RFC 7515 §4.2: members that mean nothing here are ignored.
    assert_eq!(with_header(r#"{"alg":"EdDSA","typ":"at+jwt","x5t":"AAAA","cty":"x","own":[1,{}]}"#), Ok(()));
}

#[test]
fn jw_09_the_type_is_the_expected_one() {
    let header = |typ: &str| with_header(&json!({ "alg": "EdDSA", "typ": typ }).to_string());
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert_eq!(header(typ), Ok(()), "{typ}");
    }
    for typ in [
        "JWT",
        "",
        "dpop+jwt",
        "logout+jwt",
        "at+jwt ",
        "application/",
        "application/application/at+jwt",
        "text/at+jwt",
        "at+jwt;v=1",
        "application/at+jwt/x",
        "a\u{167}+jwt",
    ] {
        assert_eq!(header(typ), Err(JoseError::TypeMismatch), "{typ:?}");
    }
    assert_eq!(with_header(r#"{"alg":"EdDSA"}"#), Err(JoseError::TypeMismatch));
    // The empty name stands for a token without type, and only for that.
    let key = key(Algorithm::EdDsa);
    for (header, expected) in [
        (r#"{"alg":"EdDSA"}"#, Ok(())),
        (r#"{"alg":"EdDSA","typ":""}"#, Err(JoseError::TypeMismatch)),
        (r#"{"alg":"EdDSA","typ":"application/"}"#, Err(JoseError::TypeMismatch)),
        (r#"{"alg":"EdDSA","typ":"JWT"}"#, Err(JoseError::TypeMismatch)),
    ] {
        let token = forge(&key, header.as_bytes(), claims().to_string().as_bytes());
        let expect = Expect { typ: &[""], ..EXPECT };
        assert_eq!(jwt::verify(token.as_bytes(), &set(&key), &expect).map(drop), expected, "{header}");
    }
}

#[test]
fn jw_10_times_are_whole_numbers_in_range() {
    for name in ["exp", "iat", "nbf"] {
        for value in [
            "\"1700000060\"",
            "1700000060.0",
            "1.7e9",
            "1e30",
            "-1",
            "null",
            "true",
            "[]",
            "{}",
            "253402300800",
            "18446744073709551616",
        ] {
            let value: Value = serde_json::from_str(value).expect("JSON");
            assert_eq!(with_claim(name, Some(value.clone())), Err(JoseError::ClaimMalformed(name)), "{name} {value}");
        }
    }
    assert_eq!(with_claim("exp", None), Err(JoseError::ClaimMissing("exp")));
    assert_eq!(with_claim("iat", None), Err(JoseError::ClaimMissing("iat")));
    for (exp, leeway, expected) in [
        (NOW + 1, 0, Ok(())),
        (NOW, 0, Err(JoseError::Expired)),
        (NOW - 9, 10, Ok(())),
        (NOW - 10, 10, Err(JoseError::Expired)),
        (0, 10, Err(JoseError::Expired)),
    ] {
        let mut claims = claims();
        claims["exp"] = json!(exp);
        let expect = Expect { leeway, ..EXPECT };
        assert_eq!(with_payload(claims.to_string().as_bytes(), &expect), expected, "{exp} {leeway}");
    }
}

#[test]
fn jw_11_the_future_has_a_window_of_ten_seconds() {
    for name in ["iat", "nbf"] {
        assert_eq!(with_claim(name, Some(json!(NOW + 10))), Ok(()), "{name}");
        assert_eq!(with_claim(name, Some(json!(NOW + 11))), Err(JoseError::NotYetValid), "{name}");
    }
}

#[test]
fn jw_13_the_issuer_is_compared_byte_by_byte() {
    for issuer in [
        "https://as.example/",
        "https://AS.example",
        "https://other.example",
        "http://as.example",
        "https://as.example ",
        "https://xn--as.example",
        "as.example",
    ] {
        assert_eq!(with_claim("iss", Some(json!(issuer))), Err(JoseError::IssuerMismatch), "{issuer}");
    }
    for (name, value) in
        [("iss", json!(["https://as.example"])), ("sub", json!(7)), ("sub", json!("")), ("jti", json!(1)), ("iss", json!(null))]
    {
        assert_eq!(with_claim(name, Some(value)), Err(JoseError::ClaimMalformed(name)));
    }
    assert_eq!(with_claim("iss", None), Err(JoseError::ClaimMissing("iss")));
    assert_eq!(with_claim("sub", None), Err(JoseError::ClaimMissing("sub")));
    assert_eq!(with_claim("jti", None), Ok(()));
}

#[test]
fn the_audience_names_us() {
    for (aud, expected) in [
        (json!("api"), Ok(())),
        (json!(["other", "api"]), Ok(())),
        (json!("other"), Err(JoseError::AudienceMismatch)),
        (json!(["API", "api/"]), Err(JoseError::AudienceMismatch)),
        (json!([]), Err(JoseError::ClaimMalformed("aud"))),
        (json!(["api", 1]), Err(JoseError::ClaimMalformed("aud"))),
        (json!(""), Err(JoseError::ClaimMalformed("aud"))),
        (json!({ "api": 1 }), Err(JoseError::ClaimMalformed("aud"))),
        (json!(null), Err(JoseError::ClaimMalformed("aud"))),
    ] {
        assert_eq!(with_claim("aud", Some(aud.clone())), expected, "{aud}");
    }
    assert_eq!(with_claim("aud", None), Err(JoseError::ClaimMissing("aud")));
    let mut claims = claims();
    claims.as_object_mut().expect("an object").shift_remove("aud");
    assert_eq!(with_payload(claims.to_string().as_bytes(), &Expect { audiences: &[], ..EXPECT }), Ok(()));
}

#[test]
fn jw_14_jw_15_header_and_claims_are_strict_json() {
    let good = claims().to_string();
    let inside = good.trim_start_matches('{').trim_end_matches('}');
    for (payload, error) in [
        (format!(r#"{{{inside},"aud":"other"}}"#), JoseError::DuplicateMember),
        (format!(r#"{{{inside},"\u0061ud":"other"}}"#), JoseError::DuplicateMember),
        (format!(r#"{{{inside},"x":1,"x":1}}"#), JoseError::DuplicateMember),
        (format!(r#"{{{inside},"x":{{"y":1,"y":2}}}}"#), JoseError::DuplicateMember),
        (format!("\u{feff}{good}"), JoseError::Malformed),
        (format!("{good}x"), JoseError::Malformed),
        (format!("{good}\0"), JoseError::Malformed),
        (format!("{good}{good}"), JoseError::Malformed),
        (format!("{{/* */{inside}}}"), JoseError::Malformed),
        (format!(r#"{{{inside},"x":NaN}}"#), JoseError::Malformed),
        (format!(r#"{{{inside},"x":"\ud800"}}"#), JoseError::Malformed),
        (format!(r#"{{{inside},"x":{}1{}}}"#, "[".repeat(16), "]".repeat(16)), JoseError::TooDeep),
        (format!("[{good}]"), JoseError::Malformed),
        (format!("\"{}\"", "x".repeat(9)), JoseError::Malformed),
    ] {
        assert_eq!(with_payload(payload.as_bytes(), &EXPECT), Err(error), "{payload}");
    }
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(with_payload(&wide, &EXPECT), Err(JoseError::Malformed));
    for (header, error) in [
        (r#"{"alg":"EdDSA","typ":"at+jwt","typ":"at+jwt"}"#, JoseError::DuplicateMember),
        (r#"{"alg":"none","typ":"at+jwt","\u0061lg":"EdDSA"}"#, JoseError::DuplicateMember),
        (r#"{"alg":"EdDSA","typ":"at+jwt"}x"#, JoseError::Malformed),
        ("\u{feff}{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}", JoseError::Malformed),
        (r#"["EdDSA"]"#, JoseError::Malformed),
        ("", JoseError::Malformed),
    ] {
        assert_eq!(with_header(header), Err(error), "{header}");
    }
    let wide: Vec<u8> = r#"{"alg":"EdDSA"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let token = forge(&key(Algorithm::EdDsa), &wide, b"{}");
    assert_eq!(parse_compact(token.as_bytes(), 8192).map(drop), Err(JoseError::Malformed));
}

#[test]
fn jw_17_jw_18_a_token_is_three_parts_and_nothing_else() {
    let token = sign_compact(&key(Algorithm::EdDsa), "at+jwt", b"{}").expect("signs");
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let json_form = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    let malformed = [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.x"),
        format!("{token}.x.y"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{token}=="),
        format!("{header}.+/{payload}.{signature}"),
        format!("{header}.e31.{signature}"),
        format!("{token}\0"),
        ".".repeat(8192),
        json_form,
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string(),
        format!("Bearer {token}"),
    ];
    for text in malformed {
        assert_eq!(parse_compact(text.as_bytes(), 8192).map(drop), Err(JoseError::Malformed), "{text:.80}");
    }
    assert_eq!(parse_compact(".".repeat(1_000_000).as_bytes(), 8192).map(drop), Err(JoseError::TooLarge));
    assert!(parse_compact(token.as_bytes(), token.len()).is_ok());
    assert_eq!(parse_compact(token.as_bytes(), token.len() - 1).map(drop), Err(JoseError::TooLarge));
}

#[test]
fn jw_17_no_second_spelling_of_a_token_passes() {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let token = sign_compact(&key, "at+jwt", claims().to_string().as_bytes()).expect("signs");
        assert!(jwt::verify(token.as_bytes(), &set(&key), &EXPECT).is_ok());
        // The last character of the signature has spare bits; every other value of it is refused.
        for letter in alphabet.iter().filter(|letter| **letter != token.as_bytes()[token.len() - 1]) {
            let mut other = token.clone().into_bytes();
            *other.last_mut().expect("not empty") = *letter;
            assert!(jwt::verify(&other, &set(&key), &EXPECT).is_err(), "{algorithm} {letter}");
        }
    }
}

#[test]
fn jw_23_impossible_signatures_are_refused() {
    let vectors = rows(include_str!("../../vectors/hostile-signatures.json"));
    for (list, algorithm) in [("es256", Algorithm::Es256), ("eddsa", Algorithm::EdDsa), ("ps256", Algorithm::Ps256)] {
        let key = key(algorithm);
        for row in vectors[list].as_array().expect("rows") {
            let token = parse_compact(text(row, "token").as_bytes(), 8192).expect("three parts");
            assert_eq!(token.verify(key.public(), &[""]), Err(JoseError::BadSignature), "{row}");
        }
    }
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        for len in [0, 1, 63, 65, 255, 257, 1000] {
            assert_eq!(key.public().verify(b"message", &vec![0; len]), Err(JoseError::BadSignature));
        }
    }
}

#[test]
fn assertions_of_others_need_no_time_of_issue() {
    let key = key(Algorithm::Es256);
    let expect = Expect { typ: &["", "JWT"], ..EXPECT };
    let mut claims = claims();
    let verdict = |claims: &Value| {
        let token = sign_compact(&key, "JWT", claims.to_string().as_bytes()).expect("signs");
        jwt::verify_assertion(token.as_bytes(), &set(&key), &expect).map(|claims| claims.issued_at)
    };
    assert_eq!(verdict(&claims), Ok(NOW));
    claims.as_object_mut().expect("an object").shift_remove("iat");
    assert_eq!(verdict(&claims), Ok(NOW));
    claims["nbf"] = json!(NOW - 30);
    assert_eq!(verdict(&claims), Ok(NOW - 30));
    claims["iat"] = json!("1");
    assert_eq!(verdict(&claims), Err(JoseError::ClaimMalformed("iat")));
}

#[test]
fn a_token_has_at_most_eight_kibibytes() {
    let mut claims = claims();
    claims["x"] = json!("x".repeat(7000));
    assert_eq!(with_payload(claims.to_string().as_bytes(), &EXPECT), Err(JoseError::TooLarge));
}
