//! Web pages of other origins may read what anybody may read, and may ask for tokens where a public client registered them.
//!
//! The Fetch standard's rules (CORS): a browser asks in a preflight whether a page may send a request, and keeps an answer from
//! the page that does not name its origin. No answer allows credentials: nothing here hangs on a cookie. `Origin: null`, which
//! any sandboxed page can send, is never named.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH, ORIGIN, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use jeton_core::name::WebOrigin;
use jeton_core::record::{Client, ClientKind};

/// How long a browser may keep the answer about documents, and about an endpoint whose origins may change, in seconds.
const DOCUMENTS_MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const ENDPOINT_MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What can be asked at a place, from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// A document that anybody may read.
    Anyone,
    /// An endpoint that this request's origin may ask.
    Registered,
    /// An endpoint that this request's origin may not ask.
    Foreign,
}

/// Whether a browser asks what it may send.
#[must_use]
pub fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The one origin that a request names, if a client could have registered it.
#[must_use]
pub fn origin(headers: &HeaderMap) -> Option<WebOrigin> {
    let mut values = headers.get_all(ORIGIN).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    WebOrigin::parse(value.to_str().ok()?).ok()
}

/// The answer to OPTIONS: the methods of the place, and for a preflight what a page may send.
#[must_use]
pub fn options(request: &Request<Bytes>, methods: &'static str, openness: Openness) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (origin, fields, max_age) = match openness {
        Openness::Anyone => (Some(HeaderValue::from_static("*")), IF_NONE_MATCH, DOCUMENTS_MAX_AGE),
        Openness::Registered => (request.headers().get(ORIGIN).cloned(), CONTENT_TYPE, ENDPOINT_MAX_AGE),
        Openness::Foreign => (None, CONTENT_TYPE, ENDPOINT_MAX_AGE),
    };
    if openness != Openness::Anyone {
        headers.insert(VARY, HeaderValue::from_name(ORIGIN));
    }
    let Some(origin) = origin.filter(|_| is_preflight(request.headers())) else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_name(fields));
    headers.insert(ACCESS_CONTROL_MAX_AGE, max_age);
    response
}

/// Lets pages of every origin read a document.
pub fn open_to_all(response: &mut Response<Bytes>) {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Lets the page that asked read the answer, if the client that it asked for registered its origin.
pub fn open_to_client(headers: &HeaderMap, client: Option<&Client>, response: &mut Response<Bytes>) {
    const READABLE: HeaderValue = HeaderValue::from_static("retry-after, www-authenticate, x-request-id");
    let Some(value) = headers.get(ORIGIN) else { return };
    response.headers_mut().append(VARY, HeaderValue::from_name(ORIGIN));
    let (Some(origin), Some(client)) = (origin(headers), client) else { return };
    if matches!(client.kind, ClientKind::Public) && client.web_origins.contains(&origin) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, value.clone());
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    }
}

/// Whether this is the question what may be asked.
#[must_use]
pub fn asks_options<B>(request: &Request<B>) -> bool {
    *request.method() == Method::OPTIONS
}
