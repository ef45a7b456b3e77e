//! The way down: two nodes behind a proxy are restarted in turn under load, and what a store leaves that was closed.

use crate::Fault;
use crate::harness::http::{self, Connection};
use crate::harness::{Launch, Server};
use crate::world::{CANARY, Room, access_token, done, furnish_with, settled};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_store::testing::PostgresForTests;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const F_25: Fault = Fault {
    row: "F-25",
    promise: "two nodes are restarted in turn under load, and no request fails: who is asked to leave says so, drains and ends with 0",
};

/// How often the proxy asks a node whether it is ready.
const CHECK: Duration = Duration::from_millis(100);
/// Clients that keep their connections, and clients that make one for each request.
const CLIENTS: [usize; 2] = [4, 2];
/// Between two requests of a client: long enough that a connection is idle most of the time, which is when it may be closed.
const PAUSE: Duration = Duration::from_millis(3);
/// How long a node may take to end, and to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as the proxy sees it.
#[derive(Clone, Copy)]
struct Backend {
    listen: SocketAddr,
    ops: SocketAddr,
    is_ready: bool,
}

/// A proxy of connections that asks each node for `/readyz` and sends new connections where the answer is good. It reads nothing of
/// what it passes on and repeats nothing; only who could not be connected to at all is passed over. Its threads end with the process.
#[derive(Clone)]
struct Proxy {
    listen: SocketAddr,
    backends: Arc<Mutex<Vec<Backend>>>,
}

fn is_ready(ops: SocketAddr) -> bool {
    let asked = Connection::open(ops).and_then(|mut line| line.ask(&http::get("/readyz", &[])));
    asked.is_ok_and(|received| received.answer.status == Some(200))
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let listen = listener.local_addr().expect("a listener has an address");
        let proxy = Self { listen, backends: Arc::default() };
        let (checked, asked) = (proxy.clone(), proxy.clone());
        thread::spawn(move || {
            loop {
                thread::sleep(CHECK);
                let known = checked.all();
                let found = known.map(|backend| (backend.ops, is_ready(backend.ops)));
                for (ops, ready) in found.collect::<Vec<_>>() {
                    let mut backends = checked.backends.lock().expect("no test panics with it");
                    backends.iter_mut().filter(|backend| backend.ops == ops).for_each(|backend| backend.is_ready = ready);
                }
            }
        });
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                let Some(server) = asked.connect(number) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("clones"), to.try_clone().expect("clones"));
                    thread::spawn(move || pass(from, to));
                }
            }
        });
        proxy
    }

    fn all(&self) -> impl Iterator<Item = Backend> + use<> {
        self.backends.lock().expect("no test panics with it").clone().into_iter()
    }

    fn connect(&self, number: usize) -> Option<TcpStream> {
        let ready: Vec<Backend> = self.all().filter(|backend| backend.is_ready).collect();
        (0..ready.len()).find_map(|next| TcpStream::connect(ready[(number + next) % ready.len()].listen).ok())
    }

    /// Puts a node in the place of another one.
    fn exchange(&self, old: Option<SocketAddr>, node: &Server) {
        let mut backends = self.backends.lock().expect("no test panics with it");
        backends.retain(|backend| Some(backend.ops) != old);
        backends.push(Backend { listen: node.listen, ops: node.ops, is_ready: false });
    }
}

/// Passes bytes on until one side ends, and the end as well.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    answers: AtomicU64,
    farewells: AtomicU64,
    failed: Mutex<Vec<String>>,
}

/// Asks for tokens until it is over, and repeats nothing.
fn client(to: SocketAddr, keeps: bool, seen: &Seen) {
    let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("good:{CANARY}-acme-good")));
    let request = http::form("/acme/token", &[&basic], "grant_type=client_credentials");
    let mut kept = None::<Connection>;
    while !seen.over.load(Ordering::Relaxed) {
        let mut ask = || -> Result<(), String> {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(to)?,
            };
            let answer = connection.ask(&request)?.answer;
            if answer.status != Some(200) {
                return Err(format!("the answer is {:?}", answer.status));
            }
            let leaves = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            seen.farewells.fetch_add(u64::from(leaves), Ordering::Relaxed);
            kept = (keeps && !leaves).then_some(connection);
            Ok(())
        };
        match ask() {
            Ok(()) => drop(seen.answers.fetch_add(1, Ordering::Relaxed)),
            Err(failure) => seen.failed.lock().expect("no client panics").push(failure),
        }
        thread::sleep(PAUSE);
    }
}

/// Two nodes on one database behind a proxy.
struct Place {
    room: Room,
    url: String,
    proxy: Proxy,
    nodes: Vec<Server>,
}

