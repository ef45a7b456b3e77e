//! Client assertions, as a table: which statement of a client proves who it is, and why another does not.

use super::*;
use jeton_core::client_auth::public_key;
use serde_json::{Value, json};

const ISSUER: &str = "https://auth.acme.example";

fn pair(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("a key").0
}

fn client_key(name: &str, key: &SigningKey) -> ClientKey {
    let Value::Object(jwk) = key.public().to_jwk() else { unreachable!("a JWK is an object") };
    assert!(public_key(&jwk).is_ok());
    ClientKey { key: super::key(name), name: Label::parse(name).expect("a label"), jwk }
}

/// A house whose client has these keys beside its secret.
fn house(registered: &[(&str, &SigningKey)], change: impl FnOnce(&mut Realm, &mut Client)) -> House {
    House::new(|realm, client| {
        if let ClientKind::Confidential { auth_methods, keys, .. } = &mut client.kind {
            auth_methods.insert(AuthMethod::PrivateKeyJwt);
            keys.extend(registered.iter().map(|(name, key)| client_key(name, key)));
        }
        change(realm, client);
    })
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = NOW.seconds();
    let mut claims =
        json!({ "iss": "build-7", "sub": "build-7", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "the first" });
    change(&mut claims);
    claims
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> TokenRequest {
    let encode = |part: &Value| jeton_jose::b64::encode(part.to_string().as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jeton_jose::b64::encode(&key.sign(message.as_bytes()).expect("it signs"));
    TokenRequest {
        credentials: Credentials {
            assertion: Some(Presented::new(&format!("{message}.{signature}"))),
            assertion_type: Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
            ..Credentials::default()
        },
        grant_type: Some("client_credentials".into()),
        ..TokenRequest::default()
    }
}

fn header(key: &SigningKey) -> Value {
    json!({ "alg": key.algorithm().name(), "kid": key.kid() })
}

fn without(name: &'static str) -> impl FnOnce(&mut Value) {
    move |claims| drop(claims.as_object_mut().expect("an object").remove(name))
}

type Change = (&'static str, fn(&mut Realm, &mut Client), Box<dyn FnOnce(&mut Value)>, Result<(), Why>);

fn with(name: &'static str, value: Value) -> Box<dyn FnOnce(&mut Value)> {
    Box::new(move |claims| claims[name] = value)
}

#[test]
fn what_an_assertion_must_say() {
    use Why::*;
    let (key, now) = (pair(Algorithm::Es256), NOW.seconds());
    let table: Vec<Change> = vec![
        ("as it is", |_, _| {}, Box::new(|_| {}), Ok(())),
        ("no iat", |_, _| {}, Box::new(without("iat")), Ok(())),
        ("as long as it may", |_, _| {}, with("exp", json!(now + 310)), Ok(())),
        ("a second longer", |_, _| {}, with("exp", json!(now + 311)), Err(ClientAssertionExpired)),
        ("its last second", |_, _| {}, with("exp", json!(now + 1)), Ok(())),
        ("ended", |_, _| {}, with("exp", json!(now)), Err(ClientAssertionExpired)),
        ("of the future", |_, _| {}, with("iat", json!(now + 11)), Err(ClientAssertionExpired)),
        ("another issuer", |_, _| {}, with("iss", json!("build-8")), Err(ClientAssertionMalformed)),
        ("no jti", |_, _| {}, Box::new(without("jti")), Err(ClientAssertionMalformed)),
        ("no sub", |_, _| {}, Box::new(without("sub")), Err(ClientAssertionMalformed)),
        ("another client", |_, _| {}, with("sub", json!("nobody")), Err(ClientUnknown)),
        ("no audience", |_, _| {}, Box::new(without("aud")), Err(ClientAssertionAudience)),
        ("the issuer in a list", |_, _| {}, with("aud", json!([ISSUER])), Err(ClientAssertionAudience)),
        ("another audience", |_, _| {}, with("aud", json!("https://auth.acme.example/token")), Err(ClientAssertionAudience)),
        ("before the tokens ended", |m, _| m.not_before = NOW.plus_seconds(1), Box::new(|_| {}), Err(ClientAssertionExpired)),
        ("just before", |m, _| m.not_before = NOW, Box::new(|_| {}), Ok(())),
        (
            "no iat, and could be older",
            |m, _| m.not_before = NOW.plus_seconds(-239),
            Box::new(without("iat")),
            Err(ClientAssertionExpired),
        ),
        ("no iat, and cannot be older", |m, _| m.not_before = NOW.plus_seconds(-240), Box::new(without("iat")), Ok(())),
        ("disabled", |_, c| c.status = Status::Disabled, Box::new(|_| {}), Err(ClientDisabled)),
        ("public", |_, c| c.kind = ClientKind::Public, Box::new(|_| {}), Err(ClientIsPublic)),
        ("not by keys", |_, c| forbid(c), Box::new(|_| {}), Err(ClientMethodNotAllowed)),
    ];
    for (name, world, change, expected) in table {
        let house = house(&[("main", &key)], world);
        let answer = house.ask(2, &signed(&key, &header(&key), &claims(change))).map(drop);
        // A stop at this very second lets tokens begin a second later; that is another question.
        assert_eq!(answer, expected, "{name}");
    }
}

fn forbid(client: &mut Client) {
    if let ClientKind::Confidential { auth_methods, .. } = &mut client.kind {
        auth_methods.remove(&AuthMethod::PrivateKeyJwt);
    }
}

#[test]
fn an_assertion_is_signed_by_the_key_that_it_names() {
    let (first, second, stranger) = (pair(Algorithm::Es256), pair(Algorithm::Rs256), pair(Algorithm::Es256));
    let both = house(&[("first", &first), ("second", &second)], |_, _| {});
    let mut names = 0;
    let mut ask = |house: &House, key: &SigningKey, header: Value| {
        names += 1;
        let claims = claims(|claims| claims["jti"] = json!(format!("{names}")));
        house.ask(names, &signed(key, &header, &claims)).map(drop)
    };
    for key in [&first, &second] {
        assert_eq!(ask(&both, key, header(key)), Ok(()));
    }
    let refused = Err(Why::ClientAssertionSignature);
    assert_eq!(ask(&both, &first, json!({ "alg": "ES256" })), refused, "of two keys none is meant");
    assert_eq!(ask(&both, &stranger, header(&stranger)), refused, "an unknown key");
    assert_eq!(ask(&both, &stranger, header(&first)), refused, "a forged signature");
    assert_eq!(ask(&both, &second, json!({ "alg": "RS256", "kid": first.kid() })), refused, "another key's algorithm");
    let typed = json!({ "alg": "ES256", "kid": first.kid(), "typ": "at+jwt" });
    assert_eq!(ask(&both, &first, typed), Err(Why::ClientAssertionMalformed), "an access token");
    for typ in ["JWT", "client-authentication+jwt"] {
        assert_eq!(ask(&both, &first, json!({ "alg": "ES256", "kid": first.kid(), "typ": typ })), Ok(()), "{typ}");
    }
    let only = house(&[("first", &first)], |_, _| {});
    assert_eq!(ask(&only, &first, json!({ "alg": "ES256" })), Ok(()), "without a name, the only key is meant");
    assert_eq!(ask(&house(&[], |_, _| {}), &first, json!({ "alg": "ES256" })), refused, "no key at all");
}

#[test]
fn an_assertion_serves_once_and_says_which_client_it_is_of() {
    let key = pair(Algorithm::EdDsa);
    let mut house = house(&[("main", &key)], |_, _| {});
    let request = signed(&key, &header(&key), &claims(|_| {}));
    let issued = house.ask(2, &TokenRequest { scope: Some("none".into()), ..request.clone() });
    assert!(issued.is_err(), "what leads to nothing spends nothing");
    assert!(house.ask(3, &request).is_ok());
    assert_eq!(house.ask(4, &request).map(drop), Err(Why::ClientAssertionReplayed));
    let other_text = signed(&key, &header(&key), &claims(|claims| claims["exp"] = json!(NOW.seconds() + 61)));
    assert_eq!(house.ask(5, &other_text).map(drop), Err(Why::ClientAssertionReplayed), "the name counts, not the text");
    // The mark is kept for longer than the assertion would be believed: a request may have begun before its end, and a clock that
    // was ahead may be set right.
    house.engine.tidy(NOW.plus_seconds(60 + 599), 1000).expect("a store");
    house.now = NOW.plus_seconds(59);
    assert_eq!(house.ask(6, &request).map(drop), Err(Why::ClientAssertionReplayed));
    house.now = NOW.plus_seconds(60);
    assert_eq!(house.ask(7, &request).map(drop), Err(Why::ClientAssertionExpired));
    assert_eq!(house.engine.tidy(NOW.plus_seconds(60 + 600), 1000).expect("a store"), 1);

    let house = super::assertions::house(&[("main", &key)], |_, _| {});
    let of = |change: fn(&mut Credentials)| {
        let mut request = signed(&key, &header(&key), &claims(|claims| claims["jti"] = json!("another")));
        change(&mut request.credentials);
        request
    };
    assert_eq!(house.ask(8, &of(|it| it.body_id = Some("build-8".into()))).map(drop), Err(Why::ClientCredentialsDiffer));
    assert_eq!(house.ask(8, &of(|it| it.assertion_type = None)).map(drop), Err(Why::ClientAssertionMalformed));
    assert_eq!(house.ask(8, &of(|it| it.body_secret = Some(Presented::new("x")))).map(drop), Err(Why::ClientTwoCredentials));
    assert!(house.ask(9, &of(|it| it.body_id = Some("build-7".into()))).is_ok());
}
