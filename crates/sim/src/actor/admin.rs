//! An administrator changes clients, secrets, API keys and signing keys, sometimes while somebody else does the same on another node.

use super::anybody;
use crate::deployment::{Maker, title};
use crate::game::{Around, Game};
use crate::model::{HeldKey, HeldSecret, History};
use crate::watch::{self, Broken};
use jeton_core::name::{Key, ScopeToken, Time};
use jeton_core::record::{ApiKey, Client, ClientKind, Status};
use jeton_core::refusal::Fault;
use jeton_core::store::{CommitError, Planned};
use jeton_core::world::Stop;

/// What is done to a client.
type Change = Box<dyn Fn(&mut Client)>;

/// Makes one change.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    spoil_commits(game);
    let party = anybody(game);
    match game.chance.below(10) {
        0 => new_api_key(game, party),
        1 => switch_api_key(game),
        2 | 3 => super::keys::step(game),
        _ => change_client(game, party),
    }
}

/// The coming commits may conflict, fail, or lose their answer.
fn spoil_commits(game: &mut Game) {
    let lost = || Fault::Unavailable("a commit whose answer was lost".to_owned());
    let planned = match game.chance.below(8) {
        0 => vec![Planned::Refuse(CommitError::Conflict)],
        1 => vec![Planned::Refuse(CommitError::Conflict); 3],
        2 => vec![Planned::LoseAnswer(lost())],
        3 => vec![Planned::Refuse(CommitError::Fault(lost()))],
        _ => return,
    };
    game.scribe.note(format!("the coming commits: {planned:?}"));
    game.store.plan(planned);
}

/// One change of a client, in words and as a function.
fn some_change(game: &mut Game, party: usize) -> (String, Change) {
    let scopes = ["orders/read", "orders/write", "reports/read"];
    let scope: &str = game.chance.pick::<&str>(&scopes);
    let scope = ScopeToken::parse(scope).expect("a scope");
    let now = game.now;
    match game.chance.below(9) {
        0 => ("suspends".to_owned(), Box::new(|client| client.status = Status::Suspended { reason: title("It misbehaves.") })),
        1 => ("disables".to_owned(), Box::new(|client| client.status = Status::Disabled)),
        2 | 3 => ("enables".to_owned(), Box::new(|client| client.status = Status::Active)),
        4 => (format!("grants {scope} to"), Box::new(move |client| client.scope.insert(scope.clone()))),
        5 => (
            format!("withdraws {scope} from"),
            Box::new(move |client| client.scope = client.scope.iter().filter(|token| **token != scope).cloned().collect()),
        ),
        6 => (
            "revokes the tokens of".to_owned(),
            Box::new(move |client| client.not_before = Time::from_seconds(now.seconds() + 1)),
        ),
        7 => new_secret(game, party),
        _ => end_secret(game),
    }
}

fn new_secret(game: &mut Game, party: usize) -> (String, Change) {
    let number = game.model.secrets.len();
    let realm = game.model.parties[party].states.latest().realm;
    let data = game.nodes[0].engine.clone();
    let mut maker = Maker { now: game.now, chance: &mut game.chance, data: data.data() };
    let (secret, value) = maker.secret(realm, &format!("secret-{number}"));
    game.model.secrets.push(HeldSecret { key: secret.key, party, value });
    let change = move |client: &mut Client| {
        if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
            secrets.push(secret.clone());
        }
    };
    ("gives a new secret to".to_owned(), Box::new(change))
}

/// The oldest secret goes, or ends in a minute.
fn end_secret(game: &mut Game) -> (String, Change) {
    let end = game.now.plus_seconds(60);
    if game.chance.once_in(2) {
        let change = move |client: &mut Client| {
            if let ClientKind::Confidential { secrets, .. } = &mut client.kind
                && let Some(first) = secrets.first_mut()
            {
                first.expires_at = Some(end);
            }
        };
        return ("ends the first secret of".to_owned(), Box::new(change));
    }
    let change = |client: &mut Client| {
        if let ClientKind::Confidential { secrets, .. } = &mut client.kind
            && secrets.len() > 1
        {
            secrets.remove(0);
        }
    };
    ("removes the first secret of".to_owned(), Box::new(change))
}

/// How far a change came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It was acknowledged.
    Done,
    /// It failed, or its answer was lost.
    Unknown,
    /// It was not tried.
    Never,
}

/// Two administrators may change the same client at the same time on different nodes; what is acknowledged must stay.
fn change_client(game: &mut Game, party: usize) -> Result<(), Broken> {
    let (words, change) = some_change(game, party);
    let before = game.model.parties[party].states.latest().clone();
    let at = game.chance.below(game.nodes.len());
    let other = (at + 1) % game.nodes.len();
    let rival = (game.nodes.len() > 1 && game.chance.once_in(3)).then(|| some_change(game, party));
    let rival_words = rival.as_ref().map(|(words, _)| format!("; at the same time node {other} {words} it")).unwrap_or_default();
    game.scribe.note(format!("the administrator at node {at} {words} {}{rival_words}", before.client_id));
    let (around, rival_around) = (game.around(), game.around());
    let mut rival_told = Told::Never;
    let told: Result<(), Stop> = game.nodes[at].engine.transact(&around.world(), |records, _| {
        let mut client = records.read::<Client>(before.key)?.ok_or(Fault::Broken("a client is never gone"))?;
        if let (Some((_, rival)), Told::Never) = (&rival, rival_told) {
            rival_told = update(game, other, &rival_around, (before.key, rival));
        }
        change(&mut client);
        Ok(records.update(&client)?)
    });
    let told = acknowledged(told)?;
    let rival = rival.map(|(_, change)| change);
    agree(game, party, &before, [(other, rival_told, rival), (at, told, Some(change))])
}

