//! JSON patterns: JSON in which a placeholder may stand for a value, inside quotes for a text and bare for any value of its kind.

use super::template::{Kind, Spelling, Template};
use super::variables::{Unfilled, Variables};
use serde_json::Value;

/// Marks a placeholder that stood without quotes.
const BARE: char = '\u{1}';

/// The member, or last element, that leaves room for others.
const MORE: &str = "…";

/// Parses a pattern; its texts are checked to be templates.
pub(super) fn pattern(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(&quoted(text)?).map_err(|error| error.to_string())?;
    check_templates(&value)?;
    Ok(value)
}

/// Compares a value with a pattern; differences are (path, wanted, got).
pub(super) fn compare(
    pattern: &Value,
    actual: &Value,
    variables: &mut Variables,
) -> Result<Vec<(String, String, String)>, Unfilled> {
    let mut differences = Vec::new();
    Walk { variables, differences: &mut differences }.value("", pattern, actual)?;
    Ok(differences)
}

struct Walk<'a> {
    variables: &'a mut Variables,
    differences: &'a mut Vec<(String, String, String)>,
}

impl Walk<'_> {
    fn value(&mut self, path: &str, pattern: &Value, actual: &Value) -> Result<(), Unfilled> {
        match (pattern, actual) {
            (Value::Object(wanted), Value::Object(got)) => {
                for (name, value) in wanted.iter().filter(|(name, _)| *name != MORE) {
                    match got.get(name) {
                        Some(member) => self.value(&format!("{path}/{name}"), value, member)?,
                        None => self.differ(&format!("{path}/{name}"), &readable(value), "nothing"),
                    }
                }
                for (name, value) in got.iter().filter(|(name, _)| !wanted.contains_key(MORE) && !wanted.contains_key(*name)) {
                    self.differ(&format!("{path}/{name}"), "nothing", &value.to_string());
                }
            }
            (Value::Array(wanted), Value::Array(got)) => {
                let (wanted, open) = match wanted.split_last() {
                    Some((last, before)) if last == MORE => (before, true),
                    _ => (wanted.as_slice(), false),
                };
                if got.len() < wanted.len() || (got.len() > wanted.len() && !open) {
                    self.differ(path, &readable(pattern), &actual.to_string());
                    return Ok(());
                }
                for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                    self.value(&format!("{path}/{index}"), wanted, got)?;
                }
            }
            (Value::String(text), _) => {
                if !self.text(text, actual)? {
                    self.differ(path, &readable(pattern), &actual.to_string());
                }
            }
            _ if pattern == actual => {}
            _ => self.differ(path, &readable(pattern), &actual.to_string()),
        }
        Ok(())
    }

    fn differ(&mut self, path: &str, wanted: &str, got: &str) {
        let path = if path.is_empty() { "/" } else { path };
        self.differences.push((path.to_owned(), wanted.to_owned(), got.to_owned()));
    }

    /// Whether a value is what a quoted template or a bare placeholder says.
    fn text(&mut self, text: &str, actual: &Value) -> Result<bool, Unfilled> {
        let bare = text.strip_prefix(BARE);
        let template = Template::parse(bare.unwrap_or(text), Spelling::Plain).map_err(Unfilled)?;
        let Some((kind, capture)) = template.only_wild().filter(|_| bare.is_some()) else {
            if bare.is_some() && template.only_variable() {
                let value = String::from_utf8_lossy(&template.fill(self.variables)?).into_owned();
                return Ok(serde_json::from_str::<Value>(&value).unwrap_or(Value::String(value)) == *actual);
            }
            return match actual {
                Value::String(actual) => template.accepts(actual.as_bytes(), self.variables),
                _ => Ok(false),
            };
        };
        let accepted = match (kind, actual, capture) {
            // A bare `{{name=}}` captures a value of any kind.
            (Kind::Any, _, _) | (Kind::Text, _, Some(_)) => true,
            (Kind::Int, Value::Number(number), _) => number.is_i64() || number.is_u64(),
            (Kind::Int, _, _) => false,
            (_, Value::String(text), _) => kind.accepts(text.as_bytes()),
            _ => false,
        };
        if let (true, Some(name)) = (accepted, capture) {
            self.variables.set(name, actual.as_str().map_or_else(|| actual.to_string(), str::to_owned));
        }
        Ok(accepted)
    }
}

/// The pattern as the author wrote it.
fn readable(pattern: &Value) -> String {
    pattern.to_string().replace("\"\\u0001", "").replace("}}\"", "}}")
}

