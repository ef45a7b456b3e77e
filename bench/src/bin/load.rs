//! The load driver: N connections, each sends its next request when the last answer is complete, for a bounded time.
//!
//! One thread, no runtime, no sleep: it has to cost less than any server it drives, so that the server's core is the one that
//! is full, and it must not have to be woken. It also reads the server's CPU time, because on shared cores only requests per CPU-second tell the truth.

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: load key=value …
  to=127.0.0.1:PORT   where
  path=/token         what
  host=NAME           the Host header (as `to`)
  basic=ID:SECRET     Basic credentials, percent-encoded already (none)
  body=FORM           the form; each run of # becomes the same random number below `vary`, with leading zeros
  vary=N              see body (1)
  connections=N       (32)
  seconds=S           measured time (3)
  warmup=S            time before it (0.5)
  pid=PID             the server, for its CPU time (none)";

/// What to do.
struct Plan {
    to: SocketAddr,
    request: Template,
    vary: u64,
    connections: usize,
    measured: Duration,
    warmup: Duration,
    pid: Option<u32>,
}

impl Plan {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut given: HashMap<String, String> = HashMap::new();
        for argument in arguments {
            let (name, value) = argument.split_once('=').ok_or(USAGE)?;
            given.insert(name.to_owned(), value.to_owned());
        }
        let mut take = |name: &str, default: &str| given.remove(name).unwrap_or_else(|| default.to_owned());
        let to = take("to", "");
        let host = take("host", &to);
        let (path, basic, body) = (take("path", "/token"), take("basic", ""), take("body", "grant_type=client_credentials"));
        let plan = Self {
            to: to.parse().map_err(|_| USAGE)?,
            request: Template::new(&path, &host, &basic, &body),
            vary: take("vary", "1").parse()?,
            connections: take("connections", "32").parse()?,
            measured: Duration::from_secs_f64(take("seconds", "3").parse()?),
            warmup: Duration::from_secs_f64(take("warmup", "0.5").parse()?),
            pid: Some(take("pid", "")).filter(|pid| !pid.is_empty()).map(|pid| pid.parse()).transpose()?,
        };
        if given.is_empty() && plan.connections > 0 && plan.vary > 0 { Ok(plan) } else { Err(USAGE.into()) }
    }
}

/// A request with places for a number.
struct Template {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Template {
    fn new(path: &str, host: &str, basic: &str, body: &str) -> Self {
        let credentials =
            if basic.is_empty() { String::new() } else { format!("Authorization: Basic {}\r\n", base64(basic.as_bytes())) };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{credentials}Accept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut places: Vec<Range<usize>> = Vec::new();
        for at in body.bytes().enumerate().filter(|(_, byte)| *byte == b'#').map(|(at, _)| head.len() + at) {
            match places.last_mut() {
                Some(place) if place.end == at => place.end += 1,
                _ => places.push(at..at + 1),
            }
        }
        Self { bytes: format!("{head}{body}").into_bytes(), places }
    }

