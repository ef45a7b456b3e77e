//! The watch holds what must always be true, and says which of it is not.

use crate::ask::{Ask, GrantAsk, Nonsense};
use crate::model::{Habit, Model};
use crate::oracle::Verdict;
use bytes::Bytes;
use http::Response;
use jeton_core::endpoint::{CLOCK_BEHIND, TOKEN_OF_LATER};
use jeton_core::event::{Event, Outcome};
use jeton_core::record::{Record, Revocation, TokenFamily};
use jeton_core::refusal::{Fault, Why};
use jeton_core::store::{MemoryStore, Row};
use jeton_jose::sha256;
use jeton_wire::dialect::Dialect;
use std::fmt;

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Broken {
    /// A broken promise.
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.invariant, self.detail)
    }
}

/// Whoever may not have a token gets none, and whoever may have one gets it.
pub const RIGHTS: &str = "rights";
/// Whatever is asked, the server does not fail while its store works.
pub const NO_FAULT: &str = "no-fault";
/// Every answer of a realm has exactly one event, and the event says what was answered.
pub const ONE_EVENT: &str = "one-event";
/// A refusal changes nothing.
pub const REFUSAL_WRITES_NOTHING: &str = "refusal-writes-nothing";
/// No raw secret, token or key stands in a row, in an event, or in an answer but the one that creates it.
pub const NO_RAW_VALUE: &str = "no-raw-value";
/// The scope of a token lies within what its client was granted at that moment.
pub const SCOPE_WITHIN_GRANT: &str = "scope-within-grant";
/// A JWT verifies under the keys that its realm publishes when it is issued.
pub const VERIFIES_AT_ISSUE: &str = "verifies-at-issue";
/// A JWT verifies under the key set that its realm published one cache time before it is issued, unless somebody was in a hurry.
pub const VERIFIES_AHEAD: &str = "verifies-ahead";
/// A key goes only after the last token that it signed, unless it is revoked.
pub const KEY_OUTLIVES_TOKENS: &str = "key-outlives-tokens";
/// A refresh token has one successor, a revoked family never refreshes, and only a replay is called one.
pub const ONE_SUCCESSOR: &str = "one-successor";
/// The right secret passes, however many wrong ones came before it from wherever.
pub const RIGHT_SECRET_PASSES: &str = "right-secret-passes";
/// A source that fails too often is told to wait, and only such a one.
pub const GUESSES_ARE_BOUNDED: &str = "guesses-are-bounded";
/// Whoever keeps its tokens until five minutes before their end is left alone by every policy.
pub const SAVERS_ARE_LEFT_ALONE: &str = "savers-are-left-alone";
/// What was acknowledged stays.
pub const NOTHING_IS_LOST: &str = "nothing-is-lost";

/// Why a commit fails that the simulator spoils.
pub const LOST: &str = "a commit whose answer was lost";

/// Whether the store can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It can.
    Fair,
    /// It cannot: what is not in memory may be answered with 503, and nothing else changes.
    Outage,
}

/// One exchange, as it is looked at.
pub struct Seen<'a> {
    /// What should be.
    pub model: &'a Model,
    /// What was asked.
    pub ask: &'a Ask,
    /// What the oracle says.
    pub verdict: Verdict,
    /// Whether the store could be asked.
    pub weather: Weather,
    /// The realm's dialect.
    pub dialect: &'a Dialect,
    /// What came back.
    pub response: &'a Response<Bytes>,
    /// What log and counters are told.
    pub event: Option<&'a Event>,
}

