//! A full disk: a small file system that fills up, and a file that may not grow, until there is room again.

use crate::Fault;
use crate::disk::{mounted, unmounted};
use crate::harness::http::{self, Connection};
use crate::harness::{Server, jeton, said};
use crate::world::{CANARY, Room, access_token, call, copy, done, settled, token};
use crate::writers::{Acknowledged, Writers, judge};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const F_06: Fault = Fault {
    row: "F-06",
    promise: "on a full disk changes get 503, tokens go on, and all comes back by itself with nothing lost, nothing of the audit trail either",
};

/// How long the disk may take to fill, and changes to come back.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a full disk is made of.
trait Shortage {
    /// Where the store lives.
    fn data(&self) -> PathBuf;
    /// From now on there is no room.
    fn begin(&mut self, server: &Server) -> Result<(), String>;
    /// There is room again.
    fn end(&mut self, server: &Server) -> Result<(), String>;
}

/// A file system in memory of a few megabytes.
struct Small {
    place: PathBuf,
    _room: Room,
}

impl Small {
    fn new() -> Result<Self, String> {
        let room = Room::new();
        let place = room.path("small");
        std::fs::create_dir(&place).map_err(|error| error.to_string())?;
        mounted(&["-t", "tmpfs", "-o", "size=12m", "none"], &place)?;
        Ok(Self { place, _room: room })
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }
}

impl Shortage for Small {
    fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    fn begin(&mut self, _: &Server) -> Result<(), String> {
        let file = OpenOptions::new().append(true).create(true).open(self.filler());
        let mut file = file.map_err(|error| error.to_string())?;
        // Piece by piece, so that nothing of a page is left.
        while file.write_all(&[7; 4096]).is_ok() {}
        Ok(())
    }

    fn end(&mut self, _: &Server) -> Result<(), String> {
        std::fs::remove_file(self.filler()).map_err(|error| error.to_string())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmounted(&self.place);
    }
}

/// Files that may not grow beyond what they have (RLIMIT_FSIZE, with SIGXFSZ).
struct Limit(Room);

impl Limit {
    fn set(server: &Server, bytes: Option<u64>) -> Result<(), String> {
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).ok_or("no such process")?;
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).map(drop).map_err(|error| error.to_string())
    }
}

impl Shortage for Limit {
    fn data(&self) -> PathBuf {
        self.0.data()
    }

    fn begin(&mut self, server: &Server) -> Result<(), String> {
        let log = std::fs::metadata(self.data().join("jeton.db-wal")).map_err(|error| error.to_string())?;
        Self::set(server, Some(log.len().max(65_536)))
    }

    fn end(&mut self, server: &Server) -> Result<(), String> {
        Self::set(server, None)
    }
}

/// The status of a question about a token, by its own client.
fn introspect(server: &Server, token: &str) -> Result<Option<u16>, String> {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("good:{CANARY}-acme-good"));
    let request = http::form("/acme/introspect", &[&format!("Authorization: Basic {basic}")], &format!("token={token}"));
    Ok(Connection::open(server.listen)?.ask(&request)?.answer.status)
}

/// Whoever needs no disk is served.
fn goes_on(server: &Server, held: &str) -> Result<(), String> {
    let issued = token(server, "acme", "good", &format!("{CANARY}-acme-good"))?.status;
    let keys = Connection::open(server.listen)?.ask(&http::get("/acme/jwks", &[]))?.answer.status;
    let got = (issued, keys, introspect(server, held)?, call(server, held));
    if got == (Some(200), Some(200), Some(200), Some(200)) {
        return Ok(());
    }
    Err(format!("without room (token, keys, introspection, call) are {got:?}"))
}

