//! A form is a list of names and values as `application/x-www-form-urlencoded` writes them: the one strict parser of the project.
//!
//! A raw space, `/`, `:` or `*` passes. A broken percent-escape, a NUL, bytes that are not UTF-8 and a repeated name do not.

use crate::refusal::Why;
use std::borrow::Cow;

/// Most parameters in one form.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of one form, in order. Empty values are left out: a parameter without a value counts as omitted (RFC 6749 §3.2).
#[derive(Debug)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads a body. Names in `repeatable` may come several times.
    pub fn parse(body: &'a [u8], repeatable: &[&str]) -> Result<Self, Why> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for part in body.split(|&b| b == b'&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Why::RequestTooLarge);
            }
            let split = part.iter().position(|&b| b == b'=');
            let (name, value) = split.map_or((part, &part[..0]), |at| (&part[..at], &part[at + 1..]));
            let (name, value) = (decode(name)?, decode(value)?);
            // RFC 6749 §3.2: request parameters MUST NOT be included more than once.
            if !repeatable.contains(&&*name) && pairs.iter().any(|(known, _)| *known == name) {
                return Err(Why::RequestParameterRepeated);
            }
            pairs.push((name, value));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// All values of a repeatable parameter.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// Decodes one name or value: `+` is a space, `%XX` a byte; the result is UTF-8 without NUL.
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, Why> {
    let plain = !text.iter().any(|b| matches!(b, b'%' | b'+'));
    let bytes = if plain { Cow::Borrowed(text) } else { Cow::Owned(unescape(text)?) };
    if bytes.contains(&0) {
        return Err(Why::RequestMalformed);
    }
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Why::RequestMalformed),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Why::RequestMalformed),
    }
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (&[high, low], tail) = rest.split_first_chunk::<2>().ok_or(Why::RequestMalformed)?;
                rest = tail;
                hex(high)? << 4 | hex(low)?
            }
            byte => byte,
        });
    }
    Ok(bytes)
}

fn hex(digit: u8) -> Result<u8, Why> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Why::RequestMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_spaces_and_slashes_pass() {
        let form = Form::parse(b"scope=banking/read banking/write&a=x:y*&b=%2F%2b+z&empty=&flag", &[]).expect("a form");
        assert_eq!(form.value("scope"), Some("banking/read banking/write"));
        assert_eq!(form.value("a"), Some("x:y*"));
        assert_eq!(form.value("b"), Some("/+ z"));
        assert_eq!(form.value("empty"), None);
        assert_eq!(form.value("flag"), None);
    }

    #[test]
    fn what_is_not_a_form_is_refused() {
        for body in [&b"a=%zz"[..], b"a=%", b"a=%4", b"a=%ff", b"a=%c0%af", b"a=%ed%a0%80", b"a=%00", b"a=\0", b"\xff=1"] {
            assert!(matches!(Form::parse(body, &[]), Err(Why::RequestMalformed)), "{body:?}");
        }
        for body in [&b"a=1&a=1"[..], b"a=&a=1", b"grant_type=x&%67rant_type=y", b"unknown=1&unknown=2"] {
            assert!(matches!(Form::parse(body, &[]), Err(Why::RequestParameterRepeated)), "{body:?}");
        }
        assert!(Form::parse(b"resource=a&resource=b", &["resource"]).is_ok());
        assert!(matches!(Form::parse("a=1&".repeat(65).as_bytes(), &["a"]), Err(Why::RequestTooLarge)));
    }
}
