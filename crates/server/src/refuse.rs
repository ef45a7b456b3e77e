//! What the listener itself refuses gets the same form of answer everywhere: JSON with one constant sentence.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

/// A reason to refuse a request before any realm is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// HTTP status.
    pub status: u16,
    /// The code that software reads.
    pub code: &'static str,
    /// The sentence that people read.
    pub sentence: &'static str,
}

impl Violation {
    /// A violation of the form of HTTP messages.
    pub const fn malformed(sentence: &'static str) -> Self {
        Self { status: 400, code: "invalid_request", sentence }
    }

    /// A request that is longer than it may be.
    pub const fn too_long(status: u16, sentence: &'static str) -> Self {
        Self { status, code: "invalid_request", sentence }
    }

    /// Our own failure.
    pub const FAULT: Self = Self { status: 500, code: "server_error", sentence: "The server failed. Try again later." };

    /// There is more to do than can be done.
    pub const BUSY: Self =
        Self { status: 503, code: "temporarily_unavailable", sentence: "The server has too much to do. Try again in a second." };

    /// The answer. The connection ends with it, unless the server only wants to be asked later.
    pub fn answer(self) -> Response<Bytes> {
        let body = format!(r#"{{"error":"{}","error_description":"{}"}}"#, self.code, self.sentence);
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        match self.status {
            503 => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => headers.insert(CONNECTION, HeaderValue::from_static("close")),
        };
        response
    }
}
