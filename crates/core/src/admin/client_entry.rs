//! An entry says how a client shall be: it makes a new one, or changes one that is there, and what could not work is refused.

use super::client::ordered;
use super::document::{ClientEntry, ClientType};
use super::realm::status_of;
use super::resource::Catalogue;
use super::{Act, AdminStop};
use crate::name::{Scope, Title, WebOrigin};
use crate::record::{AuthMethod, Client, ClientKind, GrantName, Realm, Status};
use std::collections::BTreeSet;

/// Most web origins of one client.
const MOST_ORIGINS: usize = 50;
/// Most copies of one client that may run.
const MOST_INSTANCES: u32 = 100_000;

/// A new client as an entry says, not yet written. Ids are never given twice.
pub(super) fn fresh(act: &mut Act<'_, '_>, realm: &Realm, entry: &ClientEntry, known: &Catalogue) -> Result<Client, AdminStop> {
    let id = &entry.client_id;
    if let Some(client) = act.find_client(realm, id)? {
        return Err(AdminStop::Taken(match client.status {
            Status::Deleted => {
                format!("client {id} of realm {} was deleted; an id is never given again, choose another", realm.name)
            }
            _ => format!("realm {} has a client {id} already; jeton client set changes it", realm.name),
        }));
    }
    unwritten(act, realm, entry, known)
}

/// As [`fresh`], where the caller knows that the id is free.
pub(super) fn unwritten(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    entry: &ClientEntry,
    known: &Catalogue,
) -> Result<Client, AdminStop> {
    let both = BTreeSet::from([AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]);
    let (kind, grants) = match entry.kind.unwrap_or(ClientType::Confidential) {
        ClientType::Confidential => {
            (ClientKind::Confidential { auth_methods: both, secrets: Vec::new(), keys: Vec::new() }, GrantName::ClientCredentials)
        }
        ClientType::Public => (ClientKind::Public, GrantName::AuthorizationCode),
    };
    let mut client = Client {
        key: act.new_key("client"),
        realm: realm.key,
        client_id: entry.client_id.clone(),
        title: Title::parse(entry.client_id.as_str())?,
        kind,
        grants: BTreeSet::from([grants]),
        scope: Scope::default(),
        default_scope: None,
        redirect_uris: Vec::new(),
        web_origins: Vec::new(),
        person: None,
        introspects: BTreeSet::new(),
        instances: 1,
        status: Status::Active,
        not_before: act.now(),
    };
    revise(&mut client, entry)?;
    check(&client, known)?;
    Ok(client)
}

/// Changes a client as far as an entry speaks; secrets and keys are dealt with elsewhere.
pub(super) fn revise(client: &mut Client, entry: &ClientEntry) -> Result<(), AdminStop> {
    if let Some(title) = &entry.title {
        client.title = title.clone();
    }
    if let Some(grants) = &entry.grants {
        client.grants.clone_from(grants);
    }
    if let Some(scope) = &entry.scope {
        client.scope = ordered(scope);
    }
    if let Some(scope) = &entry.default_scope {
        client.default_scope = Some(ordered(scope));
    }
    if let Some(person) = &entry.person {
        client.person = Some(person.clone());
    }
    if let Some(uris) = &entry.redirect_uris {
        client.redirect_uris.clone_from(uris);
    }
    if let Some(origins) = &entry.web_origins {
        client.web_origins.clone_from(origins);
    }
    if let Some(resources) = &entry.introspects {
        client.introspects.clone_from(resources);
    }
    if let Some(instances) = entry.instances {
        client.instances = instances;
    }
    if let Some(status) = entry.status {
        client.status = status_of(status);
    }
    let id = &client.client_id;
    match (&mut client.kind, entry.kind, &entry.auth_methods) {
        (ClientKind::Public, Some(ClientType::Confidential), _)
        | (ClientKind::Confidential { .. }, Some(ClientType::Public), _) => {
            Err(AdminStop::Invalid(format!("client {id}: a client never changes its type; register another one")))
        }
        (ClientKind::Confidential { auth_methods, .. }, _, Some(methods)) => {
            auth_methods.clone_from(methods);
            Ok(())
        }
        (ClientKind::Public, _, Some(methods)) if !methods.is_empty() => {
            Err(AdminStop::Invalid(format!("client {id}: a public client does not authenticate")))
        }
        _ => Ok(()),
    }
}

/// Refuses a client that could not work, or that would be granted what no API of the realm has.
pub(super) fn check(client: &Client, known: &Catalogue) -> Result<(), AdminStop> {
    let id = &client.client_id;
    let invalid = |what: String| Err(AdminStop::Invalid(format!("client {id}: {what}")));
    if let Some(scope) = client.scope.iter().find(|scope| !known.scopes.contains(scope)) {
        return invalid(format!("no API of the realm has the scope {scope}; jeton scope list shows them"));
    }
    if let Some(default) = &client.default_scope
        && !default.is_within(&client.scope)
    {
        return invalid("its default scope is more than it was granted".into());
    }
    if !(1..=MOST_INSTANCES).contains(&client.instances) {
        return invalid(format!("it runs in 1 to {MOST_INSTANCES} instances"));
    }
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if matches!(client.kind, ClientKind::Public) && client.grants.contains(&GrantName::ClientCredentials) {
        return invalid("a public client cannot use client_credentials".into());
    }
    if !client.web_origins.is_empty() && matches!(client.kind, ClientKind::Confidential { .. }) {
        return invalid("only a public client has web origins: in a page, a secret is none".into());
    }
    let distinct: BTreeSet<&WebOrigin> = client.web_origins.iter().collect();
    if client.web_origins.len() > MOST_ORIGINS || distinct.len() < client.web_origins.len() {
        return invalid(format!("it has at most {MOST_ORIGINS} web origins, each of them once"));
    }
    if let Some(resource) = client.introspects.iter().find(|resource| !known.resources.contains(resource)) {
        return invalid(format!("the realm has no API {resource}; jeton resource list shows them"));
    }
    // RFC 7662 §2.1: who asks about tokens shows who it is.
    if matches!(client.kind, ClientKind::Public) && !client.introspects.is_empty() {
        return invalid("a public client cannot introspect: it has no secret to show who it is".into());
    }
    match client.redirect_uris.iter().find(|uri| !is_redirect_uri(uri)) {
        Some(_) => invalid("a redirect URI is absolute and has no fragment (RFC 6749 section 3.1.2)".into()),
        None => Ok(()),
    }
}

/// RFC 6749 §3.1.2: an absolute URI without a fragment. Plain http only to the machine itself (RFC 8252 §7.3).
fn is_redirect_uri(text: &str) -> bool {
    let local = |url: &url::Url| matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    text.len() <= 2000
        && text.bytes().all(|b| b.is_ascii_graphic())
        && url::Url::parse(text).is_ok_and(|url| {
            url.fragment().is_none()
                && match url.scheme() {
                    "https" => url.has_host(),
                    "http" => local(&url),
                    "javascript" | "data" | "vbscript" | "file" | "blob" => false,
                    // RFC 8252 §7.1: a private scheme is based on a domain name and so has a dot.
                    scheme => scheme.contains('.'),
                }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_absolute_and_goes_to_its_application_only() {
        for good in ["https://app.example/cb?x=1", "http://127.0.0.1:8000/cb", "http://[::1]/cb", "com.example.app:/cb"] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "http://app.example/cb",
            "https://app.example/#f",
            "/cb",
            "javascript:alert(1)",
            "app:/cb",
            "data:text/html,x",
            "https:// a",
            "",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
