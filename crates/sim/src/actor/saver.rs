//! A saver keeps its token until five minutes before its end, always: whatever the realm does about thrift, it is left alone.

use super::proper;
use crate::ask::Ask;
use crate::game::Game;
use crate::model::Habit;
use crate::plant::Plant;
use crate::watch::Broken;

/// How long before its end a token is not used any more, in seconds.
const MARGIN: i64 = 300;
/// Tokens in a row: more than anybody may take at once.
const TOKENS: usize = 80;

/// Lives for as long as so many tokens last.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let savers: Vec<usize> =
        (0..game.model.parties.len()).filter(|party| game.model.parties[*party].habit == Habit::Saves).collect();
    let party = *game.chance.pick(&savers);
    let wish = Ask::Token(proper(game, party));
    for _ in 0..TOKENS {
        let token = game.send("A saver", &wish)?.and_then(|looked| looked.token);
        let kept = token.map_or(1, |token| (game.model.tokens[token].expires_at.seconds() - game.now.seconds() - MARGIN).max(1));
        game.pass(if game.plant == Plant::KeepNothing { 1 } else { kept });
    }
    Ok(())
}
