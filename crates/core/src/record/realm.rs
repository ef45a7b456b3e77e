//! A realm is a tenant: an issuer with its keys, clients, dialect, profile and environment.

use super::{Column, ColumnType, FailureSettings, Index, Kind, Lookup, Record, RefreshSettings, Status, ThriftSettings, Value};
use crate::name::{Issuer, Key, Label, Mount, RealmName, ResourceIdentifier, Scope, Time, Title};
use jeton_jose::Algorithm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Realm {
    /// Identity.
    pub key: Key,
    /// Name in commands.
    pub name: RealmName,
    /// Name for people.
    pub title: Title,
    /// The bytes of `iss`.
    pub issuer: Issuer,
    /// Where it answers.
    pub mounts: Vec<Mount>,
    /// Name of the dialect that decodes and encodes.
    pub dialect: Label,
    /// Which rules hold.
    pub profile: Profile,
    /// Environment label, for example `prod`.
    pub environment: Label,
    /// Whether it serves.
    pub status: Status,
    /// Tokens issued before this moment are dead.
    #[serde(default)]
    pub not_before: Time,
    /// What this realm allows beyond the RFCs.
    pub permissions: BTreeSet<Permission>,
    /// Lifetimes, token format and scope rules.
    pub settings: RealmSettings,
}

/// Which rules hold in a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// RFC 6749 with what existing clients need.
    Compat,
    /// The rules of OAuth 2.1.
    Oauth21,
}

/// A named permission: something a realm allows beyond the RFCs. Off unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// The same credentials in the header and in the body of one request (against RFC 6749 §2.3).
    TwoCredentials,
    /// A refresh token with client credentials (against the SHOULD NOT of RFC 6749 §4.4.3).
    RefreshWithClientCredentials,
    /// `*` asks for every granted scope.
    WildcardScope,
    /// Access tokens are typed `JWT` instead of `at+jwt` (RFC 9068 §2.1).
    GenericTokenType,
    /// A client id is a person's login, and its token acts as that person.
    ClientIsPerson,
    /// Failed client authentication is answered with status 400 (against RFC 6749 §5.2).
    Status400ForClient,
    /// Numbers are answered as text (against RFC 6749 §5.1).
    TextNumbers,
    /// An `Authorization` header at the token endpoint is ignored.
    IgnoreAuthorization,
    /// Token requests have a JSON body.
    JsonTokenRequest,
    /// The right client may send a spent code again without losing its tokens.
    CodeResend,
}

/// What an administrator sets per realm. A dialect's defaults are copied here when the realm is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmSettings {
    /// Format and life of access tokens.
    pub access_token: AccessTokenSettings,
    /// Life of a sealed refresh token that comes with client credentials, in seconds.
    #[serde(default = "thirty_days")]
    pub refresh_token_lifetime: i64,
    /// Refresh tokens that belong to a family.
    #[serde(default)]
    pub refresh_token: RefreshSettings,
    /// How scopes are asked for.
    #[serde(default)]
    pub scope: ScopeSettings,
    /// How Basic credentials are read.
    #[serde(default)]
    pub basic: BasicEncoding,
    /// How long a node that is cut off from a shared store goes on.
    #[serde(default)]
    pub staleness: Staleness,
    /// How signing keys rotate.
    #[serde(default)]
    pub keys: KeySettings,
    /// How long records of what happened are kept.
    #[serde(default)]
    pub retention: Retention,
    /// What happens to clients that waste tokens.
    #[serde(default)]
    pub thrift: ThriftSettings,
    /// How often a source may fail to show who it is.
    #[serde(default)]
    pub failures: FailureSettings,
}

impl RealmSettings {
    /// Access tokens of this life in seconds and of this format; the defaults of everything else.
    #[must_use]
    pub fn new(lifetime: i64, format: AccessTokenFormat) -> Self {
        Self {
            access_token: AccessTokenSettings { lifetime, format, audience: AudienceRule::default() },
            refresh_token_lifetime: thirty_days(),
            refresh_token: RefreshSettings::default(),
            scope: ScopeSettings::default(),
            basic: BasicEncoding::default(),
            staleness: Staleness::default(),
            keys: KeySettings::default(),
            retention: Retention::default(),
            thrift: ThriftSettings::default(),
            failures: FailureSettings::default(),
        }
    }
}

/// How the signing keys of a realm rotate by themselves, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeySettings {
    /// How long a key signs until its successor does.
    pub rotate_after: i64,
    /// How long a key is published before it signs: at least as long as verifiers keep the key set.
    pub publish_ahead: i64,
}

/// How long verifiers may keep a realm's key set, in seconds.
pub const KEYS_KEPT: i64 = 300;

