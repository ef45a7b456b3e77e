//! A record is a typed fact that outlives the process: its kind, its key, its indexed fields and how older forms are read.
//!
//! Records know no store. A store keeps them as rows: the key, the declared columns, a version, an end, and the body as JSON.

use crate::name::{Key, Time};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

mod api_key;
mod audit;
mod audit_seal;
mod client;
mod failure_settings;
mod installation;
mod journal;
mod realm;
mod refresh_settings;
mod reminder;
mod resource_server;
mod revocation;
mod signing_key;
mod spent_assertion;
mod thrift;
mod token_family;
mod usage;
mod web_origin;
mod webhook;

pub use api_key::{ApiKey, key_by_hash, keys_of_client};
pub use audit::{Actor, Audit, audit_of_realm, audit_of_request};
pub use audit_seal::{AuditMark, AuditSeal, SealedEntry, blocks};
pub use client::{
    AuthMethod, AuthMethods, Client, ClientKey, ClientKind, ClientSecret, GrantName, SecretHash, Status, client_by_id,
    clients_of_realm,
};
pub use failure_settings::FailureSettings;
pub use installation::{DataKey, Installation};
pub use journal::{JournalEntry, entries_of_client, entries_of_request};
pub use realm::{
    AccessTokenFormat, AccessTokenSettings, AudienceRule, BasicEncoding, ClaimRow, ClaimShape, ClaimSource, KEYS_KEPT,
    KeySettings, Permission, Profile, Realm, RealmSettings, Retention, ScopeMeaning, ScopeOmitted, ScopeSettings, Staleness,
    realm_by_name,
};
pub use refresh_settings::{RefreshSettings, Rotation, WithClientCredentials};
pub use reminder::Reminder;
pub use resource_server::{Operation, Placement, ResourceServer, ScopeEntry, resource_by_identifier, resources_of_realm};
pub use revocation::{Revocation, Revoked, revocation_of};
pub use signing_key::{KeyEnd, KeyPurpose, KeyState, SigningKeyRecord, keys_of_realm};
pub use spent_assertion::SpentAssertion;
pub use thrift::{Thrift, ThriftPolicy, ThriftSettings, thrift_of_realm};
pub use token_family::{TokenFamily, families_of_client};
pub use usage::{LastUse, Usage, usage_of_client};
pub use web_origin::{RegisteredOrigin, holders_of_origin, origins_of_client};
pub use webhook::{
    Delivery, NoticeKind, Webhook, WebhookProgress, WebhookSwitch, WebhookTarget, deliveries_of, webhook_by_name, webhooks,
};

/// One kind of record: one table in every store.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Table name, also the kind's name in logs.
    pub name: &'static str,
    /// The indexed fields, as real columns beside the body.
    pub columns: &'static [Column],
    /// The indexes over those columns.
    pub indexes: &'static [Index],
    /// Version of the body's form; older ones are upgraded when read.
    pub version: u32,
}

/// An indexed field.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Column name.
    pub name: &'static str,
    /// What it holds.
    pub ty: ColumnType,
}

/// What a column can hold; every column may also be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text, ordered by bytes.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// Bytes: a [`Key`] or a hash, ordered by bytes.
    Bytes,
}

/// An ordered index; its scans are ordered by its columns, then by key.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    /// Name, unique within the kind.
    pub name: &'static str,
    /// Columns, most significant first.
    pub columns: &'static [&'static str],
    /// Whether no two rows may share the values. Rows with a null are never equal.
    pub unique: bool,
}

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// No value. Orders before every other.
    Null,
    /// See [`ColumnType::Integer`].
    Integer(i64),
    /// See [`ColumnType::Text`].
    Text(String),
    /// See [`ColumnType::Bytes`].
    Bytes(Vec<u8>),
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        Self::Bytes(key.as_bytes().to_vec())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A typed record of one [`Kind`].
pub trait Record: Serialize + DeserializeOwned + Clone + Debug {
    /// The kind.
    const KIND: &'static Kind;

    /// The kind of the marks that are written with new records of this kind: rows of the same key, for a worker who takes each
    /// away when its work is done. Their body is `{"key": …}`.
    const MARK: Option<&'static Kind> = None;

    /// Identity.
    fn key(&self) -> Key;

    /// The values of [`Kind::columns`], in that order.
    fn columns(&self) -> Vec<Value>;

    /// When the record ends: from then on no read returns it, and a store may forget it.
    fn expires_at(&self) -> Option<Time> {
        None
    }

    /// The record under whose version scans of this kind are guarded; a write of this record touches it.
    fn parent(&self) -> Option<(&'static Kind, Key)> {
        None
    }

    /// Turns a body written as version `from` into one of the next version. Called until the present version is reached.
    fn upgrade(from: u32, body: serde_json::Value) -> serde_json::Value {
        let _ = from;
        body
    }
}

/// A question about records of one kind, asked through one index: values that must be equal, in the index's order.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Index name; `None` is the order of keys.
    pub index: Option<&'static str>,
    /// Values of the index's leading columns.
    pub prefix: Vec<Value>,
    /// Whose version guards the answer when a decision depends on what is absent.
    pub guard: Option<(&'static Kind, Key)>,
}

/// Every kind, in the order in which tables are made. A new record adds its line here.
pub const KINDS: &[&Kind] = &[
    Installation::KIND,
    DataKey::KIND,
    Realm::KIND,
    ResourceServer::KIND,
    SigningKeyRecord::KIND,
    Client::KIND,
    ApiKey::KIND,
    TokenFamily::KIND,
    Revocation::KIND,
    Audit::KIND,
    JournalEntry::KIND,
    Usage::KIND,
    LastUse::KIND,
    AuditMark::KIND,
    AuditSeal::KIND,
    Webhook::KIND,
    WebhookProgress::KIND,
    Delivery::KIND,
    RegisteredOrigin::KIND,
    Thrift::KIND,
    Reminder::KIND,
    SpentAssertion::KIND,
];
