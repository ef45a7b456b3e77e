//! A request is taken whole within its limits, answered by the face that it asked, and told to log and counters.

use super::Face;
use super::conversation::Visit;
use crate::admin::{self, Caller};
use crate::framing::{BODY_TIME, Exchanges};
use crate::http2;
use crate::metrics::Shed;
use crate::node::Node;
use crate::ops;
use crate::refuse::Violation;
use crate::request::{Answer, Asked, Asking, Moment, answer, fault_event};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use jeton_core::event::{Event, Outcome};
use jeton_core::refusal::Why;
use jeton_core::world::World;
use std::sync::Arc;
use std::time::Instant;

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

/// A body that is longer needs one of a few places. Token requests are shorter.
const SHORT_BODY: usize = 8 << 10;

/// What carries a request, and who keeps its time.
#[derive(Clone, Copy)]
pub enum Carrier<'a> {
    /// HTTP/1: the stream keeps the time and tells what is wrong with a request.
    One(&'a Exchanges),
    /// HTTP/2.
    Two,
}

/// Answers one request.
pub async fn respond(visit: &Visit, carrier: Carrier<'_>, mut request: Request<Incoming>) -> Response<Bytes> {
    let (node, face, started) = (&visit.node, visit.face, Instant::now());
    let begun = match carrier {
        Carrier::One(exchanges) => exchanges.begin().map_or(Ok(()), Err),
        Carrier::Two => http2::conform(&mut request),
    };
    let moment = Moment::of(node.proxies.source(visit.peer, request.headers()));
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
    let place = match face {
        Face::Public => node.shedder.admit(),
        Face::Admin(_) | Face::Ops => Some(node.shedder.pass()),
    };
    if let (None, Some(pause)) = (&place, node.shedder.pause()) {
        tokio::time::sleep(pause).await;
    }
    let collected = match (begun, &place) {
        (Err(violation), _) => Err(violation),
        (Ok(()), None) => Err(Violation::BUSY),
        (Ok(()), Some(_)) => collect(node, request, face, carrier).await,
    };
    let asked = match collected {
        Ok(request) => Asked { moment, request },
        Err(violation) => return finish(&moment, refuse(node, violation)),
    };
    let failed = |fault| (Violation::FAULT.answer(), Some(fault_event(fault)));
    match face {
        Face::Public => {
            let began = Instant::now();
            let decided = answer(node, Asking::Here(&asked), |node, world, request| node.wire.serve(world, request)).await;
            node.shedder.served(began.elapsed());
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

fn refuse(node: &Node, violation: Violation) -> Answer {
    let why = match violation.status {
        // No line for each: there may be many, and the counter knows them all.
        503 => {
            node.metrics.shed(Shed::Request);
            return (violation.answer(), None);
        }
        400 => Why::RequestMalformed,
        _ => Why::RequestTooLarge,
    };
    let event =
        Event { realm: None, client: None, endpoint: "listener", outcome: Outcome::Refused(why), used: None, adopt: None };
    (violation.answer(), Some(event))
}

/// The whole body, if it is short enough and there is room for it.
async fn collect(node: &Node, request: Request<Incoming>, face: Face, carrier: Carrier<'_>) -> Result<Request<Bytes>, Violation> {
    const SLOW: Violation = Violation::too_long(408, "The request came too slowly.");
    let (parts, body) = request.into_parts();
    let body = match carrier {
        // That it comes soon enough is the stream's business.
        Carrier::One(exchanges) => gather(node, body, face, || exchanges.broken()).await?,
        Carrier::Two if body.is_end_stream() => Bytes::new(),
        Carrier::Two => {
            // One connection may have a hundred requests, so those that wait for their bodies are counted over all.
            let _waiting = node.shedder.body().ok_or(Violation::BUSY)?;
            let whole = gather(node, body, face, || Violation::malformed("The request's body is cut off."));
            tokio::time::timeout(BODY_TIME, whole).await.unwrap_or(Err(SLOW))?
        }
    };
    Ok(Request::from_parts(parts, body))
}

async fn gather(node: &Node, mut body: Incoming, face: Face, broken: impl Fn() -> Violation) -> Result<Bytes, Violation> {
    const TOO_LARGE: Violation = Violation::too_long(413, "The request is too large.");
    let limit = face.body_limit();
    if body.size_hint().lower() > limit as u64 {
        return Err(TOO_LARGE);
    }
    let (mut first, mut all, mut long) = (Bytes::new(), None::<BytesMut>, None);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        let length = all.as_ref().map_or(first.len(), BytesMut::len) + data.len();
        if length > limit {
            return Err(TOO_LARGE);
        }
        if length > SHORT_BODY && long.is_none() && matches!(face, Face::Public) {
            long = Some(node.shedder.long_body().ok_or(Violation::BUSY)?);
        }
        // Nearly every body comes in one piece, which is not copied.
        if first.is_empty() {
            first = data;
        } else {
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&data);
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}
