//! An answer is printed as a table for people, or as JSON for programs; without a terminal there are no colours and no lines.

use super::CliError;
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use jeton_core::admin::{Answer, Column, Command, Field};
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// For whom an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Somebody who reads.
    People,
    /// A program.
    Json,
}

/// Most lines of a plan that people are shown.
const MOST_SHOWN: usize = 200;

/// Prints the answer of a command.
pub fn answer(command: &Command, answer: &Value, look: Look) -> Result<(), CliError> {
    if look == Look::Json {
        return json(answer);
    }
    match command.answer {
        Answer::List(fields) => list(fields, answer),
        Answer::Lines(_) => lines(answer),
        Answer::One(_) | Answer::Plan => {
            let mut rows = Vec::new();
            flatten("", answer, &mut rows);
            let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
            let mut table = table(&[]);
            for (name, value) in rows {
                table.add_row([name, value]);
            }
            out(&table.trim_fmt())
        }
    }
}

fn json(answer: &Value) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(answer).map_err(|error| CliError(format!("the answer is not JSON: {error}")))?;
    out(&text)
}

/// Each item on a line of its own, for programs.
fn lines(answer: &Value) -> Result<(), CliError> {
    answer["items"].as_array().into_iter().flatten().try_for_each(|item| out(&item.to_string()))
}

fn list(fields: &[Field], answer: &Value) -> Result<(), CliError> {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A column that is empty for everybody only takes room.
    let has = |field: &&Field| items.iter().any(|item| !text(&item[field.name]).is_empty());
    let columns: Vec<&Field> = fields.iter().filter(|field| field.column == Column::Shown).filter(has).collect();
    if items.is_empty() {
        return out("nothing to list");
    }
    let mut table = table(&columns.iter().map(|field| field.name.replace('_', " ")).collect::<Vec<_>>());
    for item in items {
        table.add_row(columns.iter().map(|field| text(&item[field.name])));
    }
    out(&table.trim_fmt())?;
    match answer["next"].as_str() {
        Some(next) => out(&format!("there are more: --after {next}")),
        None => Ok(()),
    }
}

fn table(heading: &[String]) -> Table {
    let mut table = Table::new();
    if is_plain() {
        table.load_style(presets::NOTHING).force_no_tty();
        table.set_content_arrangement(ContentArrangement::Disabled);
        if !heading.is_empty() {
            table.set_header(heading.iter().map(Cell::new));
        }
    } else {
        let style = if heading.is_empty() { presets::NOTHING } else { presets::UTF8_HORIZONTAL_ONLY };
        table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
        if !heading.is_empty() {
            table.set_header(heading.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        }
    }
    table
}

/// Whether the answer goes somewhere without colours.
fn is_plain() -> bool {
    !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The members of an object as lines: a path and a value.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let Value::Object(members) = value else {
        rows.push((path.to_owned(), text(value)));
        return;
    };
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        flatten(&path, value, rows);
    }
}

/// A value as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shown(text),
        Value::Array(items) if items.iter().all(Value::is_string) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", text(value)));
            members.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A text that cannot move the cursor: whatever it holds came from somewhere else.
fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Prints what was, or would be, changed.
pub fn plan(plan: &Value, look: Look) -> Result<(), CliError> {
    if look == Look::Json {
        return json(plan);
    }
    let changes = plan["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for change in changes.iter().take(MOST_SHOWN) {
        self::change(change)?;
    }
    if changes.len() > MOST_SHOWN {
        out(&format!("… and {} more", changes.len() - MOST_SHOWN))?;
    }
    for warning in plan["warnings"].as_array().into_iter().flatten().take(MOST_SHOWN) {
        out(&format!("! {}", text(warning)))?;
    }
    let unchanged = plan["unchanged"].as_u64().unwrap_or_default();
    if unchanged > 0 {
        out(&format!("= {unchanged} as they should be"))?;
    }
    match (changes.len(), plan["applied"].as_bool().unwrap_or_default()) {
        (0, _) => out("nothing to change"),
        (count, true) => out(&format!("done: {count} changes")),
        (count, false) => out(&format!("planned: {count} changes")),
    }
}

fn change(change: &Value) -> Result<(), CliError> {
    let (sign, colour) = match change["change"].as_str() {
        Some("create") => ('+', "32"),
        Some("delete") => ('-', "31"),
        _ => ('~', "33"),
    };
    let line = format!("{sign} {}", text(&change["target"]));
    let about = text(&change["about"]);
    let about = if about.is_empty() { about } else { format!("  {about}") };
    out(&if is_plain() { format!("{line}{about}") } else { format!("\u{1b}[{colour}m{line}\u{1b}[0m{about}") })?;
    for field in change["fields"].as_array().into_iter().flatten() {
        let or_none = |value: &Value| match text(value).replace('\n', "; ") {
            empty if empty.is_empty() => "none".to_owned(),
            text => text,
        };
        out(&format!("    {}: {} → {}", text(&field["field"]), or_none(&field["from"]), or_none(&field["to"])))?;
    }
    Ok(())
}

/// One text on standard output. A reader that has gone away ends the command quietly.
pub fn out(text: &str) -> Result<(), CliError> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError(format!("the answer cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
