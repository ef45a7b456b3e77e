//! Families of refresh tokens over real sockets: long chains, races, and what an administrator sees and revokes.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::Before;
use crate::replay::{audit_trail, warm_server};
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

const FIXTURE: &str = "families.toml";
const CREDENTIALS: &str = "client_id=keeper&client_secret=SECR3T-keeper";
const INACTIVE: &[u8] = br#"{"active":false}"#;

fn ask(connection: &mut Connection, body: &str) -> Answer {
    connection.ask(&http::form("/acme/token", &[], &format!("{CREDENTIALS}&{body}"))).expect("an answer").answer
}

fn refresh(connection: &mut Connection, token: &str) -> Answer {
    ask(connection, &format!("grant_type=refresh_token&refresh_token={token}"))
}

fn member(answer: &Answer, name: &str) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON:\n{}", answer.readable()));
    body[name].as_str().unwrap_or_else(|| panic!("no {name}:\n{}", answer.readable())).to_owned()
}

fn begin(connection: &mut Connection) -> String {
    member(&ask(connection, "grant_type=client_credentials"), "refresh_token")
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == Some(400) && member(answer, "error") == "invalid_grant"
}

fn command(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn families(server: &Server) -> Vec<Value> {
    let list: Value =
        serde_json::from_str(&command(server, &["family", "list", "acme", "keeper", "--json"])).expect("a list in JSON");
    list["items"].as_array().expect("items").clone()
}

/// Rows: RT-05.
#[test]
fn a_chain_of_twenty_and_then_the_seventh() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let mut chain = vec![begin(&mut connection)];
    for _ in 0..20 {
        let last = chain[chain.len() - 1].clone();
        chain.push(member(&refresh(&mut connection, &last), "refresh_token"));
    }
    assert_eq!(chain.iter().collect::<BTreeSet<_>>().len(), 21);
    assert!(chain.iter().all(|token| token.len() == chain[0].len()), "a token tells its age by its length");
    assert_eq!(families(&server).len(), 1, "one row for the whole chain");
    assert!(is_refused(&refresh(&mut connection, &chain[6])));
    for token in &chain {
        assert!(is_refused(&refresh(&mut connection, token)), "a token of a revoked family");
    }
    let family = &families(&server)[0];
    assert_eq!((&family["status"], &family["generation"]), (&"revoked".into(), &21.into()));
    drop(connection);
    let faults = before.compare(&mut server, &chain);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Rows: RT-03, RT-07.
#[test]
fn eight_at_once_with_one_refresh_token_get_one_successor() {
    const ROUNDS: usize = 10;
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    for _ in 0..ROUNDS {
        let token = begin(&mut Connection::open(server.listen).expect("a connection"));
        let successors: BTreeSet<String> = thread::scope(|scope| {
            let racer = || {
                let mut connection = Connection::open(server.listen).expect("a connection");
                member(&refresh(&mut connection, &token), "refresh_token")
            };
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(racer)).collect();
            racers.into_iter().map(|racer| racer.join().expect("a racer")).collect()
        });
        assert_eq!(successors.len(), 1, "{successors:?}");
        let mut connection = Connection::open(server.listen).expect("a connection");
        let successor = successors.first().expect("one");
        assert_eq!(refresh(&mut connection, successor).status, Some(200));
        assert!(is_refused(&refresh(&mut connection, &token)), "the one before, once its successor was used");
        assert!(is_refused(&refresh(&mut connection, successor)), "the family was revoked");
    }
    let faults = before.compare(&mut server, &[]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Rows: RT-06.
#[test]
fn an_administrator_sees_families_and_revokes_one_or_all() {
    let server = warm_server(FIXTURE);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let tokens: Vec<String> = (0..3).map(|_| begin(&mut connection)).collect();
    let listed = families(&server);
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|family| family["status"] == "active" && family["subject"] == "keeper"), "{listed:?}");
    let shown = serde_json::to_string(&listed).expect("JSON");
    assert!(tokens.iter().all(|token| !shown.contains(token.as_str())), "a token is shown");
    let first = listed[0]["family"].as_str().expect("an id").to_owned();
    let lines = audit_trail(&server).matches("family.revoke").count();
    // A client that refreshes all the while: nothing that it gets outlives the command.
    let given = thread::scope(|scope| {
        let racer = scope.spawn(|| {
            let mut connection = Connection::open(server.listen).expect("a connection");
            let mut given = vec![tokens[0].clone()];
            loop {
                let answer = refresh(&mut connection, &given[given.len() - 1]);
                if is_refused(&answer) {
                    return given;
                }
                given.push(member(&answer, "refresh_token"));
            }
        });
        command(&server, &["family", "revoke", "acme", "keeper", "--family", &first, "--yes"]);
        racer.join().expect("the racer ends, since its family was revoked")
    });
    assert!(given.iter().all(|token| is_refused(&refresh(&mut connection, token))), "a token of a revoked family");
    assert_eq!(refresh(&mut connection, &tokens[1]).status, Some(200), "another family lives");
    assert_eq!(audit_trail(&server).matches("family.revoke").count(), lines + 1);
    let answer = command(&server, &["family", "revoke", "acme", "keeper", "--all", "--json", "--yes"]);
    assert!(!answer.contains(&first) && answer.matches("\"revoked\"").count() == 1, "{answer}");
    assert!(is_refused(&refresh(&mut connection, &tokens[2])));
    assert_eq!(audit_trail(&server).matches("family.revoke").count(), lines + 3, "one line for each");
    for wrong in [vec!["--family", "0"], vec!["--family", &first, "--all"], vec![]] {
        let output = server.command(&[&["family", "revoke", "acme", "keeper", "--yes"][..], &wrong].concat());
        assert!(!output.status.success() && !said(&output).contains("panicked"), "{}", said(&output));
    }
}

