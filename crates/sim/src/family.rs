//! A family in the model: which refresh tokens were given out one after the other, and what each of them is still good for.

use crate::ask::{Ask, GrantAsk, TokenAsk};
use crate::game::Game;
use crate::model::{Model, Token};
use crate::watch::{self, Broken};
use bytes::Bytes;
use http::Response;
use jeton_core::event::Outcome;
use jeton_core::name::{Key, Scope, Time};
use jeton_core::record::{RefreshSettings, Rotation, TokenFamily};
use jeton_core::refusal::Why;
use jeton_core::token::FamilyToken;

/// A family as it should be.
#[derive(Clone, Debug)]
pub struct HeldFamily {
    /// Its key.
    pub key: Key,
    /// Its client.
    pub party: usize,
    /// Its refresh tokens, oldest first; nothing for one whose answer never came.
    pub tokens: Vec<Option<String>>,
    /// The most it gives.
    pub scope: Scope,
    /// From when it counts.
    pub issued_at: Time,
    /// Since when the newest waits for its first use, if it took another one's place.
    pub waits_since: Option<Time>,
    /// Its end if it is not used.
    pub idle_until: Time,
    /// Its end.
    pub ends_at: Time,
    /// The change that revoked it.
    pub revoked: Option<u64>,
}

/// What a refresh token that is shown is in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The newest.
    Newest,
    /// The one before, whose answer may have been lost.
    Again,
    /// An old one.
    Replay,
}

impl HeldFamily {
    /// Whether it may still be used by somebody.
    #[must_use]
    pub fn lives(&self, now: Time) -> bool {
        self.revoked.is_none() && now < self.idle_until && now < self.ends_at
    }

    /// What this token is in the family now.
    #[must_use]
    pub fn shown(&self, value: &str, settings: &RefreshSettings, now: Time) -> Shown {
        let behind = self.tokens.iter().rev().position(|token| token.as_deref() == Some(value));
        let waited = self.waits_since.map(|since| now.millis().abs_diff(since.millis()));
        match (behind, waited) {
            (Some(0), _) => Shown::Newest,
            (Some(1), Some(waited)) if settings.grace > 0 && waited <= settings.grace.unsigned_abs() * 1000 => Shown::Again,
            _ => Shown::Replay,
        }
    }
}

impl Model {
    /// The family of a refresh token that this client was given.
    #[must_use]
    pub fn family_of<'a>(&self, ask: &'a TokenAsk) -> Option<(usize, &'a str)> {
        let GrantAsk::Refresh(value) = &ask.grant else { return None };
        let party = self.party(ask.house, &ask.client_id)?;
        let token = self.refresh_tokens.iter().find(|token| token.value == *value && token.party == party)?;
        Some((token.family?, value))
    }

    fn refresh_settings(&self, family: usize) -> RefreshSettings {
        self.houses[self.parties[self.families[family].party].house].realm.settings.refresh_token
    }
}

impl Game {
    /// After a request to a node: no row but a family's has changed, and that one as it should.
    pub(crate) fn unchanged_but_families(
        &mut self,
        (node, ask): (usize, &Ask),
        outcome: Option<&Outcome>,
        (response, refresh): (&Response<Bytes>, Option<&str>),
    ) -> Result<(), Broken> {
        let status = response.status();
        let (rows, families) = watch::digest(&self.store);
        let moved = families != self.digest.1;
        if rows != self.digest.0 {
            return Err(Broken::new(watch::REFUSAL_WRITES_NOTHING, format!("rows changed with status {status}")));
        }
        let shown = match ask {
            Ask::Token(ask) => self.model.family_of(ask).map(|(family, value)| (family, value.to_owned())),
            _ => None,
        };
        let may_move = match (outcome, &shown) {
            (Some(Outcome::Issued | Outcome::Coached), None) => refresh.is_some_and(|token| token.starts_with("jrf_")),
            (Some(Outcome::Issued | Outcome::Coached), Some((family, value))) => {
                return self.used((*family, value), refresh, families);
            }
            (Some(Outcome::Refused(Why::RefreshTokenReplayed)), _) => return self.replayed(node, shown, families),
            (Some(Outcome::Faulted(_)), Some((family, value))) => return self.found((*family, value), families),
            (Some(Outcome::Faulted(_)), None) => matches!(ask, Ask::Token(_)),
            _ => false,
        };
        if moved && !may_move {
            return Err(Broken::new(watch::REFUSAL_WRITES_NOTHING, format!("families changed with status {status}")));
        }
        self.digest.1 = families;
        Ok(())
    }

