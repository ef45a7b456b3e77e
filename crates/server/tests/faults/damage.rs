//! Damaged files: bits that flip, garbage and ends that are cut off, at random places of the store, its log, its seal key and a backup.

use crate::Fault;
use crate::harness::{Server, jeton, said};
use crate::world::{CANARY, Room, copy, done, is_refusal, settled, text, token};
use std::path::Path;

const F_32: Fault = Fault {
    row: "F-32",
    promise: "damaged files: no panic, no endless loop, no wrong answer; the start is refused in a sentence that names the object, \
              or what is damaged is served as a fault and `jeton check` finds it",
};

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = self.0;
        next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (next ^ (next >> 31)) % bound.max(1)
    }
}

/// Changes a file at a random place; says how.
fn damage(path: &Path, chance: &mut Chance) -> String {
    let mut bytes = std::fs::read(path).expect("reads");
    let before = bytes.clone();
    let at = usize::try_from(chance.below(bytes.len() as u64)).expect("fits");
    let how = match chance.below(10) {
        0 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        1 | 2 => {
            let length = 1 + usize::try_from(chance.below(4096)).expect("fits");
            let end = (at + length).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = u8::try_from(chance.below(256)).expect("a byte"));
            format!("garbage from {at} to {end}")
        }
        3 => {
            let start = at - at % 4096;
            let end = (start + 4096).min(bytes.len());
            bytes[start..end].fill(0);
            format!("a page of zeros at {start}")
        }
        _ => {
            let bit = chance.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
    };
    if bytes == before {
        bytes[at] ^= 1;
    }
    std::fs::write(path, bytes).expect("writes");
    format!("{}: {how}", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Flips a bit in the middle of what is kept of a client that the judge asks about.
fn damage_client(path: &Path, chance: &mut Chance) -> String {
    let mut bytes = std::fs::read(path).expect("reads");
    let names = ["good", "other-7", "other-40", "other-20"].map(|name| format!("\"client_id\":\"{name}\"").into_bytes());
    let is_there = |at: &usize| names.iter().any(|name| bytes[*at..].starts_with(name));
    let places: Vec<usize> = (0..bytes.len()).filter(is_there).collect();
    let place = places[usize::try_from(chance.below(places.len() as u64)).expect("fits")];
    let at = (place + usize::try_from(chance.below(360)).expect("fits")).min(bytes.len() - 1);
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("writes");
    format!("jeton.db: a bit of the client at {place} flipped at {at}")
}

/// A store that was killed while it had changes in its log: a client was stopped there, and others were made after it.
fn killed() -> Room {
    let room = settled();
    let server = Server::on_with(&room.data(), &[]).expect("it starts");
    for number in 0..6 {
        done(&room.data(), &["client", "create", "acme", &format!("late-{number}")]);
        if number == 2 {
            done(&room.data(), &["client", "disable", "acme", "stopped", "--yes"]);
        }
    }
    drop(server);
    assert!(room.data().join("jeton.db-wal").is_file());
    room
}

/// What a server answers that it should not; and whether somebody was refused who should not be.
fn judge(server: &Server) -> (Vec<String>, Vec<String>) {
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    let secret = |realm: &str, client: &str| format!("{CANARY}-{realm}-{client}");
    for (realm, client) in [("acme", "good"), ("acme", "other-7"), ("acme", "other-40"), ("beta", "good"), ("beta", "other-20")] {
        match token(server, realm, client, &secret(realm, client)) {
            Err(error) => wrong.push(format!("{realm}/{client}: {error}")),
            Ok(answer) => match (answer.status, text(&answer, "scope").as_deref()) {
                (Some(200), Some("read")) => {}
                (Some(200), scope) => wrong.push(format!("{realm}/{client} got {scope:?}")),
                (status, _) => refused.push(format!("{realm}/{client}: {status:?}")),
            },
        }
    }
    let never = [
        ("acme", "good", "wrong".to_owned()),
        ("acme", "good", secret("beta", "good")),
        ("acme", "stopped", secret("acme", "stopped")),
        ("beta", "nobody", secret("beta", "good")),
    ];
    for (realm, client, secret) in never {
        match token(server, realm, client, &secret) {
            Ok(answer) if answer.status == Some(200) => wrong.push(format!("{realm}/{client} got a token and must not")),
            Ok(_) => {}
            Err(error) => wrong.push(format!("{realm}/{client}: {error}")),
        }
    }
    (wrong, refused)
}

/// Words of which one must stand in a refusal: the files and the kinds of objects.
const NAMED: [&str; 10] = [
    "jeton.db",
    "seal key",
    "seal.key",
    "installation",
    "data_key",
    "realm",
    "resource_server",
    "signing_key",
    "client",
    "revocation",
];

fn start(room: &Room, how: &str) -> Result<&'static str, String> {
    let data = room.data();
    let told = |what: String| Err(format!("{how}: {what}"));
    let mut server = match Server::on_with(&data, &[]) {
        Ok(server) => server,
        Err(said) => {
            let sentence = said.lines().find(|line| line.starts_with("jeton: ")).unwrap_or_default();
            let is_clear = NAMED.iter().any(|name| sentence.contains(name)) && !said.contains("panicked");
            let ended = said.contains("ExitStatus(unix_wait_status(256))");
            return if is_clear && ended { Ok("refused at the start") } else { told(format!("not a clear refusal:\n{said}")) };
        }
    };
    let (wrong, refused) = judge(&server);
    let listed = jeton(&data, &["client", "list", "acme", "--limit", "1000", "--json"]);
    let checked = jeton(&data, &["check"]);
    let finds = checked.status.code() == Some(1);
    if !wrong.is_empty() {
        return told(wrong.join("; "));
    }
    if !server.is_alive() || server.log().contains("panicked") {
        return told(format!("it panicked:\n{}", server.log()));
    }
    if said(&checked).contains("panicked") || !(finds || checked.status.success()) {
        return told(format!("jeton check does not work:\n{}", said(&checked)));
    }
    if (!refused.is_empty() || !listed.status.success()) && !finds {
        return told(format!("refused, and jeton check finds nothing: {}\n{}", refused.join("; "), said(&listed)));
    }
    Ok(if finds { "served, and found by jeton check" } else { "served as before" })
}

fn restore(room: &Room, how: &str) -> Result<&'static str, String> {
    let (backup, target) = (room.path("a.backup"), room.path("restored"));
    std::fs::create_dir_all(&target).expect("is made");
    std::fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("is closed");
    std::fs::copy(room.data().join("seal.key"), target.join("seal.key")).expect("copies");
    let restored = jeton(&target, &["restore", &backup.to_string_lossy()]);
    let checked = jeton(&target, &["check", &backup.to_string_lossy()]);
    if !is_refusal(&restored) || target.join("jeton.db").exists() {
        return Err(format!("{how}: a damaged backup is not refused: {}", said(&restored)));
    }
    if checked.status.code() != Some(1) || said(&checked).contains("panicked") {
        return Err(format!("{how}: jeton check finds nothing in a damaged backup: {}", said(&checked)));
    }
    Ok("refused by restore")
}

