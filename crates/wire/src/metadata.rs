//! Metadata tells clients where the endpoints of a realm are and what they can do (RFC 8414, OpenID Connect Discovery 1.0).

use crate::dialect::{Dialect, MetadataField};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, Response, StatusCode};
use jeton_core::endpoint::ANSWER_ALGORITHM;
use jeton_core::grant::GRANTS;
use jeton_core::record::{AccessTokenFormat, AuthMethod, KEYS_KEPT, ResourceServer};
use jeton_core::snapshot::RealmState;
use jeton_jose::Algorithm;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How long a key set may be kept, in seconds. A key is published at least this long before it is used.
pub const KEYS_MAX_AGE: u32 = 300;

const _: () = assert!(KEYS_MAX_AGE as i64 == KEYS_KEPT, "keys are published ahead for as long as key sets are kept");

/// The members of a metadata document, in the dialect's order.
#[must_use]
pub fn document(state: &RealmState, dialect: &Dialect, fields: &[MetadataField]) -> Value {
    let mut members = Map::new();
    for &field in fields {
        if let Some((name, value)) = member(state, dialect, (field, fields)) {
            members.insert(name.to_owned(), value);
        }
    }
    members.into()
}

/// One of these members.
fn member(
    state: &RealmState,
    dialect: &Dialect,
    (field, beside): (MetadataField, &[MetadataField]),
) -> Option<(&'static str, Value)> {
    let endpoints = &dialect.file.endpoints;
    let url = |paths: &[String]| paths.first().map(|path| Value::String(format!("{}{path}", base_url(state))));
    Some(match field {
        MetadataField::Issuer => ("issuer", state.realm.issuer.as_str().into()),
        MetadataField::TokenEndpoint => ("token_endpoint", url(&endpoints.token)?),
        MetadataField::IntrospectionEndpoint => ("introspection_endpoint", url(&endpoints.introspection)?),
        MetadataField::IntrospectionEndpointAuthMethodsSupported => {
            ("introspection_endpoint_auth_methods_supported", auth_methods(beside))
        }
        MetadataField::IntrospectionEndpointAuthSigningAlgValuesSupported => {
            ("introspection_endpoint_auth_signing_alg_values_supported", assertion_algorithms())
        }
        MetadataField::IntrospectionSigningAlgValuesSupported => {
            ("introspection_signing_alg_values_supported", json!([ANSWER_ALGORITHM.name()]))
        }
        MetadataField::RevocationEndpoint => ("revocation_endpoint", url(&endpoints.revocation)?),
        // RFC 8414 §2, "none": a public client revokes its own tokens by its id alone.
        MetadataField::RevocationEndpointAuthMethodsSupported => {
            let mut methods = auth_methods(beside);
            methods.as_array_mut().into_iter().for_each(|methods| methods.push("none".into()));
            ("revocation_endpoint_auth_methods_supported", methods)
        }
        MetadataField::RevocationEndpointAuthSigningAlgValuesSupported => {
            ("revocation_endpoint_auth_signing_alg_values_supported", assertion_algorithms())
        }
        MetadataField::JwksUri => ("jwks_uri", url(&endpoints.keys)?),
        MetadataField::ScopesSupported => ("scopes_supported", scopes(&state.resources)),
        // RFC 8414 §2: required; empty without an authorization endpoint.
        MetadataField::ResponseTypesSupported => ("response_types_supported", json!([])),
        MetadataField::GrantTypesSupported => {
            ("grant_types_supported", GRANTS.iter().filter(|grant| (grant.offered)(state)).map(|grant| grant.wire).collect())
        }
        MetadataField::TokenEndpointAuthMethodsSupported => ("token_endpoint_auth_methods_supported", auth_methods(beside)),
        MetadataField::TokenEndpointAuthSigningAlgValuesSupported => {
            ("token_endpoint_auth_signing_alg_values_supported", assertion_algorithms())
        }
        MetadataField::SubjectTypesSupported => ("subject_types_supported", json!(["public"])),
        MetadataField::IdTokenSigningAlgValuesSupported => ("id_token_signing_alg_values_supported", algorithms(state)),
        MetadataField::ClaimsSupported => ("claims_supported", claims(state)),
    })
}

/// How clients authenticate, wherever they do. RFC 8414 §2: who names assertions must name their algorithms, too.
fn auth_methods(beside: &[MetadataField]) -> Value {
    let mut methods = vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
    methods
        .extend(beside.contains(&MetadataField::TokenEndpointAuthSigningAlgValuesSupported).then_some(AuthMethod::PrivateKeyJwt));
    json!(methods)
}

fn assertion_algorithms() -> Value {
    Algorithm::ALL.map(Algorithm::name).as_slice().into()
}

/// The algorithms of the realm's keys.
fn algorithms(state: &RealmState) -> Value {
    let names: BTreeSet<&str> = state.published.iter().map(|key| key.algorithm().name()).collect();
    names.into_iter().collect()
}

fn scopes(resources: &[ResourceServer]) -> Value {
    let active = resources.iter().filter(|resource| resource.status.is_active());
    let scopes: BTreeSet<&str> = active.flat_map(|resource| &resource.scopes).map(|entry| entry.scope.as_str()).collect();
    scopes.into_iter().collect()
}

fn claims(state: &RealmState) -> Value {
    match &state.realm.settings.access_token.format {
        AccessTokenFormat::Opaque => json!([]),
        AccessTokenFormat::Jwt { claims, .. } => claims.iter().map(|row| row.name.as_str()).collect(),
    }
}

/// Scheme, host and mount under which a realm's endpoints stand: from its issuer and its first mount, never from a request.
#[must_use]
pub fn base_url(state: &RealmState) -> String {
    let issuer = state.realm.issuer.as_str();
    let origin = &issuer[..issuer.len() - path_of(issuer).len()];
    format!("{origin}{}", state.realm.mounts.first().map_or("", |mount| mount.path.as_str()))
}

/// The path of an issuer, from its first slash behind the host.
pub(crate) fn path_of(issuer: &str) -> &str {
    let host = issuer.find("://").map_or(0, |at| at + 3);
    issuer[host..].find('/').map_or("", |slash| &issuer[host + slash..])
}

/// An answer that may be kept and asked for again by its tag.
#[must_use]
pub fn public(request: &Request<Bytes>, content_type: &'static str, max_age: u32, body: &Value) -> Response<Bytes> {
    let body = body.to_string();
    let tag = format!("\"{}\"", jeton_jose::b64::encode(&jeton_jose::sha256(body.as_bytes())[..12]));
    let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // RFC 9110 §13.1.2: weak comparison.
    let fresh = known
        .flat_map(|list| list.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if fresh { Bytes::new() } else { Bytes::from(body) });
    *response.status_mut() = if fresh { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers
        .insert(CACHE_CONTROL, HeaderValue::from_str(&format!("public, max-age={max_age}")).expect("digits are a header value"));
    headers.insert(ETAG, HeaderValue::from_str(&tag).expect("base64url in quotes is a header value"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
