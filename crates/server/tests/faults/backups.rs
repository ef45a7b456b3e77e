//! Backups: made while hundreds of changes a second go on, restored elsewhere, and restored a day too late.

use crate::Fault;
use crate::harness::http::{self, Connection};
use crate::harness::{Server, jeton, said, seal_key};
use crate::world::{CANARY, Room, access_token, call, copy, done, end, refused, settled};
use jeton_store::testing::PostgresForTests;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const F_34: Fault = Fault {
    row: "F-34",
    promise: "a backup made while changes go on holds everything acknowledged before it began and nothing half done, and no key in clear",
};

const F_35: Fault =
    Fault { row: "F-35", promise: "what was revoked since the backup does not live again, unless the operator says so" };

/// How many write at the same time.
const WRITERS: usize = 12;

/// Somebody who makes clients one after the other, by the admin socket.
struct Writer {
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(data: PathBuf, number: usize, stop: Arc<AtomicBool>) -> Self {
        let (acknowledged, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&stop));
        let counted = Arc::clone(&acknowledged);
        let thread = std::thread::spawn(move || {
            let mut stream = UnixStream::connect(data.join("admin.sock")).expect("the socket of the server");
            stream.set_read_timeout(Some(Duration::from_secs(15))).expect("is set");
            for next in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let body = format!("{{\"client\":\"w{number}-{next}\"}}");
                let length = body.len();
                let request = format!(
                    "POST /v1/realms/acme/clients HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                stream.write_all(request.as_bytes()).expect("writes");
                let status = answer(&mut stream);
                assert!(status.starts_with("HTTP/1.1 20"), "{status}");
                counted.store(next + 1, Ordering::SeqCst);
            }
        });
        Self { acknowledged, stop, thread }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer was answered");
        self.acknowledged.load(Ordering::SeqCst)
    }
}

/// Reads one answer; returns its head.
fn answer(stream: &mut UnixStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "the server hung up");
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        if length.is_none_or(|length| body.len() >= length) {
            return head.to_owned();
        }
    }
}

/// The ids of a realm's clients.
fn clients(data: &Path) -> BTreeSet<String> {
    let (mut found, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let mut arguments = vec!["client", "list", "acme", "--limit", "1000", "--json"];
        if let Some(after) = &after {
            arguments.extend(["--after", after]);
        }
        let page: Value = serde_json::from_str(&done(data, &arguments)).expect("JSON");
        let items = page["items"].as_array().expect("a list");
        found.extend(items.iter().filter_map(|item| item["client_id"].as_str()).map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return found,
        }
    }
}

/// Of each writer the first clients must be there without a gap: all that were acknowledged before, and no more than were made.
fn judge(found: &BTreeSet<String>, before: &[usize], made: &[usize]) -> Result<(), String> {
    for (writer, (before, made)) in before.iter().zip(made).enumerate() {
        let count = (0..).take_while(|next| found.contains(&format!("w{writer}-{next}"))).count();
        let all = found.iter().filter(|name| name.starts_with(&format!("w{writer}-"))).count();
        if count != all {
            return Err(format!("writer {writer} has {all} clients, but only the first {count} without a gap"));
        }
        // One may have been made whose answer was not read yet.
        if count < *before || count > made + 1 {
            return Err(format!("writer {writer}: {before} were acknowledged before and {made} made, and {count} are there"));
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn backup_under_load() -> Result<&'static str, String> {
    let room = settled();
    let server = Server::on_with(&room.data(), &[])?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::start(room.data(), number, Arc::clone(&stop))).collect();
    std::thread::sleep(Duration::from_millis(700));
    let count = || writers.iter().map(Writer::acknowledged).collect::<Vec<_>>();
    let (before, started) = (count(), Instant::now());
    let backup = room.path("a.backup");
    let told = done(&room.data(), &["backup", &backup.to_string_lossy(), "--json"]);
    let (after, took) = (count(), started.elapsed());
    let during: usize = after.iter().zip(&before).map(|(after, before)| after - before).sum();
    std::thread::sleep(Duration::from_millis(200));
    stop.store(true, Ordering::Relaxed);
    let made: Vec<usize> = writers.into_iter().map(Writer::end).collect();
    eprintln!("F-34: {} changes a second while the backup was made", during as u128 * 1000 / took.as_millis().max(1));
    drop(server);
    if during == 0 {
        return Err(format!("nothing was written while the backup was made: {told}"));
    }
    let bytes = std::fs::read(&backup).map_err(|error| error.to_string())?;
    let key = std::fs::read_to_string(room.data().join("seal.key")).map_err(|error| error.to_string())?;
    let raw: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).expect("hex")).collect();
    if contains(&bytes, key.trim().as_bytes()) || contains(&bytes, &raw) || contains(&bytes, CANARY.as_bytes()) {
        return Err("a key or a secret is in the backup in clear".to_owned());
    }
    let elsewhere = Room::new();
    copy(&room.path("nothing-in-it"), &elsewhere.data());
    std::fs::copy(room.data().join("seal.key"), elsewhere.data().join("seal.key")).map_err(|error| error.to_string())?;
    done(&elsewhere.data(), &["check", &backup.to_string_lossy()]);
    done(&elsewhere.data(), &["restore", &backup.to_string_lossy()]);
    done(&elsewhere.data(), &["check"]);
    judge(&clients(&elsewhere.data()), &before, &made)?;
    access_token(&Server::on_with(&elsewhere.data(), &[])?, "good");
    Ok("restored elsewhere")
}

#[test]
fn f_34_a_backup_under_load_is_a_consistent_prefix() {
    F_34.rounds(1, |_| backup_under_load());
}

