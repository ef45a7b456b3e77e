//! `jeton backup` copies a store while it serves, `jeton restore` puts a copy in its place, `jeton check` looks through either.

mod check;
mod file;
mod restore;

use crate::cli::{Look, PLACE};
use crate::request::Moment;
use crate::seal;
use crate::settings::{Settings, flags};
use clap::{Arg, ArgAction, ArgMatches};
use file::Manifest;
use jeton_core::name::Time;
use jeton_core::record::{Installation, Lookup};
use jeton_core::store::{Fault, Order, Position, Reader, Reading, Store};
use jeton_store::{PostgresStore, SqliteReader, schema_version, write_backup};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use check::{command as check_command, run as check};
pub use restore::{command as restore_command, run as restore};

/// The command.
pub fn command() -> clap::Command {
    clap::Command::new("backup")
        .about("Write a backup of the store, also while it serves")
        .long_about(
            "Write a backup of the store, also while it serves.\n\nThe backup is one file, the same whether the store is SQLite or \
             PostgreSQL: everything that was acknowledged before it began, and nothing half done. Keys are in it only sealed; the \
             seal key is not in it. Keep that in another place: without it a backup cannot be restored.",
        )
        .after_help(
            "Examples:\n  # Into a directory, under a name with the moment\n  jeton backup /var/backups/jeton\n  \
             # Into a new file\n  jeton backup before-upgrade.backup\n  # To another machine\n  jeton backup - | ssh vault 'cat > jeton.backup'",
        )
        .arg(Arg::new("file").value_name("FILE").required(true).help("A new file, a directory, or - for standard output"))
        .args(flags(PLACE))
        .arg(json_flag())
}

fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Answer as JSON, for programs")
}

/// For whom the answer is.
fn look(matches: &ArgMatches) -> Look {
    if matches.get_flag("json") { Look::Json } else { Look::People }
}

/// How long work tells the person at the terminal that it goes on.
pub struct Progress {
    what: &'static str,
    next: Instant,
    is_shown: bool,
}

impl Progress {
    const PACE: Duration = Duration::from_secs(1);

    /// Of work with this name; silent where nobody looks.
    pub fn new(what: &'static str) -> Self {
        Self { what, next: Instant::now() + Self::PACE, is_shown: std::io::stderr().is_terminal() }
    }

    fn say(&mut self, amount: impl FnOnce() -> String) {
        if self.is_shown && Instant::now() >= self.next {
            self.next = Instant::now() + Self::PACE;
            let _ = writeln!(std::io::stderr(), "{}: {}", self.what, amount());
        }
    }

    /// So many rows until now.
    pub fn rows(&mut self, rows: u64) {
        self.say(|| format!("{rows} rows"));
    }

    /// So many bytes until now.
    pub fn bytes(&mut self, bytes: u64) {
        self.say(|| format!("{} MB", bytes / 1_000_000));
    }
}

/// The store that is read.
enum Source {
    Sqlite(SqliteReader),
    Postgres(Box<PostgresStore>),
}

