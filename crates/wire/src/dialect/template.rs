//! A template is the body of a refusal with named slots: an object of constants and of values known only when it is sent.

use super::DialectError;
use jeton_core::name::{RequestId, Time};
use serde_json::{Map, Value};

/// A template as a dialect's file states it: any JSON-like value whose texts may be `{slot}`.
pub type TemplateFile = toml::Value;

/// What is known about a refusal before it happens.
#[derive(Clone, Debug)]
pub struct Fixed<'a> {
    /// `{code}`.
    pub code: &'a str,
    /// `{sentence}`.
    pub sentence: &'a str,
    /// `{title}`.
    pub title: &'a str,
    /// `{status}`, a number.
    pub status: u16,
}

/// A body whose fixed slots are filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    value: Value,
    /// Whether a slot is left: then the body is made for each answer.
    open: bool,
    bytes: Vec<u8>,
}

/// What is known only when the answer is sent.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// `{request_id}`.
    pub request_id: &'a RequestId,
    /// `{time}`, RFC 3339.
    pub now: Time,
}

impl Template {
    /// Fills the fixed slots. A text in braces that is no slot is refused.
    pub fn new(file: &TemplateFile, fixed: &Fixed<'_>) -> Result<Self, DialectError> {
        let mut open = false;
        let value = fill(file, fixed, &mut open)?;
        let bytes = value.to_string().into_bytes();
        Ok(Self { value, open, bytes })
    }

    /// The body of one answer.
    #[must_use]
    pub fn body(&self, filling: Filling<'_>) -> Vec<u8> {
        if self.open { complete(&self.value, filling).to_string().into_bytes() } else { self.bytes.clone() }
    }

    /// The body with its open slots as they stand in the file, for documents.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

fn fill(file: &TemplateFile, fixed: &Fixed<'_>, open: &mut bool) -> Result<Value, DialectError> {
    Ok(match file {
        toml::Value::String(text) if text.starts_with('{') && text.ends_with('}') => match text.as_str() {
            "{code}" => fixed.code.into(),
            "{sentence}" => fixed.sentence.into(),
            "{title}" => fixed.title.into(),
            "{status}" => fixed.status.into(),
            "{request_id}" | "{time}" => {
                *open = true;
                text.as_str().into()
            }
            _ => {
                return Err(DialectError(format!(
                    "{text} is no slot; slots are code, sentence, title, status, request_id, time"
                )));
            }
        },
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Array(list) => list.iter().map(|item| fill(item, fixed, open)).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(table) => {
            let mut object = Map::new();
            for (name, value) in table {
                object.insert(name.clone(), fill(value, fixed, open)?);
            }
            object.into()
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => {
            return Err(DialectError("a body has texts, whole numbers, truths, lists and tables".into()));
        }
    })
}

fn complete(value: &Value, filling: Filling<'_>) -> Value {
    match value {
        Value::String(text) if text == "{request_id}" => filling.request_id.as_str().into(),
        Value::String(text) if text == "{time}" => filling.now.to_rfc3339().into(),
        Value::Array(list) => list.iter().map(|item| complete(item, filling)).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, item)| (name.clone(), complete(item, filling))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
