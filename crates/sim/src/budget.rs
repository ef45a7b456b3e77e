//! Budgets of failures as they should be: how often a source may be wrong at a node before it is told to wait (RFC 6749 §2.3.1).

use crate::ask::Ask;
use crate::game::Game;
use crate::model::{Habit, Model};
use crate::node::Node;
use crate::oracle::Verdict;
use crate::watch::{self, Broken};
use jeton_core::event::Outcome;
use jeton_core::name::Time;
use jeton_core::record::{ClientKind, SecretHash};
use jeton_core::refusal::{Code, Why};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Those who guess have these addresses, or that of the client whose secret they want.
pub const GUESSERS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2))];
/// What makes no sense claims to be anybody, so nothing else comes from there.
const NONSENSE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// At a node, of a realm: a source, with one claimed id or with all.
type Place = (usize, usize, IpAddr, Option<String>);

/// What of each budget was used, in microseconds until it is whole again, and when.
#[derive(Debug, Default)]
pub struct Budgets(BTreeMap<Place, (i64, Time)>);

impl Budgets {
    /// A process that starts anew has counted nothing.
    pub fn forget(&mut self, node: usize) {
        self.0.retain(|(of, ..), _| *of != node);
    }
}

/// Where a request comes from if nobody says otherwise: every client has an address of its own.
#[must_use]
pub fn home(model: &Model, ask: &Ask) -> IpAddr {
    let by = match ask {
        Ask::Nonsense(_) => return NONSENSE,
        Ask::Token(by) => model.party(by.house, &by.client_id),
        Ask::About(ask) => model.party(ask.by.house, &ask.by.client_id),
        Ask::Call(_) | Ask::Document { .. } => None,
    };
    let last = by.map_or(0, |party| u8::try_from(party + 1).unwrap_or(u8::MAX));
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// Who a request claims to be, where that is counted.
fn claimed(ask: &Ask) -> Option<Option<String>> {
    match ask {
        Ask::Token(ask) => Some(Some(ask.client_id.clone())),
        Ask::About(ask) => Some(Some(ask.by.client_id.clone())),
        Ask::Call(_) => Some(None),
        Ask::Document { .. } | Ask::Nonsense(_) => None,
    }
}

/// Whether the right secret of a request is still kept under a slow hash, as far as this node knows.
fn is_slow(model: &Model, node: &Node, ask: &Ask) -> bool {
    let by = match ask {
        Ask::Token(by) => by,
        Ask::About(ask) => &ask.by,
        _ => return false,
    };
    let Some(party) = model.party(by.house, &by.client_id) else { return false };
    let held = model.secrets.iter().find(|held| held.party == party && Some(&held.value) == by.secret.as_ref());
    let states = &model.parties[party].states;
    states.since(node.knows(states.latest().key)).any(|client| match &client.kind {
        ClientKind::Confidential { secrets, .. } => secrets
            .iter()
            .any(|secret| held.is_some_and(|held| held.key == secret.key) && matches!(secret.hash, SecretHash::Foreign { .. })),
        ClientKind::Public => false,
    })
}

impl Game {
    /// The budgets of a request, each with what one failure costs and what the whole is.
    fn budgets_of(&self, at: usize, ask: &Ask, source: IpAddr) -> Vec<(Place, i64, i64)> {
        let settings = self.model.houses[ask.house()].realm.settings.failures;
        let (house, whole) = (ask.house(), i64::from(settings.seconds) * 1_000_000);
        let Some(id) = claimed(ask).filter(|_| settings.per_client > 0) else { return Vec::new() };
        let budget = |id: Option<String>, most: u32| {
            let each = whole / i64::from(most);
            ((at, house, source, id), each, each * i64::from(most))
        };
        let of_client = id.map(|id| budget(Some(id), settings.per_client));
        of_client.into_iter().chain([budget(None, settings.per_source)]).collect()
    }

    fn used_of(&self, place: &Place, whole: i64) -> i64 {
        let (used, at) = self.budgets.0.get(place).copied().unwrap_or_default();
        // A clock that went back leaves it empty for no longer than it ever takes to fill.
        (used - (self.now.millis() - at.millis()).saturating_mul(1000)).clamp(0, whole)
    }

    /// Whether one more failure from there would be one too many.
    pub(crate) fn is_spent(&self, at: usize, ask: &Ask, source: IpAddr) -> bool {
        self.budgets_of(at, ask, source).iter().any(|(place, each, whole)| self.used_of(place, *whole) + each > *whole)
    }

    /// What must become of a request whose source may have failed too often: the right secret passes, unless it takes long to compare.
    pub(crate) fn with_budgets(&self, (at, ask, source): (usize, &Ask, IpAddr), verdict: Verdict) -> Verdict {
        let waits = verdict == Verdict::Pass && is_slow(&self.model, &self.nodes[at], ask) && self.is_spent(at, ask, source);
        if waits { Verdict::Either } else { verdict }
    }

    /// A failure was counted, and whoever fails too often is told to wait: neither sooner nor later.
    pub(crate) fn counted(&mut self, (at, ask, source): (usize, &Ask, IpAddr), outcome: Option<&Outcome>) -> Result<(), Broken> {
        let (Some(Outcome::Refused(why)), Some(id)) = (outcome, claimed(ask)) else { return Ok(()) };
        let spent = self.is_spent(at, ask, source);
        let counts = match (why, id) {
            (Why::ClientTooManyFailures | Why::ApiKeyTooManyFailures, _) if spent => return Ok(()),
            (Why::ClientTooManyFailures | Why::ApiKeyTooManyFailures, _) => {
                return Err(Broken::new(watch::GUESSES_ARE_BOUNDED, "a source is held back that has not failed too often"));
            }
            (Why::ClientCredentialsMissing, _) => false,
            (why, Some(_)) => why.row().code == Code::InvalidClient,
            (why, None) => matches!(why, Why::ApiKeyUnknown | Why::ApiKeyDisabled | Why::ApiKeyExpired),
        };
        if counts && spent {
            return Err(Broken::new(watch::GUESSES_ARE_BOUNDED, format!("one more failure of {source} is answered: {why}")));
        }
        for (place, each, whole) in self.budgets_of(at, ask, source).into_iter().filter(|_| counts) {
            let used = self.used_of(&place, whole) + each;
            self.budgets.0.insert(place, (used, self.now));
        }
        Ok(())
    }

    /// The clients that are not known to keep their tokens.
    pub(crate) fn ordinary(&self) -> Vec<usize> {
        (0..self.model.parties.len()).filter(|party| self.model.parties[*party].habit == Habit::Any).collect()
    }
}
