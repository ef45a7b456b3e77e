//! A transcript is a conversation over HTTP that a person can read and a machine can replay.
//!
//! One format serves the providers' published examples (`dialects/*.http`), the attack cases (`cases/*.http`), what the
//! simulator saves, and the steps of the demo. This module parses it, fills its requests and judges the answers; it opens
//! no socket and reads no file and no clock.
//!
//! ```text
//! Text before the first title is the preamble.
//! # fixture: fixture.toml
//!
//! ### A service asks for a token with its secret in the body
//! # row: CA-02
//! Prose may stand here.
//! > POST /acme/token HTTP/1.1
//! > Host: {{host}}
//! > Content-Type: application/x-www-form-urlencoded
//! >
//! > grant_type=client_credentials&client_id={{id}}&client_secret={{secret|form}}
//! < 200
//! < Content-Type: application/json
//! < !WWW-Authenticate
//! <
//! < {"access_token":"{{jwt:token=}}","token_type":"Bearer","expires_in":{{int}}}
//! # claim: token scp ["read"]
//! ```
//!
//! **Requests.** `{{name}}` is a value; `{{name|form}}` form-encodes it; `{{id|basic:secret}}` is the base64 of `id:secret`,
//! `{{id|basicform:secret}}` the same with both form-encoded first; `{{base64:text}}` and `{{repeat:N:text}}` make bytes.
//! `Content-Length` is computed unless it or `Transfer-Encoding` is given; line ends are CR LF. With `# raw` the request
//! lines are joined as they are and are written with `\r`, `\n`, `\t`, `\xNN` and `\\`.
//!
//! **Answers.** A status may be several, `400|431`, or `closed` for a connection that ends without an answer. Headers that
//! are listed must match; `!Name` must be absent. `{{*}}` is anything, `{{text}}` is not empty, `{{int}}` is digits, `{{jwt}}`
//! is three parts of base64url; `{{name=}}` and `{{jwt:name=}}` also capture. A body that is JSON is compared as JSON: in
//! quotes a placeholder stands for a text, bare it stands for a value of that kind. Members that are not listed are an error,
//! unless the member `"…": "…"` is there. Without an empty `<` line the body is not looked at; with one and nothing behind
//! it the body must be empty. `# claim: token name value` and `# header: token name value` look inside a captured JWT;
//! `!name` says that it is absent. `# why: client.secret_wrong` names the exact reason of a refusal, which does not stand in
//! the answer: who replays the step compares it with the event or the journal. `# demo` marks the steps that the demo shows.

mod answer;
mod json;
mod parse;
mod report;
mod request;
mod template;
mod variables;
mod write;

pub use answer::{Answer, check, same_answer};
pub use parse::{ParseError, parse};
pub use report::{Difference, Mismatch};
pub use request::{Filled, Request};
pub use template::{Spelling, Template};
pub use variables::{Unfilled, Variables};
pub use write::{Exchange, write_step};

use jeton_core::name::Time;
use jeton_core::refusal::Why;

/// One file.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The name it was parsed under.
    pub file: String,
    /// The text before the first title.
    pub preamble: String,
    /// The directives before the first title.
    pub directives: Directives,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One request and what must come back.
#[derive(Clone, Debug)]
pub struct Step {
    /// The title, which reads as a sentence.
    pub title: String,
    /// The line of the title, from 1.
    pub line: usize,
    /// The prose between the title and the request.
    pub story: String,
    /// What the `#` lines say.
    pub directives: Directives,
    /// What is sent.
    pub request: Request,
    /// What must come back.
    pub expected: Expected,
}

/// What the `#` lines of a step or of the preamble say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Where the example stands in public.
    pub source: Option<String>,
    /// When that was read.
    pub date: Option<String>,
    /// Rows of the attack catalogue that this proves.
    pub rows: Vec<String>,
    /// The sections that ask for it.
    pub rfc: Vec<String>,
    /// What the clock shows.
    pub at: Option<Time>,
    /// Remarks.
    pub notes: Vec<String>,
    /// The apply file that makes the world of this transcript.
    pub fixture: Option<String>,
    /// The value that replaces the request's `Host` when it is replayed.
    pub host: Option<String>,
    /// The listener that is spoken to, if it is not the public one.
    pub listener: Option<String>,
    /// Why the step is not run.
    pub skip: Option<String>,
    /// The title of an earlier step whose answer must be the same byte for byte.
    pub same_as: Option<String>,
    /// The exact reason of a refusal, as the client's owner reads it; callers see only its row's code and sentence.
    pub why: Option<Why>,
    /// Whether the demo shows this step.
    pub demo: bool,
    /// Whether the server must close the connection after this answer.
    pub ends: Ending,
    /// Whether the body is compared byte for byte even if it is JSON.
    pub exact: bool,
    /// What captured tokens must say.
    pub tokens: Vec<TokenCheck>,
}

/// What must become of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Anything.
    #[default]
    Either,
    /// The server closes it, and nothing follows the answer.
    Closed,
}

/// A line about the inside of a captured JWT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCheck {
    /// The line in the file.
    pub line: usize,
    /// The variable that holds the token.
    pub variable: String,
    /// Which part.
    pub part: TokenPart,
    /// The member's name.
    pub member: String,
    /// The JSON pattern of its value; nothing if it must be absent.
    pub value: Option<String>,
}

/// The readable parts of a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// The JOSE header.
    Header,
    /// The claims.
    Claims,
}

/// What must come back.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The line of the status, from 1.
    pub line: usize,
    /// The statuses that are allowed; empty when only `closed` is.
    pub statuses: Vec<u16>,
    /// Whether a connection that ends without an answer is allowed.
    pub may_close: bool,
    /// The headers that must match, or be absent.
    pub headers: Vec<ExpectedHeader>,
    /// The body.
    pub body: ExpectedBody,
}

/// One header of an answer.
#[derive(Clone, Debug)]
pub struct ExpectedHeader {
    /// The line in the file.
    pub line: usize,
    /// Its name as written.
    pub name: String,
    /// Its value; nothing if it must be absent.
    pub value: Option<Template>,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub enum ExpectedBody {
    /// Not looked at.
    Any,
    /// The text, bytes compared after placeholders.
    Text(Template),
    /// A JSON pattern.
    Json(serde_json::Value),
}
