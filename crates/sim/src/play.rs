//! Playing a seed: so many steps of so many actors, each looked at, until a promise is broken or the play is over.

use crate::actor::{CAST, keys, weather};
use crate::game::Game;
use crate::plant::Plant;
use crate::watch::{Broken, Weather};
use std::collections::BTreeSet;
use std::fmt;

/// Steps of one seed.
pub const STEPS: usize = 60;

/// How a seed ended.
#[derive(Clone, Debug)]
pub struct Played {
    /// The seed.
    pub seed: u64,
    /// The conversation, as a transcript.
    pub transcript: String,
    /// Which promise was broken, if one was.
    pub broken: Option<Broken>,
    /// Tokens that were issued; a play in which nothing happens proves nothing.
    pub tokens: usize,
    /// Calls to the API that passed.
    pub calls: usize,
    /// How often a refresh token rotated.
    pub rotations: usize,
    /// How often an old one was noticed.
    pub replays: usize,
    /// Tokens that were handed out again.
    pub repeats: usize,
    /// How often the right secret passed where wrong ones had been too many.
    pub passes: usize,
    /// The exact reasons of every refusal.
    pub reasons: BTreeSet<&'static str>,
}

/// Plays one seed.
#[must_use]
pub fn play(seed: u64, plant: Plant) -> Played {
    let mut game = Game::new(seed, plant);
    let broken = (0..STEPS).find_map(|_| step(&mut game).err());
    let preamble = format!(
        "A deployment of the simulator, seed {seed}. Tokens are captured where they are issued.\n\
         Run it again: SIM_FIRST={seed} SIM_SEEDS=1 cargo test -p jeton-sim simulation"
    );
    Played {
        seed,
        transcript: game.scribe.transcript(&preamble, &game.model),
        broken,
        tokens: game.model.tokens.len(),
        calls: game.calls,
        rotations: game.rotations,
        replays: game.replays,
        repeats: game.repeats,
        passes: game.passes,
        reasons: game.reasons,
    }
}

fn step(game: &mut Game) -> Result<(), Broken> {
    let seconds = game.chance.below(90);
    game.pass(i64::try_from(seconds).unwrap_or(0));
    for node in 0..game.nodes.len() {
        if game.chance.once_in(2) {
            game.nodes[node].follow(game.now, &game.model);
        }
    }
    if game.weather == Weather::Outage && game.chance.once_in(4) {
        weather::outage(game);
    }
    if game.chance.once_in(3) {
        game.arrive()?;
    }
    if game.chance.once_in(2) {
        keys::rotator(game)?;
    }
    let whole: usize = CAST.iter().map(|(weight, _)| weight).sum();
    let mut at = game.chance.below(whole);
    for (weight, actor) in CAST {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return actor(game),
        }
    }
    Ok(())
}

impl fmt::Display for Played {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.transcript)?;
        match &self.broken {
            Some(broken) => writeln!(
                out,
                "\nseed {}: {broken}\nrun it again: SIM_FIRST={} SIM_SEEDS=1 cargo test -p jeton-sim simulation",
                self.seed, self.seed
            ),
            None => writeln!(out, "\nseed {}: every promise held", self.seed),
        }
    }
}
