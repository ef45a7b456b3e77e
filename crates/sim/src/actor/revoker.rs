//! A revoker ends tokens, its own and, if it can, those of others, and looks whether what was ended stays dead.

use super::proper;
use crate::ask::{AboutAsk, Ask, CallAsk, Wish};
use crate::game::Game;
use crate::oracle::{self, Verdict};
use crate::watch::{self, Broken};
use bytes::Bytes;
use http::Response;

/// Ends a token, asks about one, or shows a dead one.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let has = |game: &Game, token: &usize| {
        let endpoints = &game.dialect(game.model.parties[game.model.tokens[*token].party].house).file.endpoints;
        !endpoints.introspection.is_empty() && !endpoints.revocation.is_empty()
    };
    let tokens: Vec<usize> = (0..game.model.tokens.len()).filter(|token| has(game, token)).collect();
    let dead = |token: &usize| {
        let token = &game.model.tokens[*token];
        token.revoked.is_some() || token.family.is_some_and(|family| game.model.families[family].revoked.is_some())
    };
    let dead: Vec<usize> = tokens.iter().copied().filter(dead).collect();
    let shown = if game.chance.once_in(2) { game.chance.choose(&dead) } else { None };
    let Some(token) = shown.or_else(|| game.chance.choose(&tokens)) else { return Ok(()) };
    let wish = if game.chance.once_in(2) { Wish::Revoke } else { Wish::Introspect };
    match (shown, game.chance.once_in(2)) {
        (Some(_), true) => call(game, token),
        _ => about(game, token, wish),
    }
}

fn about(game: &mut Game, token: usize, wish: Wish) -> Result<(), Broken> {
    let owner = game.model.tokens[token].party;
    let house = game.model.parties[owner].house;
    let others: Vec<usize> = game.ordinary().into_iter().filter(|party| game.model.parties[*party].house == house).collect();
    let asker = if game.chance.once_in(4) { *game.chance.pick(&others) } else { owner };
    let mut by = proper(game, asker);
    if game.chance.once_in(10) {
        by.secret = None;
    }
    let token = game.model.tokens[token].value.clone();
    game.send("A revoker", &Ask::About(AboutAsk { by, token, wish }))?;
    Ok(())
}

fn call(game: &mut Game, token: usize) -> Result<(), Broken> {
    let party = game.model.tokens[token].party;
    let house = game.model.parties[party].house;
    let resource = game.chance.below(game.model.houses[house].resources.len());
    let operations = game.model.houses[house].resources[resource].operations.len();
    let api_key = game.model.api_keys.iter().find(|held| held.party == party).map(|held| held.value.clone());
    let operation = game.chance.below(operations);
    let token = Some(game.model.tokens[token].value.clone());
    game.send("A revoker", &Ask::Call(CallAsk { house, resource, operation, token, api_key }))?;
    Ok(())
}

impl Game {
    /// What was said about a token, or done to it, is right; what was ended is remembered as dead.
    pub(crate) fn looked_at_token(&mut self, at: usize, ask: &AboutAsk, response: &Response<Bytes>) -> Result<(), Broken> {
        let party = self.model.party(ask.by.house, &ask.by.client_id);
        let place = self.model.tokens.iter().position(|token| token.value == ask.token && Some(token.party) == party);
        let done = response.status().as_u16() == 200;
        match (ask.wish, place) {
            (Wish::Introspect, _) if !done => Ok(()),
            (Wish::Introspect, place) => {
                let right = place.map_or(Verdict::Refuse, |place| {
                    oracle::lives(&self.model, &self.nodes[at], self.now, &self.model.tokens[place])
                });
                let said = if response.body().starts_with(br#"{"active":true"#) { Verdict::Pass } else { Verdict::Refuse };
                if right == said || right == Verdict::Either {
                    return Ok(());
                }
                Err(Broken::new(watch::RIGHTS, format!("a token is said to be {said:?} and is {right:?}")))
            }
            (Wish::Revoke, None) => Ok(()),
            (Wish::Revoke, Some(place)) => {
                // An answer that was lost may have been written.
                let written = watch::digest(&self.store) != self.digest;
                if !(done || written) {
                    return Ok(());
                }
                let change = self.model.next_change();
                let token = &mut self.model.tokens[place];
                token.revoked.get_or_insert(change);
                if done {
                    self.nodes[at].made(token.mark(), change);
                }
                self.settle()
            }
        }
    }
}
