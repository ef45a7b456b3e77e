//! What an administrator's commands promise: whoever is switched off stays off at once, ids are never given twice, nobody can
//! change the audit trail, and the admin API asks for its own tokens.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::Before;
use crate::replay::warm_server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_core::admin::{self, AREAS, Effect};
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Runs a command that must succeed; returns what it printed.
fn run(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that must fail; returns what it said.
fn fails(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(!output.status.success(), "jeton {} should fail:\n{}", arguments.join(" "), said(&output));
    let said = said(&output);
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn ask(to: SocketAddr, request: &[u8]) -> Answer {
    Connection::open(to).and_then(|mut connection| connection.ask(request)).expect("an answer").answer
}

fn basic(id: &str, secret: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn token_answer(server: &Server, realm: &str, id: &str, secret: &str) -> Answer {
    ask(server.listen, &http::form(&format!("/{realm}/token"), &[&basic(id, secret)], "grant_type=client_credentials"))
}

fn member(answer: &Answer, name: &str) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON:\n{}", answer.readable()));
    body[name].as_str().unwrap_or_else(|| panic!("no {name}:\n{}", answer.readable())).to_owned()
}

/// A token of the build server of acme.
fn token(server: &Server) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut answer = token_answer(server, "acme", "build-7", "SECR3T-build-7-main");
    // Who was stopped twice in one second waits for the next one.
    while answer.status == Some(503) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        answer = token_answer(server, "acme", "build-7", "SECR3T-build-7-main");
    }
    member(&answer, "access_token")
}

fn api_status(server: &Server, token: &str) -> Option<u16> {
    ask(server.listen, &http::get("/acme/data", &[&format!("Authorization: Bearer {token}")])).status
}