impl Source {
    fn open(settings: &Settings) -> Result<Self, Fault> {
        Ok(match &settings.database_url {
            Some(url) => Self::Postgres(Box::new(PostgresStore::connect(url.expose())?)),
            None => Self::Sqlite(SqliteReader::of_directory(&settings.data)?),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    fn position(&self) -> Result<Position, Fault> {
        match self {
            Self::Sqlite(reader) => reader.position(),
            Self::Postgres(store) => store.position(),
        }
    }

    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        match self {
            Self::Sqlite(reader) => reader.view(now, read),
            Self::Postgres(store) => store.view(now, read),
        }
    }
}

/// Writes a backup.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, String> {
    let settings = Settings::load(matches).map_err(|error| error.to_string())?;
    let started = Instant::now();
    let moment = Moment::present();
    let target = Target::of(matches.get_one::<String>("file").map_or("", String::as_str), &settings, moment.now)?;
    let source = Source::open(&settings).map_err(|fault| fault.to_string())?;
    let seal = seal::open(&settings, seal::Store::Sealed)?;
    let partial = Partial::make(&target)?;
    let manifest = fill(&source, &partial, &seal, moment.now)?;
    let length = std::fs::metadata(&partial.0).map_err(|error| error.to_string())?.len();
    let file = target.receive(partial)?;
    let rows: u64 = manifest.rows.values().sum();
    let note = "the seal key is not in the backup; keep it in another place, for without it this backup cannot be restored";
    let told = if look(matches) == Look::Json {
        json!({
            "file": file, "bytes": length, "rows": rows, "took_seconds": started.elapsed().as_secs_f64(),
            "manifest": &manifest, "note": note,
        })
        .to_string()
    } else {
        format!(
            "{file}: {rows} rows, {length} bytes\n\
             everything acknowledged before {}, from {}, installation {}\n\
             {note} (its fingerprint: {})",
            manifest.moment.to_rfc3339(),
            manifest.store,
            manifest.installation,
            manifest.seal_fingerprint,
        )
    };
    match target {
        Target::Output(_) => writeln!(std::io::stderr(), "{told}"),
        Target::File(_) => writeln!(std::io::stdout(), "{told}"),
    }
    .map_err(|error| format!("the answer cannot be written: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes everything into the partial file, and the line that proves it.
fn fill(source: &Source, partial: &Partial, seal: &jeton_jose::SealKey, now: Time) -> Result<Manifest, String> {
    let faulty = |fault: Fault| fault.to_string();
    let position = source.position().map_err(faulty)?;
    let (mut installation, mut counts) = (None, Vec::new());
    let mut progress = Progress::new("written");
    source
        .view(now, &mut |view| {
            let all = Lookup { index: None, prefix: Vec::new(), guard: None };
            let found: Vec<Installation> = Reader::new(view).scan(all, None, Order::Ascending, 1)?;
            installation = found.into_iter().next();
            counts = write_backup(view, &partial.0, &mut |rows| progress.rows(rows))?;
            Ok(())
        })
        .map_err(faulty)?;
    let installation = installation.ok_or("the store has no installation in it; there is nothing to back up")?;
    if seal.fingerprint() != installation.seal_fingerprint {
        return Err(format!(
            "the store needs the seal key with the fingerprint {}, and the one given has {}",
            installation.seal_fingerprint,
            seal.fingerprint()
        ));
    }
    let cannot = |error: std::io::Error| format!("{}: {error}", partial.0.display());
    let mut written = File::open(&partial.0).map_err(cannot)?;
    let digest = file::digest(&mut written, &mut Progress::new("read back"), &mut |_| Ok(())).map_err(cannot)?;
    let manifest = Manifest {
        format: Manifest::FORMAT,
        installation: installation.key,
        seal_fingerprint: installation.seal_fingerprint,
        schema: schema_version(),
        jeton: env!("CARGO_PKG_VERSION").to_owned(),
        store: source.name().to_owned(),
        moment: now,
        position: (position.0, position.1),
        rows: counts.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        bytes: written.metadata().map_err(cannot)?.len(),
        digest,
    };
    file::seal_end(&partial.0, &manifest.line(seal)?).map_err(cannot)?;
    Ok(manifest)
}

/// Where a backup goes.
enum Target {
    File(PathBuf),
    /// Standard output; what is not ready is kept in this directory.
    Output(PathBuf),
}

impl Target {
    fn of(given: &str, settings: &Settings, now: Time) -> Result<Self, String> {
        if given == "-" {
            return Ok(Self::Output(settings.data.join(format!("backup-{}", std::process::id()))));
        }
        let mut path = PathBuf::from(given);
        if path.is_dir() {
            let moment = now.to_rfc3339().replace(['-', ':'], "").replace('.', "-");
            path = path.join(format!("jeton-{moment}.backup"));
        }
        if path.exists() {
            return Err(format!("{} exists already; name a new file, or a directory", path.display()));
        }
        Ok(Self::File(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Output(path) => path,
        }
    }

    /// Takes what is ready, durably. Returns its name.
    fn receive(&self, partial: Partial) -> Result<String, String> {
        let cannot = |error: std::io::Error| format!("{}: {error}", self.path().display());
        match self {
            Self::Output(_) => {
                let mut file = File::open(&partial.0).map_err(cannot)?;
                let mut out = std::io::stdout().lock();
                std::io::copy(&mut file, &mut out)
                    .and_then(|_| out.flush())
                    .map_err(|error| format!("standard output: {error}"))?;
                Ok("standard output".to_owned())
            }
            Self::File(path) => {
                // A link refuses a name that is taken by now; a rename would not, but works where there are no links.
                match std::fs::hard_link(&partial.0, path) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(cannot(error)),
                    Err(_) => std::fs::rename(&partial.0, path).map_err(cannot)?,
                    Ok(()) => {}
                }
                drop(partial);
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                File::open(directory).and_then(|directory| directory.sync_all()).map_err(cannot)?;
                Ok(path.display().to_string())
            }
        }
    }
}

/// A file that is not ready: it goes unless it is taken.
struct Partial(PathBuf);

impl Partial {
    fn make(target: &Target) -> Result<Self, String> {
        let mut name = target.path().as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        // What is left of a backup that was ended.
        let _ = std::fs::remove_file(&path);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
