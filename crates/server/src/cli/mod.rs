//! The commands of the administrator, one file each.

use clap::ArgMatches;
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

/// Every command of this directory.
pub fn commands() -> Vec<clap::Command> {
    Vec::new()
}

/// Runs the command of this name.
pub fn run(name: &str, _matches: &ArgMatches) -> Result<ExitCode, CliError> {
    Err(CliError(format!("there is no command {name}")))
}
