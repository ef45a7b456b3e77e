//! Strict JSON is the only JSON that a security decision may read.
//!
//! It is UTF-8 without a byte order mark, holds one value and nothing but white space after it, has no member twice
//! at any depth (names are compared after their escapes are decoded), and is neither longer nor deeper than its
//! limits. This file does not know what the members mean, and it writes nothing but texts (RFC 8259, RFC 7515 §4).

use crate::JoseError;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// How many arrays and objects may stand inside one another; the outermost one counts.
pub const MAX_DEPTH: usize = 16;

/// Parses one JSON object of at most `max` bytes.
///
/// # Errors
/// As [`parse`]; also `Malformed` when the value is not an object.
pub fn parse_object(bytes: &[u8], max: usize) -> Result<Map<String, Value>, JoseError> {
    match parse(bytes, max)? {
        Value::Object(map) => Ok(map),
        _ => Err(JoseError::Malformed),
    }
}

/// Parses one JSON value of at most `max` bytes.
///
/// # Errors
/// `TooLarge` above `max`; `TooDeep` above [`MAX_DEPTH`]; `DuplicateMember` for a member that occurs twice at any depth
/// (RFC 7515 §4, RFC 7519 §4); `Malformed` for everything that is not one JSON text in plain UTF-8.
pub fn parse(bytes: &[u8], max: usize) -> Result<Value, JoseError> {
    if bytes.len() > max {
        return Err(JoseError::TooLarge);
    }
    // RFC 8259 §8.1: the text is UTF-8; a byte order mark is not white space, so serde_json refuses it.
    let text = std::str::from_utf8(bytes).map_err(|_| JoseError::Malformed)?;
    let verdict = Cell::new(JoseError::Malformed);
    let mut source = serde_json::Deserializer::from_str(text);
    let strict = Strict { room: MAX_DEPTH, verdict: &verdict };
    let value = strict.deserialize(&mut source).map_err(|_| verdict.get())?;
    source.end().map_err(|_| JoseError::Malformed)?;
    Ok(value)
}

/// Appends a text as JSON has it; nearly every text of ours needs no escape and is copied as it is (RFC 8259 §7).
pub fn append_text(text: &str, out: &mut Vec<u8>) {
    let is_plain = text.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'));
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a text is always JSON, and a vector takes every byte");
    }
}

/// Builds a value while it counts the depth and watches for names that come again.
#[derive(Clone, Copy)]
struct Strict<'a> {
    /// How many levels may still be opened.
    room: usize,
    /// What to report when the visitor stops the parser.
    verdict: &'a Cell<JoseError>,
}

impl Strict<'_> {
    /// Steps into an array or object, or refuses when no level is left.
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.room.checked_sub(1) {
            Some(room) => Ok(Self { room, ..self }),
            None => Err(self.stop(JoseError::TooDeep)),
        }
    }

    /// Notes the verdict and stops the parser.
    fn stop<E: serde::de::Error>(self, verdict: JoseError) -> E {
        self.verdict.set(verdict);
        E::custom(verdict)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // RFC 8259 §6: a number is finite.
        let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom("not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            // RFC 7515 §4: "The Header Parameter names within the JOSE Header MUST be unique"; RFC 7519 §4 says the same of claims.
            if map.contains_key(&name) {
                return Err(inner.stop(JoseError::DuplicateMember));
            }
            map.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_it_is_read() {
        for text in ["", "plain", "a\"b\\c", "\0\u{1f}\n", "é\u{2028}\u{10ffff}\x7f"] {
            let mut json = b"[".to_vec();
            append_text(text, &mut json);
            json.push(b']');
            assert_eq!(parse(&json, 1000).expect("JSON")[0], *text);
        }
    }

    fn check(text: &[u8], expected: Result<(), JoseError>) {
        assert_eq!(parse(text, 1000).map(drop), expected, "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn plain_values_pass_and_keep_their_order() {
        let value = parse(br#" {"b":[1,-2,3.5,true,null],"a":{"\u0062":"\ud83d\ude00"}} "#, 1000).expect("plain");
        assert_eq!(value.to_string(), "{\"b\":[1,-2,3.5,true,null],\"a\":{\"b\":\"\u{1f600}\"}}");
    }

    #[test]
    fn a_member_may_not_come_twice_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"[[{"a":1,"a":2}]]"#,
            r#"{"":1,"":2}"#,
            r#"{"a":1,"a":}"#,
        ] {
            check(text.as_bytes(), Err(JoseError::DuplicateMember));
        }
    }

    #[test]
    fn the_depth_limit_is_exact() {
        for (depth, expected) in [(16, Ok(())), (17, Err(JoseError::TooDeep)), (400, Err(JoseError::TooDeep))] {
            check(&[vec![b'['; depth], vec![b']'; depth]].concat(), expected);
            let objects = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
            assert_eq!(parse(objects.as_bytes(), 10_000).map(drop), expected);
        }
    }

    #[test]
    fn the_size_limit_is_exact() {
        assert!(parse(b"[1]", 3).is_ok());
        assert_eq!(parse(b"[1]", 2), Err(JoseError::TooLarge));
    }

    #[test]
    fn what_is_not_one_json_text_is_malformed() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "{}\0",
            "\u{feff}{}",
            "{/**/}",
            "// c\n{}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":01}",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\udc00\\ud800\"}",
            "{'a':1}",
            "{a:1}",
            "[1,]",
            "{\"a\":\"\n\"}",
            "{1:2}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1.}",
            "nul",
        ] {
            check(text.as_bytes(), Err(JoseError::Malformed));
        }
        check(b"{\"a\":\"\xff\"}", Err(JoseError::Malformed));
        check(b"\xff\xfe{\0}\0", Err(JoseError::Malformed));
        assert_eq!(parse_object(b"[]", 10), Err(JoseError::Malformed));
    }
}
