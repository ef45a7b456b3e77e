//! Clients that ask at every call, against a realm for each step of the policy, beside one that keeps its token and is never touched.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::invariants::{Rules, answer_faults};
use crate::replay::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Between two calls of a client that asks at each of them.
const PACE: Duration = Duration::from_millis(100);
/// The promise; every realm here is much less patient.
const MINUTE: Duration = Duration::from_secs(60);

struct Client<'a> {
    connection: Connection,
    request: Vec<u8>,
    server: &'a Server,
    realm: &'static str,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server, realm: &'static str, path: &str, id: &str, scope: &str) -> Self {
        let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:SECR3T-{id}")));
        let request = http::form(path, &[&basic], &format!("grant_type=client_credentials&scope={scope}"));
        Self { connection: Connection::open(server.listen).expect("it listens"), request, server, realm }
    }

    fn ask(&mut self) -> Answer {
        self.connection.ask(&self.request).expect("an answer").answer
    }

    /// Asks at every call until an answer is as wished.
    fn until(&mut self, what: &str, wished: impl Fn(&Answer) -> bool) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.ask();
            if wished(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < MINUTE, "{what}: not within a minute; the last answer was\n{}", answer.readable());
            std::thread::sleep(PACE);
        }
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let output = self.server.command(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "jeton {}: {}", arguments.join(" "), said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn member<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON:\n{}", answer.readable()))
}

/// An answer that shows nothing of thrift.
fn assert_untouched(answer: &Answer) {
    assert_eq!(answer.status, Some(200), "{}", answer.readable());
    for header in ["link", "ratelimit", "ratelimit-policy", "retry-after"] {
        assert_eq!(answer.header(header), None, "{}", answer.readable());
    }
}

fn server() -> Server {
    Server::start(&text("thrift.toml"))
}

#[test]
fn a_client_that_asks_per_call_is_coached_with_the_page_that_explains_it() {
    let server = server();
    let mut client = Client::new(&server, "coached", "/coached/token", "per-call", "read");
    let coached = client.until("coaching", |answer| answer.header("link").is_some());
    assert_eq!(coached.header("link"), Some("<https://developers.acme.example/cache-your-token>; rel=\"help\""));
    assert_eq!((coached.status, coached.header("ratelimit")), (Some(200), None));
    assert_ne!(member(&body(&client.ask()), "access_token"), member(&body(&coached), "access_token"), "it is only coached");
    for _ in 0..3 {
        assert_untouched(&Client::new(&server, "coached", "/coached/token", "keeps", "read").ask());
    }
    std::thread::sleep(Duration::from_millis(2500));
    assert!(server.log().contains("\"event\":\"coached\""), "{}", server.log());
    let seen = client.run(&["client", "thrift", client.realm, "per-call"]);
    assert!(seen["asked"].as_u64() > seen["needed"].as_u64() && seen["needed"] == 1, "{seen}");
    assert!(seen["since"].is_string() && seen["coached_at"].is_string(), "{seen}");
    let listed = client.run(&["thrift", "list", client.realm]);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "the one that keeps its token is not listed: {listed}");
    let seen = client.run(&["client", "thrift", client.realm, "keeps"]);
    assert_eq!((&seen["verdict"], &seen["needed"]), (&"thrifty".into(), &1.into()), "{seen}");
    assert_eq!(client.run(&["usage", "show", client.realm, "keeps"])["items"][0]["asked"], 3);
}

#[test]
fn a_client_that_asks_per_call_gets_the_same_token_with_its_remaining_life() {
    let server = server();
    let mut client = Client::new(&server, "repeated", "/repeated/token", "per-call", "read");
    let mut last = String::new();
    let begun = Instant::now();
    let repeated = loop {
        let answer = body(&client.ask());
        let token = member(&answer, "access_token").to_owned();
        if token == last {
            break answer;
        }
        last = token;
        assert!(begun.elapsed() < MINUTE, "its token never came again");
        std::thread::sleep(PACE);
    };
    let second = Instant::now();
    let later = body(&client.until("a second", |_| second.elapsed() > Duration::from_millis(1100)));
    assert_eq!(member(&later, "access_token"), last);
    let life = |answer: &Value| answer["expires_in"].as_i64().expect("a number");
    assert!((1..=10).contains(&(life(&repeated) - life(&later))) && life(&later) < 3600, "{repeated} {later}");
    // A changed client gets a new one.
    client.run(&["client", "set", client.realm, "per-call", "--title", "Another title"]);
    assert_ne!(member(&body(&client.ask()), "access_token"), last);
}

