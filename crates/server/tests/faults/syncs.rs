//! Syncs that fail: the disk says that it cannot keep what it was given, once or from then on.

use crate::Fault;
use crate::harness::http::{self, Connection};
use crate::harness::{Launch, Server, jeton, said};
use crate::world::{CANARY, Room, access_token, call, copy, settled, token};
use crate::writers::{Acknowledged, Writers, judge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const F_05: Fault = Fault {
    row: "F-05",
    promise: "after a sync that failed nothing is acknowledged and no other is tried; tokens go on, and a restart finds all that was acknowledged",
};

/// Which sync fails first, in the short form; the long form takes each in turn, once and for ever.
const FIRST: [u64; 8] = [1, 2, 4, 7, 11, 18, 37, 74];
/// How long the fault may take to come, and the end of a process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A library between the server and its disk.
struct Library(PathBuf);

impl Library {
    /// Compiles it.
    fn make(room: &Room) -> Option<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/syncs.c");
        let library = room.path("syncs.so");
        let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        match made {
            Ok(output) if output.status.success() => Some(Self(library)),
            Ok(output) => panic!("the library cannot be compiled: {}", said(&output)),
            Err(_) => {
                crate::skip("F-05", "there is no C compiler (apt-get install gcc libc6-dev)");
                None
            }
        }
    }

    /// A launch in which so many syncs fail from this one on; each is told in the file.
    fn launch(&self, first: u64, times: u64, told: &Path) -> Launch {
        let set = [
            ("LD_PRELOAD", self.0.to_string_lossy().into_owned()),
            ("FAULTY_SYNC_FROM", first.to_string()),
            ("FAULTY_SYNC_TIMES", times.to_string()),
            ("FAULTY_SYNC_TOLD", told.to_string_lossy().into_owned()),
        ];
        Launch { environment: set.map(|(name, value)| (name.to_owned(), value)).to_vec(), ..Launch::with(&[]) }
    }
}

/// What was told of the syncs until now.
fn told(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A sync of the directory failed, and no other. SQLite passes over that, and may: the store made its names safe before.
fn is_passed_over(path: &Path) -> bool {
    let told = told(path);
    told.contains('d') && !told.contains('f')
}

/// After the first failure there is no other sync that was done: nobody may believe one.
fn is_left_alone(path: &Path) -> Result<(), String> {
    let told = told(path);
    match told.find('f').map(|at| &told[at..]) {
        None => Err("no sync failed".to_owned()),
        Some(after) if after.contains('.') => Err(format!("after a failed sync others were tried: {after}")),
        Some(_) => Ok(()),
    }
}

/// The status of a wish to revoke a token, which is a change.
fn revoke(server: &Server, token: &str) -> Option<u16> {
    let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("other-1:{CANARY}-acme-other-1")));
    let request = http::form("/acme/revoke", &[&basic], &format!("token={token}"));
    Connection::open(server.listen).and_then(|mut line| line.ask(&request)).expect("an answer").answer.status
}

/// A server whose store has failed: no change is made, and whoever needs none is served.
fn has_failed(server: &mut Server, data: &Path, (held, other): (&str, &str)) -> Result<(), String> {
    for _ in 0..3 {
        let status = revoke(server, other);
        if status != Some(503) {
            return Err(format!("a change is answered with {status:?}"));
        }
        if jeton(data, &["client", "create", "acme", "never"]).status.success() {
            return Err("a client was made".to_owned());
        }
        let issued = token(server, "acme", "good", &format!("{CANARY}-acme-good"))?.status;
        let keys = Connection::open(server.listen)?.ask(&http::get("/acme/jwks", &[]))?.answer.status;
        let checked = (call(server, held), call(server, other));
        if (issued, keys, checked) != (Some(200), Some(200), (Some(200), Some(200))) {
            return Err(format!("token {issued:?}, keys {keys:?}, calls {checked:?}"));
        }
    }
    if !server.ops_page("/readyz").contains("changes cannot be written") {
        return Err("operators are not told".to_owned());
    }
    if server.is_alive() { Ok(()) } else { Err("the process ended".to_owned()) }
}

fn round(library: &Library, base: &Room, first: u64, times: u64) -> Result<&'static str, String> {
    let room = Room::new();
    copy(&base.data(), &room.data());
    let (path, data) = (room.path("told"), room.data());
    let mut known = Acknowledged::default();
    let outcome = match Server::launched(&data, &library.launch(first, times, &path)) {
        Err(said) => {
            let is_clear = said.lines().any(|line| line.starts_with("jeton: ")) && !said.contains("panicked");
            if !is_clear || !told(&path).contains(['f', 'd']) {
                return Err(format!("not a clear refusal:\n{said}"));
            }
            "refused at the start"
        }
        Ok(server) if times == 1 && is_passed_over(&path) => {
            let writers = Writers::start(&server, 4, first);
            std::thread::sleep(Duration::from_millis(200));
            drop(server);
            known = writers.end();
            "a directory whose names were safe"
        }
        Ok(mut server) => {
            let (held, other) = (access_token(&server, "good"), access_token(&server, "other-1"));
            let writers = Writers::start(&server, 4, first);
            let deadline = Instant::now() + PATIENCE;
            while !told(&path).contains('f') {
                if Instant::now() > deadline {
                    return Err(format!("sync {first} did not come"));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // The answer to the failed one is on its way.
            std::thread::sleep(Duration::from_millis(100));
            known = writers.acknowledged();
            let before = format!("{}", known.count());
            has_failed(&mut server, &data, (&held, &other))?;
            known = writers.end();
            if before != format!("{}", known.count()) {
                return Err("something was acknowledged after the failed sync".to_owned());
            }
            if first.is_multiple_of(2) {
                server.signal("TERM");
                if server.end(PATIENCE) != Some(0) {
                    return Err(format!("it does not end in good order:\n{}", server.log()));
                }
            }
            drop(server);
            is_left_alone(&path)?;
            "failed, and found again"
        }
    };
    let server = Server::on_with(&data, &[])?;
    judge(&server, &data, &mut known, 8)?;
    let made = jeton(&data, &["client", "create", "acme", "after"]);
    if !made.status.success() {
        return Err(format!("after a restart no change is made: {}", said(&made)));
    }
    drop(server);
    let checked = jeton(&data, &["check"]);
    if checked.status.success() { Ok(outcome) } else { Err(said(&checked)) }
}

#[test]
fn f_05_a_failed_sync_is_never_believed() {
    let base = settled();
    let Some(library) = Library::make(&base) else { return };
    let is_long = std::env::var("JETON_FAULT_ROUNDS").is_ok();
    F_05.rounds(FIRST.len() as u64, |number| {
        let first = if is_long { 1 + number / 2 } else { FIRST[number as usize] };
        round(&library, &base, first, if number % 2 == 0 { 1 } else { u64::MAX >> 2 })
    });
}

/// Planted faults: a store whose syncs all work has not failed; a sync behind a failed one is noticed, and so is none at all.
#[test]
fn the_judge_of_syncs_notices_who_goes_on() {
    let room = settled();
    let mut server = Server::on_with(&room.data(), &[]).expect("starts");
    let (held, other) = (access_token(&server, "good"), access_token(&server, "other-1"));
    let noticed = has_failed(&mut server, &room.data(), (&held, &other));
    assert_eq!(noticed, Err("a change is answered with Some(200)".to_owned()));
    let path = room.path("told");
    for (text, is_good) in [("....", false), ("..f.", false), ("..ff", true), ("..f", true)] {
        std::fs::write(&path, text).expect("writes");
        assert_eq!(is_left_alone(&path).is_ok(), is_good, "{text}");
    }
}
