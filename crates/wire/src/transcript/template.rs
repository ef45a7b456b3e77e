//! A template is text with placeholders in double braces: it is filled to make a request, or matched against an answer.
//!
//! The same grammar serves both, so that a value captured from one answer can stand in the next request. Matching takes
//! each placeholder up to the first place where the text behind it is found; it never goes back, so it is linear.

use super::variables::{Unfilled, Variables};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest text that `{{repeat:…}}` may make.
const MAX_REPEAT: usize = 8 * 1024 * 1024;

/// Text with placeholders, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// How the text between the placeholders is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As it is.
    Plain,
    /// With `\xNN`, `\r`, `\n`, `\t` and `\\`.
    Escaped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Variable { name: String, filter: Filter },
    Wild { kind: Kind, capture: Option<String> },
}

/// What a substituted value goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    AsItIs,
    Form,
    Basic(String),
    BasicForm(String),
}

/// What a placeholder in an answer accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything, also nothing.
    Any,
    /// At least one byte.
    Text,
    /// Decimal digits, perhaps with a minus.
    Int,
    /// Three parts of base64url, none of them empty.
    Jwt,
}

impl Template {
    /// Reads the placeholders of a text.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str, spelling: Spelling) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            push_literal(&mut pieces, literal(before, spelling)?);
            let (inside, tail) = after.split_once("}}").ok_or_else(|| format!("`{{{{{after}` is never closed"))?;
            match placeholder(inside, spelling)? {
                Piece::Literal(bytes) => push_literal(&mut pieces, bytes),
                piece => {
                    if matches!((pieces.last(), &piece), (Some(Piece::Wild { .. }), Piece::Wild { .. })) {
                        return Err(format!("`{{{{{inside}}}}}` follows another placeholder with nothing between them"));
                    }
                    pieces.push(piece);
                }
            }
            rest = tail;
        }
        push_literal(&mut pieces, literal(rest, spelling)?);
        Ok(Self { pieces })
    }

    /// Whether it accepts more than one text; a request may not.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Wild { .. }))
    }

    /// The bytes with every variable put in.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn fill(&self, variables: &Variables) -> Result<Vec<u8>, Unfilled> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Variable { name, filter } => out.extend(filter.apply(variables.value(name)?, variables)?),
                Piece::Wild { .. } => return Err(Unfilled("a placeholder that only an answer may have".to_owned())),
            }
        }
        Ok(out)
    }

    /// Whether the bytes are what the template says; what was captured is added to the variables only if they are.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn accepts(&self, actual: &[u8], variables: &mut Variables) -> Result<bool, Unfilled> {
        let mut captured = Vec::new();
        let mut rest = actual;
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let Piece::Wild { kind, capture } = piece else {
                let text = fixed(piece, variables)?;
                match rest.strip_prefix(text.as_slice()) {
                    Some(after) => rest = after,
                    None => return Ok(false),
                }
                continue;
            };
            let end = match pieces.peek() {
                None => Some(rest.len()),
                Some(next) => position(rest, &fixed(next, variables)?),
            };
            let Some((taken, after)) = end.and_then(|end| rest.split_at_checked(end)) else { return Ok(false) };
            if !kind.accepts(taken) {
                return Ok(false);
            }
            if let Some(name) = capture {
                match std::str::from_utf8(taken) {
                    Ok(text) => captured.push((name.clone(), text.to_owned())),
                    Err(_) => return Ok(false),
                }
            }
            rest = after;
        }
        if rest.is_empty() {
            captured.into_iter().for_each(|(name, value)| variables.set(name, value));
        }
        Ok(rest.is_empty())
    }

    /// The template as a reader would write it.
    #[must_use]
    pub fn readable(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Piece::Variable { name, .. } => format!("{{{{{name}}}}}"),
            Piece::Wild { capture: Some(name), .. } => format!("{{{{{name}=}}}}"),
            Piece::Wild { kind, .. } => format!("{{{{{kind:?}}}}}").to_lowercase(),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The single placeholder of which the whole template consists.
    pub(super) fn only_wild(&self) -> Option<(Kind, Option<&str>)> {
        match self.pieces.as_slice() {
            [Piece::Wild { kind, capture }] => Some((*kind, capture.as_deref())),
            _ => None,
        }
    }

    /// The single plain variable of which the whole template consists.
    pub(super) fn only_variable(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Variable { .. }])
    }
}

