//! Tests of the framing: what passes the border of the connection, and what ends it.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const BAD: &str = "GET /evil HTTP/1.1\nHost: a\r\n\r\n";

fn framed() -> (DuplexStream, Framed<DuplexStream>, Arc<Exchanges>) {
    let (client, server) = duplex(1 << 20);
    let exchanges = Arc::new(Exchanges::default());
    (client, Framed::new(server, Arc::clone(&exchanges)), exchanges)
}

/// What hyper would read until the end or the first pause of a second.
async fn read(stream: &mut Framed<DuplexStream>, buffer: usize) -> (String, Option<ErrorKind>) {
    let mut all = Vec::new();
    let mut part = vec![0; buffer];
    loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut part)).await {
            Err(_) | Ok(Ok(0)) => return (String::from_utf8(all).expect("text"), None),
            Ok(Ok(count)) => all.extend_from_slice(&part[..count]),
            Ok(Err(error)) => return (String::from_utf8(all).expect("text"), Some(error.kind())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn good_requests_pass_unchanged_however_they_are_cut() {
    let all = format!("{GET}{POST}\r\n{CHUNKED}{POST}{GET}");
    for cut in [1, 2, 3, 7, 40, all.len()] {
        for buffer in [1, 16, 8192] {
            let (mut client, mut stream, exchanges) = framed();
            let pieces = all.clone();
            let writer = tokio::spawn(async move {
                for piece in pieces.as_bytes().chunks(cut) {
                    client.write_all(piece).await.expect("written");
                    tokio::task::yield_now().await;
                }
            });
            assert_eq!(read(&mut stream, buffer).await, (all.clone(), None), "cut {cut}, buffer {buffer}");
            assert_eq!((stream.heads, exchanges.refused.get()), (5, None));
            writer.await.expect("ended");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_head_is_replaced_and_nothing_behind_it_is_read() {
    for cut in [1, 5, 1000] {
        let (mut client, mut stream, exchanges) = framed();
        for piece in format!("{GET}{POST}{BAD}{GET}").as_bytes().chunks(cut) {
            client.write_all(piece).await.expect("written");
        }
        let substitute = std::str::from_utf8(SUBSTITUTE).expect("text");
        assert_eq!(read(&mut stream, 8192).await.0, format!("{GET}{POST}{substitute}"), "cut {cut}");
        assert_eq!((exchanges.begin(), exchanges.begin()), (None, None));
        assert_eq!(exchanges.begin().map(|violation| violation.status), Some(400));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_hidden_in_a_body_is_a_body() {
    let (mut client, mut stream, _) = framed();
    let hidden = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{BAD}", BAD.len());
    client.write_all(hidden.as_bytes()).await.expect("written");
    assert_eq!(read(&mut stream, 8192).await, (hidden, None));
    assert_eq!(stream.heads, 1);
}

#[tokio::test(start_paused = true)]
async fn broken_chunks_end_the_body_with_an_error() {
    let (mut client, mut stream, exchanges) = framed();
    client.write_all(CHUNKED.replace("5\r\nhello\r\n0", "5\r\nhello!\r\n0").as_bytes()).await.expect("written");
    let (_, error) = read(&mut stream, 8192).await;
    assert_eq!(error, Some(ErrorKind::InvalidData));
    assert_eq!((exchanges.begin().map(|v| v.status), exchanges.broken().status), (Some(400), 400));
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_slowly_is_given_up() {
    let half_head = &GET[..20];
    let half_body = &POST[..POST.len() - 2];
    let two = format!("{GET}{half_head}");
    for (sent, answered, seconds) in [("", 0, 5), (half_head, 0, 5), (half_body, 0, 10), (GET, 1, 60), (&two, 1, 5)] {
        let (mut client, mut stream, exchanges) = framed();
        client.write_all(sent.as_bytes()).await.expect("written");
        for _ in 0..answered {
            exchanges.end();
        }
        let began = Instant::now();
        let mut all = Vec::new();
        let error = stream.read_to_end(&mut all).await.expect_err("it is given up");
        assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, seconds), "{sent:?}");
    }
    // A client that waits for its answer is not idle.
    let (mut client, mut stream, _) = framed();
    client.write_all(GET.as_bytes()).await.expect("written");
    let patient = tokio::time::timeout(Duration::from_secs(600), async { stream.read_to_end(&mut Vec::new()).await }).await;
    assert!(patient.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_byte_by_byte_gains_no_time() {
    let (mut client, mut stream, _) = framed();
    let dripping = tokio::spawn(async move {
        for byte in GET.as_bytes() {
            if client.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let began = Instant::now();
    assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
    assert!((5..=6).contains(&began.elapsed().as_secs()));
    dripping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up() {
    let (_client, server) = duplex(16);
    let mut stream = Framed::new(server, Arc::new(Exchanges::default()));
    let began = Instant::now();
    let error = stream.write_all(&[b'x'; 64]).await.expect_err("it is given up");
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, 10));
}
