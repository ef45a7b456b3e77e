//! Parsing a transcript: every line has a mark that says what it is, and every error names its file and line.

use super::json;
use super::request::{Request, RequestLines};
use super::template::{Spelling, Template};
use super::{Directives, Ending, Expected, ExpectedBody, ExpectedHeader, Step, TokenCheck, TokenPart, Transcript};
use jeton_core::name::Time;
use jeton_core::refusal::Why;
use std::fmt;

/// The keys that a `#` line may have, and the flags among them.
const KEYS: &str =
    "source, date, row, rfc, at, note, fixture, host, listener, skip, same, why, claim, header, raw, closes, exact, demo";

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub problem: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

impl std::error::Error for ParseError {}

/// A line and its number.
type Line<'a> = (usize, &'a str);

/// A problem and its line, before the file's name is known.
type Problem = (usize, String);

/// Parses a transcript; `file` is only used in reports.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(file: &str, text: &str) -> Result<Transcript, ParseError> {
    transcript(file, text).map_err(|(line, problem)| ParseError { file: file.to_owned(), line, problem })
}

fn transcript(file: &str, text: &str) -> Result<Transcript, Problem> {
    let lines: Vec<Line<'_>> = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end_matches('\r'))).collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|index| title_of(lines[*index].1).is_some()).collect();
    let first = starts.first().copied().unwrap_or(lines.len());
    let mut raw = false;
    let mut directives = Directives::default();
    let mut preamble = Vec::new();
    for line in &lines[..first] {
        match line.1.strip_prefix('#') {
            Some(directive) => directives.read((line.0, directive), &mut raw)?,
            None if line.1.starts_with(['>', '<']) => {
                return Err((line.0, "a request or an answer stands before the first ### title".to_owned()));
            }
            None => preamble.push(line.1),
        }
    }
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let steps = starts.iter().zip(ends).map(|(start, end)| step(&lines[*start..end])).collect::<Result<_, _>>()?;
    Ok(Transcript { file: file.to_owned(), preamble: preamble.join("\n").trim().to_owned(), directives, steps })
}

fn title_of(line: &str) -> Option<&str> {
    line.strip_prefix("###").map(str::trim)
}

/// The lines of one step, sorted by their marks.
#[derive(Default)]
struct Sorted<'a> {
    directives: Directives,
    raw: bool,
    story: Vec<&'a str>,
    request: Vec<Line<'a>>,
    answer: Vec<Line<'a>>,
}

