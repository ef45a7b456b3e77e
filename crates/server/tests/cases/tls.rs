//! Rows MT-06, F-25, F-27 and F-41: what TLS refuses, how its certificate changes under load, and how its connections end.

use crate::harness::certificate::Certificate;
use crate::harness::tls::{self, trusting};
use crate::harness::{Launch, Server, http};
use crate::replay::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server may take to notice a changed file; it looks every two seconds.
const NOTICE: Duration = Duration::from_secs(20);

/// A server that speaks TLS with this certificate, and where the file is.
pub fn tls_server(certificate: &Certificate) -> (Server, PathBuf) {
    let mut place = PathBuf::new();
    let server = Server::start_prepared(&text("fixture.toml"), |data| {
        place = data.with_file_name("tls.pem");
        std::fs::write(&place, &certificate.pem).expect("the certificate is written");
        Launch::with(&["--tls", &place.to_string_lossy()])
    });
    (server, place)
}

/// A right request for a token.
pub fn token_request() -> Vec<u8> {
    let basic = format!("Authorization: Basic {}", STANDARD.encode("build-7:SECR3T-build-7-main"));
    http::form("/acme/token", &[&basic], "grant_type=client_credentials")
}

fn replace(place: &PathBuf, pem: &str) {
    let beside = place.with_extension("new");
    std::fs::write(&beside, pem).expect("written");
    std::fs::rename(&beside, place).expect("renamed");
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + NOTICE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A ClientHello of this version with this one cipher suite (RFC 5246 §7.4.1.2), and what the server says to it.
fn hello(server: &Server, version: u8, suite: u16) -> Vec<u8> {
    let groups = [0x00, 0x0A, 0, 4, 0, 2, 0, 23];
    let points = [0x00, 0x0B, 0, 2, 1, 0];
    let signatures = [0x00, 0x0D, 0, 6, 0, 4, 4, 3, 4, 1];
    let extensions = [&groups[..], &points, &signatures].concat();
    let random = [7; 32];
    let body = [&[3, version][..], &random, &[0, 0, 2], &suite.to_be_bytes(), &[1, 0, 0, extensions.len() as u8], &extensions];
    let body = body.concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [&[22, 3, 1, 0, message.len() as u8][..], &message].concat();
    let mut stream = TcpStream::connect(server.listen).expect("a connection");
    stream.set_read_timeout(Some(NOTICE)).expect("a timeout");
    stream.write_all(&record).expect("written");
    let mut answer = vec![0; 7];
    let read = stream.read(&mut answer).expect("an answer");
    answer.truncate(read);
    answer
}

/// Rows: MT-06.
#[test]
fn old_versions_weak_suites_and_early_data_are_refused() {
    const TLS_1_0: u8 = 1;
    const TLS_1_1: u8 = 2;
    const TLS_1_2: u8 = 3;
    let certificate = Certificate::fresh();
    let (server, _) = tls_server(&certificate);
    for (what, version, suite) in [
        ("TLS 1.0", TLS_1_0, 0xC009),
        ("TLS 1.0 with a new suite", TLS_1_0, 0xC02B),
        ("TLS 1.1", TLS_1_1, 0xC009),
        ("RSA key exchange", TLS_1_2, 0x009C),
        ("RSA key exchange with CBC", TLS_1_2, 0x002F),
        ("CBC", TLS_1_2, 0xC023),
        ("static ECDH", TLS_1_2, 0xC02D),
        ("no encryption", TLS_1_2, 0xC006),
        ("RC4", TLS_1_2, 0xC007),
        ("triple DES", TLS_1_2, 0xC008),
    ] {
        let answer = hello(&server, version, suite);
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{what}: no fatal alert but {answer:?}");
    }
    // The same hello with a suite that is good is answered with a ServerHello.
    assert_eq!(hello(&server, TLS_1_2, 0xC02B)[0], 22);
    // The second connection resumes the first; early data is not offered even then (RFC 8446 §4.2.10).
    let config = trusting(&[&certificate.der], b"http/1.1");
    for round in 0..2 {
        let mut stream = tls::connect(server.listen, &config).expect("a connection");
        assert!(stream.conn.early_data().is_none() && !stream.conn.is_early_data_accepted());
        let answer = tls::exchange(&mut stream, &token_request(), |text| text.contains("access_token")).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let kind = stream.conn.handshake_kind();
        assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), round == 1, "{kind:?}");
    }
    let plain = http::send(server.listen, &http::get("/acme/jwks", &[]), http::Until::Closed).expect("an answer");
    assert_eq!(plain.answer.status, Some(400), "plain HTTP is told so");
}

