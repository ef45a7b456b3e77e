//! Replaying a file of cases against a server of its own, and asking after every step whether everything still holds.

use crate::harness::Server;
use crate::harness::http::{self, Received, Until};
use crate::invariants::{Before, Rules, answer_faults, liveness};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_store::testing::PostgresForTests;
use jeton_wire::transcript::{self, Answer, Ending, Step, Transcript, Variables};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A database and a seal key that several nodes share.
pub struct Shared {
    /// It runs as long as this lives.
    _postgres: PostgresForTests,
    url: String,
    seal_key: tempfile::NamedTempFile,
}

impl Shared {
    /// Starts the database; `None` where there is no PostgreSQL.
    pub fn start() -> Option<Self> {
        let postgres = PostgresForTests::start()?;
        let seal_key = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(seal_key.path(), "5a".repeat(32)).expect("written");
        // Each call makes another database.
        let url = postgres.url();
        Some(Self { _postgres: postgres, url, seal_key })
    }

    /// Starts one more node.
    pub fn node(&self) -> Server {
        let seal_key = self.seal_key.path().display().to_string();
        Server::start_over(&["--database-url".to_owned(), self.url.clone(), "--seal-key-file".to_owned(), seal_key])
    }
}

/// Where the cases are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")
}

/// A file of that directory.
pub fn text(name: &str) -> String {
    std::fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("cases/{name}: {error}"))
}

/// Parses a file of cases.
pub fn parse(name: &str) -> Transcript {
    transcript::parse(&format!("cases/{name}"), &text(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// Starts the server of a fixture and lets it answer once, so that what is made once is made.
pub fn warm_server(fixture: &str) -> Server {
    let server = Server::start(&text(fixture));
    for _ in 0..3 {
        liveness(&server).unwrap_or_else(|fault| panic!("before the first case: {fault}\n{}", server.log()));
    }
    server
}

/// Replays every step of a file; all failures are reported together.
pub fn replay(name: &str) {
    let transcript = parse(name);
    let fixture = transcript.directives.fixture.clone().unwrap_or_else(|| panic!("cases/{name} names no fixture"));
    let mut server = warm_server(&fixture);
    let mut run = Run {
        transcript: &transcript,
        variables: Variables::default(),
        answers: BTreeMap::new(),
        canaries: basics(&text(&fixture)),
    };
    run.variables.set("host", server.listen.to_string());
    let audit = audit_trail(&server);
    let mut failures = Vec::new();
    for step in transcript.steps.iter().filter(|step| step.directives.skip.is_none()) {
        let before = Before::of(&server);
        let mut faults = run.step(&server, step).err().into_iter().collect::<Vec<_>>();
        faults.extend(before.compare(&mut server, &run.canaries));
        if !faults.is_empty() {
            failures.push(format!("{}:{}: {}\n  {}", transcript.file, step.line, step.title, faults.join("\n  ")));
        }
        assert!(server.is_alive(), "the server ended\n{}\n{}", failures.join("\n\n"), server.log());
    }
    // G3: nothing in these files may change a record, so the audit trail is as it was.
    if audit_trail(&server) != audit {
        failures.push(format!("{}: G3: a request of this file left a line in the audit trail", transcript.file));
    }
    assert!(failures.is_empty(), "{} of {} steps failed\n\n{}\n", failures.len(), transcript.steps.len(), failures.join("\n\n"));
}

/// The newest lines of the audit trail.
pub fn audit_trail(server: &Server) -> String {
    let output = server.command(&["audit", "list", "--json", "--limit", "1000"]);
    assert!(output.status.success(), "jeton audit failed: {}", crate::harness::said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every pair of id and secret of a fixture in the form of Basic credentials: none of them may be logged.
fn basics(fixture: &str) -> Vec<String> {
    let file: toml::Table = fixture.parse().expect("the fixture is TOML");
    let list = |value: &toml::Table, key: &str| value.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for realm in list(&file, "realm").iter().filter_map(toml::Value::as_table) {
        for client in list(realm, "client").iter().filter_map(toml::Value::as_table) {
            let id = client.get("client_id").and_then(toml::Value::as_str).unwrap_or_default();
            for secret in list(client, "secrets").iter().filter_map(|secret| secret.get("value")?.as_str().map(str::to_owned)) {
                found.push(STANDARD.encode(format!("{id}:{secret}")));
            }
        }
    }
    found
}

struct Run<'a> {
    transcript: &'a Transcript,
    variables: Variables,
    answers: BTreeMap<String, Answer>,
    canaries: Vec<String>,
}

impl Run<'_> {
    /// Sends one request and judges its answer.
    fn step(&mut self, server: &Server, step: &Step) -> Result<(), String> {
        let bytes = step.request.bytes(&self.variables).map_err(|unfilled| unfilled.to_string())?;
        let to = match step.directives.listener.as_deref() {
            None => server.listen,
            Some("ops") => server.ops,
            Some("admin") => server.admin.ok_or("there is no admin listener")?,
            Some(other) => return Err(format!("`{other}` is no listener: there are ops and admin")),
        };
        let until = match step.directives.ends {
            Ending::Closed => Until::Closed,
            Ending::Either => Until::Answered,
        };
        let received = http::send(to, &bytes, until)?;
        self.judge(step, &received, until)
    }

    fn judge(&mut self, step: &Step, received: &Received, until: Until) -> Result<(), String> {
        let answer = &received.answer;
        transcript::check(self.transcript, step, answer, &mut self.variables).map_err(|mismatch| mismatch.to_string())?;
        let rules = if self.transcript.file.ends_with("deviations.http") { Rules::Dialect } else { Rules::Plain };
        let faults = answer_faults(answer, rules);
        if !faults.is_empty() {
            return Err(faults.join("\n  "));
        }
        if until == Until::Closed && !(received.closed && received.rest.is_empty()) {
            return Err(match received.closed {
                true => format!("a second answer came: {:?}", String::from_utf8_lossy(&received.rest)),
                false => "the connection stayed open".to_owned(),
            });
        }
        if let Some(title) = &step.directives.same_as {
            let other = self.answers.get(title).ok_or_else(|| format!("no step before this one is called `{title}`"))?;
            transcript::same_answer(other, answer).map_err(|found| {
                found
                    .iter()
                    .map(|difference| format!("G9: not the same as `{title}`: {difference}"))
                    .collect::<Vec<_>>()
                    .join("\n  ")
            })?;
        }
        let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let tokens = ["access_token", "refresh_token"].map(|name| body.as_ref().and_then(|body| body.get(name)?.as_str()));
        self.canaries.extend(tokens.into_iter().flatten().map(str::to_owned));
        self.answers.insert(step.title.clone(), answer.clone());
        Ok(())
    }
}
