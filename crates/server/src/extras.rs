//! Extras are what a package carries beside the binary: a settings file, manual pages and words for shells.
//!
//! All of them are written from the tables that the binary itself goes by, so they say what this binary does.

use crate::settings::{SETTINGS, Setting, variable};
use clap::{Arg, ArgMatches};
use clap_complete::Shell;
use std::fmt;
use std::fs::{create_dir_all, write};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why the extras could not be written: one sentence.
#[derive(Debug)]
pub struct ExtrasError(String);

impl fmt::Display for ExtrasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The command.
pub fn command() -> clap::Command {
    clap::Command::new("extras")
        .about("Write a settings file, manual pages and words for shells, as packages carry them")
        .after_help("Examples:\n  jeton extras ./extras")
        .arg(Arg::new("directory").value_name("DIR").required(true).help("where to write; made if it is not there"))
}

/// Writes the extras of this command line.
pub fn run(given: &ArgMatches, whole: clap::Command) -> Result<ExitCode, ExtrasError> {
    let directory = given.get_one::<String>("directory").map(PathBuf::from).unwrap_or_default();
    let cannot = |error: io::Error| ExtrasError(format!("{}: {error}", directory.display()));
    write_to(&directory, whole).map_err(cannot)?;
    Ok(ExitCode::SUCCESS)
}

fn write_to(directory: &Path, mut whole: clap::Command) -> io::Result<()> {
    let (man, shells) = (directory.join("man"), directory.join("completions"));
    create_dir_all(&man)?;
    create_dir_all(&shells)?;
    write(directory.join("jeton.toml"), settings_file())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut whole, "jeton", &shells)?;
    }
    clap_mangen::generate_to(whole, &man)
}

/// A settings file that says nothing but the defaults: each line behind a comment sign, with what it is for.
fn settings_file() -> String {
    let mut file = String::from(
        "# Settings of `jeton serve`. What stands here behind a comment sign is the default.\n\
         # A flag outweighs the environment, the environment outweighs this file.\n",
    );
    for setting in SETTINGS.iter().filter(|setting| setting.is_in_file()) {
        let Setting { key, default, meaning, .. } = setting;
        let literal = default.parse::<u64>().is_ok() || default.parse::<bool>().is_ok();
        let value = if literal { (*default).to_owned() } else { format!("\"{default}\"") };
        let flag = key.replace('_', "-");
        file.push_str(&format!("\n# --{flag}, {}:\n# {meaning}\n#{key} = {value}\n", variable(key)));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn unit() -> String {
        std::fs::read_to_string(format!("{ROOT}/packaging/jeton.service")).expect("the unit")
    }

    fn said<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
        unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    #[test]
    fn the_settings_file_says_the_defaults() {
        let path = format!("{ROOT}/docs/generated/jeton.toml");
        let file = settings_file();
        if std::env::var_os("UPDATE").is_some() {
            write(&path, &file).expect("written");
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), file, "run UPDATE=1 cargo test -p jeton");
        let lines = file.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
        let spoken: String = lines.map(|line| format!("{line}\n")).collect();
        assert_ne!(spoken, file);
        let [silent, spoken] = [file, spoken].map(|text| format!("{:?}", crate::settings::Settings::from_text(&text)));
        assert!(silent.starts_with("Ok") && silent == spoken, "{silent}\n{spoken}");
    }

    #[test]
    fn a_package_gets_a_page_for_every_command() {
        let directory = tempfile::tempdir().expect("a directory");
        write_to(directory.path(), crate::command()).expect("written");
        let page = std::fs::read_to_string(directory.path().join("man/jeton-serve.1")).expect("a page");
        assert!(page.contains("max\\-connections") && page.contains("Examples"), "{page}");
        assert!(directory.path().join("man/jeton-client-create.1").exists());
        let words = std::fs::read_to_string(directory.path().join("completions/jeton.bash")).expect("words");
        assert!(words.contains("--max-connections"));
    }

    #[test]
    fn the_unit_starts_this_command_line_and_waits_for_it() {
        let unit = unit();
        let start = said(&unit, "ExecStart");
        let words: Vec<&str> = start.iter().flat_map(|line| line.split_whitespace()).collect();
        let matches = crate::command().try_get_matches_from(&words).expect("it is understood");
        let (_, serve) = matches.subcommand().expect("a command");
        assert_eq!(serve.get_one::<String>("config").map(String::as_str), Some("/etc/jeton/jeton.toml"));
        let number = |key: &str| said(&unit, key).concat().parse::<u64>().expect("a whole number");
        let default = |key: &str| {
            let setting = SETTINGS.iter().find(|setting| setting.key == key).expect("it is a setting");
            setting.default.parse::<u64>().expect("a whole number")
        };
        assert!(number("TimeoutStopSec") >= default("drain_seconds") + 10, "systemd must not kill what still drains");
        assert!(number("LimitNOFILE") >= default("max_connections") + 1024, "every connection needs a descriptor");
        // A signal that nobody listens to ends the process.
        let help = crate::command().find_subcommand("serve").and_then(|serve| Some(serve.get_long_about()?.to_string()));
        let reloads = said(&unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"];
        assert_eq!(
            reloads,
            help.is_some_and(|help| help.contains("SIGHUP")),
            "packaging/jeton.service has the line ExecReload=/bin/kill -HUP $MAINPID if `jeton serve` listens to SIGHUP, as its help \
             says, and only then"
        );
    }
}
