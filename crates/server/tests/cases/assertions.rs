//! A client that signs who it is: what an assertion must say, and that it serves once.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::Before;
use crate::replay::{Shared, text, warm_server};
use jeton_jose::{Algorithm, SigningKey, b64};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

const CLIENT: &str = "build-7";
const ISSUER: &str = "https://login.acme.example";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn right() -> Value {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let name = NAMES.fetch_add(1, Ordering::Relaxed);
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": now() + 60, "iat": now(), "jti": format!("assertion {name}") })
}

/// Right claims in which some are others; null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = right();
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(claims.to_string().as_bytes()));
    format!("{signed}.{}", b64::encode(&key.sign(signed.as_bytes()).expect("it signs")))
}

fn assertion(key: &SigningKey, claims: &Value) -> String {
    signed(key, &json!({ "alg": key.algorithm().name(), "kid": key.kid() }), claims)
}

fn ask(to: SocketAddr, assertion: &str, more: &str) -> u16 {
    let body = format!(
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion={assertion}{more}"
    );
    post(to, "/acme/token", &body)
}

fn post(to: SocketAddr, path: &str, body: &str) -> u16 {
    let asked = Connection::open(to).and_then(|mut line| line.ask(&http::form(path, &[], body))).expect("an answer");
    asked.answer.status.expect("a status")
}

/// Registers a new key of this algorithm under this name.
fn register(server: &Server, algorithm: Algorithm, name: &str) -> SigningKey {
    let (key, _) = SigningKey::generate(algorithm).expect("a key");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), key.public().to_jwk().to_string()).expect("written");
    run(server, &["client-key", "add", "acme", CLIENT, &name.to_lowercase(), "--jwk", &file.path().to_string_lossy()]);
    key
}

fn run(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
    said(&output)
}

