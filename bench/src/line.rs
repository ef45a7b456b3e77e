//! A line is one connection with at most one request under way.

use crate::answer;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

/// One connection.
pub struct Line {
    socket: TcpStream,
    /// When its request was sent.
    pub sent_at: Instant,
    /// What came since.
    pub answer: Vec<u8>,
}

/// What a reading led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Not all of the answer is there.
    Part,
    /// The answer is there.
    All,
    /// The server closed the connection.
    Closed,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn open(to: SocketAddr, registry: &Registry, index: usize) -> Result<Self, Box<dyn Error>> {
        // Blocking connect: the first request may be written at once.
        let socket = std::net::TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        registry.register(&mut socket, Token(index), Interest::READABLE)?;
        Ok(Self { socket, sent_at: Instant::now(), answer: Vec::new() })
    }

    /// Begins to connect, and does not wait for it: the socket becomes writable when it is done.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn begin(to: SocketAddr, registry: &Registry, index: usize) -> Result<Self, Box<dyn Error>> {
        let mut socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        registry.register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { socket, sent_at: Instant::now(), answer: Vec::new() })
    }

    /// Whether the connection is there; an error says that it will not be.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn is_open(&self) -> Result<bool, Box<dyn Error>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error.into());
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a request. It is far smaller than a socket's buffer, so one write takes all of it.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn send(&mut self, request: &[u8]) -> Result<(), Box<dyn Error>> {
        self.answer.clear();
        self.sent_at = Instant::now();
        let written = self.socket.write(request)?;
        if written == request.len() { Ok(()) } else { Err("a request was written only in part".into()) }
    }

    /// Reads until the answer is complete or the socket is empty.
    ///
    /// # Errors
    /// An answer that does not say how long it is.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Box<dyn Error>> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Ok(Received::Closed),
                Ok(len) => {
                    self.answer.extend_from_slice(&buffer[..len]);
                    // The readiness is edge-triggered, but nothing follows a complete answer until the next request.
                    if answer::is_complete(&self.answer)? {
                        return Ok(Received::All);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Part),
                Err(_) => return Ok(Received::Closed),
            }
        }
    }

    /// Microseconds since the request was sent.
    #[must_use]
    pub fn micros(&self) -> u32 {
        u32::try_from(self.sent_at.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}