impl Place {
    fn new(postgres: &PostgresForTests) -> Result<Self, String> {
        let (room, url) = (Room::new(), postgres.url());
        furnish_with(&room.path("fixture.toml"), &room.data(), Some(&url));
        let mut place = Self { room, url, proxy: Proxy::start(), nodes: Vec::new() };
        for number in 0..2 {
            let node = place.node(number)?;
            place.enter(None, &node)?;
            place.nodes.push(node);
        }
        Ok(place)
    }

    fn node(&self, number: usize) -> Result<Server, String> {
        let key = self.room.data().join("seal.key").to_string_lossy().into_owned();
        let arguments = ["--database-url", &self.url, "--seal-key-file", &key].map(str::to_owned);
        Server::on_with(&self.room.path(&format!("node-{number}")), &arguments)
    }

    /// Lets a node in, in the place of another one, and waits until it is asked.
    fn enter(&self, old: Option<SocketAddr>, node: &Server) -> Result<(), String> {
        self.proxy.exchange(old, node);
        let deadline = Instant::now() + PATIENCE;
        while !self.proxy.all().any(|backend| backend.ops == node.ops && backend.is_ready) {
            if Instant::now() > deadline {
                return Err("a node does not become ready".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Restarts each node in turn with this signal.
    fn restart(&mut self, signal: &str) -> Result<(), String> {
        for number in 0..2 {
            let node = &mut self.nodes[number];
            node.signal(signal);
            let code = node.end(PATIENCE);
            let old = node.ops;
            if code != Some(0) && signal != "KILL" {
                return Err(format!("a node ended with {code:?}:\n{}", node.log()));
            }
            let node = self.node(number)?;
            self.enter(Some(old), &node)?;
            self.nodes[number] = node;
        }
        Ok(())
    }
}

/// Restarts under load; how many requests were answered, and what failed.
fn under_load(place: &mut Place, mut restart: impl FnMut(&mut Place)) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let to = place.proxy.listen;
    let clients: Vec<_> = [(CLIENTS[0], true), (CLIENTS[1], false)]
        .into_iter()
        .flat_map(|(count, keeps)| (0..count).map(move |_| keeps))
        .map(|keeps| {
            let seen = Arc::clone(&seen);
            thread::spawn(move || client(to, keeps, &seen))
        })
        .collect();
    restart(place);
    seen.over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("a client ends"));
    seen
}

#[test]
fn f_25_nodes_restart_in_turn_and_no_request_fails() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let mut place = Place::new(&postgres).expect("starts");
    let (mut answers, mut farewells) = (0, 0);
    F_25.rounds(3, |_| {
        let mut restarted = Ok(());
        let seen = under_load(&mut place, |place| restarted = place.restart("TERM"));
        restarted?;
        answers += seen.answers.load(Ordering::Relaxed);
        farewells += seen.farewells.load(Ordering::Relaxed);
        let failed = seen.failed.lock().expect("no client panics");
        if failed.is_empty() { Ok("rolling restarts") } else { Err(format!("{} requests failed: {failed:?}", failed.len())) }
    });
    eprintln!("F-25: {answers} requests, none failed; {farewells} were told to leave");
    assert!(farewells > 0, "nobody was told to leave");
}

/// A planted fault: nodes that end without a word.
#[test]
fn the_judge_of_restarts_notices_failed_requests() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let mut place = Place::new(&postgres).expect("starts");
    let seen = under_load(&mut place, |place| place.restart("KILL").expect("restarts"));
    assert!(!seen.failed.lock().expect("no client panics").is_empty());
}

/// Whoever stops a server in good order may copy its directory: everything is in one file.
#[test]
fn a_server_that_ends_in_good_order_leaves_no_log() {
    let room = settled();
    let log = room.data().join("jeton.db-wal");
    let mut server = Server::launched(&room.data(), &Launch::with(&[])).expect("starts");
    access_token(&server, "good");
    done(&room.data(), &["client", "create", "acme", "last"]);
    assert!(log.exists());
    server.signal("TERM");
    assert_eq!(server.end(PATIENCE), Some(0), "{}", server.log());
    assert!(!log.exists() && !server.log().contains("panicked"), "{}", server.log());
    let told = server.log();
    let warned = told.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect::<Vec<_>>();
    assert!(warned.is_empty(), "{warned:?}");
    // A planted fault: after a kill it is there.
    let server = Server::on_with(&room.data(), &[]).expect("starts");
    done(&room.data(), &["client", "show", "acme", "last"]);
    done(&room.data(), &["client", "create", "acme", "later"]);
    drop(server);
    assert!(log.exists());
}
