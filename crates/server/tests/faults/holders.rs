//! Holders refresh their tokens, have tokens revoked and signing keys rotated, and remember exactly what was acknowledged.

use crate::harness::Server;
use crate::harness::http::{self, Connection};
use crate::world::{CANARY, access_token, call, text};
use crate::writers::Acknowledged;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton_wire::transcript::Answer;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Who holds families of refresh tokens; the realm gives a second chance for two minutes.
const KEEPER: &str = "keeper";
/// Who has access tokens without a family revoked.
const SINGLE: &str = "good";
/// So old may a lost answer be that is asked for again: half of the realm's seconds.
const YOUNG: Duration = Duration::from_secs(60);

/// How long a server may be too busy to be looked at.
const BUSY: Duration = Duration::from_secs(20);

/// Whether something was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nobody asked for it.
    #[default]
    No,
    /// It was asked for: then it may be so or not.
    Asked,
    /// It was acknowledged.
    Done,
}

/// What a holder knows of a family.
#[derive(Clone, Debug)]
pub struct Held {
    /// The refresh tokens that were answered, the present one last.
    pub chain: Vec<String>,
    /// The access token of the last answer.
    pub access: String,
    /// When that came.
    pub since: Instant,
    /// Whether the present one was used and the answer did not come.
    pub asked: bool,
    /// Whether the family was revoked.
    pub ending: Ending,
}

impl Held {
    fn present(&self) -> &str {
        self.chain.last().map_or("", String::as_str)
    }
}

/// What is known of a realm's signing keys.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Keys whose publication was acknowledged.
    pub published: Vec<String>,
    /// The one of which was last acknowledged that it signs.
    pub signs: Option<String>,
    /// How many times it was acknowledged that another one signs.
    pub turns: usize,
    /// Whether another one was asked for, so that it may sign.
    pub asked: bool,
}

impl Keys {
    /// What became known later.
    pub fn extend(&mut self, later: Self) {
        if later.signs.is_some() || later.asked {
            self.asked = later.asked;
        }
        self.published.extend(later.published);
        self.turns += later.turns;
        self.signs = later.signs.or_else(|| self.signs.take());
    }
}

/// A connection of a client to the public listener.
struct Line(Connection);

/// What became of a request.
enum Got {
    /// It was done.
    Done(Answer),
    /// The token is none, or none any more.
    Refused,
    /// The server is gone, or says that it cannot write, in these words.
    Gone(String),
}

impl Line {
    fn open(to: SocketAddr) -> Option<Self> {
        Connection::open(to).ok().map(Self)
    }

    fn ask(&mut self, path: &str, client: &str, body: &str) -> Got {
        let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("{client}:{CANARY}-acme-{client}")));
        let answer = match self.0.ask(&http::form(path, &[&basic], body)) {
            Ok(received) => received.answer,
            Err(error) => return Got::Gone(error),
        };
        match answer.status {
            Some(200) => Got::Done(answer),
            Some(400) if text(&answer, "error").as_deref() == Some("invalid_grant") => Got::Refused,
            Some(503) | None => Got::Gone(answer.readable()),
            Some(_) => panic!("{path} of {client}: {}", answer.readable()),
        }
    }

    fn refresh(&mut self, token: &str) -> Got {
        self.ask("/acme/token", KEEPER, &format!("grant_type=refresh_token&refresh_token={token}"))
    }

    /// Asks once more over another connection as long as the server is busy, which ends the connection as well.
    fn refresh_patiently(&mut self, to: SocketAddr, token: &str) -> Got {
        let deadline = Instant::now() + BUSY;
        loop {
            match self.refresh(token) {
                Got::Gone(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(100));
                    self.0 = Connection::open(to).unwrap_or_else(|error| panic!("the server that is looked at is gone: {error}"));
                }
                other => return other,
            }
        }
    }
}

fn tokens(answer: &Answer) -> (String, String) {
    let member = |name| text(answer, name).unwrap_or_else(|| panic!("no {name}:\n{}", answer.readable()));
    (member("refresh_token"), member("access_token"))
}

/// Begins families, refreshes some of them several times and revokes others, and revokes tokens without a family, until it is told
/// to end or cut off.
pub fn hold(to: SocketAddr, name: &str, stop: &AtomicBool, known: &Mutex<Acknowledged>) {
    let Some(mut line) = Line::open(to) else { return };
    for next in 0_usize.. {
        if stop.load(Ordering::Relaxed) || hold_one(&mut line, &format!("{name}-{next}"), next, known).is_none() {
            return;
        }
    }
}

fn hold_one(line: &mut Line, id: &str, next: usize, known: &Mutex<Acknowledged>) -> Option<()> {
    let remember = |change: &dyn Fn(&mut Held)| {
        known.lock().expect("no writer panics").families.get_mut(id).map(change);
    };
    let Got::Done(answer) = line.ask("/acme/token", KEEPER, "grant_type=client_credentials") else { return None };
    let (mut present, access) = tokens(&answer);
    let held = Held { chain: vec![present.clone()], access, since: Instant::now(), asked: false, ending: Ending::No };
    known.lock().expect("no writer panics").families.insert(id.to_owned(), held);
    for _ in 0..next % 4 {
        remember(&|held| held.asked = true);
        let Got::Done(answer) = line.refresh(&present) else { return None };
        let (refresh, access) = tokens(&answer);
        remember(&|held| {
            held.chain.push(refresh.clone());
            (held.access, held.since, held.asked) = (access.clone(), Instant::now(), false);
        });
        present = refresh;
    }
    if next % 3 == 1 {
        remember(&|held| held.ending = Ending::Asked);
        let Got::Done(_) = line.ask("/acme/revoke", KEEPER, &format!("token={present}")) else { return None };
        remember(&|held| held.ending = Ending::Done);
    }
    if next % 3 == 2 {
        let Got::Done(answer) = line.ask("/acme/token", SINGLE, "grant_type=client_credentials") else { return None };
        let token = text(&answer, "access_token").expect("a token");
        let remember = |ending| known.lock().expect("no writer panics").tokens.insert(token.clone(), ending);
        remember(Ending::Asked);
        let Got::Done(_) = line.ask("/acme/revoke", SINGLE, &format!("token={token}")) else { return None };
        remember(Ending::Done);
    }
    Some(())
}

