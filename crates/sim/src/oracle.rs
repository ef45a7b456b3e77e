//! The oracle says what must become of a request: it passes, it is refused, or, while a node lags behind, either.
//!
//! It is a second, slower opinion on the rules: it shares types with the core but none of its decisions.

use crate::ask::{AboutAsk, Ask, CallAsk, GrantAsk, Placed, TokenAsk};
use crate::family::Shown;
use crate::model::{Model, Token};
use crate::node::Node;
use jeton_core::name::{Scope, Time};
use jeton_core::record::{
    AccessTokenFormat, ApiKey, AudienceRule, AuthMethod, Client, ClientKind, GrantName, KeyState, Permission, Placement,
    ScopeMeaning, ScopeOmitted, SigningKeyRecord,
};

/// What must happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It is refused.
    Refuse,
    /// Both are right at this node at this moment.
    Either,
}

/// The verdict about a request to a node.
#[must_use]
pub fn judge(model: &Model, node: &Node, now: Time, ask: &Ask) -> Verdict {
    match ask {
        Ask::Token(ask) => verdict(token_opinions(model, node, now, ask).iter().map(Option::is_some)),
        Ask::Call(ask) => call(model, node, now, ask),
        Ask::About(ask) => about(model, node, now, ask),
        Ask::Document { .. } => Verdict::Pass,
        Ask::Nonsense(_) => Verdict::Refuse,
    }
}

fn verdict(opinions: impl Iterator<Item = bool>) -> Verdict {
    let opinions: Vec<bool> = opinions.collect();
    match (opinions.contains(&true), opinions.contains(&false)) {
        (true, false) => Verdict::Pass,
        (true, true) => Verdict::Either,
        (false, _) => Verdict::Refuse,
    }
}

/// For each state that the node may know: the scope of the token, or nothing if it is refused.
#[must_use]
pub fn token_opinions(model: &Model, node: &Node, now: Time, ask: &TokenAsk) -> Vec<Option<Scope>> {
    let Some(party) = model.party(ask.house, &ask.client_id) else { return vec![None] };
    let states = &model.parties[party].states;
    let from = node.knows(states.latest().key);
    states.since(from).map(|client| token(model, (party, client), now, ask)).collect()
}

/// Whoever shows that it is a client may ask about a token, whosever it is; public clients only want to end theirs, and have none.
fn about(model: &Model, node: &Node, now: Time, ask: &AboutAsk) -> Verdict {
    let Some(party) = model.party(ask.by.house, &ask.by.client_id) else { return Verdict::Refuse };
    let states = &model.parties[party].states;
    if matches!(states.latest().kind, ClientKind::Public) {
        return Verdict::Either;
    }
    let known = states.since(node.knows(states.latest().key));
    verdict(known.map(|client| authentic(model, (party, client), now, &ask.by).is_some()))
}

/// Whether the credentials of a request are those of its client.
fn authentic(model: &Model, (party, client): (usize, &Client), now: Time, ask: &TokenAsk) -> Option<()> {
    let ClientKind::Confidential { auth_methods, secrets, .. } = &client.kind else { return None };
    let held = model.secrets.iter().find(|held| held.party == party && Some(&held.value) == ask.secret.as_ref())?;
    let secret = secrets.iter().find(|secret| secret.key == held.key)?;
    if secret.expires_at.is_some_and(|end| now >= end) || !client.status.is_active() {
        return None;
    }
    let realm = &model.houses[ask.house].realm;
    let methods: &[AuthMethod] = match ask.placed {
        Placed::Header => &[AuthMethod::ClientSecretBasic],
        Placed::Body => &[AuthMethod::ClientSecretPost],
        Placed::Both if realm.permissions.contains(&Permission::TwoCredentials) => {
            &[AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]
        }
        Placed::Both => return None,
    };
    methods.iter().all(|method| auth_methods.contains(method)).then_some(())
}

fn token(model: &Model, (party, client): (usize, &Client), now: Time, ask: &TokenAsk) -> Option<Scope> {
    authentic(model, (party, client), now, ask)?;
    match &ask.grant {
        GrantAsk::ClientCredentials if client.grants.contains(&GrantName::ClientCredentials) => first_scope(model, client, ask),
        GrantAsk::Refresh(value) if client.grants.contains(&GrantName::RefreshToken) => {
            let token = model.refresh_tokens.iter().find(|token| token.value == *value && token.party == party)?;
            let realm = &model.houses[ask.house].realm;
            let good = match token.family.map(|at| &model.families[at]) {
                None => now < token.expires_at,
                Some(family) => family.lives(now) && family.shown(value, &realm.settings.refresh_token, now) != Shown::Replay,
            };
            let dead = !good || token.issued_at.seconds() < client.not_before.seconds();
            (!dead).then(|| narrowed(token, client, ask)).flatten()
        }
        _ => None,
    }
}

