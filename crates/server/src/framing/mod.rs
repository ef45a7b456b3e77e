//! A framed stream lets only well-formed requests through, in time, and says which one was refused.
//!
//! hyper reads requests more generously than a proxy in front of it might (a bare LF, two equal lengths), and gives its own
//! answers to what it cannot read. So every head is inspected here before hyper sees it, and bodies are followed to their end.
//! A bad head is replaced by a plain one that the listener refuses in its turn: answers to earlier requests stay in order, and
//! every refusal has our form and a request id. Time is kept here as well: for a head, for a body, for an idle connection and
//! for a client that does not read.

mod chunks;
mod head;

use crate::refuse::Violation;
use chunks::Chunks;
use head::{Body, Head, inspect};
pub use head::{HOST, MOST_BYTES, MOST_FIELDS, MOST_TARGET, is_host, may_stand_in_target};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A head must be complete so soon after its first byte, or after the connection was made.
pub const HEAD_TIME: Duration = Duration::from_secs(5);
/// A body must be complete so soon after its head.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// How long a connection may rest between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a client may take none of its answer.
pub const STALL_TIME: Duration = Duration::from_secs(10);
/// How long a connection is read after its last answer, so that the client sees the answer before the end.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How much is read then.
const LINGER_BYTES: usize = 8 << 20;
/// Stands in for a head that is refused.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// What a stream and the service behind it tell each other about one connection.
#[derive(Debug, Default)]
pub struct Exchanges {
    begun: AtomicU32,
    ended: AtomicU32,
    refused: OnceLock<(u32, Violation)>,
}

impl Exchanges {
    /// The service takes the next request; tells why it is refused, if it is.
    pub fn begin(&self) -> Option<Violation> {
        let index = self.begun.fetch_add(1, Ordering::Relaxed);
        self.refused.get().filter(|(refused, _)| *refused == index).map(|(_, violation)| *violation)
    }

    /// The service has answered.
    pub fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Why the present request's body could not be read.
    pub fn broken(&self) -> Violation {
        const CUT: Violation = Violation::malformed("The request's body is cut off.");
        self.refused.get().map_or(CUT, |(_, violation)| *violation)
    }
}

/// The stream of one connection.
pub struct Framed<S> {
    stream: S,
    exchanges: Arc<Exchanges>,
    phase: Phase,
    /// Heads that were let through.
    heads: u32,
    /// A head that is not complete.
    held: Vec<u8>,
    /// What was inspected and waits to be read, from `given` on.
    ready: Vec<u8>,
    given: usize,
    patience: Patience,
    discarded: Option<usize>,
}

enum Phase {
    /// Before or in a head.
    Head {
        /// Whether an empty line was skipped.
        skipped: bool,
    },
    Length(u64),
    Chunked(Chunks),
    /// A bad head was replaced: nothing more is read.
    Refused,
    /// A body cannot be followed further.
    Broken(ErrorKind),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    /// Frames a fresh connection.
    pub fn new(stream: S, exchanges: Arc<Exchanges>) -> Self {
        let (phase, patience) = (Phase::Head { skipped: false }, Patience::new());
        Self { stream, exchanges, phase, heads: 0, held: Vec::new(), ready: Vec::new(), given: 0, patience, discarded: None }
    }