impl Kind {
    /// Whether a text is of this kind.
    pub(super) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Text => !text.is_empty(),
            Self::Int => {
                let digits = text.strip_prefix(b"-").unwrap_or(text);
                !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
            Self::Jwt => {
                let parts: Vec<&[u8]> = text.split(|byte| *byte == b'.').collect();
                let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.iter().all(base64url))
            }
        }
    }
}

impl Filter {
    fn apply(&self, value: &str, variables: &Variables) -> Result<Vec<u8>, Unfilled> {
        let joined = |left: &str, right: &str| STANDARD.encode(format!("{left}:{right}")).into_bytes();
        Ok(match self {
            Self::AsItIs => value.as_bytes().to_vec(),
            Self::Form => form_encoded(value).into_bytes(),
            Self::Basic(other) => joined(value, variables.value(other)?),
            // RFC 6749 §2.3.1: both parts are encoded with the form algorithm before they are joined.
            Self::BasicForm(other) => joined(&form_encoded(value), &form_encoded(variables.value(other)?)),
        })
    }
}

/// `application/x-www-form-urlencoded`, as RFC 6749 Appendix B asks.
fn form_encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn push_literal(pieces: &mut Vec<Piece>, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Literal(before)) => before.extend(bytes),
        _ => pieces.push(Piece::Literal(bytes)),
    }
}

/// What stands between the double braces.
fn placeholder(inside: &str, spelling: Spelling) -> Result<Piece, String> {
    if let Some(text) = inside.strip_prefix("base64:") {
        return Ok(Piece::Literal(STANDARD.encode(literal(text, Spelling::Escaped)?).into_bytes()));
    }
    if let Some(repeat) = inside.strip_prefix("repeat:") {
        return repeated(repeat, spelling).map(Piece::Literal);
    }
    if let Some(kind) = kind(inside) {
        return Ok(Piece::Wild { kind, capture: None });
    }
    if let Some(capture) = inside.strip_suffix('=') {
        let (kind, name) = match capture.split_once(':') {
            Some((kind_name, name)) => (kind(kind_name).ok_or_else(|| format!("`{kind_name}` is no kind of value"))?, name),
            None => (Kind::Text, capture),
        };
        return Ok(Piece::Wild { kind, capture: Some(variable_name(name)?) });
    }
    let (name, filter) = match inside.split_once('|') {
        None => (inside, Filter::AsItIs),
        Some((name, "form")) => (name, Filter::Form),
        Some((name, filter)) => match filter.split_once(':') {
            Some(("basic", other)) => (name, Filter::Basic(variable_name(other)?)),
            Some(("basicform", other)) => (name, Filter::BasicForm(variable_name(other)?)),
            _ => return Err(format!("`|{filter}` is no filter: there are form, basic:other and basicform:other")),
        },
    };
    Ok(Piece::Variable { name: variable_name(name)?, filter })
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        "*" => Some(Kind::Any),
        "text" => Some(Kind::Text),
        "int" => Some(Kind::Int),
        "jwt" => Some(Kind::Jwt),
        _ => None,
    }
}

fn variable_name(name: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!("`{name}` is no name of a variable: those are made of a-z, 0-9 and _"));
    }
    Ok(name.to_owned())
}

/// `N:text`, the text N times.
fn repeated(repeat: &str, spelling: Spelling) -> Result<Vec<u8>, String> {
    let (count, text) = repeat.split_once(':').ok_or("`repeat` is written {{repeat:N:text}}")?;
    let count: usize = count.parse().map_err(|_| format!("`{count}` is no number of times"))?;
    let text = literal(text, spelling)?;
    if count.saturating_mul(text.len()) > MAX_REPEAT {
        return Err(format!("`repeat` would make more than {MAX_REPEAT} bytes"));
    }
    Ok(text.repeat(count))
}

fn literal(text: &str, spelling: Spelling) -> Result<Vec<u8>, String> {
    if spelling == Spelling::Plain {
        return Ok(text.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [bytes.next().unwrap_or(b' '), bytes.next().unwrap_or(b' ')];
                let digits = std::str::from_utf8(&digits).unwrap_or("");
                u8::from_str_radix(digits, 16).map_err(|_| "`\\x` wants two hexadecimal digits".to_owned())?
            }
            _ => return Err("a backslash starts \\xNN, \\r, \\n, \\t or \\\\".to_owned()),
        });
    }
    Ok(out)
}

