//! Notes are what the server wrote down about each request: the demo reads them as an operator would, by request id.

use jeton_core::refusal::Why;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long a note may take: the log gathers its lines, and a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// One line of the log about one request.
#[derive(Clone, Debug, Deserialize)]
pub struct Note {
    /// What became of it: issued, permitted, refused.
    pub event: String,
    /// The endpoint.
    pub endpoint: String,
    /// The realm that was asked.
    #[serde(default)]
    pub realm: Option<String>,
    /// The client, where its id is known.
    #[serde(default)]
    pub client: Option<String>,
    /// The exact reason of a refusal.
    #[serde(default)]
    pub why: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The id in the answer.
    pub request_id: String,
}

impl Note {
    /// The exact reason of a refusal.
    pub fn reason(&self) -> Option<Why> {
        self.why.as_deref().and_then(Why::by_id)
    }
}

/// A line of the log that is about no request.
#[derive(Deserialize)]
struct Said {
    level: String,
}

impl Said {
    fn is_serious(&self) -> bool {
        matches!(self.level.as_str(), "WARN" | "ERROR")
    }
}

/// Where the log writes to.
pub struct Pen {
    to: Sender<Note>,
    unfinished: Vec<u8>,
}

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                // Nobody reads once the demo is over.
                Ok(note) => drop(self.to.send(note)),
                // What is no event but a warning is for whoever looks on.
                Err(_) if serde_json::from_slice::<Said>(&line).is_ok_and(|said| said.is_serious()) => {
                    io::stderr().write_all(&line)?;
                }
                Err(_) => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written down until now.
pub struct Notes {
    from: Receiver<Note>,
    known: BTreeMap<String, Note>,
}

impl Notes {
    /// A pen, and what it will have written.
    pub fn begin() -> (Pen, Self) {
        let (to, from) = channel();
        (Pen { to, unfinished: Vec::new() }, Self { from, known: BTreeMap::new() })
    }

    /// The note of this request; waits for it a little.
    pub fn of(&mut self, request_id: &str) -> Option<Note> {
        let until = Instant::now() + PATIENCE;
        while !self.known.contains_key(request_id) {
            let note = self.from.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            self.known.insert(note.request_id.clone(), note);
        }
        self.known.get(request_id).cloned()
    }

    /// Every note that comes from now on, as long as the log is written.
    pub fn follow(self) -> impl Iterator<Item = Note> {
        self.from.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_note_is_found_by_its_request_even_if_it_comes_in_pieces() {
        let (mut pen, mut notes) = Notes::begin();
        let line = "{\"event\":\"refused\",\"endpoint\":\"token\",\"why\":\"client.secret_wrong\",\"status\":401,\"request_id\":\"x\",\"extra\":1}\n";
        let (one, two) = line.split_at(30);
        pen.write_all(one.as_bytes()).expect("written");
        pen.write_all(two.as_bytes()).expect("written");
        assert_eq!(notes.of("x").and_then(|note| note.reason()), Some(Why::ClientSecretWrong));
    }
}
