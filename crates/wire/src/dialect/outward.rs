//! How a refusal looks from outside in one dialect: status, headers and body, worked out when the dialect is read.

use super::DialectError;
use super::file::{DialectFile, RefusalRow};
use super::template::{Fixed, Template, TemplateFile};
use http::HeaderValue;
use jeton_core::refusal::{Code, Refusal};

/// The outward form of one refusal.
#[derive(Clone, Debug)]
pub struct Outward {
    /// HTTP status.
    pub status: http::StatusCode,
    /// Content type of the body.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Template,
    /// The code, as this dialect spells it; for matrices and logs.
    pub code: String,
    /// What a `WWW-Authenticate` header says, if there is one.
    pub challenge: Challenge,
}

/// What a `WWW-Authenticate` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No header.
    None,
    /// `Basic`, if the request used it (RFC 6749 §5.2).
    BasicIfUsed,
    /// The API's scheme, with this error code if there is one (RFC 6750 §3).
    Token(HeaderValue),
}

/// Whether a refusal is one of the token endpoint or of an API call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Token,
    Api,
}

struct Said<'a> {
    id: &'a str,
    code: Code,
    status: u16,
    sentence: &'a str,
    side: Side,
}

impl Outward {
    /// Works out one line of the table of refusals.
    pub(super) fn new(file: &DialectFile, row: &Refusal) -> Result<Self, DialectError> {
        let api = matches!(
            row.code,
            Code::InvalidToken | Code::InsufficientScope | Code::InvalidApiKey | Code::NotFound | Code::MethodNotAllowed
        ) || row.id.starts_with("token.");
        let side = if api { Side::Api } else { Side::Token };
        Self::make(file, &Said { id: row.id, code: row.code, status: row.status, sentence: row.sentence, side })
    }

    /// Our failure, when trying later may help.
    pub(super) fn unavailable(file: &DialectFile) -> Result<Self, DialectError> {
        let sentence = "The service is not available at the moment. Try again later.";
        Self::make(
            file,
            &Said { id: "fault.unavailable", code: Code::TemporarilyUnavailable, status: 503, sentence, side: Side::Token },
        )
    }

    /// Our failure, when it will not.
    pub(super) fn broken(file: &DialectFile) -> Result<Self, DialectError> {
        let sentence = "The server failed. The request id helps its operator to find out why.";
        Self::make(file, &Said { id: "fault.broken", code: Code::ServerError, status: 500, sentence, side: Side::Token })
    }

    fn make(file: &DialectFile, said: &Said<'_>) -> Result<Self, DialectError> {
        let (body, content_type, rows) = match said.side {
            Side::Token => (&file.refusals.body, &file.refusals.content_type, &file.refusals.rows),
            Side::Api => (&file.api.body, &file.api.content_type, &file.api.rows),
        };
        let none = RefusalRow::default();
        let row = rows.iter().find(|row| row.when.iter().any(|when| fits(when, said))).unwrap_or(&none);
        let status = row.status.unwrap_or(said.status);
        let fixed = Fixed {
            code: row.code.as_deref().unwrap_or(said.code.as_str()),
            sentence: row.sentence.as_deref().unwrap_or(said.sentence),
            title: row.title.as_deref().unwrap_or(said.sentence),
            status,
        };
        let body: &TemplateFile = row.body.as_ref().unwrap_or(body);
        Ok(Self {
            status: http::StatusCode::from_u16(status).map_err(|_| DialectError(format!("{status} is no HTTP status")))?,
            content_type: HeaderValue::from_str(content_type)
                .map_err(|_| DialectError("a content type is a header value".into()))?,
            body: Template::new(body, &fixed)?,
            code: fixed.code.to_owned(),
            challenge: challenge(file, said, row.challenge, &fixed)?,
        })
    }
}

fn fits(when: &str, said: &Said<'_>) -> bool {
    when == said.id || when == said.code.as_str() || when.strip_suffix('*').is_some_and(|group| said.id.starts_with(group))
}

fn challenge(file: &DialectFile, said: &Said<'_>, wanted: Option<bool>, fixed: &Fixed<'_>) -> Result<Challenge, DialectError> {
    let scheme = file.api.schemes.first().map_or("Bearer", String::as_str);
    let text = match (said.side, said.code) {
        (Side::Token, Code::InvalidClient) if wanted.unwrap_or(fixed.status == 401) => return Ok(Challenge::BasicIfUsed),
        (Side::Api, _) if !wanted.unwrap_or(file.api.challenge) => return Ok(Challenge::None),
        // RFC 6750 §3: no error code if the request lacks any authentication information.
        (Side::Api, Code::InvalidToken) if said.id == "token.missing" => format!("{scheme} realm=\"api\""),
        (Side::Api, Code::InvalidToken | Code::InsufficientScope) => {
            format!("{scheme} realm=\"api\", error=\"{}\", error_description=\"{}\"", said.code.as_str(), said.sentence)
        }
        (Side::Api, Code::InvalidApiKey) => format!("{scheme} realm=\"api\""),
        _ => return Ok(Challenge::None),
    };
    HeaderValue::from_str(&text).map(Challenge::Token).map_err(|_| DialectError("a challenge is a header value".into()))
}
