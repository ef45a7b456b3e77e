//! Judging an answer: status, headers and body against what the step expects, then the tokens that it brought.

use super::report::{Difference, Mismatch};
use super::template::Template;
use super::variables::{Unfilled, Variables};
use super::{ExpectedBody, ExpectedHeader, Step, TokenCheck, TokenPart, Transcript, json};
use jeton_jose::{b64, json as strict_json};
use serde_json::Value;

/// The largest body that is read as JSON.
const MAX_JSON: usize = 4 * 1024 * 1024;

/// How much of an answer a report shows.
const MAX_SHOWN: usize = 2000;

/// Headers that differ between two answers that are otherwise the same.
const VOLATILE: [&str; 2] = ["date", "x-request-id"];

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; nothing if the connection ended without an answer.
    pub status: Option<u16>,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The answer as text, cut to a readable length.
    #[must_use]
    pub fn readable(&self) -> String {
        let mut out = self.status.map_or_else(|| "(closed without an answer)\n".to_owned(), |status| format!("{status}\n"));
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\n"));
        }
        let body = String::from_utf8_lossy(&self.body);
        let shown: String = body.chars().take(MAX_SHOWN).collect();
        let rest = if shown.len() < body.len() { format!("… {} bytes in all", self.body.len()) } else { String::new() };
        out + "\n" + &shown + &rest
    }
}

/// Compares an answer with what a step expects, and adds what the step captures to the variables.
///
/// # Errors
/// Everything that differs.
pub fn check(transcript: &Transcript, step: &Step, answer: &Answer, variables: &mut Variables) -> Result<(), Mismatch> {
    let differences = differences(step, answer, variables)
        .unwrap_or_else(|unfilled| vec![Difference::new("transcript", "values for every placeholder", unfilled.to_string())]);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Mismatch {
        file: transcript.file.clone(),
        line: step.expected.line,
        title: step.title.clone(),
        differences,
        answer: answer.readable(),
    })
}

fn differences(step: &Step, answer: &Answer, variables: &mut Variables) -> Result<Vec<Difference>, Unfilled> {
    let expected = &step.expected;
    let mut found = Vec::new();
    let Some(status) = answer.status else {
        if !expected.may_close {
            found.push(Difference::new("status", statuses(&expected.statuses), "the connection was closed without an answer"));
        }
        return Ok(found);
    };
    if !expected.statuses.contains(&status) {
        found.push(Difference::new(
            "status",
            if expected.statuses.is_empty() { "closed".to_owned() } else { statuses(&expected.statuses) },
            status.to_string(),
        ));
    }
    for header in &expected.headers {
        found.extend(header_difference(header, answer, variables)?);
    }
    found.extend(body_differences(&expected.body, answer, variables)?);
    for token in &step.directives.tokens {
        found.extend(token_difference(token, variables)?);
    }
    Ok(found)
}

fn statuses(statuses: &[u16]) -> String {
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}

fn header_difference(
    header: &ExpectedHeader,
    answer: &Answer,
    variables: &mut Variables,
) -> Result<Option<Difference>, Unfilled> {
    let what = format!("header {} (line {})", header.name, header.line);
    let values: Vec<&str> = answer.values(&header.name).collect();
    let got = if values.is_empty() { "nothing".to_owned() } else { values.join(" | ") };
    let Some(template) = &header.value else {
        return Ok((!values.is_empty()).then(|| Difference::new(what, "nothing", got)));
    };
    for value in values {
        if template.accepts(value.as_bytes(), variables)? {
            return Ok(None);
        }
    }
    Ok(Some(Difference::new(what, described(template, variables), got)))
}

