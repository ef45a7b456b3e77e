//! Writers change things one after the other and remember exactly what was acknowledged: the oracle of every crash.

use crate::harness::Server;
use crate::holders::{self, Ending, Held, Keys};
use crate::world::{done, patiently, text, token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a writer knows of one client: what was acknowledged, and what it had asked for when it was cut off.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The secret that was answered.
    pub secret: Option<String>,
    /// Whether it was stopped, and that was acknowledged.
    pub stopped: bool,
    /// Whether the secret was revoked, and that was acknowledged.
    pub revoked: bool,
    /// Whether stopping or revoking was asked for: then either may be.
    pub unsure: bool,
}

/// Everything that was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// By client id.
    pub clients: BTreeMap<String, Made>,
    /// Families of refresh tokens, by a name of ours.
    pub families: BTreeMap<String, Held>,
    /// Access tokens without a family, and whether they were revoked.
    pub tokens: BTreeMap<String, Ending>,
    /// The realm's signing keys.
    pub keys: Keys,
}

impl Acknowledged {
    /// What was acknowledged later.
    pub fn extend(&mut self, later: Self) {
        self.clients.extend(later.clients);
        self.families.extend(later.families);
        self.tokens.extend(later.tokens);
        self.keys.extend(later.keys);
    }

    /// What was acknowledged at the same time by another node: nobody can tell which signing key was the last.
    pub fn extend_beside(&mut self, other: Self) {
        self.extend(other);
        self.keys.asked = true;
    }

    /// How many changes were acknowledged.
    pub fn count(&self) -> Count {
        let made = self.clients.values();
        let clients = made.map(|made| 1 + usize::from(made.secret.is_some()) + usize::from(made.stopped || made.revoked)).sum();
        let refreshes = self.families.values().map(|held| held.chain.len()).sum();
        let endings = self.families.values().map(|held| &held.ending).chain(self.tokens.values());
        let revocations = endings.filter(|ending| **ending == Ending::Done).count();
        Count { clients, refreshes, revocations, rotations: self.keys.published.len() + self.keys.turns }
    }
}

/// Numbers of acknowledged changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    clients: usize,
    refreshes: usize,
    revocations: usize,
    rotations: usize,
}

impl Count {
    /// The sum of each with what `now` has more than `before`.
    pub fn add(&mut self, before: Self, now: Self) {
        self.clients += now.clients - before.clients;
        self.refreshes += now.refreshes - before.refreshes;
        self.revocations += now.revocations - before.revocations;
        self.rotations += now.rotations - before.rotations;
    }
}

impl Count {
    /// All of them.
    pub fn sum(&self) -> usize {
        self.clients + self.refreshes + self.revocations + self.rotations
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { clients, refreshes, revocations, rotations } = self;
        let all = clients + refreshes + revocations + rotations;
        write!(
            f,
            "{all} changes were acknowledged ({clients} of clients and secrets, {refreshes} families begun or refreshed, "
        )?;
        write!(f, "{revocations} revocations, {rotations} of signing keys), and none was lost")
    }
}

/// Where signing keys are, below a realm.
const SIGNING_KEYS: &str = "keys";
/// Between two rotations.
const BETWEEN_ROTATIONS: Duration = Duration::from_millis(80);

/// Several writers at the admin socket of one server, and two holders of tokens at its public listener.
pub struct Writers {
    stop: Arc<AtomicBool>,
    known: Arc<Mutex<Acknowledged>>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts so many writers; `round` keeps their names apart from those of other rounds.
    pub fn start(server: &Server, count: usize, round: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let known = Arc::new(Mutex::new(Acknowledged::default()));
        let start = |writer| {
            let (data, listen) = (server.data(), server.listen);
            let (stop, known) = (Arc::clone(&stop), Arc::clone(&known));
            let name = format!("w{round}-{writer}");
            std::thread::spawn(move || match writer {
                0 => rotate(&data, &stop, &known),
                1 | 2 => holders::hold(listen, &name, &stop, &known),
                _ => write(&data, &name, &stop, &known),
            })
        };
        let threads = (0..count + 3).map(start).collect();
        Self { stop, known, threads }
    }

    /// What has been acknowledged until now. What is asked for later may still be in the dark.
    pub fn acknowledged(&self) -> Acknowledged {
        self.known.lock().expect("no writer panics").clone()
    }

    /// Ends the writers, and says what was acknowledged. A server that is gone ends them, too.
    pub fn end(self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a writer ends");
        }
        Arc::into_inner(self.known).expect("the writers are gone").into_inner().expect("no writer panics")
    }
}

