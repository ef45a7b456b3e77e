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
mod walk;

use crate::log;
use crate::serve::Server;
use crate::settings::{LogFormat, Settings};
use clap::{Arg, ArgAction, ArgMatches};
use deployment::{FILES, Files};
use directory::Directory;
use discretion::Discretion;
use jeton_wire::dialect::Dialects;
use jeton_wire::transcript::{self, Transcript};
use notes::Notes;
use screen::{Screen, Style, Tally};
use std::fmt;
use std::io::{self, IsTerminal, Stdout};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

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
    let server = runtime.block_on(Server::start(&settings, &events, cores)).map_err(|error| DemoError(error.to_string()))?;
    let shown = show(&asked, &server, &directory, notes);
    let done = match shown {
        Ok((right, notes)) => {
            if !asked.once {
                stay(&runtime, &asked, notes)?;
            }
            Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => Err(error),
    };
    runtime.block_on(server.drain(settings.drain));
    runtime.shutdown_background();
    events.finish();
    done
}

fn settings(asked: &Asked, directory: &Directory) -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        data: directory.path().to_owned(),
        listen: asked.listen,
        admin_listen: any,
        ops_listen: any,
        database_url: None,
        seal_key_file: None,
        seal_key: None,
        log_format: LogFormat::Json,
        log_level: tracing::Level::INFO,
        max_connections: 1000,
        drain: Duration::from_secs(1),
        sample_api: true,
    }
}

/// Makes what the documents need, walks them, and says what to try next. Whether every step was right, and further notes.
fn show(asked: &Asked, server: &Server, directory: &Directory, mut notes: Notes) -> Result<(bool, Notes), DemoError> {
    let dialects = Dialects::built_in().map_err(|error| DemoError(error.to_string()))?;
    let mut to = server.public;
    if to.ip().is_unspecified() {
        to.set_ip([127, 0, 0, 1].into());
    }
    let mut screen = Screen::new(io::stdout(), asked.style);
    screen.greet(&format!("http://{to}"), asked.parts.len())?;
    let started = Instant::now();
    let (mut tallies, mut hints, mut realm) = (Vec::new(), Vec::new(), None);
    for part in &asked.parts {
        let document = part.files.document(to.port())?;
        deployment::apply(server.engine(), &dialects, &document)?;
        let title = dialects.iter().find(|dialect| dialect.file.name.as_str() == part.files.name);
        let title = title.map_or(part.files.name, |dialect| dialect.file.title.as_str());
        let discretion = Discretion::of(&document);
        let directives = &part.transcript.directives;
        screen.provider(title, directives.source.as_deref(), &directives.notes, &document)?;
        let walked = walk::walk(&part.transcript, to, &mut notes);
        for taken in &walked {
            screen.step(taken, &discretion)?;
        }
        let wrong = walked.iter().filter(|taken| !taken.is_right()).map(|taken| taken.step.title.clone()).collect();
        let tally = Tally { title: title.to_owned(), steps: walked.len(), wrong };
        screen.part(&tally)?;
        tallies.push(tally);
        if !asked.once {
            let place =
                next::Place { name: part.files.name, title, to, data: directory.path().to_owned(), discretion: &discretion };
            hints.extend(place.hints(&walked)?);
        }
        realm = realm.or(document.realm.first().map(|realm| realm.name.clone()));
    }
    screen.end(&tallies, started.elapsed())?;
    if let (false, Some(realm)) = (asked.once, realm) {
        let program = std::env::args().next().unwrap_or_else(|| "jeton".to_owned());
        let known = |name: &str| crate::command().find_subcommand(name).is_some();
        hints.extend(next::commands(&program, &directory.path().to_string_lossy(), realm.as_str(), known));
        try_next(&mut screen, &hints, directory)?;
    }
    Ok((tallies.iter().all(|tally| tally.wrong.is_empty()), notes))
}

fn try_next(screen: &mut Screen<Stdout>, hints: &[next::Hint], directory: &Directory) -> io::Result<()> {
    screen.heading("Try next, in another terminal")?;
    for (what, line) in hints {
        screen.try_this(what, line)?;
    }
    screen.heading("The server stays up and shows here what it is asked")?;
    screen.line("")?;
    screen.line("  Change a secret or a scope in a line above: the answer says what the document says, and here stands why.")?;
    screen.line(&format!("  Ctrl-C ends it and removes {}", directory.path().display()))?;
    screen.line("")
}

/// Shows what is asked until somebody ends it.
fn stay(runtime: &Runtime, asked: &Asked, notes: Notes) -> Result<(), DemoError> {
    let mut screen = Screen::new(io::stdout(), asked.style);
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
