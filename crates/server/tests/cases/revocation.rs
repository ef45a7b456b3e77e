//! Revocation holds: at once, on every node, after a crash, and in the words of every endpoint that looks at a token.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::Before;
use crate::replay::{Shared, text, warm_server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_jose::{KeySet, parse_compact};
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

const OWNER: (&str, &str) = ("build-7", "SECR3T-build-7-main");
const API: (&str, &str) = ("data-api", "SECR3T-data-api");
const INACTIVE: &[u8] = br#"{"active":false}"#;
/// The promise is one second; a test leaves ten times the room.
const FOLLOWED: Duration = Duration::from_secs(10);

fn ask(to: SocketAddr, request: &[u8]) -> Answer {
    Connection::open(to).and_then(|mut connection| connection.ask(request)).expect("an answer").answer
}

fn basic((id, secret): (&str, &str)) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn token(server: &Server) -> String {
    let deadline = Instant::now() + FOLLOWED;
    let request = http::form("/acme/token", &[&basic(OWNER)], "grant_type=client_credentials");
    let mut answer = ask(server.listen, &request);
    // A client that was stopped twice in one second waits for the next one.
    while answer.status == Some(503) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        answer = ask(server.listen, &request);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON:\n{}", answer.readable()));
    body["access_token"].as_str().unwrap_or_else(|| panic!("no token:\n{}", answer.readable())).to_owned()
}

fn introspect(server: &Server, who: (&str, &str), token: &str, headers: &[&str]) -> Answer {
    let basic = basic(who);
    let headers: Vec<&str> = headers.iter().copied().chain([basic.as_str()]).collect();
    ask(server.listen, &http::form("/acme/introspect", &headers, &format!("token={token}")))
}

fn is_active(server: &Server, token: &str) -> bool {
    let answer = introspect(server, API, token, &[]);
    assert_eq!(answer.status, Some(200), "{}", answer.readable());
    let active = answer.body != INACTIVE;
    let passes = ask(server.listen, &http::get("/acme/data", &[&format!("Authorization: Bearer {token}")])).status;
    assert_eq!(passes, Some(if active { 200 } else { 401 }), "the API and introspection say the same");
    active
}

fn revoke(server: &Server, token: &str) -> Answer {
    ask(server.listen, &http::form("/acme/revoke", &[&basic(OWNER)], &format!("token={token}")))
}

fn run(server: &Server, arguments: &[&str]) {
    let output = server.command(arguments);
    assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
}

#[test]
fn rv_05_what_was_acknowledged_as_revoked_is_so_after_a_crash() {
    let mut server = warm_server("fixture.toml");
    let survivor = token(&server);
    let mut dead = Vec::new();
    for _ in 0..5 {
        let token = token(&server);
        assert!(is_active(&server, &token));
        assert_eq!(revoke(&server, &token).status, Some(200));
        server.kill_and_start_again();
        dead.push(token);
        for token in &dead {
            assert!(!is_active(&server, token), "a revoked token lives again");
        }
        assert!(is_active(&server, &survivor));
    }
}

/// Rows: RV-05.
#[test]
fn what_is_revoked_on_one_node_is_dead_on_the_other() {
    let Some(shared) = Shared::start() else { return };
    let one = shared.node();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text("fixture.toml")).expect("written");
    run(&one, &["apply", &file.path().to_string_lossy(), "--yes"]);
    let two = shared.node();
    let mut waits = Vec::new();
    for _ in 0..10 {
        let token = token(&one);
        assert!(is_active(&one, &token) && is_active(&two, &token));
        assert_eq!(revoke(&one, &token).status, Some(200));
        let since = Instant::now();
        assert!(!is_active(&one, &token), "at once where it was revoked");
        while introspect(&two, API, &token, &[]).body != INACTIVE {
            assert!(since.elapsed() < FOLLOWED, "the other node does not follow");
            thread::sleep(Duration::from_millis(2));
        }
        waits.push(since.elapsed());
        assert!(!is_active(&two, &token));
    }
    println!("the other node followed within {:?}", waits.iter().max());
    // Everything of a client, and of a realm.
    for command in
        [["client", "revoke-tokens", "acme", "build-7", "--yes"].as_slice(), &["realm", "revoke-tokens", "acme", "--yes"]]
    {
        let token = token_that_lives(&two);
        run(&one, command);
        let since = Instant::now();
        while introspect(&two, API, &token, &[]).body != INACTIVE {
            assert!(since.elapsed() < FOLLOWED, "the other node does not follow {command:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }
    // A node that starts later knows what was revoked before.
    let token = token_that_lives(&one);
    assert_eq!(revoke(&two, &token).status, Some(200));
    let three = shared.node();
    assert!(!is_active(&three, &token));
}

/// A token that counts already: after a stop new ones count from the next second.
fn token_that_lives(server: &Server) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let token = token(server);
        if is_active(server, &token) {
            return token;
        }
        assert!(Instant::now() < deadline, "no token lives");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Rows: CA-26, JW-25.
#[test]
fn ir_06_a_token_of_whoever_was_stopped_is_inactive_at_once() {
    let mut server = warm_server("fixture.toml");
    let before = Before::of(&server);
    let nothing: &[&str] = &[];
    for (stop, go) in [
        (["client", "revoke-tokens", "acme", "build-7", "--yes"].as_slice(), nothing),
        (&["client", "disable", "acme", "build-7", "--yes"], &["client", "enable", "acme", "build-7"]),
        (&["client", "suspend", "acme", "build-7", "--reason", "It leaks", "--yes"], &["client", "enable", "acme", "build-7"]),
        (&["client", "withdraw", "acme", "build-7", "--scope", "write", "--yes"], nothing),
        (&["realm", "revoke-tokens", "acme", "--yes"], nothing),
    ] {
        let token = token_that_lives(&server);
        run(&server, stop);
        let asker = introspect(&server, API, &token, &[]);
        assert_eq!(asker.body, INACTIVE, "after {stop:?}:\n{}", asker.readable());
        if !go.is_empty() {
            run(&server, go);
            assert_eq!(introspect(&server, API, &token, &[]).body, INACTIVE, "{stop:?} was undone, its token stays dead");
        }
    }
    let token = token_that_lives(&server);
    run(&server, &["realm", "disable", "acme", "--yes"]);
    assert_eq!(introspect(&server, API, &token, &[]).status, Some(401), "nobody asks a realm that is off");
    assert_eq!(revoke(&server, &token).status, Some(401));
    run(&server, &["realm", "enable", "acme"]);
    assert_eq!(introspect(&server, API, &token, &[]).body, INACTIVE);
    let token = token_that_lives(&server);
    run(&server, &["client", "delete", "acme", "build-7", "--yes"]);
    assert_eq!(introspect(&server, API, &token, &[]).body, INACTIVE);
    let faults: Vec<String> = before.compare(&mut server, &[]).into_iter().filter(|fault| !fault.starts_with("G5")).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn ir_03_a_signed_answer_tells_no_more_than_a_plain_one() {
    const SIGNED: &str = "Accept: application/token-introspection+jwt";
    let server = warm_server("fixture.toml");
    let token = token(&server);
    for (who, token) in [(API, token.as_str()), (("billing-api", "SECR3T-billing-api"), &token), (API, "no-token")] {
        let plain: Value = serde_json::from_slice(&introspect(&server, who, token, &[]).body).expect("JSON");
        let answer = introspect(&server, who, token, &[SIGNED]);
        assert_eq!(answer.header("content-type"), Some("application/token-introspection+jwt"), "{}", answer.readable());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let keys = KeySet::parse(&ask(server.listen, &http::get("/acme/jwks", &[])).body).expect("a key set");
        let parsed = parse_compact(&answer.body, 8192).expect("a JWS");
        let kid = parsed.header().kid.clone().expect("a kid");
        let claims = parsed.verify(keys.by_kid(&kid).expect("published"), &["token-introspection+jwt"]).expect("signed");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims["token_introspection"], plain);
        assert_eq!(claims.as_object().map(serde_json::Map::len), Some(4), "{claims}");
        assert_eq!((&claims["aud"], &claims["iss"]), (&Value::from(who.0), &Value::from("https://login.acme.example")));
        // It opens nothing.
        let shown = format!("Authorization: Bearer {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(ask(server.listen, &http::get("/acme/data", &[&shown])).status, Some(401));
    }
    for plain in
        ["application/json, */*", "application/token-introspection+jwt;q=0", "application/token-introspection+jwt;q=0.5, */*"]
    {
        let answer = introspect(&server, API, &token, &[&format!("Accept: {plain}")]);
        assert_eq!((answer.status, answer.header("content-type")), (Some(200), Some("application/json")), "{plain}");
    }
}

#[test]
fn rv_01_an_attempt_on_a_token_of_another_client_is_told_to_the_administrator() {
    let server = warm_server("fixture.toml");
    let token = token(&server);
    let answer = ask(server.listen, &http::form("/acme/revoke", &[&basic(API)], &format!("token={token}")));
    assert_eq!((answer.status, answer.body.len()), (Some(200), 0));
    assert!(is_active(&server, &token));
    let deadline = Instant::now() + FOLLOWED;
    while !server.log().contains("token.of_another_client") {
        assert!(Instant::now() < deadline, "nobody is told:\n{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!server.log().contains(&token));
}
