//! A keeper lives on its refresh token: it loses answers, asks again, and sometimes shows an old one; an administrator may end it all.

use super::proper;
use crate::ask::{Ask, GrantAsk};
use crate::game::Game;
use crate::watch::{self, Broken};
use jeton_core::record::WithClientCredentials;
use jeton_core::refusal::Fault;
use jeton_core::store::{CommitError, Planned};
use jeton_core::token::revoke_family;

/// Refreshes, or begins a family to refresh.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let living: Vec<usize> = (0..game.model.families.len()).filter(|at| game.model.families[*at].lives(game.now)).collect();
    let Some(family) = game.chance.choose(&living).filter(|_| !game.chance.once_in(5)) else { return begin(game) };
    if game.chance.once_in(9) {
        return revoke(game, family);
    }
    for _ in 0..=game.chance.below(4) {
        refresh(game, family)?;
        game.now = game.now.plus_seconds(i64::from(game.chance.bytes::<1>()[0] >> 3));
    }
    Ok(())
}

/// Shows the newest refresh token of a family, or by mistake an older one.
fn refresh(game: &mut Game, family: usize) -> Result<(), Broken> {
    let held = &game.model.families[family];
    let (party, newest) = (held.party, held.tokens.iter().rev().flatten().next().cloned());
    let any: Vec<String> = held.tokens.iter().flatten().cloned().collect();
    let old = game.chance.choose(&any);
    let mut ask = proper(game, party);
    if !game.chance.once_in(6) {
        ask.scope = None;
    }
    let value = if game.chance.once_in(8) { old } else { newest };
    let Some(value) = value else { return Ok(()) };
    ask.grant = GrantAsk::Refresh(value);
    let ask = Ask::Token(ask);
    spoil_commit(game);
    // Whoever hears nothing asks again, at once or later.
    if game.send("A keeper", &ask)?.is_none() && game.chance.once_in(2) {
        game.send("A keeper who heard nothing", &ask)?;
    }
    Ok(())
}

fn begin(game: &mut Game) -> Result<(), Broken> {
    let begins = |party: &usize| {
        let settings = &game.model.houses[game.model.parties[*party].house].realm.settings.refresh_token;
        settings.with_client_credentials == WithClientCredentials::Rotating
            && !game.model.live_secrets(*party, game.now).is_empty()
    };
    let parties: Vec<usize> = game.ordinary().into_iter().filter(begins).collect();
    let Some(party) = game.chance.choose(&parties) else { return Ok(()) };
    let ask = proper(game, party);
    spoil_commit(game);
    game.send("A keeper", &Ask::Token(ask)).map(drop)
}

/// The coming commit may conflict, fail, or lose its answer.
fn spoil_commit(game: &mut Game) {
    let lost = || Fault::Unavailable("a commit whose answer was lost".to_owned());
    let planned = match game.chance.below(12) {
        0 => Planned::Refuse(CommitError::Conflict),
        1 | 2 => Planned::LoseAnswer(lost()),
        3 => Planned::Refuse(CommitError::Fault(lost())),
        _ => return,
    };
    game.scribe.note(format!("the coming commit: {planned:?}"));
    game.store.plan([planned]);
}

/// An administrator revokes a family.
fn revoke(game: &mut Game, family: usize) -> Result<(), Broken> {
    let key = game.model.families[family].key;
    let at = game.chance.below(game.nodes.len());
    game.scribe.note(format!("the administrator at node {at} revokes a family"));
    let around = game.around();
    let told: Result<(), Fault> =
        game.nodes[at].engine.transact(&around.world(), |records, world| revoke_family(records, world, key));
    match told {
        Ok(()) => {
            let change = game.model.next_change();
            game.model.families[family].revoked = Some(change);
            game.nodes[at].made(key, change);
        }
        Err(Fault::Unavailable(_)) => {
            let stored = game.stored::<jeton_core::record::TokenFamily>(|row| row.key == key).pop();
            let change = stored.is_some_and(|row| row.revoked_at.is_some()).then(|| game.model.next_change());
            game.model.families[family].revoked = change;
        }
        Err(fault) => return Err(Broken::new(watch::NO_FAULT, format!("a revocation fails: {fault}"))),
    }
    game.is_stored(family)?;
    game.settle()
}