impl Seen<'_> {
    /// Looks at status, event and texts of an answer.
    pub fn check(&self) -> Result<(), Broken> {
        self.left_alone()?;
        self.rights()?;
        self.one_event()?;
        self.no_raw_value()
    }

    /// Whoever keeps its tokens is neither told nor refused anything.
    fn left_alone(&self) -> Result<(), Broken> {
        let Ask::Token(ask) = self.ask else { return Ok(()) };
        let party = self.model.party(ask.house, &ask.client_id).map(|party| &self.model.parties[party]);
        if party.is_none_or(|party| party.habit != Habit::Saves) {
            return Ok(());
        }
        let outcome = self.event.map(|event| &event.outcome);
        let told = ["link", "ratelimit", "ratelimit-policy"].iter().any(|name| self.response.headers().contains_key(*name));
        match outcome {
            Some(Outcome::Coached | Outcome::Repeated | Outcome::Refused(Why::ThriftLimited | Why::ClientSuspended)) => {}
            _ if !told => return Ok(()),
            _ => {}
        }
        Err(Broken::new(SAVERS_ARE_LEFT_ALONE, format!("{} is told {outcome:?}", ask.client_id)))
    }

    fn rights(&self) -> Result<(), Broken> {
        let status = self.response.status().as_u16();
        let outcome = self.event.map(|event| &event.outcome);
        let behind = matches!(outcome, Some(Outcome::Faulted(Fault::Unavailable(cause))) if [CLOCK_BEHIND, TOKEN_OF_LATER, LOST].contains(&cause.as_str()));
        if status >= 500 && !(status == 503 && (behind || self.weather == Weather::Outage)) {
            return Err(Broken::new(NO_FAULT, format!("status {status}: {:?}", self.event)));
        }
        let held_back = matches!(outcome, Some(Outcome::Refused(Why::ClientTooManyFailures | Why::ApiKeyTooManyFailures)));
        if held_back && self.verdict == Verdict::Pass {
            return Err(Broken::new(RIGHT_SECRET_PASSES, format!("a right request is held back with {status}")));
        }
        let passed = status == 200;
        let wrong = match self.verdict {
            Verdict::Pass => !passed && status < 500,
            Verdict::Refuse => passed,
            Verdict::Either => false,
        };
        if wrong {
            return Err(Broken::new(RIGHTS, format!("should be {:?}, is {status}: {:?}", self.verdict, self.event)));
        }
        Ok(())
    }

    fn one_event(&self) -> Result<(), Broken> {
        let status = self.response.status();
        let broken = |what: String| Err(Broken::new(ONE_EVENT, what));
        if let Ask::Nonsense(Nonsense { what: NOWHERE, .. }) = self.ask {
            let of_nobody = self.event.as_ref().is_some_and(|event| event.realm.is_none() && event.client.is_none());
            return if of_nobody { Ok(()) } else { broken("not one event, or one of a realm that was not asked".to_owned()) };
        }
        let Some(event) = self.event else { return broken(format!("status {status} without an event")) };
        let realm = &self.model.houses[self.ask.house()].realm;
        if event.realm.as_ref().is_none_or(|(key, _)| *key != realm.key) {
            return broken(format!("the event is of {:?}, the answer of {}", event.realm, realm.name));
        }
        let agrees = match &event.outcome {
            Outcome::Issued | Outcome::Coached | Outcome::Repeated => status.as_u16() == 200,
            Outcome::Permitted => matches!(status.as_u16(), 200 | 204),
            // RFC 7009 §2.2: whoever wants to end another's token is not told; only the event says it.
            Outcome::Refused(Why::TokenOfAnotherClient) => status.as_u16() == 200,
            Outcome::Refused(why) => status == self.dialect.refusal(*why).status,
            Outcome::Faulted(_) => status.is_server_error(),
        };
        if agrees { Ok(()) } else { broken(format!("status {status}, but the event says {:?}", event.outcome)) }
    }

    /// Whether this is a token of the asking client's own, handed out again.
    fn is_again(&self, raw: &str) -> bool {
        let Ask::Token(ask) = self.ask else { return false };
        let party = self.model.party(ask.house, &ask.client_id);
        let is_own = |token: &crate::model::Token| token.value == raw && Some(token.party) == party;
        self.event.is_some_and(|event| matches!(event.outcome, Outcome::Repeated)) && self.model.tokens.iter().any(is_own)
    }

    fn no_raw_value(&self) -> Result<(), Broken> {
        let sent_back = match self.ask {
            Ask::Token(ask) => match &ask.grant {
                GrantAsk::Refresh(token) => token.as_str(),
                _ => "",
            },
            _ => "",
        };
        // Whoever asks again after a lost answer gets what was given before.
        let again = match self.ask {
            Ask::Token(ask) => self.model.family_of(ask).and_then(|(at, _)| self.model.families[at].tokens.last()?.as_deref()),
            _ => None,
        };
        let body = String::from_utf8_lossy(self.response.body());
        let texts = format!("{:?} {:?}", self.response.headers(), self.event);
        if !may_hold_raw(&texts) && !may_hold_raw(&body) {
            return Ok(());
        }
        for raw in self.model.raw_values() {
            if texts.contains(raw) || (body.contains(raw) && raw != sent_back && Some(raw) != again && !self.is_again(raw)) {
                return Err(Broken::new(NO_RAW_VALUE, format!("{raw} stands in an answer or event")));
            }
        }
        Ok(())
    }
}

/// The name of the nonsense that no realm answers.
pub const NOWHERE: &str = "a request to nowhere";

/// Digests of every row: of those that no request changes, and of families with what ends them.
#[must_use]
pub fn digest(store: &MemoryStore) -> ([u8; 32], [u8; 32]) {
    let (mut others, mut families) = (Vec::new(), Vec::new());
    for (kind, row) in store.dump() {
        let of_families = [TokenFamily::KIND.name, Revocation::KIND.name].contains(&kind);
        let all = if of_families { &mut families } else { &mut others };
        all.extend_from_slice(kind.as_bytes());
        all.extend_from_slice(row.key.as_bytes());
        all.extend_from_slice(&row.version.to_be_bytes());
        all.extend_from_slice(&row.body);
    }
    (sha256(&others), sha256(&families))
}

/// How the raw values of a simulation start: looking for these first is much quicker than looking for each value.
const STARTS: &[&str] = &["S3cr3t-", "jak_", "jat_", "jrt_", "jrf_", "eyJ"];

fn may_hold_raw(text: &str) -> bool {
    STARTS.iter().any(|start| text.contains(start))
}

/// Looks for raw values in every row.
pub fn rows(dump: &[(&'static str, Row)], model: &Model) -> Result<(), Broken> {
    let bodies: String =
        dump.iter().map(|(_, row)| format!("{} {:?}\n", String::from_utf8_lossy(&row.body), row.columns)).collect();
    if !may_hold_raw(&bodies) {
        return Ok(());
    }
    match model.raw_values().find(|raw| bodies.contains(raw)) {
        Some(raw) => Err(Broken::new(NO_RAW_VALUE, format!("{raw} stands in a row"))),
        None => Ok(()),
    }
}
