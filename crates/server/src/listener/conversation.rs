//! A conversation is one connection from its first byte to its last: who is there, in which language, and how it ends.

use super::answering::{Carrier, respond};
use super::proxy_protocol;
use super::{Door, Face, Stage, Standing};
use crate::framing::{Exchanges, Framed, HEAD_TIME};
use crate::http2::{self, Frames, Metered, Urge};
use crate::metrics::{Greeting, Shed};
use crate::node::Node;
use crate::refuse::Violation;
use crate::tls::Tls;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Most bytes that are read ahead; more than the largest head.
const READ_AT_ONCE: usize = 64 << 10;
/// How long somebody who is turned away may take to ask and to read the answer.
const FAREWELL: Duration = Duration::from_secs(2);
/// The first byte of a TLS connection (RFC 8446 §5.1: a record of the type handshake).
const TLS_HANDSHAKE: u8 = 22;

/// A connection and what is known about it.
pub struct Visit {
    /// What all share.
    pub node: Arc<Node>,
    /// What is shown to it.
    pub face: Face,
    /// Who is there.
    pub peer: IpAddr,
    /// Whether there was room for it.
    pub standing: Standing,
    /// How far the server is on its way down; as long as one is held, it is not drained.
    pub stop: watch::Receiver<Stage>,
}

impl Visit {
    /// Serves a connection of the network.
    pub async fn receive(mut self, mut stream: TcpStream, door: &Door) {
        if door.proxies.announces(self.peer) {
            match timeout(HEAD_TIME, proxy_protocol::read(&mut stream)).await {
                Ok(Ok(source)) => self.peer = source.unwrap_or(self.peer),
                Ok(Err(error)) => return tracing::debug!(%error, peer = %self.peer, "a proxy was not understood"),
                Err(_) => return,
            }
        }
        match &door.tls {
            Some(tls) => self.receive_tls(stream, tls).await,
            None => self.converse(stream).await,
        }
    }

    async fn receive_tls(self, mut stream: TcpStream, tls: &Tls) {
        const PLAIN: Violation = Violation::malformed("This port speaks TLS: use https.");
        let metrics = self.node.metrics.clone();
        let greeted = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first != [TLS_HANDSHAKE] {
                return Ok(None);
            }
            TlsAcceptor::from(Arc::clone(&tls.config)).accept(&mut stream).await.map(Some)
        };
        // The time covers the whole handshake, whatever the client does meanwhile.
        let greeted = timeout(HEAD_TIME, greeted).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        metrics.greeted(if matches!(greeted, Ok(Some(_))) { Greeting::Completed } else { Greeting::Failed });
        match greeted {
            Ok(Some(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => self.converse_in_frames(stream).await,
            Ok(Some(stream)) => self.converse(stream).await,
            Ok(None) => {
                let _ = timeout(FAREWELL, say(stream, PLAIN)).await;
            }
            Err(error) => tracing::debug!(%error, peer = %self.peer, "a TLS handshake failed"),
        }
    }

    /// HTTP/1.1.
    pub async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let exchanges = Arc::new(Exchanges::default());
        let framed = Framed::new(stream, Arc::clone(&exchanges));
        let service = service_fn(|request| {
            let (visit, exchanges) = (&self, &exchanges);
            async move {
                let mut response = match visit.standing {
                    Standing::Served => respond(visit, Carrier::One(exchanges), request).await,
                    Standing::TurnedAway => visit.turn_away(),
                };
                // RFC 9112 §9.6: whoever is told so before the end sends no request into it.
                if *visit.stop.borrow() != Stage::Open {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                exchanges.end();
                Ok::<_, Infallible>(response.map(Full::new))
            }
        });
        let connection =
            http1::Builder::new().half_close(true).max_buf_size(READ_AT_ONCE).serve_connection(TokioIo::new(framed), service);
        let ended = until_stopped(connection, (&self, Stage::Closed), |connection| connection.graceful_shutdown(), None);
        self.farewell(ended).await;
    }

    /// HTTP/2.
    async fn converse_in_frames(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let frames = Arc::new(Frames::new());
        let metered = Metered::new(stream, Arc::clone(&frames));
        let visit = Arc::new(self);
        let of = Arc::clone(&visit);
        let service = service_fn(move |request| {
            let visit = Arc::clone(&of);
            async move {
                let mut response = match visit.standing {
                    Standing::Served => respond(&visit, Carrier::Two, request).await,
                    Standing::TurnedAway => visit.turn_away(),
                };
                // RFC 9113 §8.2.2: no connection-specific fields.
                response.headers_mut().remove(header::CONNECTION);
                Ok::<_, Infallible>(response.map(Full::new))
            }
        });
        let connection = http2::builder(TokioExecutor::new()).serve_connection(TokioIo::new(metered), service);
        // RFC 9113 §6.8: GOAWAY is said at once, since what is asked meanwhile is still answered.
        let ended =
            until_stopped(connection, (&visit, Stage::Leaving), |connection| connection.graceful_shutdown(), Some(&frames));
        visit.farewell(ended).await;
    }

    fn turn_away(&self) -> Response<Bytes> {
        self.node.metrics.shed(Shed::Connection);
        let mut response = Violation::BUSY.answer();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Waits for the end; who was turned away has less time for it.
    async fn farewell(&self, ended: impl Future<Output = Option<hyper::Error>>) {
        let ended = match self.standing {
            Standing::Served => ended.await,
            Standing::TurnedAway => timeout(FAREWELL, ended).await.unwrap_or_default(),
        };
        if let Some(error) = ended {
            tracing::debug!(%error, peer = %self.peer, "a connection ended early");
        }
    }
}

/// Follows a connection to its end, and tells it to come to one when the server is at this stage or its frames say so.
async fn until_stopped<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    (visit, stage): (&Visit, Stage),
    leave: impl Fn(Pin<&mut C>),
    frames: Option<&Arc<Frames>>,
) -> Option<hyper::Error> {
    let mut connection = pin!(connection);
    let mut stop = visit.stop.clone();
    let mut stopped = pin!(async move {
        let _ = stop.wait_for(|reached| *reached >= stage).await;
    });
    let mut urged = pin!(async {
        match frames {
            Some(frames) => frames.urge().await,
            None => std::future::pending().await,
        }
    });
    let (mut leaving, mut is_urged) = (false, false);
    loop {
        tokio::select! {
            biased;
            done = connection.as_mut() => return done.err(),
            () = stopped.as_mut(), if !leaving => leaving = true,
            urge = urged.as_mut(), if !is_urged => match urge {
                Urge::Rest => (leaving, is_urged) = (true, true),
                Urge::Abuse(why) => {
                    tracing::debug!(why, peer = %visit.peer, "a connection was closed");
                    return None;
                }
            },
        }
        if leaving {
            leave(connection.as_mut());
        }
        if is_urged {
            return timeout(FAREWELL, connection).await.ok().and_then(Result::err);
        }
    }
}

/// Says one thing to somebody who was not understood, and lets them read it.
async fn say(mut stream: TcpStream, violation: Violation) -> std::io::Result<()> {
    let answer = violation.answer();
    let status = answer.status();
    let mut text = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in answer.headers() {
        text.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend_from_slice(format!("content-length: {}\r\n\r\n", answer.body().len()).as_bytes());
    text.extend_from_slice(answer.body());
    stream.write_all(&text).await?;
    stream.shutdown().await?;
    let mut rest = (&mut stream).take(READ_AT_ONCE as u64);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}