/// Rows: CA-30, CA-31, CA-34.
#[test]
fn an_assertion_says_exactly_what_it_must_or_proves_nothing() {
    let mut server = warm_server("fixture.toml");
    let before = Before::of(&server);
    for algorithm in Algorithm::ALL {
        let key = register(&server, algorithm, algorithm.name());
        assert_eq!(ask(server.listen, &assertion(&key, &right()), ""), 200, "{algorithm}");
    }
    let key = register(&server, Algorithm::Es256, "again");
    let good = |changes: Value| ask(server.listen, &assertion(&key, &claims(changes)), "");
    let token_url = format!("{ISSUER}/token");
    let table = [
        ("as it is", json!({}), 200),
        ("without iat", json!({ "iat": null }), 200),
        ("the longest life", json!({ "exp": now() + 300 }), 200),
        ("the token endpoint as audience", json!({ "aud": token_url }), 401),
        ("the issuer in a list", json!({ "aud": [ISSUER] }), 401),
        ("the issuer and another", json!({ "aud": [ISSUER, "https://other.example"] }), 401),
        ("another realm's issuer", json!({ "aud": "https://login.globex.example" }), 401),
        ("the issuer with a slash", json!({ "aud": format!("{ISSUER}/") }), 401),
        ("no audience", json!({ "aud": null }), 401),
        ("no jti", json!({ "jti": null }), 401),
        ("an empty jti", json!({ "jti": "" }), 401),
        ("no exp", json!({ "exp": null }), 401),
        ("no iss", json!({ "iss": null }), 401),
        ("no sub", json!({ "sub": null }), 401),
        ("another iss", json!({ "iss": "build-8" }), 401),
        ("another sub", json!({ "sub": "build-8" }), 401),
        ("ten years", json!({ "exp": now() + 315_360_000 }), 401),
        ("six minutes", json!({ "exp": now() + 360 }), 401),
        ("ended", json!({ "exp": now() - 1 }), 401),
        ("made in two minutes", json!({ "iat": now() + 120, "exp": now() + 180 }), 401),
        ("not before two minutes", json!({ "nbf": now() + 120, "exp": now() + 180 }), 401),
    ];
    for (name, changes, expected) in table {
        assert_eq!(good(changes), expected, "{name}");
    }
    let of = |more: &str| ask(server.listen, &assertion(&key, &right()), more);
    assert_eq!((of("&client_id=build-7"), of("&client_id=build-8"), of("&client_secret=x")), (200, 401, 400));
    // What an assertion opens is the same everywhere: introspection and revocation take it, each once.
    let about = |path: &str| {
        let body = format!(
            "token=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={}",
            assertion(&key, &right())
        );
        (post(server.listen, path, &body), post(server.listen, path, &body))
    };
    assert_eq!((about("/acme/introspect"), about("/acme/revoke")), ((200, 401), (200, 401)));
    run(&server, &["client-key", "remove", "acme", CLIENT, "again", "--yes"]);
    assert_eq!(good(json!({})), 401, "a key that was taken away");
    let broken = before.compare(&mut server, &[]);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Rows: CA-35.
#[test]
fn an_assertion_passes_by_the_registered_key_and_its_algorithm_only() {
    let server = warm_server("fixture.toml");
    let key = register(&server, Algorithm::Rs256, "main");
    let (stranger, _) = SigningKey::generate(Algorithm::Rs256).expect("a key");
    let header = json!({ "alg": "RS256", "kid": key.kid() });
    let mac = |secret: &[u8], header: &Value| {
        let signed = format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(right().to_string().as_bytes()));
        format!("{signed}.{}", b64::encode(&jeton_jose::hmac_sha256(secret, signed.as_bytes())))
    };
    let jwk = key.public().to_jwk().to_string();
    let hs256 = json!({ "alg": "HS256", "kid": key.kid() });
    let hostile = [
        ("another's signature", signed(&stranger, &header, &right())),
        ("another's key", assertion(&stranger, &right())),
        ("the public key as HMAC key", mac(jwk.as_bytes(), &hs256)),
        ("the public key as HMAC key, called RS256", mac(jwk.as_bytes(), &header)),
        ("the client's secret as HMAC key", mac(b"SECR3T-build-7-main", &hs256)),
        ("no signature", format!("{}.{}.", b64::encode(br#"{"alg":"none"}"#), b64::encode(right().to_string().as_bytes()))),
        ("another type", signed(&key, &json!({ "alg": "RS256", "kid": key.kid(), "typ": "at+jwt" }), &right())),
        ("a key of its own", signed(&stranger, &json!({ "alg": "RS256", "jwk": stranger.public().to_jwk() }), &right())),
    ];
    for (name, hostile) in hostile {
        assert_eq!(ask(server.listen, &hostile, ""), 401, "{name}");
    }
    assert_eq!(ask(server.listen, &assertion(&key, &right()), ""), 200);
    // The type of the assertion is required, and there is one.
    let body = format!("grant_type=client_credentials&client_assertion={}", assertion(&key, &right()));
    assert_eq!(post(server.listen, "/acme/token", &body), 401);
    run(&server, &["client", "set", "acme", CLIENT, "--auth-method", "client_secret_basic"]);
    assert_eq!(ask(server.listen, &assertion(&key, &right()), ""), 401, "a method that is not registered");
}

/// Rows: CA-33.
#[test]
fn of_two_uses_at_the_same_moment_on_two_nodes_one_gets_a_token() {
    let Some(shared) = Shared::start() else { return };
    let one = shared.node();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text("fixture.toml")).expect("written");
    run(&one, &["apply", &file.path().to_string_lossy(), "--yes"]);
    let key = register(&one, Algorithm::Es256, "main");
    let two = shared.node();
    // `JETON_RACE_ROUNDS=1000` is the long form.
    let rounds: u32 = std::env::var("JETON_RACE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(30);
    let (mut done, mut unanswered) = (0, 0);
    while done < rounds {
        let (assertion, start) = (&assertion(&key, &right()), &Barrier::new(2));
        let answers = thread::scope(|scope| {
            let asked = [one.listen, two.listen].map(|to| {
                scope.spawn(move || {
                    start.wait();
                    ask(to, assertion, "")
                })
            });
            asked.map(|asked| asked.join().expect("no panic"))
        });
        match answers {
            [200, 401] | [401, 200] => done += 1,
            // The store was too slow; whoever asked makes a new assertion.
            [503, 200 | 401 | 503] | [200 | 401, 503] if unanswered < 20 => unanswered += 1,
            other => panic!("round {done}: {other:?}"),
        }
    }
    println!("{done} rounds, {unanswered} more in which the store was too slow");
}
