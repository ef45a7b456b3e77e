//! A confused client has read the wrong page: another scope, another realm, an old secret, credentials in the wrong place.

use super::{anybody, proper};
use crate::ask::{Ask, CallAsk, GrantAsk, Placed};
use crate::budget::{self, GUESSERS};
use crate::game::Game;
use crate::watch::Broken;

/// Grant types that this server never had, or spells otherwise.
const UNKNOWN_GRANTS: [&str; 4] = ["password", "implicit", "authorization_code", "Client_Credentials"];

/// Makes one mistake, or guesses on and on.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let party = anybody(game);
    let mut ask = proper(game, party);
    match game.chance.below(12) {
        0 => ask.scope = Some("orders/delete".to_owned()),
        1 => ask.scope = Some(format!("{} orders/write", ask.scope.unwrap_or_else(|| "orders/read".to_owned()))),
        2 => {
            ask.scope =
                Some(game.chance.pick(&["", " ", "orders/read  orders/write", "* orders/read", "\"", "ORDERS/READ"]).to_string())
        }
        3 => ask.secret = None,
        4 => ask.secret = ask.secret.map(|secret| secret.replace('+', " ")),
        5 => ask.house = game.chance.below(game.model.houses.len()),
        6 => ask.grant = GrantAsk::Unknown(game.chance.pick::<&str>(&UNKNOWN_GRANTS)),
        7 => ask.placed = *game.chance.pick(&[Placed::Header, Placed::Body, Placed::Both]),
        8 => return wrong_call(game, party),
        _ => return brute_force(game, party),
    }
    game.send("A confused client", &Ask::Token(ask))?;
    Ok(())
}

fn wrong_call(game: &mut Game, party: usize) -> Result<(), Broken> {
    let house = game.model.parties[party].house;
    let token = game.model.parties[party].token.map(|token| game.model.tokens[token].value.clone());
    let token = match game.chance.below(3) {
        0 => None,
        1 => Some("not-a-token".to_owned()),
        _ => token.map(|token| token[..token.len() - 2].to_owned()),
    };
    let api_key = game.chance.once_in(2).then(|| "not-a-key".to_owned());
    let call = CallAsk { house, resource: 0, operation: game.chance.below(3), token, api_key };
    game.send("A confused client", &Ask::Call(call))?;
    Ok(())
}

fn brute_force(game: &mut Game, party: usize) -> Result<(), Broken> {
    let source = if game.chance.once_in(3) {
        let ask = Ask::Token(proper(game, party));
        budget::home(&game.model, &ask)
    } else {
        *game.chance.pick(&GUESSERS)
    };
    for _ in 0..game.chance.below(25) {
        let mut ask = proper(game, party);
        let guess = game.chance.text(16);
        ask.secret = Some(match ask.secret {
            // The beginning of the right one is as wrong as anything else.
            Some(right) if game.chance.once_in(3) => right[..right.len() - 1].to_owned(),
            _ => guess.clone(),
        });
        if game.chance.once_in(3) {
            ask.client_id = format!("nobody-{guess}");
        }
        game.send_from(source, "A guesser", &Ask::Token(ask))?;
    }
    // The client itself comes from the same address, or a thief of the secret does.
    let right = Ask::Token(proper(game, party));
    game.send_from(source, "The one who is guessed at", &right).map(drop)
}
