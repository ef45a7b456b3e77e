//! An API key identifies an application at an API; a client has several named ones, shown once and kept as keyed hashes.

use super::client::{CLIENT, REALM, target};
use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::credential::{self, API_KEY_PREFIX};
use super::document::{ApiKeyEntry, SecretText};
use super::secret::{CREATED, EXPIRES, NAME, READ, WRITE, expiry};
use super::{Act, AdminStop, Args, show};
use crate::name::{Label, Time};
use crate::record::{ApiKey, Client, LastUse, Realm, Status, key_by_hash, keys_of_client};
use crate::store::Order;
use serde_json::{Value, json};

/// The commands about API keys.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "api-key.create",
        scope: WRITE,
        summary: "Give a client an API key: a new one, shown once, or one that it has already.",
        params: &[
            REALM,
            CLIENT,
            NAME,
            Param::option("value", ParamKind::Secret, "A value that the client has already; left out, one is made."),
            EXPIRES,
        ],
        answer: Answer::One(CREATED),
        examples: &[("jeton api-key create acme build-7 main", "a new API key; its value is shown this once")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/api-keys",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "api-key.list",
        scope: READ,
        summary: "List the API keys of a client; never their values.",
        params: &[REALM, CLIENT],
        answer: Answer::List(show::API_KEY),
        examples: &[("jeton api-key list acme build-7", "which there are, and when each last served")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/api-keys",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "api-key.disable",
        scope: WRITE,
        summary: "Switch an API key off.",
        params: &[REALM, CLIENT, NAME],
        answer: Answer::One(show::API_KEY),
        examples: &[("jeton api-key disable acme build-7 main", "until it is enabled")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/api-keys/{name}/disable",
        effect: Effect::Changes,
        run: |act, args| switch(act, args, "api-key.disable", Status::Disabled),
    },
    Command {
        name: "api-key.enable",
        scope: WRITE,
        summary: "Switch an API key on again.",
        params: &[REALM, CLIENT, NAME],
        answer: Answer::One(show::API_KEY),
        examples: &[("jeton api-key enable acme build-7 main", "it passes again")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/api-keys/{name}/enable",
        effect: Effect::Changes,
        run: |act, args| switch(act, args, "api-key.enable", Status::Active),
    },
    Command {
        name: "api-key.revoke",
        scope: WRITE,
        summary: "Take an API key away for ever; its value is never accepted again.",
        params: &[REALM, CLIENT, NAME],
        answer: Answer::One(show::API_KEY),
        examples: &[("jeton api-key revoke acme build-7 main --yes", "it is refused from now on")],
        method: "DELETE",
        path: "/v1/realms/{realm}/clients/{client}/api-keys/{name}",
        effect: Effect::Destroys("API key {name} of client {client} ends for ever; every call that still carries it is refused."),
        run: |act, args| switch(act, args, "api-key.revoke", Status::Deleted),
    },
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let name = Label::parse(args.word("name")?)?;
    if all(act, &client)?.iter().any(|known| known.name == name && known.status != Status::Deleted) {
        let id = &client.client_id;
        return Err(AdminStop::Taken(format!(
            "client {id} has an API key {name} already; choose another name, or revoke it first"
        )));
    }
    let given = args.text("value").map(SecretText::new);
    let made = given.is_none().then(|| credential::generate(act, API_KEY_PREFIX));
    let value = given.or_else(|| made.clone()).ok_or_else(|| AdminStop::Invalid("value is missing".into()))?;
    let expires_at = args.time("expires_at", act.now())?.map(Time::to_rfc3339);
    let key = make(act, &realm, &client, &ApiKeyEntry { name, value, expires_at })?;
    let mut view = json!({
        "client_id": client.client_id, "name": key.name, "hint": key.hint, "expires_at": key.expires_at.map(show::moment),
    });
    if let Some(made) = made {
        view["value"] = made.expose().into();
    }
    Ok(view)
}

/// Makes an API key as an entry says; its value may belong to no other key of the realm, living or dead.
pub(super) fn make(act: &mut Act<'_, '_>, realm: &Realm, client: &Client, entry: &ApiKeyEntry) -> Result<ApiKey, AdminStop> {
    let what = format!("API key {} of client {}", entry.name, client.client_id);
    credential::check_value(&what, &entry.value)?;
    let hash = act.data().api_key_hash(realm.key, entry.value.expose());
    if act.records.find::<ApiKey>(key_by_hash(realm.key, &hash))?.is_some() {
        return Err(AdminStop::Taken(format!("{what}: this value is or was another API key of the realm")));
    }
    let key = ApiKey {
        key: act.new_key("API key"),
        realm: realm.key,
        client: client.key,
        client_id: client.client_id.clone(),
        name: entry.name.clone(),
        hash,
        hint: credential::hint(entry.value.expose()),
        expires_at: expiry(entry.name.as_str(), entry.expires_at.as_deref())?,
        status: Status::Active,
    };
    act.insert(&key)?;
    act.audit(realm, "api-key.create", key_target(realm, client, &key), show::api_key(&key, None))?;
    Ok(key)
}

/// Every API key of a client, dead ones included.
pub(super) fn all(act: &mut Act<'_, '_>, client: &Client) -> Result<Vec<ApiKey>, AdminStop> {
    Ok(act.records.scan(keys_of_client(client.key), None, Order::Ascending, super::act::MOST_ROWS)?)
}

/// Writes a changed API key with its audit record.
pub(super) fn keep(
    act: &mut Act<'_, '_>,
    (realm, client): (&Realm, &Client),
    key: &ApiKey,
    action: &str,
) -> Result<(), AdminStop> {
    act.update(key)?;
    act.audit(realm, action, key_target(realm, client, key), show::api_key(key, None))
}

fn key_target(realm: &Realm, client: &Client, key: &ApiKey) -> String {
    format!("{}/api-key/{}", target(realm, client), key.name)
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let mut items = Vec::new();
    for key in all(act, &client)?.iter().filter(|key| key.status != Status::Deleted) {
        let used: Option<LastUse> = act.records.read(key.key)?;
        let mut view = show::api_key(key, used.map(|used| used.at));
        view["ends_in"] = key.expires_at.map(|end| show::left(act.now(), end)).into();
        items.push(view);
    }
    Ok(show::list(items, None))
}

fn switch(act: &mut Act<'_, '_>, args: &Args, action: &str, status: Status) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let name = args.word("name")?;
    let known = all(act, &client)?.into_iter().find(|key| key.name.as_str() == name && key.status != Status::Deleted);
    let known = known.ok_or_else(|| AdminStop::NotFound(format!("client {} has no API key {name}", client.client_id)))?;
    let key = ApiKey { status, ..known };
    keep(act, (&realm, &client), &key, action)?;
    Ok(show::api_key(&key, None))
}
