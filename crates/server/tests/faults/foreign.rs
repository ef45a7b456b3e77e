//! Files of another time or place: an older log, another installation's store, a second process, another seal key.

use crate::Fault;
use crate::harness::{Server, jeton, said};
use crate::world::{Room, access_token, copy, done, end, refused, settled};
use std::path::Path;

const F_33: Fault = Fault {
    row: "F-33",
    promise: "stale and foreign files, and a second process on one store, are refused in a sentence that says what is wrong",
};

const F_36: Fault = Fault {
    row: "F-36",
    promise: "a backup or a store beside the seal key of another date or installation is refused, and the mismatch is named",
};

/// What a server says that must not start on this directory.
fn no_start(data: &Path) -> Result<String, String> {
    match Server::on(data) {
        Ok(_) => Err("it starts".to_owned()),
        Err(said) => Ok(said),
    }
}

fn expect(said: &str, words: &[&str]) -> Result<(), String> {
    match words.iter().find(|word| !said.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(format!("`{word}` is not said:\n{said}")),
    }
}

fn replaced(from: &Path, to: &Path, name: &str) {
    std::fs::copy(from.join(name), to.join(name)).expect("copies");
}

/// The log of an earlier time beside the newer store, as a careless copy leaves it.
fn older_log() -> Result<&'static str, String> {
    let (room, old) = (settled(), Room::new());
    let server = Server::on(&room.data())?;
    done(&room.data(), &["client", "create", "acme", "first"]);
    copy(&room.data(), &old.data());
    done(&room.data(), &["client", "create", "acme", "second"]);
    end(server);
    // Of the same run: the index beside it knows better.
    let same_run = Room::new();
    copy(&room.data(), &same_run.data());
    replaced(&old.data(), &same_run.data(), "jeton.db-wal");
    expect(&no_start(&same_run.data())?, &["jeton: ", "jeton.db-wal"])?;
    // Of an earlier run: the store has another stamp.
    end(Server::on(&room.data())?);
    for index in ["jeton.db-shm", "nothing"] {
        replaced(&old.data(), &room.data(), "jeton.db-wal");
        drop(std::fs::remove_file(room.data().join(index)));
        expect(&no_start(&room.data())?, &["jeton: ", "not the log of this jeton.db"])?;
        let checked = said(&jeton(&room.data(), &["check"]));
        expect(&checked, &["jeton.db", "not the log of this jeton.db", "1 finding"])?;
    }
    Ok("older log refused")
}

/// The log of one installation beside the store of another one.
fn foreign_log() -> Result<&'static str, String> {
    let (room, other) = (settled(), settled());
    let server = Server::on(&other.data())?;
    done(&other.data(), &["client", "create", "acme", "first"]);
    drop(server);
    replaced(&other.data(), &room.data(), "jeton.db-wal");
    expect(&no_start(&room.data())?, &["jeton: ", "not the log of this jeton.db"])?;
    Ok("foreign log refused")
}

/// The store of one installation beside the seal key of another one.
fn foreign_store() -> Result<&'static str, String> {
    let (room, other) = (settled(), settled());
    replaced(&other.data(), &room.data(), "jeton.db");
    expect(&no_start(&room.data())?, &["jeton: ", "seal key is not the one"])?;
    let checked = said(&jeton(&room.data(), &["check"]));
    expect(&checked, &["installation", "sealed with another key", "1 finding"])?;
    Ok("foreign store refused")
}

/// A second server, a restore, and a store of no server of ours.
fn second_process() -> Result<&'static str, String> {
    let room = settled();
    done(&room.data(), &["backup", &room.path("a.backup").to_string_lossy()]);
    let server = Server::on(&room.data())?;
    let pid = format!("pid {}", server.pid());
    expect(&no_start(&room.data())?, &["jeton: ", "another jeton process", &pid])?;
    let told = refused(&room.data(), &["restore", &room.path("a.backup").to_string_lossy(), "--replace"]);
    expect(&told, &["another jeton process", &pid])?;
    access_token(&server, "good");
    drop(server);
    std::fs::write(room.data().join("jeton.db"), "a text and no database").map_err(|error| error.to_string())?;
    expect(&no_start(&room.data())?, &["jeton: ", "jeton.db"])?;
    Ok("second process refused")
}

#[test]
fn f_33_stale_and_foreign_files_are_refused() {
    let cases = [older_log, foreign_log, foreign_store, second_process];
    F_33.rounds(4, |number| cases[number as usize % cases.len()]());
}

#[test]
fn f_36_another_seal_key_is_named() {
    let (room, other) = (settled(), settled());
    let backup = room.path("a.backup").to_string_lossy().into_owned();
    done(&room.data(), &["backup", &backup]);
    let own = std::fs::read_to_string(room.data().join("seal.key")).expect("reads");
    let foreign = std::fs::read_to_string(other.data().join("seal.key")).expect("reads");
    let keys = [Some(own), Some(foreign), Some("not a key\n".to_owned()), None];
    F_36.rounds(4, |number| {
        let key = &keys[number as usize % keys.len()];
        let target = Room::new();
        copy(&room.path("nothing-in-it"), &target.data());
        if let Some(key) = key {
            std::fs::write(target.data().join("seal.key"), key).expect("writes");
        }
        if number % 4 == 0 {
            done(&target.data(), &["restore", &backup]);
            access_token(&Server::on(&target.data())?, "good");
            // The restored store beside the key of another installation.
            std::fs::copy(other.data().join("seal.key"), target.data().join("seal.key")).expect("copies");
            expect(&no_start(&target.data())?, &["jeton: ", "seal key is not the one"])?;
            return Ok("restored with the right key");
        }
        let told = refused(&target.data(), &["restore", &backup]);
        match number % 4 {
            1 => expect(&told, &["needs the seal key with the fingerprint", "another installation or date"])?,
            2 => expect(&told, &["seal.key does not hold 64 hex digits"])?,
            _ => expect(&told, &["seal.key is missing", "fingerprint"])?,
        }
        if target.data().join("jeton.db").exists() { Err("something was restored".to_owned()) } else { Ok("refused") }
    });
}

/// A planted fault: a judge that would accept any answer.
#[test]
fn the_judge_of_foreign_files_notices_a_start() {
    let room = settled();
    assert_eq!(no_start(&room.data()), Err("it starts".to_owned()));
    assert!(expect("jeton: something", &["the log"]).is_err());
}
