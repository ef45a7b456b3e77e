//! Families of refresh tokens over real sockets: long chains, races, and what an administrator sees and revokes.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::Before;
use crate::replay::{audit_trail, warm_server};
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread;

const FIXTURE: &str = "families.toml";
const CREDENTIALS: &str = "client_id=keeper&client_secret=SECR3T-keeper";

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

/// Rows: RT-06, RT-09.
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
    thread::sleep(std::time::Duration::from_millis(1500));
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
