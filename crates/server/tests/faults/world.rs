//! The world of the faults: two realms, and clients of which is known what they may.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, jeton, said};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What stands in front of every secret, and must never be in a backup.
pub const CANARY: &str = "SECR3T";

/// Client credentials begin families where a client may refresh, and a lost answer is given again for two minutes.
const REFRESH: &str = "accept = [\"refresh-with-client-credentials\"]\n\
    settings = { refresh_token = { with_client_credentials = \"rotating\", grace = 120 } }\n";

/// A directory with a data directory in it.
pub struct Room(TempDir);

impl Room {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a directory"))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }
}

/// A store with both realms, stopped in good order.
pub fn settled() -> Room {
    let room = Room::new();
    furnish(&room.path("fixture.toml"), &room.data());
    room
}

/// Makes a store with both realms, by an apply file.
pub fn furnish(file: &Path, data: &Path) {
    furnish_with(file, data, None);
}

/// The same in a database.
pub fn furnish_with(file: &Path, data: &Path, database: Option<&str>) {
    let mut fixture = String::new();
    for realm in ["acme", "beta"] {
        fixture += &format!(
            "[[realm]]\nname = \"{realm}\"\ntitle = \"{realm}\"\nissuer = \"https://{realm}.example\"\nmounts = [{{ path = \"/{realm}\" }}]\n\
             dialect = \"rfc\"\nenvironment = \"test\"\n{REFRESH}[[realm.resource]]\nidentifier = \"https://api.{realm}.example\"\ntitle = \"API\"\n\
             scopes = [{{ scope = \"read\", sentence = \"Read.\" }}, {{ scope = \"write\", sentence = \"Write.\" }}]\n\
             operations = [{{ method = \"GET\", path = \"/data\", scope = [\"read\"], answer = {{ data = 1 }} }}]\n"
        );
        let clients =
            ["good", "stopped", "keeper"].map(str::to_owned).into_iter().chain((0..60).map(|number| format!("other-{number}")));
        for client in clients {
            fixture += &format!(
                "[[realm.client]]\nclient_id = \"{client}\"\ntitle = \"{client}\"\ntype = \"confidential\"\n\
                 grants = [{}]\nscope = [\"read\"]\nsecrets = [{{ name = \"main\", value = \"{CANARY}-{realm}-{client}\" }}]\n",
                if client == "keeper" { "\"client_credentials\", \"refresh_token\"" } else { "\"client_credentials\"" },
            );
        }
    }
    std::fs::write(file, fixture).expect("writes");
    let mut apply = Command::new(env!("CARGO_BIN_EXE_jeton"));
    apply.args(["apply", &file.to_string_lossy(), "--yes"]).env("JETON_DATA", data);
    let output = apply.envs(database.map(|url| ("JETON_DATABASE_URL", url))).output().expect("the binary runs");
    assert!(output.status.success(), "jeton apply failed:\n{}", said(&output));
}

/// Runs a command that must succeed.
pub fn done(data: &Path, arguments: &[&str]) -> String {
    let output = jeton(data, arguments);
    assert!(output.status.success(), "jeton {} failed:\n{}", arguments.join(" "), said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that must be refused, in one sentence.
pub fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = jeton(data, arguments);
    assert!(is_refusal(&output), "jeton {} should be refused in a sentence:\n{}", arguments.join(" "), said(&output));
    said(&output)
}

/// Whether a command said no in one sentence.
pub fn is_refusal(output: &Output) -> bool {
    let told = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(1) && told.starts_with("jeton: ") && told.trim_end().lines().count() == 1
}

/// Asks a server to end in good order, and waits.
pub fn end(mut server: Server) {
    let asked = Command::new("kill").arg(server.pid().to_string()).status().expect("kill can be started");
    assert!(asked.success());
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.is_alive() {
        assert!(Instant::now() < deadline, "the server does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Copies the files of a directory, if it is there, into a closed one.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("is made");
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("is closed");
    let Ok(entries) = std::fs::read_dir(from) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        // The socket of a server that was killed is no file to copy.
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copies");
        }
    }
}

fn ask(server: &Server, request: &[u8]) -> Result<Answer, String> {
    Connection::open(server.listen).and_then(|mut connection| connection.ask(request)).map(|received| received.answer)
}

/// Asks for a token.
pub fn token(server: &Server, realm: &str, client: &str, secret: &str) -> Result<Answer, String> {
    let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("{client}:{secret}")));
    ask(server, &http::form(&format!("/{realm}/token"), &[&basic], "grant_type=client_credentials"))
}

/// Asks again as long as the server says that it is busy: a machine with too much to do is not the fault that is looked for.
pub fn patiently<E>(mut ask: impl FnMut() -> Result<Answer, E>) -> Result<Answer, E> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match ask() {
            Ok(answer) if answer.status == Some(503) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100))
            }
            other => return other,
        }
    }
}

/// The token of a client that must get one.
pub fn access_token(server: &Server, client: &str) -> String {
    let secret = format!("{CANARY}-acme-{client}");
    let answer = patiently(|| token(server, "acme", client, &secret)).expect("an answer");
    text(&answer, "access_token").unwrap_or_else(|| panic!("no token:\n{}", answer.readable()))
}

/// A member of a JSON answer.
pub fn text(answer: &Answer, name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body[name].as_str().map(str::to_owned)
}

/// The status of a call of the sample API.
pub fn call(server: &Server, token: &str) -> Option<u16> {
    let request = http::get("/acme/data", &[&format!("Authorization: Bearer {token}")]);
    patiently(|| ask(server, &request)).expect("an answer").status
}
