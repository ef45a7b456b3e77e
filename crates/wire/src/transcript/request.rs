//! A request of a transcript becomes bytes once its variables have values.

use super::template::{Spelling, Template};
use super::variables::{Unfilled, Variables};

/// What is sent.
#[derive(Clone, Debug)]
pub enum Request {
    /// Method, target, headers and body.
    Message {
        /// The method.
        method: Template,
        /// The request target.
        target: Template,
        /// Names and values, in order.
        headers: Vec<(String, Template)>,
        /// The body; nothing when there is none.
        body: Option<Template>,
    },
    /// Bytes as they are.
    Raw(Template),
}

/// A request with every value put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The marked lines of a request, before they are understood.
pub(super) struct RequestLines<'a> {
    pub lines: &'a [(usize, &'a str)],
    pub raw: bool,
}

impl Request {
    pub(super) fn parse(source: &RequestLines<'_>) -> Result<Self, (usize, String)> {
        if source.raw {
            let first = source.lines.first().map_or(0, |line| line.0);
            let text: String = source.lines.iter().map(|line| line.1).collect();
            return closed((first, text.as_str()), Spelling::Escaped).map(Self::Raw);
        }
        let Some(((number, line), rest)) = source.lines.split_first() else {
            return Err((0, "there is no request line".to_owned()));
        };
        let mut words = line.splitn(3, ' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err((*number, "a request line is written `METHOD /target HTTP/1.1`".to_owned()));
        };
        if words.next().is_some_and(|version| version != "HTTP/1.1") {
            return Err((*number, "a request line ends with HTTP/1.1; others need `# raw`".to_owned()));
        }
        let split = rest.iter().position(|(_, text)| text.is_empty());
        let (headers, body) = match split {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let body = match body {
            Some([]) | None => None,
            Some(lines) => {
                let text = lines.iter().map(|line| line.1).collect::<Vec<_>>().join("\n");
                Some(closed((lines[0].0, &text), Spelling::Plain)?)
            }
        };
        Ok(Self::Message {
            method: closed((*number, method), Spelling::Plain)?,
            target: closed((*number, target), Spelling::Plain)?,
            headers: headers.iter().map(|line| header(*line)).collect::<Result<_, _>>()?,
            body,
        })
    }

    /// The request with its values, or nothing if it is raw bytes.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn fill(&self, variables: &Variables) -> Result<Option<Filled>, Unfilled> {
        let Self::Message { method, target, headers, body } = self else { return Ok(None) };
        let text = |template: &Template| template.fill(variables).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Some(Filled {
            method: text(method)?,
            target: text(target)?,
            headers: headers.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_, Unfilled>>()?,
            body: body.as_ref().map(|body| body.fill(variables)).transpose()?.unwrap_or_default(),
        }))
    }

    /// The bytes that go over the wire.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn bytes(&self, variables: &Variables) -> Result<Vec<u8>, Unfilled> {
        match self {
            Self::Raw(template) => template.fill(variables),
            Self::Message { .. } => Ok(self.fill(variables)?.map(|filled| filled.bytes()).unwrap_or_default()),
        }
    }
}

impl Filled {
    /// The value of a header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Puts a header in, in the place of those of the same name.
    pub fn replace_header(&mut self, name: &str, value: &str) {
        let at = self.headers.iter().position(|(other, _)| other.eq_ignore_ascii_case(name)).unwrap_or(self.headers.len());
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.insert(at.min(self.headers.len()), (name.to_owned(), value.to_owned()));
    }

    /// The bytes that go over the wire, with the length of the body unless it is framed already.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // RFC 9112 §6.3: a request without either header has no body.
        let framed = self.header("Content-Length").is_some() || self.header("Transfer-Encoding").is_some();
        if !framed && (!self.body.is_empty() || self.method == "POST") {
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

fn header((line, text): (usize, &str)) -> Result<(String, Template), (usize, String)> {
    let (name, value) = text.split_once(':').ok_or((line, "a header is written `Name: value`".to_owned()))?;
    Ok((name.to_owned(), closed((line, value.strip_prefix(' ').unwrap_or(value)), Spelling::Plain)?))
}

/// A template that can be filled.
fn closed((line, text): (usize, &str), spelling: Spelling) -> Result<Template, (usize, String)> {
    let template = Template::parse(text, spelling).map_err(|problem| (line, problem))?;
    if template.is_open() {
        return Err((line, "a placeholder that captures or matches is for answers: only an answer may have it".to_owned()));
    }
    Ok(template)
}