#[test]
fn a_client_that_asks_per_call_is_limited_and_served_when_it_waits_as_told() {
    let server = server();
    let mut client = Client::new(&server, "limited", "/limited/token", "per-call", "read");
    let limited = client.until("a limit", |answer| answer.status == Some(429));
    assert_eq!(answer_faults(&limited, Rules::Plain), Vec::<String>::new());
    assert_eq!(member(&body(&limited), "error"), "slow_down", "{}", limited.readable());
    let wait: u64 = limited.header("retry-after").and_then(|value| value.parse().ok()).expect("seconds");
    assert!((1..=4).contains(&wait), "{wait}");
    assert_eq!(limited.header("ratelimit-policy"), Some("\"thrift\";q=6;w=24"));
    assert_eq!(limited.header("ratelimit"), Some(format!("\"thrift\";r=0;t={wait}").as_str()));
    assert!(limited.header("link").is_some());
    assert_untouched(&Client::new(&server, "limited", "/limited/token", "keeps", "read").ask());
    std::thread::sleep(Duration::from_secs(wait));
    let served = client.ask();
    assert_eq!(served.status, Some(200), "{}", served.readable());
    assert!(served.header("ratelimit").is_some() && served.header("retry-after").is_none(), "{}", served.readable());
    // Its owner reads why.
    std::thread::sleep(Duration::from_millis(2500));
    let journal = client.run(&["audit", "list", client.realm, "per-call"]).to_string();
    assert!(journal.contains("thrift.limited"), "{journal}");
}

/// Whoever asks at every call is suspended; then an administrator lets it go on, and it begins anew.
fn suspension(realm: &'static str, token_path: &str, scope: &str, call: impl Fn(&str, &str) -> Vec<u8>) {
    let server = server();
    let mut client = Client::new(&server, realm, token_path, "per-call", scope);
    let mut thrifty = Client::new(&server, realm, token_path, "keeps", scope);
    let before = member(&body(&client.ask()), "access_token").to_owned();
    let kept = member(&body(&thrifty.ask()), "access_token").to_owned();
    let api = |request: Vec<u8>| http::send(server.listen, &request, http::Until::Answered).expect("an answer").answer.status;
    assert_eq!(api(call(&before, "SECR3T-key-of-per-call")), Some(200));
    let suspended = client.until("a suspension", |answer| !matches!(answer.status, Some(200 | 429)));
    assert_eq!((suspended.status, member(&body(&suspended), "error")), (Some(401), "invalid_client"), "{}", suspended.readable());
    // Its access is suspended: living tokens and API keys, too, and at once.
    assert_eq!(api(call(&before, "SECR3T-key-of-per-call")), Some(401));
    let shown = client.run(&["client", "show", realm, "per-call"]);
    assert_eq!(shown["status"], "suspended");
    assert!(member(&shown, "reason").ends_with("while those it had were still fresh."), "{shown}");
    let audits = client.run(&["audit", "list", realm, "per-call"]).to_string();
    assert!(audits.contains("client.suspend") && audits.contains("the server"), "{audits}");
    assert_eq!(client.run(&["client", "thrift", realm, "per-call"])["verdict"], "suspended");
    // The one beside it keeps its token.
    assert_eq!(api(call(&kept, "SECR3T-key-of-keeps")), Some(200));
    assert_untouched(&thrifty.ask());
    client.run(&["client", "enable", realm, "per-call"]);
    // More than it may take at once: what it wasted before is forgotten.
    for _ in 0..25 {
        assert_untouched(&client.ask());
    }
    let fresh = member(&body(&client.ask()), "access_token").to_owned();
    assert_eq!(api(call(&fresh, "SECR3T-key-of-per-call")), Some(200));
}

#[test]
fn a_client_that_asks_per_call_is_suspended_within_a_minute() {
    suspension("strict", "/strict/token", "read", |token, _| {
        http::get("/strict/data", &[&format!("Authorization: Bearer {token}")])
    });
}

#[test]
fn access_is_suspended_as_the_provider_who_asks_for_it_says() {
    suspension("provider", "/provider/v1/token", "https://api.provider.example", |token, key| {
        http::get("/provider/dashapi/1", &[&format!("Authorization: Bearer {token}"), &format!("apiKey: {key}")])
    });
}
