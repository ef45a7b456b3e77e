//! A question is asked only where somebody can answer it; everywhere else the answer stands on the command line.

use super::CliError;
use super::input::Given;
use super::reach::Reach;
use jeton_core::admin::{Command, ParamKind};
use serde_json::Value;
use std::io::{BufRead, IsTerminal, Write};

/// Runs a command; where the dialect needs permissions that were not accepted, somebody is asked.
pub fn accepted(reach: &Reach, command: &Command, given: Given) -> Result<Value, CliError> {
    let asks = command.params.iter().any(|param| param.name == "accept" && param.kind == ParamKind::List);
    let failure = match reach.run(command, given.clone()) {
        Ok(answer) => return Ok(answer),
        Err(failure) if failure.needs.is_empty() || !asks => return Err(failure.into()),
        Err(failure) => failure,
    };
    let names: Vec<&str> = failure.needs.iter().map(|need| need.permission.as_str()).collect();
    if !somebody_is_there() {
        let flags: Vec<String> = names.iter().map(|name| format!("--accept {name}")).collect();
        return Err(CliError(format!("{}; say {}", failure.sentence, flags.join(" "))));
    }
    tell("This dialect needs what the RFCs do not allow:");
    for need in &failure.needs {
        tell(&format!("  {}: {}", need.permission, need.sentence));
    }
    if !yes("Accept this for the new realm?")? {
        return Err(CliError("the realm was not made".into()));
    }
    let mut given = given;
    let known = given.get("accept").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = known.into_iter().chain(names.into_iter().map(Value::from));
    given.insert("accept".into(), all.collect());
    Ok(reach.run(command, given)?)
}

/// Says what will end, by name, and asks before it does.
pub fn destruction(sentence: &str, given: &Given) -> Result<(), CliError> {
    if somebody_is_there() {
        tell(&filled(sentence, given));
    }
    if yes("Do it?")? { Ok(()) } else { Err(CliError("nothing was changed; say --yes to do it without being asked".into())) }
}

/// A sentence with the parameters that it names.
fn filled(sentence: &str, given: &Given) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    given.iter().fold(sentence.to_owned(), |filled, (name, value)| filled.replace(&format!("{{{name}}}"), &text(value)))
}

/// Asks a question; without a terminal the answer is no.
pub fn yes(question: &str) -> Result<bool, CliError> {
    Ok(matches!(answer(question, "[y/N]")?.as_deref(), Some("y" | "Y" | "yes")))
}

/// Asks a question whose answer is yes unless somebody says no; without a terminal it is yes.
pub fn yes_unless_no(question: &str) -> Result<bool, CliError> {
    Ok(!matches!(answer(question, "[Y/n]")?.as_deref(), Some("n" | "N" | "no")))
}

/// What somebody says to a question, if somebody is there.
fn answer(question: &str, choice: &str) -> Result<Option<String>, CliError> {
    if !somebody_is_there() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| CliError(format!("the answer cannot be read: {error}"));
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} {choice} ").and_then(|()| terminal.flush()).map_err(unreadable)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
    Ok(Some(line.trim().to_owned()))
}

fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A line for the person at the terminal; it is not part of the answer.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
