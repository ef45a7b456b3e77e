//! Input is what a person gave: words, files and standard input, read into the arguments of a command.

use super::CliError;
use super::csv;
use super::words::{file_flag, stdin_flag};
use clap::ArgMatches;
use jeton_core::admin::document::{ClientEntry, Document, without_values};
use jeton_core::admin::{Command, Param, ParamKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

/// The arguments of a command as they were given.
pub type Given = Map<String, Value>;

/// Longest file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Reads everything that was given for a command.
pub fn given(command: &Command, matches: &ArgMatches) -> Result<Given, CliError> {
    let mut given = Map::new();
    for param in command.params {
        if let Some(value) = value(param, matches)? {
            given.insert(param.name.to_owned(), value);
        }
    }
    Ok(given)
}

fn value(param: &Param, matches: &ArgMatches) -> Result<Option<Value>, CliError> {
    let text = || matches.get_one::<String>(param.name);
    Ok(match param.kind {
        ParamKind::Boolean => matches.get_flag(param.name).then_some(Value::Bool(true)),
        ParamKind::List => matches.get_many::<String>(param.name).map(|words| {
            let words: Vec<&str> = words.map(String::as_str).collect();
            param.kind.read(&words.join(" "))
        }),
        ParamKind::Secret => secret(param, matches)?.map(Value::from),
        ParamKind::Document => text().map(|path| Source::open(path)?.object()).transpose()?,
        ParamKind::Realms => text().map(|path| Source::open(path)?.typed::<Document>()).transpose()?,
        ParamKind::Clients => text().map(|path| Source::open(path)?.clients()).transpose()?,
        ParamKind::Token => text().map(|text| token(text)).transpose()?,
        ParamKind::Text | ParamKind::Integer | ParamKind::Time | ParamKind::Choice(_) => text().map(|text| param.kind.read(text)),
    })
}

/// A secret from standard input or a file; one line end behind it is not part of it.
fn secret(param: &Param, matches: &ArgMatches) -> Result<Option<String>, CliError> {
    let path = if matches.get_flag(&stdin_flag(param)) {
        "-"
    } else if let Some(path) = matches.get_one::<String>(&file_flag(param)) {
        path
    } else {
        return Ok(None);
    };
    let text = Source::open(path)?.text;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

/// A token as it was typed, or the first line of standard input.
fn token(text: &str) -> Result<Value, CliError> {
    let text = if text == "-" { Source::open(text)?.text } else { text.to_owned() };
    Ok(text.lines().next().unwrap_or_default().trim().into())
}

/// A file that was read, with its name for messages.
struct Source {
    name: String,
    text: String,
}

/// How a file is written.
enum Form {
    Toml,
    Json,
    Csv,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientList {
    client: Vec<ClientEntry>,
}

impl Source {
    fn open(path: &str) -> Result<Self, CliError> {
        let name = if path == "-" { "standard input" } else { path }.to_owned();
        let unreadable = |error: std::io::Error| CliError(format!("{name}: {error}"));
        let mut bytes = Vec::new();
        if path == "-" {
            std::io::stdin().take(MOST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        } else {
            std::fs::File::open(path).map_err(unreadable)?.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        }
        let text = String::from_utf8(bytes).map_err(|_| CliError(format!("{name} is not UTF-8 text")))?;
        Ok(Self { name, text })
    }

    /// By the file's name; standard input by its first character.
    fn form(&self) -> Form {
        let extension = Path::new(&self.name).extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match (extension.as_deref(), self.text.trim_start().chars().next()) {
            (Some("csv"), _) => Form::Csv,
            (Some("json"), _) => Form::Json,
            (Some("toml"), _) => Form::Toml,
            (_, Some('{')) => Form::Json,
            (_, Some('[')) if !self.text.trim_start().starts_with("[[") => Form::Json,
            _ => Form::Toml,
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        match self.form() {
            Form::Toml | Form::Csv => toml::from_str(&self.text).map_err(|error| {
                let line = error.span().map_or(1, |span| self.text[..span.start.min(self.text.len())].matches('\n').count() + 1);
                self.wrong(line, error.message())
            }),
            Form::Json => serde_json::from_str(&self.text).map_err(|error| {
                let message = error.to_string();
                let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
                self.wrong(error.line(), message)
            }),
        }
    }

    fn wrong(&self, line: usize, message: &str) -> CliError {
        CliError(format!("{}:{line}: {}", self.name, without_values(message.trim())))
    }

    /// A file of this type, as JSON.
    fn typed<T: DeserializeOwned + serde::Serialize>(&self) -> Result<Value, CliError> {
        self.json(&self.read::<T>()?)
    }

    fn object(&self) -> Result<Value, CliError> {
        self.json(&self.read::<Map<String, Value>>()?)
    }

    /// Clients: a TOML file of `[[client]]`, a JSON list or object of them, or CSV.
    fn clients(&self) -> Result<Value, CliError> {
        match (self.form(), self.text.trim_start().starts_with('[')) {
            (Form::Csv, _) => csv::clients(&self.name, &self.text),
            (Form::Json, true) => self.typed::<Vec<ClientEntry>>(),
            _ => self.json(&self.read::<ClientList>()?.client),
        }
    }

    fn json(&self, value: &impl serde::Serialize) -> Result<Value, CliError> {
        serde_json::to_value(value).map_err(|_| CliError(format!("{} cannot be written as JSON", self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    #[test]
    fn a_wrong_line_is_named_and_no_value_repeated() {
        let text = "[[realm]]\nname = \"acme\"\n\n[[realm.client]]\nclient_id = \"a\"\nsecrets = [{ name = \"m\", valeu = \"hunter2\" }]\n";
        let error = source("a.toml", text).typed::<Document>().expect_err("a misspelt name").to_string();
        assert!(error.starts_with("a.toml:6: unknown field `valeu`"), "{error}");
        for text in ["[[realm]]\nname = \"acme\"\nclient = \"hunter2\"\n", "[[realm]]\nname = \"acme\nissuer = hunter2"] {
            let error = source("a.toml", text).typed::<Document>().expect_err("not a document").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = source("a.json", "{\"realm\":[\n{\"name\":\"A\"}]}").typed::<Document>().expect_err("a bad name").to_string();
        assert!(error.starts_with("a.json:2: a realm name is"), "{error}");
    }

    #[test]
    fn clients_come_in_three_forms() {
        let toml = source("c.toml", "[[client]]\nclient_id = \"a\"\n").clients().expect("TOML");
        let json = source("c.json", "[{\"client_id\":\"a\"}]").clients().expect("JSON");
        let object = source("standard input", "{\"client\":[{\"client_id\":\"a\"}]}").clients().expect("an object");
        let csv = source("c.csv", "client_id\na\n").clients().expect("CSV");
        assert!([&json, &object, &csv].into_iter().all(|other| *other == toml), "{csv}");
    }
}
