//! Actors are those who do something to a deployment: callers of every temper, an administrator, and the weather.

use crate::ask::{GrantAsk, Placed, TokenAsk};
use crate::game::Game;
use crate::watch::Broken;
use jeton_core::record::{AuthMethod, ClientKind, Permission, ScopeMeaning};

mod admin;
mod confused;
mod honest;
mod hostile;
mod keeper;
pub(crate) mod keys;
mod revoker;
mod saver;
mod spendthrift;
mod thief;
pub(crate) mod weather;

/// One step of one actor.
pub type Step = fn(&mut Game) -> Result<(), Broken>;

/// Who acts, and how often in a hundred steps.
pub const CAST: &[(usize, Step)] = &[
    (31, honest::step),
    (12, keeper::step),
    (10, confused::step),
    (12, thief::step),
    (8, hostile::step),
    (14, admin::step),
    (10, weather::step),
    (10, revoker::step),
    (1, spendthrift::step),
    (1, saver::step),
];

/// The request that this client's provider documents, with one of its live secrets.
pub(crate) fn proper(game: &mut Game, party: usize) -> TokenAsk {
    let secret = game.model.live_secrets(party, game.now).last().map(|held| held.value.clone());
    let house = game.model.parties[party].house;
    let client = game.model.parties[party].states.latest().clone();
    let methods = match &client.kind {
        ClientKind::Confidential { auth_methods, .. } => auth_methods.clone(),
        ClientKind::Public => [AuthMethod::ClientSecretPost].into(),
    };
    let both = game.model.houses[house].realm.permissions.contains(&Permission::TwoCredentials);
    let mut places = Vec::new();
    places.extend(methods.contains(&AuthMethod::ClientSecretBasic).then_some(Placed::Header));
    places.extend(methods.contains(&AuthMethod::ClientSecretPost).then_some(Placed::Body));
    places.extend((both && methods.len() == 2).then_some(Placed::Both));
    let scope = match game.model.houses[house].realm.settings.scope.meaning.clone() {
        ScopeMeaning::Tenant(host) => {
            Some(game.chance.pick(&[host.clone(), host.to_ascii_uppercase(), format!("https://{host}/")]).clone())
        }
        ScopeMeaning::Granted => asked_scope(game, party),
    };
    TokenAsk {
        house,
        client_id: client.client_id.as_str().to_owned(),
        secret,
        placed: *game.chance.pick(&places),
        scope,
        grant: GrantAsk::ClientCredentials,
    }
}

/// What a client asks for: nothing, everything, or a part.
fn asked_scope(game: &mut Game, party: usize) -> Option<String> {
    let granted = game.model.parties[party].states.latest().scope.clone();
    let wildcard = game.model.houses[game.model.parties[party].house].realm.permissions.contains(&Permission::WildcardScope);
    match game.chance.below(6) {
        0 => None,
        1 if wildcard => Some("*".to_owned()),
        2 => granted.iter().next().map(ToString::to_string),
        _ => Some(granted.to_string()).filter(|text| !text.is_empty()),
    }
}

/// Some client, mostly one of the few about whom this seed is: what is done to one of them meets what it does itself.
pub(crate) fn anybody(game: &mut Game) -> usize {
    if game.chance.once_in(4) { *game.chance.pick(&game.ordinary()) } else { *game.chance.pick(&game.busy) }
}
