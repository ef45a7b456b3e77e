//! The event log has one line for every decision, written without waiting for whoever reads it.
//!
//! A line goes into a buffer of its thread; one writer empties the buffers every few milliseconds. When nobody reads, lines are
//! dropped and counted, and no request waits.

use crate::request::Moment;
use crate::settings::{LogFormat, LogSetting, Settings};
use jeton_core::event::{Event, Outcome};
use jeton_core::name::Time;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use tracing::Level;

/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(50);
/// A buffer of this size is written at once.
const FULL: usize = 64 << 10;
/// A buffer of this size takes no more lines.
const MOST: usize = 4 << 20;
/// An empty buffer keeps at most this much room.
const KEPT: usize = 256 << 10;
/// More threads than these share buffers.
const SHARDS: usize = 16;
/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where lines go. Clones write to the same place.
#[derive(Clone)]
pub struct EventLog {
    shared: Arc<Shared>,
    form: LogFormat,
    level: Level,
}

struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    /// Whether the writer was told that there are lines.
    told: AtomicBool,
    ended: AtomicBool,
    dropped: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// To wake the writer without the lock.
    waker: std::sync::OnceLock<Thread>,
}

#[derive(Default)]
struct Shard {
    lines: Vec<u8>,
    second: i64,
    stamp: String,
}

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

