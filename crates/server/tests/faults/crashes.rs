//! Crashes: the process killed, and the machine's power cut, at random moments while everything is written to.

use crate::Fault;
use crate::disk::{Disk, unavailable};
use crate::harness::Server;
use crate::holders::{self, Ending, Held};
use crate::world::{Room, access_token, done, furnish, settled};
use crate::writers::{Acknowledged, Count, Made, Writers, judge};
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
    let mut known = Acknowledged::default();
    let (mut count, mut slowest) = (Count::default(), Duration::ZERO);
    F_01.rounds(4, |round| {
        if round % ROUNDS_PER_STORE == 0 {
            (room, known) = (settled(), Acknowledged::default());
        }
        let server = Server::on_with(&room.data(), &[])?;
        let writers = Writers::start(&server, WRITERS, round);
        std::thread::sleep(moment(round, 60, 900));
        // Dropping a server kills it with signal 9.
        drop(server);
        let acknowledged = writers.end();
        count.add(Count::default(), acknowledged.count());
        known.extend(acknowledged);
        let started = Instant::now();
        let server = Server::on_with(&room.data(), &[])?;
        slowest = slowest.max(started.elapsed());
        judge(&server, &room.data(), &mut known, SAMPLE)?;
        if slowest > Duration::from_secs(10) {
            return Err(format!("the server took {slowest:?} to come back"));
        }
        Ok("kills")
    });
    eprintln!("F-01: {count}; the slowest start took {slowest:?}");
}

/// Rows: F-02.
#[test]
fn f_02_a_power_cut_loses_nothing_that_was_acknowledged() {
    if let Some(reason) = unavailable() {
        return crate::skip("F-02", &reason);
    }
    let disk = Disk::new().expect("a disk is made");
    let mut running: Option<(Server, Writers)> = None;
    let (mut count, mut counted) = (Count::default(), Count::default());
    F_02.rounds(6, |round| {
        if round % ROUNDS_PER_STORE == 0 {
            (running, counted) = (None, Count::default());
            disk.fresh()?;
            // What the command line acknowledged on the first start must be there already, with its keys.
            furnish(&disk.beside("fixture.toml"), &disk.data());
            after_the_cut(&disk.cut()?.data(), Acknowledged::default())?;
            let server = Server::on_with(&disk.data(), &[])?;
            let writers = Writers::start(&server, WRITERS, round);
            running = Some((server, writers));
        }
        let (_, writers) = running.as_ref().ok_or("nothing runs")?;
        std::thread::sleep(moment(round, 60, 500));
        // Whatever is acknowledged before the cut must be there; the writers go on meanwhile.
        let acknowledged = writers.acknowledged();
        let cut = disk.cut()?;
        let later = writers.acknowledged();
        count.add(counted, acknowledged.count());
        counted = acknowledged.count();
        after_the_cut(&cut.data(), settle(acknowledged, &later))?;
        Ok("power cuts")
    });
    eprintln!("F-02: {count}");
}

/// What must be there: a client that was changed again while the power was cut may be in either state.
fn settle(mut before: Acknowledged, later: &Acknowledged) -> Acknowledged {
    for (id, made) in &mut before.clients {
        if let Some(now) = later.clients.get(id) {
            made.unsure |= now.stopped != made.stopped || now.revoked != made.revoked || now.unsure;
        }
    }
    holders::settle(&mut before, later);
    before
}

fn after_the_cut(data: &std::path::Path, mut acknowledged: Acknowledged) -> Result<(), String> {
    // The picture was taken of a running server: its socket is a file without anybody behind it.
    let _ = std::fs::remove_file(data.join("admin.sock"));
    let server = Server::on_with(data, &[])?;
    judge(&server, data, &mut acknowledged, SAMPLE)?;
    access_token(&server, "good");
    drop(server);
    done(data, &["check"]);
    Ok(())
}

