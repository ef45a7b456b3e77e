//! Crashes: the process killed, and the machine's power cut, at random moments while everything is written to.

use crate::Fault;
use crate::disk::{Disk, unavailable};
use crate::harness::Server;
use crate::world::{access_token, done, furnish, settled};
use crate::writers::{Acknowledged, Writers, judge};
use std::time::{Duration, Instant};

const F_01: Fault = Fault {
    row: "F-01",
    promise: "whatever was acknowledged is there after kill -9, nothing is half done, and the server is back within ten seconds",
};

const F_02: Fault = Fault {
    row: "F-02",
    promise: "whatever was acknowledged is there after the power is cut, nothing is half done, and the store is whole",
};

/// How many write at the same time.
const WRITERS: usize = 8;
/// Clients whose secrets are tried after each round.
const SAMPLE: usize = 12;
/// After so many rounds a fresh store is taken, so that looking through it does not take longer and longer.
const ROUNDS_PER_STORE: u64 = 20;

/// A moment that differs from round to round, within so many milliseconds.
fn moment(round: u64, from: u64, to: u64) -> Duration {
    let scattered = (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    Duration::from_millis(from + scattered % (to - from))
}

/// Rows: F-01.
#[test]
fn f_01_kill_9_loses_nothing_that_was_acknowledged() {
    let mut room = settled();
    let mut known = Acknowledged::new();
    let (mut changes, mut slowest) = (0, Duration::ZERO);
    F_01.rounds(4, |round| {
        if round % ROUNDS_PER_STORE == 0 {
            (room, known) = (settled(), Acknowledged::new());
        }
        let server = Server::on_with(&room.data(), &[])?;
        let writers = Writers::start(&room.data(), WRITERS, round);
        std::thread::sleep(moment(round, 60, 900));
        // Dropping a server kills it with signal 9.
        drop(server);
        known.extend(writers.end());
        let started = Instant::now();
        let server = Server::on_with(&room.data(), &[])?;
        slowest = slowest.max(started.elapsed());
        changes += judge(&server, &room.data(), &known, SAMPLE)?;
        if slowest > Duration::from_secs(10) {
            return Err(format!("the server took {slowest:?} to come back"));
        }
        Ok("kills")
    });
    eprintln!("F-01: {changes} acknowledged changes looked for; the slowest start took {slowest:?}");
}

/// Rows: F-02.
#[test]
fn f_02_a_power_cut_loses_nothing_that_was_acknowledged() {
    if let Some(reason) = unavailable() {
        return crate::skip("F-02", &reason);
    }
    let disk = Disk::new().expect("a disk is made");
    let mut running: Option<(Server, Writers)> = None;
    let mut changes = 0;
    F_02.rounds(6, |round| {
        if round % ROUNDS_PER_STORE == 0 {
            running = None;
            disk.fresh()?;
            // What the command line acknowledged on the first start must be there already, with its keys.
            furnish(&disk.beside("fixture.toml"), &disk.data());
            after_the_cut(&disk.cut()?.data(), &Acknowledged::new())?;
            let server = Server::on_with(&disk.data(), &[])?;
            running = Some((server, Writers::start(&disk.data(), WRITERS, round)));
        }
        let (_, writers) = running.as_ref().ok_or("nothing runs")?;
        std::thread::sleep(moment(round, 60, 500));
        // Whatever is acknowledged before the cut must be there; the writers go on meanwhile.
        let acknowledged = writers.acknowledged();
        let cut = disk.cut()?;
        let later = writers.acknowledged();
        changes += after_the_cut(&cut.data(), &settle(acknowledged, &later))?;
        Ok("power cuts")
    });
    eprintln!("F-02: {changes} acknowledged changes looked for");
}

/// What must be there: a client that was changed again while the power was cut may be in either state.
fn settle(mut before: Acknowledged, later: &Acknowledged) -> Acknowledged {
    for (id, made) in &mut before {
        if let Some(now) = later.get(id) {
            made.unsure |= now.stopped != made.stopped || now.revoked != made.revoked || now.unsure;
        }
    }
    before
}

fn after_the_cut(data: &std::path::Path, acknowledged: &Acknowledged) -> Result<usize, String> {
    // The picture was taken of a running server: its socket is a file without anybody behind it.
    let _ = std::fs::remove_file(data.join("admin.sock"));
    let server = Server::on_with(data, &[])?;
    let changes = judge(&server, data, acknowledged, SAMPLE)?;
    access_token(&server, "good");
    drop(server);
    done(data, &["check"]);
    Ok(changes)
}

/// Planted faults: the judge notices what is missing, what is half done, and what came back.
#[test]
fn the_judge_of_crashes_notices_what_is_lost() {
    let room = settled();
    let server = Server::on_with(&room.data(), &[]).expect("starts");
    let writers = Writers::start(&room.data(), 2, 0);
    while writers.acknowledged().len() < 8 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let known = writers.end();
    let all = known.len();
    judge(&server, &room.data(), &known, all).expect("nothing is lost");
    let with = |id: &str, change: &dyn Fn(&mut crate::writers::Made)| {
        let mut changed = known.clone();
        change(changed.entry(id.to_owned()).or_default());
        judge(&server, &room.data(), &changed, all).expect_err("this was noticed")
    };
    let first = |wanted: &dyn Fn(&crate::writers::Made) -> bool| {
        known.iter().find(|(_, made)| wanted(made)).map(|(id, _)| id.clone()).expect("there is one")
    };
    assert!(with("w0-9-never", &|_| ()).contains("is gone"));
    let live = first(&|made| made.secret.is_some() && !made.stopped && !made.revoked && !made.unsure);
    assert!(with(&live, &|made| made.stopped = true).contains("stopping it was acknowledged"));
    assert!(with(&live, &|made| made.secret = Some("jcs_of-somebody-else".to_owned())).contains("a token was refused"));
    let revoked = first(&|made| made.revoked);
    assert!(with(&revoked, &|made| made.revoked = false).contains("a token was refused"));
}