impl EventLog {
    /// Starts the writer of standard error.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        Self::to(io::stderr(), settings.log)
    }

    /// Starts a writer that writes there.
    pub fn to(sink: impl Write + Send + 'static, LogSetting { form, level }: LogSetting) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            shards: std::array::from_fn(|_| Mutex::default()),
            told: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            writer: Mutex::new(None),
            waker: std::sync::OnceLock::new(),
        });
        let written = Arc::clone(&shared);
        let writer = thread::Builder::new().name("log".into()).spawn(move || written.write(sink, form))?;
        let _ = shared.waker.set(writer.thread().clone());
        *shared.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(Self { shared, form, level })
    }

    /// Writes the line of one event, unless the level leaves it out.
    pub fn record(&self, event: &Event, status: u16, took: Duration, moment: &Moment) {
        let (level, name) = match &event.outcome {
            Outcome::Issued => (Level::INFO, "issued"),
            Outcome::Coached => (Level::INFO, "coached"),
            Outcome::Repeated => (Level::INFO, "repeated"),
            Outcome::Permitted => (Level::INFO, "permitted"),
            Outcome::Refused(_) => (Level::INFO, "refused"),
            Outcome::Faulted(_) => (Level::ERROR, "fault"),
        };
        if level > self.level {
            return;
        }
        self.shared.push(|shard| {
            let mut line = Line::begin(shard, self.form, moment.now, level);
            line.plain("event", name);
            line.plain("endpoint", event.endpoint);
            if let Some((_, realm)) = &event.realm {
                line.plain("realm", realm.as_str());
            }
            if let Some(client) = &event.client {
                line.text("client", client.client_id.as_str());
            }
            match &event.outcome {
                Outcome::Refused(why) => line.plain("why", why.row().id),
                Outcome::Faulted(fault) => line.text("fault", &fault.to_string()),
                Outcome::Issued | Outcome::Coached | Outcome::Repeated | Outcome::Permitted => {}
            }
            line.number("status", u64::from(status));
            line.number("duration_us", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            line.source(moment.source);
            line.plain("request_id", moment.request_id.as_str());
            line.end();
        });
    }

    /// Writes lines that are already whole.
    pub fn lines(&self, lines: &[u8]) {
        self.shared.push(|shard| shard.lines.extend_from_slice(lines));
    }

    /// How many lines nobody will read.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is left and ends the writer; gives up when nobody reads.
    pub fn finish(&self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake();
        let Some(writer) = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let until = Instant::now() + LAST_WORDS;
        while !writer.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Shared {
    fn push(&self, write: impl FnOnce(&mut Shard)) {
        let mut shard = self.shards[SHARD.with(|shard| *shard)].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.lines.len() >= MOST {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = shard.lines.len();
        write(&mut shard);
        let after = shard.lines.len();
        drop(shard);
        let is_full = before < FULL && after >= FULL;
        if is_full || !self.told.load(Ordering::Relaxed) {
            self.told.store(true, Ordering::Release);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(writer) = self.waker.get() {
            writer.unpark();
        }
    }

    /// What the writer does until it is ended.
    fn write(&self, mut sink: impl Write, form: LogFormat) {
        let (mut spare, mut known_dropped) = (Vec::new(), 0);
        loop {
            while !self.told.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
                thread::park();
            }
            if !self.ended.load(Ordering::Acquire) {
                thread::park_timeout(GATHER);
            }
            let is_last = self.ended.load(Ordering::Acquire);
            self.told.store(false, Ordering::Release);
            for shard in &self.shards {
                std::mem::swap(&mut shard.lock().unwrap_or_else(PoisonError::into_inner).lines, &mut spare);
                // A log that cannot be written is nothing that the log could tell of.
                let _ = sink.write_all(&spare);
                spare.clear();
                spare.shrink_to(KEPT);
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > known_dropped {
                let mut shard = Shard::default();
                let mut line = Line::begin(&mut shard, form, crate::chance::now(), Level::WARN);
                line.plain("event", "lines_dropped");
                line.number("count", dropped - known_dropped);
                line.end();
                let _ = sink.write_all(&shard.lines);
                known_dropped = dropped;
            }
            let _ = sink.flush();
            if is_last {
                return;
            }
        }
    }
}

/// One line in the making.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    form: LogFormat,
}

impl<'a> Line<'a> {
    fn begin(shard: &'a mut Shard, form: LogFormat, now: Time, level: Level) -> Self {
        if shard.second != now.seconds() || shard.stamp.is_empty() {
            shard.second = now.seconds();
            shard.stamp = now.to_rfc3339();
            // What follows the seconds is written anew each time.
            shard.stamp.truncate(shard.stamp.len() - "000Z".len());
        }
        let out = &mut shard.lines;
        let millis = now.millis().rem_euclid(1000);
        let digits = [b'0' + (millis / 100) as u8, b'0' + (millis / 10 % 10) as u8, b'0' + (millis % 10) as u8, b'Z'];
        match form {
            LogFormat::Json => {
                out.extend_from_slice(br#"{"timestamp":""#);
                out.extend_from_slice(shard.stamp.as_bytes());
                out.extend_from_slice(&digits);
                out.extend_from_slice(br#"","level":""#);
                out.extend_from_slice(level.as_str().as_bytes());
                out.push(b'"');
            }
            LogFormat::Text => {
                out.extend_from_slice(shard.stamp.as_bytes());
                out.extend_from_slice(&digits);
                out.extend_from_slice(if level.as_str().len() == 4 { b"  " } else { b" " });
                out.extend_from_slice(level.as_str().as_bytes());
            }
        }
        Self { out, form }
    }

    fn key(&mut self, key: &str) {
        match self.form {
            LogFormat::Json => {
                self.out.extend_from_slice(b",\"");
                self.out.extend_from_slice(key.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            LogFormat::Text => {
                self.out.push(b' ');
                self.out.extend_from_slice(key.as_bytes());
                self.out.push(b'=');
            }
        }
    }

    /// A value of ours: visible ASCII without space, quote or backslash.
    fn plain(&mut self, key: &str, value: &str) {
        debug_assert!(is_plain(value));
        self.key(key);
        match self.form {
            LogFormat::Json => {
                self.out.push(b'"');
                self.out.extend_from_slice(value.as_bytes());
                self.out.push(b'"');
            }
            LogFormat::Text => self.out.extend_from_slice(value.as_bytes()),
        }
    }

    /// A value that may hold anything.
    fn text(&mut self, key: &str, value: &str) {
        if is_plain(value) {
            return self.plain(key, value);
        }
        self.key(key);
        self.out.push(b'"');
        for char in value.chars() {
            match char {
                '"' | '\\' => self.out.extend_from_slice(&[b'\\', char as u8]),
                ' '..='~' => self.out.push(char as u8),
                _ if may_stand(char) => {
                    let mut bytes = [0; 4];
                    self.out.extend_from_slice(char.encode_utf8(&mut bytes).as_bytes());
                }
                _ => {
                    let mut units = [0; 2];
                    for unit in char.encode_utf16(&mut units) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.out.push(b'"');
    }

    fn number(&mut self, key: &str, mut value: u64) {
        self.key(key);
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    /// Who asked.
    fn source(&mut self, source: IpAddr) {
        self.key("source");
        let quote: &[u8] = if self.form == LogFormat::Json { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        let _ = write!(self.out, "{source}");
        self.out.extend_from_slice(quote);
    }

    fn end(self) {
        self.out.extend_from_slice(if self.form == LogFormat::Json { b"}\n" } else { b"\n" });
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Whether a character can neither move a terminal's cursor nor change the direction of what it shows.
fn may_stand(char: char) -> bool {
    let is_hidden = matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    !char.is_control() && !is_hidden
}

#[cfg(test)]
mod tests;