    /// A refresh token was used: what came back is its successor, and the row says so.
    fn used(&mut self, (at, value): (usize, &str), came: Option<&str>, digest: [u8; 32]) -> Result<(), Broken> {
        let (now, settings) = (self.now, self.model.refresh_settings(at));
        let broken = |what: &str| Err(Broken::new(watch::ONE_SUCCESSOR, what.to_owned()));
        let Some(came) = came else { return broken("a refresh without a refresh token") };
        let known = self.model.refresh_tokens.iter().any(|token| token.value == came);
        let family = &mut self.model.families[at];
        match (family.shown(value, &settings, now), settings.rotation) {
            (Shown::Newest, Rotation::On) if known => return broken("a use gave an old refresh token"),
            (Shown::Newest, Rotation::On) => {
                family.tokens.push(Some(came.to_owned()));
                family.waits_since = Some(now);
                self.rotations += 1;
            }
            (Shown::Newest, Rotation::Off) if came == value => family.waits_since = None,
            (Shown::Newest, Rotation::Off) => return broken("without rotation another refresh token came"),
            (Shown::Again, _) => match family.tokens.last_mut() {
                Some(Some(newest)) if newest != came => return broken("a second successor"),
                Some(newest) => *newest = Some(came.to_owned()),
                None => {}
            },
            (Shown::Replay, _) => return broken("an old refresh token was good"),
        }
        family.idle_until = now.plus_seconds(settings.idle_lifetime);
        if !known {
            let life = (family.issued_at, family.ends_at);
            let token = Token::refresh(came.to_owned(), family.party, family.scope.clone(), life);
            self.model.refresh_tokens.push(Token { family: Some(at), ..token });
        }
        self.is_stored(at)?;
        self.digest.1 = digest;
        Ok(())
    }

    /// An old refresh token was shown: its family is revoked, in the store too.
    fn replayed(&mut self, node: usize, shown: Option<(usize, String)>, digest: [u8; 32]) -> Result<(), Broken> {
        let right = shown.filter(|(at, value)| {
            let family = &self.model.families[*at];
            family.lives(self.now) && family.shown(value, &self.model.refresh_settings(*at), self.now) == Shown::Replay
        });
        let Some((at, _)) = right else {
            return Err(Broken::new(watch::ONE_SUCCESSOR, "what is no replay was called one"));
        };
        let change = self.model.next_change();
        let family = &mut self.model.families[at];
        family.revoked = Some(change);
        self.nodes[node].made(family.key, change);
        self.replays += 1;
        self.is_stored(at)?;
        self.digest.1 = digest;
        Ok(())
    }

    /// Nobody knows whether a commit was made: the row says what of it is true, as it was or as it should be.
    pub(crate) fn found(&mut self, (at, value): (usize, &str), digest: [u8; 32]) -> Result<(), Broken> {
        let key = self.model.families[at].key;
        let Some(row) = self.stored::<TokenFamily>(|row| row.key == key).pop() else { return Ok(()) };
        let (now, settings) = (self.now, self.model.refresh_settings(at));
        let change = self.model.next_change();
        let family = &mut self.model.families[at];
        let shown = family.shown(value, &settings, now);
        let rotated = row.generation == family.tokens.len() as u64 + 1;
        if rotated && shown == Shown::Newest && settings.rotation == Rotation::On {
            family.tokens.push(None);
        }
        if shown == Shown::Replay && row.revoked_at.is_some() {
            family.revoked.get_or_insert(change);
        }
        (family.waits_since, family.idle_until) = (row.rotated_at, row.idle_until);
        self.is_stored(at)?;
        self.digest.1 = digest;
        Ok(())
    }

    /// The row of a family is as the model says, unless it has ended and gone.
    pub(crate) fn is_stored(&self, at: usize) -> Result<(), Broken> {
        let family = &self.model.families[at];
        let Some(row) = self.stored::<TokenFamily>(|row| row.key == family.key).pop() else {
            let gone = self.now >= family.idle_until || self.now >= family.ends_at;
            return if gone { Ok(()) } else { Err(Broken::new(watch::NOTHING_IS_LOST, "a living family is gone")) };
        };
        if row.generation != family.tokens.len() as u64 || row.revoked_at.is_some() != family.revoked.is_some() {
            let what = format!(
                "the row is at {} ({:?}), the tokens at {} ({:?})",
                row.generation,
                row.revoked_at,
                family.tokens.len(),
                family.revoked
            );
            return Err(Broken::new(watch::NOTHING_IS_LOST, what));
        }
        Ok(())
    }

    /// A first refresh token of a family came.
    pub(crate) fn begun(&mut self, token: &Token) -> Result<usize, Broken> {
        let shown = FamilyToken::parse(&token.value).ok_or_else(|| Broken::new(watch::ONE_SUCCESSOR, "no token of a family"))?;
        let settings = self.model.houses[self.model.parties[token.party].house].realm.settings.refresh_token;
        self.model.families.push(HeldFamily {
            key: shown.family,
            party: token.party,
            tokens: vec![Some(token.value.clone())],
            scope: token.scope.clone(),
            issued_at: token.issued_at,
            waits_since: None,
            idle_until: self.now.plus_seconds(settings.idle_lifetime),
            ends_at: self.now.plus_seconds(settings.lifetime),
            revoked: None,
        });
        self.is_stored(self.model.families.len() - 1)?;
        Ok(self.model.families.len() - 1)
    }
}
