//! A client has several named secrets, so that one can be replaced while the other still serves.

use super::client::{CLIENT, REALM, target};
use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::credential::{self, SECRET_PREFIX};
use super::document::{SecretEntry, SecretText};
use super::{Act, AdminStop, Args, show};
use crate::name::{Label, Time};
use crate::record::{Client, ClientKind, ClientSecret, LastUse, Realm, SecretHash};
use jeton_jose::{b64, sha256};
use serde_json::{Value, json};

pub(super) const READ: &str = "admin:credentials:read";
pub(super) const WRITE: &str = "admin:credentials:write";
pub(super) const NAME: Param = Param::word(2, "name", "Its name within the client.");
pub(super) const EXPIRES: Param =
    Param::option("expires_at", ParamKind::Time, "From then on it is refused: a moment, or a span such as 90d.");
/// Most secrets of one client that are kept under slow hashes: each costs a guess as much as a login.
const MOST_SLOW: usize = 4;
/// Most secrets of one client.
const MOST: usize = 20;

/// The commands about secrets.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "secret.create",
        scope: WRITE,
        summary: "Give a client a secret: a new one, shown once, or one that it has already.",
        params: &[
            REALM,
            CLIENT,
            NAME,
            Param::option("value", ParamKind::Secret, "A value that the client has already; left out, one is made."),
            Param::option("hash", ParamKind::Text, "A hash of the value: sha256:…, $argon2id$…, $2b$…, $pbkdf2-sha256$…."),
            EXPIRES,
        ],
        answer: Answer::One(CREATED),
        examples: &[
            ("jeton secret create acme build-7 main", "a new secret; its value is shown this once"),
            ("jeton secret create acme build-7 next --expires-at 90d", "a second one that ends by itself"),
            (
                "printf %s 'correct horse battery' | jeton secret create acme build-7 old --value-stdin",
                "one that the client has already",
            ),
        ],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/secrets",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "secret.list",
        scope: READ,
        summary: "List the secrets of a client; never their values.",
        params: &[REALM, CLIENT],
        answer: Answer::List(show::SECRET),
        examples: &[("jeton secret list acme build-7", "which there are, until when, and when each last served")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/secrets",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "secret.expire",
        scope: WRITE,
        summary: "Let a secret end at a moment; left out, now.",
        params: &[REALM, CLIENT, NAME, EXPIRES],
        answer: Answer::One(show::SECRET),
        examples: &[("jeton secret expire acme build-7 old --expires-at 7d", "a week to change over")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/secrets/{name}/expire",
        effect: Effect::Changes,
        run: expire,
    },
    Command {
        name: "secret.revoke",
        scope: WRITE,
        summary: "Take a secret away at once; tokens got with it live on until they end or the client is disabled.",
        params: &[REALM, CLIENT, NAME],
        answer: Answer::One(show::SECRET),
        examples: &[("jeton secret revoke acme build-7 next --yes", "it is refused from now on")],
        method: "DELETE",
        path: "/v1/realms/{realm}/clients/{client}/secrets/{name}",
        effect: Effect::Destroys("Secret {name} of client {client} ends for ever; whoever still sends it is refused."),
        run: revoke,
    },
];

/// A credential that was just made or taken in, as it is shown.
pub(super) const CREATED: &[Field] = &[
    Field::shown("client_id", FieldKind::Text, "The client."),
    Field::shown("name", FieldKind::Text, "Its name within the client."),
    Field::shown("value", FieldKind::Text, "The new value; it is shown only now."),
    Field::shown("hint", FieldKind::Text, "The first characters, by which it is recognised later."),
    Field::shown("expires_at", FieldKind::Time, "From then on it is refused."),
    Field::hidden("warnings", FieldKind::List, "What to know about an imported value."),
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut client = act.client(&realm, args.word("client")?)?;
    let given = SecretEntry {
        name: Label::parse(args.word("name")?)?,
        value: args.text("value").map(SecretText::new),
        hash: args.text("hash").map(SecretText::new),
        expires_at: args.time("expires_at", act.now())?.map(Time::to_rfc3339),
    };
    let made = (given.value.is_none() && given.hash.is_none()).then(|| credential::generate(act, SECRET_PREFIX));
    let warnings = given.value.as_ref().and_then(|value| credential::warning(&realm, "the secret", value));
    let entry = SecretEntry { value: given.value.or_else(|| made.clone()), ..given };
    let secret = take(act, &realm, &entry)?;
    add(&mut client, secret.clone())?;
    act.update(&client)?;
    let target = format!("{}/secret/{}", target(&realm, &client), secret.name);
    act.audit(&realm, "secret.create", target, show::secret(&secret, None)?)?;
    Ok(created(&client, &secret, made.as_ref(), warnings))
}

fn created(client: &Client, secret: &ClientSecret, made: Option<&SecretText>, warning: Option<String>) -> Value {
    let mut view = json!({
        "client_id": client.client_id, "name": secret.name, "hint": secret.hint,
        "expires_at": secret.expires_at.map(show::moment), "warnings": warning.into_iter().collect::<Vec<_>>(),
    });
    if let Some(made) = made {
        view["value"] = made.expose().into();
    }
    view
}

