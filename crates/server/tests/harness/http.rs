//! HTTP as bytes: what is written is exactly what the test says, and what comes back is read without mercy.

use jeton_wire::transcript::Answer;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a connection may stay open after an answer that must end it.
const GOODBYE: Duration = Duration::from_secs(5);

/// What became of a connection.
#[derive(Debug, Default)]
pub struct Received {
    /// The first answer.
    pub answer: Answer,
    /// Bytes behind it.
    pub rest: Vec<u8>,
    /// Whether the server closed the connection.
    pub closed: bool,
    /// How long the answer took.
    pub took: Duration,
}

/// Whether to wait for the server's end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The answer is enough.
    Answered,
    /// The server must close.
    Closed,
}

/// Writes the bytes on a connection of their own and reads what comes back.
pub fn send(to: SocketAddr, bytes: &[u8], until: Until) -> Result<Received, String> {
    let started = Instant::now();
    let stream = TcpStream::connect_timeout(&to, PATIENCE).map_err(|error| format!("cannot connect: {error}"))?;
    let mut writer = stream.try_clone().map_err(|error| error.to_string())?;
    let outgoing = bytes.to_vec();
    // A server may answer and close before it has read everything; that is no failure of the writer.
    let writing = thread::spawn(move || {
        let _ = writer.set_write_timeout(Some(PATIENCE));
        let _ = writer.write_all(&outgoing);
    });
    let head = bytes.starts_with(b"HEAD ");
    let mut connection = Connection::over(stream);
    let received = connection.receive(head, started).map(|mut received| {
        match until {
            Until::Answered => received.rest = std::mem::take(&mut connection.read),
            Until::Closed => (received.rest, received.closed) = connection.rest(GOODBYE),
        }
        received
    });
    let _ = connection.stream.shutdown(Shutdown::Both);
    let _ = writing.join();
    received
}

/// A connection that stays open for several requests.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    ended: bool,
}

impl Connection {
    /// Connects.
    pub fn open(to: SocketAddr) -> Result<Self, String> {
        TcpStream::connect_timeout(&to, PATIENCE).map(Self::over).map_err(|error| format!("cannot connect: {error}"))
    }

    /// Uses a connection that was made elsewhere.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new(), ended: false }
    }

    /// Writes bytes and does not wait.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, bytes: &[u8]) -> Result<Received, String> {
        let started = Instant::now();
        self.write(bytes).map_err(|error| format!("cannot write: {error}"))?;
        self.receive(bytes.starts_with(b"HEAD "), started)
    }

    /// Everything that comes until the server closes, or until the time is over; and whether it closed.
    pub fn rest(&mut self, time: Duration) -> (Vec<u8>, bool) {
        let deadline = Instant::now() + time;
        while !self.ended && self.more(deadline).is_ok() {}
        (std::mem::take(&mut self.read), self.ended)
    }

    /// Reads some more bytes.
    fn more(&mut self, deadline: Instant) -> Result<(), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("nothing more came in time".to_owned());
        }
        self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("nothing more came in time: {error}")),
        }
        Ok(())
    }

    fn receive(&mut self, head: bool, started: Instant) -> Result<Received, String> {
        let deadline = started + PATIENCE;
        loop {
            if let Some((answer, used)) = parse_answer(&self.read, head, self.ended)? {
                self.read.drain(..used);
                if answer.status.is_some_and(|status| status < 200) {
                    continue;
                }
                return Ok(Received { answer, rest: Vec::new(), closed: self.ended, took: started.elapsed() });
            }
            if self.ended && self.read.is_empty() {
                return Ok(Received { closed: true, took: started.elapsed(), ..Received::default() });
            }
            if self.ended {
                return Err(format!("half an answer: {:?}", String::from_utf8_lossy(&self.read)));
            }
            self.more(deadline)?;
        }
    }
}

/// The first answer in the bytes and where it ends; nothing as long as it is not whole.
fn parse_answer(bytes: &[u8], head: bool, ended: bool) -> Result<Option<(Answer, usize)>, String> {
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..at]).map_err(|_| "the answer's head is not UTF-8")?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..5))
        .and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| format!("no status line: {text:?}"))?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or("a header of the answer has no colon")?;
    let mut answer = Answer { status: Some(status), headers, body: Vec::new() };
    let body = &bytes[at + 4..];
    let used = if head || status < 200 || status == 204 || status == 304 {
        Some(0)
    } else if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        chunked(body, &mut answer.body)?
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().map_err(|_| "the answer's length is no number")?;
        body.get(..length).map(|body| {
            answer.body = body.to_vec();
            length
        })
    } else {
        ended.then(|| {
            answer.body = body.to_vec();
            body.len()
        })
    };
    Ok(used.map(|used| (answer, at + 4 + used)))
}

/// Undoes chunks; nothing as long as the last one is not there.
fn chunked(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, String> {
    let whole = bytes.len();
    loop {
        let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or("a chunk of the answer has no size")?;
        let Some(chunk) = bytes.get(at + 2..at + 2 + size + 2) else { return Ok(None) };
        out.extend_from_slice(&chunk[..size]);
        bytes = &bytes[at + 2 + size + 2..];
        if size == 0 {
            return Ok(Some(whole - bytes.len()));
        }
    }
}

/// A form POST with these headers.
pub fn form(path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n{extra}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A GET with these headers.
pub fn get(path: &str, headers: &[&str]) -> Vec<u8> {
    let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n").into_bytes()
}
