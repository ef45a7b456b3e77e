//! The columns of a dialect's file: what can differ between providers, each a closed set.

use super::template::TemplateFile;
use jeton_core::name::{Label, Title};
use jeton_core::record::{Permission, RealmSettings};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A dialect as its file states it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialectFile {
    /// Name, by which a realm chooses it.
    pub name: Label,
    /// Whose spelling it is, for people.
    pub title: Title,
    /// Where it comes from.
    pub source: String,
    /// Named permissions that a realm needs to keep the provider's promises.
    #[serde(default)]
    pub needs: Vec<Permission>,
    /// Settings that are copied into a new realm.
    pub realm_defaults: RealmSettings,
    /// Paths below the realm's mount.
    pub endpoints: Endpoints,
    /// How a token request is spelled.
    pub token_request: TokenRequestFile,
    /// The fields of a token answer, in order.
    pub token_reply: Vec<ReplyField>,
    /// What the two metadata documents say.
    #[serde(default)]
    pub metadata: MetadataFile,
    /// How the token endpoint refuses.
    pub refusals: RefusalsFile,
    /// How a call to an API is spelled and refused.
    pub api: ApiFile,
}

/// Paths below the mount; an endpoint without a path is absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoints {
    /// RFC 6749 §3.2.
    pub token: Vec<String>,
    /// RFC 7662 §2.
    pub introspection: Vec<String>,
    /// RFC 7009 §2.
    pub revocation: Vec<String>,
    /// RFC 7517 §5.
    pub keys: Vec<String>,
    /// RFC 8414 §3; the form with the well-known part in front is served beside it.
    pub authorization_server_metadata: Vec<String>,
    /// OpenID Connect Discovery 1.0 §4.
    pub openid_configuration: Vec<String>,
}

/// How a token request is spelled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequestFile {
    /// What the body is.
    pub body: RequestBody,
    /// Parameters without which a request is refused as incomplete, by their canonical names.
    #[serde(default)]
    pub required: Vec<String>,
    /// The provider's names for grant types, beside the registered ones.
    #[serde(default)]
    pub grant_types: BTreeMap<String, String>,
    /// The provider's names for parameters: its name to the canonical one.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// What the body of a token request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestBody {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`: one object of texts. Needs the permission of that name.
    Json,
}

/// One field of a token answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyField {
    /// Name in the answer.
    pub name: String,
    /// Where the value comes from.
    pub from: ReplySource,
    /// How it is written.
    #[serde(default)]
    pub shape: ReplyShape,
}

/// Where a field's value comes from. A field without a value is left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplySource {
    /// The access token.
    AccessToken,
    /// This text.
    Constant(String),
    /// Seconds until the token ends.
    ExpiresIn,
    /// The refresh token, if there is one.
    RefreshToken,
    /// The scope exactly as it was asked for.
    ScopeAsAsked,
    /// The scope, if it differs from what was asked for (RFC 6749 §5.1).
    ScopeIfDifferent,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyShape {
    /// As JSON has it.
    #[default]
    Natural,
    /// As a text of digits. Needs the permission of that name.
    Text,
}

/// What the two metadata documents say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataFile {
    /// Members of the RFC 8414 document.
    pub authorization_server: Vec<MetadataField>,
    /// Members of the OpenID Connect document.
    pub openid: Vec<MetadataField>,
}

/// A member of a metadata document (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataField {
    /// The realm's issuer.
    Issuer,
    /// URL of the token endpoint.
    TokenEndpoint,
    /// URL of the introspection endpoint.
    IntrospectionEndpoint,
    /// How clients may authenticate there.
    IntrospectionEndpointAuthMethodsSupported,
    /// The same for introspection.
    IntrospectionEndpointAuthSigningAlgValuesSupported,
    /// Algorithms of signed answers about tokens (RFC 9701 §7).
    IntrospectionSigningAlgValuesSupported,
    /// URL of the revocation endpoint.
    RevocationEndpoint,
    /// How clients may authenticate there.
    RevocationEndpointAuthMethodsSupported,
    /// The same for revocation.
    RevocationEndpointAuthSigningAlgValuesSupported,
    /// URL of the key set.
    JwksUri,
    /// Scopes of all APIs of the realm.
    ScopesSupported,
    /// Response types of the authorization endpoint.
    ResponseTypesSupported,
    /// Grants of this server.
    GrantTypesSupported,
    /// How clients may authenticate.
    TokenEndpointAuthMethodsSupported,
    /// Algorithms of client assertions; where a document has it, it offers them as a method, too (RFC 8414 §2).
    TokenEndpointAuthSigningAlgValuesSupported,
    /// `public`.
    SubjectTypesSupported,
    /// Algorithms of ID tokens.
    IdTokenSigningAlgValuesSupported,
    /// Claims that tokens may have.
    ClaimsSupported,
}

/// How the token endpoint refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalsFile {
    /// The body.
    pub body: TemplateFile,
    /// Its content type.
    #[serde(default = "json")]
    pub content_type: String,
    /// Exceptions, the first that fits holds.
    #[serde(default)]
    pub rows: Vec<RefusalRow>,
}

/// What differs for some refusals.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefusalRow {
    /// Exact reasons (`client.unknown`), whole groups (`client.*`) or codes (`invalid_client`).
    pub when: Vec<String>,
    /// Status instead of the table's.
    pub status: Option<u16>,
    /// Code instead of the registered one.
    pub code: Option<String>,
    /// Sentence instead of the table's.
    pub sentence: Option<String>,
    /// A short title.
    pub title: Option<String>,
    /// Body instead of the section's.
    pub body: Option<TemplateFile>,
    /// Whether the answer carries a `WWW-Authenticate` header.
    pub challenge: Option<bool>,
}

/// How a call to an API is spelled and refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiFile {
    /// Schemes of the `Authorization` header under which a token may be presented; the first is named in challenges.
    pub schemes: Vec<String>,
    /// Header of the API key.
    #[serde(default)]
    pub api_key_header: Option<String>,
    /// The body of a refusal.
    pub body: TemplateFile,
    /// Its content type.
    #[serde(default = "json")]
    pub content_type: String,
    /// Whether refusals carry `WWW-Authenticate` (RFC 6750 §3).
    #[serde(default = "yes")]
    pub challenge: bool,
    /// Exceptions, the first that fits holds.
    #[serde(default)]
    pub rows: Vec<RefusalRow>,
}

fn json() -> String {
    "application/json".to_owned()
}

const fn yes() -> bool {
    true
}
