//! A driver is a script in a client's own language: it reads the targets and prints one JSON line per outcome.

use super::plan::Client;
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// One outcome, as a driver prints it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The row.
    pub client: String,
    /// The library's version.
    pub version: String,
    /// The column.
    pub target: String,
    /// How the credentials were sent.
    pub way: String,
    /// `pass`, `refused` or `fail`.
    pub outcome: String,
    /// Error type and code, or what happened.
    pub detail: String,
}

/// What became of a driver.
pub enum Ran {
    /// It ran, and said this.
    Said(Vec<Record>),
    /// Its tools are missing.
    Skipped(String),
}

const LONGEST: Duration = Duration::from_secs(240);

/// Runs a driver to its end, or ends it.
pub fn run(top: &Path, client: &Client, targets: &Path) -> Ran {
    if let Some(missing) = client.needs.as_ref().filter(|file| !top.join(file).exists()) {
        return Ran::Skipped(format!("{missing} is missing; tools/install-interop makes it"));
    }
    let (program, arguments) = client.run.split_first().expect("the plan names a command");
    let mut command = Command::new(program);
    command.args(arguments).arg(targets).current_dir(top).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Nothing is fetched while testing, and the loopback address is not asked through a proxy.
    for (name, value) in
        [("GOFLAGS", "-mod=readonly"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("NO_PROXY", "*"), ("no_proxy", "*")]
    {
        command.env(name, value);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let Ok(mut child) = command.spawn() else {
        return Ran::Skipped(format!("{program} cannot be started"));
    };
    let out = drain(child.stdout.take().expect("stdout is piped"));
    let err = drain(child.stderr.take().expect("stderr is piped"));
    let status = wait(&mut child, &client.name);
    let (out, err) = (out.join().expect("the reader ends"), err.join().expect("the reader ends"));
    assert!(status.success(), "{} ended with {status}:\n{out}\n{err}", client.name);
    Ran::Said(out.lines().map(|line| read_line(line, &client.name)).collect())
}

fn drain(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, name: &str) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if begun.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} did not end within {LONGEST:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_line(line: &str, name: &str) -> Record {
    let record: Record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name} printed {line:?}: {error}"));
    assert_eq!(record.client, name, "a driver reports for itself");
    record
}
