//! `jeton` is one binary: the authorization server and the commands that administer it.

mod admin;
mod backup;
mod chance;
mod cli;
mod demo;
mod descriptors;
mod egress;
mod event_log;
mod extras;
mod footprint;
mod framing;
mod http2;
mod listener;
mod log;
mod metrics;
mod node;
mod ops;
mod peer;
mod refuse;
mod reminders;
mod request;
mod rotation;
mod seal;
mod serve;
mod settings;
mod signals;
mod slow_hash;
mod tls;
mod webhooks;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let done = match matches.subcommand() {
        Some(("serve", given)) => serve::run(given).map_err(|error| error.to_string()),
        Some(("extras", given)) => extras::run(given, command()).map_err(|error| error.to_string()),
        Some(("demo", given)) => demo::run(given).map_err(|error| error.to_string()),
        Some(("backup", given)) => backup::run(given),
        Some(("restore", given)) => backup::restore(given),
        Some(("check", given)) => backup::check(given),
        Some((name, given)) => cli::run(name, given).map_err(|error| error.to_string()),
        None => return ExitCode::from(2),
    };
    done.unwrap_or_else(|sentence| {
        eprintln!("jeton: {sentence}");
        ExitCode::FAILURE
    })
}

/// The whole command line: a new command is one line here, or one entry in [`cli::commands`].
fn command() -> clap::Command {
    clap::Command::new("jeton")
        .version(env!("CARGO_PKG_VERSION"))
        .about("OAuth 2.0 authorization server for companies that publish APIs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve::command())
        .subcommand(demo::command())
        .subcommand(backup::command())
        .subcommand(backup::restore_command())
        .subcommand(backup::check_command())
        .subcommand(extras::command())
        .subcommands(cli::commands())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
