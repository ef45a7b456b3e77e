//! The built binary, over real sockets: how it starts, what it refuses, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A time that nothing here should need; figures belong to the bench.
const AMPLE: Duration = Duration::from_secs(50);

struct Server {
    child: Child,
    listen: String,
    admin: String,
    ops: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn jeton() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeton"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JETON_")) {
        command.env_remove(name);
    }
    command
}

fn serve(data: &Path) -> Command {
    let mut command = jeton();
    command.arg("serve").arg("--data").arg(data).args(["--log", "json"]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    command.stderr(Stdio::piped());
    command
}

fn start(command: &mut Command) -> Server {
    let mut child = command.spawn().expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not the start line: {line}"));
    assert_eq!((line["event"].as_str(), line["pid"].as_u64()), (Some("listening"), Some(u64::from(child.id()))));
    let address = |name: &str| line[name].as_str().expect("an address").to_owned();
    Server { listen: address("listen"), admin: address("admin"), ops: address("ops"), child, stderr }
}

impl Server {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// The exit code, and what was left to read on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(AMPLE)).expect("set");
    stream
}

/// Everything that comes until the server closes.
fn rest_of(mut stream: &TcpStream) -> String {
    let mut all = Vec::new();
    // A reset behind the answer is no matter here.
    let _ = stream.read_to_end(&mut all);
    String::from_utf8(all).expect("text")
}

/// Sends bytes and reads until the server closes.
fn exchange(address: &str, sent: &str) -> String {
    let stream = connect(address);
    (&stream).write_all(sent.as_bytes()).expect("sent");
    rest_of(&stream)
}

/// Waits until it is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < AMPLE, "not within {AMPLE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value.trim())
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn get(address: &str, path: &str) -> String {
    exchange(address, &GET.replacen("/ ", &format!("{path} "), 1))
}

fn fails(output: Output, sentence: &str) {
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains(sentence), "{said}");
    assert_eq!((output.status.code(), said.trim_end().lines().count()), (Some(1), 1), "{said}");
}

#[test]
fn the_first_start_makes_what_is_missing_and_the_second_finds_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("a/b");
    let mut server = start(&mut serve(&data));
    let ready = get(&server.ops, "/readyz");
    assert_eq!(status(&ready), "200");
    assert!(ready.ends_with(r#"{"ready":true,"reasons":[],"warnings":[]}"#), "{ready}");
    assert_eq!(status(&get(&server.ops, "/livez")), "200");
    // The two connections before it may end a moment later.
    eventually("one connection", || get(&server.ops, "/metrics").contains("jeton_connections{listener=\"ops\"} 1\n"));
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("seal.key")), mode(&data.join("admin.sock"))), (0o700, 0o600, 0o600));
    let key = std::fs::read_to_string(data.join("seal.key")).expect("text");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    assert!(!data.join("admin.sock").exists());

    let server = start(&mut serve(&data));
    assert_eq!(std::fs::read_to_string(data.join("seal.key")).expect("text"), key);
    drop(server);
    // After a kill the socket's file is still there.
    assert!(data.join("admin.sock").exists());
    start(&mut serve(&data));
}

#[test]
fn systemd_is_told_when_the_server_is_ready_and_when_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(AMPLE)).expect("set");
    let told = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned()
    };
    let mut server = start(serve(&directory.path().join("data")).env("NOTIFY_SOCKET", &path));
    assert_eq!(told(), "READY=1");
    // Whoever is told may ask at once.
    assert_eq!(status(&get(&server.ops, "/readyz")), "200");
    server.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn what_cannot_start_says_why_in_one_sentence() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path();
    let mut server = start(&mut serve(data));
    let taken = server.listen.clone();
    fails(serve(data).output().expect("it ends"), "another jeton process");
    let other = tempfile::tempdir().expect("a directory");
    fails(serve(other.path()).args(["--drain-seconds", "x"]).output().expect("it ends"), "--drain-seconds must be");
    let mut busy = jeton();
    busy.arg("serve").arg("--data").arg(other.path()).args(["--listen", &taken]);
    fails(busy.output().expect("it ends"), &format!("cannot listen on {taken}"));
    fails(serve(other.path()).env("JETON_LISTNE", "x").output().expect("it ends"), "the nearest is JETON_LISTEN");
    let file = other.path().join("jeton.toml");
    std::fs::write(&file, "sample_api = true\ndrain_second = 1\n").expect("written");
    let unknown = format!("{}:2: drain_second is not a setting of this file; the nearest is drain_seconds", file.display());
    fails(serve(other.path()).arg("--config").arg(&file).output().expect("it ends"), &unknown);
    server.signal("INT");
    assert_eq!(server.end().0, Some(0));

    let key = data.join("seal.key");
    let right = std::fs::read(&key).expect("bytes");
    std::fs::write(&key, "0f".repeat(32)).expect("written");
    fails(serve(data).output().expect("it ends"), "the seal key is not the one that this store was made with");
    std::fs::write(&key, "0f").expect("written");
    fails(serve(data).output().expect("it ends"), "does not hold 64 hex digits");
    std::fs::remove_file(&key).expect("removed");
    fails(serve(data).output().expect("it ends"), "seal.key is missing; put the key back");
    assert!(!key.exists());
    let given = String::from_utf8(right).expect("text");
    start(serve(data).env("JETON_SEAL_KEY", given.trim()));
    assert!(!key.exists());
}

