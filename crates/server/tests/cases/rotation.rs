//! Signing keys change every second while clients work, on one node and on two over one database; whoever verifies never notices.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, jeton, said};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_jose::{KeySet, jwt, parse_compact};
use jeton_store::testing::PostgresForTests;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long clients work.
const LOAD: Duration = Duration::from_secs(13);
/// A key is published so many seconds before it signs, and verifiers have key sets that are at least as old.
const AHEAD: u64 = 1;
/// Life of a token in seconds.
const LIFETIME: u64 = 8;

const REALM: &str = r#"
[[realm]]
name = "acme"
title = "Acme APIs"
issuer = "https://login.acme.example"
mounts = [{ path = "/acme" }]
dialect = "rfc"

[realm.settings]
access_token = { lifetime = 8 }
keys = { rotate_after = 1, publish_ahead = 1 }
staleness = { issue = 5, check = 5 }

[[realm.resource]]
identifier = "https://api.acme.example"
base_url = "https://api.acme.example"
scopes = [{ scope = "read", sentence = "Read your data." }]
operations = [{ method = "GET", path = "/data", scope = ["read"], answer = { data = [1, 2] } }]

[[realm.client]]
client_id = "build-7"
scope = ["read"]
secrets = [{ name = "main", value = "SECR3T-build-7-main" }]
"#;

/// Runs a command; what it said.
type Run = Box<dyn Fn(&[&str]) -> Output>;

/// Nodes, and how to command them.
struct Works {
    nodes: Vec<Server>,
    command: Run,
}

impl Works {
    fn run(&self, arguments: &[&str]) -> String {
        let output = (self.command)(arguments);
        assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.run(&["key", "list", "acme", "--json"])).expect("JSON");
        list["items"].as_array().expect("a list").clone()
    }
}

/// A caller with a connection to each node.
struct Caller(Vec<Connection>);

impl Caller {
    fn new(nodes: &[SocketAddr]) -> Self {
        Self(nodes.iter().map(|node| Connection::open(*node).expect("a connection")).collect())
    }

    fn ask(&mut self, node: usize, request: &[u8]) -> (u16, Vec<u8>) {
        let received = self.0[node].ask(request).expect("an answer");
        assert!(!received.closed, "the server closed the connection");
        (received.answer.status.expect("a status"), received.answer.body.clone())
    }

