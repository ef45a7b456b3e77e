//! A command is a row: its name, what it takes, what it answers, where it stands in the API, and the function that runs it.

use super::{Act, AdminStop, Args};
use serde_json::Value;

/// One admin command, as every face reads it.
#[derive(Debug)]
pub struct Command {
    /// `noun.verb`, for example `client.create`.
    pub name: &'static str,
    /// The scope that a caller over the network needs.
    pub scope: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What it takes.
    pub params: &'static [Param],
    /// What it answers.
    pub answer: Answer,
    /// Lines for a shell, each with what it does. They are run by a test, in the order of the table.
    pub examples: &'static [(&'static str, &'static str)],
    /// HTTP method in the admin API.
    pub method: &'static str,
    /// Path in the admin API; `{name}` is the parameter of that name.
    pub path: &'static str,
    /// Whether it changes anything.
    pub effect: Effect,
    /// Runs it.
    pub run: fn(&mut Act<'_, '_>, &Args) -> Result<Value, AdminStop>,
}

impl Command {
    /// The words before and behind the dot; a command of one word has no verb.
    #[must_use]
    pub fn words(&self) -> (&'static str, Option<&'static str>) {
        self.name.split_once('.').map_or((self.name, None), |(noun, verb)| (noun, Some(verb)))
    }

    /// The parameter of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name)
    }
}

/// Whether a command changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It reads what it finds, and works without an installation too.
    Explains,
    /// It changes records, with an audit record for each change.
    Changes,
    /// The same, and it takes away from others what no command gives back: the command line says this sentence, and asks
    /// first. `{name}` in it is the parameter of that name.
    Destroys(&'static str),
}

/// Something a command takes.
#[derive(Debug)]
pub struct Param {
    /// Name in JSON; the command line writes hyphens for underscores.
    pub name: &'static str,
    /// What it holds.
    pub kind: ParamKind,
    /// Whether it must be given.
    pub need: ParamNeed,
    /// Its place among the words of the command line; `None` is an option.
    pub position: Option<usize>,
    /// What it means, in one sentence.
    pub sentence: &'static str,
}

impl Param {
    /// A word that must stand at this place.
    #[must_use]
    pub const fn word(position: usize, name: &'static str, sentence: &'static str) -> Self {
        Self { name, kind: ParamKind::Text, need: ParamNeed::Required, position: Some(position), sentence }
    }

    /// An option that may be left out.
    #[must_use]
    pub const fn option(name: &'static str, kind: ParamKind, sentence: &'static str) -> Self {
        Self { name, kind, need: ParamNeed::Optional, position: None, sentence }
    }

    /// The same, which must be given.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { need: ParamNeed::Required, ..self }
    }

    /// The same, as a word at this place.
    #[must_use]
    pub const fn at(self, position: usize) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// Whether a parameter must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamNeed {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Yes or no; left out is no.
    Boolean,
    /// Several texts.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A moment: `2027-01-01`, `2027-01-01T12:00:00Z`, or a span from now such as `90d`, `12h`, `30m`.
    Time,
    /// A text that must not be seen: never an argument of the command line.
    Secret,
    /// A token; on the command line `-` reads it from standard input.
    Token,
    /// A JSON object; a file on the command line.
    Document,
    /// A document of realms; a file on the command line.
    Realms,
    /// A list of clients; a file on the command line.
    Clients,
}

/// What a command answers.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// One object.
    One(&'static [Field]),
    /// `items`, each an object, and `next` if there is more.
    List(&'static [Field]),
    /// The same, which the command line prints as one JSON object a line, page by page until the end.
    Lines(&'static [Field]),
    /// What was, or would be, changed: `changes`, `unchanged`, `applied`, `warnings`.
    Plan,
}

/// A member of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// What it means.
    pub sentence: &'static str,
    /// Whether a table for people has a column for it.
    pub column: Column,
}

/// What a member of an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Several texts.
    List,
    /// A moment as RFC 3339.
    Time,
    /// A JSON object.
    Object,
    /// Several JSON objects.
    Rows,
}

/// Whether a table for people has a column for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// It has.
    Shown,
    /// Only the single object and JSON have it.
    Hidden,
}

impl Field {
    /// A field with a column.
    #[must_use]
    pub const fn shown(name: &'static str, kind: FieldKind, sentence: &'static str) -> Self {
        Self { name, kind, sentence, column: Column::Shown }
    }

    /// A field without a column.
    #[must_use]
    pub const fn hidden(name: &'static str, kind: FieldKind, sentence: &'static str) -> Self {
        Self { name, kind, sentence, column: Column::Hidden }
    }
}
