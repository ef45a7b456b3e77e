//! Operators ask whether the node lives, whether it is ready, and how it does.

use crate::node::{Health, Node};
use crate::rotation::KeyFigures;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jeton_core::name::Time;
use serde_json::json;

/// Answers one request of the listener for operators.
pub fn serve(node: &Node, now: Time, request: &Request<Bytes>) -> Response<Bytes> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into());
    }
    match request.uri().path() {
        "/livez" => page(StatusCode::OK, "text/plain", "live\n".into()),
        "/readyz" => {
            let Health { reasons, warnings } = node.health(now);
            let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let told = json!({ "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings });
            page(status, "application/json", told.to_string())
        }
        "/metrics" => match node.metrics.page(node.log.dropped(), node.silence(now), keys(node, now)) {
            Ok(metrics) => page(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics),
            Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the metrics cannot be written\n".into()),
        },
        _ => page(StatusCode::NOT_FOUND, "text/plain", "/livez, /readyz and /metrics answer here\n".into()),
    }
}

fn keys(node: &Node, now: Time) -> KeyFigures {
    KeyFigures::of(&node.engine.memory.snapshot.load(), now)
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
