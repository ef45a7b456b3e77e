//! The weather is what happens to everybody: time that jumps, a store that cannot be asked, processes that die, nodes that catch up.

use crate::game::Game;
use crate::watch::{self, Broken, Weather};
use jeton_core::refusal::Fault;
use jeton_core::store::Store;
use jeton_core::world::Stop;

/// Something happens.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    match game.chance.below(7) {
        0 => forward(game),
        1 => back(game),
        2 | 3 => outage(game),
        4 => {
            let node = game.chance.below(game.nodes.len());
            game.crash(node);
        }
        5 => return flush(game),
        _ => return sweep(game),
    }
    Ok(())
}

fn forward(game: &mut Game) {
    let seconds = *game.chance.pick(&[600, 3590, 3600, 3601, 40 * 86_400]);
    if game.chance.once_in(2) {
        game.pass(seconds);
        game.scribe.note(format!("{seconds} seconds pass"));
        return;
    }
    game.now = game.now.plus_seconds(seconds);
    game.scribe.note(format!("the clock jumps forward by {seconds} seconds"));
}

fn back(game: &mut Game) {
    let seconds = *game.chance.pick(&[1, 9, 11, 90, 3600]);
    game.now = game.now.plus_seconds(-seconds);
    game.scribe.note(format!("the clock jumps back by {seconds} seconds"));
}

/// The store goes, or comes back.
pub(crate) fn outage(game: &mut Game) {
    match game.weather {
        Weather::Fair => {
            game.store.fail_all(Some(Fault::Unavailable("an outage of the simulation".to_owned())));
            game.weather = Weather::Outage;
            game.scribe.note("the store goes");
        }
        Weather::Outage => {
            game.store.fail_all(None);
            game.weather = Weather::Fair;
            game.scribe.note("the store is back");
        }
    }
}

/// Counters and journal are written down.
fn flush(game: &mut Game) -> Result<(), Broken> {
    let at = game.chance.below(game.nodes.len());
    let around = game.around();
    let node = &game.nodes[at];
    match node.tally.flush(&node.engine, &around.world()) {
        Ok(()) | Err(Stop::Fault(Fault::Unavailable(_))) => {
            game.adopted(at)?;
            game.settle()
        }
        Err(stop) => Err(Broken::new(watch::NO_FAULT, format!("the tally cannot be written down: {stop:?}"))),
    }
}

/// What has ended is forgotten; nobody notices.
fn sweep(game: &mut Game) -> Result<(), Broken> {
    if game.weather == Weather::Fair {
        game.model.latest = game.model.latest.max(game.now);
        game.store.sweep(game.now, 100).map_err(|fault| Broken::new(watch::NO_FAULT, fault.to_string()))?;
    }
    game.settle()
}
