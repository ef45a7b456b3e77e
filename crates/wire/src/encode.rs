//! Encoding spells a canonical answer by the realm's dialect.

use crate::dialect::{Challenge, Dialect, Filling, Later, Outward, ReplyField, ReplyShape, ReplySource};
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, LINK, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use jeton_core::bucket::Pace;
use jeton_core::endpoint::AnswerForm;
use jeton_core::name::ScopeToken;
use jeton_core::record::{ThriftPolicy, ThriftSettings};
use jeton_core::refusal::{Fault, Why};
use jeton_core::token::{Issued, Told};
use jeton_jose::json::append_text;

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
        let before = body.len();
        if before > 1 {
            body.push(b',');
        }
        append_text(&field.name, &mut body);
        body.push(b':');
        // A field without a value is left out.
        if append_value(field, issued, &mut body).is_none() {
            body.truncate(before);
        }
    }
    body.push(b'}');
    private(StatusCode::OK, HeaderValue::from_static("application/json"), body)
}

fn append_value(field: &ReplyField, issued: &Issued, body: &mut Vec<u8>) -> Option<()> {
    match &field.from {
        ReplySource::AccessToken => append_text(&issued.access_token, body),
        ReplySource::Constant(constant) => append_text(constant, body),
        ReplySource::ExpiresIn if field.shape == ReplyShape::Text => append_text(&issued.expires_in.to_string(), body),
        ReplySource::ExpiresIn => body.extend_from_slice(issued.expires_in.to_string().as_bytes()),
        ReplySource::RefreshToken => append_text(issued.refresh_token.as_deref()?, body),
        ReplySource::ScopeAsAsked => append_text(issued.asked.as_deref()?, body),
        ReplySource::ScopeIfDifferent => {
            let names = issued.scope.iter().map(ScopeToken::as_str);
            let is_as_asked = issued.asked.as_deref().is_some_and(|asked| asked.split(' ').eq(names));
            if is_as_asked || issued.scope.is_empty() {
                return None;
            }
            append_text(&issued.scope.to_string(), body);
        }
    }
    Some(())
}

/// The media type of a plain answer about a token (RFC 7662 §2.2).
pub const PLAIN_ANSWER: &str = "application/json";
/// The media type of a signed answer about a token (RFC 9701 §5).
pub const SIGNED_ANSWER: &str = "application/token-introspection+jwt";

/// An answer about a token (RFC 7662 §2.2, RFC 9701 §5).
#[must_use]
pub fn about_token(form: AnswerForm, answer: Vec<u8>) -> Response<Bytes> {
    let media = match form {
        AnswerForm::Json => PLAIN_ANSWER,
        AnswerForm::Signed => SIGNED_ANSWER,
    };
    private(StatusCode::OK, HeaderValue::from_static(media), answer)
}

/// The answer to a request to revoke, whatever came of it: status 200 and nothing else (RFC 7009 §2.2).
#[must_use]
pub fn revoked() -> Response<Bytes> {
    let mut response = private(StatusCode::OK, HeaderValue::from_static("application/json"), Vec::new());
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// What a client that wastes tokens is told beside its answer: the page that explains it (RFC 8288 §3),
/// and, where the realm limits, how much is left (draft-ietf-httpapi-ratelimit-headers-10).
pub fn advice(settings: &ThriftSettings, told: Told, response: &mut Response<Bytes>) {
    let (Told::Coached(pace) | Told::Repeated(pace)) = told else { return };
    if let Some(page) = &settings.page {
        insert(response, LINK, &format!("<{page}>; rel=\"help\""));
    }
    if settings.policy >= ThriftPolicy::Limit {
        limits(pace, response);
    }
}

/// When a caller that asks too often may come again (RFC 9110 §10.2.3, RFC 6585 §4).
pub fn slow_down(pace: Pace, response: &mut Response<Bytes>) {
    insert(response, RETRY_AFTER, &pace.reset.to_string());
    limits(pace, response);
}

fn limits(pace: Pace, response: &mut Response<Bytes>) {
    let Pace { name, quota, window, left, reset } = pace;
    insert(response, HeaderName::from_static("ratelimit-policy"), &format!("\"{name}\";q={quota};w={window}"));
    insert(response, HeaderName::from_static("ratelimit"), &format!("\"{name}\";r={left};t={reset}"));
}

fn insert(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
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
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
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
pub fn method_not_allowed(dialect: &Dialect, allow: &str, filling: Filling<'_>) -> Response<Bytes> {
    let mut response = refusal(dialect, Why::MethodNotAllowed, UsedBasic::No, filling);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
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