#[test]
fn ca_26_whoever_is_stopped_is_stopped_at_once() {
    let mut server = warm_server("fixture.toml");
    let before = Before::of(&server);
    let unknown = token_answer(&server, "acme", "nobody", "SECR3T-wrong");
    for (stop, go) in [
        (vec!["client", "disable", "acme", "build-7", "--yes"], Some(vec!["client", "enable", "acme", "build-7"])),
        (
            vec!["client", "suspend", "acme", "build-7", "--reason", "It was found out", "--yes"],
            Some(vec!["client", "enable", "acme", "build-7"]),
        ),
        (vec!["realm", "disable", "acme", "--yes"], Some(vec!["realm", "enable", "acme"])),
        (vec!["client", "delete", "acme", "build-7", "--yes"], None),
    ] {
        let deadline = Instant::now() + Duration::from_secs(3);
        let mut living = token(&server);
        while api_status(&server, &living) != Some(200) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
            living = token(&server);
        }
        assert_eq!(api_status(&server, &living), Some(200), "before {stop:?}");
        run(&server, &stop);
        let refused = token_answer(&server, "acme", "build-7", "SECR3T-build-7-main");
        assert_eq!(refused.status, Some(401), "after {stop:?}:\n{}", refused.readable());
        assert_eq!(refused.body, unknown.body, "a stopped client looks like an unknown one");
        assert_eq!(api_status(&server, &living), Some(401), "a living token after {stop:?}");
        if let Some(go) = go {
            run(&server, &go);
        }
    }
    // The other realm never noticed; G5 cannot be asked of a deleted client.
    assert_eq!(token_answer(&server, "beta", "build-7", "SECR3T-beta-build-7").status, Some(200));
    let faults: Vec<String> = before.compare(&mut server, &[]).into_iter().filter(|fault| !fault.starts_with("G5")).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn jw_25_a_token_from_before_a_stop_stays_dead() {
    let mut server = warm_server("fixture.toml");
    let before = Before::of(&server);
    let old = token(&server);
    assert_eq!(api_status(&server, &old), Some(200));
    run(&server, &["client", "disable", "acme", "build-7", "--yes"]);
    run(&server, &["client", "enable", "acme", "build-7"]);
    assert_eq!(api_status(&server, &old), Some(401), "a token from before lives again");
    let deadline = Instant::now() + Duration::from_secs(3);
    while api_status(&server, &token(&server)) != Some(200) {
        assert!(Instant::now() < deadline, "a new token does not pass");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(api_status(&server, &old), Some(401));
    let faults = before.compare(&mut server, &[old]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn ca_27_tn_07_an_id_is_never_given_again() {
    let server = warm_server("fixture.toml");
    fails(&server, &["client", "create", "acme", "build-7", "--scope", "read"]);
    run(&server, &["client", "delete", "acme", "long", "--yes"]);
    fails(&server, &["client", "create", "acme", "long", "--scope", "read"]);
    assert_eq!(token_answer(&server, "acme", "long", "SECR3T-anything").status, Some(401));
    fails(&server, &["realm", "create", "acme", "--issuer", "https://other.example"]);
    fails(&server, &["realm", "create", "other", "--issuer", "https://login.acme.example"]);
}

/// Rows: CA-10.
#[test]
fn generated_secrets_need_no_encoding_and_never_repeat() {
    let server = warm_server("fixture.toml");
    let mut seen = BTreeSet::new();
    for client in ["build-7", "basic-only"] {
        for index in 0..15 {
            let name = format!("made-{index}");
            let made: Value =
                serde_json::from_str(&run(&server, &["secret", "create", "acme", client, &name, "--json"])).expect("JSON");
            let value = made["value"].as_str().expect("its value").to_owned();
            assert!(
                value.len() >= 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
                "{value}"
            );
            if index == 0 {
                assert_eq!(token_answer(&server, "acme", client, &value).status, Some(200));
            }
            assert!(seen.insert(value));
        }
    }
    let trail = run(&server, &["audit", "list", "--json", "--limit", "100"]);
    for value in &seen {
        assert!(!server.log().contains(value) && !trail.contains(value), "a secret was logged");
    }
}

/// Rows: TN-05.
#[test]
fn odd_names_and_mounts_of_tenants_are_refused() {
    let server = warm_server("fixture.toml");
    let before = run(&server, &["realm", "list", "--json"]);
    for name in [
        "A",
        "Acme",
        "a/",
        "a%2f..",
        "../a",
        "..",
        ".",
        "",
        " ",
        "a b",
        "\u{e1}cme",
        "\u{430}cme",
        ".well-known",
        "admin",
        "acme",
        "a\n",
        "-",
        &"a".repeat(300),
    ] {
        let arguments = ["realm", "create", "--issuer", "https://new.example", "--mount", "/new", "--", name];
        fails(&server, &arguments);
    }
    for mount in ["/acme", "/acme/", "/ACME/../acme", "/.well-known", "/a//b", "/a/./b", "/a%2fb", "/a?b", "/a#b", "/\u{e1}"] {
        fails(&server, &["realm", "create", "new", "--issuer", "https://new.example", "--mount", mount]);
    }
    assert_eq!(run(&server, &["realm", "list", "--json"]), before, "a refused command changed something");
}

/// An administrator of one area, made on the command line, and a token of it.
fn admin_token(server: &Server, name: &str, scope: &str) -> String {
    run(server, &["client", "create", "admin", name, "--scope", scope]);
    let made: Value = serde_json::from_str(&run(server, &["secret", "create", "admin", name, "main", "--json"])).expect("JSON");
    let secret = made["value"].as_str().expect("its value").to_owned();
    let admin = server.admin.expect("an admin listener");
    member(&ask(admin, &http::form("/token", &[&basic(name, &secret)], "grant_type=client_credentials")), "access_token")
}

#[test]
fn ad_01_the_admin_api_takes_only_its_own_tokens() {
    let server = warm_server("fixture.toml");
    let admin = server.admin.expect("an admin listener");
    let right = admin_token(&server, "reader", "admin:realms:read");
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    assert_eq!(ask(admin, &http::get("/v1/realms", &[&bearer(&right)])).status, Some(200));
    let foreign = token(&server);
    for (what, headers, path) in [
        ("no token", vec![], "/v1/realms".to_owned()),
        ("another realm's token", vec![bearer(&foreign)], "/v1/realms".to_owned()),
        ("a changed token", vec![bearer(&format!("{right}A"))], "/v1/realms".to_owned()),
        ("a token in the query string", vec![], format!("/v1/realms?access_token={right}")),
        ("Basic credentials", vec![basic("reader", "reader")], "/v1/realms".to_owned()),
        ("a cookie", vec![format!("Cookie: token={right}")], "/v1/realms".to_owned()),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = ask(admin, &http::get(&path, &headers));
        assert_eq!(answer.status, Some(401), "{what}:\n{}", answer.readable());
        assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")), "{what}");
    }
    // The public listener has no admin API, and an admin token is nothing at an API.
    assert_eq!(ask(server.listen, &http::get("/v1/realms", &[&bearer(&right)])).status, Some(404));
    assert_eq!(api_status(&server, &right), Some(401));
    assert_eq!(token_answer(&server, "admin", "reader", "x").status, Some(404), "the admin realm is not public");
}

#[test]
fn ad_02_nothing_is_open_by_default() {
    let (one, two) = (warm_server("fixture.toml"), warm_server("fixture.toml"));
    let keys = |server: &Server| ask(server.listen, &http::get("/acme/jwks", &[])).body;
    assert_ne!(keys(&one), keys(&two), "two installations share a signing key");
    let admin = one.admin.expect("an admin listener");
    for (id, secret) in [("admin", "admin"), ("admin", ""), ("root", "root"), ("jeton", "jeton"), ("admin", "password")] {
        let answer = ask(admin, &http::form("/token", &[&basic(id, secret)], "grant_type=client_credentials"));
        assert_eq!(answer.status, Some(401), "{id}:{secret}\n{}", answer.readable());
    }
    let clients: Value = serde_json::from_str(&run(&one, &["client", "list", "admin", "--json"])).expect("JSON");
    assert_eq!(clients["items"], serde_json::json!([]), "the admin realm has clients that nobody made");
    let help = said(&one.command(&["serve", "--help"]));
    for default in ["127.0.0.1:8400", "127.0.0.1:8401", "127.0.0.1:8402"] {
        assert!(help.contains(default), "{default} is not the default:\n{help}");
    }
    assert_eq!(one.mode_of("seal.key") & 0o077, 0, "others can read the seal key");
}

#[test]
fn ad_03_each_area_opens_its_own_commands_and_no_others() {
    let server = warm_server("fixture.toml");
    let mut connection = Connection::open(server.admin.expect("an admin listener")).expect("a connection");
    for (index, (area, _)) in AREAS.iter().enumerate() {
        let token = admin_token(&server, &format!("area-{index}"), area);
        for command in admin::commands() {
            // A realm that does not exist: what is allowed changes nothing.
            let path: String = command
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { "/none" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            let path = path.replace("//", "/");
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
                command.method
            );
            let answer = connection.ask(request.as_bytes()).expect("an answer").answer;
            let refused = matches!(answer.status, Some(401 | 403));
            assert_eq!(refused, command.scope != *area, "{} with {area}:\n{}", command.name, answer.readable());
        }
    }
}

/// Rows: AD-05.
#[test]
fn metrics_have_no_secret_and_are_not_public() {
    let server = warm_server("fixture.toml");
    let living = token(&server);
    let metrics = ask(server.ops, &http::get("/metrics", &[]));
    assert_eq!(metrics.status, Some(200));
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(!text.contains("SECR3T") && !text.contains(&living), "{text}");
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(ask(server.listen, &http::get(path, &[])).status, Some(404), "{path} is public");
    }
    for path in ["/acme/token", "/v1/realms", "/debug/pprof", "/"] {
        assert_eq!(ask(server.ops, &http::get(path, &[])).status, Some(404), "{path} is on the listener of operators");
    }
}

#[test]
fn ad_06_no_command_changes_the_audit_trail() {
    let server = warm_server("fixture.toml");
    let lines = |server: &Server| -> Vec<Value> {
        let list: Value = serde_json::from_str(&run(server, &["audit", "list", "--json", "--limit", "1000"])).expect("JSON");
        list["items"].as_array().expect("items").clone()
    };
    let before = lines(&server);
    for command in admin::commands().filter(|command| command.words().0 == "audit") {
        assert_eq!(command.effect, Effect::Reads, "{}", command.name);
    }
    run(&server, &["client", "disable", "acme", "build-7", "--yes"]);
    run(&server, &["client", "enable", "acme", "build-7"]);
    fails(&server, &["client", "disable", "acme", "nobody", "--yes"]);
    let after = lines(&server);
    assert_eq!(after.len(), before.len() + 2, "one line for each change and none for a refused one");
    assert_eq!(after[2..], before[..], "the older lines changed");
}

#[test]
fn ad_07_a_rotation_that_is_sent_again_rotates_once() {
    let server = warm_server("fixture.toml");
    let mut connection = Connection::open(server.admin.expect("an admin listener")).expect("a connection");
    let token = admin_token(&server, "rotator", "admin:credentials:write");
    let body = r#"{"name":"rotated"}"#;
    let request = format!(
        "POST /v1/realms/acme/clients/build-7/secrets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: 4b1f\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let first = connection.ask(request.as_bytes()).expect("an answer").answer;
    assert!(matches!(first.status, Some(200 | 201)), "{}", first.readable());
    let second = connection.ask(request.as_bytes()).expect("an answer").answer;
    assert!(second.status == Some(409) || second.body == first.body, "a second secret was made:\n{}", second.readable());
    let list: Value = serde_json::from_str(&run(&server, &["secret", "list", "acme", "build-7", "--json"])).expect("JSON");
    let named = list["items"].as_array().expect("items").iter().filter(|secret| secret["name"] == "rotated").count();
    assert_eq!(named, 1);
}
