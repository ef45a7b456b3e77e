//! HTTP/2 with the limits of HTTP/1: the same heads, bodies and times, and a meter for what only HTTP/2 has.
//!
//! It is spoken over TLS alone, by agreement (RFC 9113 §3.2). `h2` bounds streams, windows, header lists and continuations; the
//! meter bounds frames that ask for nothing and the time of what `h2` waits for without an end.

mod meter;

use crate::framing::{HOST, MOST_BYTES, MOST_FIELDS, MOST_TARGET, is_host, may_stand_in_target};
use crate::refuse::Violation;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Uri, header};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
pub use meter::{Frames, Metered, Urge};
use std::time::Duration;

/// Most requests of one connection at the same time; RFC 9113 §6.5.2 recommends no fewer.
const MOST_STREAMS: u32 = 100;
/// What a client may send of one body, and of all bodies of a connection, before somebody reads it.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// What is kept of answers that the client does not take.
const SEND_BUFFER: usize = 64 << 10;
/// Most streams that are reset before they were looked at (CVE-2023-44487), and most that we reset for the client's errors.
const MOST_EARLY_RESETS: usize = 20;
const MOST_OWN_RESETS: usize = 64;
/// While requests run, a client that is silent for the first is asked, and has the second to answer.
const SILENCE: Duration = Duration::from_secs(20);
const PONG_TIME: Duration = Duration::from_secs(10);

/// A builder of connections with all limits.
pub fn builder(executor: TokioExecutor) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MOST_EARLY_RESETS)
        .max_local_error_reset_streams(MOST_OWN_RESETS)
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(PONG_TIME);
    builder
}

/// Holds a request to the rules of heads, and gives it the form that it would have over HTTP/1.
pub fn conform<B>(request: &mut Request<B>) -> Result<(), Violation> {
    const TARGET: Violation = Violation::malformed("The request's target has a character that must be percent-encoded.");
    if request.headers().len() > MOST_FIELDS {
        return Err(Violation::too_long(431, "The request's header is too large."));
    }
    if *request.method() == Method::CONNECT {
        return Err(Violation::malformed("The request line is malformed."));
    }
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if target.as_str().len() > MOST_TARGET {
        return Err(Violation::too_long(414, "The request's target is too long."));
    }
    if !target.as_str().bytes().all(may_stand_in_target) {
        return Err(TARGET);
    }
    // RFC 9113 §8.3.1: Host, if it is there, must say the same as :authority.
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (named, second) = (hosts.next().map(HeaderValue::as_bytes), hosts.next());
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or(named).filter(|host| second.is_none() && is_host(host)).ok_or(HOST)?;
    if named.is_some_and(|named| !named.eq_ignore_ascii_case(host)) {
        return Err(HOST);
    }
    let host = HeaderValue::from_bytes(host).map_err(|_| HOST)?;
    request.headers_mut().insert(header::HOST, host);
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host_and_a_plain_target() {
        let long = format!("https://a/{}", "x".repeat(MOST_TARGET));
        for (uri, hosts, expected) in [
            ("https://a.example/x?y=1", &[][..], Ok("a.example")),
            ("https://a.example:8443/x?y=1", &["A.example:8443"], Ok("a.example:8443")),
            ("/x?y=1", &["b"], Ok("b")),
            ("https://a.example/x", &["b.example"], Err(400)),
            ("https://a.example/x", &["a.example", "a.example"], Err(400)),
            ("https://user@a.example/x", &[], Err(400)),
            ("/x", &[], Err(400)),
            ("/x", &["a b"], Err(400)),
            ("https://a/\u{e9}", &[], Err(400)),
            (&long, &[], Err(414)),
        ] {
            let mut request = Request::new(());
            let Ok(parsed) = uri.parse() else { continue };
            *request.uri_mut() = parsed;
            for host in hosts {
                request.headers_mut().append(header::HOST, host.parse().expect("a value"));
            }
            let outcome = conform(&mut request).map_err(|violation| violation.status);
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            assert_eq!(outcome.map(|()| host), expected, "{uri} {hosts:?}");
            if outcome.is_ok() {
                assert_eq!(*request.uri(), "/x?y=1");
            }
        }
        let mut many = Request::new(());
        for index in 0..=MOST_FIELDS {
            let name: http::HeaderName = format!("x-{index}").parse().expect("a name");
            many.headers_mut().append(name, HeaderValue::from_static("a"));
        }
        assert_eq!(conform(&mut many).map_err(|violation| violation.status), Err(431));
    }
}
