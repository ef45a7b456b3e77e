//! Signing keys move on: by themselves at some node, or because an administrator rotates, retires or revokes one.

use super::admin::{Told, acknowledged, maybe_crash};
use crate::game::Game;
use crate::keys;
use crate::model::House;
use crate::plant::Plant;
use crate::watch::{self, Broken};
use jeton_core::admin::{AdminStop, Args, Powers, command};
use jeton_core::name::Key;
use jeton_core::record::{Actor, KeyEnd, KeyState, SigningKeyRecord};
use jeton_core::run::{Caller, Engine};
use jeton_core::world::{Facts, KeyPair, Need, Stop, World};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A node looks at its keys, and takes the steps that are due.
pub(crate) fn rotator(game: &mut Game) -> Result<(), Broken> {
    let at = game.chance.below(game.nodes.len());
    let snapshot = game.nodes[at].engine.memory.snapshot.load_full();
    let mut due = game.nodes[at].watch.look(&snapshot, game.now, game.steady);
    if game.plant == Plant::HurryKeys {
        let next = snapshot.realms().flat_map(|state| &state.keys).filter(|key| key.state == KeyState::Next);
        due.waited = next.map(|key| key.key).collect();
        due.realms = game.model.houses.iter().map(|house| house.realm.key).collect();
    }
    for realm in due.realms.clone() {
        let house = game.model.houses.iter().position(|house| house.realm.key == realm);
        let house = house.ok_or_else(|| Broken::new(watch::NO_FAULT, "keys of a realm that nobody made"))?;
        let told = with_pairs(game, (at, house), |engine, world| engine.rotate(world, realm, &due).map(drop))?;
        moved(game, (at, house), told)?;
    }
    Ok(())
}

/// An administrator does not wait.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let at = game.chance.below(game.nodes.len());
    let house = game.chance.below(game.model.houses.len());
    let stored = game.model.houses[house].keys.latest().clone();
    let Some(key) = game.chance.choose(&stored) else { return Ok(()) };
    let active = stored.iter().find(|key| key.state.is_active()).unwrap_or(&key).kid.clone();
    let (name, kid, now) = match game.chance.below(6) {
        0 => ("key.rotate", None, true),
        1 => ("key.retire", Some(active), false),
        2 => ("key.revoke", Some(active), false),
        3 => ("key.revoke", Some(key.kid), false),
        _ => ("key.rotate", None, false),
    };
    let mut given = Map::from_iter([("realm".to_owned(), game.model.houses[house].realm.name.as_str().into())]);
    given.extend(kid.map(|kid| ("kid".to_owned(), Value::from(kid))));
    given.extend(now.then(|| ("now".to_owned(), Value::Bool(true))));
    game.scribe.note(format!("the administrator at node {at} runs {name} {}", Value::Object(given.clone())));
    let row = command(name).ok_or_else(|| Broken::new(watch::NO_FAULT, "a command is gone"))?;
    let args = Args::parse(row, given).map_err(|stop| Broken::new(watch::NO_FAULT, stop.to_string()))?;
    let caller = Caller { actor: &Actor::System, powers: Powers::Whole, dialects: &[] };
    let told = with_pairs(game, (at, house), |engine, world| engine.administer(world, row, &args, &caller).map(drop))?;
    if name != "key.retire" && (now || name == "key.revoke") {
        hurried(game, house);
    }
    moved(game, (at, house), told)?;
    maybe_crash(game);
    Ok(())
}

/// Whoever hurries a key knows that verifiers may not have it.
fn hurried(game: &mut Game, house: usize) {
    let realm = game.model.houses[house].realm.key;
    let active: Vec<SigningKeyRecord> = game.stored::<SigningKeyRecord>(|_| true);
    let active = active.into_iter().filter(|key| key.realm == realm && key.state.is_active()).map(|key| key.kid);
    game.model.houses[house].hurried.extend(active);
}