/// Rows: MT-06.
#[test]
fn renegotiation_is_refused() {
    let certificate = Certificate::fresh();
    let (server, _) = tls_server(&certificate);
    let client = std::process::Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &server.listen.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut client) = client else {
        assert!(std::env::var("JETON_REQUIRE").is_err(), "there is no openssl");
        return eprintln!("skipped: there is no openssl");
    };
    let mut input = client.stdin.take().expect("stdin is piped");
    // What stands alone on a line is a command of this client.
    thread::sleep(Duration::from_millis(500));
    input.write_all(b"R\n").expect("written");
    thread::sleep(Duration::from_millis(500));
    drop(input);
    let said = crate::harness::said(&client.wait_with_output().expect("it ends"));
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
}

/// Rows: F-41, F-27.
#[test]
fn a_certificate_is_changed_under_load_and_no_handshake_is_dropped() {
    let certificates: Vec<Certificate> = (0..4).map(|_| Certificate::fresh()).collect();
    let (server, place) = tls_server(&certificates[0]);
    let trusted: Vec<&CertificateDer<'static>> = certificates.iter().map(|certificate| &certificate.der).collect();
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let presented = || {
        let stream = tls::connect(server.listen, &trusting(&trusted, b"http/1.1")).expect("a handshake");
        stream.conn.peer_certificates().and_then(|chain| chain.first().cloned()).expect("a certificate")
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        // Each with a memory of its own, so that every handshake is a whole one.
                        let config = trusting(&trusted, b"http/1.1");
                        let mut stream = tls::connect(server.listen, &config).expect("a handshake under load");
                        let answer = tls::exchange(&mut stream, &token_request(), |text| text.contains("access_token"));
                        assert!(answer.expect("an answer").starts_with("HTTP/1.1 200"));
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for certificate in &certificates[1..] {
            // A broken file first: half of the new one.
            replace(&place, &certificate.pem[..certificate.pem.len() / 2]);
            server.signal("HUP");
            wait_until("the warning", || server.ops_page("/readyz").contains("the TLS files cannot be used"));
            replace(&place, &certificate.pem);
            wait_until("the new certificate", || presented() == certificate.der);
            assert!(!server.ops_page("/readyz").contains("the TLS files"));
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().expect("a client"));
    });
    assert!(served.load(Ordering::Relaxed) > 10);
    let metrics = server.ops_page("/metrics");
    let failed = "jeton_tls_loads_total{outcome=\"failed\"} ";
    assert!(metrics.contains(failed) && !metrics.contains(&format!("{failed}0\n")), "{metrics}");
    // The files of two certificates in turn: an expired one is used, and warned about.
    replace(&place, &Certificate::expired().pem);
    server.signal("HUP");
    wait_until("the warning", || server.ops_page("/readyz").contains("the TLS certificate has expired"));
    assert!(tls::connect(server.listen, &trusting(&trusted, b"http/1.1")).is_err(), "a client that looks refuses it");
    wait_until("a line of the log", || server.log().contains("the TLS files cannot be used"));
}

/// Rows: F-25.
#[test]
fn connections_over_tls_end_in_good_order() {
    let certificate = Certificate::fresh();
    let (mut server, _) = tls_server(&certificate);
    let mut one = tls::connect(server.listen, &trusting(&[&certificate.der], b"http/1.1")).expect("a connection");
    let mut two = tls::connect(server.listen, &trusting(&[&certificate.der], b"h2")).expect("a connection");
    let request = token_request();
    let (head, last) = request.split_at(request.len() - 1);
    one.write_all(head).expect("written");
    two.write_all(&[tls::preface(&[]), tls::get(1, "/acme/jwks")].concat()).expect("written");
    assert!(tls::is_ok(&mut two, 1));
    // A request that is under way when the signal comes.
    let block = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/acme/token")];
    two.write_all(&tls::frame(tls::HEADERS, tls::END_HEADERS, 3, &tls::fields(&block))).expect("written");
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    wait_until("the draining", || server.ops_page("/readyz").contains("draining"));
    let answer = tls::exchange(&mut one, last, |_| false).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    two.write_all(&tls::frame(tls::DATA, tls::END_STREAM, 3, b"grant_type=x")).expect("written");
    let mut seen = (false, false);
    while let Some(frame) = tls::next(&mut two) {
        if frame.kind == tls::PING && frame.flags == 0 {
            two.write_all(&tls::frame(tls::PING, 1, 0, &frame.payload)).expect("written");
        }
        seen = (seen.0 || frame.kind == tls::GOAWAY, seen.1 || (frame.kind == tls::HEADERS && frame.stream == 3));
    }
    assert_eq!(seen, (true, true), "GOAWAY, and the answer to what was under way");
    assert_eq!(server.end(NOTICE), Some(0), "{}", server.log());
}
