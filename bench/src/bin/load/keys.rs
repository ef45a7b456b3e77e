//! Every token is kept, and verified after the load with the oldest key set that a verifier may still have had when it came.

use jeton_bench::answer;
use jeton_bench::figures::Wrong;
use jeton_bench::line::{Line, Received};
use jeton_bench::request::get;
use jeton_jose::{KeySet, parse_compact};
use mio::Poll;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the key set is read.
const PACE: Duration = Duration::from_millis(250);

/// Where the key set is, where those of earlier runs are, and how many seconds a verifier keeps one.
pub struct Rule {
    pub path: String,
    pub kept: PathBuf,
    pub allowed: f64,
}

/// See above.
pub struct Keys {
    line: Line,
    request: Vec<u8>,
    rule: Rule,
    due: Instant,
    is_asking: bool,
    /// Key sets by when they came, in microseconds since 1970.
    sets: BTreeMap<u64, Vec<u8>>,
    /// Tokens in one piece: where each ends, and when it came.
    tokens: Vec<u8>,
    ends: Vec<(usize, u64)>,
}

impl Keys {
    /// Connects, and reads the key sets of earlier runs.
    pub fn open(to: SocketAddr, poll: &Poll, index: usize, rule: Rule) -> Result<Self, Box<dyn Error>> {
        let line = Line::open(to, poll.registry(), index)?;
        let request = get(&rule.path, &to.to_string());
        let mut sets = BTreeMap::new();
        for entry in std::fs::read_dir(&rule.kept)? {
            let path = entry?.path();
            let at = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            sets.insert(at.ok_or("a key set has a strange name")?, std::fs::read(&path)?);
        }
        let due = Instant::now();
        Ok(Self { line, request, rule, due, is_asking: false, sets, tokens: Vec::new(), ends: Vec::new() })
    }

    /// Tokens that came before do not count.
    pub fn begin(&mut self) {
        self.tokens.clear();
        self.ends.clear();
    }

    /// Asks for the key set if it is time to.
    pub fn ask(&mut self) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        if self.is_asking || now < self.due {
            return Ok(());
        }
        self.due = now + PACE;
        self.is_asking = true;
        self.line.send(&self.request)
    }

    /// Reads a key set.
    pub fn answered(&mut self, buffer: &mut [u8]) -> Result<(), Box<dyn Error>> {
        match self.line.receive(buffer)? {
            Received::Part => return Ok(()),
            Received::Closed => return Err("the server closed the connection of the key set".into()),
            Received::All => {}
        }
        self.is_asking = false;
        if !answer::is_good(&self.line.answer, b"\"keys\"") {
            return Err("the key set was not answered".into());
        }
        let (at, set) = (micros(), answer::body(&self.line.answer).to_vec());
        std::fs::write(self.rule.kept.join(format!("{at}.json")), &set)?;
        self.sets.insert(at, set);
        Ok(())
    }

    /// Keeps the token of an answer.
    pub fn keep(&mut self, issued: &[u8]) {
        if let Some(token) = answer::token(issued) {
            self.tokens.extend_from_slice(token);
            self.ends.push((self.tokens.len(), micros()));
        }
    }

    /// Verifies them all: members of a JSON object.
    pub fn members(self) -> Result<String, Box<dyn Error>> {
        let allowed = (self.rule.allowed * 1e6) as u64;
        let mut parsed: BTreeMap<u64, KeySet> = BTreeMap::new();
        let (mut kids, mut wrong, mut start, mut oldest) = (BTreeSet::new(), Wrong::default(), 0, 0);
        for (end, at) in &self.ends {
            let token = &self.tokens[start..*end];
            start = *end;
            // The oldest that may be in use; the first of all where none is so old.
            let set = self.sets.range(at.saturating_sub(allowed)..).next().ok_or("no key set came in time")?;
            oldest = oldest.max(at.saturating_sub(*set.0));
            if !parsed.contains_key(set.0) {
                parsed.insert(*set.0, KeySet::parse(set.1).map_err(|error| format!("the key set: {error:?}"))?);
            }
            let verified = parse_compact(token, 16 * 1024).ok().and_then(|token| {
                let kid = token.header().kid.clone()?;
                token.verify(parsed.get(set.0)?.by_kid(&kid)?, &["at+jwt"]).ok()?;
                Some(kid)
            });
            match verified {
                Some(kid) => drop(kids.insert(kid)),
                None => wrong.add(token),
            }
        }
        wrong.tell("token that does not verify");
        let (count, oldest) = (self.ends.len(), oldest as f64 / 1e6);
        Ok(format!(
            r#""verified":{},"unverified":{},"kids":{},"oldest_key_set_s":{oldest:.1}"#,
            count as u64 - wrong.count,
            wrong.count,
            kids.len()
        ))
    }
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros().try_into().unwrap_or(0))
}
