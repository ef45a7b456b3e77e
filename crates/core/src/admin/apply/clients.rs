//! Clients, their secrets and their API keys are made to be as a document says. No value is ever shown.

use super::{Plan, Unmentioned};
use crate::admin::document::{ApiKeyEntry, ClientEntry, SecretEntry};
use crate::admin::resource::Catalogue;
use crate::admin::{Act, AdminStop, api_key, client, client_entry, client_state, credential, secret, show, web_origin};
use crate::name::ClientId;
use crate::record::{ApiKey, Client, ClientKind, ClientSecret, Realm, Status, clients_of_realm};
use crate::store::Order;
use crate::token::dead_until;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where clients are made.
pub(super) struct Place<'a> {
    /// Their realm.
    pub realm: &'a Realm,
    /// What can be granted there.
    pub known: Catalogue,
    /// Whether the realm was made just now, so that it has no clients yet.
    pub is_new: bool,
    /// Whether clients, secrets and keys that the document does not mention go.
    pub unmentioned: Unmentioned,
}

/// Makes every client of the list be as it says.
pub(super) fn apply(act: &mut Act<'_, '_>, place: &Place<'_>, entries: &[ClientEntry], plan: &mut Plan) -> Result<(), AdminStop> {
    let mut named = BTreeSet::new();
    let mut values = BTreeSet::new();
    for entry in entries {
        let id = &entry.client_id;
        if !named.insert(id) {
            return Err(AdminStop::Invalid(format!("client {id} stands twice in realm {}", place.realm.name)));
        }
        for key in entry.api_keys.iter().flatten() {
            if !values.insert(act.data().api_key_hash(place.realm.key, key.value.expose())) {
                return Err(AdminStop::Invalid(format!("API key {} of client {id} has the value of another one", key.name)));
            }
        }
        for secret in entry.secrets.iter().flatten() {
            let what = format!("secret {} of client {id}", secret.name);
            plan.warn(secret.value.as_ref().and_then(|value| credential::warning(place.realm, &what, value)));
        }
        let known = if place.is_new { None } else { act.find_client(place.realm, id)? };
        match known {
            Some(known) if known.status != Status::Deleted => revise(act, place, &known, entry, plan)?,
            Some(_) => drop(client_entry::fresh(act, place.realm, entry, &place.known)?),
            None => make(act, place, entry, plan)?,
        }
    }
    if place.unmentioned == Unmentioned::Goes && !place.is_new {
        prune(act, place, &named, plan)?;
    }
    Ok(())
}

fn make(act: &mut Act<'_, '_>, place: &Place<'_>, entry: &ClientEntry, plan: &mut Plan) -> Result<(), AdminStop> {
    let mut made = client_entry::unwritten(act, place.realm, entry, &place.known)?;
    for entry in entry.secrets.iter().flatten() {
        let taken = secret::take(act, place.realm, entry).map_err(|stop| of_client(&made, stop))?;
        secret::add(&mut made, taken)?;
    }
    act.insert(&made)?;
    if !made.web_origins.is_empty() {
        web_origin::keep(act, &made)?;
    }
    let (target, view) = (client::target(place.realm, &made), show::client(&made)?);
    act.audit(place.realm, "client.create", target.clone(), view)?;
    let mut names = BTreeSet::new();
    for entry in entry.api_keys.iter().flatten() {
        if !names.insert(&entry.name) {
            return Err(AdminStop::Invalid(format!("client {} has two API keys {}", made.client_id, entry.name)));
        }
        api_key::make(act, place.realm, &made, entry)?;
    }
    let mut about = json!({ "scope": made.scope.to_string() });
    for (kind, count) in [("secrets", entry.secrets.as_ref().map(Vec::len)), ("api_keys", entry.api_keys.as_ref().map(Vec::len))]
    {
        if let Some(count) = count.filter(|count| *count > 0) {
            about[kind] = count.into();
        }
    }
    plan.create(target, about);
    Ok(())
}

fn of_client(client: &Client, stop: AdminStop) -> AdminStop {
    match stop {
        AdminStop::Invalid(sentence) => AdminStop::Invalid(format!("client {}: {sentence}", client.client_id)),
        stop => stop,
    }
}

fn revise(
    act: &mut Act<'_, '_>,
    place: &Place<'_>,
    before: &Client,
    entry: &ClientEntry,
    plan: &mut Plan,
) -> Result<(), AdminStop> {
    let mut after = before.clone();
    client_entry::revise(&mut after, entry)?;
    client_entry::check(&after, &place.known)?;
    let loses = !before.scope.is_within(&after.scope) || (before.status.is_active() && !after.status.is_active());
    if loses {
        after.not_before = dead_until(before.not_before.max(place.realm.not_before), act.now());
    }
    let mut fields = show::differences(&show::client(before)?, &show::client(&after)?);
    if let Some(wanted) = &entry.secrets {
        secrets(act, place, &mut after, wanted, &mut fields)?;
    }
    if !fields.is_empty() {
        act.update(&after)?;
        if before.web_origins != after.web_origins {
            web_origin::keep(act, &after)?;
        }
        act.audit(place.realm, "client.set", client::target(place.realm, &after), json!({ "fields": fields }))?;
    }
    if let Some(wanted) = &entry.api_keys {
        api_keys(act, place, &after, wanted, &mut fields)?;
    }
    plan.change(client::target(place.realm, &after), fields);
    Ok(())
}