fn body_differences(expected: &ExpectedBody, answer: &Answer, variables: &mut Variables) -> Result<Vec<Difference>, Unfilled> {
    match expected {
        ExpectedBody::Any => Ok(Vec::new()),
        ExpectedBody::Text(template) => {
            let body = answer.body.strip_suffix(b"\n").unwrap_or(&answer.body);
            let got = || String::from_utf8_lossy(body).into_owned();
            Ok(match template.accepts(body, variables)? {
                true => Vec::new(),
                false => vec![Difference::new("body", described(template, variables), got())],
            })
        }
        // A member that is there twice would hide one of its values.
        ExpectedBody::Json(pattern) => Ok(match strict_json::parse(&answer.body, MAX_JSON) {
            Err(error) => vec![Difference::new("body", "JSON without duplicate members", error.to_string())],
            Ok(actual) => json::compare(pattern, &actual, variables)?
                .into_iter()
                .map(|(path, wanted, got)| Difference::new(format!("body {path}"), wanted, got))
                .collect(),
        }),
    }
}

/// What a template asks for, in words for the report.
fn described(template: &Template, variables: &Variables) -> String {
    match template.fill(variables) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => format!("what the pattern says: {}", template.readable()),
    }
}

fn token_difference(check: &TokenCheck, variables: &mut Variables) -> Result<Option<Difference>, Unfilled> {
    let (what, part) = match check.part {
        TokenPart::Header => ("header", 0),
        TokenPart::Claims => ("claim", 1),
    };
    let what = format!("{what} {} of {} (line {})", check.member, check.variable, check.line);
    let wanted = check.value.clone().unwrap_or_else(|| "nothing".to_owned());
    let token = variables.value(&check.variable)?;
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = (parts.len() == 3)
        .then(|| b64::decode(parts.get(part)?.as_bytes()).ok())
        .flatten()
        .and_then(|bytes| strict_json::parse_object(&bytes, MAX_JSON).ok());
    let Some(members) = decoded else {
        return Ok(Some(Difference::new(what, wanted, format!("{} holds no JWT", check.variable))));
    };
    let Some(value) = &check.value else {
        return Ok(members.get(&check.member).map(|got| Difference::new(what, wanted, got.to_string())));
    };
    let pattern = json::pattern(value).map_err(Unfilled)?;
    let Some(got) = members.get(&check.member) else {
        return Ok(Some(Difference::new(what, wanted, "nothing")));
    };
    Ok(json::compare(&pattern, got, variables)?.into_iter().next().map(|_| Difference::new(what, wanted, got.to_string())))
}

