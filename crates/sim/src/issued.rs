//! What came of a token request is remembered: each token, what it says, and that it verifies under the keys that are published.

use crate::actor::keys::known_ahead;
use crate::ask::{Ask, TokenAsk};
use crate::chance::Chance;
use crate::game::{Around, Game, Looked};
use crate::model::Token;
use crate::node::Answered;
use crate::spell;
use crate::watch::{self, Broken};
use bytes::Bytes;
use http::Response;
use jeton_core::name::Scope;
use jeton_core::record::AccessTokenFormat;
use jeton_core::token::{AccessToken, check};
use jeton_core::world::{Facts, Stop, World};
use jeton_jose::{KeySet, jwt, parse_compact};
use jeton_wire::dialect::ReplySource;

impl Game {
    /// Looks inside the tokens of an answer and remembers them.
    pub(crate) fn issued(
        &mut self,
        at: usize,
        ask: &TokenAsk,
        (response, around, opinions): (&Response<Bytes>, &Around, &[Option<Scope>]),
        looked: &mut Looked,
    ) -> Result<(), Broken> {
        let field = |source| self.reply_field(ask.house, response, &source);
        let (value, refresh) = (field(ReplySource::AccessToken), field(ReplySource::RefreshToken));
        let Some(value) = value else { return Err(Broken::new(watch::RIGHTS, "a token answer without a token")) };
        let kid = self.verifies(at, ask.house, (&value, around))?;
        // A node that lags behind goes on with the key that it knows.
        let keys = self.model.houses[ask.house].keys.latest();
        let in_time = keys.iter().any(|key| key.state.is_active() && Some(&key.kid) == kid.as_ref());
        if let (true, Some(kid)) = (in_time, &kid) {
            known_ahead(self, ask.house, kid)?;
        }
        let Some(token) = self.read_token(at, ask.house, (&value, around))? else { return Ok(()) };
        let same = |scope: &Option<Scope>| {
            scope.as_ref().is_some_and(|scope| scope.is_within(&token.scope) && token.scope.is_within(scope))
        };
        if !opinions.iter().any(same) {
            let what = format!("the token has {}; right would be {opinions:?}", token.scope);
            return Err(Broken::new(watch::SCOPE_WITHIN_GRANT, what));
        }
        let party = self.model.party(ask.house, &ask.client_id).expect("a client that got a token exists");
        let mut family = None;
        if let Some(value) = refresh {
            let at = self.refresh_token(value, party, &token)?;
            (looked.refresh, family) = (Some(at), self.model.refresh_tokens[at].family);
        }
        looked.token = Some(self.model.tokens.len());
        let AccessToken { scope, audience, issued_at, expires_at, .. } = token;
        self.model.tokens.push(Token {
            value,
            party,
            scope,
            audience,
            issued_at,
            expires_at,
            kid,
            revoked: None,
            in_time,
            family,
        });
        Ok(())
    }

    /// The refresh token that came with an access token, by its place in the model.
    pub(crate) fn refresh_token(&mut self, value: String, party: usize, with: &AccessToken) -> Result<usize, Broken> {
        if let Some(known) = self.model.refresh_tokens.iter().position(|token| token.value == value) {
            return Ok(known);
        }
        let lifetime = self.model.houses[self.model.parties[party].house].realm.settings.refresh_token_lifetime;
        let life = (with.issued_at, with.issued_at.plus_seconds(lifetime));
        let mut token = Token::refresh(value, party, with.scope.clone(), life);
        if with.family.is_some() {
            token.family = Some(self.begun(&token)?);
        }
        self.model.refresh_tokens.push(token);
        Ok(self.model.refresh_tokens.len() - 1)
    }

    /// A JWT verifies under the key set that the node publishes now; its key's id is answered.
    pub(crate) fn verifies(&self, at: usize, house: usize, (value, around): (&str, &Around)) -> Result<Option<String>, Broken> {
        let AccessTokenFormat::Jwt { typ, .. } = &self.model.houses[house].realm.settings.access_token.format else {
            return Ok(None);
        };
        let broken = |what: String| Broken::new(watch::VERIFIES_AT_ISSUE, what);
        let place = jeton_wire::route::Endpoint::ALL.iter().position(|endpoint| endpoint.name() == "keys");
        let ask = Ask::Document { house, endpoint: place.unwrap_or_default() };
        let request = spell::request(&ask, &self.model.houses[house], self.dialect(house), &mut Chance::new(0));
        let Answered::Answer(response, _) = self.nodes[at].serve(&around.world(), &request) else {
            return Err(broken("the key set is not answered".to_owned()));
        };
        let keys = KeySet::parse(response.body()).map_err(|error| broken(error.to_string()))?;
        let issuer = self.model.houses[house].realm.issuer.as_str();
        let expect = jwt::Expect { issuer, audiences: &[], typ: &[typ], now: self.now.seconds(), leeway: 0 };
        // While the clock is behind the moment from which a client's tokens live, they are issued for that moment.
        let later = self.lives_from(house).into_iter().map(|now| jwt::Expect { now, ..expect });
        let verdicts: Vec<_> =
            std::iter::once(expect).chain(later).map(|expect| jwt::verify(value.as_bytes(), &keys, &expect)).collect();
        if let (false, Some(Err(error))) = (verdicts.iter().any(Result::is_ok), verdicts.first()) {
            return Err(broken(error.to_string()));
        }
        let parsed = parse_compact(value.as_bytes(), jwt::MAX_TOKEN).map_err(|error| broken(error.to_string()))?;
        Ok(parsed.header().kid.clone())
    }

    /// What a fresh token says, as the node itself reads it; nothing if the store cannot be asked.
    pub(crate) fn read_token(
        &self,
        at: usize,
        house: usize,
        (value, around): (&str, &Around),
    ) -> Result<Option<AccessToken>, Broken> {
        let (engine, key) = (&self.nodes[at].engine, self.model.houses[house].realm.key);
        let snapshot = engine.memory.snapshot.load();
        let state = snapshot.realm(key).ok_or_else(|| Broken::new(watch::RIGHTS, "a realm is not in the snapshot"))?;
        let mut facts = Facts::default();
        loop {
            let world = World { facts: &facts, ..around.world() };
            match check(state, &engine.memory, &world, value) {
                Ok((token, _)) => return Ok(Some(AccessToken::clone(&token))),
                Err((Stop::Need(need), _)) => {
                    if engine.meet(self.now, &need, &mut facts).is_err() {
                        return Ok(None);
                    }
                }
                // A clock that went back: the client's tokens are dead until it has caught up.
                Err((Stop::Refuse(_), _)) if !self.lives_from(house).is_empty() => return Ok(None),
                Err((stop, _)) => return Err(Broken::new(watch::RIGHTS, format!("a fresh token is refused: {stop:?}"))),
            }
        }
    }

    /// Moments yet to come from which tokens of a realm's clients live: there are some only when the clock went back.
    pub(crate) fn lives_from(&self, house: usize) -> Vec<i64> {
        let parties = self.model.parties.iter().filter(|party| party.house == house);
        let moments = parties.flat_map(|party| party.states.since(0)).map(|client| client.not_before.seconds());
        moments.filter(|moment| *moment > self.now.seconds()).collect()
    }
}
