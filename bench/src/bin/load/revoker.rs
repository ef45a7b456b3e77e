//! The revoker ends some of the tokens that the load gets, at an even pace (RFC 7009).

use jeton_bench::answer;
use jeton_bench::figures::{Times, Wrong};
use jeton_bench::line::{Line, Received};
use jeton_bench::request::post;
use mio::Poll;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections for it: a revocation is durable before it is answered, so several are under way.
pub const LINES: usize = 32;

/// How often, where, as whom.
pub struct Wish {
    pub revokes: f64,
    pub path: String,
    pub basic: String,
}

/// See above.
pub struct Revoker {
    lines: Vec<Line>,
    free: Vec<usize>,
    first: usize,
    wish: Wish,
    host: String,
    due: Instant,
    begun: Instant,
    times: Times,
    wrong: Wrong,
    /// Revocations that came late because every connection was in use.
    late: u64,
}

impl Revoker {
    /// Connects; its lines have the numbers from `first` on.
    pub fn open(to: SocketAddr, poll: &Poll, first: usize, wish: Wish) -> Result<Self, Box<dyn Error>> {
        let lines = (first..first + LINES).map(|index| Line::open(to, poll.registry(), index)).collect::<Result<_, _>>()?;
        let (times, wrong, now) = (Times::default(), Wrong::default(), Instant::now());
        let host = to.to_string();
        Ok(Self { lines, free: (0..LINES).collect(), first, wish, host, due: now, begun: now, times, wrong, late: 0 })
    }

    /// What came before does not count.
    pub fn begin(&mut self) {
        (self.times, self.late, self.begun) = (Times::default(), 0, Instant::now());
        self.due = self.begun;
    }

    /// Whether this line is one of its own.
    pub fn owns(&self, index: usize) -> bool {
        (self.first..self.first + LINES).contains(&index)
    }

    /// A fresh token: it is revoked if it is time for one.
    pub fn offer(&mut self, issued: &[u8]) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        let (Some(token), Some(index)) = (answer::token(issued), self.free.pop()) else {
            self.late += 1;
            return Ok(());
        };
        self.due += Duration::from_secs_f64(1.0 / self.wish.revokes);
        let body = format!("token={}", String::from_utf8_lossy(token));
        self.lines[index].send(&post(&self.wish.path, &self.host, &self.wish.basic, &body))
    }

    /// Reads an answer.
    pub fn answered(&mut self, index: usize, buffer: &mut [u8]) -> Result<(), Box<dyn Error>> {
        let line = &mut self.lines[index - self.first];
        match line.receive(buffer)? {
            Received::Part => return Ok(()),
            Received::Closed => return Err("the server closed a connection".into()),
            Received::All => {}
        }
        self.times.add(line.micros());
        // RFC 7009 §2.2: 200, and nothing in it.
        if !line.answer.starts_with(b"HTTP/1.1 200 ") {
            self.wrong.add(&line.answer);
        }
        self.free.push(index - self.first);
        Ok(())
    }

    /// What was seen, as members of a JSON object.
    pub fn members(mut self) -> String {
        self.wrong.tell("revocation that failed");
        let (count, failed) = (self.times.count(), self.wrong.count);
        let rate = count as f64 / self.begun.elapsed().as_secs_f64();
        let times = self.times.members("revoke");
        format!(
            r#""revoked":{count},"revoked_per_second":{rate:.1},"revoke_errors":{failed},"revoke_late":{},{times}"#,
            self.late
        )
    }
}
