//! The built binary with the fixture's realms, for the length of a test.

use super::plan::with_port;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A running server. It ends with this value.
pub struct Server {
    child: Child,
    directory: TempDir,
}

/// A port that is free now. The issuers of the fixture must name the port, so it is chosen before the start.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback address has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

impl Server {
    /// Applies the fixture, with this port in its issuers, and serves it there.
    pub fn start(fixture: &Path, port: u16) -> Self {
        let directory = TempDir::new().expect("a fresh directory can be made");
        let file = directory.path().join("fixture.toml");
        let text = std::fs::read_to_string(fixture).expect("the fixture can be read");
        std::fs::write(&file, with_port(&text, port)).expect("the fixture can be written");
        let data = directory.path().join("data");
        let applied = jeton().args(["apply", "--yes", "--data"]).arg(&data).arg(&file).output().expect("the binary starts");
        assert!(
            applied.status.success(),
            "apply ended with {}:\n{}\n{}",
            applied.status,
            String::from_utf8_lossy(&applied.stdout),
            String::from_utf8_lossy(&applied.stderr)
        );
        let mut command = jeton();
        command.args([
            "serve",
            "--sample-api",
            "true",
            "--log",
            "json",
            "--admin-listen",
            "127.0.0.1:0",
            "--ops-listen",
            "127.0.0.1:0",
        ]);
        command.arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data").arg(&data);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary starts");
        let log = child.stderr.take().expect("stderr is piped");
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut before = String::new();
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let listening = serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|line| line["event"] == "listening");
                if listening {
                    let _ = tell.send(Ok(()));
                } else if before.len() < 4096 {
                    before += &line;
                    before.push('\n');
                }
            }
            let _ = tell.send(Err(before));
        });
        let server = Self { child, directory };
        match told.recv_timeout(Duration::from_secs(120)) {
            Ok(Ok(())) => server,
            Ok(Err(log)) => panic!("the server ended:\n{log}"),
            Err(_) => panic!("the server did not say where it listens"),
        }
    }

    /// A directory that ends with the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn jeton() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeton"));
    command.stdin(Stdio::null());
    // The binary refuses variables of its prefix that are no settings, and JETON_REQUIRE belongs to the tests.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JETON_")) {
        command.env_remove(name);
    }
    command
}
