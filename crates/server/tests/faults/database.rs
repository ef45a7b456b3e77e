//! The database: gone, silent or slow, while known clients go on as if nothing had happened.

use crate::Fault;
use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::line::{Line, State};
use crate::world::{CANARY, Room, access_token, call, furnish_with, text, token};
use jeton_store::testing::PostgresForTests;
use std::process::Output;
use std::time::{Duration, Instant};

const F_07: Fault = Fault {
    row: "F-07",
    promise: "without the database known clients get tokens, keys are published and calls are checked; changes get 503; all comes back by itself",
};

const F_08: Fault =
    Fault { row: "F-08", promise: "a slow database slows no token of a known client, and no change waits longer than its limit" };

/// No token request may wait longer, whatever the database does: five times its limit.
const LONGEST: Duration = Duration::from_secs(10);
/// No change may wait longer: a few times the limit of one exchange with the database.
const LONGEST_CHANGE: Duration = Duration::from_secs(40);
/// How long the way back may take.
const BACK: Duration = Duration::from_secs(60);

/// A server whose database stands behind a line.
struct Place {
    server: Server,
    line: Line,
    room: Room,
}

impl Place {
    fn new(postgres: &PostgresForTests) -> Result<Self, String> {
        let (room, line) = (Room::new(), Line::start(postgres.port()));
        let url = postgres.url().replace(&format!(":{}/", postgres.port()), &format!(":{}/", line.port()));
        furnish_with(&room.path("fixture.toml"), &room.data(), Some(&url));
        let server = Server::on_with(&room.data(), &["--database-url".to_owned(), url])?;
        Ok(Self { server, line, room })
    }

    /// Asks for a token of a client, and how long that took.
    fn ask(&self, client: &str) -> Result<(Option<u16>, Duration), String> {
        let started = Instant::now();
        let answer = token(&self.server, "acme", client, &format!("{CANARY}-acme-{client}"))?;
        if answer.status == Some(200) && text(&answer, "access_token").is_none() {
            return Err(format!("no token in a good answer:\n{}", answer.readable()));
        }
        Ok((answer.status, started.elapsed()))
    }

    fn change(&self, name: &str) -> (Output, Duration) {
        let started = Instant::now();
        (crate::harness::jeton(&self.room.data(), &["client", "create", "acme", name]), started.elapsed())
    }

    /// Known clients, keys and checks go on for a while; the slowest answer.
    fn goes_on(&self, held: &str, time: Duration) -> Result<Duration, String> {
        let (deadline, mut slowest) = (Instant::now() + time, Duration::ZERO);
        while Instant::now() < deadline {
            let (status, took) = self.ask("good")?;
            let started = Instant::now();
            let keys = Connection::open(self.server.listen)?.ask(&http::get("/acme/jwks", &[]))?.answer.status;
            let checked = call(&self.server, held);
            slowest = slowest.max(took).max(started.elapsed());
            if (status, keys, checked) != (Some(200), Some(200), Some(200)) {
                return Err(format!("token {status:?}, keys {keys:?}, call {checked:?}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(slowest)
    }

    /// Waits until changes are made again.
    fn comes_back(&self, name: &str) -> Result<(), String> {
        let deadline = Instant::now() + BACK;
        for attempt in 0.. {
            let (output, _) = self.change(&format!("{name}-{attempt}"));
            if output.status.success() {
                let (status, _) = self.ask("nobody")?;
                return if status == Some(401) { Ok(()) } else { Err(format!("an unknown client gets {status:?} afterwards")) };
            }
            if Instant::now() > deadline {
                return Err(format!("changes do not come back: {}", said(&output)));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

fn outage(postgres: &PostgresForTests, state: State, round: u64) -> Result<(), String> {
    let place = Place::new(postgres)?;
    let held = access_token(&place.server, "good");
    place.goes_on(&held, Duration::from_millis(300))?;
    place.line.set(state);
    std::thread::sleep(Duration::from_millis(300));
    let slowest = place.goes_on(&held, Duration::from_secs(2))?;
    if slowest > Duration::from_secs(2) {
        return Err(format!("{state:?}: an answer from memory took {slowest:?}"));
    }
    // Of a client that this node has never seen nobody can tell anything.
    let (status, took) = place.ask(&format!("unseen-{round}"))?;
    if status != Some(503) || took > LONGEST {
        return Err(format!("{state:?}: an unknown client got {status:?} after {took:?}"));
    }
    let (output, took) = place.change("during");
    if output.status.success() || took > LONGEST_CHANGE {
        return Err(format!("{state:?}: a change ended after {took:?}: {}", said(&output)));
    }
    place.line.set(State::Good);
    place.comes_back("after")
}

/// Rows: F-07.
#[test]
fn f_07_known_clients_go_on_without_the_database() {
    let Some(postgres) = PostgresForTests::start() else { return };
    F_07.rounds(2, |round| {
        let state = [State::Still, State::Broken][usize::from(round % 2 == 1)];
        outage(&postgres, state, round).map(|()| if state == State::Still { "silences" } else { "breaks" })
    });
}

/// Rows: F-08.
#[test]
fn f_08_a_slow_database_slows_no_known_client() {
    let Some(postgres) = PostgresForTests::start() else { return };
    F_08.rounds(2, |round| {
        let late = Duration::from_millis([60, 250][usize::from(round % 2 == 1)]);
        let place = Place::new(&postgres)?;
        let held = access_token(&place.server, "good");
        place.line.set(State::Slow(late));
        let slowest = place.goes_on(&held, Duration::from_secs(2))?;
        let (output, took) = place.change("slowly");
        if took > LONGEST_CHANGE || slowest > Duration::from_secs(1) {
            return Err(format!("{late:?} late: a change took {took:?}, the slowest token {slowest:?}: {}", said(&output)));
        }
        place.line.set(State::Good);
        place.comes_back("after")?;
        Ok("slow lines")
    });
}

/// A planted fault: a line that is cut must be noticed, and one that is good must not.
#[test]
fn the_line_does_what_it_is_told() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let place = Place::new(&postgres).expect("starts");
    let (made, _) = place.change("while-good");
    assert!(made.status.success(), "{}", said(&made));
    let unseen = place.ask("unseen").expect("an answer").0;
    assert_eq!(unseen, Some(401));
    place.line.set(State::Broken);
    std::thread::sleep(Duration::from_millis(300));
    let (made, _) = place.change("while-broken");
    assert!(!made.status.success(), "{}", said(&made));
}