#[test]
fn f_32_damaged_files_give_no_wrong_answers() {
    let base = killed();
    done(&base.data(), &["backup", &base.path("a.backup").to_string_lossy()]);
    // With a log of some frames, as a kill leaves it.
    let base = {
        let again = killed();
        std::fs::copy(base.path("a.backup"), again.path("a.backup")).expect("copies");
        std::fs::copy(base.data().join("seal.key"), again.path("key-of-backup")).expect("copies");
        again
    };
    F_32.rounds(60, |number| {
        let mut chance = Chance(number);
        let room = Room::new();
        copy(&base.data(), &room.data());
        match number % 8 {
            0 => {
                std::fs::copy(base.path("a.backup"), room.path("a.backup")).expect("copies");
                std::fs::copy(base.path("key-of-backup"), room.data().join("seal.key")).expect("copies");
                let how = damage(&room.path("a.backup"), &mut chance);
                restore(&room, &how)
            }
            1 => {
                let how = damage(&room.data().join("seal.key"), &mut chance);
                start(&room, &how)
            }
            2 | 3 => {
                let how = damage(&room.data().join("jeton.db-wal"), &mut chance);
                start(&room, &how)
            }
            4 => {
                let how = damage_client(&room.data().join("jeton.db"), &mut chance);
                start(&room, &how)
            }
            _ => {
                let how = damage(&room.data().join("jeton.db"), &mut chance);
                start(&room, &how)
            }
        }
    });
}

/// A planted fault: a store that gives wrong answers, and one that is damaged and does not say so.
#[test]
fn the_judge_of_damage_notices_wrong_answers() {
    let room = settled();
    assert_eq!(start(&room, "nothing"), Err("nothing: acme/stopped got a token and must not".to_owned()));
    done(&room.data(), &["client", "disable", "acme", "stopped", "--yes"]);
    assert_eq!(start(&room, "nothing"), Ok("served as before"));
    done(&room.data(), &["client", "grant", "beta", "good", "--scope", "write"]);
    assert!(start(&room, "nothing").is_err_and(|told| told.contains("beta/good got")));
    done(&room.data(), &["client", "delete", "beta", "good", "--yes"]);
    assert!(start(&room, "nothing").is_err_and(|told| told.contains("jeton check finds nothing")));
}