fn secrets(
    act: &mut Act<'_, '_>,
    place: &Place<'_>,
    client: &mut Client,
    wanted: &[SecretEntry],
    fields: &mut Vec<Value>,
) -> Result<(), AdminStop> {
    let mut named = BTreeSet::new();
    for entry in wanted {
        let name = &entry.name;
        if !named.insert(name) {
            return Err(AdminStop::Invalid(format!("client {} has two secrets {name}", client.client_id)));
        }
        let fresh = secret::take(act, place.realm, entry).map_err(|stop| of_client(client, stop))?;
        let known = match &mut client.kind {
            ClientKind::Confidential { secrets, .. } => secrets.iter_mut().find(|secret| secret.name == *name),
            ClientKind::Public => None,
        };
        match known {
            None => {
                secret::add(client, fresh)?;
                fields.push(json!({ "field": format!("secrets.{name}"), "from": null, "to": "…" }));
            }
            Some(known) => {
                if !is_same(known, &fresh) {
                    fields.push(json!({ "field": format!("secrets.{name}"), "from": "…", "to": "another value" }));
                    (known.key, known.hash, known.hint) = (fresh.key, fresh.hash, fresh.hint);
                    known.import = fresh.import;
                }
                if known.expires_at != fresh.expires_at {
                    let show = |time: Option<_>| time.map(show::moment);
                    let field = format!("secrets.{name}.expires_at");
                    fields.push(json!({ "field": field, "from": show(known.expires_at), "to": show(fresh.expires_at) }));
                    known.expires_at = fresh.expires_at;
                }
            }
        }
    }
    if let (Unmentioned::Goes, ClientKind::Confidential { secrets, .. }) = (place.unmentioned, &mut client.kind) {
        for gone in secrets.iter().filter(|secret| !named.contains(&secret.name)) {
            fields.push(json!({ "field": format!("secrets.{}", gone.name), "from": "…", "to": null }));
        }
        secrets.retain(|secret| named.contains(&secret.name));
    }
    Ok(())
}

/// Whether two secrets have the same value, as far as their hashes tell. An imported hash that was replaced by a keyed one
/// after its first use is recognised by its mark.
fn is_same(known: &ClientSecret, fresh: &ClientSecret) -> bool {
    known.hash == fresh.hash || (fresh.import.is_some() && known.import == fresh.import)
}

fn api_keys(
    act: &mut Act<'_, '_>,
    place: &Place<'_>,
    client: &Client,
    wanted: &[ApiKeyEntry],
    fields: &mut Vec<Value>,
) -> Result<(), AdminStop> {
    let mut living: Vec<ApiKey> = api_key::all(act, client)?;
    living.retain(|key| key.status != Status::Deleted);
    let mut named = BTreeSet::new();
    for entry in wanted {
        let name = &entry.name;
        if !named.insert(name) {
            return Err(AdminStop::Invalid(format!("client {} has two API keys {name}", client.client_id)));
        }
        let hash = act.data().api_key_hash(place.realm.key, entry.value.expose());
        let known = living.iter().find(|key| key.name == *name);
        let Some(known) = known.filter(|known| known.hash == hash) else {
            let from = known.map(|_| "…");
            if let Some(old) = known {
                let gone = ApiKey { status: Status::Deleted, ..old.clone() };
                api_key::keep(act, (place.realm, client), &gone, "api-key.revoke")?;
            }
            api_key::make(act, place.realm, client, entry)?;
            let to = if from.is_some() { "another value" } else { "…" };
            fields.push(json!({ "field": format!("api_keys.{name}"), "from": from, "to": to }));
            continue;
        };
        let expires_at = secret::expiry(name.as_str(), entry.expires_at.as_deref())?;
        if known.expires_at != expires_at {
            let show = |time: Option<_>| time.map(show::moment);
            let field = format!("api_keys.{name}.expires_at");
            fields.push(json!({ "field": field, "from": show(known.expires_at), "to": show(expires_at) }));
            api_key::keep(act, (place.realm, client), &ApiKey { expires_at, ..known.clone() }, "key.set")?;
        }
    }
    if place.unmentioned == Unmentioned::Goes {
        for gone in living.into_iter().filter(|key| !named.contains(&key.name)) {
            fields.push(json!({ "field": format!("api_keys.{}", gone.name), "from": "…", "to": null }));
            api_key::keep(act, (place.realm, client), &ApiKey { status: Status::Deleted, ..gone }, "api-key.revoke")?;
        }
    }
    Ok(())
}

fn prune(act: &mut Act<'_, '_>, place: &Place<'_>, named: &BTreeSet<&ClientId>, plan: &mut Plan) -> Result<(), AdminStop> {
    let clients: Vec<Client> =
        act.records.scan(clients_of_realm(place.realm.key), None, Order::Ascending, crate::admin::act::MOST_ROWS)?;
    for client in clients.iter().filter(|client| client.status != Status::Deleted && !named.contains(&client.client_id)) {
        client_state::delete(act, place.realm, client.client_id.as_str())?;
        plan.delete(client::target(place.realm, client));
    }
    Ok(())
}
