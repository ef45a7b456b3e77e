//! Encoding spells a canonical answer by the realm's dialect.

use crate::dialect::{Challenge, Dialect, Filling, Later, Outward, ReplyShape, ReplySource};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use jeton_core::refusal::{Fault, Why};
use jeton_core::token::Issued;
use serde_json::Value;

/// Whether a request brought Basic credentials: then a failed authentication is answered with its challenge (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedBasic {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// A token answer (RFC 6749 §5.1).
#[must_use]
pub fn token(dialect: &Dialect, issued: &Issued) -> Response<Bytes> {
    let mut body = Vec::with_capacity(issued.access_token.len() + 256);
    body.push(b'{');
    for field in &dialect.file.token_reply {
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        let value = match &field.from {
            // Tokens are made of characters that need no escape.
            ReplySource::AccessToken => Some(format!("\"{}\"", issued.access_token)),
            ReplySource::Constant(constant) => Some(text(constant)),
            ReplySource::ExpiresIn if field.shape == ReplyShape::Text => Some(format!("\"{}\"", issued.expires_in)),
            ReplySource::ExpiresIn => Some(issued.expires_in.to_string()),
            ReplySource::RefreshToken => issued.refresh_token.as_deref().map(text),
            ReplySource::ScopeAsAsked => issued.asked.as_deref().map(text),
            ReplySource::ScopeIfDifferent => {
                let scope = issued.scope.to_string();
                (issued.asked.as_deref() != Some(&*scope) && !scope.is_empty()).then(|| text(&scope))
            }
        };
        if let Some(value) = value {
            if body.len() > 1 {
                body.push(b',');
            }
            body.extend_from_slice(text(&field.name).as_bytes());
            body.push(b':');
            body.extend_from_slice(value.as_bytes());
        }
    }
    body.push(b'}');
    private(StatusCode::OK, HeaderValue::from_static("application/json"), body)
}

/// A refusal.
#[must_use]
pub fn refusal(dialect: &Dialect, why: Why, used: UsedBasic, filling: Filling<'_>) -> Response<Bytes> {
    outward(dialect.refusal(why), used, filling)
}

/// A failure of ours.
#[must_use]
pub fn fault(dialect: &Dialect, fault: &Fault, filling: Filling<'_>) -> Response<Bytes> {
    match fault {
        Fault::Unavailable(_) => {
            let mut response = outward(dialect.fault(Later::MayHelp), UsedBasic::No, filling);
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Fault::Corrupt(_) | Fault::Foreign(_) | Fault::Broken(_) => {
            outward(dialect.fault(Later::WillNotHelp), UsedBasic::No, filling)
        }
    }
}

fn outward(outward: &Outward, used: UsedBasic, filling: Filling<'_>) -> Response<Bytes> {
    let mut response = private(outward.status, outward.content_type.clone(), outward.body.body(filling));
    match (&outward.challenge, used) {
        (Challenge::BasicIfUsed, UsedBasic::Yes) => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        (Challenge::Token(value), _) => {
            response.headers_mut().insert(WWW_AUTHENTICATE, value.clone());
        }
        _ => {}
    }
    response
}

/// A place that does not know the method (RFC 9110 §15.5.6).
#[must_use]
pub fn method_not_allowed(dialect: &Dialect, allow: &'static str, filling: Filling<'_>) -> Response<Bytes> {
    let mut response = refusal(dialect, Why::MethodNotAllowed, UsedBasic::No, filling);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// An answer that nobody may keep (RFC 6749 §5.1).
pub(crate) fn private(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
