//! Showing turns records into what administrators read: names and states, never a hash and never a secret.

use super::{AdminStop, Field, FieldKind};
use crate::name::Time;
use crate::record::{ApiKey, Client, ClientKind, ClientSecret, Realm, ResourceServer, Status};
use crate::refusal::Fault;
use serde::Serialize;
use serde_json::{Map, Value, json};

use FieldKind::{Integer, List, Object, Rows, Text};

/// A realm, as it is shown.
pub(super) const REALM: &[Field] = &[
    Field::shown("name", Text, "Name in commands and paths."),
    Field::shown("title", Text, "Name for people."),
    Field::shown("issuer", Text, "The bytes of `iss`."),
    Field::shown("dialect", Text, "How it spells the protocol."),
    Field::shown("environment", Text, "Environment label."),
    Field::shown("status", Text, "active, disabled or suspended."),
    Field::hidden("reason", Text, "Why it is suspended."),
    Field::hidden("mounts", Rows, "Where it answers."),
    Field::hidden("profile", Text, "Which rules hold."),
    Field::hidden("permissions", List, "What it allows beyond the RFCs."),
    Field::hidden("settings", Object, "Lifetimes, token format and scope rules."),
    Field::hidden("tokens_from", FieldKind::Time, "Tokens issued before this moment are dead."),
    Field::hidden("created_at", FieldKind::Time, "When it was made."),
];

/// A resource server, as it is shown.
pub(super) const RESOURCE: &[Field] = &[
    Field::shown("identifier", Text, "What stands in `aud`; never an address."),
    Field::shown("title", Text, "Name for people."),
    Field::shown("base_url", Text, "Where it is hosted."),
    Field::shown("api_key", Text, "Whether and where a call carries an API key: none or header."),
    Field::shown("status", Text, "active or disabled."),
    Field::hidden("reason", Text, "Why it is suspended."),
    Field::hidden("scopes", Rows, "Its scopes, each with a sentence."),
    Field::hidden("operations", Rows, "Operations that the sample API serves."),
    Field::hidden("created_at", FieldKind::Time, "When it was made."),
];

/// A scope, as it is shown.
pub(super) const SCOPE: &[Field] = &[
    Field::shown("scope", Text, "The scope token."),
    Field::shown("resource", Text, "The API that has it."),
    Field::shown("sentence", Text, "What it allows."),
];

/// A client, as it is shown.
pub(super) const CLIENT: &[Field] = &[
    Field::shown("client_id", Text, "Its id, unique within the realm for ever."),
    Field::shown("title", Text, "Name for people."),
    Field::shown("type", Text, "confidential or public."),
    Field::shown("grants", List, "The grants it may use."),
    Field::shown("scope", List, "What it was granted."),
    Field::shown("status", Text, "active, disabled, suspended or deleted."),
    Field::hidden("reason", Text, "Why it is suspended."),
    Field::hidden("default_scope", List, "What it gets when it asks for nothing."),
    Field::hidden("auth_methods", List, "How it may authenticate."),
    Field::hidden("redirect_uris", List, "Exact redirect URIs."),
    Field::hidden("web_origins", List, "The web pages from which it may ask."),
    Field::hidden("person", Text, "The person as whom its tokens act."),
    Field::hidden("introspects", List, "The APIs for which it asks what tokens say."),
    Field::hidden("instances", Integer, "How many copies of it run at the same time."),
    Field::hidden("tokens_from", FieldKind::Time, "Tokens issued before this moment are dead."),
    Field::hidden("created_at", FieldKind::Time, "When it was made."),
];

/// A secret, as it is shown.
pub(super) const SECRET: &[Field] = &[
    Field::shown("name", Text, "Its name within the client."),
    Field::shown("hint", Text, "The first characters of the value."),
    Field::shown("form", Text, "What is kept of it: keyed, sha256 or foreign."),
    Field::shown("expires_at", FieldKind::Time, "From then on it is refused."),
    Field::shown("ends_in", Text, "How long that is; only in the list."),
    Field::shown("last_used_at", FieldKind::Time, "When it last served, true to about a minute."),
    Field::hidden("created_at", FieldKind::Time, "When it was made or imported."),
];

/// An API key, as it is shown.
pub(super) const API_KEY: &[Field] = &[
    Field::shown("name", Text, "Its name within the client."),
    Field::shown("hint", Text, "The first characters of the value."),
    Field::shown("status", Text, "active, disabled or deleted."),
    Field::shown("expires_at", FieldKind::Time, "From then on it is refused."),
    Field::shown("ends_in", Text, "How long that is; only in the list."),
    Field::shown("last_used_at", FieldKind::Time, "When it last served, true to about a minute."),
    Field::hidden("created_at", FieldKind::Time, "When it was made or imported."),
];

/// One hour of a client, as it is shown.
pub(super) const USAGE: &[Field] = &[
    Field::shown("hour", FieldKind::Time, "The beginning of the hour."),
    Field::shown("issued", Integer, "Tokens issued."),
    Field::shown("asked", Integer, "Tokens that it asked for in its own name."),
    Field::shown("needed", Integer, "Those of them that it needed."),
    Field::hidden("repeated", Integer, "Those of them that were answered with the token that it had."),
    Field::shown("refused", Integer, "Requests refused."),
];

/// The word for a value of a closed set, as records write it.
pub(super) fn word(value: &impl Serialize) -> Result<String, AdminStop> {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Ok(text),
        _ => Err(Fault::Broken("a value of a closed set is not a word").into()),
    }
}