fn update(game: &Game, node: usize, around: &Around, (key, change): (Key, &Change)) -> Told {
    let done: Result<(), Stop> = game.nodes[node].engine.transact(&around.world(), |records, _| {
        let mut client = records.read::<Client>(key)?.ok_or(Fault::Broken("a client is never gone"))?;
        change(&mut client);
        Ok(records.update(&client)?)
    });
    if done.is_ok() { Told::Done } else { Told::Unknown }
}

pub(super) fn acknowledged(result: Result<(), Stop>) -> Result<Told, Broken> {
    match result {
        Ok(()) => Ok(Told::Done),
        Err(Stop::Fault(Fault::Unavailable(_))) => Ok(Told::Unknown),
        Err(stop) => Err(Broken::new(watch::NO_FAULT, format!("a change fails: {stop:?}"))),
    }
}

/// The store must hold what some order of events explains: every acknowledged change, and of the others any.
fn agree(game: &mut Game, party: usize, before: &Client, changes: [(usize, Told, Option<Change>); 2]) -> Result<(), Broken> {
    let stored = game.stored_client(party).ok_or_else(|| Broken::new(watch::NOTHING_IS_LOST, "a client is gone"))?;
    let mut explained = vec![before.clone()];
    for (_, told, change) in &changes {
        let Some(change) = change else { continue };
        let changed = |client: &Client| {
            let mut client = client.clone();
            change(&mut client);
            client
        };
        match told {
            Told::Done => explained = explained.iter().map(changed).collect(),
            Told::Unknown => explained.extend(explained.clone().iter().map(changed)),
            Told::Never => {}
        }
    }
    if !explained.contains(&stored) {
        let what = format!("the store has {stored:?}, which no order of changes explains");
        return Err(Broken::new(watch::NOTHING_IS_LOST, what));
    }
    let key = stored.key;
    for (node, told, change) in changes {
        let number = game.model.next_change();
        if let (Told::Done, Some(_)) = (told, change) {
            game.nodes[node].made(key, number);
        }
        // Between two changes at once, a node may have seen either; both are behind us when the next request comes.
        game.model.parties[party].states.push(number, stored.clone());
    }
    game.settle()?;
    maybe_crash(game);
    Ok(())
}

pub(super) fn maybe_crash(game: &mut Game) {
    if game.chance.once_in(6) {
        let node = game.chance.below(game.nodes.len());
        game.crash(node);
    }
}

fn new_api_key(game: &mut Game, party: usize) -> Result<(), Broken> {
    let at = game.chance.below(game.nodes.len());
    let client = game.model.parties[party].states.latest().clone();
    let engine = game.nodes[at].engine.clone();
    let number = game.model.api_keys.len();
    let mut maker = Maker { now: game.now, chance: &mut game.chance, data: engine.data() };
    let (key, value) = maker.api_key(&client, &format!("key-{number}"));
    game.scribe.note(format!("the administrator at node {at} gives a new API key to {}", client.client_id));
    let around = game.around();
    let told = acknowledged(engine.transact(&around.world(), |records, _| Ok(records.insert(&key)?)))?;
    let stored: Vec<ApiKey> = game.stored(|row| row.key == key.key);
    if told == Told::Done && stored.is_empty() {
        return Err(Broken::new(watch::NOTHING_IS_LOST, "an acknowledged API key is not there"));
    }
    if !stored.is_empty() {
        let change = game.model.next_change();
        game.model.api_keys.push(HeldKey { party, value, states: History::new(change, key) });
    }
    game.settle()
}

fn switch_api_key(game: &mut Game) -> Result<(), Broken> {
    let at = game.chance.below(game.nodes.len());
    let held = game.chance.below(game.model.api_keys.len());
    let mut key = game.model.api_keys[held].states.latest().clone();
    let end = game.now.plus_seconds(120);
    match (&key.status, game.chance.once_in(3)) {
        (_, true) => key.expires_at = Some(end),
        (Status::Active, false) => key.status = Status::Disabled,
        (_, false) => key.status = Status::Active,
    }
    game.scribe.note(format!("the administrator at node {at} switches the API key {} of {}", key.name, key.client_id));
    let around = game.around();
    let told: Result<(), Stop> = game.nodes[at].engine.transact(&around.world(), |records, _| {
        records.read::<ApiKey>(key.key)?;
        Ok(records.update(&key)?)
    });
    let told = acknowledged(told)?;
    let stored: Option<ApiKey> = game.stored(|row| row.key == key.key).pop();
    let stored = stored.ok_or_else(|| Broken::new(watch::NOTHING_IS_LOST, "an API key is gone"))?;
    let change = game.model.next_change();
    if told == Told::Done {
        if stored != key {
            return Err(Broken::new(watch::NOTHING_IS_LOST, "an acknowledged change of an API key is not there"));
        }
        game.nodes[at].made(key.key, change);
    }
    game.model.api_keys[held].states.push(change, stored);
    game.settle()
}