impl Default for KeySettings {
    fn default() -> Self {
        Self { rotate_after: 90 * 86_400, publish_ahead: KEYS_KEPT }
    }
}

/// How long records of what happened are kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Audit records; without a number, for ever. Their digests stay in the chain.
    pub audit_days: Option<i64>,
    /// Refusals in the journal.
    pub journal_days: i64,
    /// Hours of usage.
    pub usage_days: i64,
}

impl Retention {
    /// Whether each span is one that can be meant. What an attacker does today must still be on record in a month.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        const CENTURY: i64 = 36_500;
        [self.journal_days, self.usage_days].iter().all(|days| (1..=CENTURY).contains(days))
            && self.audit_days.is_none_or(|days| (30..=CENTURY).contains(&days))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { audit_days: None, journal_days: 30, usage_days: 400 }
    }
}

/// How long a node that is cut off from a shared store goes on, in seconds since it last heard of it. A single machine is never stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staleness {
    /// Issuing tokens to clients it knows.
    pub issue: i64,
    /// Checking tokens, which others may have revoked.
    pub check: i64,
}

impl Default for Staleness {
    fn default() -> Self {
        Self { issue: 86_400, check: 900 }
    }
}

fn thirty_days() -> i64 {
    30 * 86_400
}

/// Format and life of access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessTokenSettings {
    /// Seconds from issue to end.
    pub lifetime: i64,
    /// What the token is made of.
    pub format: AccessTokenFormat,
    /// For whom tokens are.
    #[serde(default)]
    pub audience: AudienceRule,
}

/// For whom the tokens of a realm are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceRule {
    /// The resource servers that have the token's scopes (RFC 9068 §3).
    #[default]
    Resources,
    /// The realm's issuer, whatever the scope.
    Issuer,
    /// This one text, whatever the scope.
    One(ResourceIdentifier),
}

/// What an access token is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AccessTokenFormat {
    /// A sealed value that only this installation can read.
    Opaque,
    /// A signed JWT.
    Jwt {
        /// Signature algorithm.
        algorithm: Algorithm,
        /// The header's `typ`.
        typ: String,
        /// The claims, in the order in which they are written.
        claims: Vec<ClaimRow>,
    },
}

/// One claim of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRow {
    /// Name in the token.
    pub name: String,
    /// Where the value comes from.
    pub from: ClaimSource,
    /// How the value is written.
    #[serde(default)]
    pub shape: ClaimShape,
    /// What stands before the value, for texts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// Where a claim's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimSource {
    /// The realm's issuer.
    Issuer,
    /// The subject: an account, or the client itself.
    Subject,
    /// The audience.
    Audience,
    /// The end.
    ExpiresAt,
    /// The issue.
    IssuedAt,
    /// The token's own id.
    TokenId,
    /// The client's id.
    ClientId,
    /// The scope.
    Scope,
    /// The number 1, the version of the claim set.
    One,
}

/// How a claim's value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimShape {
    /// Numbers as numbers, texts as texts, one audience as a text and several as an array.
    #[default]
    Natural,
    /// Always an array.
    Array,
}

/// How scopes are asked for and what they mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSettings {
    /// What a request without scope gets.
    pub omitted: ScopeOmitted,
    /// What a scope means.
    pub meaning: ScopeMeaning,
}

impl Default for ScopeSettings {
    fn default() -> Self {
        Self { omitted: ScopeOmitted::ClientDefault, meaning: ScopeMeaning::Granted }
    }
}

/// What a request without scope gets (RFC 6749 §3.3: a default, or a refusal).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeOmitted {
    /// `invalid_scope`.
    Refuse,
    /// The client's default set; without one, everything it was granted.
    ClientDefault,
    /// These, as far as they are granted.
    Default(Scope),
}

/// What a scope means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeMeaning {
    /// Permissions granted to the client.
    Granted,
    /// The name of the tenant: this host in any case, also as `https://host/`. What the client may do follows from its grants.
    Tenant(String),
}

/// How the two parts of Basic credentials are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasicEncoding {
    /// Form-decoded (RFC 6749 §2.3.1).
    #[default]
    Form,
    /// As they are (RFC 7617).
    Raw,
}

impl Record for Realm {
    const KIND: &'static Kind = &Kind {
        name: "realm",
        columns: &[Column { name: "name", ty: ColumnType::Text }, Column { name: "issuer", ty: ColumnType::Text }],
        indexes: &[
            Index { name: "name", columns: &["name"], unique: true },
            Index { name: "issuer", columns: &["issuer"], unique: true },
        ],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.name.as_str().into(), self.issuer.as_str().into()]
    }
}

/// The realm of this name.
#[must_use]
pub fn realm_by_name(name: &RealmName) -> Lookup {
    Lookup { index: Some("name"), prefix: vec![name.as_str().into()], guard: None }
}
