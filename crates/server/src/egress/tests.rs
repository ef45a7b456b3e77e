//! Tests of the way out: where nothing may go, no socket sees a connection.

use super::*;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A listener that counts who connects, and answers every connection with these bytes.
fn canary(address: &str, answer: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            if let Ok(mut stream) = stream {
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        }
    });
    (port, seen)
}

async fn post(url: &str, ground: Ground) -> Result<StatusCode, EgressError> {
    let url = FetchUrl::parse(url).expect("it has the form");
    Egress::new().post(&url, ground, HeaderMap::new(), Bytes::from_static(b"{}")).await
}

/// Rows: DR-07.
#[tokio::test]
async fn no_special_address_sees_a_connection() {
    let (port, seen) = canary("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (port6, seen6) = canary("::1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fc00::1]",
        "[fe80::1]",
    ] {
        let outcome = post(&format!("https://{host}:{port}/"), Ground::Public).await;
        // Some resolvers know no `localhost.` with a dot.
        let unknown = host == "localhost." && outcome == Err(EgressError::Unknown);
        assert!(unknown || outcome == Err(EgressError::Forbidden), "{host}: {outcome:?}");
    }
    for host in ["[::1]", "[0:0:0:0:0:0:0:1]"] {
        assert_eq!(post(&format!("https://{host}:{port6}/"), Ground::Public).await, Err(EgressError::Forbidden), "{host}");
    }
    assert_eq!(post(&format!("http://127.0.0.1:{port}/"), Ground::Public).await, Err(EgressError::Plain));
    assert_eq!((seen.load(Ordering::SeqCst), seen6.load(Ordering::SeqCst)), (0, 0), "somebody was reached");
    // The canaries do see connections when there are some.
    assert_eq!(post(&format!("http://127.0.0.1:{port}/"), Ground::Loopback).await, Ok(StatusCode::OK));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn loopback_means_loopback() {
    for host in ["10.0.0.1", "169.254.169.254", "8.8.8.8", "0.0.0.0", "[::ffff:10.0.0.1]"] {
        assert_eq!(post(&format!("http://{host}/"), Ground::Loopback).await, Err(EgressError::Forbidden), "{host}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (inner, seen) = canary("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n");
    let (port, _) = canary("127.0.0.1", answer.leak().as_bytes());
    assert_eq!(post(&format!("http://127.0.0.1:{port}/"), Ground::Loopback).await, Ok(StatusCode::FOUND));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_no_http_or_no_tls_is_an_error() {
    let (port, _) = canary("127.0.0.1", b"SSH-2.0-x\r\n");
    assert_eq!(post(&format!("http://127.0.0.1:{port}/"), Ground::Loopback).await, Err(EgressError::Broken));
    assert_eq!(post(&format!("https://127.0.0.1:{port}/"), Ground::Loopback).await, Err(EgressError::Untrusted));
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    assert_eq!(post(&format!("http://{closed}/"), Ground::Loopback).await, Err(EgressError::Unreachable));
}
