//! Clocks: set forward by hours and years, set back, and set right again, while the server runs.

use crate::Fault;
use crate::harness::{Launch, Server};
use crate::world::{access_token, call, done, settled};
use std::path::Path;
use std::time::Duration;

const F_18: Fault = Fault {
    row: "F-18",
    promise: "a clock that is set forward for a while ends nothing for good: what was revoked stays dead and what was there stays when it is right again",
};

const F_19: Fault = Fault { row: "F-19", promise: "a clock that is set back revives nothing, and is told from a fault" };

/// The library that sets clocks, where Debian keeps it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Whose clock a file sets.
struct Clock<'a>(&'a Path);

impl Clock<'_> {
    /// From now on it is wrong by so many seconds.
    fn set(&self, seconds: i64) {
        // Renamed into its place, so that nobody reads half of it.
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).expect("writes");
        std::fs::rename(next, self.0).expect("is renamed");
    }
}

fn with_clock(data: &Path, clock: &Path) -> Result<Server, String> {
    let set = [
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        // A clock that only runs cannot be set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let launch =
        Launch { environment: set.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), ..Launch::with(&[]) };
    Server::launched(data, &launch)
}

fn missing() -> bool {
    let missing = !Path::new(LIBRARY).exists();
    if missing {
        crate::skip("F-18, F-19", "the library faketime is not installed (apt-get install faketime)");
    }
    missing
}

/// Rows: F-18.
#[test]
fn f_18_a_clock_set_forward_ends_nothing_for_good() {
    if missing() {
        return;
    }
    F_18.rounds(1, |round| {
        let ahead = [7_200, 31_536_000, 315_360_000][usize::try_from(round % 3).unwrap_or(0)];
        let room = settled();
        let file = room.path("clock");
        Clock(&file).set(0);
        let server = with_clock(&room.data(), &file)?;
        let (revoked, good) = (access_token(&server, "stopped"), access_token(&server, "good"));
        done(&room.data(), &["token", "revoke", &revoked, "--yes"]);
        assert_eq!((call(&server, &revoked), call(&server, &good)), (Some(401), Some(200)));
        Clock(&file).set(ahead);
        std::thread::sleep(Duration::from_millis(500));
        // What it says ends now is refused while it says so; the sweeper has its turn.
        if call(&server, &good) != Some(401) {
            return Err("the clock was not set".to_owned());
        }
        access_token(&server, "good");
        std::thread::sleep(Duration::from_secs(33));
        Clock(&file).set(0);
        std::thread::sleep(Duration::from_millis(500));
        match (call(&server, &revoked), call(&server, &good)) {
            (Some(401), Some(200)) => {}
            (dead, alive) => return Err(format!("set right again: the revoked token {dead:?}, the good one {alive:?}")),
        }
        drop(server);
        let server = Server::on_with(&room.data(), &[])?;
        match (call(&server, &revoked), call(&server, &good)) {
            (Some(401), Some(200)) => Ok("clocks set forward"),
            (dead, alive) => Err(format!("after a restart: the revoked token {dead:?}, the good one {alive:?}")),
        }
    });
}

/// Rows: F-19.
#[test]
fn f_19_a_clock_set_back_revives_nothing() {
    if missing() {
        return;
    }
    F_19.rounds(2, |round| {
        let back = [-3_600, -86_400][usize::from(round % 2 == 1)];
        let room = settled();
        let file = room.path("clock");
        Clock(&file).set(0);
        let server = with_clock(&room.data(), &file)?;
        let token = access_token(&server, "stopped");
        done(&room.data(), &["client", "disable", "acme", "stopped", "--yes"]);
        assert_eq!(call(&server, &token), Some(401));
        Clock(&file).set(back);
        std::thread::sleep(Duration::from_millis(500));
        if call(&server, &token) == Some(200) {
            return Err("a token of a disabled client lives".to_owned());
        }
        done(&room.data(), &["client", "enable", "acme", "stopped"]);
        if call(&server, &token) == Some(200) {
            return Err("a dead token lives again".to_owned());
        }
        Clock(&file).set(0);
        std::thread::sleep(Duration::from_millis(1_500));
        if call(&server, &token) == Some(200) {
            return Err("a dead token lives again when the clock is right".to_owned());
        }
        access_token(&server, "stopped");
        Ok("clocks set back")
    });
}