/// The bytes of a piece that can match only one text.
fn fixed(piece: &Piece, variables: &Variables) -> Result<Vec<u8>, Unfilled> {
    Template { pieces: vec![piece.clone()] }.fill(variables)
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        for (name, value) in [("id", "sheila.thomas"), ("secret", "s3cret/+= &"), ("host", "example.com")] {
            variables.set(name, value);
        }
        variables
    }

    fn filled(text: &str) -> String {
        let template = Template::parse(text, Spelling::Plain).unwrap();
        String::from_utf8(template.fill(&variables()).unwrap()).unwrap()
    }

    #[test]
    fn substitutes_and_filters() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("Host: {{host}}", "Host: example.com"),
            ("{{secret|form}}", "s3cret%2F%2B%3D+%26"),
            ("{{id|basic:host}}", "c2hlaWxhLnRob21hczpleGFtcGxlLmNvbQ=="),
            ("{{id|basicform:secret}}", "c2hlaWxhLnRob21hczpzM2NyZXQlMkYlMkIlM0QrJTI2"),
            ("{{base64:a:b}}", "YTpi"),
            ("{{base64:\\x00}}", "AA=="),
            ("{{repeat:3:ab}}c", "abababc"),
            (r#"{"a":{"b":{}}}"#, r#"{"a":{"b":{}}}"#),
        ] {
            assert_eq!(filled(text), wanted, "{text}");
        }
    }

    #[test]
    fn raw_text_is_unescaped_and_values_are_not() {
        let mut variables = variables();
        variables.set("slash", "\\r");
        let template = Template::parse("a\\r\\n\\x00\\xff\\\\{{slash}}", Spelling::Escaped).unwrap();
        assert_eq!(template.fill(&variables).unwrap(), b"a\r\n\x00\xff\\\\r");
    }

    #[test]
    fn matches_and_captures() {
        for (text, actual, captured) in [
            ("same", "same", Some(None)),
            ("same", "samo", None),
            ("same", "same ", None),
            ("{{host}}", "example.com", Some(None)),
            ("{{host}}", "example.org", None),
            ("no-{{*}}", "no-", Some(None)),
            ("{{text}}", "", None),
            ("{{int}}", "3599", Some(None)),
            ("{{int}}", "-1", Some(None)),
            ("{{int}}", "3599.0", None),
            ("{{jwt}}", "a.b.c", Some(None)),
            ("{{jwt}}", "a..c", None),
            ("{{jwt}}", "a.b.c.d", None),
            ("{{jwt}}", "a.b.c=", None),
            ("Bearer {{x=}}", "Bearer abc", Some(Some("abc"))),
            ("realm=\"{{x=}}\", error", "realm=\"r\", error", Some(Some("r"))),
            ("realm=\"{{x=}}\", error", "realm=\"r\" error", None),
            ("{{int:x=}}s", "12s", Some(Some("12"))),
            ("{{int:x=}}s", "ones", None),
        ] {
            let mut variables = variables();
            let template = Template::parse(text, Spelling::Plain).unwrap();
            let accepted = template.accepts(actual.as_bytes(), &mut variables).unwrap();
            assert_eq!(accepted, captured.is_some(), "{text} against {actual}");
            assert_eq!(variables.value("x").ok(), captured.flatten(), "{text} against {actual}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for text in [
            "{{",
            "{{open",
            "{{}}",
            "{{A}}",
            "{{a|b}}",
            "{{a|basic}}",
            "{{float:x=}}",
            "{{*}}{{*}}",
            "{{repeat:x:y}}",
            "{{repeat:99999999:y}}",
        ] {
            assert!(Template::parse(text, Spelling::Plain).is_err(), "{text}");
        }
        for text in ["\\", "\\q", "\\x4", "\\xzz"] {
            assert!(Template::parse(text, Spelling::Escaped).is_err(), "{text}");
        }
        assert!(Template::parse("{{nobody}}", Spelling::Plain).unwrap().fill(&Variables::default()).is_err());
    }
}
