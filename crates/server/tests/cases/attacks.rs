//! Attacks that need a loop, a clock or many connections: brute force, floods, slow peers, and one request a thousand times.
//!
//! Each of them is bounded, and a legitimate client is served all the while.

use crate::harness::Server;
use crate::harness::http::{self, Connection, Until};
use crate::invariants::{Before, liveness, resident};
use crate::replay::{audit_trail, warm_server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The fixture of all attacks.
const FIXTURE: &str = "fixture.toml";

fn basic(id: &str, secret: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn token_request(id: &str, secret: &str, more: &str) -> Vec<u8> {
    http::form("/acme/token", &[&basic(id, secret)], &format!("grant_type=client_credentials{more}"))
}

/// G1 to G5 after an attack.
fn assert_unharmed(before: &Before, server: &mut Server) {
    let faults = before.compare(server, &[]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A connection from another address of the loopback network, perhaps with little room for what comes back.
fn connect_from(source: Ipv4Addr, to: SocketAddr, room: Option<u32>) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        if let Some(room) = room {
            socket.set_recv_buffer_size(room).expect("a size");
        }
        socket.bind((source, 0).into()).expect("the loopback network has this address");
        let stream = socket.connect(to).await.expect("the server accepts").into_std().expect("a plain stream");
        stream.set_nonblocking(false).expect("it can block");
        stream
    })
}

/// What guesses came to: the status of each, and what those that were told to wait read beside it.
#[derive(Default)]
struct Guesses {
    statuses: Vec<u16>,
    waits: BTreeSet<String>,
}

/// Guesses from several addresses while the right client asks from another; returns the guesses and the waits of the right one.
fn siege(server: &Server, sources: &[Ipv4Addr], right: Ipv4Addr) -> (Guesses, Vec<Duration>) {
    let over = AtomicBool::new(false);
    let guesses = AtomicUsize::new(0);
    thread::scope(|scope| {
        let attackers: Vec<_> = [0, 1]
            .map(|half| {
                let (over, guesses) = (&over, &guesses);
                scope.spawn(move || {
                    let mut seen = Guesses::default();
                    for source in sources.iter().skip(half).step_by(2).cycle() {
                        let mut connection = Connection::over(connect_from(*source, server.listen, None));
                        for _ in 0..40 {
                            if over.load(Ordering::Relaxed) {
                                return seen;
                            }
                            let guess = guesses.fetch_add(1, Ordering::Relaxed);
                            let Ok(received) = connection.ask(&token_request("build-7", &format!("SECR3T-guess-{guess}"), ""))
                            else {
                                break;
                            };
                            seen.statuses.extend(received.answer.status);
                            if received.answer.status == Some(429) {
                                seen.waits.insert(received.answer.header("retry-after").unwrap_or_default().to_owned());
                            }
                        }
                    }
                    seen
                })
            })
            .into();
        let mut waits = Vec::new();
        let mut connection = Connection::over(connect_from(right, server.listen, None));
        for _ in 0..100 {
            let received =
                connection.ask(&token_request("build-7", "SECR3T-build-7-main", "")).expect("the right client is answered");
            assert_eq!(received.answer.status, Some(200), "the right secret must win:\n{}", received.answer.readable());
            waits.push(received.took);
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        let mut all = Guesses::default();
        for attacker in attackers {
            let seen = attacker.join().expect("an attacker");
            all.statuses.extend(seen.statuses);
            all.waits.extend(seen.waits);
        }
        (all, waits)
    })
}

/// Each source has thirty failures and another one every two seconds; beyond them it is told to wait. Nobody else waits.
fn assert_siege_held(guesses: &Guesses, sources: usize, lasted: Duration, mut waits: Vec<Duration>) {
    let statuses = &guesses.statuses;
    assert!(statuses.len() > 100, "the attack came to only {} guesses", statuses.len());
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(of(401) + of(429), statuses.len(), "{statuses:?}");
    let most = sources * (31 + usize::try_from(lasted.as_secs()).expect("short") / 2);
    assert!(of(401) <= most && of(429) > 0, "{} times 401, at most {most}; {} times 429", of(401), of(429));
    assert!(guesses.waits.iter().all(|wait| matches!(wait.as_str(), "1" | "2")), "{:?}", guesses.waits);
    waits.sort();
    let slow = waits[waits.len() * 99 / 100];
    assert!(slow < Duration::from_millis(500), "the right client waited {slow:?}");
}

#[test]
fn ca_22_guessing_does_not_lock_the_right_client_out() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let begun = Instant::now();
    let (guesses, waits) = siege(&server, &[Ipv4Addr::new(127, 0, 0, 2)], Ipv4Addr::new(127, 0, 0, 3));
    assert_siege_held(&guesses, 1, begun.elapsed(), waits);
    assert_unharmed(&before, &mut server);
}

#[test]
fn ca_23_guessing_from_two_hundred_addresses_and_from_the_same_one() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let sources: Vec<Ipv4Addr> = (0..200).map(|index| Ipv4Addr::new(127, 0, 7, index + 1)).collect();
    let begun = Instant::now();
    // The right client shares an address with one of the attackers.
    let (guesses, waits) = siege(&server, &sources, sources[0]);
    assert_siege_held(&guesses, sources.len(), begun.elapsed(), waits);
    assert_unharmed(&before, &mut server);
}

