//! A line to PostgreSQL that a test makes slow, still or broken.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything passes at once.
    Good,
    /// Everything passes so much later.
    Slow(Duration),
    /// Nothing passes, and nobody is told: a cable that was pulled.
    Still,
    /// Connections are closed, and new ones, too.
    Broken,
}

/// A proxy on 127.0.0.1. Its threads end with the process.
pub struct Line {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Line {
    /// A good line to this port on 127.0.0.1.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(Mutex::new(State::Good));
        let watched = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if now(&watched) == State::Broken {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (to, from) = (server.try_clone().expect("clones"), client.try_clone().expect("clones"));
                for (from, to) in [(client, to), (server, from)] {
                    let watched = Arc::clone(&watched);
                    thread::spawn(move || pass(from, to, &watched));
                }
            }
        });
        Self { port, state }
    }

    /// The proxy's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on the line is so.
    pub fn set(&self, state: State) {
        *self.state.lock().expect("no test panics with it") = state;
    }
}

fn now(state: &Mutex<State>) -> State {
    *state.lock().expect("no test panics with it")
}

/// Passes bytes on until either side ends.
fn pass(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    from.set_read_timeout(Some(Duration::from_millis(20))).expect("is set");
    let mut buffer = [0; 65_536];
    loop {
        let read = from.read(&mut buffer);
        while now(state) == State::Still {
            thread::sleep(Duration::from_millis(5));
        }
        match (read, now(state)) {
            (_, State::Broken) | (Ok(0), _) => break,
            (Ok(length), line) => {
                if let State::Slow(late) = line {
                    thread::sleep(late);
                }
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            (Err(error), _) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            (Err(_), _) => break,
        }
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