/// A planted fault: a backup with a gap, one that lacks what was acknowledged, and one that knows the future.
#[test]
fn the_judge_of_backups_notices_what_is_missing() {
    let found: BTreeSet<String> = ["w0-0", "w0-1", "w0-2"].map(str::to_owned).into();
    assert_eq!(judge(&found, &[2], &[4]), Ok(()));
    assert!(judge(&found, &[4], &[4]).is_err());
    assert!(judge(&found, &[0], &[1]).is_err());
    let gap: BTreeSet<String> = ["w0-0", "w0-2"].map(str::to_owned).into();
    assert!(judge(&gap, &[0], &[4]).is_err());
}

/// The names of the keys that a realm publishes.
fn signing_keys(server: &Server) -> Vec<String> {
    let asked =
        Connection::open(server.listen).and_then(|mut line| line.ask(&http::get("/acme/jwks", &[]))).expect("the key set");
    let set: Value = serde_json::from_slice(&asked.answer.body).expect("JSON");
    set["keys"].as_array().expect("keys").iter().filter_map(|key| key["kid"].as_str()).map(str::to_owned).collect()
}

/// Backs up, revokes, restores with these flags; whether the revoked token and one that was never revoked live.
fn revive(flags: &[&str]) -> Result<(bool, bool), String> {
    let room = settled();
    let server = Server::on_with(&room.data(), &[])?;
    let (token, other) = (access_token(&server, "stopped"), access_token(&server, "good"));
    let backup = room.path("a.backup").to_string_lossy().into_owned();
    done(&room.data(), &["backup", &backup]);
    assert_eq!((call(&server, &token), call(&server, &other)), (Some(200), Some(200)));
    let leaked = signing_keys(&server);
    done(&room.data(), &["client", "disable", "acme", "stopped", "--yes"]);
    assert_eq!(call(&server, &token), Some(401));
    end(server);
    let told = done(&room.data(), &[&["restore", &backup, "--replace"], flags].concat());
    if !told.contains("works again") {
        return Err(format!("it does not say what is undone:\n{told}"));
    }
    let server = Server::on_with(&room.data(), &[])?;
    let lives = (call(&server, &token) == Some(200), call(&server, &other) == Some(200));
    // In the second of the restore new tokens count from the next one.
    let deadline = Instant::now() + Duration::from_secs(20);
    while call(&server, &access_token(&server, "good")) != Some(200) {
        if Instant::now() > deadline {
            return Err("a new token does not pass after the restore".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // Whoever has a key of before the restore must not be able to sign with it; where all was kept, it was kept, too.
    let kept = signing_keys(&server).iter().any(|kid| leaked.contains(kid));
    if leaked.is_empty() || kept != lives.1 {
        return Err(format!("of the signing keys {leaked:?} some are published after the restore: {kept}"));
    }
    let audit = said(&jeton(&room.data(), &["audit", "list", "--limit", "1000", "--json"]));
    if audit.contains("store.restore") { Ok(lives) } else { Err(format!("the restore is not in the audit trail:\n{audit}")) }
}

/// Rows: RT-10.
#[test]
fn f_35_revoked_tokens_do_not_revive() {
    F_35.rounds(2, |number| {
        let flags: &[&str] = if number % 2 == 0 { &[] } else { &["--end-tokens"] };
        match revive(flags)? {
            (false, false) => Ok("every token from before has ended"),
            lives => Err(format!("(revoked, other) live: {lives:?}")),
        }
    });
}

/// A planted fault: where the operator says so, the tokens live again, and the judge sees it.
#[test]
fn the_judge_of_revoked_tokens_notices_a_revived_one() {
    assert_eq!(revive(&["--keep-tokens"]), Ok((true, true)));
}

/// From SQLite to PostgreSQL and back, by the command line alone.
#[test]
fn a_store_moves_to_postgresql_and_back() {
    let Some(postgres) = PostgresForTests::start() else { return };
    let (room, back, url) = (settled(), Room::new(), postgres.url());
    let (one, two) = (room.path("one.backup"), room.path("two.backup"));
    done(&room.data(), &["backup", &one.to_string_lossy()]);
    let told = done(&room.data(), &["restore", &one.to_string_lossy(), "--database-url", &url, "--json"]);
    assert!(told.contains("\"tokens_ended\":true"), "{told}");
    assert!(refused(&room.data(), &["restore", &one.to_string_lossy(), "--database-url", &url]).contains("--replace"));
    done(&room.data(), &["check", "--database-url", &url]);
    done(&room.data(), &["client", "create", "acme", "made-there", "--database-url", &url]);
    done(&room.data(), &["backup", &two.to_string_lossy(), "--database-url", &url]);
    copy(&room.path("nothing-in-it"), &back.data());
    std::fs::copy(room.data().join("seal.key"), back.data().join("seal.key")).expect("copies");
    done(&back.data(), &["restore", &two.to_string_lossy()]);
    done(&back.data(), &["check"]);
    assert!(clients(&back.data()).contains("made-there"));
    access_token(&Server::on_with(&back.data(), &[]).expect("it starts"), "good");
}

/// The seal key of a directory is read here as the harness reads it, so that a test may compare.
#[test]
fn a_restored_store_opens_with_the_same_seal_key() {
    let room = settled();
    let backup = room.path("a.backup").to_string_lossy().into_owned();
    done(&room.data(), &["backup", &backup]);
    let told: Value = serde_json::from_str(&done(&room.data(), &["check", &backup, "--json"])).expect("JSON");
    assert_eq!(told["opened_keys"], true);
    let line = std::fs::read(&backup).expect("reads");
    assert!(contains(&line, seal_key(&room.data()).fingerprint().as_bytes()));
}
