//! Rotation gives a client a new secret or API key, and lets those that it has serve on for a while, in one step.

use super::client::{CLIENT, REALM, target};
use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::credential::{self, API_KEY_PREFIX, SECRET_PREFIX};
use super::document::{ApiKeyEntry, SecretEntry};
use super::secret::{CREATED, WRITE};
use super::{Act, AdminStop, Args, api_key, secret, show};
use crate::name::{Label, Time};
use crate::record::{ApiKey, Client, ClientKind, ClientSecret, LastUse, Realm, Status, clients_of_realm};
use crate::reminder;
use crate::store::{Order, Place};
use serde_json::{Value, json};

const NAME: Param = Param::option("name", ParamKind::Text, "Its name within the client; left out, today's date.");
const OVERLAP: Param = Param::option(
    "overlap",
    ParamKind::Time,
    "So long those before it still serve: a span such as 12h, or a moment; left out, 7d.",
);
/// Seconds for which the old ones still serve, unless it is said otherwise.
const A_WEEK: i64 = 7 * 86_400;
/// A secret that ended so many seconds ago makes room: nobody needs to read any more that it was right once.
const FORGOTTEN_AFTER: i64 = 30 * 86_400;
/// Clients that are looked at for one page of what will end.
const PAGE: usize = 1000;

/// The commands that replace credentials in time.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "secret.rotate",
        scope: WRITE,
        summary: "Give a client a new secret, shown once, and let those before it end after an overlap.",
        params: &[REALM, CLIENT, NAME, OVERLAP],
        answer: Answer::One(ROTATED),
        examples: &[
            ("jeton secret rotate acme build-7 --overlap 7d", "a week to change over, without a failed request"),
            ("jeton secret rotate acme build-7 --name summer --overlap 2d", "the new one by a name of its own"),
        ],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/secrets/rotate",
        effect: Effect::Changes,
        run: rotate_secret,
    },
    Command {
        name: "secret.expiring",
        scope: super::secret::READ,
        summary: "List the secrets and API keys of a realm that will soon end.",
        params: &[
            REALM,
            Param::option("within", ParamKind::Time, "Those that end by then: a span such as 14d, or a moment; left out, 14d."),
            Param::option("after", ParamKind::Text, "Start behind this client."),
        ],
        answer: Answer::List(EXPIRING),
        examples: &[("jeton secret expiring acme --within 14d", "what must be replaced in the next two weeks")],
        method: "GET",
        path: "/v1/realms/{realm}/expiring",
        effect: Effect::Reads,
        run: expiring,
    },
    Command {
        name: "api-key.rotate",
        scope: WRITE,
        summary: "Give a client a new API key, shown once, and let those before it end after an overlap.",
        params: &[REALM, CLIENT, NAME, OVERLAP],
        answer: Answer::One(ROTATED),
        examples: &[("jeton api-key rotate acme build-7", "a week to change over")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/api-keys/rotate",
        effect: Effect::Changes,
        run: rotate_key,
    },
];

/// A credential that was just made in place of others.
const ROTATED: &[Field] = &[
    CREATED[0],
    CREATED[1],
    CREATED[2],
    CREATED[3],
    Field::shown("replaced", FieldKind::List, "Those that still serve until the overlap is over."),
    Field::shown("replaced_until", FieldKind::Time, "When the overlap is over."),
];

/// A credential that will end.
const EXPIRING: &[Field] = &[
    Field::shown("client_id", FieldKind::Text, "The client."),
    Field::shown("kind", FieldKind::Text, "secret or API key."),
    Field::shown("name", FieldKind::Text, "Its name within the client."),
    Field::shown("hint", FieldKind::Text, "The first characters of the value."),
    Field::shown("expires_at", FieldKind::Time, "From then on it is refused."),
    Field::shown("ends_in", FieldKind::Text, "How long that is."),
    Field::shown("last_used_at", FieldKind::Time, "When it last served, true to about a minute."),
];

/// What a rotation was asked for: the name of the new one, and when the old ones end.
fn asked(act: &Act<'_, '_>, args: &Args) -> Result<(Label, Time), AdminStop> {
    let today = act.now().to_rfc3339();
    let name = Label::parse(args.text("name").unwrap_or(today.get(..10).unwrap_or_default()))?;
    let until = args.time("overlap", act.now())?.unwrap_or_else(|| act.now().plus_seconds(A_WEEK));
    Ok((name, until.max(act.now())))
}

