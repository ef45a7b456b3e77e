//! Two nodes on one PostgreSQL: one of them killed while both serve, or the whole database.

use crate::Fault;
use crate::harness::Server;
use crate::world::{Room, access_token, furnish_with};
use crate::writers::{Acknowledged, Count, Writers, judge};
use jeton_store::testing::PostgresForTests;
use std::time::{Duration, Instant};

const F_01: Fault = Fault {
    row: "F-01 (two nodes)",
    promise: "whatever a node or the database acknowledged is there after kill -9, the other node goes on, and both come back by themselves",
};

/// How many write at each node.
const WRITERS: usize = 3;
/// Clients whose secrets are tried after each round, and about as many families.
const SAMPLE: usize = 8;
/// After so many rounds a fresh database is taken.
const ROUNDS_PER_STORE: u64 = 21;
/// How long a node may take to go on, or to come back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes that share a database and a seal key.
struct Pair {
    room: Room,
    url: String,
    nodes: [Option<Server>; 2],
}

impl Pair {
    fn new(postgres: &PostgresForTests) -> Result<Self, String> {
        let (room, url) = (Room::new(), postgres.url());
        furnish_with(&room.path("fixture.toml"), &room.data(), Some(&url));
        let mut pair = Self { room, url, nodes: [None, None] };
        (0..2).try_for_each(|node| pair.start(node))?;
        Ok(pair)
    }

    fn start(&mut self, node: usize) -> Result<(), String> {
        let key = self.room.data().join("seal.key").to_string_lossy().into_owned();
        let arguments = ["--database-url", &self.url, "--seal-key-file", &key].map(str::to_owned);
        self.nodes[node] = Some(Server::on_with(&self.room.path(&format!("node-{node}")), &arguments)?);
        Ok(())
    }

    fn node(&self, node: usize) -> Result<&Server, String> {
        self.nodes[node].as_ref().ok_or_else(|| format!("node {node} does not run"))
    }

    /// Waits until both nodes know all of it: the one that did not write it follows.
    fn judge(&self, known: &mut Acknowledged) -> Result<(), String> {
        for node in [0, 1] {
            let server = self.node(node)?;
            // Without the memory of an earlier look, every family is looked at through one of the nodes, and its end by the other.
            eventually(|| judge(server, &server.data(), known, SAMPLE).map_err(|wrong| format!("node {node}: {wrong}")))?;
        }
        Ok(())
    }
}

/// Tries until it is so, or says why it never was.
fn eventually(mut is_so: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match is_so() {
            Err(wrong) if Instant::now() > deadline => return Err(wrong),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Whether these writers are acknowledged something more.
fn go_on(writers: &Writers) -> Result<(), String> {
    let before = writers.acknowledged().count().sum();
    let moved =
        || if writers.acknowledged().count().sum() > before { Ok(()) } else { Err("the other node stands still".to_owned()) };
    eventually(moved)
}

fn kill_a_node(pair: &mut Pair, round: u64, killed: usize) -> Result<Acknowledged, String> {
    let both = [0, 1].map(|node| Ok::<_, String>(Writers::start(pair.node(node)?, WRITERS, 2 * round + node as u64)));
    let [one, two] = both;
    let (one, two) = (one?, two?);
    std::thread::sleep(Duration::from_millis(100 + round * 37 % 600));
    // Dropping a server kills it with signal 9.
    pair.nodes[killed] = None;
    go_on(if killed == 0 { &two } else { &one })?;
    access_token(pair.node(1 - killed)?, "good");
    let mut known = one.end();
    known.extend_beside(two.end());
    pair.start(killed)?;
    Ok(known)
}

fn kill_the_database(pair: &Pair, postgres: &mut PostgresForTests, round: u64) -> Result<Acknowledged, String> {
    let one = Writers::start(pair.node(0)?, WRITERS, 2 * round);
    let two = Writers::start(pair.node(1)?, WRITERS, 2 * round + 1);
    std::thread::sleep(Duration::from_millis(100 + round * 37 % 600));
    postgres.kill();
    [0, 1].into_iter().try_for_each(|node| pair.node(node).map(|server| drop(access_token(server, "good"))))?;
    let mut known = one.end();
    known.extend_beside(two.end());
    postgres.start_again();
    for node in [0, 1] {
        let data = pair.node(node)?.data();
        let mut attempt = 0;
        eventually(|| {
            attempt += 1;
            let name = format!("after-{round}-{node}-{attempt}");
            let output = crate::harness::jeton(&data, &["client", "create", "acme", &name]);
            if output.status.success() {
                Ok(())
            } else {
                Err(format!("node {node} does not come back: {}", crate::harness::said(&output)))
            }
        })?;
    }
    Ok(known)
}

#[test]
fn f_01_two_nodes_on_one_database_lose_nothing() {
    let Some(mut postgres) = PostgresForTests::start_durable() else { return };
    let mut pair = None;
    let (mut known, mut count) = (Acknowledged::default(), Count::default());
    F_01.rounds(3, |round| {
        if round % ROUNDS_PER_STORE == 0 || pair.is_none() {
            (pair, known) = (Some(Pair::new(&postgres)?), Acknowledged::default());
        }
        let pair = pair.as_mut().ok_or("nothing runs")?;
        let (acknowledged, outcome) = match round % 3 {
            2 => (kill_the_database(pair, &mut postgres, round)?, "kills of the database"),
            node => (kill_a_node(pair, round, usize::try_from(node).unwrap_or(0))?, "kills of a node"),
        };
        count.add(Count::default(), acknowledged.count());
        known.extend_beside(acknowledged);
        pair.judge(&mut known)?;
        Ok(outcome)
    });
    eprintln!("F-01 (two nodes): {count}");
}

/// Planted faults: a node that stands still, and a change that only another database knows, are noticed.
#[test]
fn the_judge_of_nodes_notices_another_database() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let (one, other) = (Pair::new(&postgres).expect("starts"), Pair::new(&postgres).expect("starts"));
    let writers = Writers::start(one.node(0).expect("runs"), WRITERS, 0);
    while writers.acknowledged().clients.is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut known = writers.end();
    let server = other.node(1).expect("runs");
    assert!(judge(server, &server.data(), &mut known, SAMPLE).is_err());
    let server = one.node(1).expect("runs");
    known.clients.insert("never".to_owned(), crate::writers::Made::default());
    known.families.clear();
    known.keys = crate::holders::Keys::default();
    assert!(judge(server, &server.data(), &mut known, SAMPLE).is_err_and(|told| told.contains("never")));
}
