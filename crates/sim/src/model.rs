//! The model is what the deployment should be: what was changed when, and who holds which secrets and tokens.
//!
//! Nodes may lag behind, so the model keeps every state with the number of the change that made it: a node that followed up to a
//! change may answer by the state of then or by any later one.

use crate::family::HeldFamily;
use jeton_core::name::{Key, Scope, Time};
use jeton_core::record::{ApiKey, Client, Realm, ResourceServer, SigningKeyRecord};
use std::collections::BTreeSet;

/// The states of one thing, oldest first, each with the number of its change.
#[derive(Clone, Debug)]
pub struct History<T>(Vec<(u64, T)>);

impl<T> History<T> {
    /// A thing that was made by this change.
    pub fn new(change: u64, state: T) -> Self {
        Self(vec![(change, state)])
    }

    /// Adds a state.
    pub fn push(&mut self, change: u64, state: T) {
        self.0.push((change, state));
    }

    /// The last state.
    ///
    /// # Panics
    /// Never: a history starts with a state.
    #[must_use]
    pub fn latest(&self) -> &T {
        &self.0.last().expect("a history starts with a state").1
    }

    /// The state in force at a change, and all later ones.
    pub fn since(&self, change: u64) -> impl Iterator<Item = &T> {
        let from = self.0.iter().rposition(|(made, _)| *made <= change).unwrap_or(0);
        self.0[from..].iter().map(|(_, state)| state)
    }
}

/// A realm with its APIs and keys.
#[derive(Clone, Debug)]
pub struct House {
    /// The record; it does not change.
    pub realm: Realm,
    /// Its APIs; they do not change.
    pub resources: Vec<ResourceServer>,
    /// Its signing keys.
    pub keys: History<Vec<SigningKeyRecord>>,
    /// The key sets that the store had, each with the millisecond of the steady clock since when.
    pub published: Vec<(i64, BTreeSet<String>)>,
    /// Keys that an administrator put to use at once.
    pub hurried: BTreeSet<String>,
    /// Number of the next test key.
    pub next_key: usize,
    /// Number of its first test key.
    pub first_key: usize,
}

/// How a client goes about tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Now so, now otherwise.
    Any,
    /// It keeps each until five minutes before its end. Nobody else meddles with it.
    Saves,
}

/// A client and what it keeps for itself.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its realm.
    pub house: usize,
    /// How it goes about tokens.
    pub habit: Habit,
    /// Its record.
    pub states: History<Client>,
    /// The token that it keeps until near its end.
    pub token: Option<usize>,
    /// Its refresh token.
    pub refresh: Option<usize>,
}

/// A raw secret and whose it is.
#[derive(Clone, Debug)]
pub struct HeldSecret {
    /// Key of the named secret.
    pub key: Key,
    /// Its client.
    pub party: usize,
    /// The value.
    pub value: String,
}

/// A raw API key and its record.
#[derive(Clone, Debug)]
pub struct HeldKey {
    /// Its client.
    pub party: usize,
    /// The value.
    pub value: String,
    /// Its record.
    pub states: History<ApiKey>,
}

/// A token that was issued.
#[derive(Clone, Debug)]
pub struct Token {
    /// The raw value.
    pub value: String,
    /// The client that it was issued to.
    pub party: usize,
    /// What it allows.
    pub scope: Scope,
    /// For whom it is; empty for refresh tokens.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// The key that signed it.
    pub kid: Option<String>,
    /// The change that ended it before its time.
    pub revoked: Option<u64>,
    /// Whether that key was still the one to sign, by the store.
    pub in_time: bool,
    /// The family that it belongs to, by its place in the model.
    pub family: Option<usize>,
}

impl Token {
    /// A refresh token that lives from one time to the other: it is for no API, and no key signed it.
    #[must_use]
    pub fn refresh(value: String, party: usize, scope: Scope, (issued_at, expires_at): (Time, Time)) -> Self {
        let (audience, kid, revoked, in_time, family) = (Vec::new(), None, None, true, None);
        Self { value, party, scope, audience, issued_at, expires_at, kid, revoked, in_time, family }
    }

    /// By this a node remembers that it ended the token itself.
    #[must_use]
    pub fn mark(&self) -> Key {
        let mut mark = [0; 16];
        mark.copy_from_slice(&jeton_jose::sha256(self.value.as_bytes())[..16]);
        Key::from_bytes(mark)
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Number of the last change.
    pub change: u64,
    /// The latest time that the clock has shown: what had ended then is forgotten, and a clock that is set back does not bring it back.
    pub latest: Time,
    /// The realms.
    pub houses: Vec<House>,
    /// The clients.
    pub parties: Vec<Party>,
    /// The secrets ever given out.
    pub secrets: Vec<HeldSecret>,
    /// The API keys ever given out.
    pub api_keys: Vec<HeldKey>,
    /// The access tokens ever issued.
    pub tokens: Vec<Token>,
    /// The refresh tokens ever issued.
    pub refresh_tokens: Vec<Token>,
    /// The families ever begun.
    pub families: Vec<HeldFamily>,
}

impl Model {
    /// The number of a new change.
    pub fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    /// The client of this id in a realm.
    #[must_use]
    pub fn party(&self, house: usize, client_id: &str) -> Option<usize> {
        self.parties.iter().position(|party| party.house == house && party.states.latest().client_id.as_str() == client_id)
    }

    /// The secrets that a client's record still lists.
    #[must_use]
    pub fn live_secrets(&self, party: usize, now: Time) -> Vec<&HeldSecret> {
        let jeton_core::record::ClientKind::Confidential { secrets, .. } = &self.parties[party].states.latest().kind else {
            return Vec::new();
        };
        let live = |held: &&HeldSecret| {
            let found = secrets.iter().find(|secret| secret.key == held.key);
            found.is_some_and(|secret| secret.expires_at.is_none_or(|end| now < end))
        };
        self.secrets.iter().filter(|held| held.party == party).filter(live).collect()
    }

    /// Every raw value that must stand nowhere.
    pub fn raw_values(&self) -> impl Iterator<Item = &str> {
        let secrets = self.secrets.iter().map(|held| held.value.as_str());
        let keys = self.api_keys.iter().map(|held| held.value.as_str());
        let tokens = self.tokens.iter().chain(&self.refresh_tokens).map(|token| token.value.as_str());
        secrets.chain(keys).chain(tokens)
    }
}