    /// Follows these bytes, and tells how many of them may be read.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.phase {
                // RFC 9112 §2.2: an empty line before a request is ignored; some old clients send one behind a body.
                Phase::Head { skipped } if rest[0] == b'\r' && !*skipped && matches!(rest.get(1), None | Some(b'\n')) => {
                    if rest.len() == 1 {
                        break;
                    }
                    *skipped = true;
                    at += 2;
                }
                Phase::Head { .. } => match inspect(rest) {
                    Ok(None) => break,
                    Ok(Some(Head { length, body })) => {
                        self.heads = self.heads.wrapping_add(1);
                        self.phase = after_head(body);
                        self.patience.begin();
                        at += length;
                    }
                    Err(violation) => {
                        let _ = self.exchanges.refused.set((self.heads, violation));
                        self.phase = Phase::Refused;
                        self.patience.begin();
                        break;
                    }
                },
                Phase::Length(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += taken;
                    self.phase = after_head(Body::Length(*left - taken as u64));
                }
                Phase::Chunked(chunks) => match chunks.follow(rest) {
                    Ok(taken) => {
                        at += taken;
                        if *chunks == Chunks::Done {
                            self.phase = after_head(Body::Length(0));
                        }
                    }
                    Err(violation) => {
                        self.break_body(ErrorKind::InvalidData, violation);
                        break;
                    }
                },
                Phase::Refused | Phase::Broken(_) => break,
            }
        }
        at
    }

    fn break_body(&mut self, kind: ErrorKind, violation: Violation) {
        let _ = self.exchanges.refused.set((self.heads.wrapping_sub(1), violation));
        self.phase = Phase::Broken(kind);
        self.patience.begin();
    }

    /// Takes what was just read, which `out` holds from `start` on, and leaves there what may be read.
    fn take(&mut self, out: &mut ReadBuf<'_>, start: usize) {
        let was_resting = self.is_resting();
        if self.held.is_empty() {
            let fresh = &out.filled()[start..];
            let passed = self.follow(fresh);
            if matches!(self.phase, Phase::Head { .. }) {
                self.held.extend_from_slice(&fresh[passed..]);
            }
            out.set_filled(start + passed);
        } else {
            self.held.extend_from_slice(&out.filled()[start..]);
            out.set_filled(start);
            let mut held = std::mem::take(&mut self.held);
            let passed = self.follow(&held);
            if matches!(self.phase, Phase::Head { .. }) {
                self.held = held.split_off(passed);
            }
            held.truncate(passed);
            self.ready = held;
            self.given = 0;
        }
        if matches!(self.phase, Phase::Refused) {
            if self.given == self.ready.len() {
                self.ready.clear();
                self.given = 0;
            }
            self.ready.extend_from_slice(SUBSTITUTE);
        }
        if was_resting != self.is_resting() {
            self.patience.begin();
        }
    }

    fn give(&mut self, out: &mut ReadBuf<'_>) {
        let rest = &self.ready[self.given..];
        let length = rest.len().min(out.remaining());
        out.put_slice(&rest[..length]);
        self.given += length;
    }

    /// Between two requests.
    fn is_resting(&self) -> bool {
        self.held.is_empty() && matches!(self.phase, Phase::Head { .. })
    }

    /// Nothing can be read now: how long may that last?
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const SLOW: Violation = Violation::too_long(408, "The request came too slowly.");
        let limit = match self.phase {
            Phase::Head { .. } if self.is_resting() && self.heads > 0 => IDLE_TIME,
            Phase::Head { .. } => HEAD_TIME,
            Phase::Length(_) | Phase::Chunked(_) => BODY_TIME,
            Phase::Refused | Phase::Broken(_) => IDLE_TIME,
        };
        loop {
            ready!(self.patience.wait(cx, limit));
            match self.phase {
                // Nothing is asked of a client that waits for its answer.
                Phase::Head { .. } if self.is_resting() && self.exchanges.ended.load(Ordering::Relaxed) != self.heads => {
                    self.patience.begin();
                }
                Phase::Length(_) | Phase::Chunked(_) => {
                    self.break_body(ErrorKind::TimedOut, SLOW);
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
                _ => return Poll::Ready(Err(ErrorKind::TimedOut.into())),
            }
        }
    }
}

fn after_head(body: Body) -> Phase {
    match body {
        Body::Length(0) => Phase::Head { skipped: false },
        Body::Length(length) => Phase::Length(length),
        Body::Chunked => Phase::Chunked(Chunks::START),
    }
}

/// Two waits, of which the timer knows the earlier; it is set anew only when it has run out, not with every request.
struct Patience {
    timer: Pin<Box<Sleep>>,
    is_armed: bool,
    since: Option<Instant>,
    stalled: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self { timer: Box::pin(sleep(HEAD_TIME)), is_armed: false, since: None, stalled: None }
    }

    /// Something new is waited for.
    fn begin(&mut self) {
        self.since = None;
    }

    fn wait(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let end = *self.since.get_or_insert_with(Instant::now) + limit;
        self.until(cx, end)
    }

    fn stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = *self.stalled.get_or_insert_with(Instant::now) + STALL_TIME;
        self.until(cx, end)
    }

    fn until(&mut self, cx: &mut Context<'_>, end: Instant) -> Poll<()> {
        loop {
            if self.is_armed && !self.timer.is_elapsed() && self.timer.deadline() <= end {
                return Poll::Pending;
            }
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(end);
            self.is_armed = self.timer.as_mut().poll(cx).is_pending();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Framed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.given < this.ready.len() {
                this.give(out);
                return Poll::Ready(Ok(()));
            }
            match this.phase {
                Phase::Refused => return this.rest(cx),
                Phase::Broken(kind) => return Poll::Ready(Err(kind.into())),
                _ => {}
            }
            let start = out.filled().len();
            match Pin::new(&mut this.stream).poll_read(cx, out) {
                Poll::Ready(Ok(())) if out.filled().len() == start => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => this.take(out, start),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.rest(cx),
            }
            if out.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    /// Passes on what a write led to, unless the client has taken nothing for too long.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.patience.stalled = None;
            return written;
        }
        self.patience.stall(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A stream that encrypts takes more than the client does; what is left of it shows here.
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(cx, flushed.map_ok(|()| 0)).map_ok(drop)
    }

    /// RFC 9112 §9.6: a connection that is closed with unread bytes is reset, and the reset may overtake the answer. So what
    /// still comes is read and dropped for a while.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.discarded.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.discarded = Some(0);
            this.patience.begin();
        }
        if this.is_resting() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 4096];
        while let Some(discarded) = this.discarded.filter(|discarded| *discarded < LINGER_BYTES) {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => this.discarded = Some(discarded + buffer.filled().len()),
                Poll::Ready(_) => break,
                Poll::Pending => return this.patience.wait(cx, LINGER_TIME).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
