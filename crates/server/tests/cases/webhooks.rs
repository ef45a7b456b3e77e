//! Webhooks as a receiver meets them: signed, sent again until they are taken, and never sent where they must not go.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, jeton, said};
use crate::replay::{text, warm_server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_store::testing::PostgresForTests;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One message as it came.
#[derive(Clone, Debug)]
struct Message {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Message {
    /// Checked here from the words of the specification, with none of the server's code.
    fn is_signed(&self) -> bool {
        let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        let signed = format!("{}.{}.{}", self.headers["webhook-id"], self.headers["webhook-timestamp"], self.body);
        let signature = self.headers["webhook-signature"].strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        signature.is_some_and(|signature| aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &signature).is_ok())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// A receiver that gives these answers in their order, and then the last one for ever. An empty answer is none.
struct Receiver {
    port: u16,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&messages);
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                // Whoever connects and says nothing is not the server, and must not keep it from being answered.
                stream.set_read_timeout(Some(Duration::from_secs(2))).expect("is set");
                let Some(message) = read(&stream) else { continue };
                let count = {
                    let mut received = received.lock().expect("no reader panics");
                    received.push(message);
                    received.len() - 1
                };
                let answer = answers[count.min(answers.len() - 1)];
                if answer.is_empty() {
                    held.push(stream);
                } else {
                    let _ = (&stream).write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes());
                }
            }
        });
        Self { port, messages }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("no reader panics").clone()
    }

    /// Waits for so many messages.
    fn wait(&self, count: usize, server: &Server) -> Vec<Message> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.messages().len() < count {
            let list = said(&server.command(&["webhook", "list", "--json"]));
            assert!(Instant::now() < deadline, "{} of {count} messages came\n{list}\n{}", self.messages().len(), server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.messages()
    }
}

fn read(stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Message { headers, body: String::from_utf8(body).ok()? })
}