fn first_scope(model: &Model, client: &Client, ask: &TokenAsk) -> Option<Scope> {
    let realm = &model.houses[ask.house].realm;
    let settings = &realm.settings.scope;
    let part = |list: &Scope| list.iter().filter(|token| client.scope.contains(token)).cloned().collect::<Scope>();
    // RFC 6749 §3.2: a parameter without a value counts as omitted.
    match (&settings.meaning, ask.scope.as_deref().filter(|scope| !scope.is_empty())) {
        (ScopeMeaning::Tenant(host), Some(text)) => {
            let text = text.to_ascii_lowercase();
            let name = text.trim_start_matches("https://").trim_end_matches('/');
            (name == host).then(|| client.scope.clone())
        }
        (ScopeMeaning::Tenant(_), None) => None,
        (ScopeMeaning::Granted, Some("*")) if realm.permissions.contains(&Permission::WildcardScope) => {
            Some(client.scope.clone())
        }
        (ScopeMeaning::Granted, Some(text)) => Scope::parse(text).ok().filter(|scope| scope.is_within(&client.scope)),
        (ScopeMeaning::Granted, None) => match (&settings.omitted, &client.default_scope) {
            (ScopeOmitted::Refuse, _) => None,
            (ScopeOmitted::ClientDefault, None) => Some(client.scope.clone()),
            (ScopeOmitted::ClientDefault, Some(list)) | (ScopeOmitted::Default(list), _) => Some(part(list)),
        },
    }
}

fn narrowed(token: &Token, client: &Client, ask: &TokenAsk) -> Option<Scope> {
    let kept: Scope = token.scope.iter().filter(|scope| client.scope.contains(scope)).cloned().collect();
    match ask.scope.as_deref().filter(|scope| !scope.is_empty()) {
        None | Some("*") => Some(kept),
        Some(text) => Scope::parse(text).ok().filter(|scope| scope.is_within(&kept)),
    }
}

fn call(model: &Model, node: &Node, now: Time, ask: &CallAsk) -> Verdict {
    let house = &model.houses[ask.house];
    let resource = &house.resources[ask.resource];
    let token = model.tokens.iter().find(|token| Some(&token.value) == ask.token.as_ref());
    let Some(token) = token.filter(|token| model.parties[token.party].house == ask.house) else { return Verdict::Refuse };
    let needed = &resource.operations[ask.operation].scope;
    let audience = match &house.realm.settings.access_token.audience {
        AudienceRule::Resources => resource.identifier.as_str(),
        AudienceRule::Issuer => house.realm.issuer.as_str(),
        AudienceRule::One(one) => one.as_str(),
    };
    let fits =
        token.audience.iter().any(|for_whom| for_whom == audience) && needed.iter().all(|scope| token.scope.contains(scope));
    if !fits {
        return Verdict::Refuse;
    }
    all(&[lives(model, node, now, token), key_part(model, node, now, (ask, token))])
}

/// Whether a token lives, as far as the node must know.
#[must_use]
pub fn lives(model: &Model, node: &Node, now: Time, token: &Token) -> Verdict {
    let house = &model.houses[model.parties[token.party].house];
    if now >= token.expires_at {
        return Verdict::Refuse;
    }
    let mut parts = vec![client_part(model, node, token)];
    // A node knows what it ended itself, and what others did as soon as it follows. What the clock once showed as ended need not be
    // known any more.
    let family = token.family.map(|family| &model.families[family]);
    for (revoked, mark) in [
        (token.revoked, token.mark()),
        (family.and_then(|family| family.revoked), family.map_or(token.mark(), |family| family.key)),
    ] {
        let Some(change) = revoked else { continue };
        let knows = change <= node.knows(mark) && model.latest < token.expires_at;
        parts.push(if knows { Verdict::Refuse } else { Verdict::Either });
    }
    if let AccessTokenFormat::Jwt { .. } = house.realm.settings.access_token.format {
        let states = house.keys.since(node.knows(house.realm.key));
        let state =
            |keys: &Vec<SigningKeyRecord>| keys.iter().find(|key| Some(&key.kid) == token.kid.as_ref()).map(|key| key.state);
        parts.push(verdict(states.map(state).flat_map(|state| match state {
            None | Some(KeyState::Gone { .. }) => vec![false],
            Some(KeyState::Active { .. } | KeyState::Retiring { .. }) => vec![true],
            // Another node uses it already: this one knows when that may be, by its own clock.
            Some(KeyState::Next) => vec![true, false],
        })));
        // A token from the future is refused (RFC 8725 §3.10); clocks may differ by ten seconds.
        if token.issued_at.seconds() > now.seconds() + jeton_jose::jwt::CLOCK_SKEW {
            return Verdict::Refuse;
        }
    }
    all(&parts)
}

fn all(parts: &[Verdict]) -> Verdict {
    if parts.contains(&Verdict::Refuse) {
        Verdict::Refuse
    } else if parts.contains(&Verdict::Either) {
        Verdict::Either
    } else {
        Verdict::Pass
    }
}

/// Whether the token's client is in good standing.
fn client_part(model: &Model, node: &Node, token: &Token) -> Verdict {
    let states = &model.parties[token.party].states;
    let alive = |client: &Client| client.status.is_active() && token.issued_at.seconds() >= client.not_before.seconds();
    verdict(states.since(node.knows(states.latest().key)).map(alive))
}

/// Whether the API key is one of the token's client, where one is needed.
fn key_part(model: &Model, node: &Node, now: Time, (ask, token): (&CallAsk, &Token)) -> Verdict {
    if model.houses[ask.house].resources[ask.resource].api_key == Placement::None {
        return Verdict::Pass;
    }
    let held = model.api_keys.iter().find(|held| Some(&held.value) == ask.api_key.as_ref());
    let Some(held) = held.filter(|held| held.party == token.party) else { return Verdict::Refuse };
    let alive = |key: &ApiKey| key.status.is_active() && key.expires_at.is_none_or(|end| now < end);
    verdict(held.states.since(node.knows(held.states.latest().key)).map(alive))
}
