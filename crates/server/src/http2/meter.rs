//! The meter sees the heads of all frames of a connection, in both directions, and tells when there is reason to end it.

use crate::framing::{BODY_TIME, HEAD_TIME, IDLE_TIME, STALL_TIME};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So often is the time looked at.
const PACE: Duration = Duration::from_secs(2);
/// Length of what a client says first (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// Length of the head of a frame (RFC 9113 §4.1).
const FRAME_HEAD: usize = 9;
/// Frames that ask for nothing: so many at once, so many more for each request, so many more each second.
const FREE: u64 = 200;
const FREE_PER_REQUEST: u64 = 8;
const FREE_PER_SECOND: u64 = 10;
/// Requests that are taken back: so many, and then no more than half of all.
const FREE_RESETS: u64 = 50;
/// Most frames of one block of fields.
const MOST_CONTINUATIONS: u32 = 8;
/// Most requests that are not ended, ours to refuse included.
const MOST_OPEN: usize = 400;

/// Types and flags of frames (RFC 9113 §6).
mod frame {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const CONTINUATION: u8 = 0x9;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
}

/// Why a connection should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urge {
    /// Nobody asks anything.
    Rest,
    /// It costs more than it is worth, or does not come on.
    Abuse(&'static str),
}

/// What is known of one connection.
pub struct Frames(Mutex<State>);

struct State {
    incoming: Walk,
    outgoing: Walk,
    began: Instant,
    /// When a request last began or ended.
    moved: Instant,
    /// Requests that are not ended, and since when they are answered.
    open: BTreeMap<u32, Option<Instant>>,
    newest: u32,
    requests: u64,
    resets: u64,
    others: u64,
    /// Since when a block of fields is not complete, and how many frames it has.
    block: Option<(Instant, u32)>,
    /// Since when a frame is not complete.
    within: Option<Instant>,
    /// Since when the client takes nothing.
    stalled: Option<Instant>,
    abuse: Option<&'static str>,
}

/// Finds the heads of frames in a stream of bytes.
struct Walk {
    skip: usize,
    head: [u8; FRAME_HEAD],
    filled: usize,
}

#[derive(Clone, Copy)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Walk {
    fn over(preface: usize) -> Self {
        Self { skip: preface, head: [0; FRAME_HEAD], filled: 0 }
    }

    /// The next head in these bytes, which are taken as far as they were seen.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        let taken = (FRAME_HEAD - self.filled).min(bytes.len());
        self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        *bytes = &bytes[taken..];
        if self.filled < FRAME_HEAD {
            return None;
        }
        self.filled = 0;
        let [high, middle, low, kind, flags, stream @ ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        Some(Frame { length, kind, flags, stream: u32::from_be_bytes(stream) & 0x7FFF_FFFF })
    }

    fn is_between(&self) -> bool {
        self.skip == 0 && self.filled == 0
    }
}

impl State {
    fn receive(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() && self.abuse.is_none() {
            if let Some(frame) = self.incoming.next(&mut bytes) {
                self.within = None;
                self.came(frame, now);
            }
        }
        self.within = if self.incoming.is_between() { None } else { self.within.or(Some(now)) };
    }

    fn came(&mut self, Frame { length, kind, flags, stream }: Frame, now: Instant) {
        match kind {
            frame::HEADERS => {
                self.block = (flags & frame::END_HEADERS == 0).then_some((now, 0));
                if stream > self.newest {
                    self.newest = stream;
                    self.requests += 1;
                    self.moved = now;
                    self.open.insert(stream, None);
                }
            }
            frame::CONTINUATION => {
                let (since, count) = self.block.unwrap_or((now, 0));
                self.block = (flags & frame::END_HEADERS == 0).then_some((since, count + 1));
                if count >= MOST_CONTINUATIONS {
                    self.abuse = Some("a block of fields has too many frames");
                }
            }
            frame::DATA if length > 0 || flags & frame::END_STREAM != 0 => {}
            frame::RST_STREAM => {
                self.resets += 1;
                self.end(stream, now);
            }
            _ => self.others += 1,
        }
        let free = FREE + self.requests * FREE_PER_REQUEST + (now - self.began).as_secs() * FREE_PER_SECOND;
        if self.others > free {
            self.abuse = Some("too many frames ask for nothing");
        } else if self.resets > FREE_RESETS && self.resets > self.requests / 2 {
            self.abuse = Some("too many requests are taken back");
        } else if self.open.len() > MOST_OPEN {
            self.abuse = Some("too many requests at once");
        }
    }

