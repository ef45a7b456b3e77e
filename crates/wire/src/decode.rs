//! Decoding reads a request's bytes by the realm's dialect and hands the core a canonical request, or says why it cannot.

use crate::accept;
use crate::dialect::{Dialect, RequestBody};
use crate::encode::{PLAIN_ANSWER, SIGNED_ANSWER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use jeton_core::client_auth::RawSecret;
use jeton_core::endpoint::{AboutToken, AnswerForm, TokenRequest};
use jeton_core::form::{self, Form};
use jeton_core::guard::Carried;
use jeton_core::record::Permission;
use jeton_core::refusal::Why;
use jeton_core::snapshot::RealmState;
use jeton_core::world::Presented;
use std::borrow::Cow;

/// Largest token request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Parameters that may come several times (RFC 8707 §2).
const REPEATABLE: &[&str] = &["resource", "audience"];

/// Reads a token request.
pub fn token_request(dialect: &Dialect, realm: &RealmState, request: &Request<Bytes>) -> Result<TokenRequest, Why> {
    if request.body().len() > MAX_BODY {
        return Err(Why::RequestTooLarge);
    }
    // RFC 6749 §2.3.1: credentials MUST NOT be included in the request URI.
    if request.uri().query().is_some_and(has_credentials) {
        return Err(Why::ClientQueryCredentials);
    }
    let basic = match realm.permits(Permission::IgnoreAuthorization) {
        true => None,
        false => basic_credentials(request.headers())?,
    };
    let mut canonical = TokenRequest::default();
    canonical.credentials.basic = basic;
    match dialect.file.token_request.body {
        RequestBody::Form => take_form(dialect, request, &mut canonical)?,
        RequestBody::Json => take_json(dialect, request, &mut canonical)?,
    }
    let complete = dialect.file.token_request.required.iter().all(|name| is_there(&canonical, name));
    if complete { Ok(canonical) } else { Err(Why::RequestParameterMissing) }
}

/// Reads a request about a token: always a form, whatever a token request is in this dialect (RFC 7662 §2.1, RFC 7009 §2.1).
pub fn about_token(dialect: &Dialect, realm: &RealmState, request: &Request<Bytes>) -> Result<AboutToken, Why> {
    if request.body().len() > MAX_BODY {
        return Err(Why::RequestTooLarge);
    }
    // RFC 6749 §2.3.1: credentials MUST NOT be included in the request URI. RFC 7662 §2.1: POST, so that no token is logged.
    let has_token = |query: &str| query.split('&').any(|pair| pair.split('=').next() == Some("token"));
    if request.uri().query().is_some_and(|query| has_credentials(query) || has_token(query)) {
        return Err(Why::ClientQueryCredentials);
    }
    let mut canonical = AboutToken::default();
    if !realm.permits(Permission::IgnoreAuthorization) {
        canonical.credentials.basic = basic_credentials(request.headers())?;
    }
    expect_content_type(request.headers(), "application/x-www-form-urlencoded")?;
    let spelling = &dialect.file.token_request.parameters;
    for (name, value) in Form::parse(request.body(), &[])?.iter() {
        match spelling.get(name).map_or(name, String::as_str) {
            "client_id" => canonical.credentials.body_id = Some(value.to_owned()),
            "client_secret" => canonical.credentials.body_secret = Some(Presented::new(value)),
            "client_assertion" => canonical.credentials.assertion = Some(Presented::new(value)),
            "client_assertion_type" => canonical.credentials.assertion_type = Some(value.to_owned()),
            "token" => canonical.token = Some(Presented::new(value)),
            // A hint is only a hint (RFC 7009 §2.1), and what is not known is ignored.
            _ => {}
        }
    }
    // RFC 9701 §4: the media type in the Accept header asks for a signed answer.
    if accept::prefers(request.headers(), SIGNED_ANSWER, PLAIN_ANSWER) {
        canonical.form = AnswerForm::Signed;
    }
    Ok(canonical)
}

/// Whether a query string names something that must never stand in a log.
fn has_credentials(query: &str) -> bool {
    let name = |pair: &str| form::decode(pair.split('=').next().unwrap_or_default().as_bytes()).map(Cow::into_owned);
    let secret = |name: &str| matches!(name, "client_secret" | "client_assertion" | "refresh_token" | "code" | "password");
    query.split('&').any(|pair| name(pair).is_ok_and(|name| secret(&name)))
}

fn is_there(request: &TokenRequest, name: &str) -> bool {
    match name {
        "grant_type" => request.grant_type.is_some(),
        "client_id" => request.credentials.body_id.is_some(),
        "client_secret" => request.credentials.body_secret.is_some(),
        "scope" => request.scope.is_some(),
        _ => true,
    }
}

fn take_form(dialect: &Dialect, request: &Request<Bytes>, into: &mut TokenRequest) -> Result<(), Why> {
    expect_content_type(request.headers(), "application/x-www-form-urlencoded")?;
    for (name, value) in Form::parse(request.body(), REPEATABLE)?.iter() {
        take(dialect, name, value, into);
    }
    Ok(())
}

fn take_json(dialect: &Dialect, request: &Request<Bytes>, into: &mut TokenRequest) -> Result<(), Why> {
    expect_content_type(request.headers(), "application/json")?;
    let object = jeton_jose::json::parse_object(request.body(), MAX_BODY).map_err(|_| Why::RequestMalformed)?;
    for (name, value) in &object {
        let serde_json::Value::String(value) = value else { return Err(Why::RequestMalformed) };
        if value.contains('\0') {
            return Err(Why::RequestMalformed);
        }
        if !value.is_empty() {
            take(dialect, name, value, into);
        }
    }
    Ok(())
}

/// Takes one parameter, under the name that the dialect gives it.
fn take(dialect: &Dialect, name: &str, value: &str, into: &mut TokenRequest) {
    let spelling = &dialect.file.token_request;
    match spelling.parameters.get(name).map_or(name, String::as_str) {
        "grant_type" => into.grant_type = Some(spelling.grant_types.get(value).map_or(value, String::as_str).to_owned()),
        "client_id" => into.credentials.body_id = Some(value.to_owned()),
        "client_secret" => into.credentials.body_secret = Some(Presented::new(value)),
        "client_assertion" => into.credentials.assertion = Some(Presented::new(value)),
        "client_assertion_type" => into.credentials.assertion_type = Some(value.to_owned()),
        "scope" => into.scope = Some(value.to_owned()),
        "resource" => into.resources.push(value.to_owned()),
        "refresh_token" => into.refresh_token = Some(Presented::new(value)),
        // RFC 6749 §3.2: unrecognised parameters are ignored.
        _ => {}
    }
}

/// Exactly this media type, with no parameter but `charset=utf-8` (RFC 6749 appendix B).
fn expect_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Why> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Why::RequestContentType) };
    let value = value.to_str().map_err(|_| Why::RequestContentType)?;
    let (media, parameter) = value.split_once(';').unwrap_or((value, "charset=utf-8"));
    let parameter = parameter.trim().to_ascii_lowercase();
    let utf8 = matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\"" | "");
    if media.trim_end().eq_ignore_ascii_case(expected) && utf8 { Ok(()) } else { Err(Why::RequestContentType) }
}

