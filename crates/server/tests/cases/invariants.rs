//! What must hold after every case, whatever it was: rows G1 to G7 of the attack catalogue.
//!
//! Whatever can be judged from values is a pure function, so that a doctored answer or log can prove that it would be
//! caught; what needs the process reads `/proc`.

use crate::harness::Server;
use crate::harness::http::{self, Until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_wire::transcript::Answer;
use std::time::{Duration, Instant};

/// Text that every secret of the fixture contains.
pub const CANARY: &str = "SECR3T";

/// Text that hostile requests contain and that no answer may repeat.
pub const ECHO: &str = "ECH0";

/// How much a case may make the process grow (G1).
const GROWTH: u64 = 8 * 1024 * 1024;

/// The bound of G5 is 50 ms; a test leaves ten times the room (decisions: a figure belongs to the benchmark).
const PROBE: Duration = Duration::from_millis(500);

/// How long connections may take to be put away.
const PUT_AWAY: Duration = Duration::from_secs(3);

/// The process before a case.
pub struct Before {
    open: Open,
    resident: u64,
}

/// Open file descriptors.
#[derive(Clone, Copy)]
struct Open {
    sockets: usize,
    files: usize,
}

/// A store opens its connections for reading when they are first needed, and keeps them: so many files more are no leak.
const FILES_ON_DEMAND: usize = 32;

impl Before {
    /// Looks at the process.
    pub fn of(server: &Server) -> Self {
        Self { open: open(server.pid()), resident: resident(server.pid()) }
    }

    /// G1, G4 and G5 after a case.
    pub fn compare(&self, server: &mut Server, canaries: &[String]) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(liveness(server).err());
        if !server.is_alive() {
            faults.push("G1: the process has ended".to_owned());
            return faults;
        }
        let deadline = Instant::now() + PUT_AWAY;
        while open(server.pid()).sockets > self.open.sockets && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let now = open(server.pid());
        if now.sockets > self.open.sockets {
            faults.push(format!("G1: {} sockets were open before, {} are now", self.open.sockets, now.sockets));
        }
        if now.files > self.open.files + FILES_ON_DEMAND {
            faults.push(format!("G1: {} files were open before, {} are now", self.open.files, now.files));
        }
        let grown = resident(server.pid()).saturating_sub(self.resident);
        if grown > GROWTH {
            faults.push(format!("G1: the process grew by {grown} bytes"));
        }
        faults.extend(log_faults(&server.log(), canaries));
        faults
    }
}

/// G5: a right request on a connection of its own is answered, and soon. A machine that is busy with something else may make
/// one answer late, but not three in a row.
pub fn liveness(server: &Server) -> Result<(), String> {
    let basic = format!("Authorization: Basic {}", STANDARD.encode("build-7:SECR3T-build-7-main"));
    let request = http::form("/acme/token", &[&basic], "grant_type=client_credentials");
    let mut late = Vec::new();
    for _ in 0..3 {
        let received = http::send(server.listen, &request, Until::Answered).map_err(|error| format!("G5: {error}"))?;
        if received.answer.status != Some(200) {
            return Err(format!("G5: a right request got\n{}", received.answer.readable()));
        }
        if received.took <= PROBE {
            return Ok(());
        }
        late.push(received.took);
    }
    Err(format!("G5: three right requests took {late:?}"))
}

/// G1 and G4: the log has no panic and no secret.
pub fn log_faults(log: &str, canaries: &[String]) -> Vec<String> {
    let line_with = |text: &str| log.lines().find(|line| line.contains(text)).map(str::to_owned);
    let mut faults: Vec<String> = line_with("panicked").map(|line| format!("G1: {line}")).into_iter().collect();
    for canary in canaries.iter().map(String::as_str).chain([CANARY]) {
        faults.extend(line_with(canary).map(|line| format!("G4: the log has the secret {canary:?}: {line}")));
    }
    faults
}

/// Who asks, for the rules that only some dialects follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The plain dialect: all of G2.
    Plain,
    /// Another dialect has error bodies of its own.
    Dialect,
}