/// Rows: CA-19, CA-22.
#[test]
fn who_guesses_too_often_does_not_learn_which_clients_exist() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let held = |id: &str, source: u8| {
        let mut connection = Connection::over(connect_from(Ipv4Addr::new(127, 0, 9, source), server.listen, None));
        for guess in 0..200 {
            let received = connection.ask(&token_request(id, &format!("SECR3T-guess-{guess}"), "")).expect("an answer");
            if received.answer.status == Some(429) {
                let told_apart = ["date", "x-request-id", "retry-after", "ratelimit"];
                let mut answer = received.answer.clone();
                answer.headers.retain(|(name, _)| !told_apart.contains(&name.as_str()));
                return (guess, answer.headers, received.answer.body);
            }
        }
        panic!("{id} may be guessed at for ever")
    };
    let (known, unknown) = (held("build-7", 1), held("nobody", 2));
    assert!((30..60).contains(&known.0) && (30..60).contains(&unknown.0), "{} and {}", known.0, unknown.0);
    assert_eq!((known.1, String::from_utf8_lossy(&known.2)), (unknown.1, String::from_utf8_lossy(&unknown.2)));
    assert_unharmed(&before, &mut server);
}

#[test]
fn te_15_a_scope_as_long_as_a_body_may_be_is_refused_at_once() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let words = |count: usize| (0..count).map(|index| format!("s{index:04x}")).collect::<Vec<_>>().join("+");
    let mut connection = Connection::open(server.listen).expect("a connection");
    let mut median = |body: &str| {
        let mut waits: Vec<Duration> = (0..9)
            .map(|_| {
                let received = connection
                    .ask(&token_request("build-7", "SECR3T-build-7-main", &format!("&scope={body}")))
                    .expect("an answer");
                assert_eq!(received.answer.status, Some(400), "{}", received.answer.readable());
                assert!(String::from_utf8_lossy(&received.answer.body).contains("\"invalid_scope\""));
                received.took
            })
            .collect();
        waits.sort();
        waits[4]
    };
    let quarter = median(&words(2700));
    for (what, body) in [
        ("10,900 words", words(10_900)),
        ("32,000 letters", vec!["a"; 32_000].join("+")),
        ("one long word", "a".repeat(65_000)),
        ("only spaces", "+".repeat(65_000)),
    ] {
        let took = median(&body);
        assert!(took < Duration::from_millis(100), "{what}: {took:?}");
        // Four times as long a scope may not take more than linear time, with room for noise.
        assert!(took < quarter * 12 + Duration::from_millis(5), "{what}: {took:?}, a quarter of it {quarter:?}");
    }
    // What would be a hundred thousand words does not fit into a body.
    let received = http::send(
        server.listen,
        &token_request("build-7", "SECR3T-build-7-main", &format!("&scope={}", vec!["a"; 100_000].join("+"))),
        Until::Closed,
    );
    assert_eq!(received.expect("an answer").answer.status, Some(413));
    drop(connection);
    assert_unharmed(&before, &mut server);
}