/// The two parts of Basic credentials (RFC 7617 §2), undecoded; `None` without the header.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(Vec<u8>, RawSecret)>, Why> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Why::RequestAuthorizationRepeated);
    }
    let bytes = value.as_bytes();
    // RFC 9110 §11.1: the scheme is case-insensitive; exactly one space follows.
    let scheme = bytes.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Err(Why::ClientSchemeUnknown);
    }
    let (scheme, rest) = bytes.split_at_checked(6).ok_or(Why::ClientBasicMalformed)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Err(Why::ClientBasicMalformed);
    }
    let pair = STANDARD.decode(rest).map_err(|_| Why::ClientBasicMalformed)?;
    let colon = pair.iter().position(|&b| b == b':').ok_or(Why::ClientBasicMalformed)?;
    Ok(Some((pair[..colon].to_vec(), RawSecret(pair[colon + 1..].to_vec()))))
}

/// Reads what a call to an API carries: the token under one of the dialect's schemes, and the API key.
pub fn carried(dialect: &Dialect, headers: &HeaderMap) -> Result<Carried, Why> {
    let api = &dialect.file.api;
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let token = authorization.next().and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let known = api.schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
        (known && !token.is_empty()).then(|| Presented::new(token))
    });
    if authorization.next().is_some() {
        return Err(Why::TokenRepeated);
    }
    let mut keys = api.api_key_header.iter().flat_map(|name| headers.get_all(name.as_str()));
    let api_key = keys.next().and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty()).map(Presented::new);
    // Two keys are no key: nobody can say which one was meant.
    Ok(Carried { token, api_key: if keys.next().is_some() { None } else { api_key } })
}