    fn token(&mut self, node: usize) -> String {
        let header = format!("Authorization: Basic {}", STANDARD.encode("build-7:SECR3T-build-7-main"));
        let (status, body) = self.ask(node, &http::form("/acme/token", &[&header], "grant_type=client_credentials"));
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    fn passes(&mut self, node: usize, token: &str) -> bool {
        let (status, _) = self.ask(node, &http::get("/acme/data", &[&format!("Authorization: Bearer {token}")]));
        assert!(status == 200 || status == 401, "status {status}");
        status == 200
    }

    fn key_set(&mut self, node: usize) -> KeySet {
        let (status, body) = self.ask(node, &http::get("/acme/jwks", &[]));
        assert_eq!(status, 200);
        KeySet::parse(&body).expect("a key set")
    }
}

fn kid(token: &str) -> String {
    parse_compact(token.as_bytes(), jwt::MAX_TOKEN).expect("a JWT").header().kid.clone().expect("a kid")
}

/// A verifier accepts a token that was asked for then, with the newest key set that was at least so old.
fn verifies_with_old_keys(token: &str, asked: Instant, sets: &[(Instant, KeySet)]) {
    let old = sets.iter().rev().find(|(at, _)| asked.duration_since(*at) >= Duration::from_secs(AHEAD));
    let Some((at, keys)) = old else { return };
    let issuer = "https://login.acme.example";
    let expect = jwt::Expect { issuer, audiences: &[], typ: &["at+jwt"], now: crate::forge::now(), leeway: 0 };
    let verified = jwt::verify(token.as_bytes(), keys, &expect);
    assert!(verified.is_ok(), "with keys of {:?} ago: {verified:?}", at.elapsed());
}

/// Clients ask any node, verifiers have an old key set of any node, and APIs stand behind any node.
fn work(works: &Works) {
    let addresses: Vec<SocketAddr> = works.nodes.iter().map(|node| node.listen).collect();
    let sets = Mutex::new(Vec::new());
    let used = Mutex::new(BTreeSet::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut caller = Caller::new(&addresses);
            for round in 0.. {
                let at = Instant::now();
                let set = caller.key_set(round % addresses.len());
                sets.lock().expect("nobody panics while holding it").push((at, set));
                if start.elapsed() > LOAD {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        for worker in 0..2 {
            let (addresses, sets, used) = (&addresses, &sets, &used);
            scope.spawn(move || {
                let mut caller = Caller::new(addresses);
                let mut living: Vec<(Instant, String)> = Vec::new();
                for round in worker.. {
                    if start.elapsed() > LOAD {
                        break;
                    }
                    let asked = Instant::now();
                    let node = round % addresses.len();
                    let token = caller.token(node);
                    verifies_with_old_keys(&token, asked, &sets.lock().expect("nobody panics while holding it"));
                    let other = (node + 1) % addresses.len();
                    assert!(caller.passes(other, &token), "after {:?}: another node refuses a token", start.elapsed());
                    if round % 40 == worker {
                        used.lock().expect("nobody panics while holding it").insert(kid(&token));
                        living.push((asked, token));
                    }
                    // Near their ends they still pass; whole seconds are lost where tokens begin and end.
                    let end = Duration::from_secs(LIFETIME - 2);
                    living.retain(|(since, token)| {
                        let is_old = since.elapsed() >= end;
                        if is_old && since.elapsed() < end + Duration::from_millis(500) {
                            assert!(caller.passes(other, token), "an old token of {} is refused", kid(token));
                        }
                        !is_old
                    });
                }
            });
        }
    });
    let used = used.into_inner().expect("nobody panics");
    assert!(used.len() >= 3, "{} keys were used: nothing was proven", used.len());
}

/// What the records say of it: one key signs, successors came one by one, and each step was written down.
fn look(works: &Works) {
    let keys = works.keys();
    let of = |state: &str| keys.iter().filter(|key| key["state"] == state).count();
    assert_eq!(of("active"), 1, "{keys:?}");
    assert!(of("retiring") >= 2 && of("next") >= 1, "{keys:?}");
    let mut published: Vec<&str> = keys.iter().filter_map(|key| key["published_at"].as_str()).collect();
    published.sort_unstable();
    let all = published.len();
    published.dedup();
    // A second has at most one new key, whichever node made it; the first two may share theirs.
    assert!(published.len() + 1 >= all, "two nodes made a key each: {keys:?}");
    let trail = works.run(&["audit", "list", "acme", "--json", "--limit", "1000"]);
    for step in ["publish", "activate", "retire"] {
        assert!(trail.contains(&format!("key.{step}")), "{step} is not in the audit trail");
        // What retires does so with the step of its successor.
        let logged = step == "retire" || works.nodes.iter().any(|node| node.log().contains(&format!("\"action\":\"{step}\"")));
        assert!(logged, "{step} is not in the log");
    }
}

/// A key that leaked is dead on every node, and so are its tokens.
fn leak(works: &Works) {
    let addresses: Vec<SocketAddr> = works.nodes.iter().map(|node| node.listen).collect();
    let mut caller = Caller::new(&addresses);
    let stolen = caller.token(0);
    let refused = (works.command)(&["key", "revoke", "acme", &kid(&stolen)]);
    assert!(!refused.status.success() && said(&refused).contains("say --yes"), "{}", said(&refused));
    works.run(&["key", "revoke", "acme", &kid(&stolen), "--yes"]);
    // A second is promised; the machine may be busy.
    let deadline = Instant::now() + Duration::from_secs(10);
    for node in 0..addresses.len() {
        while caller.passes(node, &stolen) || caller.key_set(node).by_kid(&kid(&stolen)).is_some() {
            assert!(Instant::now() < deadline, "node {node} accepts a revoked key");
            std::thread::sleep(Duration::from_millis(20));
        }
        let next = caller.token(node);
        assert_ne!(kid(&next), kid(&stolen));
        assert!(caller.passes(node, &next));
    }
    assert!(works.keys().iter().any(|key| key["end"] == "revoked"));
}

/// Rows: F-28.
#[test]
fn rotation_under_load_breaks_nothing() {
    let server = Server::start(REALM);
    let data = server.data();
    let works = Works { nodes: vec![server], command: Box::new(move |arguments| jeton(&data, arguments)) };
    work(&works);
    look(&works);
    leak(&works);
}

/// Rows: F-28.
#[test]
fn rotation_on_two_nodes_under_load_breaks_nothing() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let url = postgres.url();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let seal = directory.path().join("seal.key");
    let settings = vec!["--database-url".to_owned(), url, "--seal-key-file".to_owned(), seal.display().to_string()];
    let command = {
        let (data, settings) = (directory.path().join("admin"), settings.clone());
        move |arguments: &[&str]| {
            let all: Vec<&str> = arguments.iter().copied().chain(settings.iter().map(String::as_str)).collect();
            jeton(&data, &all)
        }
    };
    let file = directory.path().join("realm.toml");
    std::fs::write(&file, REALM).expect("the document is written");
    let works = Works { nodes: Vec::new(), command: Box::new(command) };
    works.run(&["apply", &path(&file), "--yes"]);
    let nodes = (0..2).map(|_| Server::start_over(&settings)).collect();
    let works = Works { nodes, ..works };
    work(&works);
    look(&works);
    leak(&works);
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
