//! A listener accepts connections up to a bound, and answers every request of theirs within limits of size and time.

use crate::admin::{self, Caller};
use crate::framing::{Exchanges, Framed};
use crate::node::Node;
use crate::ops;
use crate::refuse::Violation;
use crate::request::{Answer, Asked, Asking, Moment, answer, fault_event};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use jeton_core::event::{Event, Outcome};
use jeton_core::refusal::Why;
use jeton_core::world::World;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Which of the node's faces a listener shows.
#[derive(Clone, Copy, Debug)]
pub enum Face {
    /// Token requests and everything else that clients ask.
    Public,
    /// The admin API.
    Admin(Caller),
    /// Health and metrics.
    Ops,
}

impl Face {
    /// Most bytes of a request's body.
    const fn body_limit(self) -> usize {
        match self {
            Self::Public | Self::Ops => 64 << 10,
            // Who comes over the network has shown no token yet when the body is read.
            Self::Admin(Caller::Network) => 1 << 20,
            Self::Admin(Caller::Local { .. }) => 16 << 20,
        }
    }
}

/// Most bytes that are read ahead; more than the largest head.
const READ_AT_ONCE: usize = 64 << 10;
/// Connections of the listeners that are not public.
const INNER_CONNECTIONS: usize = 64;
/// How long to wait after the system had no room for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// What every accept loop shares.
#[derive(Clone)]
pub struct Listening {
    node: Arc<Node>,
    graceful: Arc<GracefulShutdown>,
    stop: watch::Receiver<bool>,
}

impl Listening {
    /// Loops that end when `stop` turns true, whose connections end with `graceful`.
    pub fn new(node: Arc<Node>, graceful: Arc<GracefulShutdown>, stop: watch::Receiver<bool>) -> Self {
        Self { node, graceful, stop }
    }

    /// Accepts on a TCP socket.
    pub async fn tcp(mut self, listener: TcpListener, face: Face, most: Option<usize>) {
        let permits = Arc::new(Semaphore::new(most.unwrap_or(INNER_CONNECTIONS)));
        loop {
            let Some(permit) = self.room(&permits).await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stop.changed() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Without it, an answer may wait for the acknowledgement of an earlier one.
                    let _ = stream.set_nodelay(true);
                    self.spawn(stream, face, permit);
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    /// Accepts on the admin socket.
    pub async fn unix(mut self, listener: UnixListener) {
        let permits = Arc::new(Semaphore::new(INNER_CONNECTIONS));
        loop {
            let Some(permit) = self.room(&permits).await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stop.changed() => return,
            };
            match accepted.and_then(|(stream, _)| stream.peer_cred().map(|peer| (stream, peer.uid()))) {
                Ok((stream, uid)) => self.spawn(stream, Face::Admin(Caller::Local { uid }), permit),
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn room(&mut self, permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(permits).acquire_owned() => permit.ok(),
            _ = self.stop.changed() => None,
        }
    }

    fn spawn(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, face: Face, permit: OwnedSemaphorePermit) {
        let (node, watcher) = (Arc::clone(&self.node), self.graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            let _open = node.metrics.connected(face);
            converse(stream, face, node, watcher).await;
        });
    }
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(BREATH).await;
}

/// Serves one connection until it ends.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, face: Face, node: Arc<Node>, watcher: Watcher) {
    let exchanges = Arc::new(Exchanges::default());
    let framed = Framed::new(stream, Arc::clone(&exchanges));
    let service = service_fn(move |request| {
        let (node, exchanges) = (Arc::clone(&node), Arc::clone(&exchanges));
        async move {
            let response = respond(&node, face, &exchanges, request).await;
            exchanges.end();
            Ok::<_, Infallible>(response.map(Full::new))
        }
    });
    let connection =
        http1::Builder::new().half_close(true).max_buf_size(READ_AT_ONCE).serve_connection(TokioIo::new(framed), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(node: &Arc<Node>, face: Face, exchanges: &Exchanges, request: Request<Incoming>) -> Response<Bytes> {
    let (started, moment) = (Instant::now(), Moment::present());
    let collected = match exchanges.begin() {
        Some(violation) => Err(violation),
        None => collect(request, face.body_limit(), exchanges).await,
    };
    let finish = |moment: &Moment, (mut response, event): Answer| {
        if let Some(event) = event {
            node.note(moment, &event, response.status().as_u16(), started.elapsed());
        }
        node.metrics.answered(face, response.status());
        if let Ok(id) = HeaderValue::from_str(moment.request_id.as_str()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
        response
    };
    let asked = match collected {
        Ok(request) => Asked { moment, request },
        Err(violation) => return finish(&moment, refuse(violation)),
    };
    let failed = |fault| (Violation::FAULT.answer(), Some(fault_event(fault)));
    match face {
        Face::Public => {
            let decided = answer(node, Asking::Here(&asked), |node, world, request| node.wire.serve(world, request)).await;
            finish(&asked.moment, decided.unwrap_or_else(failed))
        }
        Face::Admin(caller) => {
            let asked = Arc::new(asked);
            let serve =
                move |node: &Node, world: &World<'_>, request: &Request<Bytes>| admin::serve(node, world, request, caller);
            let decided = answer(node, Asking::Apart(&asked), serve).await;
            finish(&asked.moment, decided.unwrap_or_else(failed))
        }
        Face::Ops => finish(&asked.moment, (ops::serve(node, asked.moment.now, &asked.request), None)),
    }
}

fn refuse(violation: Violation) -> Answer {
    let why = if violation.status == 400 { Why::RequestMalformed } else { Why::RequestTooLarge };
    let event =
        Event { realm: None, client: None, endpoint: "listener", outcome: Outcome::Refused(why), used: None, adopt: None };
    (violation.answer(), Some(event))
}

/// The whole body, if it is short enough. That it comes soon enough is the stream's business.
async fn collect(request: Request<Incoming>, limit: usize, exchanges: &Exchanges) -> Result<Request<Bytes>, Violation> {
    const TOO_LARGE: Violation = Violation::too_long(413, "The request is too large.");
    let (parts, mut body) = request.into_parts();
    if body.size_hint().lower() > limit as u64 {
        return Err(TOO_LARGE);
    }
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| exchanges.broken())?.into_data() else { continue };
        if all.as_ref().map_or(first.len(), BytesMut::len) + data.len() > limit {
            return Err(TOO_LARGE);
        }
        // Nearly every body comes in one piece, which is not copied.
        if first.is_empty() {
            first = data;
        } else {
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&data);
        }
    }
    Ok(Request::from_parts(parts, all.map_or(first, BytesMut::freeze)))
}
