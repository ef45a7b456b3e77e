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
    /// RFC 7662 §2.
    Introspection,
    /// RFC 7009 §2.
    Revocation,
    /// RFC 7517 §5.
    Keys,
    /// RFC 8414 §3.
    AuthorizationServerMetadata,
    /// OpenID Connect Discovery 1.0 §4.
    OpenidConfiguration,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: &[Self] = &[
        Self::Token,
        Self::Introspection,
        Self::Revocation,
        Self::Keys,
        Self::AuthorizationServerMetadata,
        Self::OpenidConfiguration,
    ];

    /// Name in events and matrices.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
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
            Self::Introspection => &endpoints.introspection,
            Self::Revocation => &endpoints.revocation,
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
            if !dialect.file.endpoints.authorization_server_metadata.is_empty() {
                routes.add_well_known(state);
            }
        }
        for host in routes.hosts.values_mut().chain([&mut routes.any]) {
            // The longest mount first.
            host.mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        routes
    }

    /// What answers at a host; a mount without a port answers at every port.
    fn host(&self, name: &str) -> Option<&Host> {
        let bare = || name.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map(|(host, _)| host);
        self.hosts.get(name).or_else(|| self.hosts.get(bare()?))
    }

    /// RFC 8414 §3.1: the well-known part stands between the issuer's host and its path. An issuer with a path is found by it at
    /// every host where its realm is mounted, too; one without only at its own host.
    fn add_well_known(&mut self, state: &RealmState) {
        let issuer = state.realm.issuer.as_str();
        let below = crate::metadata::path_of(issuer);
        let host = issuer[..issuer.len() - below.len()].split_once("://").map_or("", |(_, host)| host);
        let path = format!("/.well-known/oauth-authorization-server{}", below.trim_end_matches('/'));
        let place = (state.realm.key, Endpoint::AuthorizationServerMetadata);
        self.hosts.entry(host.to_ascii_lowercase()).or_default().exact.entry(path.clone()).or_insert(place);
        for mount in state.realm.mounts.iter().filter(|_| below.len() > 1) {
            let at = match &mount.host {
                Some(host) => self.hosts.entry(host.clone()).or_default(),
                None => &mut self.any,
            };
            at.exact.entry(path.clone()).or_insert(place);
        }
    }

    /// Where a request goes; `None` if no realm is there.
    #[must_use]
    pub fn find(&self, request: &Request<bytes::Bytes>) -> Option<Place> {
        let path = request.uri().path();
        let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
        let named = host.and_then(|host| match host.bytes().any(|b| b.is_ascii_uppercase()) {
            true => self.host(&host.to_ascii_lowercase()),
            false => self.host(host),
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
                // Realms come oldest first: what an older one serves, no newer one takes away.
                self.exact.entry(format!("{}{path}", mount.path)).or_insert((realm, endpoint));
            }
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
