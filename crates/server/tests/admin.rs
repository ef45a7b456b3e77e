//! The command line of administrators: every example of the table is typed, first alone and then to a running server.

use jeton_core::admin::{Effect, commands};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const DOCUMENT: &str = r#"
[[realm]]
name = "acme"
title = "Acme data APIs"
[[realm.resource]]
identifier = "https://api.acme.example"
[[realm.client]]
client_id = "build-9"
scope = ["read", "write"]
secrets = [{ name = "main", value = "a-secret-of-some-length" }]
api_keys = [{ name = "main", value = "an-api-key-of-some-length" }]
[[realm.client]]
client_id = "phone"
type = "public"
redirect_uris = ["https://app.acme.example/callback"]
"#;

const CLIENTS: &str = "client_id,title,secret,scope\nsheila.thomas,Sheila Thomas,her secret + more,read\n";

/// A directory where `jeton` is on the path, and what it says goes nowhere else.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("jeton.toml"), DOCUMENT).expect("writes");
        std::fs::write(directory.path().join("clients.csv"), CLIENTS).expect("writes");
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JETON_")) {
            command.env_remove(name);
        }
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_jeton"));
        let path = std::env::var("PATH").unwrap_or_default();
        let first = binary.parent().expect("a directory").display().to_string();
        command.current_dir(self.path()).env("PATH", format!("{first}:{path}")).stdin(Stdio::null());
        command
    }

    fn shell(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).output().expect("a shell")
    }

    /// Runs a line that must succeed; returns what it printed.
    fn done(&self, line: &str) -> String {
        let output = self.shell(line);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}\n{out}\n{err}");
        assert!(!out.contains('\u{1b}'), "no colours where nobody looks: {line}\n{out}");
        out.into_owned()
    }

    /// Runs a line that must fail; returns its one sentence.
    fn refused(&self, line: &str) -> String {
        let output = self.shell(line);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}\n{err}");
        assert!(err.starts_with("jeton: ") && err.trim_end().lines().count() == 1, "{line}\n{err}");
        err
    }

    fn serve(&self) -> Server {
        let mut command = self.command(env!("CARGO_BIN_EXE_jeton"));
        command.args(["serve", "--log", "json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut child = command.args(["--ops-listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().expect("starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not the start line: {line}"));
        let listen = line["listen"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        Server { child, listen, _stderr: stderr }
    }
}

struct Server {
    child: Child,
    listen: String,
    _stderr: BufReader<std::process::ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// A token of a client, by its secret in the body.
    fn token(&self, path: &str, host: &str, (id, secret): (&str, &str)) -> String {
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let mut stream = std::net::TcpStream::connect(&self.listen).expect("connects");
        let head = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close";
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: {host}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let answer = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap_or_else(|_| panic!("{answer}"));
        answer["access_token"].as_str().expect("a token").to_owned()
    }
}

/// What an example reads: a token of a client of the document.
fn leak(place: &Place, server: Option<&Server>) {
    let get = |server: &Server| server.token("/token", "auth.acme.example", ("build-9", "a-secret-of-some-length"));
    let token = server.map_or_else(|| get(&place.serve()), get);
    std::fs::write(place.path().join("leaked-token"), token).expect("writes");
}

fn every_example(place: &Place, server: Option<&Server>) {
    for command in commands() {
        for (line, _) in command.examples {
            if line.ends_with("leaked-token") {
                leak(place, server);
            }
            if matches!(command.effect, Effect::Destroys(_)) {
                let before = place.done("jeton audit list --limit 1000 --json");
                assert!(place.refused(&line.replace(" --yes", "")).contains("say --yes"), "{line}");
                assert_eq!(place.done("jeton audit list --limit 1000 --json"), before, "{line} was done without a yes");
            }
            let said = place.done(line);
            assert!(!said.trim().is_empty(), "{line} said nothing");
        }
    }
    assert!(place.done("jeton apply jeton.toml --yes").contains("nothing to change"));
    assert!(place.done("jeton audit list --limit 1000 --json").contains("client.delete"));
}

#[test]
fn every_example_does_what_it_says_without_a_server() {
    every_example(&Place::new(), None);
}

#[test]
fn every_example_does_what_it_says_with_a_running_server() {
    let place = Place::new();
    let server = place.serve();
    every_example(&place, Some(&server));
}

#[test]
fn mistakes_get_one_sentence_that_says_what_to_change() {
    let place = Place::new();
    assert!(place.refused("jeton realm list").contains("there is no installation in ./jeton-data"));
    place.done("jeton realm create acme --issuer https://auth.acme.example");
    assert!(place.refused("jeton client show acme nobody").contains("no client nobody"));
    assert!(place.refused("jeton apply missing.toml").contains("missing.toml"));
    assert!(place.refused("jeton apply jeton.toml").contains("scope read"));
    std::fs::write(place.path().join("wrong.toml"), "[[realm]]\nname = \"acme\"\ntitel = \"x\"\n").expect("writes");
    assert!(place.refused("jeton apply wrong.toml --yes").contains("wrong.toml:3: unknown field `titel`"));
    assert!(place.refused("jeton realm create x --issuer https://x.example --dialect rcf").contains("did you mean rfc?"));
    // Without a terminal nobody is asked.
    std::fs::write(place.path().join("title.toml"), "[[realm]]\nname = \"acme\"\ntitle = \"x\"\n").expect("writes");
    assert!(place.refused("jeton apply title.toml").contains("say --yes"));
    assert_eq!(place.shell("jeton client cerate").status.code(), Some(2));
    assert_eq!(place.shell("jeton client list").status.code(), Some(2));
}

#[test]
fn somebody_at_a_terminal_is_told_what_will_end_and_asked() {
    let place = Place::new();
    place.done("jeton realm create acme --issuer https://auth.acme.example && jeton client create acme a --secret main");
    // `script` gives the command a terminal, and types what it is given.
    let typed = |answer: &str| {
        let line = format!("printf '{answer}\\n' | timeout 60 script -qec 'jeton secret revoke acme a main' /dev/null");
        let said = place.shell(&line);
        (said.status.success(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    for answer in ["n", "", "yeah", "Secret"] {
        let (done, said) = typed(answer);
        assert!(!done && said.contains("Secret main of client a ends for ever") && said.contains("[y/N]"), "{answer}: {said}");
        assert!(said.contains("nothing was changed"), "{answer}: {said}");
        assert!(place.done("jeton secret list acme a").contains("main"), "{answer} is no yes");
    }
    let (done, said) = typed("y");
    assert!(done, "{said}");
    assert!(!place.done("jeton secret list acme a").contains("main"));
}

#[test]
fn a_secret_comes_by_standard_input_or_a_file_and_goes_nowhere() {
    let place = Place::new();
    place.done("jeton realm create acme --issuer https://auth.acme.example");
    place.done("jeton client create acme a");
    std::fs::write(place.path().join("secret"), "from-a-file-of-some-length\n").expect("writes");
    let said = place.done("jeton secret create acme a one --value-file secret");
    assert!(!said.contains("of-some-length"), "{said}");
    place.done("jeton api-key create acme a one --value-file secret");
    assert!(place.refused("jeton api-key create acme a two --value-file secret").contains("is or was another API key"));
    assert_eq!(place.shell("jeton secret create acme a two --value x").status.code(), Some(2), "never as an argument");
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(place.path().join("jeton-data")).expect("a directory") {
        kept.extend(std::fs::read(entry.expect("an entry").path()).expect("a file"));
    }
    assert!(!kept.windows(14).any(|window| window == b"of-some-length"), "the store holds no secret");
}

#[test]
fn thousands_of_clients_are_taken_in_at_once() {
    let place = Place::new();
    place.done("jeton realm create acme --issuer https://auth.acme.example");
    place.done("jeton resource create acme urn:acme && jeton scope add acme urn:acme read --sentence 'Read.'");
    let mut file = std::fs::File::create(place.path().join("many.csv")).expect("a file");
    writeln!(file, "client_id,secret,api_key,scope").expect("writes");
    for number in 0..10_000 {
        writeln!(file, "partner.{number},secret-of-partner-{number:06},key-of-partner-{number:06},read").expect("writes");
    }
    assert!(place.done("jeton client import acme many.csv --yes").contains("done: 10000 changes"));
    assert!(place.done("jeton client import acme many.csv --yes").contains("nothing to change"));
    assert!(place.done("jeton client list acme").contains("there are more: --after"));
    writeln!(file, "partner.10000,another-secret-of-it,key-of-partner-000000,read").expect("writes");
    assert!(place.refused("jeton client import acme many.csv --yes").contains("partner.10000"));
    assert!(place.refused("jeton client show acme partner.10000").contains("no client"), "all of it or nothing");
}

#[test]
fn a_token_is_explained_with_and_without_an_installation() {
    let place = Place::new();
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZSIsImV4cCI6MTcwMDAwMDAwMH0.c2ln";
    let said = place.done(&format!("jeton token decode {token}"));
    assert!(said.contains("2023-11-14T22:13:20Z") && said.contains("not checked") && said.contains("days ago"), "{said}");
    std::fs::write(place.path().join("keys.json"), "{\"keys\":[]}").expect("writes");
    let said = place.done(&format!("printf %s {token} | jeton token decode - --jwks keys.json --json"));
    assert!(said.contains("names no key of the given set"), "{said}");
    assert!(place.refused("jeton token decode a.b").contains("three parts"));
}

#[test]
fn a_token_of_a_realm_is_explained_with_the_verdict_on_its_signature() {
    let place = Place::new();
    let server = place.serve();
    place.done(&format!("jeton realm create acme --issuer http://{}/acme", server.listen));
    let made = place.done("jeton client create acme build-7 --secret main --json");
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let secret = made["secret"]["value"].as_str().expect("a value");
    let token = &server.token("/acme/token", &server.listen, ("build-7", secret));
    let said = place.done(&format!("jeton token decode {token}"));
    assert!(said.contains("signed by a key of realm acme") && said.contains("in force"), "{said}");
    let (rest, signature) = token.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let said = place.done(&format!("jeton token decode {rest}.{other}{}", &signature[1..]));
    assert!(said.contains("invalid"), "{said}");
    let revoked = place.done(&format!("printf %s {token} | jeton token revoke - --yes --json"));
    assert!(revoked.contains(r#""outcome":"revoked""#) || revoked.contains(r#""outcome": "revoked""#), "{revoked}");
    let again = place.done(&format!("printf %s {token} | jeton token revoke - --yes --json"));
    assert!(again.contains(r#""ended""#), "{again}");
    assert!(place.done(&format!("jeton token decode {token}")).contains("ended before its time"));
    assert!(place.refused("jeton token revoke a.b.c --yes").contains("no realm here made this token"));
    let audit = place.done("jeton audit list acme build-7");
    assert!(audit.contains("client.create"), "{audit}");
}
