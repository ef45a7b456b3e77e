//! The admin realm is made on the first start: its tokens, sealed and short-lived, administer the installation.

use super::act::{ADMIN_REALM, ADMIN_RESOURCE, Act};
use super::{AREAS, AdminStop, show};
use crate::name::{Issuer, Label, Mount, RealmName, ResourceIdentifier, ScopeToken, Time, Title};
use crate::record::{AccessTokenFormat, Placement, Profile, Realm, RealmSettings, ResourceServer, ScopeEntry, Status};
use crate::snapshot::RealmState;
use serde_json::json;
use std::collections::BTreeSet;

/// How long a token of the admin realm lives, in seconds.
const LIFETIME: i64 = 600;

/// Whether this realm administers the others. It answers on the admin listener only.
#[must_use]
pub fn is_admin_realm(state: &RealmState) -> bool {
    state.realm.name.as_str() == ADMIN_REALM
}

/// Makes the admin realm, or follows a changed address of the admin listener and a changed list of scopes. Its dialect is the
/// first of those offered.
pub fn bootstrap(act: &mut Act<'_, '_>, issuer: &Issuer) -> Result<(), AdminStop> {
    let realm = match act.find_realm(&RealmName::parse(ADMIN_REALM)?)? {
        Some(realm) if realm.issuer == *issuer => realm,
        Some(realm) => {
            let moved = Realm { issuer: issuer.clone(), ..realm };
            act.update(&moved)?;
            act.audit(&moved, "realm.set", ADMIN_REALM.into(), json!({ "issuer": issuer }))?;
            moved
        }
        None => {
            let realm = realm(act, issuer)?;
            act.insert(&realm)?;
            let view = show::realm(&realm)?;
            act.audit(&realm, "realm.create", ADMIN_REALM.into(), view)?;
            realm
        }
    };
    let scopes = AREAS
        .iter()
        .map(|(scope, sentence)| Ok(ScopeEntry { scope: ScopeToken::parse(scope)?, sentence: Title::parse(sentence)? }))
        .collect::<Result<Vec<_>, AdminStop>>()?;
    let identifier = ResourceIdentifier::parse(ADMIN_RESOURCE)?;
    match act.find_resource(&realm, &identifier)? {
        Some(known) if known.scopes == scopes => Ok(()),
        Some(known) => act.update(&ResourceServer { scopes, ..known }),
        None => {
            let key = act.new_key("resource");
            act.insert(&ResourceServer {
                key,
                realm: realm.key,
                identifier,
                title: Title::parse("Jeton administration")?,
                base_url: Some(issuer.as_str().to_owned()),
                scopes,
                api_key: Placement::None,
                operations: Vec::new(),
                status: Status::Active,
            })
        }
    }
}

fn realm(act: &mut Act<'_, '_>, issuer: &Issuer) -> Result<Realm, AdminStop> {
    let dialect = act.context.dialects.first().map(|offer| offer.name.clone());
    Ok(Realm {
        key: act.new_key("realm"),
        name: RealmName::parse(ADMIN_REALM)?,
        title: Title::parse("Jeton administration")?,
        issuer: issuer.clone(),
        mounts: vec![Mount::new(None, "")?],
        dialect: dialect.ok_or_else(|| AdminStop::Invalid("no dialect is offered".into()))?,
        profile: Profile::Oauth21,
        environment: Label::parse("admin")?,
        status: Status::Active,
        not_before: Time::default(),
        permissions: BTreeSet::new(),
        settings: RealmSettings { refresh_token_lifetime: LIFETIME, ..RealmSettings::new(LIFETIME, AccessTokenFormat::Opaque) },
    })
}
