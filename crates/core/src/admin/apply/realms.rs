//! Realms and their APIs are made to be as a document says.

use super::clients::{self, Place};
use super::{Plan, Unmentioned};
use crate::admin::document::{Document, RealmEntry, ResourceEntry};
use crate::admin::{Act, AdminStop, realm, resource, show};
use crate::record::{Realm, ResourceServer, Status};
use crate::token::realm_dead_until;
use serde_json::json;
use std::collections::BTreeSet;

/// Makes every realm of the document be as it says.
pub(super) fn apply(
    act: &mut Act<'_, '_>,
    document: &Document,
    unmentioned: Unmentioned,
    plan: &mut Plan,
) -> Result<(), AdminStop> {
    let mut realms = act.realms()?;
    let mut named = BTreeSet::new();
    for entry in &document.realm {
        if !named.insert(&entry.name) {
            return Err(AdminStop::Invalid(format!("realm {} stands twice in the document", entry.name)));
        }
        let known = realms.iter().position(|realm| realm.name == entry.name);
        let (realm, is_new) = match known {
            Some(at) => {
                let after = changed(act, &realms[at].clone(), entry, &realms, plan)?;
                realms[at] = after.clone();
                (after, false)
            }
            None => {
                let made = realm::make(act, entry, &realms)?;
                let view = show::realm(&made)?;
                let about = json!({ "issuer": made.issuer, "dialect": made.dialect });
                act.audit(&made, "realm.create", made.name.to_string(), view)?;
                plan.create(made.name.to_string(), about);
                realms.push(made.clone());
                (made, true)
            }
        };
        let known = resources(act, (&realm, is_new), &entry.resource, unmentioned, plan)?;
        let place = Place { realm: &realm, known: resource::catalogue(&known), is_new, unmentioned };
        clients::apply(act, &place, &entry.client, plan)?;
    }
    Ok(())
}

fn changed(
    act: &mut Act<'_, '_>,
    before: &Realm,
    entry: &RealmEntry,
    realms: &[Realm],
    plan: &mut Plan,
) -> Result<Realm, AdminStop> {
    act.may_change(before)?;
    let mut after = before.clone();
    realm::revise(act, &mut after, entry, realms)?;
    if before.status.is_active() && !after.status.is_active() {
        after.not_before = realm_dead_until(before.not_before, act.now());
    }
    plan.change(before.name.to_string(), realm::keep(act, before, &after, "realm.set")?);
    Ok(after)
}

fn resources(
    act: &mut Act<'_, '_>,
    (realm, is_new): (&Realm, bool),
    entries: &[ResourceEntry],
    unmentioned: Unmentioned,
    plan: &mut Plan,
) -> Result<Vec<ResourceServer>, AdminStop> {
    let mut known = if is_new { Vec::new() } else { act.resources(realm)? };
    let mut named = BTreeSet::new();
    for entry in entries {
        let identifier = &entry.identifier;
        if !named.insert(identifier) {
            return Err(AdminStop::Invalid(format!("resource {identifier} stands twice in realm {}", realm.name)));
        }
        match known.iter_mut().find(|resource| resource.identifier == *identifier) {
            Some(resource) => {
                let after = resource::revised(resource, entry)?;
                let fields = resource::keep(act, realm, (resource, &after), "resource.set")?;
                plan.change(resource::target(realm, &after), fields);
                *resource = after;
            }
            None => {
                let made = resource::make(act, realm, entry)?;
                let scopes: Vec<_> = made.scopes.iter().map(|entry| entry.scope.to_string()).collect();
                plan.create(resource::target(realm, &made), json!({ "scopes": scopes.join(" ") }));
                known.push(made);
            }
        }
    }
    if unmentioned == Unmentioned::Goes {
        for resource in known.iter_mut().filter(|resource| !named.contains(&resource.identifier) && resource.status.is_active()) {
            let after = ResourceServer { status: Status::Disabled, ..resource.clone() };
            let fields = resource::keep(act, realm, (resource, &after), "resource.disable")?;
            plan.change(resource::target(realm, &after), fields);
            *resource = after;
        }
    }
    Ok(known)
}
