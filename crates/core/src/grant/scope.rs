//! The scope of a token is decided here: what was asked for, against what is known and granted (RFC 6749 §3.3, RFC 8707).

use super::Asked;
use crate::name::{Scope, ScopeToken};
use crate::record::{Permission, ResourceServer, ScopeMeaning, ScopeOmitted};
use crate::refusal::Why;

/// What a token will allow, and where.
pub(super) struct Granted {
    pub scope: Scope,
    pub audience: Vec<String>,
}

/// Decides the scope of a first token.
pub(super) fn decide(asked: &Asked<'_>, granted: &Scope) -> Result<Granted, Why> {
    let settings = &asked.realm.realm.settings.scope;
    let scope = match (&settings.meaning, asked.scope) {
        (ScopeMeaning::Tenant(host), Some(text)) if names_tenant(text, host) => granted.clone(),
        (ScopeMeaning::Tenant(_), Some(_)) => return Err(Why::ScopeOtherTenant),
        (ScopeMeaning::Tenant(_), None) => return Err(Why::RequestParameterMissing),
        (ScopeMeaning::Granted, Some(text)) => explicit(asked, granted, text)?,
        (ScopeMeaning::Granted, None) => omitted(asked, granted)?,
    };
    target(asked, scope, asked.scope.is_some())
}

/// Decides the scope of a refreshed token: a part of `held`, never more.
pub(super) fn narrow(asked: &Asked<'_>, held: &Scope) -> Result<Granted, Why> {
    let scope = match asked.scope {
        None | Some("*") => held.clone(),
        Some(text) => {
            let scope = Scope::parse(text).map_err(|_| Why::ScopeMalformed)?;
            // RFC 6749 §6: MUST NOT include any scope not originally granted.
            if !scope.is_within(held) {
                return Err(Why::ScopeWidened);
            }
            scope
        }
    };
    target(asked, scope, asked.scope.is_some())
}

/// `example.com` in any case, also as `https://example.com/`.
fn names_tenant(text: &str, host: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).unwrap_or(&lower);
    name.strip_suffix('/').unwrap_or(name) == host
}

fn explicit(asked: &Asked<'_>, granted: &Scope, text: &str) -> Result<Scope, Why> {
    let scope = Scope::parse(text).map_err(|_| Why::ScopeMalformed)?;
    if asked.realm.permits(Permission::WildcardScope) && scope.iter().any(|token| token.as_str() == "*") {
        return if text == "*" { Ok(granted.clone()) } else { Err(Why::ScopeWildcardNotAlone) };
    }
    if let Some(token) = scope.iter().find(|token| !granted.contains(token)) {
        return Err(if asked.realm.knows_scope(token) { Why::ScopeNotGranted } else { Why::ScopeUnknown });
    }
    Ok(scope)
}

fn omitted(asked: &Asked<'_>, granted: &Scope) -> Result<Scope, Why> {
    match &asked.realm.realm.settings.scope.omitted {
        ScopeOmitted::Refuse => Err(Why::ScopeMissing),
        ScopeOmitted::ClientDefault => Ok(match &asked.client.client().default_scope {
            Some(default) => default.iter().filter(|token| granted.contains(token)).cloned().collect(),
            None => granted.clone(),
        }),
        ScopeOmitted::Default(default) => Ok(default.iter().filter(|token| granted.contains(token)).cloned().collect()),
    }
}

/// Chooses the audience, and keeps the scope within the resources that were asked for (RFC 8707 §2.2).
fn target(asked: &Asked<'_>, scope: Scope, explicit: bool) -> Result<Granted, Why> {
    let mut scope = canonical(scope);
    if asked.resources.is_empty() {
        let resources = asked.realm.resources_of(&scope);
        let audience = asked.realm.audience_of(&resources);
        return Ok(Granted { scope, audience });
    }
    let mut resources: Vec<&ResourceServer> = Vec::new();
    for identifier in asked.resources {
        resources.push(asked.realm.resource(identifier).ok_or(Why::ResourceUnknown)?);
    }
    let offered = |token: &ScopeToken| resources.iter().any(|resource| resource.scopes.iter().any(|entry| entry.scope == *token));
    if explicit && !scope.iter().all(offered) {
        return Err(Why::ScopeNotGranted);
    }
    scope = scope.iter().filter(|token| offered(token)).cloned().collect();
    Ok(Granted { scope, audience: resources.iter().map(|resource| resource.identifier.as_str().to_owned()).collect() })
}

/// A set has one order.
fn canonical(scope: Scope) -> Scope {
    if scope.iter().is_sorted() {
        return scope;
    }
    let mut tokens: Vec<ScopeToken> = scope.iter().cloned().collect();
    tokens.sort_unstable();
    tokens.into_iter().collect()
}
