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
    let named = if settings.meaning == ScopeMeaning::Granted { Named::by(asked.scope) } else { Named::AsWhole };
    target(asked, &scope, named)
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
    target(asked, &scope, Named::by(asked.scope))
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
fn target(asked: &Asked<'_>, scope: &Scope, named: Named) -> Result<Granted, Why> {
    // An API that is disabled has no scopes: one that was asked for by name is refused, others are left out.
    if named == Named::OneByOne && !scope.iter().all(|token| asked.realm.knows_scope(token)) {
        return Err(Why::ScopeUnknown);
    }
    let scope = canonical(scope.iter().filter(|token| asked.realm.knows_scope(token)).cloned().collect());
    if asked.resources.is_empty() {
        let audience = asked.realm.audience_of(&asked.realm.resources_of(&scope));
        return Ok(Granted { scope, audience });
    }
    let offers = |resource: &ResourceServer, token: &ScopeToken| resource.scopes.iter().any(|entry| entry.scope == *token);
    let mut resources: Vec<&ResourceServer> = Vec::new();
    for identifier in asked.resources {
        let resource = asked.realm.resource(identifier).ok_or(Why::ResourceUnknown)?;
        // A resource at which the client has no right is not one that it may name.
        if !scope.iter().any(|token| offers(resource, token)) {
            return Err(Why::ResourceNotGranted);
        }
        if !resources.iter().any(|known| known.key == resource.key) {
            resources.push(resource);
        }
    }
    let offered = |token: &&ScopeToken| resources.iter().any(|resource| offers(resource, token));
    if named == Named::OneByOne && !scope.iter().all(|token| offered(&token)) {
        return Err(Why::ScopeNotGranted);
    }
    let scope = scope.iter().filter(offered).cloned().collect();
    Ok(Granted { scope, audience: asked.realm.audience_of(&resources) })
}

/// How a request named its scope.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Token by token: each of them must be there.
    OneByOne,
    /// As a whole, or not at all: what is not there is left out.
    AsWhole,
}

impl Named {
    fn by(text: Option<&str>) -> Self {
        if text.is_some_and(|text| text != "*") { Self::OneByOne } else { Self::AsWhole }
    }
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
