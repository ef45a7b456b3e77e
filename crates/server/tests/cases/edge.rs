//! Rows AC-35 and F-14: who asks, how many may, and what becomes of the rest.

use crate::harness::http::{self, Connection, Until};
use crate::harness::{Launch, Server};
use crate::invariants::liveness;
use crate::replay::text;
use crate::tls::token_request;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

fn server_with(arguments: &[&str]) -> Server {
    Server::start_prepared(&text("fixture.toml"), |_| Launch::with(arguments))
}

/// The sources in the event log, in order.
fn sources(server: &Server) -> Vec<String> {
    // A line may take 50 ms until it is written.
    thread::sleep(Duration::from_millis(500));
    let lines = server.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    // Every thread has a buffer of its own; the times tell the order.
    // In the order of their text: requests of one millisecond have no other.
    let mut found: Vec<_> = lines.filter(|line| line["event"] == "permitted").map(|line| text(&line, "source")).collect();
    found.sort();
    found
}

fn jwks(headers: &[&str]) -> Vec<u8> {
    http::get("/acme/jwks", headers)
}

/// Rows: AC-35, MT-01.
#[test]
fn only_a_trusted_proxy_says_who_asks_and_nobody_says_where() {
    const LIES: [&str; 8] = [
        "X-Forwarded-For: 203.0.113.5",
        "Forwarded: for=203.0.113.5;host=evil.example;proto=http",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Prefix: /evil",
        "X-Original-URL: /evil",
        "X-Real-IP: 203.0.113.5",
        "X-SSL-Client-Cert: evil",
    ];
    for (arguments, source) in [(&[][..], "127.0.0.1"), (&["--trusted-proxies", "127.0.0.0/8"], "203.0.113.5")] {
        let server = server_with(arguments);
        let path = "/acme/.well-known/oauth-authorization-server";
        let plain = http::send(server.listen, &http::get(path, &[]), Until::Answered).expect("an answer");
        let spoofed = http::send(server.listen, &http::get(path, &LIES), Until::Answered).expect("an answer");
        assert_eq!((plain.answer.status, &plain.answer.body), (Some(200), &spoofed.answer.body));
        // Neither does Host: whoever it names, the issuer stays.
        let host = b"GET /acme/.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        let elsewhere = http::send(server.listen, host, Until::Answered).expect("an answer");
        assert_eq!(elsewhere.answer.body, plain.answer.body);
        assert_eq!(sources(&server), ["127.0.0.1", "127.0.0.1", source]);
    }
}

/// Rows: AC-35.
#[test]
fn a_peer_that_is_marked_so_begins_with_a_proxy_header() {
    let server = server_with(&["--trusted-proxies", "proxy:127.0.0.1"]);
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".as_slice(), &[192, 0, 2, 9, 127, 0, 0, 1, 1, 1, 2, 2]].concat();
    for header in [b"PROXY TCP4 192.0.2.8 127.0.0.1 40000 443\r\n".to_vec(), v2, b"PROXY UNKNOWN\r\n".to_vec()] {
        let sent = [&header[..], &jwks(&["X-Forwarded-For: 203.0.113.5"])].concat();
        let received = http::send(server.listen, &sent, Until::Answered).expect("an answer");
        assert_eq!(received.answer.status, Some(200));
    }
    assert_eq!(sources(&server), ["127.0.0.1", "192.0.2.8", "192.0.2.9"]);
    // Anything else is closed without a word.
    for sent in [jwks(&[]), b"PROXY TCP4 192.0.2.8\r\n".to_vec(), [b"PROXY ".as_slice(), &[b'x'; 200]].concat()] {
        let received = http::send(server.listen, &sent, Until::Closed).expect("an end");
        assert_eq!((received.answer.status, received.closed), (None, true));
    }
    // A header that does not come is not waited for.
    let began = Instant::now();
    let mut silent = TcpStream::connect(server.listen).expect("a connection");
    silent.write_all(b"PROXY TCP4 ").expect("written");
    silent.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert!(matches!(silent.read(&mut [0; 8]), Ok(0) | Err(_)) && began.elapsed() < Duration::from_secs(10));
    assert_eq!(sources(&server).len(), 3);
}

/// Rows: F-14.
#[test]
fn above_the_bound_a_connection_is_answered_and_closed() {
    let server = server_with(&["--max-connections", "4"]);
    let mut held: Vec<Connection> = (0..4).map(|_| Connection::open(server.listen).expect("a connection")).collect();
    for connection in &mut held {
        assert_eq!(connection.ask(&jwks(&[])).expect("an answer").answer.status, Some(200));
    }
    let received = http::send(server.listen, &token_request(), Until::Closed).expect("an answer");
    assert_eq!((received.answer.status, received.answer.header("retry-after")), (Some(503), Some("1")));
    assert!(received.closed && received.took < Duration::from_secs(1), "{:?}", received.took);
    // Who was there is served, and so is the next one once there is room.
    assert_eq!(held[0].ask(&token_request()).expect("an answer").answer.status, Some(200));
    drop(held);
    thread::sleep(Duration::from_millis(200));
    liveness(&server).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(server.ops_page("/metrics").contains("jeton_shed_total{what=\"connection\"} 1"));
}

/// The time of a process on the cores, in hundredths of a second.
fn busy(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields[11..13].iter().filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Rows: F-14.
#[test]
fn few_descriptors_are_shared_out_and_come_back() {
    let launch = |_: &std::path::Path| Launch { descriptors: Some(256), ..Launch::default() };
    let mut server = Server::start_prepared(&text("fixture.toml"), launch);
    liveness(&server).unwrap_or_else(|fault| panic!("{fault}"));
    let held: Vec<TcpStream> = (0..400).filter_map(|_| TcpStream::connect(server.listen).ok()).collect();
    assert!(held.len() > 300, "the machine gave only {} connections", held.len());
    thread::sleep(Duration::from_millis(500));
    // While they are held: no spinning, and operators and administrators are served.
    let before = busy(server.pid());
    for _ in 0..4 {
        assert!(server.ops_page("/readyz").contains("\"ready\":true"));
        let admin = server.admin.expect("an admin listener");
        let received = http::send(admin, &http::get("/v1/realms", &[]), Until::Answered).expect("an answer");
        assert_eq!(received.answer.status, Some(401));
        thread::sleep(Duration::from_millis(250));
    }
    let used = busy(server.pid()) - before;
    assert!(used < 50, "{used} hundredths of a second of work in one second of waiting");
    drop(held);
    let began = Instant::now();
    while liveness(&server).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not recover");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(server.is_alive());
}