/// Decides with the realm's next test key where one is needed; without any left, nothing is done.
fn with_pairs(
    game: &mut Game,
    (at, house): (usize, usize),
    decide: impl Fn(&Engine, &World<'_>) -> Result<(), AdminStop>,
) -> Result<Told, Broken> {
    let (around, engine) = (game.around(), Arc::clone(&game.nodes[at].engine));
    let mut facts = Facts::default();
    loop {
        let done = match decide(&engine, &World { facts: &facts, ..around.world() }) {
            Err(AdminStop::Need(Need::KeyPair(algorithm))) => {
                let House { next_key, first_key, .. } = &mut game.model.houses[house];
                if *next_key >= *first_key + keys::KEYS {
                    return Ok(Told::Never);
                }
                let (pkcs8, _) = keys::pair(algorithm, *next_key);
                *next_key += 1;
                facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.into() });
                continue;
            }
            Err(AdminStop::Fault(fault)) => Err(Stop::Fault(fault)),
            Err(AdminStop::Invalid(_)) => return Ok(Told::Never),
            Err(stop) => return Err(Broken::new(watch::NO_FAULT, stop.to_string())),
            Ok(()) => Ok(()),
        };
        return acknowledged(done);
    }
}

/// What the store has now is what should be; a key that went must not take living tokens with it.
fn moved(game: &mut Game, (at, house): (usize, usize), told: Told) -> Result<(), Broken> {
    let realm: Key = game.model.houses[house].realm.key;
    let mut stored: Vec<SigningKeyRecord> = game.stored(|_| true);
    stored.retain(|key| key.realm == realm);
    let active = stored.iter().filter(|key| key.state.is_active()).count();
    let signs = !game.model.houses[house].keys.latest().is_empty();
    if active != usize::from(signs) {
        return Err(Broken::new(watch::NO_FAULT, format!("{active} keys sign for one purpose")));
    }
    outlived(game, house, &stored)?;
    let change = game.model.next_change();
    let steady = game.steady;
    let house = &mut game.model.houses[house];
    let published = stored.iter().filter(|key| key.state.is_published()).map(|key| key.kid.clone()).collect();
    house.published.push((steady, published));
    house.keys.push(change, stored);
    if told == Told::Done {
        game.nodes[at].made(realm, change);
    }
    game.settle()
}

/// A key that retired goes only after the last token that it signed while it was the one to sign.
fn outlived(game: &Game, house: usize, stored: &[SigningKeyRecord]) -> Result<(), Broken> {
    for before in game.model.houses[house].keys.latest() {
        let KeyState::Retiring { since, .. } = before.state else { continue };
        let after = stored.iter().find(|key| key.key == before.key).map(|key| key.state);
        if !matches!(after, None | Some(KeyState::Gone { end: KeyEnd::Outlived | KeyEnd::Withdrawn, .. })) {
            continue;
        }
        let mut signed = game.model.tokens.iter().filter(|token| token.kid.as_ref() == Some(&before.kid) && token.in_time);
        if signed.any(|token| game.now < token.expires_at && token.issued_at <= since.plus_seconds(1)) {
            return Err(Broken::new(watch::KEY_OUTLIVES_TOKENS, format!("{} goes before its last token ends", before.kid)));
        }
    }
    Ok(())
}

/// Whether a verifier with the key set of one cache time ago knows the key of a token that is issued now.
pub(crate) fn known_ahead(game: &Game, house: usize, kid: &str) -> Result<(), Broken> {
    let house = &game.model.houses[house];
    let then = game.steady - house.realm.settings.keys.publish_ahead * 1000;
    let set = house.published.iter().rev().find(|(at, _)| *at <= then).map(|(_, kids)| kids);
    if house.hurried.contains(kid) || set.is_some_and(|kids| kids.contains(kid)) {
        return Ok(());
    }
    Err(Broken::new(
        watch::VERIFIES_AHEAD,
        format!("{kid} signs and was not published {} seconds ago", house.realm.settings.keys.publish_ahead),
    ))
}
