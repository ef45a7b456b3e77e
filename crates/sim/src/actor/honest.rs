//! An honest client keeps its token until shortly before its end and calls the API with it, as the documents say.

use super::{anybody, proper};
use crate::ask::{Ask, CallAsk, GrantAsk};
use crate::game::Game;
use crate::watch::Broken;
use jeton_core::record::{ClientKind, Placement};

/// How many seconds before its end a token is no longer used.
const MARGIN: i64 = 30;

/// Endpoints that are no documents.
const NOT_READ: [&str; 3] = ["token", "introspection", "revocation"];

/// Asks for a token, or uses the one it has.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let party = anybody(game);
    if game.chance.once_in(8) {
        return read(game, game.model.parties[party].house);
    }
    if matches!(game.model.parties[party].states.latest().kind, ClientKind::Public) {
        return Ok(());
    }
    let kept = game.model.parties[party].token;
    let fresh = kept.filter(|token| game.now.plus_seconds(MARGIN) < game.model.tokens[*token].expires_at);
    match fresh {
        Some(token) => call(game, party, token),
        None => ask(game, party),
    }
}

/// Reads one of the documents that anybody may read.
fn read(game: &mut Game, house: usize) -> Result<(), Broken> {
    let endpoints = &game.dialect(house).file.endpoints;
    let all = jeton_wire::route::Endpoint::ALL;
    let there: Vec<usize> =
        (0..all.len()).filter(|at| !NOT_READ.contains(&all[*at].name()) && !all[*at].paths(endpoints).is_empty()).collect();
    let endpoint = *game.chance.pick(&there);
    game.send("A developer", &Ask::Document { house, endpoint })?;
    Ok(())
}

fn ask(game: &mut Game, party: usize) -> Result<(), Broken> {
    let mut wish = proper(game, party);
    if let Some(refresh) = game.model.parties[party].refresh.filter(|_| game.chance.once_in(2)) {
        wish.grant = GrantAsk::Refresh(game.model.refresh_tokens[refresh].value.clone());
    }
    let wish = Ask::Token(wish);
    let twice = game.chance.once_in(10);
    for _ in 0..=usize::from(twice) {
        let looked = game.send("An honest client", &wish)?;
        if let Some(looked) = looked {
            let party = &mut game.model.parties[party];
            // A refresh token that is refused is not shown again.
            party.refresh = party.refresh.filter(|_| looked.status != 400);
            party.token = looked.token.or(party.token);
            party.refresh = looked.refresh.or(party.refresh);
        }
    }
    Ok(())
}

fn call(game: &mut Game, party: usize, token: usize) -> Result<(), Broken> {
    let house = game.model.parties[party].house;
    let resource = game.chance.below(game.model.houses[house].resources.len());
    let api = &game.model.houses[house].resources[resource];
    let needs_key = api.api_key == Placement::Header;
    let scope = &game.model.tokens[token].scope;
    let all = 0..api.operations.len();
    let allowed: Vec<usize> =
        all.clone().filter(|at| api.operations[*at].scope.iter().all(|needed| scope.contains(needed))).collect();
    let all: Vec<usize> = all.collect();
    let operation =
        if allowed.is_empty() || game.chance.once_in(5) { *game.chance.pick(&all) } else { *game.chance.pick(&allowed) };
    let keys: Vec<String> =
        game.model.api_keys.iter().filter(|held| held.party == party).map(|held| held.value.clone()).collect();
    let call = CallAsk {
        house,
        resource,
        operation,
        token: Some(game.model.tokens[token].value.clone()),
        api_key: if needs_key { game.chance.choose(&keys) } else { None },
    };
    let looked = game.send("An honest client", &Ask::Call(call))?;
    // A client whose token is refused asks for a new one next time.
    if looked.is_some_and(|looked| looked.status == 401) {
        game.model.parties[party].token = None;
    }
    Ok(())
}