/// A request that comes again after a lost answer must not rotate twice: it is told what the first one did.
fn taken(client: &Client, what: &str, name: &Label, (hint, made): (&str, Time)) -> AdminStop {
    AdminStop::Taken(format!(
        "client {} has {what} {name} already ({hint}…, made {}); if its value was lost, revoke it and rotate again, \
         or choose another name",
        client.client_id,
        made.to_rfc3339()
    ))
}

fn rotate_secret(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut client = act.client(&realm, args.word("client")?)?;
    let (name, until) = asked(act, args)?;
    let now = act.now();
    let value = credential::generate(act, SECRET_PREFIX);
    let made = secret::take(act, &realm, &SecretEntry { name, value: Some(value.clone()), hash: None, expires_at: None })?;
    let mut replaced = Vec::new();
    if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
        if let Some(known) = secrets.iter().find(|known| known.name == made.name) {
            let state = (known.hint.clone(), known.key.created_at());
            return Err(taken(&client, "a secret", &made.name, (&state.0, state.1)));
        }
        secrets.retain(|old| old.expires_at.is_none_or(|end| end.plus_seconds(FORGOTTEN_AFTER) > now));
        let lives = |old: &&mut ClientSecret| old.expires_at.is_none_or(|end| end > now);
        for old in secrets.iter_mut().filter(lives) {
            old.expires_at = Some(old.expires_at.map_or(until, |end| end.min(until)));
            replaced.push(old.name.clone());
        }
    }
    secret::add(&mut client, made.clone())?;
    act.update(&client)?;
    let detail = json!({ "secret": show::secret(&made, None)?, "replaced": replaced, "replaced_until": show::moment(until) });
    act.audit(&realm, "secret.rotate", format!("{}/secret/{}", target(&realm, &client), made.name), detail)?;
    Ok(json!({
        "client_id": client.client_id, "name": made.name, "value": value.expose(), "hint": made.hint,
        "replaced": replaced, "replaced_until": show::moment(until),
    }))
}

fn rotate_key(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let (name, until) = asked(act, args)?;
    let now = act.now();
    let known = api_key::all(act, &client)?;
    if let Some(known) = known.iter().find(|known| known.name == name && known.status != Status::Deleted) {
        return Err(taken(&client, "an API key", &name, (&known.hint, known.key.created_at())));
    }
    let mut replaced = Vec::new();
    let lives = |old: &ApiKey| old.status.is_active() && old.expires_at.is_none_or(|end| end > now);
    for old in known.into_iter().filter(lives) {
        let ends = old.expires_at.map_or(until, |end| end.min(until));
        replaced.push(old.name.clone());
        api_key::keep(act, (&realm, &client), &ApiKey { expires_at: Some(ends), ..old }, "api-key.rotate")?;
    }
    let value = credential::generate(act, API_KEY_PREFIX);
    let made = api_key::make(act, &realm, &client, &ApiKeyEntry { name, value: value.clone(), expires_at: None })?;
    Ok(json!({
        "client_id": client.client_id, "name": made.name, "value": value.expose(), "hint": made.hint,
        "replaced": replaced, "replaced_until": show::moment(until),
    }))
}

fn expiring(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm: Realm = act.realm(args.word("realm")?)?;
    let now = act.now();
    let until = args.time("within", now)?.unwrap_or_else(|| now.plus_seconds(reminder::DAYS[0] * 86_400));
    let after = match args.text("after") {
        Some(id) => {
            let client = act.client(&realm, id)?;
            Some(Place { values: vec![client.client_id.as_str().into()], key: client.key })
        }
        None => None,
    };
    let clients: Vec<Client> = act.records.scan(clients_of_realm(realm.key), after, Order::Ascending, PAGE)?;
    let next = clients.last().filter(|_| clients.len() == PAGE).map(|last| last.client_id.to_string());
    let mut items = Vec::new();
    for client in &clients {
        let keys = api_key::all(act, client)?;
        for ending in reminder::endings(client, &keys, now, until) {
            let used: Option<LastUse> = act.records.read(ending.key)?;
            items.push(json!({
                "client_id": ending.client_id, "kind": ending.kind, "name": ending.name, "hint": ending.hint,
                "expires_at": show::moment(ending.ends_at), "ends_in": show::left(now, ending.ends_at),
                "last_used_at": used.map(|used| show::moment(used.at)),
            }));
        }
    }
    Ok(show::list(items, next))
}
