//! A spendthrift asks for a token at every call. It gets the one it has again, and whatever happens meanwhile must end that one.

use super::{admin, proper};
use crate::ask::Ask;
use crate::game::Game;
use crate::watch::Broken;
use jeton_core::record::{ClientKind, ThriftPolicy};

/// Requests in a row.
const REQUESTS: usize = 60;

/// Asks again and again; now and then an administrator changes something, or a node hears of it.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let wasteful = |party: &usize| {
        let party = &game.model.parties[*party];
        game.model.houses[party.house].realm.settings.thrift.policy == ThriftPolicy::Coalesce
            && matches!(party.states.latest().kind, ClientKind::Confidential { .. })
    };
    let parties: Vec<usize> = game.ordinary().into_iter().filter(wasteful).collect();
    if parties.is_empty() {
        return Ok(());
    }
    let party = *game.chance.pick(&parties);
    let mut wish = proper(game, party);
    for _ in 0..REQUESTS {
        game.now = jeton_core::name::Time::from_millis(game.now.millis() + 500);
        match game.chance.below(30) {
            0 => {
                admin::step(game)?;
                wish = proper(game, party);
            }
            1 => {
                let node = game.chance.below(game.nodes.len());
                game.nodes[node].follow(game.now, &game.model);
            }
            _ => {}
        }
        game.send("A spendthrift", &Ask::Token(wish.clone()))?;
    }
    Ok(())
}