/// What the library of Standard Webhooks says of a message and of one that was changed on the way; none where it is missing.
fn library(message: &Message) -> Option<Vec<String>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !top.join("interop/node/node_modules/standardwebhooks").exists() {
        println!("skipped: the library of Standard Webhooks is missing; tools/install-interop installs it");
        let all = std::env::var("JETON_REQUIRE").is_ok_and(|what| what == "all");
        assert!(!all, "JETON_REQUIRE=all, but it is missing");
        return None;
    }
    let mut child = Command::new("node")
        .arg(top.join("interop/node/webhook_verifier.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    for body in [message.body.clone(), message.body.replace("build-7", "build-8")] {
        let line = json!({ "secret": SECRET, "headers": message.headers, "body": body });
        writeln!(stdin, "{line}").expect("node reads");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("node ends");
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Makes a webhook at the machine, with the secret of these tests.
fn create(server: &Server, name: &str, url: &str, more: &[&str]) {
    let file = server.data().join("webhook.secret");
    std::fs::write(&file, SECRET).expect("the secret is written");
    let file = file.display().to_string();
    let output =
        server.command(&[&["webhook", "create", name, "--url", url, "--secret-file", &file, "--allow-loopback"], more].concat());
    assert!(output.status.success(), "{}", said(&output));
}

fn run(server: &Server, arguments: &[&str]) -> Value {
    let output = server.command(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn listed(server: &Server, name: &str) -> Value {
    let list = run(server, &["webhook", "list"]);
    let items = list["items"].as_array().expect("items");
    items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}")).clone()
}

#[test]
fn a_message_is_sent_again_under_its_id_until_it_is_taken() {
    let server = warm_server("fixture.toml");
    let receiver = Receiver::start(&["500 No", "302 Found\r\nLocation: http://127.0.0.1:1/", "200 OK"]);
    create(&server, "ops", &receiver.url(), &["--kind", "client.suspended", "--realm", "acme"]);
    run(&server, &["client", "suspend", "beta", "build-7", "--reason", "Not its realm", "--yes"]);
    run(&server, &["client", "suspend", "acme", "build-7", "--reason", "It was found out", "--yes"]);
    let messages = receiver.wait(3, &server);
    assert!(messages.iter().all(Message::is_signed), "{messages:#?}");
    if let Some(verdicts) = library(&messages[0]) {
        assert_eq!(verdicts, ["client.suspended", "WebhookVerificationError"]);
    }
    let ids: Vec<&String> = messages.iter().map(|message| &message.headers["webhook-id"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && messages.iter().all(|message| message.body == messages[0].body), "{ids:?}");
    let told = messages[0].json();
    assert_eq!((&told["type"], &told["data"]["client_id"]), (&"client.suspended".into(), &"build-7".into()));
    assert_eq!((&told["data"]["realm"], &told["data"]["detail"]["reason"]), (&"acme".into(), &"It was found out".into()));
    let deadline = Instant::now() + Duration::from_secs(20);
    while listed(&server, "ops")["waiting"] != 0 {
        assert!(Instant::now() < deadline, "{:#}", listed(&server, "ops"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((listed(&server, "ops")["status"].as_str(), receiver.messages().len()), (Some("on"), 3));
    run(&server, &["webhook", "test", "ops"]);
    assert_eq!(receiver.wait(4, &server)[3].json()["type"], "webhook.test");
}

#[test]
fn the_pushed_trail_is_a_file_that_verifies() {
    let server = warm_server("fixture.toml");
    let receiver = Receiver::start(&["503 Later", "204 Taken"]);
    create(&server, "siem", &receiver.url(), &["--kind", "audit"]);
    for command in [["client", "disable", "acme", "build-7", "--yes"].as_slice(), &["client", "enable", "acme", "build-7"]] {
        run(&server, command);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let lines = loop {
        let mut seen = BTreeMap::new();
        for message in receiver.messages() {
            assert!(message.is_signed());
            seen.insert(message.headers["webhook-id"].clone(), message.json());
        }
        let mut lines: Vec<Value> =
            seen.values().flat_map(|told| told["data"]["lines"].as_array().expect("lines").clone()).collect();
        lines.sort_by_key(|line| (line["block"].as_u64(), line["index"].as_u64()));
        if lines.iter().any(|line| line["record"]["action"] == "client.enable") {
            break lines;
        }
        assert!(Instant::now() < deadline, "the trail was not pushed: {lines:#?}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    };
    let file = server.data().join("pushed.jsonl");
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
    let output = server.command(&["audit", "verify", "--file", &file.display().to_string()]);
    assert!(output.status.success() && said(&output).contains("the audit trail is whole"), "{}", said(&output));
}

#[test]
fn the_end_of_a_secret_is_told_once_for_each_threshold() {
    let mut server = warm_server("fixture.toml");
    let receiver = Receiver::start(&["200 OK"]);
    create(&server, "ops", &receiver.url(), &["--kind", "secret.expiring", "--realm", "acme"]);
    let told = |messages: &[Message]| -> Vec<Value> {
        let of = |message: &Message| message.json()["data"]["detail"]["credentials"].as_array().expect("credentials").clone();
        messages.iter().filter(|message| message.json()["data"]["client_id"] == "build-7").flat_map(of).collect()
    };
    // What ends in ten days is told after the next start, what ends in twenty is not.
    run(&server, &["secret", "expire", "acme", "build-7", "main", "--expires-at", "20d"]);
    run(&server, &["secret", "create", "acme", "build-7", "next", "--expires-at", "10d"]);
    run(&server, &["api-key", "create", "acme", "build-7", "key", "--expires-at", "13d"]);
    server.kill_and_start_again();
    let messages = receiver.wait(1, &server);
    assert!(messages[0].is_signed());
    let names: Vec<Value> = told(&messages).iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["next", "key"], "{messages:?}");
    assert!(server.log().contains("a credential will soon end"));
    counts_endings(&server, [2, 0]);
    // Not again, until three days are left.
    run(&server, &["secret", "expire", "acme", "build-7", "next", "--expires-at", "2d"]);
    server.kill_and_start_again();
    let messages = receiver.wait(2, &server);
    assert_eq!(told(&messages[1..]).iter().map(|one| one["name"].clone()).collect::<Vec<_>>(), ["next"], "{messages:?}");
    counts_endings(&server, [2, 1]);
}

#[test]
fn with_postgresql_the_trail_is_pushed_signed_and_verified_too() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let (url, elsewhere) = (postgres.url(), tempfile::tempdir().expect("a directory"));
    let (seal, fixture) = (elsewhere.path().join("seal.key"), elsewhere.path().join("fixture.toml"));
    std::fs::write(&fixture, text("fixture.toml")).expect("the fixture is written");
    let place = ["--database-url".to_owned(), url.clone(), "--seal-key-file".to_owned(), seal.display().to_string()];
    let direct = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(place.iter().map(String::as_str)).collect();
        let output = jeton(&elsewhere.path().join("admin"), &all);
        let told = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        (output.status.success(), told)
    };
    assert!(direct(&["apply", &fixture.display().to_string(), "--yes", "--json"]).0);
    let server = Server::start_over(&place);
    let receiver = Receiver::start(&["503 Later", "204 Taken"]);
    create(&server, "siem", &receiver.url(), &["--kind", "audit"]);
    run(&server, &["client", "disable", "acme", "build-7", "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    // The first attempt failed: what was in it comes again under its id, and is signed each time.
    let came = |messages: &[Message]| messages[1..].iter().any(|message| message.body.contains("client.disable"));
    while !came(&receiver.wait(2, &server)) {
        assert!(Instant::now() < deadline, "the change is not told\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let messages = receiver.messages();
    assert!(messages.iter().all(Message::is_signed));
    assert_eq!(messages[0].headers["webhook-id"], messages[1].headers["webhook-id"]);
    // By the server's socket, and out of the database without the server.
    let by_socket = run(&server, &["audit", "verify"]);
    assert!(by_socket["whole"] == true && by_socket["waiting"] == 0, "{by_socket:#}");
    let (whole, by_database) = direct(&["audit", "verify", "--json"]);
    assert!(whole && by_database == by_socket, "{by_database:#}");
    let (whole, checked) = direct(&["check", "--json"]);
    assert!(whole && checked["audit"]["records"] == by_socket["records"], "{checked:#}");
    postgres.script_in(&url, "delete from audit where body::text like '%client.disable%'");
    for (command, report) in [("verify", direct(&["audit", "verify", "--json"])), ("check", direct(&["check", "--json"]))] {
        assert!(!report.0 && report.1["findings"].to_string().contains("the record was deleted"), "{command}: {:#}", report.1);
    }
}

/// Waits until the metrics say how many secrets and API keys end within fourteen days, and within three.
fn counts_endings(server: &Server, [soon, very_soon]: [u64; 2]) {
    let lines =
        [("14d", soon), ("3d", very_soon)].map(|(within, count)| format!("jeton_secrets_ending{{within=\"{within}\"}} {count}"));
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut connection = Connection::open(server.ops).expect("a connection");
        let page = connection.ask(&http::get("/metrics", &[])).expect("an answer").answer;
        let page = String::from_utf8_lossy(&page.body);
        if lines.iter().all(|line| page.lines().any(|shown| shown == line)) {
            return;
        }
        assert!(Instant::now() < deadline, "no {lines:?} in\n{page}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_dead_receiver_delays_neither_requests_nor_other_webhooks() {
    let server = warm_server("fixture.toml");
    let (dead, alive) = (Receiver::start(&[""]), Receiver::start(&["200 OK"]));
    create(&server, "dead", &dead.url(), &["--kind", "client.suspended"]);
    create(&server, "alive", &alive.url(), &["--kind", "client.suspended"]);
    run(&server, &["client", "suspend", "acme", "build-7", "--reason", "It was found out", "--yes"]);
    dead.wait(1, &server);
    // The dead one still holds its message while the other one and the server go on.
    alive.wait(1, &server);
    assert_eq!(listed(&server, "dead")["delivered_at"], Value::Null);
    let mut connection = Connection::open(server.listen).expect("a connection");
    for _ in 0..50 {
        let began = Instant::now();
        let answer = connection.ask(&http::get("/acme/jwks", &[])).expect("an answer").answer;
        assert_eq!(answer.status, Some(200));
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }
}

/// Rows: DR-07.
#[test]
fn nothing_is_sent_where_it_must_not_go() {
    let server = warm_server("fixture.toml");
    let canary = Receiver::start(&["200 OK"]);
    // Not by http, not with user information, not to services that are no web servers, not in other schemes.
    for url in [
        canary.url(),
        format!("https://user:word@127.0.0.1:{}/", canary.port),
        "https://127.0.0.1:22/".into(),
        "gopher://127.0.0.1/".into(),
        "file:///etc/passwd".into(),
    ] {
        let output = server.command(&["webhook", "create", "x", "--url", &url, "--kind", "client.suspended"]);
        assert!(!output.status.success(), "{url} was taken");
    }
    let hosts = [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ];
    for (index, host) in hosts.iter().enumerate() {
        let (name, url) = (format!("inner-{index}"), format!("https://{host}:{}/", canary.port));
        let output = server.command(&["webhook", "create", &name, "--url", &url, "--kind", "client.suspended"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    run(&server, &["client", "suspend", "acme", "build-7", "--reason", "It was found out", "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    for (index, host) in hosts.iter().enumerate() {
        loop {
            let shown = listed(&server, &format!("inner-{index}"));
            if let Some(reason) = shown["last_error"].as_str() {
                // Some resolvers know no `localhost.` with a dot.
                let refused = ["may not be reached", "cannot be resolved"].iter().any(|told| reason.contains(told));
                assert!(refused, "{host}: {reason}");
                break;
            }
            assert!(Instant::now() < deadline, "{host}: {shown:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(canary.messages().len(), 0, "the canary was reached");
}