/// A value as JSON.
pub(super) fn json_of(value: &impl Serialize) -> Result<Value, AdminStop> {
    serde_json::to_value(value).map_err(|_| Fault::Broken("a record cannot be written as JSON").into())
}

/// A moment as people read it.
pub(super) fn moment(time: Time) -> Value {
    time.to_rfc3339().into()
}

/// How long it is until then, as people say it.
pub(super) fn left(now: Time, end: Time) -> Value {
    const HOUR: i64 = 3600;
    match end.seconds() - now.seconds() {
        ..=0 => "ended".into(),
        left @ ..7200 => format!("{} minutes", left / 60).into(),
        left @ ..172_800 => format!("{} hours", left / HOUR).into(),
        left => format!("{} days", left / (24 * HOUR)).into(),
    }
}

/// One page of a list.
pub(super) fn list(items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ "items": items });
    if let Some(next) = next {
        answer["next"] = next.into();
    }
    answer
}

/// A realm.
pub(super) fn realm(realm: &Realm) -> Result<Value, AdminStop> {
    let mut view = json!({
        "name": realm.name, "title": realm.title, "issuer": realm.issuer, "dialect": realm.dialect,
        "environment": realm.environment, "mounts": json_of(&realm.mounts)?, "profile": word(&realm.profile)?,
        "permissions": json_of(&realm.permissions)?, "settings": json_of(&realm.settings)?,
        "created_at": moment(realm.key.created_at()),
    });
    if realm.not_before > Time::default() {
        view["tokens_from"] = moment(realm.not_before);
    }
    status(&mut view, &realm.status);
    Ok(view)
}

/// A resource server.
pub(super) fn resource(resource: &ResourceServer) -> Result<Value, AdminStop> {
    let mut view = json!({
        "identifier": resource.identifier, "title": resource.title, "base_url": resource.base_url,
        "api_key": word(&resource.api_key)?, "scopes": json_of(&resource.scopes)?,
        "operations": json_of(&resource.operations)?, "created_at": moment(resource.key.created_at()),
    });
    status(&mut view, &resource.status);
    Ok(view)
}

/// A client.
pub(super) fn client(client: &Client) -> Result<Value, AdminStop> {
    let (kind, methods) = match &client.kind {
        ClientKind::Confidential { auth_methods, .. } => ("confidential", json_of(auth_methods)?),
        ClientKind::Public => ("public", json!([])),
    };
    let mut view = json!({
        "client_id": client.client_id, "title": client.title, "type": kind, "grants": json_of(&client.grants)?,
        "scope": client.scope, "default_scope": client.default_scope, "auth_methods": methods,
        "redirect_uris": client.redirect_uris, "web_origins": client.web_origins, "person": client.person,
        "instances": client.instances,
        "introspects": json_of(&client.introspects)?, "created_at": moment(client.key.created_at()),
    });
    if client.not_before > client.key.created_at() {
        view["tokens_from"] = moment(client.not_before);
    }
    status(&mut view, &client.status);
    Ok(view)
}

/// A secret.
pub(super) fn secret(secret: &ClientSecret, last_used_at: Option<Time>) -> Result<Value, AdminStop> {
    let form = json_of(&secret.hash)?["form"].clone();
    Ok(json!({
        "name": secret.name, "hint": secret.hint, "form": form, "expires_at": secret.expires_at.map(moment),
        "last_used_at": last_used_at.map(moment), "created_at": moment(secret.key.created_at()),
    }))
}

/// An API key.
pub(super) fn api_key(key: &ApiKey, last_used_at: Option<Time>) -> Value {
    let mut view = json!({
        "name": key.name, "hint": key.hint, "expires_at": key.expires_at.map(moment),
        "last_used_at": last_used_at.map(moment), "created_at": moment(key.key.created_at()),
    });
    status(&mut view, &key.status);
    view
}

fn status(view: &mut Value, status: &Status) {
    view["status"] = match status {
        Status::Active => "active",
        Status::Disabled => "disabled",
        Status::Suspended { .. } => "suspended",
        Status::Deleted => "deleted",
    }
    .into();
    if let Status::Suspended { reason } = status {
        view["reason"] = reason.as_str().into();
    }
}

/// The members in which two views of one thing differ: path, old value, new value.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    differ("", before, after, &mut found);
    found
}

fn differ(path: &str, before: &Value, after: &Value, found: &mut Vec<Value>) {
    if before == after {
        return;
    }
    let none = Map::new();
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let at = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                differ(&path, &at(old), &at(new), found);
            }
        }
        (Value::Null, Value::Object(new)) if !path.is_empty() => {
            differ(path, &Value::Object(none), &Value::Object(new.clone()), found);
        }
        (Value::Array(old), Value::Array(new)) if old.iter().chain(new).all(Value::is_object) => {
            let gone = old.iter().filter(|item| !new.contains(item)).map(|item| (item, &Value::Null));
            let come = new.iter().filter(|item| !old.contains(item)).map(|item| (&Value::Null, item));
            let known = found.len();
            found.extend(gone.chain(come).map(|(from, to)| json!({ "field": path, "from": from, "to": to })));
            if found.len() == known {
                found.push(json!({ "field": path, "from": "one order", "to": "another order" }));
            }
        }
        _ => found.push(json!({ "field": path, "from": before, "to": after })),
    }
}
