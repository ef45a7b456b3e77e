//! The command line of administrators is one more face of the table of commands: words in, a table for people or JSON out.

mod confirm;
mod csv;
mod input;
mod print;
mod reach;
mod verify;
mod words;

pub use confirm::yes_unless_no;
pub use print::Look;

use crate::settings::{Settings, flags};
use clap::{Arg, ArgAction, ArgMatches};
use jeton_core::admin::{Answer, Command, Effect};
use reach::{Failure, Reach};
use serde_json::Value;
use std::fmt;
use std::process::ExitCode;

/// Why a command was not done: one sentence for the person who typed it.
#[derive(Debug)]
pub struct CliError(pub String);

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self(failure.sentence)
    }
}

/// What every command of an administrator takes: where the installation is, and how to answer.
pub const PLACE: &[&str] = &["config", "data", "database_url", "seal_key_file"];

/// Every command of this directory.
pub fn commands() -> Vec<clap::Command> {
    let common = |command: clap::Command| {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Answer as JSON, for programs");
        command.args(flags(PLACE)).arg(json).args_override_self(true)
    };
    let with_verify = |noun: clap::Command| match noun.get_name() {
        "audit" => noun.subcommand(common(verify::command())),
        _ => noun,
    };
    words::nouns(&common).into_iter().map(with_verify).collect()
}

/// Runs a command again and again, each time behind the last page, until there is no more.
fn pages(
    reach: &Reach,
    command: &Command,
    mut given: input::Given,
    mut take: impl FnMut(Value) -> Result<(), CliError>,
) -> Result<(), CliError> {
    loop {
        let page = reach.run(command, given.clone())?;
        let next = page["next"].as_str().map(str::to_owned);
        take(page)?;
        let Some(next) = next else { return Ok(()) };
        let after = command.param("after").map_or(Value::Null, |param| param.kind.read(&next));
        given.insert("after".into(), after);
    }
}

/// Runs the command of this name.
pub fn run(name: &str, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    if let ("audit", Some(("verify", given))) = (name, matches.subcommand()) {
        return verify::run(given);
    }
    let (command, matches) = words::find(name, matches)?;
    let settings = Settings::load(matches).map_err(|error| CliError(error.to_string()))?;
    let given = input::given(command, matches)?;
    let look = if matches.get_flag("json") { print::Look::Json } else { print::Look::People };
    let reach = Reach::find(&settings, command.effect)?;
    match command.answer {
        Answer::Plan => plan(&reach, command, given, matches, look),
        Answer::Lines(_) => {
            pages(&reach, command, given, |page| print::answer(command, &page, print::Look::People))?;
            Ok(ExitCode::SUCCESS)
        }
        Answer::One(_) | Answer::List(_) => {
            if let Effect::Destroys(sentence) = command.effect
                && !matches.get_flag("yes")
            {
                confirm::destruction(sentence, &given)?;
            }
            let answer = confirm::accepted(&reach, command, given)?;
            print::answer(command, &answer, look)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Shows what would change, asks, and changes it.
fn plan(
    reach: &Reach,
    command: &Command,
    given: input::Given,
    matches: &ArgMatches,
    look: print::Look,
) -> Result<ExitCode, CliError> {
    debug_assert_eq!(command.effect, Effect::Changes, "a plan is of changes");
    let rehearsal_only = matches.get_flag("dry_run");
    if rehearsal_only || !matches.get_flag("yes") {
        let mut rehearsal = given.clone();
        rehearsal.insert("dry_run".into(), Value::Bool(true));
        let planned = reach.run(command, rehearsal)?;
        let changes = planned["changes"].as_array().map_or(0, Vec::len);
        if rehearsal_only || changes == 0 {
            print::plan(&planned, look)?;
            return Ok(ExitCode::SUCCESS);
        }
        if look == print::Look::People {
            print::plan(&planned, look)?;
        }
        if !confirm::yes(&format!("Make {changes} changes?"))? {
            return Err(CliError("nothing was changed; say --yes to make these changes without being asked".into()));
        }
    }
    let done = reach.run(command, given)?;
    print::plan(&done, look)?;
    Ok(ExitCode::SUCCESS)
}
