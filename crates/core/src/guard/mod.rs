//! The guard decides whether a call may pass to an API: the key first where one is needed, then the token, then its scope.
//!
//! [`decide`] is pure. What may pass is a [`Permit`]; forwarding takes it by value, so nothing unauthorised can be forwarded.

use crate::client_auth::Known;
use crate::event::Concerned;
use crate::failures::Claim;
use crate::name::{Key, ScopeToken};
use crate::record::{ApiKey, Placement, ResourceServer};
use crate::refusal::Why;
use crate::token::{AccessToken, check};
use crate::world::{Presented, Stop, World};
use std::sync::Arc;

/// What a call needs.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The API that is called.
    pub resource: &'a ResourceServer,
    /// Every one of these must be in the token. None at all permits nobody.
    pub scope: &'a [ScopeToken],
}

/// What a call carries.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// The access token, its scheme removed.
    pub token: Option<Presented>,
    /// The API key.
    pub api_key: Option<Presented>,
}

/// A call that may pass: who calls, as whom, with what.
#[derive(Debug)]
pub struct Permit {
    token: Arc<AccessToken>,
    client: Concerned,
    api_key: Option<Key>,
}

impl Permit {
    /// The API key that was used.
    #[must_use]
    pub fn api_key(&self) -> Option<Key> {
        self.api_key
    }

    /// What the token says.
    #[must_use]
    pub fn token(&self) -> &AccessToken {
        &self.token
    }

    /// The calling client.
    #[must_use]
    pub fn client(&self) -> &Concerned {
        &self.client
    }
}

/// A call that may not pass.
#[derive(Debug)]
pub struct Denial {
    /// Why.
    pub stop: Stop,
    /// The client that called, as far as it is known.
    pub client: Option<Concerned>,
}

/// Decides about one call.
pub fn decide(known: Known<'_>, policy: Policy<'_>, carried: &Carried, world: &World<'_>) -> Result<Permit, Denial> {
    let stale = known.fresh(world.now, known.realm.realm.settings.staleness.check);
    stale.map_err(|fault| Denial { stop: fault.into(), client: None })?;
    let key = match policy.resource.api_key {
        Placement::None => None,
        Placement::Header => Some(check_key(known, carried, world).map_err(|denial| count(known, world, denial))?),
    };
    let caller = key.as_deref().map(|key| Concerned { key: key.client, client_id: key.client_id.clone() });
    // RFC 6750 §3: no authentication information, no error code.
    let presented = carried.token.as_ref().ok_or_else(|| Denial { stop: Why::TokenMissing.into(), client: caller.clone() })?;
    let checked = check(known.realm, known.memory, world, presented.expose());
    let (token, client) = checked.map_err(|(stop, client)| Denial { stop, client: client.or(caller.clone()) })?;
    let deny = |why: Why| Denial { stop: why.into(), client: Some(Concerned::from(&*client)) };
    // RFC 9068 §4: the audience must name this resource server.
    if !known.realm.is_for(&token.audience, policy.resource) {
        return Err(deny(Why::TokenAudience));
    }
    if caller.is_some_and(|caller| caller.key != client.key) {
        return Err(deny(Why::ApiKeyOfAnotherClient));
    }
    // RFC 6750 §3.1, insufficient_scope. An empty policy permits nobody.
    if policy.scope.is_empty() || !policy.scope.iter().all(|scope| token.scope.contains(scope)) {
        return Err(deny(Why::ScopeInsufficient));
    }
    Ok(Permit { client: Concerned::from(&*client), api_key: key.map(|key| key.key), token })
}

/// Counts a wrong API key. The right one passes whatever was wrong before it.
fn count(known: Known<'_>, world: &World<'_>, denial: Denial) -> Denial {
    let realm = &known.realm.realm;
    let claim =
        Claim { realm: realm.key, settings: &realm.settings.failures, source: world.source, client_id: None, now: world.now };
    match &denial.stop {
        Stop::Refuse(Why::ApiKeyUnknown | Why::ApiKeyDisabled | Why::ApiKeyExpired) => {
            match known.memory.failures.count(&claim) {
                Ok(()) => denial,
                Err(pace) => Denial { stop: Stop::RefuseFor(Why::ApiKeyTooManyFailures, pace), ..denial },
            }
        }
        _ => denial,
    }
}

fn check_key(known: Known<'_>, carried: &Carried, world: &World<'_>) -> Result<Arc<ApiKey>, Denial> {
    let anonymous = |stop: Stop| Denial { stop, client: None };
    let value = carried.api_key.as_ref().ok_or_else(|| anonymous(Why::ApiKeyMissing.into()))?;
    let realm = known.realm.realm.key;
    let hash = known.data.api_key_hash(realm, value.expose());
    let key = known.memory.api_key(world.facts, realm, &hash).map_err(anonymous)?;
    let key = key.ok_or_else(|| anonymous(Why::ApiKeyUnknown.into()))?;
    let deny =
        |why: Why| Denial { stop: why.into(), client: Some(Concerned { key: key.client, client_id: key.client_id.clone() }) };
    if !key.status.is_active() {
        return Err(deny(Why::ApiKeyDisabled));
    }
    if key.expires_at.is_some_and(|end| world.now >= end) {
        return Err(deny(Why::ApiKeyExpired));
    }
    let client = known.memory.client(world.facts, realm, &key.client_id).map_err(anonymous)?;
    match client {
        Some(client) if client.status.is_active() => Ok(key),
        _ => Err(deny(Why::ApiKeyDisabled)),
    }
}