/// Gives a client that is not yet written its first secret, and shows it.
pub(super) fn add_generated(act: &mut Act<'_, '_>, realm: &Realm, client: &mut Client, name: Label) -> Result<Value, AdminStop> {
    let value = credential::generate(act, SECRET_PREFIX);
    let secret = take(act, realm, &SecretEntry { name, value: Some(value.clone()), hash: None, expires_at: None })?;
    add(client, secret.clone())?;
    Ok(created(client, &secret, Some(&value), None))
}

/// A secret as an entry says, with a key of its own.
pub(super) fn take(act: &mut Act<'_, '_>, realm: &Realm, entry: &SecretEntry) -> Result<ClientSecret, AdminStop> {
    let (hash, hint, import) = hashed(act, realm, entry)?;
    let expires_at = expiry(entry.name.as_str(), entry.expires_at.as_deref())?;
    Ok(ClientSecret { key: act.new_key("secret"), name: entry.name.clone(), hash, hint, import, expires_at })
}

/// What is kept of an entry's value: its hash, its hint, and the mark of an imported hash.
pub(super) fn hashed(
    act: &Act<'_, '_>,
    realm: &Realm,
    entry: &SecretEntry,
) -> Result<(SecretHash, String, Option<String>), AdminStop> {
    let what = format!("secret {}", entry.name);
    match (&entry.value, &entry.hash) {
        (Some(value), None) => {
            credential::check_value(&what, value)?;
            let mac = act.data().secret_hash(realm.key, value.expose());
            Ok((SecretHash::Keyed { mac }, credential::hint(value.expose()), None))
        }
        (None, Some(hash)) => {
            let mark = b64::encode(&sha256(hash.expose().as_bytes()));
            Ok((credential::parse_hash(&what, hash)?, String::new(), Some(mark)))
        }
        _ => Err(AdminStop::Invalid(format!("{what}: give either its value or a hash of it"))),
    }
}

/// Reads the moment of a document's entry. A span would mean another moment each time.
pub(super) fn expiry(name: &str, text: Option<&str>) -> Result<Option<Time>, AdminStop> {
    let invalid = || AdminStop::Invalid(format!("{name}: expires_at is a moment such as 2027-01-01 or 2027-01-01T12:00:00Z"));
    text.map(|text| Time::parse_rfc3339(text).ok_or_else(invalid)).transpose()
}

/// Adds a secret to a client that can hold it.
pub(super) fn add(client: &mut Client, secret: ClientSecret) -> Result<(), AdminStop> {
    let id = &client.client_id;
    let ClientKind::Confidential { secrets, .. } = &mut client.kind else {
        return Err(AdminStop::Invalid(format!("client {id} is public: it runs on people's devices and holds no secret")));
    };
    if secrets.iter().any(|known| known.name == secret.name) {
        let name = &secret.name;
        return Err(AdminStop::Taken(format!(
            "client {id} has a secret {name} already; choose another name, or revoke it first"
        )));
    }
    if secrets.len() >= MOST {
        return Err(AdminStop::Invalid(format!("client {id} has {MOST} secrets; revoke one first")));
    }
    let slow = |secret: &&ClientSecret| matches!(secret.hash, SecretHash::Foreign { .. });
    if slow(&&secret) && secrets.iter().filter(slow).count() >= MOST_SLOW {
        return Err(AdminStop::Invalid(format!("client {id} has {MOST_SLOW} secrets under slow hashes; revoke one first")));
    }
    secrets.push(secret);
    Ok(())
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let ClientKind::Confidential { secrets, .. } = &client.kind else {
        return Ok(show::list(Vec::new(), None));
    };
    let mut items = Vec::new();
    for secret in secrets {
        let used: Option<LastUse> = act.records.read(secret.key)?;
        let mut view = show::secret(secret, used.map(|used| used.at))?;
        view["ends_in"] = secret.expires_at.map(|end| show::left(act.now(), end)).into();
        items.push(view);
    }
    Ok(show::list(items, None))
}

fn expire(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let end = args.time("expires_at", act.now())?.unwrap_or_else(|| act.now());
    with_secret(act, args, "secret.expire", |secrets, at| {
        secrets[at].expires_at = Some(end);
        secrets[at].clone()
    })
}

fn revoke(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    with_secret(act, args, "secret.revoke", |secrets, at| secrets.remove(at))
}

fn with_secret(
    act: &mut Act<'_, '_>,
    args: &Args,
    action: &str,
    change: impl FnOnce(&mut Vec<ClientSecret>, usize) -> ClientSecret,
) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut client = act.client(&realm, args.word("client")?)?;
    let name = args.word("name")?;
    let missing = || AdminStop::NotFound(format!("client {} has no secret {name}", client.client_id));
    let at = match &client.kind {
        ClientKind::Confidential { secrets, .. } => secrets.iter().position(|secret| secret.name.as_str() == name),
        ClientKind::Public => None,
    };
    let (at, target) = (at.ok_or_else(missing)?, format!("{}/secret/{name}", target(&realm, &client)));
    let ClientKind::Confidential { secrets, .. } = &mut client.kind else {
        return Err(AdminStop::NotFound(format!("there is no secret {name}")));
    };
    let secret = change(secrets, at);
    act.update(&client)?;
    let view = show::secret(&secret, None)?;
    act.audit(&realm, action, target, view.clone())?;
    Ok(view)
}