    fn send(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() {
            let Some(Frame { kind, flags, stream, .. }) = self.outgoing.next(&mut bytes) else { continue };
            match kind {
                frame::DATA | frame::HEADERS if flags & frame::END_STREAM != 0 => self.end(stream, now),
                frame::RST_STREAM => self.end(stream, now),
                frame::HEADERS => {
                    if let Some(answered) = self.open.get_mut(&stream) {
                        answered.get_or_insert(now);
                    }
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, stream: u32, now: Instant) {
        if self.open.remove(&stream).is_some() {
            self.moved = now;
        }
    }

    fn urge(&self, now: Instant) -> Option<Urge> {
        let over = |since: Option<Instant>, limit: Duration| since.is_some_and(|since| now - since >= limit);
        let greeted = self.incoming.skip == 0 || self.newest > 0 || self.others > 0;
        let waits = [
            (over(self.block.map(|(since, _)| since), HEAD_TIME), "a block of fields comes too slowly"),
            (!greeted && over(Some(self.began), HEAD_TIME), "nothing is said"),
            (over(self.within, BODY_TIME), "a frame comes too slowly"),
            (over(self.stalled, STALL_TIME), "nothing is read"),
            (self.open.values().any(|answered| over(*answered, STALL_TIME)), "an answer is not taken"),
        ];
        let abuse = self.abuse.or_else(|| waits.iter().find(|(is_over, _)| *is_over).map(|(_, why)| *why));
        match abuse {
            Some(why) => Some(Urge::Abuse(why)),
            None => (self.open.is_empty() && over(Some(self.moved), IDLE_TIME)).then_some(Urge::Rest),
        }
    }
}

impl Frames {
    /// A fresh connection.
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            incoming: Walk::over(PREFACE),
            outgoing: Walk::over(0),
            began: now,
            moved: now,
            open: BTreeMap::new(),
            newest: 0,
            requests: 0,
            resets: 0,
            others: 0,
            block: None,
            within: None,
            stalled: None,
            abuse: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is reason to end the connection.
    pub async fn urge(&self) -> Urge {
        loop {
            tokio::time::sleep(PACE).await;
            if let Some(urge) = self.state().urge(Instant::now()) {
                return urge;
            }
        }
    }
}

/// A stream whose frames are metered.
pub struct Metered<S> {
    stream: S,
    frames: Arc<Frames>,
}

impl<S> Metered<S> {
    /// Meters a fresh connection.
    pub fn new(stream: S, frames: Arc<Frames>) -> Self {
        Self { stream, frames }
    }

    fn wrote(&self, slices: &[IoSlice<'_>], written: &Poll<io::Result<usize>>) {
        let now = Instant::now();
        let mut state = self.frames.state();
        match written {
            Poll::Pending => drop(state.stalled.get_or_insert(now)),
            Poll::Ready(Ok(count)) => {
                state.stalled = None;
                let mut left = *count;
                for slice in slices {
                    let taken = left.min(slice.len());
                    state.send(&slice[..taken], now);
                    left -= taken;
                }
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = out.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, out);
        if matches!(read, Poll::Ready(Ok(()))) {
            let mut state = this.frames.state();
            state.receive(&out.filled()[start..], Instant::now());
            if let Some(why) = state.abuse {
                return Poll::Ready(Err(io::Error::other(why)));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(&[IoSlice::new(bytes)], &written);
        written
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(slices, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        let mut state = this.frames.state();
        state.stalled = if flushed.is_pending() { state.stalled.or_else(|| Some(Instant::now())) } else { None };
        drop(state);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        let head = [(length >> 16) as u8, (length >> 8) as u8, length as u8, kind, flags];
        [&head[..], &stream.to_be_bytes(), &vec![0; length]].concat()
    }

    fn state() -> State {
        let mut state = Frames::new().0.into_inner().expect("fresh");
        state.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", state.began);
        state
    }

    const REQUEST: (u8, u8) = (frame::HEADERS, frame::END_HEADERS | frame::END_STREAM);

    #[test]
    fn frames_are_seen_however_they_are_cut() {
        let all = [frame(4, 0, 0, 12), frame(REQUEST.0, REQUEST.1, 1, 30), frame(frame::DATA, 1, 1, 70_000)].concat();
        for cut in [1, 2, 8, 9, 10, 1000, all.len()] {
            let mut state = state();
            for piece in all.chunks(cut) {
                state.receive(piece, state.began);
            }
            assert_eq!((state.requests, state.others, state.within), (1, 1, None), "cut {cut}");
            state.receive(&all[..5], state.began);
            assert!(state.within.is_some());
        }
    }

    #[test]
    fn floods_are_noticed_and_usual_traffic_is_not() {
        let cases: [(&str, Vec<Vec<u8>>, bool); 6] = [
            ("settings", vec![frame(4, 0, 0, 0); 1000], true),
            ("pings", vec![frame(6, 0, 0, 8); 1000], true),
            ("empty data", vec![frame(frame::DATA, 0, 1, 0); 1000], true),
            ("resets", (0..200).flat_map(|id| [frame(1, 5, 2 * id + 1, 9), frame(3, 0, 2 * id + 1, 4)]).collect(), true),
            ("continuations", [vec![frame(1, 0, 1, 9)], vec![frame(9, 0, 1, 9); 20]].concat(), true),
            (
                "usual",
                (0..200).flat_map(|id| [frame(1, 5, 2 * id + 1, 9), frame(8, 0, 0, 4), frame(6, 0, 0, 8)]).collect(),
                false,
            ),
        ];
        for (what, frames, is_abuse) in cases {
            let mut state = state();
            for bytes in frames {
                state.receive(&bytes, state.began);
                // Each is answered at once.
                let newest = state.newest;
                state.send(&frame(1, 5, newest, 10), state.began);
            }
            assert_eq!(state.abuse.is_some(), is_abuse, "{what}: {:?}", state.abuse);
        }
    }

    #[test]
    fn what_does_not_come_on_is_ended() {
        let at = |seconds| move |state: &State| state.urge(state.began + Duration::from_secs(seconds));
        let request = frame(REQUEST.0, REQUEST.1, 1, 9);
        let silent = Frames::new().0.into_inner().expect("fresh");
        assert!(at(4)(&silent).is_none() && matches!(at(5)(&silent), Some(Urge::Abuse(_))));
        let mut block = state();
        block.receive(&frame(frame::HEADERS, 0, 1, 9), block.began);
        assert!(at(4)(&block).is_none() && matches!(at(5)(&block), Some(Urge::Abuse(_))));
        let mut unread = state();
        unread.receive(&request, unread.began);
        // A request that is being decided is waited for; its answer must be taken.
        assert!(at(600)(&unread).is_none());
        unread.send(&frame(frame::HEADERS, frame::END_HEADERS, 1, 9), unread.began);
        assert!(at(9)(&unread).is_none() && matches!(at(10)(&unread), Some(Urge::Abuse(_))));
        unread.send(&frame(frame::DATA, frame::END_STREAM, 1, 9), unread.began);
        assert!(at(59)(&unread).is_none());
        assert_eq!(at(60)(&unread), Some(Urge::Rest));
    }
}
