//! `jeton demo` starts a server with a realm for each provider and walks the provider's document step by step over HTTP.
//!
//! The steps are the transcripts beside the dialects; what they need is made from the documents beside them. Nothing here knows
//! a provider.

mod conversation;
mod deployment;
mod directory;
mod discretion;
mod next;
mod notes;
mod screen;
mod tour;
mod walk;

use crate::log;
use crate::peer::TrustedProxies;
use crate::serve::{Bounds, Server};
use crate::settings::{LogFormat, LogSetting, Settings};
use clap::{Arg, ArgAction, ArgMatches};
use deployment::{FILES, Files};
use directory::Directory;
use jeton_wire::transcript::{self, Transcript};
use notes::Notes;
use screen::{Screen, Style};
use std::fmt;
use std::io::{self, IsTerminal, Stdout};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tour::Tour;

/// Why the demo cannot be given: one sentence.
#[derive(Debug)]
pub struct DemoError(String);

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for DemoError {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The command.
pub fn command() -> clap::Command {
    let names: Vec<&str> = FILES.iter().map(|files| files.name).collect();
    clap::Command::new("demo")
        .about("Walk the providers' documents step by step against a server of its own")
        .long_about(
            "Walk the providers' documents step by step against a server of its own.\n\nThe server listens on a free port with a \
             temporary data directory. After the walk it stays up, with lines to try; Ctrl-C ends it and removes the directory.",
        )
        .after_help("Examples:\n  jeton demo\n  jeton demo --dialect rfc\n  jeton demo --once --plain")
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End after the walk, with 0 only if every step did what its document says"),
        )
        .arg(Arg::new("plain").long("plain").action(ArgAction::SetTrue).help("No colour and no lines, as when it is piped"))
        .arg(Arg::new("dialect").long("dialect").value_name("NAME").value_parser(names).help("Walk only this document"))
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDR")
                .default_value("127.0.0.1:0")
                .value_parser(clap::value_parser!(SocketAddr))
                .help("Where the server listens; port 0 takes a free one"),
        )
        .arg(Arg::new("steps").long("steps").value_name("FILE").hide(true).requires("dialect"))
}

/// What was asked for.
struct Asked {
    once: bool,
    style: Style,
    listen: SocketAddr,
    parts: Vec<Part>,
}

/// One provider's part.
struct Part {
    files: Files,
    transcript: Transcript,
}

impl Asked {
    fn read(given: &ArgMatches) -> Result<Self, DemoError> {
        let only = given.get_one::<String>("dialect");
        let steps = given.get_one::<String>("steps").map(std::fs::read_to_string).transpose()?;
        let mut parts = Vec::new();
        for files in FILES.iter().filter(|files| only.is_none_or(|only| files.name == only)) {
            let name = format!("dialects/{}.http", files.name);
            let transcript = transcript::parse(&name, steps.as_deref().unwrap_or(files.transcript));
            parts.push(Part { files: *files, transcript: transcript.map_err(|error| DemoError(error.to_string()))? });
        }
        // https://no-color.org: any value but an empty one.
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let plain = given.get_flag("plain") || no_colour || !io::stdout().is_terminal();
        let listen = given.get_one::<SocketAddr>("listen").copied().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let style = if plain { Style::Plain } else { Style::Colour };
        Ok(Self { once: given.get_flag("once"), style, listen, parts })
    }
}

/// Gives the demo.
pub fn run(given: &ArgMatches) -> Result<ExitCode, DemoError> {
    let asked = Asked::read(given)?;
    let directory = Directory::make()?;
    let settings = settings(&asked, &directory);
    let (pen, notes) = Notes::begin();
    let events = log::start_into(pen, &settings)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?;
    let bounds = Bounds { cores, share: crate::descriptors::share(settings.max_connections) };
    let server = runtime.block_on(Server::start(&settings, &events, bounds)).map_err(|error| DemoError(error.to_string()))?;
    let done = give(&asked, &server, &directory, notes, &runtime);
    runtime.block_on(server.drain(settings.drain));
    runtime.shutdown_background();
    events.finish();
    done
}

/// Walks every part, says what to try next, and stays if that was not asked otherwise.
fn give(asked: &Asked, server: &Server, directory: &Directory, notes: Notes, runtime: &Runtime) -> Result<ExitCode, DemoError> {
    let screen = Screen::new(io::stdout(), asked.style);
    let mut tour = Tour::begin(screen, notes, server, asked.parts.len())?;
    for part in &asked.parts {
        tour.part(&part.files, &part.transcript, directory.path())?;
    }
    let is_right = tour.end()?;
    if !asked.once {
        let program = std::env::args().next().unwrap_or_else(|| "jeton".to_owned());
        stay(runtime, tour.try_next(&program, directory.path())?)?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn settings(asked: &Asked, directory: &Directory) -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        data: directory.path().to_owned(),
        listen: asked.listen,
        admin_listen: any,
        admin_url: None,
        ops_listen: any,
        database_url: None,
        seal_key_file: None,
        seal_key: None,
        tls: None,
        trusted_proxies: TrustedProxies::default(),
        log: LogSetting { form: LogFormat::Json, level: tracing::Level::INFO },
        max_connections: 1000,
        drain: Duration::from_secs(2),
        sample_api: true,
    }
}

/// Shows what is asked until somebody ends it.
fn stay(runtime: &Runtime, (mut screen, notes): (Screen<Stdout>, Notes)) -> Result<(), DemoError> {
    std::thread::Builder::new().name("notes".into()).spawn(move || {
        // A screen that is gone ends the thread, not the server.
        let _ = notes.follow().try_for_each(|note| screen.happened(&note));
    })?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