/// G1, G2, G6 and G7 of one answer.
pub fn answer_faults(answer: &Answer, rules: Rules) -> Vec<String> {
    let mut faults = Vec::new();
    let status = answer.status.unwrap_or_default();
    let mut wrong = |holds: bool, text: &str| {
        if !holds {
            faults.push(format!("{text}\n{}", answer.readable()));
        }
    };
    wrong(status < 500 || status == 501 || status == 505, "G1: our own failure");
    let text = answer.readable();
    wrong(!text.contains(ECHO), "G2: the answer repeats the request");
    wrong(!text.contains(CANARY), "G4: the answer has a secret in it");
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let no_store = answer.header("cache-control").is_some_and(|value| value.contains("no-store"));
    if body.as_ref().is_some_and(|body| body.get("access_token").is_some()) {
        wrong(no_store, "G6: a token may be stored");
        wrong(answer.header("access-control-allow-origin").is_none(), "G7: a token is open to other origins");
    }
    if (400..500).contains(&status) && !answer.body.is_empty() {
        wrong(no_store, "G2: a refusal may be stored");
        wrong(answer.header("x-content-type-options") == Some("nosniff"), "G2: a refusal may be sniffed");
        wrong(answer.header("access-control-allow-origin").is_none(), "G7: a refusal is open to other origins");
        if rules == Rules::Plain {
            wrong(answer.header("content-type") == Some("application/json"), "G2: a refusal is not application/json");
            wrong(body.as_ref().is_some_and(is_error_body), "G2: a refusal has another shape than RFC 6749 section 5.2");
        }
    }
    faults
}

/// `error`, perhaps `error_description` and `error_uri`, in the characters of RFC 6749 §5.2.
fn is_error_body(body: &serde_json::Value) -> bool {
    let allowed = |text: &str| text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    body.as_object().is_some_and(|members| {
        members.contains_key("error")
            && members.iter().all(|(name, value)| {
                ["error", "error_description", "error_uri"].contains(&name.as_str()) && value.as_str().is_some_and(allowed)
            })
    })
}

fn open(pid: u32) -> Open {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    let (sockets, files): (Vec<_>, Vec<_>) = entries
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .partition(|target| target.to_string_lossy().starts_with("socket:"));
    Open { sockets: sockets.len(), files: files.len() }
}

/// The resident memory in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status: Some(status), headers, body: body.as_bytes().to_vec() }
    }

    const ERROR: [(&str, &str); 3] =
        [("content-type", "application/json"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")];

    /// Planted faults: each doctored answer must be caught by the rule that it breaks, and the right one by none.
    #[test]
    fn a_doctored_answer_is_caught() {
        let right = answer(400, &ERROR, r#"{"error":"invalid_request","error_description":"A parameter is repeated."}"#);
        assert_eq!(answer_faults(&right, Rules::Plain), [""; 0]);
        for (doctored, rule) in [
            (answer(500, &ERROR, r#"{"error":"server_error"}"#), "G1"),
            (answer(400, &ERROR, "Failed to deserialize form body: duplicate field `scope`"), "G2"),
            (answer(400, &ERROR, r#"{"error":"invalid_request","stack":"x"}"#), "G2"),
            (answer(400, &ERROR, r#"{"error":"invalid_request","error_description":"a \" quote"}"#), "G2"),
            (answer(400, &ERROR, r#"{"error_description":"no code"}"#), "G2"),
            (answer(400, &ERROR, r#"{"error":"invalid_request","error_description":"unknown ECH0"}"#), "G2"),
            (answer(400, &ERROR[1..], r#"{"error":"invalid_request"}"#), "G2"),
            (answer(400, &[ERROR[0], ERROR[2]], r#"{"error":"invalid_request"}"#), "G2"),
            (answer(400, &ERROR[..2], r#"{"error":"invalid_request"}"#), "G2"),
            (answer(401, &ERROR, r#"{"error":"invalid_client","error_description":"SECR3T-main is wrong"}"#), "G4"),
            (answer(200, &[], r#"{"access_token":"x"}"#), "G6"),
            (answer(200, &[ERROR[1], ("Access-Control-Allow-Origin", "*")], r#"{"access_token":"x"}"#), "G7"),
        ] {
            let faults = answer_faults(&doctored, Rules::Plain);
            assert!(faults.iter().any(|fault| fault.starts_with(rule)), "{rule}: {faults:?}\n{}", doctored.readable());
        }
    }

    #[test]
    fn a_doctored_log_is_caught() {
        assert!(log_faults("{\"event\":\"issued\"}\n", &["a.b.c".to_owned()]).is_empty());
        for log in ["thread 'x' panicked at src/main.rs:1\n", "client_secret=SECR3T-main\n", "GET /data a.b.c\n"] {
            assert_eq!(log_faults(log, &["a.b.c".to_owned()]).len(), 1, "{log}");
        }
    }
}
