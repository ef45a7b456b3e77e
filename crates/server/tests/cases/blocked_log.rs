//! A log that nobody reads: whoever holds the other end of the pipe must not hold the server.

use crate::harness::http::{self, Connection};
use crate::harness::{jeton, said};
use crate::replay::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// More lines than a pipe and the log's buffers hold together would take many minutes; a pipe alone is full after some hundreds.
const REQUESTS: usize = 2000;
/// Ten times what the promise says.
const LONGEST: Duration = Duration::from_millis(500);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Rows: F-38.
#[test]
fn requests_and_changes_do_not_wait_for_a_reader_of_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, data) = (directory.path().join("fixture.toml"), directory.path().join("data"));
    std::fs::write(&file, text("fixture.toml")).expect("the fixture is written");
    let applied = jeton(&data, &["apply", &file.to_string_lossy(), "--yes"]);
    assert!(applied.status.success(), "{}", said(&applied));
    let mut child = Command::new(env!("CARGO_BIN_EXE_jeton"));
    let child = child
        .args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--log", "json", "--data"])
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut server = Killed(child.spawn().expect("the server starts"));
    // One line is read; from then on the pipe only fills.
    let mut pipe = BufReader::with_capacity(1, server.0.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    while !line.contains("\"listening\"") {
        line.clear();
        assert!(pipe.read_line(&mut line).expect("a line") > 0, "the server ended");
    }
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let listen = line["listen"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let mut connection = Connection::open(listen).expect("a connection");
    let wrong = format!("Authorization: Basic {}", STANDARD.encode("build-7:SECR3T-wrong"));
    let request = http::form("/acme/token", &[&wrong], "grant_type=client_credentials");
    let mut longest = Duration::ZERO;
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let answer = connection.ask(&request).expect("an answer").answer;
        longest = longest.max(began.elapsed());
        assert!(matches!(answer.status, Some(401 | 429)), "{}", answer.readable());
    }
    assert!(longest < LONGEST, "the longest request took {longest:?}");
    let changed = jeton(&data, &["client", "disable", "acme", "build-7", "--yes"]);
    assert!(changed.status.success(), "{}", said(&changed));
    // The pipe really is full: the lines of these requests are more than it holds.
    let ended = server.0.try_wait().expect("it can be asked");
    assert!(ended.is_none() && REQUESTS * 150 > 2 * 65_536, "{ended:?}");
    drop(pipe);
}