/// Writes one byte each 200 ms until the server has had enough; returns when that was.
fn drip(server: &Server, head: &str) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.listen).expect("a connection");
    let _ = stream.write_all(head.as_bytes());
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    for _ in 0..100 {
        if stream.write_all(b"a").is_err() {
            break;
        }
        match std::io::Read::read(&mut stream, &mut [0; 4096]) {
            Ok(0) => break,
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => break,
            _ => {}
        }
    }
    started.elapsed()
}

/// Asks until the server can write no more, then reads one byte each 100 ms; returns how long it was borne with from then on.
fn sip(server: &Server) -> Duration {
    let mut stream = connect_from(Ipv4Addr::LOCALHOST, server.listen, Some(4096));
    stream.set_write_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    let many = http::get("/acme/.well-known/oauth-authorization-server", &[]).repeat(1000);
    let full = (0..400).any(|_| stream.write_all(&many).is_err());
    assert!(full, "the server swallowed everything");
    let started = Instant::now();
    stream.set_write_timeout(Some(Duration::from_millis(1))).expect("a timeout");
    for _ in 0..150 {
        match stream.write_all(b"G") {
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => break,
            _ => {}
        }
        let _ = std::io::Read::read(&mut stream, &mut [0; 1]);
        thread::sleep(Duration::from_millis(100));
    }
    started.elapsed()
}

#[test]
fn te_29_slow_peers_are_cut_off_while_others_are_served() {
    const EACH: usize = 40;
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let head = "POST /acme/token HTTP/1.1\r\nHost: h\r\nX-Slow: ";
    let body = "POST /acme/token HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n";
    thread::scope(|scope| {
        let server = &server;
        let mut peers = Vec::new();
        for _ in 0..EACH {
            peers.push(("header", 5, scope.spawn(move || drip(server, head))));
            peers.push(("body", 10, scope.spawn(move || drip(server, body))));
        }
        peers.push(("reader", 10, scope.spawn(move || sip(server))));
        for _ in 0..10 {
            liveness(server).unwrap_or_else(|fault| panic!("beside slow peers: {fault}"));
            thread::sleep(Duration::from_millis(200));
        }
        for (what, limit, peer) in peers {
            let lasted = peer.join().expect("a peer");
            assert!(lasted < Duration::from_secs(limit) + Duration::from_millis(2500), "a slow {what} lasted {lasted:?}");
        }
    });
    assert_unharmed(&before, &mut server);
}

#[test]
fn te_34_a_client_that_hangs_up_at_once_leaves_nothing_behind() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let audit = audit_trail(&server);
    let request = token_request("build-7", "SECR3T-build-7-main", "");
    for cut in (0..300).map(|index| if index % 2 == 0 { request.len() } else { request.len() * index / 300 }) {
        let mut stream = TcpStream::connect(server.listen).expect("a connection");
        let _ = stream.write_all(&request[..cut]);
    }
    assert_unharmed(&before, &mut server);
    assert_eq!(audit_trail(&server), audit);
}