/// What a settled picture may say of a family that went on while the power was cut.
pub fn settle(before: &mut Acknowledged, later: &Acknowledged) {
    for (id, held) in &mut before.families {
        let Some(now) = later.families.get(id) else { continue };
        let used = now.chain.len() - held.chain.len() + usize::from(now.asked);
        match used {
            // The present one or its successor: to whoever holds the present one both look the same.
            0 | 1 => held.asked |= used == 1,
            _ => held.ending = Ending::Asked,
        }
        if now.ending != held.ending {
            held.ending = Ending::Asked;
        }
    }
    for (token, ending) in &mut before.tokens {
        if later.tokens.get(token) != Some(ending) {
            *ending = Ending::Asked;
        }
    }
    before.keys.asked |= later.keys.asked || later.keys.signs != before.keys.signs;
}

/// Compares the families, tokens and keys of a restarted server with what was acknowledged. A family that was looked at is revoked by that, and noted so.
pub fn judge(server: &Server, known: &mut Acknowledged, sample: usize) -> Result<(), String> {
    let mut line = Line::open(server.listen).ok_or("the server cannot be reached")?;
    let every = (known.families.len() / sample.max(1)).max(1);
    let last = known.families.len().saturating_sub(4);
    for (at, (id, held)) in known.families.iter_mut().enumerate() {
        if at % every == 0 || at >= last || held.asked {
            judge_family(server, &mut line, held).map_err(|wrong| format!("family {id}: {wrong}"))?;
        }
    }
    let every = (known.tokens.len() / sample.max(1)).max(1);
    for (token, _) in known.tokens.iter().filter(|(_, ending)| **ending == Ending::Done).step_by(every) {
        if call(server, token) != Some(401) {
            return Err("a token whose revocation was acknowledged lives".to_owned());
        }
    }
    judge_keys(server, &known.keys)
}

fn judge_family(server: &Server, line: &mut Line, held: &mut Held) -> Result<(), String> {
    let successor = |got: Got, what: &str| match got {
        Got::Done(answer) => Ok(tokens(&answer)),
        Got::Refused => Err(format!("{what} is refused")),
        Got::Gone(told) => Err(format!("{what} is not answered: {told}")),
    };
    let dead = |got: Got, what: &str| if matches!(got, Got::Refused) { Ok(()) } else { Err(format!("{what} lives")) };
    match held.ending {
        Ending::Asked => return Ok(()),
        Ending::Done => {
            dead(line.refresh_patiently(server.listen, held.present()), "its token, whose revocation was acknowledged,")?;
            return if call(server, &held.access) == Some(401) { Ok(()) } else { Err("its access token lives".to_owned()) };
        }
        Ending::No => {}
    }
    if call(server, &held.access) != Some(200) {
        return Err("its access token is refused".to_owned());
    }
    if let [.., before, present] = &held.chain[..]
        && !held.asked
        && held.since.elapsed() < YOUNG
    {
        let (again, _) =
            successor(line.refresh_patiently(server.listen, before), "the token before the present one, asked again,")?;
        if again != *present {
            return Err("a lost answer, asked for again, gives another successor".to_owned());
        }
    }
    let present = held.present().to_owned();
    let (first, _) = successor(line.refresh_patiently(server.listen, &present), "the successor that was acknowledged")?;
    let (second, _) = successor(line.refresh_patiently(server.listen, &present), "its successor's lost answer")?;
    if first != second {
        return Err("two successors of one token".to_owned());
    }
    let (next, access) = successor(line.refresh_patiently(server.listen, &first), "its successor")?;
    dead(line.refresh_patiently(server.listen, &present), "a token whose successor was used")?;
    dead(line.refresh_patiently(server.listen, &next), "a token of a family that must have ended")?;
    held.chain.push(next);
    (held.access, held.asked, held.ending) = (access, false, Ending::Done);
    Ok(())
}

fn judge_keys(server: &Server, keys: &Keys) -> Result<(), String> {
    let asked = Connection::open(server.listen).and_then(|mut line| line.ask(&http::get("/acme/jwks", &[])))?;
    let set: Value = serde_json::from_slice(&asked.answer.body).map_err(|error| error.to_string())?;
    let set: Vec<&str> = set["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()).collect();
    if let Some(gone) = keys.published.iter().find(|kid| !set.contains(&kid.as_str())) {
        return Err(format!("signing key {gone} was acknowledged and is gone"));
    }
    let signs = kid(&access_token(server, SINGLE));
    match &keys.signs {
        Some(wanted) if !keys.asked && signs.as_ref() != Some(wanted) => {
            Err(format!("signing key {wanted} was acknowledged, and {signs:?} signs"))
        }
        _ => Ok(()),
    }
}

/// The key that signed a token.
fn kid(token: &str) -> Option<String> {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice::<Value>(&head).ok()?["kid"].as_str().map(str::to_owned)
}