    fn fill(&mut self, number: u64) -> &[u8] {
        for place in &self.places {
            let mut rest = number;
            for digit in self.bytes[place.clone()].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
        }
        &self.bytes
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| usize::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            text.push(if at <= chunk.len() { char::from(LETTERS[bits >> (18 - 6 * at) & 63]) } else { '=' });
        }
    }
    text
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One connection with at most one request under way.
struct Line {
    socket: TcpStream,
    sent_at: Instant,
    answer: Vec<u8>,
}

/// What was seen.
#[derive(Default)]
struct Tally {
    latencies: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut plan = Plan::parse(std::env::args().skip(1))?;
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut poll = Poll::new()?;
    let mut lines = Vec::with_capacity(plan.connections);
    for index in 0..plan.connections {
        // Blocking connect: the first request may be written at once.
        let socket = std::net::TcpStream::connect(plan.to)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
        lines.push(Line { socket, sent_at: Instant::now(), answer: Vec::with_capacity(4096) });
    }
    for line in &mut lines {
        send(line, plan.request.fill(numbers.below(plan.vary)))?;
    }
    let warm = run(&mut plan, &mut poll, &mut lines, &mut numbers, Limit::Warmup)?;
    let cpu_before = plan.pid.map(cpu_seconds).transpose()?;
    let started = Instant::now();
    let mut tally = run(&mut plan, &mut poll, &mut lines, &mut numbers, Limit::Measured)?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu_after = plan.pid.map(cpu_seconds).transpose()?;
    let cpu = cpu_before.zip(cpu_after).map(|(before, after)| after - before);
    let error = warm.first_error.or_else(|| tally.first_error.take());
    report(&mut tally, elapsed, cpu, error.as_deref());
    Ok(())
}

enum Limit {
    Warmup,
    Measured,
}

fn run(
    plan: &mut Plan,
    poll: &mut Poll,
    lines: &mut [Line],
    numbers: &mut Numbers,
    limit: Limit,
) -> Result<Tally, Box<dyn Error>> {
    let end = Instant::now()
        + match limit {
            Limit::Warmup => plan.warmup,
            Limit::Measured => plan.measured,
        };
    let mut events = Events::with_capacity(256);
    let mut tally = Tally::default();
    let mut buffer = vec![0; 16 * 1024];
    while Instant::now() < end {
        // It never sleeps: to wake it costs a server microseconds per answer, and only those servers that are slower than it.
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let line = &mut lines[event.token().0];
            if !receive(line, &mut buffer)? {
                continue;
            }
            let micros = u32::try_from(line.sent_at.elapsed().as_micros()).unwrap_or(u32::MAX);
            tally.latencies.push(micros);
            if !is_token_answer(&line.answer) {
                tally.errors += 1;
                tally.first_error.get_or_insert_with(|| String::from_utf8_lossy(&line.answer).into_owned());
            }
            line.answer.clear();
            send(line, plan.request.fill(numbers.below(plan.vary)))?;
        }
    }
    Ok(tally)
}

/// A request is far smaller than a socket's buffer, so one write takes all of it.
fn send(line: &mut Line, request: &[u8]) -> Result<(), Box<dyn Error>> {
    line.sent_at = Instant::now();
    let written = line.socket.write(request)?;
    if written == request.len() { Ok(()) } else { Err("a request was written only in part".into()) }
}

/// Reads until the socket is empty. Whether the answer is complete.
fn receive(line: &mut Line, buffer: &mut [u8]) -> Result<bool, Box<dyn Error>> {
    loop {
        match line.socket.read(buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(len) => {
                line.answer.extend_from_slice(&buffer[..len]);
                // The readiness is edge-triggered, but nothing follows a complete answer until the next request.
                if is_complete(&line.answer)? {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_complete(answer: &[u8]) -> Result<bool, Box<dyn Error>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let length = answer[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| String::from_utf8_lossy(value).trim().parse::<usize>())
    });
    match length {
        Some(length) => Ok(answer.len() >= head + 4 + length?),
        None => Err(format!("an answer without Content-Length: {}", String::from_utf8_lossy(answer)).into()),
    }
}

fn is_token_answer(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ") && answer.windows(15).any(|window| window == b"\"access_token\":")
}

/// User and system time of a process with all its threads (proc(5), `stat`, fields 14 and 15, in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn Error>> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the third field follows the last one of them.
    let rest = stat.rsplit_once(')').ok_or("no name in stat")?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().ok_or("stat is too short");
    Ok((next()?.parse::<f64>()? + next()?.parse::<f64>()?) / TICKS_PER_SECOND)
}

/// One line of JSON.
fn report(tally: &mut Tally, elapsed: f64, cpu: Option<f64>, error: Option<&str>) {
    tally.latencies.sort_unstable();
    let requests = tally.latencies.len();
    let at = |share: f64| {
        // Truncation is the wanted rounding of an index.
        let index = (requests as f64 * share) as usize;
        tally.latencies.get(index.min(requests.saturating_sub(1))).copied().unwrap_or(0)
    };
    let per_cpu = cpu.filter(|cpu| *cpu > 0.0).map_or("null".to_owned(), |cpu| format!("{:.1}", requests as f64 / cpu));
    let cpu = cpu.map_or("null".to_owned(), |cpu| format!("{cpu:.2}"));
    println!(
        r#"{{"requests":{requests},"errors":{},"seconds":{elapsed:.3},"cpu_seconds":{cpu},"per_cpu_second":{per_cpu},"p50_us":{},"p99_us":{},"max_us":{}}}"#,
        tally.errors,
        at(0.5),
        at(0.99),
        at(1.0),
    );
    if let Some(error) = error {
        eprintln!("first answer that is not a token: {error}");
    }
}
