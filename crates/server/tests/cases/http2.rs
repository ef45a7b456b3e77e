//! Rows TE-27 and TE-31: HTTP/2 is spoken over TLS by agreement, and its floods end their own connection only.

use crate::harness::certificate::Certificate;
use crate::harness::tls::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, Stream, trusting};
use crate::harness::{Server, http};
use crate::invariants::resident;
use crate::tls::{tls_server, token_request};
use rustls::ClientConfig;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How much a flood may make the process grow.
const GROWTH: u64 = 24 << 20;

fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let basic = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/acme/token")];
    tls::frame(HEADERS, END_HEADERS, stream, &tls::fields(&[&basic, more].concat()))
}

fn open(server: &Server, config: &Arc<ClientConfig>, settings: &[u8]) -> Stream {
    let mut stream = tls::connect(server.listen, config).expect("a connection");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    stream.write_all(&tls::preface(settings)).expect("written");
    stream
}

/// G5: somebody else is served.
fn assert_served(server: &Server, certificate: &Certificate) {
    let config = trusting(&[&certificate.der], b"http/1.1");
    let mut stream = tls::connect(server.listen, &config).expect("a connection of somebody else");
    let began = Instant::now();
    let answer = tls::exchange(&mut stream, &token_request(), |text| text.contains("access_token")).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

/// Rows: TE-31.
#[test]
fn floods_over_http2_end_their_connection_and_no_other() {
    let certificate = Certificate::fresh();
    let (mut server, _) = tls_server(&certificate);
    let config = trusting(&[&certificate.der], b"h2");
    assert_served(&server, &certificate);
    let before = resident(server.pid());
    let resets = || {
        (0..2000)
            .flat_map(|id| [tls::get(2 * id + 1, "/acme/jwks"), tls::frame(RST_STREAM, 0, 2 * id + 1, &[0, 0, 0, 8])].concat())
    };
    let block = tls::fields(&[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/acme/jwks")]);
    let filler = tls::fields(&[("x-filler", &"x".repeat(100))]);
    let continuations = [tls::frame(HEADERS, END_STREAM, 1, &block), tls::frame(CONTINUATION, 0, 1, &filler).repeat(5000)];
    // One long field goes into the table; each of the many bytes behind it means the whole field again (RFC 7541 §6.1).
    let long = "x".repeat(3800);
    let mut entry = tls::fields(&[("x-bomb", &long)]);
    entry[0] = 0x40;
    let bomb = [&block[..], &entry, &vec![0xBE; 12_000]].concat();
    let floods: [(&str, Vec<u8>); 8] = [
        ("rapid reset", resets().collect()),
        ("continuations", continuations.concat()),
        (
            "empty continuations",
            [tls::frame(HEADERS, END_STREAM, 1, &block), tls::frame(CONTINUATION, 0, 1, &[]).repeat(5000)].concat(),
        ),
        ("settings", tls::frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(1000)),
        ("pings", tls::frame(tls::PING, 0, 0, &[7; 8]).repeat(10_000)),
        ("empty data", [post(1, &[]), tls::frame(DATA, 0, 1, &[]).repeat(10_000)].concat()),
        ("unknown frames", tls::frame(0xBE, 0, 0, &[7; 8]).repeat(10_000)),
        ("header bombs", (0..100).flat_map(|id| tls::frame(HEADERS, END_HEADERS | END_STREAM, 2 * id + 1, &bomb)).collect()),
    ];
    for (what, flood) in floods {
        let mut stream = open(&server, &config, &[]);
        // The server may hang up before it has read everything.
        let _ = stream.write_all(&flood);
        let took = tls::until_gone(&mut stream);
        if what != "header bombs" {
            assert!(took < Duration::from_secs(10), "{what}: it went on for {took:?}");
        }
        assert_served(&server, &certificate);
    }
    let grown = resident(server.pid()).saturating_sub(before);
    assert!(grown < GROWTH, "the process grew by {grown} bytes");
    assert!(server.is_alive());
}

/// Rows: TE-31.
#[test]
fn a_client_that_takes_nothing_or_never_finishes_is_left() {
    let certificate = Certificate::fresh();
    let (server, _) = tls_server(&certificate);
    let config = trusting(&[&certificate.der], b"h2");
    // RFC 9113 §6.5.2: SETTINGS_INITIAL_WINDOW_SIZE of nothing.
    const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];
    let path = "/acme/.well-known/oauth-authorization-server";
    let unread: Vec<u8> = (0..100).flat_map(|id| tls::get(2 * id + 1, path)).collect();
    let half_block = tls::frame(HEADERS, END_STREAM, 1, &tls::fields(&[(":method", "GET")]));
    let half_frame = post(1, &[])[..20].to_vec();
    thread::scope(|scope| {
        let (server, config) = (&server, &config);
        let mut peers = Vec::new();
        for (what, settings, sent, limit) in [
            ("an answer that is not taken", &NO_WINDOW[..], unread, 10),
            ("half a block", &[], half_block, 5),
            ("half a frame", &[], half_frame, 10),
        ] {
            peers.push((
                what,
                limit,
                scope.spawn(move || {
                    let mut stream = open(server, config, settings);
                    stream.write_all(&sent).expect("written");
                    tls::until_gone(&mut stream)
                }),
            ));
        }
        for _ in 0..5 {
            assert_served(server, &certificate);
            thread::sleep(Duration::from_millis(200));
        }
        for (what, limit, peer) in peers {
            let lasted = peer.join().expect("a peer");
            // The time is looked at every two seconds.
            assert!(lasted < Duration::from_secs(limit + 6), "{what} lasted {lasted:?}");
        }
    });
}

/// Rows: TE-26, TE-27, TE-19, TE-30.
#[test]
fn the_rules_of_requests_hold_over_tls_as_on_a_clear_port() {
    let certificate = Certificate::fresh();
    let (server, _) = tls_server(&certificate);
    let config = trusting(&[&certificate.der], b"h2");
    let status = |sent: Vec<u8>| {
        let mut stream = open(&server, &config, &[]);
        stream.write_all(&sent).expect("written");
        while let Some(frame) = tls::next(&mut stream) {
            if frame.stream == 1 && frame.kind == HEADERS {
                return frame.payload.first().copied().unwrap_or_default();
            }
            if frame.stream == 1 && frame.kind == RST_STREAM {
                return 0;
            }
        }
        1
    };
    // RFC 7541 appendix A: 0x88 is 200, 0x8C is 400; 0x48 begins any other status.
    let get = |more: &[(&str, &str)]| {
        let basic = [(":method", "GET"), (":scheme", "https"), (":path", "/acme/jwks")];
        tls::frame(HEADERS, END_HEADERS | END_STREAM, 1, &tls::fields(&[&basic, more].concat()))
    };
    assert_eq!(status(get(&[(":authority", "localhost")])), 0x88);
    assert_eq!(status(get(&[(":authority", "localhost"), ("host", "localhost")])), 0x88);
    assert_eq!(status(get(&[("host", "localhost")])), 0x88);
    assert_eq!(status(get(&[(":authority", "localhost"), ("host", "other")])), 0x8C);
    assert_eq!(status(get(&[(":authority", "localhost"), ("host", "localhost"), ("host", "localhost")])), 0x8C);
    assert_eq!(status(get(&[])), 0x8C);
    let many: Vec<(String, String)> = (0..65).map(|index| (format!("x-{index}"), "a".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(status(get(&[&[(":authority", "localhost")], &many[..]].concat())), 0x48);
    // A body that is announced too long is refused before it comes; connection-specific fields are malformed.
    assert_eq!(status(post(1, &[("content-length", "70000")])), 0x48);
    assert_eq!(status(get(&[(":authority", "localhost"), ("transfer-encoding", "chunked")])), 0);
    // HTTP/1 over TLS meets the same inspection, and its preface of HTTP/2 is refused as on a clear port.
    for request in ["GET /acme/jwks HTTP/1.1\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let config = trusting(&[&certificate.der], b"http/1.1");
        let mut stream = tls::connect(server.listen, &config).expect("a connection");
        let answer = tls::exchange(&mut stream, request.as_bytes(), |_| false).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    // Nothing of HTTP/2 on the clear port of operators either.
    let clear = http::send(server.ops, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http::Until::Closed).expect("an answer");
    assert_eq!(clear.answer.status, Some(400));
}
