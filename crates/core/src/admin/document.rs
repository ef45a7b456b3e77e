//! A document says how realms, APIs and clients shall be; `apply` makes them so.
//!
//! Whatever it does not mention stays as it is. Reading is strict: a name that is not known here is refused, and no message
//! repeats a secret.

use crate::name::{ClientId, Issuer, Label, Mount, RealmName, ResourceIdentifier, ScopeToken, Title, WebOrigin};
use crate::record::{AuthMethod, GrantName, Operation, Permission, Placement, ScopeEntry};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// A message of the parser without the value that it complains about: a secret may stand where it does not belong.
#[must_use]
pub fn without_values(message: &str) -> String {
    let Some((start, end)) = message.find("invalid ").zip(message.rfind(", expected ")) else {
        return message.to_owned();
    };
    match message.get(start..end).and_then(|middle| middle.find(": ").map(|at| start + at)) {
        Some(cut) => format!("{}{}", &message[..cut], &message[end..]),
        None => message.to_owned(),
    }
}

/// How an installation shall be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its realms.
    #[serde(default)]
    pub realm: Vec<RealmEntry>,
}

/// How a realm shall be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmEntry {
    /// Name in commands.
    pub name: RealmName,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// The bytes of `iss`; needed for a new realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Where it answers; for a new realm left out, the issuer's own place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Mount>>,
    /// The dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Label>,
    /// Environment label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Label>,
    /// Permissions beyond the RFCs that the realm holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<BTreeSet<Permission>>,
    /// What differs from the dialect's settings, by the names of the realm's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
    /// Whether it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Switch>,
    /// Its resource servers.
    #[serde(default)]
    pub resource: Vec<ResourceEntry>,
    /// Its clients.
    #[serde(default)]
    pub client: Vec<ClientEntry>,
}

/// How a resource server shall be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceEntry {
    /// What stands in `aud`.
    pub identifier: ResourceIdentifier,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Where it is hosted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its scopes, each with a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<ScopeEntry>>,
    /// Whether and where a call carries an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Placement>,
    /// Operations of the sample API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<Operation>>,
    /// Whether it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Switch>,
}

/// How a client shall be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// Its id.
    pub client_id: ClientId,
    /// Name for people; for a new client left out, its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Whether it can hold a secret.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ClientType>,
    /// The grants it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeSet<GrantName>>,
    /// What it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<ScopeToken>>,
    /// What it gets when it asks for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<Vec<ScopeToken>>,
    /// The person as whom its tokens act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Title>,
    /// How many copies of it run at the same time; for a new client left out, one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// How it may authenticate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_methods: Option<BTreeSet<AuthMethod>>,
    /// Exact redirect URIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<Vec<String>>,
    /// The web pages from which a public client may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_origins: Option<Vec<WebOrigin>>,
    /// The APIs for which it asks what tokens say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspects: Option<BTreeSet<ResourceIdentifier>>,
    /// Whether it may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Switch>,
    /// Its secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<SecretEntry>>,
    /// Its API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<Vec<ApiKeyEntry>>,
}

impl ClientEntry {
    /// An entry that says nothing but the id.
    #[must_use]
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            title: None,
            kind: None,
            grants: None,
            scope: None,
            default_scope: None,
            person: None,
            instances: None,
            auth_methods: None,
            redirect_uris: None,
            web_origins: None,
            introspects: None,
            status: None,
            secrets: None,
            api_keys: None,
        }
    }
}

/// How a secret shall be: its value in clear, or a hash of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretEntry {
    /// Name, unique within the client.
    pub name: Label,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SecretText>,
    /// A hash of the value, made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<SecretText>,
    /// From then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// How an API key shall be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyEntry {
    /// Name, unique within the client.
    pub name: Label,
    /// The value.
    pub value: SecretText,
    /// From then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Whether a client can hold a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientType {
    /// It runs on a server.
    Confidential,
    /// It runs on a person's device.
    Public,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// In use.
    Active,
    /// Switched off.
    Disabled,
}

/// A secret on its way in. Prints as `…`, and no message about it repeats it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a secret.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// The value itself; for hashing, never for keeping.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Reads a text; everything else is refused without being repeated.
struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as a text in quotes")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<SecretText, E> {
        Ok(SecretText::new(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretText, E> {
        Err(E::custom(NOT_A_TEXT))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretText, E> {
        Err(E::custom(NOT_A_TEXT))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretText, E> {
        Err(E::custom(NOT_A_TEXT))
    }
}

const NOT_A_TEXT: &str = "a secret is written as a text in quotes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_repeats_no_value() {
        for text in [r#"{"client_id":"a","secrets":"hunter2"}"#, r#"{"client_id":"a","secrets":["hunter2, expected "]}"#] {
            let error = serde_json::from_str::<ClientEntry>(text).map(drop).expect_err("no list of secrets").to_string();
            assert!(error.contains("hunter2") && !without_values(&error).contains("hunter2"), "{error}");
        }
        assert_eq!(without_values("unknown field `a`, expected `b`"), "unknown field `a`, expected `b`");
    }

    #[test]
    fn a_secret_is_never_repeated() {
        for text in [r#"{"name":"a","value":4711}"#, r#"{"name":"a","value":47.11}"#, r#"{"name":"a","value":-4711}"#] {
            let error = serde_json::from_str::<SecretEntry>(text).map(drop).expect_err("a number is no secret").to_string();
            assert!(!error.contains("47"), "{error}");
        }
        let entry: SecretEntry = serde_json::from_str(r#"{"name":"a","value":"hunter2"}"#).expect("an entry");
        assert!(!format!("{entry:?}").contains("hunter2"));
    }
}