/// Whether two answers are the same for whoever receives them, but for the date and the request id.
///
/// # Errors
/// What differs.
pub fn same_answer(one: &Answer, other: &Answer) -> Result<(), Vec<Difference>> {
    let headers = |answer: &Answer| -> Vec<String> {
        let stays = |name: &str| !VOLATILE.iter().any(|volatile| name.eq_ignore_ascii_case(volatile));
        answer
            .headers
            .iter()
            .filter(|(name, _)| stays(name))
            .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
            .collect()
    };
    let status = |answer: &Answer| Value::from(answer.status).to_string();
    let body = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
    let found: Vec<Difference> = [
        ("status", status(one), status(other)),
        ("headers", headers(one).join("\n      "), headers(other).join("\n      ")),
        ("body", body(one), body(other)),
    ]
    .into_iter()
    .filter(|(_, one, other)| one != other)
    .map(|(what, one, other)| Difference::new(what, one, other))
    .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::parse;

    fn verdict(expected: &str, answer: &Answer) -> Result<Variables, Mismatch> {
        let transcript = parse("t.http", &format!("### A step\n> GET / HTTP/1.1\n{expected}\n")).unwrap();
        let mut variables = Variables::default();
        variables.set("scope", "read");
        check(&transcript, &transcript.steps[0], answer, &mut variables).map(|()| variables)
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        Answer {
            status: Some(status),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// A JWT with `{"typ":"at+jwt"}` and `{"scp":["read"],"iat":5}`; nobody signed it.
    fn token() -> String {
        [br#"{"typ":"at+jwt"}"#.as_slice(), br#"{"scp":["read"],"iat":5}"#, b"sig"].map(b64::encode).join(".")
    }

    #[test]
    fn a_wrong_answer_fails() {
        let good = answer(200, &[("content-type", "application/json"), ("cache-control", "no-store")], r#"{"a":"b"}"#);
        for (expected, fails_at) in [
            ("< 200", None),
            ("< 200|201", None),
            ("< 400", Some("status")),
            ("< closed", Some("status")),
            ("< 200\n< Content-Type: application/json", None),
            ("< 200\n< Content-Type: application/{{text}}", None),
            ("< 200\n< Content-Type: text/html", Some("header Content-Type (line 4)")),
            ("< 200\n< Pragma: no-cache", Some("header Pragma (line 4)")),
            ("< 200\n< !Set-Cookie", None),
            ("< 200\n< !Cache-Control", Some("header Cache-Control (line 4)")),
            ("< 200\n<\n< {\"a\":\"b\"}", None),
            ("< 200\n<\n< { \"a\" :\n<  \"b\" }", None),
            ("# exact\n< 200\n<\n< {\"a\":\"b\"}", None),
            ("# exact\n< 200\n<\n< {\"a\": \"b\"}", Some("body")),
            ("< 200\n<\n< {\"a\":\"c\"}", Some("body /a")),
            ("< 200\n<\n< {}", Some("body /a")),
            ("< 200\n<\n< {\"a\":\"b\",\"c\":1}", Some("body /c")),
            ("< 200\n<", Some("body")),
            ("< 200\n<\n< hello", Some("body")),
        ] {
            let found = verdict(expected, &good).err().map(|mismatch| mismatch.differences[0].what.clone());
            assert_eq!(found.as_deref(), fails_at, "{expected}");
        }
    }

    #[test]
    fn a_closed_connection_and_a_doubled_member_are_seen() {
        assert!(verdict("< closed|400", &Answer::default()).is_ok());
        assert!(verdict("< 400", &Answer::default()).is_err());
        assert!(verdict("< 200\n<\n< {\"a\":1}", &answer(200, &[], r#"{"a":1,"a":1}"#)).is_err());
        assert!(verdict("< 200\n<\n< {\"a\":1}", &answer(200, &[], "not JSON")).is_err());
    }

    #[test]
    fn looks_inside_tokens() {
        let body = format!(r#"{{"t":"{}"}}"#, token());
        for (line, right) in [
            (r#"# claim: t scp ["read"]"#, true),
            (r#"# claim: t scp ["{{scope}}"]"#, true),
            (r#"# claim: t scp ["write"]"#, false),
            (r#"# claim: t iat {{int}}"#, true),
            (r#"# claim: t iat "{{int}}""#, false),
            ("# claim: t !nbf", true),
            ("# claim: t !iat", false),
            (r#"# claim: t sub "x""#, false),
            (r#"# header: t typ "at+jwt""#, true),
            (r#"# header: t typ "JWT""#, false),
            ("# header: nobody !typ", false),
        ] {
            let expected = format!("< 200\n<\n< {{\"t\":\"{{{{jwt:t=}}}}\"}}\n{line}");
            assert_eq!(verdict(&expected, &answer(200, &[], &body)).is_ok(), right, "{line}");
        }
    }

    #[test]
    fn a_report_reads_like_a_diff() {
        let mismatch = verdict("< 200\n<\n< {\"a\":{{int}}}", &answer(400, &[("Server", "x")], r#"{"a":"1"}"#)).unwrap_err();
        let report = mismatch.to_string();
        assert_eq!(
            report,
            "t.http:3: A step\n  status\n    - 200\n    + 400\n  body /a\n    - {{int}}\n    + \"1\"\n  the answer was\n    | 400\n    | Server: x\n    | \n    | {\"a\":\"1\"}\n"
        );
    }

    #[test]
    fn the_same_answer_twice_differs_only_in_date_and_id() {
        let one = answer(401, &[("Date", "Mon"), ("X-Request-Id", "1"), ("A", "b")], "{}");
        let two = answer(401, &[("Date", "Tue"), ("X-Request-Id", "2"), ("A", "b")], "{}");
        assert_eq!(same_answer(&one, &two), Ok(()));
        let three = answer(401, &[("A", "c")], "{ }");
        let found: Vec<String> = same_answer(&one, &three).unwrap_err().into_iter().map(|found| found.what).collect();
        assert_eq!(found, ["headers", "body"]);
    }
}