/// Puts bare placeholders into quotes, with a mark.
fn quoted(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut inside = false;
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("{{") {
            let end = rest.find("}}").ok_or("`{{` is never closed")? + 2;
            let (placeholder, after) = rest.split_at(end);
            match inside {
                true => out.push_str(placeholder),
                false => out.push_str(&format!("\"\\u0001{placeholder}\"")),
            }
            rest = after;
            continue;
        }
        let escaped = inside && next == '\\';
        if next == '"' {
            inside = !inside;
        }
        let take = next.len_utf8() + if escaped { rest[1..].chars().next().map_or(0, char::len_utf8) } else { 0 };
        let (taken, after) = rest.split_at(take);
        out.push_str(taken);
        rest = after;
    }
    Ok(out)
}

fn check_templates(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => Template::parse(text.strip_prefix(BARE).unwrap_or(text), Spelling::Plain).map(|_| ()),
        Value::Array(items) => items.iter().try_for_each(check_templates),
        Value::Object(members) => members.values().try_for_each(check_templates),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths that differ.
    fn paths(wanted: &str, actual: &str) -> Vec<String> {
        let mut variables = Variables::default();
        variables.set("count", "7");
        variables.set("name", "Ada");
        let actual = serde_json::from_str(actual).unwrap();
        compare(&pattern(wanted).unwrap(), &actual, &mut variables).unwrap().into_iter().map(|found| found.0).collect()
    }

    #[test]
    fn right_values_pass_and_wrong_ones_do_not() {
        for (wanted, right, wrong, at) in [
            (r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":2}"#, "/a"),
            (r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":"1"}"#, "/a"),
            (r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1,"b":2}"#, "/b"),
            (r#"{"a":1}"#, r#"{"a":1}"#, r#"{}"#, "/a"),
            (r#"{"a":1,"…":"…"}"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#, "/a"),
            (r#"{"a":{{int}}}"#, r#"{"a":3599}"#, r#"{"a":"3599"}"#, "/a"),
            (r#"{"a":{{int}}}"#, r#"{"a":3599}"#, r#"{"a":35.5}"#, "/a"),
            (r#"{"a":"{{int}}"}"#, r#"{"a":"3599"}"#, r#"{"a":3599}"#, "/a"),
            (r#"{"a":{{text}}}"#, r#"{"a":"x"}"#, r#"{"a":""}"#, "/a"),
            (r#"{"a":"{{*}}"}"#, r#"{"a":""}"#, r#"{"a":null}"#, "/a"),
            (r#"{"a":{{*}}}"#, r#"{"a":null}"#, r#"{}"#, "/a"),
            (r#"{"a":"{{jwt}}"}"#, r#"{"a":"a.b.c"}"#, r#"{"a":"a.b"}"#, "/a"),
            (r#"{"a":{{count}}}"#, r#"{"a":7}"#, r#"{"a":"7"}"#, "/a"),
            (r#"{"a":"{{count}}"}"#, r#"{"a":"7"}"#, r#"{"a":7}"#, "/a"),
            (r#"{"a":{{name}}}"#, r#"{"a":"Ada"}"#, r#"{"a":"Bob"}"#, "/a"),
            (r#"{"a":"Dear {{name}}"}"#, r#"{"a":"Dear Ada"}"#, r#"{"a":"Dear Bob"}"#, "/a"),
            (r#"["a",{"b":1}]"#, r#"["a",{"b":1}]"#, r#"["a",{"b":2}]"#, "/1/b"),
            (r#"["a"]"#, r#"["a"]"#, r#"["a","b"]"#, "/"),
            (r#"["a","…"]"#, r#"["a","b"]"#, r#"[]"#, "/"),
            (r#"{"a":"q\"{{text}}"}"#, r#"{"a":"q\"x"}"#, r#"{"a":"q"}"#, "/a"),
        ] {
            assert_eq!(paths(wanted, right), [""; 0], "{wanted} against {right}");
            assert_eq!(paths(wanted, wrong), [at], "{wanted} against {wrong}");
        }
    }

    #[test]
    fn captures_values_of_any_kind() {
        let mut variables = Variables::default();
        let wanted = pattern(r#"{"a":"{{text:x=}}","b":{{y=}},"c":"{{jwt:z=}}"}"#).unwrap();
        let actual = serde_json::from_str(r#"{"a":"one","b":2,"c":"h.p.s"}"#).unwrap();
        assert!(compare(&wanted, &actual, &mut variables).unwrap().is_empty());
        assert_eq!(variables.iter().collect::<Vec<_>>(), [("x", "one"), ("y", "2"), ("z", "h.p.s")]);
    }
}
