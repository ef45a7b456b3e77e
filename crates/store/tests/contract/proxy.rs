//! A proxy stands between a store and PostgreSQL, and cuts the line at COMMIT.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    Never,
    /// The next COMMIT is swallowed.
    BeforeCommit,
    /// The next COMMIT arrives, its answer does not.
    AfterCommit,
    /// The same, and no later connection gets through.
    AfterCommitForEver,
    /// Nothing gets through.
    Everywhere,
}

/// A running proxy. Its threads end with the process.
pub struct Proxy {
    port: u16,
    cut: Arc<Mutex<Cut>>,
}

impl Proxy {
    /// Starts a proxy to this port on 127.0.0.1.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let cut = Arc::new(Mutex::new(Cut::Never));
        let watched = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if *watched.lock().expect("no test panics with it") == Cut::Everywhere {
                    continue;
                }
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
                let (to, from) = (server.try_clone().expect("clones"), client.try_clone().expect("clones"));
                let watched = Arc::clone(&watched);
                thread::spawn(move || requests(client, to, &watched));
                thread::spawn(move || answers(server, from));
            }
        });
        Self { port, cut }
    }

    /// The proxy's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the line there, once.
    pub fn cut(&self, cut: Cut) {
        *self.cut.lock().expect("no test panics with it") = cut;
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.cut(Cut::Never);
    }
}

fn requests(mut client: TcpStream, mut server: TcpStream, cut: &Mutex<Cut>) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let part = &buffer[..length];
        let is_commit = part.windows(7).any(|bytes| bytes == b"COMMIT\0");
        let mut cut = cut.lock().expect("no test panics with it");
        let now = *cut;
        if now == Cut::Everywhere {
            break;
        }
        if is_commit && now != Cut::Never {
            *cut = if now == Cut::AfterCommitForEver { Cut::Everywhere } else { Cut::Never };
            // The answer must not slip through.
            drop(client.shutdown(Shutdown::Both));
            if now != Cut::BeforeCommit {
                server.write_all(part).expect("the server listens");
            }
            break;
        }
        if server.write_all(part).is_err() {
            break;
        }
    }
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Write));
}

fn answers(mut server: TcpStream, mut client: TcpStream) {
    // Either side may end first.
    drop(std::io::copy(&mut server, &mut client));
    drop(client.shutdown(Shutdown::Both));
}
