//! Arguments are what a command was given, checked against its row: unknown names and wrong types are refused by name.

use super::{AdminStop, Command, Param, ParamKind, ParamNeed};
use crate::name::Time;
use serde_json::{Map, Value};

/// What a command was given, checked against its parameters.
#[derive(Clone, Debug)]
pub struct Args(Map<String, Value>);

impl Args {
    /// Checks names and types. A null counts as left out.
    pub fn parse(command: &Command, given: Map<String, Value>) -> Result<Self, AdminStop> {
        let mut kept = Map::new();
        for (name, value) in given {
            let known = command.params.iter().map(|param| param.name);
            let param = command.param(&name).ok_or_else(|| AdminStop::Invalid(unknown("parameter", &name, known)))?;
            if value.is_null() {
                continue;
            }
            check(param, &value)?;
            kept.insert(name, value);
        }
        let missing = command.params.iter().find(|param| param.need == ParamNeed::Required && !kept.contains_key(param.name));
        match missing {
            Some(param) => Err(AdminStop::Invalid(format!("{} is missing: {}", param.name, param.sentence))),
            None => Ok(Self(kept)),
        }
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A text that the row requires.
    pub fn word(&self, name: &str) -> Result<&str, AdminStop> {
        self.text(name).ok_or_else(|| AdminStop::Invalid(format!("{name} is missing")))
    }

    /// A whole number.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// Whether a boolean was given as true.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Several texts.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.0.get(name).and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str).collect())
    }

    /// A moment; spans count from `now`.
    pub fn time(&self, name: &str, now: Time) -> Result<Option<Time>, AdminStop> {
        let invalid = || AdminStop::Invalid(format!("{name}: expected 2027-01-01, 2027-01-01T12:00:00Z or a span such as 90d"));
        self.text(name).map(|text| parse_time(text, now).ok_or_else(invalid)).transpose()
    }

    /// A JSON object or a list of objects.
    #[must_use]
    pub fn document(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// Reads a moment, or a span from `now` such as `90d`, `12h` or `30m`.
#[must_use]
pub fn parse_time(text: &str, now: Time) -> Option<Time> {
    const CENTURY: i64 = 36_525 * 86_400;
    let unit = match text.as_bytes().last()? {
        b'd' => 86_400,
        b'h' => 3_600,
        b'm' => 60,
        _ => return Time::parse_rfc3339(text),
    };
    let number = &text[..text.len() - 1];
    let number = (number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.parse::<i64>().ok())??;
    let span = number.checked_mul(unit).filter(|span| *span <= CENTURY)?;
    Some(now.plus_seconds(span))
}

impl ParamKind {
    /// What a value of this kind is, in words.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret | Self::Token => "a text".into(),
            Self::Integer => "a whole number".into(),
            Self::Boolean => "true or false".into(),
            Self::List => "a list of texts".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Time => "a moment such as 2027-01-01 or a span such as 90d".into(),
            Self::Document | Self::Realms => "an object".into(),
            Self::Clients => "a list of objects".into(),
        }
    }

    /// The value that a text stands for, where only texts can be written: in paths, queries and on the command line.
    #[must_use]
    pub fn read(self, text: &str) -> Value {
        let number = || text.parse::<i64>().map(Value::from).ok();
        let truth = || text.parse::<bool>().map(Value::from).ok();
        let read = match self {
            Self::Integer => number(),
            Self::Boolean => truth(),
            Self::List => Some(Value::Array(text.split(' ').filter(|word| !word.is_empty()).map(Value::from).collect())),
            _ => None,
        };
        // What cannot be read stays a text and is refused by its type.
        read.unwrap_or_else(|| Value::from(text))
    }
}

fn check(param: &Param, value: &Value) -> Result<(), AdminStop> {
    let all = |test: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(test));
    let fits = match param.kind {
        ParamKind::Text | ParamKind::Secret | ParamKind::Token | ParamKind::Time => value.is_string(),
        ParamKind::Integer => value.is_i64(),
        ParamKind::Boolean => value.is_boolean(),
        ParamKind::List => all(Value::is_string),
        ParamKind::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        ParamKind::Document | ParamKind::Realms => value.is_object(),
        ParamKind::Clients => all(Value::is_object),
    };
    if fits { Ok(()) } else { Err(AdminStop::Invalid(format!("{}: expected {}", param.name, param.kind.expected()))) }
}

/// A sentence about a name that nobody knows, with the nearest one that somebody does.
#[must_use]
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // The name came from outside: only its plain characters are shown, and not too many of them.
    let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    match nearest(name, known) {
        Some(near) => format!("there is no {what} {shown}; did you mean {near}?"),
        None => format!("there is no {what} {shown}"),
    }
}

fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.get(..name.len().min(40)).unwrap_or_default();
    let near = known.into_iter().map(|word| (distance(name, word), word)).min()?;
    (near.0 <= 1 + near.1.len() / 3).then_some(near.1)
}

/// How many letters must be changed, added or left out to make one word of another.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_dates_are_moments() {
        let now = Time::from_seconds(1_000_000);
        assert_eq!(parse_time("2d", now), Some(Time::from_seconds(1_000_000 + 172_800)));
        assert_eq!(parse_time("90m", now), Some(Time::from_seconds(1_000_000 + 5_400)));
        assert_eq!(parse_time("1970-01-02", now), Some(Time::from_seconds(86_400)));
        for bad in ["", "d", "-1d", "1w", "99999999999d", "999999999d", "soon", "é"] {
            assert_eq!(parse_time(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("tilte", ["title", "issuer"]), Some("title"));
        assert_eq!(nearest("clientid", ["client_id", "title"]), Some("client_id"));
        assert_eq!(nearest("zzzzzzzz", ["title", "issuer"]), None);
    }
}