/// A server after enough was acknowledged, and all of it.
fn written(room: &Room) -> (Server, Acknowledged) {
    let server = Server::on_with(&room.data(), &[]).expect("starts");
    let writers = Writers::start(&server, 2, 0);
    let is_enough = |known: &Acknowledged| {
        let revoked = known.families.values().filter(|held| held.ending == Ending::Done).count();
        known.clients.len() >= 8
            && known.families.len() >= 32
            && revoked >= 2
            && !known.tokens.is_empty()
            && known.keys.signs.is_some()
    };
    while !is_enough(&writers.acknowledged()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    (server, writers.end())
}

/// Planted faults: the judge notices what is missing, what is half done, and what came back.
#[test]
fn the_judge_of_crashes_notices_what_is_lost() {
    let room = settled();
    let (server, known) = written(&room);
    let all = known.clients.len();
    let mut looked_at = known.clone();
    looked_at.families.clear();
    judge(&server, &room.data(), &mut looked_at, all).expect("nothing is lost");
    let with = |id: &str, change: &dyn Fn(&mut Made)| {
        let mut changed = looked_at.clone();
        change(changed.clients.entry(id.to_owned()).or_default());
        judge(&server, &room.data(), &mut changed, all).expect_err("this was noticed")
    };
    let first = |wanted: &dyn Fn(&Made) -> bool| {
        known.clients.iter().find(|(_, made)| wanted(made)).map(|(id, _)| id.clone()).expect("there is one")
    };
    assert!(with("w0-9-never", &|_| ()).contains("is gone"));
    let live = first(&|made| made.secret.is_some() && !made.stopped && !made.revoked && !made.unsure);
    assert!(with(&live, &|made| made.stopped = true).contains("stopping it was acknowledged"));
    assert!(with(&live, &|made| made.secret = Some("jcs_of-somebody-else".to_owned())).contains("a token was refused"));
    let revoked = first(&|made| made.revoked);
    assert!(with(&revoked, &|made| made.revoked = false).contains("a token was refused"));
}

/// Planted faults: the judge notices a successor, a revocation and a signing key that are lost, and a second successor.
#[test]
fn the_judge_of_crashes_notices_lost_tokens_and_keys() {
    let room = settled();
    let (server, known) = written(&room);
    let live = known.families.values().filter(|held| held.ending == Ending::No && !held.asked);
    let mut live = live.filter(|held| held.chain.len() > 1).cloned();
    let mut with = |change: &dyn Fn(&mut Acknowledged, Held)| {
        let mut changed = Acknowledged::default();
        change(&mut changed, live.next().expect("there are enough"));
        judge(&server, &room.data(), &mut changed, 100).expect_err("this was noticed")
    };
    let as_family = |known: &mut Acknowledged, held: Held| known.families.extend([("planted".to_owned(), held)]);
    let told = with(&|known, held| as_family(known, Held { ending: Ending::Done, ..held }));
    assert!(told.contains("whose revocation was acknowledged, lives"), "{told}");
    // A store that forgot the last refresh knows no such successor.
    let told = with(&|known, held| as_family(known, Held { chain: vec![held.chain[0].replace("jrf_", "jrf_x")], ..held }));
    assert!(told.contains("the successor that was acknowledged is refused"), "{told}");
    let told = with(&|known, held| {
        let other = [held.chain[held.chain.len() - 2].clone(), "another".to_owned()];
        as_family(known, Held { chain: other.to_vec(), ..held });
    });
    assert!(told.contains("gives another successor"), "{told}");
    let told = with(&|known, held| known.tokens.extend([(held.access, Ending::Done)]));
    assert!(told.contains("a token whose revocation was acknowledged lives"), "{told}");
    let told = with(&|known, _| known.keys.published.push("never".to_owned()));
    assert!(told.contains("never was acknowledged and is gone"), "{told}");
    let told = with(&|known, _| known.keys.signs = Some("never".to_owned()));
    assert!(told.contains("never was acknowledged, and"), "{told}");
    // A realm whose tokens do not rotate: one that was used lives on.
    let settings = room.path("steady.toml");
    let steady = "refresh_token = { with_client_credentials = \"rotating\", rotation = \"off\" }\n";
    std::fs::write(&settings, steady).expect("writes");
    done(&room.data(), &["realm", "set", "acme", "--settings", &settings.to_string_lossy()]);
    let told = with(&|known, held| as_family(known, Held { chain: vec![held.chain[held.chain.len() - 1].clone()], ..held }));
    assert!(told.contains("a token whose successor was used lives"), "{told}");
}