fn step(lines: &[Line<'_>]) -> Result<Step, Problem> {
    let Some(((line, title), rest)) = lines.split_first() else { return Err((0, "there is no step".to_owned())) };
    let title = title_of(title).unwrap_or_default().to_owned();
    if title.is_empty() {
        return Err((*line, "a ### line needs a title".to_owned()));
    }
    let mut sorted = Sorted::default();
    rest.iter().try_for_each(|line| sorted.take(*line))?;
    if sorted.request.is_empty() {
        return Err((*line, "this step has no request: its lines start with >".to_owned()));
    }
    if sorted.answer.is_empty() {
        return Err((*line, "this step has no answer: its lines start with <".to_owned()));
    }
    let request = RequestLines { lines: &sorted.request, raw: sorted.raw };
    Ok(Step {
        title,
        line: *line,
        story: sorted.story.join("\n").trim().to_owned(),
        request: Request::parse(&request)?,
        expected: expected(&sorted.answer, sorted.directives.exact)?,
        directives: sorted.directives,
    })
}

impl<'a> Sorted<'a> {
    fn take(&mut self, (number, line): Line<'a>) -> Result<(), Problem> {
        if let Some(directive) = line.strip_prefix('#') {
            return self.directives.read((number, directive), &mut self.raw);
        }
        if let Some(text) = marked((number, line), '>')? {
            if !self.answer.is_empty() {
                return Err((number, "a second request needs a ### title of its own".to_owned()));
            }
            self.request.push((number, text));
            return Ok(());
        }
        if let Some(text) = marked((number, line), '<')? {
            if self.request.is_empty() {
                return Err((number, "an answer stands before its request".to_owned()));
            }
            self.answer.push((number, text));
            return Ok(());
        }
        if self.request.is_empty() {
            self.story.push(line);
        } else if !line.trim().is_empty() {
            return Err((number, "behind the request only lines with >, < or # may stand".to_owned()));
        }
        Ok(())
    }
}

/// The text behind `> ` or `< `.
fn marked((number, line): Line<'_>, mark: char) -> Result<Option<&str>, Problem> {
    let Some(rest) = line.strip_prefix(mark) else { return Ok(None) };
    match rest.strip_prefix(' ') {
        Some(text) => Ok(Some(text)),
        None if rest.is_empty() => Ok(Some("")),
        None => Err((number, format!("a space is missing behind `{mark}`"))),
    }
}

impl Directives {
    /// Reads `key: value`, or a flag.
    fn read(&mut self, (line, text): Line<'_>, raw: &mut bool) -> Result<(), Problem> {
        let wrong = |problem: String| (line, problem);
        let (key, value) = match text.split_once(':') {
            Some((key, value)) => (key.trim(), value.trim()),
            None => (text.trim(), ""),
        };
        let flag = matches!(key, "raw" | "closes" | "exact" | "demo");
        if flag == value.is_empty() {
            match key {
                "raw" => *raw = true,
                "closes" => self.ends = Ending::Closed,
                "exact" => self.exact = true,
                "demo" => self.demo = true,
                "source" => self.source = Some(value.to_owned()),
                "date" => self.date = Some(value.to_owned()),
                "row" => self.rows.extend(value.split_whitespace().map(str::to_owned)),
                "rfc" => self.rfc.push(value.to_owned()),
                "at" => {
                    self.at = Some(
                        Time::parse_rfc3339(value)
                            .ok_or_else(|| wrong(format!("`{value}` is no moment like 2026-11-22T10:00:00Z")))?,
                    )
                }
                "note" => self.notes.push(value.to_owned()),
                "fixture" => self.fixture = Some(value.to_owned()),
                "host" => self.host = Some(value.to_owned()),
                "listener" => self.listener = Some(value.to_owned()),
                "skip" => self.skip = Some(value.to_owned()),
                "same" => self.same_as = Some(value.to_owned()),
                "why" => {
                    self.why =
                        Some(Why::by_id(value).ok_or_else(|| wrong(format!("`{value}` is no reason of the table of refusals")))?)
                }
                "claim" => self.tokens.push(token_check(line, TokenPart::Claims, value).map_err(wrong)?),
                "header" => self.tokens.push(token_check(line, TokenPart::Header, value).map_err(wrong)?),
                _ => return Err(wrong(format!("`{key}` is no directive: there are {KEYS}"))),
            }
            return Ok(());
        }
        Err(wrong(match flag {
            true => format!("`# {key}` takes no value"),
            false if KEYS.split(", ").any(|known| known == key) => format!("`# {key}:` needs a value"),
            false => format!("`{key}` is no directive: there are {KEYS}"),
        }))
    }
}

/// `token scp ["read"]` or `token !nbf`.
fn token_check(line: usize, part: TokenPart, text: &str) -> Result<TokenCheck, String> {
    let (variable, rest) = text.split_once(' ').ok_or("a token check names a captured token and a member")?;
    let (member, value) = match rest.trim().split_once(' ') {
        Some((member, value)) => (member, Some(value.trim().to_owned())),
        None => (rest.trim(), None),
    };
    let (member, value) = match (member.strip_prefix('!'), value) {
        (Some(member), None) => (member, None),
        (None, Some(value)) => {
            json::pattern(&value).map_err(|problem| format!("the value is no JSON: {problem}"))?;
            (member, Some(value))
        }
        _ => return Err("a token check is written `token name value`, or `token !name`".to_owned()),
    };
    Ok(TokenCheck { line, variable: variable.to_owned(), part, member: member.to_owned(), value })
}

fn expected(lines: &[Line<'_>], exact: bool) -> Result<Expected, Problem> {
    let Some(((line, status), rest)) = lines.split_first() else { return Err((0, "there is no answer".to_owned())) };
    let mut statuses = Vec::new();
    let mut may_close = false;
    for part in status.split('|') {
        match (part, part.parse::<u16>()) {
            ("closed", _) => may_close = true,
            (_, Ok(code @ 100..=599)) => statuses.push(code),
            _ => return Err((*line, format!("`{status}` is no status: write 200, 400|431 or closed"))),
        }
    }
    let split = rest.iter().position(|(_, text)| text.is_empty());
    let (headers, body) = match split {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let headers = headers.iter().map(|line| expected_header(*line)).collect::<Result<_, _>>()?;
    let body = body.map_or(Ok(ExpectedBody::Any), |lines| expected_body(*line, lines, exact))?;
    Ok(Expected { line: *line, statuses, may_close, headers, body })
}

fn expected_header((line, text): Line<'_>) -> Result<ExpectedHeader, Problem> {
    if let Some(name) = text.strip_prefix('!') {
        return Ok(ExpectedHeader { line, name: name.trim().to_owned(), value: None });
    }
    let (name, value) =
        text.split_once(':').ok_or((line, "a header is written `Name: value`, or `!Name` if it must be absent".to_owned()))?;
    let value = Template::parse(value.trim(), Spelling::Plain).map_err(|problem| (line, problem))?;
    Ok(ExpectedHeader { line, name: name.trim().to_owned(), value: Some(value) })
}

fn expected_body(status_line: usize, lines: &[Line<'_>], exact: bool) -> Result<ExpectedBody, Problem> {
    let first = lines.first().map_or(status_line, |line| line.0);
    let text = lines.iter().map(|line| line.1).collect::<Vec<_>>().join("\n");
    if !exact && text.trim_start().starts_with(['{', '[']) && !text.starts_with("{{") {
        let pattern =
            json::pattern(&text).map_err(|problem| (first, format!("this body starts like JSON but is none: {problem}")))?;
        return Ok(ExpectedBody::Json(pattern));
    }
    Template::parse(&text, Spelling::Plain).map(ExpectedBody::Text).map_err(|problem| (first, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Variables;

    const GOOD: &str = "\
A word before.
# fixture: fixture.toml

### A service asks
# row: CA-02 CA-03
# at: 2026-11-22T10:00:00Z
# demo
It is early.
> POST /token HTTP/1.1
> Host: {{host}}
>
> a=b
< 200|201
< Content-Type: application/json
< !WWW-Authenticate
<
< {\"access_token\":\"{{jwt:token=}}\",\"expires_in\":{{int}}}
# claim: token scp [\"read\"]
# header: token !jku

### It asks again
# raw
# closes
# why: request.malformed
> GET / HTTP/1.1\\r\\n
> \\r\\n
< closed
";

    #[test]
    fn reads_every_part() {
        let transcript = parse("good.http", GOOD).unwrap();
        assert_eq!(transcript.preamble, "A word before.");
        assert_eq!(transcript.directives.fixture.as_deref(), Some("fixture.toml"));
        let [first, second] = transcript.steps.as_slice() else { panic!("two steps") };
        assert_eq!((first.title.as_str(), first.line, first.story.as_str()), ("A service asks", 4, "It is early."));
        assert_eq!(first.directives.rows, ["CA-02", "CA-03"]);
        assert_eq!(first.directives.at.map(Time::seconds), Some(1_795_341_600));
        assert!(first.directives.demo && !second.directives.demo);
        assert_eq!(second.directives.why, Some(Why::RequestMalformed));
        assert_eq!(first.expected.statuses, [200, 201]);
        assert_eq!(first.expected.headers.len(), 2);
        assert!(matches!(first.expected.body, ExpectedBody::Json(_)));
        assert_eq!(first.directives.tokens.len(), 2);
        assert_eq!(first.directives.tokens[1].value, None);
        assert!(second.expected.may_close && second.expected.statuses.is_empty());
        assert_eq!(second.directives.ends, Ending::Closed);
        let mut variables = Variables::default();
        variables.set("host", "h");
        assert_eq!(first.request.bytes(&variables).unwrap(), b"POST /token HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b");
        assert_eq!(second.request.bytes(&variables).unwrap(), b"GET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn errors_name_file_and_line() {
        for (text, line, says) in [
            ("> GET /", 1, "before the first ###"),
            ("###\n", 1, "needs a title"),
            ("### t\n", 1, "no request"),
            ("### t\n> GET / HTTP/1.1\n", 1, "no answer"),
            ("### t\n< 200\n", 2, "before its request"),
            ("### t\n>GET /\n", 2, "a space is missing"),
            ("### t\n# colour: red\n> GET / HTTP/1.1\n< 200\n", 2, "no directive"),
            ("### t\n# at: noon\n> GET / HTTP/1.1\n< 200\n", 2, "no moment"),
            ("### t\n# raw: yes\n> GET / HTTP/1.1\n< 200\n", 2, "takes no value"),
            ("### t\n# why: bad luck\n> GET / HTTP/1.1\n< 400\n", 2, "no reason"),
            ("### t\n# host\n> GET / HTTP/1.1\n< 200\n", 2, "needs a value"),
            ("### t\n# claim: token\n> GET / HTTP/1.1\n< 200\n", 2, "token check"),
            ("### t\n> GET / HTTP/1.1\nwords\n< 200\n", 3, "behind the request"),
            ("### t\n> GET / HTTP/1.1\n< 200\n> GET / HTTP/1.1\n", 4, "second request"),
            ("### t\n> GET / HTTP/1.1\n< OK\n", 3, "no status"),
            ("### t\n> GET / HTTP/1.1\n< 200\n< nonsense\n", 4, "a header is written"),
            ("### t\n> GET / HTTP/1.1\n< 200\n<\n< {\"a\":}\n", 5, "starts like JSON"),
            ("### t\n> GET /{{*}} HTTP/1.1\n< 200\n", 2, "only an answer"),
            ("### t\n> GET\n< 200\n", 2, "request line"),
            ("### t\n> GET / HTTP/1.1\n> nonsense\n< 200\n", 3, "a header is written"),
        ] {
            let error = parse("bad.http", text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.to_string().starts_with("bad.http:") && error.problem.contains(says), "{text:?}: {error}");
        }
    }
}