/// Posts a form to any endpoint, as this client.
fn post(connection: &mut Connection, path: &str, credentials: &str, body: &str) -> Answer {
    connection.ask(&http::form(path, &[], &format!("{credentials}&{body}"))).expect("an answer").answer
}

fn is_active(connection: &mut Connection, token: &str) -> bool {
    let answer = post(connection, "/acme/introspect", CREDENTIALS, &format!("token={token}"));
    assert_eq!(answer.status, Some(200), "{}", answer.readable());
    let active = answer.body != INACTIVE;
    let passes = connection.ask(&http::get("/acme/data", &[&format!("Authorization: Bearer {token}")])).expect("an answer");
    assert_eq!(passes.answer.status, Some(if active { 200 } else { 401 }), "the API and introspection say the same");
    active
}

/// Rows: RT-09.
#[test]
fn an_access_token_is_ended_alone_and_a_refresh_token_with_all_that_came_of_it() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let revoke = |connection: &mut Connection, token: &str| {
        let answer = post(connection, "/acme/revoke", CREDENTIALS, &format!("token={token}"));
        assert_eq!((answer.status, answer.body.len()), (Some(200), 0), "{}", answer.readable());
    };
    let other = begin(&mut connection);
    let first = ask(&mut connection, "grant_type=client_credentials");
    let second = refresh(&mut connection, &member(&first, "refresh_token"));
    let (one, two) = (member(&first, "access_token"), member(&second, "access_token"));
    assert!(is_active(&mut connection, &one) && is_active(&mut connection, &two));
    revoke(&mut connection, &one);
    assert!(!is_active(&mut connection, &one) && is_active(&mut connection, &two), "the one that was named, and only it");
    let third = refresh(&mut connection, &member(&second, "refresh_token"));
    let (three, last) = (member(&third, "access_token"), member(&third, "refresh_token"));
    assert!(is_active(&mut connection, &three), "the family goes on");
    // RFC 7009 §2.1: with a refresh token go the access tokens of the same grant.
    revoke(&mut connection, &last);
    for token in [&one, &two, &three] {
        assert!(!is_active(&mut connection, token), "an access token outlives its family");
    }
    assert!(is_refused(&refresh(&mut connection, &last)));
    let lives = refresh(&mut connection, &other);
    assert!(is_active(&mut connection, &member(&lives, "access_token")), "another family lives");
    drop(connection);
    let faults = before.compare(&mut server, &[one, two, three, last]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Begins a family whose access token counts already: after a stop new ones count from the next second.
fn begin_living(connection: &mut Connection) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let begun = ask(connection, "grant_type=client_credentials");
        if begun.status == Some(200) && is_active(connection, &member(&begun, "access_token")) {
            return (member(&begun, "access_token"), member(&begun, "refresh_token"));
        }
        assert!(Instant::now() < deadline, "no token lives:\n{}", begun.readable());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Rows: CA-26.
#[test]
fn whoever_is_stopped_neither_refreshes_nor_asks_nor_revokes() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let go = [["client", "enable", "acme", "keeper"].as_slice(), &["realm", "enable", "acme"]];
    let mut dead = Vec::new();
    for (stop, go) in [
        (["client", "disable", "acme", "keeper", "--yes"].as_slice(), Some(go[0])),
        (&["client", "suspend", "acme", "keeper", "--reason", "It was found out", "--yes"], Some(go[0])),
        (&["realm", "disable", "acme", "--yes"], Some(go[1])),
        (&["client", "delete", "acme", "keeper", "--yes"], None),
    ] {
        let (access, kept) = begin_living(&mut connection);
        command(&server, stop);
        let unknown = |path: &str, body: &str| {
            let mut connection = Connection::open(server.listen).expect("a connection");
            post(&mut connection, path, "client_id=nobody&client_secret=SECR3T-wrong", body).body
        };
        for (path, body) in [
            ("/acme/token", format!("grant_type=refresh_token&refresh_token={kept}")),
            ("/acme/introspect", format!("token={access}")),
            ("/acme/revoke", format!("token={kept}")),
        ] {
            let answer = post(&mut connection, path, CREDENTIALS, &body);
            assert_eq!(answer.status, Some(401), "{path} after {stop:?}:\n{}", answer.readable());
            assert_eq!(answer.body, unknown(path, &body), "a stopped client looks like an unknown one at {path}");
        }
        dead.extend([access, kept]);
        if let Some(go) = go {
            command(&server, go);
            assert!(is_refused(&refresh(&mut connection, &dead[dead.len() - 1])), "{stop:?} was undone, its family stays dead");
            assert!(!is_active(&mut connection, &dead[dead.len() - 2]), "{stop:?} was undone, its token stays dead");
        }
    }
    drop(connection);
    let faults: Vec<String> = before.compare(&mut server, &dead).into_iter().filter(|fault| !fault.starts_with("G5")).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Rows: TN-01.
#[test]
fn what_a_realm_gave_is_nothing_at_another_and_nothing_to_administrators() {
    const STRICT: &str = "client_id=keeper&client_secret=SECR3T-strict-keeper";
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let begun = ask(&mut connection, "grant_type=client_credentials");
    let (access, kept) = (member(&begun, "access_token"), member(&begun, "refresh_token"));
    for token in [&access, &kept] {
        // The client of the same name elsewhere, with every hint.
        for hint in ["", "&token_type_hint=access_token", "&token_type_hint=refresh_token"] {
            let asked = post(&mut connection, "/strict/introspect", STRICT, &format!("token={token}{hint}"));
            assert_eq!((asked.status, asked.body.as_slice()), (Some(200), INACTIVE), "{}", asked.readable());
            let ended = post(&mut connection, "/strict/revoke", STRICT, &format!("token={token}{hint}"));
            assert_eq!((ended.status, ended.body.len()), (Some(200), 0), "{}", ended.readable());
        }
        let used = post(&mut connection, "/strict/token", STRICT, &format!("grant_type=refresh_token&refresh_token={token}"));
        assert!(is_refused(&used), "{}", used.readable());
        let shown = format!("Authorization: Bearer {token}");
        let mut admin = Connection::open(server.admin.expect("an admin listener")).expect("a connection");
        for path in ["/v1/realms", "/v1/realms/acme/clients", "/v1/audit/export"] {
            assert_eq!(admin.ask(&http::get(path, &[&shown])).expect("an answer").answer.status, Some(401), "{path}");
        }
    }
    assert!(is_active(&mut connection, &access), "it lives where it belongs");
    assert_eq!(refresh(&mut connection, &kept).status, Some(200));
    drop(connection);
    let faults = before.compare(&mut server, &[]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_family_that_nobody_used_for_too_long_ends_with_its_access_tokens_when_it_is_revoked() {
    let server = warm_server(FIXTURE);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let directory = tempfile::tempdir().expect("a directory");
    let settings = directory.path().join("short.toml");
    let short = "refresh_token = { with_client_credentials = \"rotating\", idle_lifetime = 1 }\n";
    std::fs::write(&settings, short).expect("written");
    command(&server, &["realm", "set", "acme", "--settings", &settings.display().to_string()]);
    let begun = ask(&mut connection, "grant_type=client_credentials");
    thread::sleep(Duration::from_millis(1500));
    let introspected = |connection: &mut Connection| {
        let body = format!("{CREDENTIALS}&token={}", member(&begun, "access_token"));
        let answer = connection.ask(&http::form("/acme/introspect", &[], &body)).expect("an answer").answer;
        serde_json::from_slice::<Value>(&answer.body).expect("JSON")["active"].clone()
    };
    assert!(is_refused(&refresh(&mut connection, &member(&begun, "refresh_token"))), "nobody used it for too long");
    assert_eq!(introspected(&mut connection), true);
    let answer = command(&server, &["token", "revoke", &member(&begun, "refresh_token"), "--json", "--yes"]);
    assert!(answer.contains("\"revoked\""), "{answer}");
    assert_eq!(introspected(&mut connection), false);
}