#[test]
fn te_35_a_thousand_requests_at_once_give_a_thousand_tokens() {
    const CLIENTS: usize = 40;
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let request = token_request("build-7", "SECR3T-build-7-main", "");
    let tokens: Vec<String> = thread::scope(|scope| {
        let asks = || {
            let mut connection = Connection::open(server.listen).expect("a connection");
            (0..1000 / CLIENTS)
                .map(|_| {
                    let received = connection.ask(&request).expect("an answer");
                    let body: serde_json::Value = serde_json::from_slice(&received.answer.body).expect("JSON");
                    body["access_token"].as_str().expect("a token").to_owned()
                })
                .collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(asks)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let ids: BTreeSet<String> = tokens
        .iter()
        .map(|token| {
            let claims = jeton_jose::b64::decode(token.split('.').nth(1).expect("claims").as_bytes()).expect("base64url");
            let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
            claims["jti"].as_str().expect("a jti").to_owned()
        })
        .collect();
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(ids.len(), 1000);
    assert_unharmed(&before, &mut server);
}

#[test]
fn te_37_a_changed_opaque_token_is_no_token() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let secret = "SECR3T-till";
    let body = format!("client_id=till&client_secret={secret}&scope=banking/read&grant_type=client_credentials");
    let received = connection.ask(&http::form("/bank/oidc/token", &[&basic("till", secret)], &body)).expect("an answer");
    let answer: serde_json::Value = serde_json::from_slice(&received.answer.body).expect("JSON");
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("no token:\n{}", received.answer.readable())).to_owned();
    let mut status = |token: &str| {
        let received = connection.ask(&http::get("/bank/data", &[&format!("Authorization: Bearer {token}")])).expect("an answer");
        received.answer.status.unwrap_or_default()
    };
    assert_eq!(status(&token), 200, "the token itself is good");
    let mut changed: Vec<String> = (0..token.len()).map(|length| token[..length].to_owned()).collect();
    for index in 0..token.len() {
        let (before, rest) = token.split_at(index);
        let (letter, after) = rest.split_at(1);
        let byte = letter.as_bytes()[0];
        let flipped = if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        for other in [flipped, if byte == b'A' { b'B' } else { b'A' }, byte ^ 1] {
            if other != byte && other.is_ascii_graphic() {
                changed.push(format!("{before}{}{after}", char::from(other)));
            }
        }
        changed.push(format!("{before}{after}"));
    }
    changed.extend(["A", "AA", "AAAA", "=", "==", ".", "%00"].map(|more| format!("{token}{more}")));
    changed.retain(|other| *other != token);
    for other in changed {
        assert_eq!(status(&other), 401, "{other:?}");
    }
    drop(connection);
    assert_unharmed(&before, &mut server);
}

/// Rows: CA-19.
#[test]
fn an_unknown_client_takes_as_long_as_a_wrong_secret() {
    const ROUNDS: usize = 200;
    let server = warm_server(FIXTURE);
    let mut connection = Connection::open(server.listen).expect("a connection");
    let mut waits = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (waits, id) in waits.iter_mut().zip(["build-7", "nobody"]) {
            let received = connection.ask(&token_request(id, "SECR3T-wrong", "")).expect("an answer");
            assert!(matches!(received.answer.status, Some(401 | 429)));
            waits.push(received.took);
        }
    }
    let [known, unknown] = waits.map(|mut waits| {
        waits.sort();
        waits[ROUNDS / 2]
    });
    let apart = known.max(unknown) - known.min(unknown);
    assert!(apart < Duration::from_millis(2), "a known client takes {known:?}, an unknown one {unknown:?}");
}

/// Rows: TE-19.
#[test]
fn many_large_bodies_do_not_stay_in_memory() {
    let mut server = warm_server(FIXTURE);
    let before = Before::of(&server);
    let start = resident(server.pid());
    let body = format!("grant_type=client_credentials&x={}", "a".repeat(60_000));
    for _ in 0..200 {
        let received = http::send(server.listen, &http::form("/acme/token", &[], &body), Until::Answered).expect("an answer");
        assert_eq!(received.answer.status, Some(401));
    }
    let grown = resident(server.pid()).saturating_sub(start);
    assert!(grown < 8 * 1024 * 1024, "the process grew by {grown} bytes");
    assert_unharmed(&before, &mut server);
}