/// Makes clients, gives each a secret, stops some and revokes the secrets of others, until it is told to end or cut off.
fn write(data: &Path, name: &str, stop: &AtomicBool, known: &Mutex<Acknowledged>) {
    let Ok(mut stream) = UnixStream::connect(data.join("admin.sock")) else { return };
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("is set");
    let remember = |id: &str, change: &dyn Fn(&mut Made)| {
        change(known.lock().expect("no writer panics").clients.entry(id.to_owned()).or_default());
    };
    for next in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("{name}-{next}");
        let body = format!("{{\"client\":\"{id}\",\"scope\":[\"read\"]}}");
        let Some(_) = ask(&mut stream, "POST", "/v1/realms/acme/clients", &body) else { return };
        remember(&id, &|_| ());
        let of = format!("/v1/realms/acme/clients/{id}");
        let Some(answer) = ask(&mut stream, "POST", &format!("{of}/secrets"), "{\"name\":\"second\"}") else { return };
        let secret = answer["value"].as_str().expect("the value is shown once").to_owned();
        remember(&id, &|made| made.secret = Some(secret.clone()));
        if next % 3 == 1 {
            remember(&id, &|made| made.unsure = true);
            let Some(_) = ask(&mut stream, "DELETE", &format!("{of}/secrets/second"), "") else { return };
            remember(&id, &|made| (made.revoked, made.unsure) = (true, false));
        }
        if next % 3 == 2 {
            remember(&id, &|made| made.unsure = true);
            let Some(_) = ask(&mut stream, "POST", &format!("{of}/disable"), "{}") else { return };
            remember(&id, &|made| (made.stopped, made.unsure) = (true, false));
        }
    }
}

/// Rotates the signing keys: publishes a successor, lets it sign, and so on.
fn rotate(data: &Path, stop: &AtomicBool, known: &Mutex<Acknowledged>) {
    let Ok(mut stream) = UnixStream::connect(data.join("admin.sock")) else { return };
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("is set");
    let path = format!("/v1/realms/acme/{SIGNING_KEYS}/rotate");
    for next in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let now = next % 2 == 1;
        known.lock().expect("no writer panics").keys.asked |= now;
        let Some(answer) = ask(&mut stream, "POST", &path, if now { "{\"now\":true}" } else { "{}" }) else { return };
        let kid = answer["kid"].as_str().expect("the successor").to_owned();
        let keys = &mut known.lock().expect("no writer panics").keys;
        if now {
            (keys.signs, keys.asked) = (Some(kid), false);
            keys.turns += 1;
        } else {
            keys.published.push(kid);
        }
        std::thread::sleep(BETWEEN_ROTATIONS);
    }
}

/// Asks, and reads the whole answer; `None` if the server is gone or says that it cannot write.
fn ask(stream: &mut UnixStream, method: &str, path: &str, body: &str) -> Option<Value> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok()?;
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 8192];
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&piece[..count]);
        let split = read.windows(4).position(|window| window == b"\r\n\r\n");
        let Some((head, body)) = split.map(|at| (String::from_utf8_lossy(&read[..at]).into_owned(), &read[at + 4..])) else {
            continue;
        };
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status == "503" {
            return None;
        }
        assert!(status.starts_with('2'), "{method} {path}: {head}\n{}", String::from_utf8_lossy(body));
        return Some(serde_json::from_slice(body).unwrap_or(Value::Null));
    }
}

/// Compares what a restarted server knows with what was acknowledged: all of it must be there, and nothing half.
/// Secrets of at most `sample` clients are tried, and about as many families.
pub fn judge(server: &Server, data: &Path, known: &mut Acknowledged, sample: usize) -> Result<(), String> {
    let found = clients(data);
    holders::judge(server, known, sample)?;
    let acknowledged = &known.clients;
    for (id, made) in acknowledged {
        let status = found.get(id).ok_or_else(|| format!("client {id} was acknowledged and is gone"))?;
        if !made.unsure && (status == "disabled") != made.stopped {
            return Err(format!("client {id} is {status}, and stopping it was acknowledged: {}", made.stopped));
        }
    }
    let every = (acknowledged.len() / sample.max(1)).max(1);
    // The last ones are the likeliest to be lost.
    let tried = acknowledged.iter().step_by(every).chain(acknowledged.iter().rev().take(4));
    for (id, made) in tried.filter(|(_, made)| !made.unsure) {
        let Some(secret) = &made.secret else { continue };
        let answer = patiently(|| token(server, "acme", id, secret))?;
        let (wanted, got) = (!made.stopped && !made.revoked, text(&answer, "access_token").is_some());
        if wanted != got {
            return Err(format!("client {id}: a token was {}\n{}", if got { "issued" } else { "refused" }, answer.readable()));
        }
    }
    Ok(())
}

/// The ids and states of the realm's clients.
fn clients(data: &Path) -> BTreeMap<String, String> {
    let (mut found, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let mut arguments = vec!["client", "list", "acme", "--limit", "1000", "--json"];
        if let Some(after) = &after {
            arguments.extend(["--after", after]);
        }
        let page: Value = serde_json::from_str(&done(data, &arguments)).expect("JSON");
        for item in page["items"].as_array().expect("a list") {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            found.insert(text("client_id"), text("status"));
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return found,
        }
    }
}
