//! Routes say which realm and which endpoint answer at a host and path: exact bytes, no pattern.

use crate::dialect::Dialects;
use http::Request;
use jeton_core::name::{Key, Mount};
use jeton_core::snapshot::{RealmState, Snapshot};
use std::collections::HashMap;

/// What answers at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7517 §5.
    Keys,
    /// RFC 8414 §3.
    AuthorizationServerMetadata,
    /// OpenID Connect Discovery 1.0 §4.
    OpenidConfiguration,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: &[Self] = &[Self::Token, Self::Keys, Self::AuthorizationServerMetadata, Self::OpenidConfiguration];

    /// Name in events and matrices.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Keys => "keys",
            Self::AuthorizationServerMetadata => "authorization_server_metadata",
            Self::OpenidConfiguration => "openid_configuration",
        }
    }

    /// The paths of this endpoint in a dialect.
    #[must_use]
    pub fn paths(self, endpoints: &crate::dialect::Endpoints) -> &[String] {
        match self {
            Self::Token => &endpoints.token,
            Self::Keys => &endpoints.keys,
            Self::AuthorizationServerMetadata => &endpoints.authorization_server_metadata,
            Self::OpenidConfiguration => &endpoints.openid_configuration,
        }
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An endpoint of a realm.
    Endpoint(Key, Endpoint),
    /// Operation `1` of resource server `0` of a realm's sample API.
    Operation(Key, usize, usize),
    /// Below a realm's mount, but nothing is there.
    Nothing(Key),
}

#[derive(Debug, Default)]
struct Host {
    exact: HashMap<String, (Key, Endpoint)>,
    operations: Vec<Route>,
    mounts: Vec<(String, Key)>,
}

/// Where one operation of a sample API answers.
#[derive(Debug)]
struct Route {
    realm: Key,
    resource: usize,
    index: usize,
    method: String,
    path: Vec<String>,
}

/// The routes of one snapshot.
#[derive(Debug, Default)]
pub struct Routes {
    hosts: HashMap<String, Host>,
    any: Host,
    /// The snapshot's revision.
    pub revision: u64,
}

/// Which realms a listener serves.
pub type Serves = fn(&RealmState) -> bool;

impl Routes {
    /// Lays out the routes of all realms that a listener serves.
    #[must_use]
    pub fn new(snapshot: &Snapshot, dialects: &Dialects, serves: Serves) -> Self {
        let mut routes = Self { revision: snapshot.revision, ..Self::default() };
        for state in snapshot.realms().filter(|state| serves(state)) {
            let Some(dialect) = dialects.by_name(&state.realm.dialect) else { continue };
            for mount in &state.realm.mounts {
                let host = match &mount.host {
                    Some(host) => routes.hosts.entry(host.clone()).or_default(),
                    None => &mut routes.any,
                };
                host.add(state, mount, dialect);
            }
        }
        for host in routes.hosts.values_mut().chain([&mut routes.any]) {
            // The longest mount first.
            host.mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        routes
    }

    /// Where a request goes; `None` if no realm is there.
    #[must_use]
    pub fn find(&self, request: &Request<bytes::Bytes>) -> Option<Place> {
        let path = request.uri().path();
        let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
        let named = host.and_then(|host| match host.bytes().any(|b| b.is_ascii_uppercase()) {
            true => self.hosts.get(&host.to_ascii_lowercase()),
            false => self.hosts.get(host),
        });
        let exact = |host: &Host| host.exact.get(path).map(|&(realm, endpoint)| Place::Endpoint(realm, endpoint));
        named
            .and_then(exact)
            .or_else(|| exact(&self.any))
            .or_else(|| named.and_then(|host| host.rest(request.method(), path)))
            .or_else(|| self.any.rest(request.method(), path))
    }
}

impl Host {
    fn add(&mut self, state: &RealmState, mount: &Mount, dialect: &crate::dialect::Dialect) {
        let realm = state.realm.key;
        for &endpoint in Endpoint::ALL {
            for path in endpoint.paths(&dialect.file.endpoints) {
                self.exact.insert(format!("{}{path}", mount.path), (realm, endpoint));
            }
        }
        // RFC 8414 §3.1: the well-known part stands between the host and the issuer's path.
        if !dialect.file.endpoints.authorization_server_metadata.is_empty() {
            let issuer = crate::metadata::path_of(state.realm.issuer.as_str()).trim_end_matches('/');
            let path = format!("/.well-known/oauth-authorization-server{issuer}");
            self.exact.entry(path).or_insert((realm, Endpoint::AuthorizationServerMetadata));
        }
        for (of, resource) in state.resources.iter().enumerate().filter(|(_, resource)| resource.status.is_active()) {
            for (index, operation) in resource.operations.iter().enumerate() {
                let path = format!("{}{}", mount.path, operation.path);
                let path = path.split('/').map(str::to_owned).collect();
                self.operations.push(Route { realm, resource: of, index, method: operation.method.clone(), path });
            }
        }
        self.mounts.push((mount.path.clone(), realm));
    }

    fn rest(&self, method: &http::Method, path: &str) -> Option<Place> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &[String]| {
            pattern.len() == segments.len()
                && pattern.iter().zip(&segments).all(|(part, segment)| {
                    part == segment || (part.starts_with('{') && part.ends_with('}') && !segment.is_empty())
                })
        };
        let mut here = self.operations.iter().filter(|operation| fits(&operation.path)).peekable();
        if let Some(&first) = here.peek() {
            // Several methods may share a path; without the right one, any of them says that the method is wrong.
            let operation = here.find(|operation| operation.method == method.as_str()).unwrap_or(first);
            return Some(Place::Operation(operation.realm, operation.resource, operation.index));
        }
        let below = |mount: &str| path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.mounts.iter().find(|(mount, _)| below(mount)).map(|&(_, realm)| Place::Nothing(realm))
    }
}