/// Waits until a change is made, or until none is.
fn until(data: &Path, name: &str, wanted: bool, patience: Duration) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    for attempt in 0.. {
        let output = jeton(data, &["client", "create", "acme", &format!("{name}-{attempt}")]);
        if output.status.success() == wanted {
            let is_clear = wanted || !said(&output).contains("panicked");
            return if is_clear { Ok(()) } else { Err(said(&output)) };
        }
        if Instant::now() > deadline {
            return Err(format!("changes are made: {}; the last one said {}", !wanted, said(&output)));
        }
    }
    Ok(())
}

/// Every client whose making was acknowledged stands in the sealed audit trail, and the trail is whole.
fn is_audited(data: &Path, known: &Acknowledged, patience: Duration) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let exported = done(data, &["audit", "export"]);
        let records = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let records = records.filter(|line| line["record"]["action"] == "client.create");
        let named: BTreeSet<String> = records.filter_map(|line| line["record"]["target"].as_str().map(str::to_owned)).collect();
        let missing = known.clients.keys().find(|id| !named.contains(&format!("acme/client/{id}")));
        let verified = jeton(data, &["audit", "verify"]);
        match missing {
            None if verified.status.success() => return Ok(()),
            // What was committed last is sealed a moment later.
            _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            Some(id) => return Err(format!("making {id} was acknowledged, and is not in the audit trail")),
            None => return Err(format!("the audit trail is broken: {}", said(&verified))),
        }
    }
}

fn round(base: &Room, mut shortage: impl Shortage, number: u64) -> Result<(), String> {
    let data = shortage.data();
    copy(&base.data(), &data);
    let mut server = Server::on_with(&data, &[])?;
    let held = access_token(&server, "good");
    let writers = Writers::start(&server, 4, number);
    std::thread::sleep(Duration::from_millis(100 + number % 7 * 50));
    shortage.begin(&server)?;
    until(&data, "during", false, PATIENCE)?;
    for _ in 0..5 {
        goes_on(&server, &held)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    if !server.is_alive() {
        return Err(format!("the process ended:\n{}", server.log()));
    }
    let mut known = writers.end();
    shortage.end(&server)?;
    until(&data, "after", true, PATIENCE)?;
    let later = Writers::start(&server, 2, number + 1_000_000);
    std::thread::sleep(Duration::from_millis(200));
    known.extend(later.end());
    is_audited(&data, &known, PATIENCE)?;
    drop(server);
    let server = Server::on_with(&data, &[])?;
    judge(&server, &data, &mut known, 12)?;
    drop(server);
    done(&data, &["check"]);
    Ok(())
}

#[test]
fn f_06_a_full_disk_stops_changes_and_nothing_else() {
    let base = settled();
    let small = Small::new();
    if let Err(reason) = &small {
        crate::skip("F-06 (a small file system)", &format!("nothing can be mounted here: {reason}"));
    }
    let can_mount = small.is_ok();
    drop(small);
    F_06.rounds(2, |number| {
        if number % 2 == 0 && can_mount {
            round(&base, Small::new()?, number).map(|()| "full file systems")
        } else {
            round(&base, Limit(Room::new()), number).map(|()| "files that may not grow")
        }
    });
}

/// Planted faults: changes that come in time, a token that is refused, and an audit record that is missing are noticed.
#[test]
fn the_judge_of_full_disks_notices_what_is_missing() {
    let room = settled();
    let data = room.data();
    let server = Server::on_with(&data, &[]).expect("starts");
    assert!(until(&data, "now", false, Duration::from_millis(500)).is_err_and(|told| told.contains("changes are made: true")));
    assert!(goes_on(&server, "no token").is_err_and(|told| told.contains("Some(401)")));
    let writers = Writers::start(&server, 2, 0);
    while writers.acknowledged().clients.len() < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut known = writers.end();
    assert_eq!(is_audited(&data, &known, PATIENCE), Ok(()));
    known.clients.insert("never-made".to_owned(), crate::writers::Made::default());
    assert!(is_audited(&data, &known, Duration::from_secs(2)).is_err_and(|told| told.contains("never-made")));
}