/// Requests, and the status that each must get.
fn requests_and_status() -> Vec<(String, &'static str)> {
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "A: b\r\n".repeat(count - 2));
    let post = |length: usize, body: usize| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(body))
    };
    let chunked = |body: usize| {
        let chunk = format!("{body:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(body));
        format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")
    };
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "x".repeat(length - 1));
    let long = |length: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: {}\r\n\r\n", "x".repeat(length));
    vec![
        (GET.to_owned(), "404"),
        (fields(64), "404"),
        (fields(65), "431"),
        (long(15 << 10), "404"),
        (long(17 << 10), "431"),
        (target(8 << 10), "404"),
        (target(9 << 10), "414"),
        (post(64 << 10, 64 << 10), "404"),
        (post((64 << 10) + 1, (64 << 10) + 1), "413"),
        (post(3 << 20, 3 << 20), "413"),
        (post(5 << 30, 0), "413"),
        (chunked(64 << 10), "404"),
        (chunked((64 << 10) + 1), "413"),
        (GET.replace("Host: a\r\n", ""), "400"),
        (GET.replace("Host: a", "Host: a\r\nHost: a"), "400"),
        (GET.replace("Host: a\r\n", "Host: a\n"), "400"),
        (GET.replace("/ H", "http://b/ H"), "400"),
        (GET.replace("/ H", "/é H"), "400"),
        (chunked(5).replace("chunked", "chunked, chunked"), "400"),
        (chunked(5).replace("chunked", "gzip"), "501"),
        (chunked(5).replace("5\r\nxxxxx", "5\r\nxxxxxx"), "400"),
        (chunked(5).replace("HTTP/1.1", "HTTP/1.0"), "400"),
        (post(5, 5).replace("Content-Length", "Transfer-Encoding: chunked\r\nContent-Length"), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400"),
        ("GET /\r\n".to_owned(), "400"),
        (format!("{}GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{GET}", GET.replace("close", "keep-alive")), "404"),
    ]
}

#[test]
fn every_answer_has_a_request_id_and_every_refusal_the_same_form() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = start(&mut serve(directory.path()));
    for (sent, expected) in requests_and_status() {
        let answer = exchange(&server.listen, &sent);
        let begin = &sent[..sent.len().min(90)];
        assert_eq!(status(&answer), expected, "{begin:?}: {answer}");
        let id = header(&answer, "x-request-id").unwrap_or_else(|| panic!("{begin:?}: {answer}"));
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        if expected != "404" {
            assert_eq!(header(&answer, "content-type"), Some("application/json"), "{answer}");
            assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{answer}");
            assert_eq!(header(&answer, "connection"), Some("close"), "{answer}");
        }
        assert_eq!(answer.matches("HTTP/1.1 ").count(), if sent.contains("evil") { 2 } else { 1 }, "{answer}");
    }
    // The admin API is not open to whoever comes.
    let denied = get(&server.admin, "/v1/realms");
    assert_eq!(status(&denied), "401");
    assert!(header(&denied, "x-request-id").is_some());
    assert!(header(&get(&server.ops, "/"), "x-request-id").is_some());
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.contains(r#""event":"refused","endpoint":"listener","why":"request.too_large","status":413"#), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_connection_is_used_again_and_pipelined_requests_are_answered_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&mut serve(directory.path()));
    let keep = GET.replace("close", "keep-alive");
    let answers = exchange(&server.ops, &format!("{}{keep}{GET}", keep.replace("/ H", "/livez H")));
    let found: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(found, ["200", "404", "404"]);
    let ids: std::collections::BTreeSet<_> = answers.lines().filter(|line| line.starts_with("x-request-id")).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_client_that_is_too_slow_is_given_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&mut serve(directory.path()));
    let began = Instant::now();
    let (silent, head, body) = (connect(&server.listen), connect(&server.listen), connect(&server.listen));
    (&head).write_all(b"GET / HTTP/1.1\r\nHo").expect("sent");
    (&body).write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx").expect("sent");
    assert_eq!((rest_of(&silent), rest_of(&head)), (String::new(), String::new()));
    assert_eq!(status(&rest_of(&body)), "408");
    assert!(began.elapsed() >= Duration::from_secs(9) && began.elapsed() < AMPLE);
}

#[test]
fn a_running_request_is_finished_and_nothing_new_is_taken() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = start(&mut serve(directory.path()));
    let (slow, idle) = (connect(&server.listen), connect(&server.listen));
    (&idle).write_all(GET.replace("close", "keep-alive").as_bytes()).expect("sent");
    (&slow).write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx").expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    // The idle connection is closed after the goodbye, so its end says that nothing new is taken.
    assert_eq!(status(&rest_of(&idle)), "404");
    let ready = get(&server.ops, "/readyz");
    assert_eq!(status(&ready), "503");
    assert!(ready.ends_with(r#"{"ready":false,"reasons":["draining"],"warnings":[]}"#), "{ready}");
    eventually("the public listener is closed", || TcpStream::connect(&server.listen).is_err());
    (&slow).write_all(b"xxxx").expect("sent");
    assert_eq!(status(&rest_of(&slow)), "404");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn patience_ends_after_drain_seconds_or_with_a_second_signal() {
    for (drain, second) in [("0", false), ("1000", true)] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = start(serve(directory.path()).args(["--drain-seconds", drain]));
        let slow = connect(&server.listen);
        (&slow).write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx").expect("sent");
        std::thread::sleep(Duration::from_millis(300));
        server.signal("TERM");
        if second {
            std::thread::sleep(Duration::from_millis(300));
            server.signal("TERM");
        }
        let (code, log) = server.end();
        assert_eq!(code, Some(if second { 1 } else { 0 }), "{log}");
    }
}
