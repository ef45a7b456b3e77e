//! A thief has copied tokens and keys, and shows them wherever they might open something.

use super::{anybody, proper};
use crate::ask::{Ask, CallAsk, GrantAsk};
use crate::game::Game;
use crate::watch::Broken;

/// Shows something stolen.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    if game.chance.once_in(4) {
        return refresh(game);
    }
    let tokens: Vec<usize> = (0..game.model.tokens.len()).collect();
    let Some(token) = game.chance.choose(&tokens) else { return Ok(()) };
    let own = game.model.parties[game.model.tokens[token].party].house;
    // At the token's own realm, where only what the client lost may stop it, or at another one.
    let house = if game.chance.once_in(2) { own } else { game.chance.below(game.model.houses.len()) };
    let resource = game.chance.below(game.model.houses[house].resources.len());
    let operations = game.model.houses[house].resources[resource].operations.len();
    let keys: Vec<String> = game.model.api_keys.iter().map(|held| held.value.clone()).collect();
    let party = game.model.tokens[token].party;
    let own_key = game.model.api_keys.iter().find(|held| held.party == party).map(|held| held.value.clone());
    let call = CallAsk {
        house,
        resource,
        operation: game.chance.below(operations),
        token: Some(game.model.tokens[token].value.clone()),
        api_key: if game.chance.once_in(2) { own_key } else { game.chance.choose(&keys) },
    };
    game.send("A thief", &Ask::Call(call))?;
    Ok(())
}

/// A stolen refresh token is shown with the thief's own, valid credentials, or with stolen ones; an access token is shown as a refresh token.
fn refresh(game: &mut Game) -> Result<(), Broken> {
    let stolen: Vec<(usize, String)> =
        game.model.refresh_tokens.iter().chain(&game.model.tokens).map(|token| (token.party, token.value.clone())).collect();
    let Some((owner, stolen)) = game.chance.choose(&stolen) else { return Ok(()) };
    let party = if game.chance.once_in(2) { owner } else { anybody(game) };
    let mut ask = proper(game, party);
    ask.grant = GrantAsk::Refresh(stolen);
    game.send("A thief", &Ask::Token(ask))?;
    Ok(())
}
