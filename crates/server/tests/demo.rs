//! `jeton demo` as a person or a script meets it: the built binary over real sockets.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, with a place of its own for temporary directories.
fn jeton(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeton"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

fn once(arguments: &[&str]) -> (Output, String) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let output = jeton(temporary.path(), arguments).arg("--once").output().expect("the binary runs");
    let left = std::fs::read_dir(temporary.path()).expect("readable").count();
    assert_eq!(left, 0, "the demo leaves nothing behind");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

/// The files beside the dialects whose names end so.
fn files(end: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dialects");
    let paths = std::fs::read_dir(folder).expect("the folder of dialects").map(|entry| entry.expect("an entry").path());
    paths
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(end)?.to_owned();
            Some((name, std::fs::read_to_string(&path).expect("readable")))
        })
        .collect()
}

/// Every value of a secret or an API key in a document, as it stands and form-encoded.
fn secrets(document: &toml::Value) -> Vec<String> {
    let list = |value: &toml::Value, name: &str| value.get(name).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let clients = list(document, "realm").into_iter().flat_map(|realm| list(&realm, "client"));
    let credentials = clients.flat_map(|client| [list(&client, "secrets"), list(&client, "api_keys")].concat());
    let values = credentials.filter_map(|entry| entry.get("value")?.as_str().map(str::to_owned));
    let encode = |value: &str| {
        value.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    values.flat_map(|value| [encode(&value), value]).collect()
}

#[test]
fn every_step_does_what_its_document_says() {
    let (output, said) = once(&[]);
    assert!(output.status.success(), "{said}");
    for (name, text) in files(".http") {
        let titles: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        // The exact minimum of each is stated in crates/sim/minimums.toml.
        assert!(titles.len() >= 10, "{name} has {} steps", titles.len());
        for title in titles {
            assert!(
                said.contains(&format!(" ✓ {title}\n")) || said.contains(&format!(" ✓ {title}  (")),
                "{name}: {title}\n{said}"
            );
        }
    }
    assert!(!said.contains('\u{1b}') && !said.contains(['─', '│']), "plain when it is piped\n{said}");
    for (name, text) in files(".demo.toml") {
        for secret in secrets(&toml::from_str(&text).expect("TOML")) {
            assert!(!said.contains(&secret), "{name}: a secret is shown whole\n{said}");
        }
    }
    assert!(!said.contains("eyJhbGciOiJS") || said.contains("eyJhbGciOiJS…"), "a token is shown whole");
}

#[test]
fn a_step_that_does_not_hold_fails_the_demo_and_is_named() {
    let transcripts = files(".http");
    let (name, text) = transcripts.iter().find(|(name, _)| name == "rfc").expect("the RFCs' own");
    for (right, wrong, title, says) in [
        (
            "\"expires_in\":3600",
            "\"expires_in\":3601",
            "The client asks with Basic, exactly as RFC 6749 prints it",
            "wanted 3601",
        ),
        (
            "# why: client.unknown",
            "# why: client.disabled",
            "A client that does not exist gets the same answer",
            "got    client.unknown",
        ),
        ("{{base64:nobody:not-the-secret}}", "nonsense", "A client that does not exist gets the same answer", "wanted 401"),
    ] {
        assert!(text.contains(right), "{right}");
        let steps = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(steps.path(), text.replacen(right, wrong, 1)).expect("written");
        let (output, said) = once(&["--dialect", name, "--steps", &steps.path().to_string_lossy()]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!(" ✗ {title}")) && said.contains(says), "{wrong}: {said}");
    }
}

#[test]
fn the_lines_to_try_work_when_pasted_and_the_reason_of_a_refusal_is_shown() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let mut demo = Running(jeton(temporary.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"));
    let mut lines = BufReader::new(demo.0.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let (mut pasted, mut commands) = (Vec::new(), Vec::new());
    for line in lines.by_ref() {
        let Some(hint) = line.strip_prefix("  ") else { continue };
        if hint.starts_with("TOKEN=") || hint.starts_with("curl ") {
            pasted.push(hint.to_owned());
        } else if hint.contains(env!("CARGO_BIN_EXE_jeton")) {
            commands.push(hint.to_owned());
        }
        if line.contains("Ctrl-C ends it") {
            break;
        }
    }
    let providers = files(".http").len();
    assert_eq!(pasted.len(), 2 * providers, "{pasted:#?}");
    for pair in pasted.chunks(2) {
        let said = shell(&pair.join("\n"));
        let (token, answer) = said.split_once('\n').expect("a token and an answer");
        assert!(!token.contains(['{', ' ']) && token.len() > 20, "{pair:?}: {said}");
        assert!(answer.starts_with('{') && !answer.contains("rror"), "{pair:?}: {said}");
    }
    assert_eq!(commands.len(), 4, "{commands:#?}");
    for (command, says) in commands.iter().zip(["signature", "confidential", "refused|client.", "client.secret_not_encoded"]) {
        let said = shell(&format!("{}\n{command}", pasted[0]));
        assert!(says.split('|').any(|says| said.contains(says)), "{command}: {said}");
    }
    let refused = pasted[0].replace("--data-urlencode client_secret@", "-d client_secret=wrong -d ignored=");
    shell(&refused);
    let note = lines.find(|line| line.contains("client.secret_wrong")).expect("the demo shows why");
    assert!(note.contains("The secret is not one of this client's."), "{note}");
    demo.end();
    assert_eq!(std::fs::read_dir(temporary.path()).expect("readable").count(), 0, "the directory goes with the demo");
}

fn shell(line: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A demo that stays up; it does not outlive its test.
struct Running(Child);

impl Running {
    /// Ends it as Ctrl-C does.
    fn end(&mut self) {
        let killed = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        let status = self.0.wait().expect("it ends");
        assert!(status.success(), "{status}");
        let mut said = String::new();
        self.0.stderr.take().expect("stderr is piped").read_to_string(&mut said).expect("readable");
        assert_eq!(said, "");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
