//! A webhook is an address of somebody else that is told what happens; how far that has come is kept beside it.

use super::{Column, ColumnType, Index, Kind, Lookup, Record, Value};
use crate::name::{FetchUrl, Key, Label, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An address that is told what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Identity.
    pub key: Key,
    /// Its name in commands, unique within the installation.
    pub name: Label,
    /// Whose events it is told; none is those of every realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Key>,
    /// Where it is.
    pub url: FetchUrl,
    /// What it is told.
    pub kinds: BTreeSet<NoticeKind>,
    /// Its secret for signatures, sealed, base64url.
    pub sealed_secret: String,
    /// Where its address may lie.
    pub target: WebhookTarget,
    /// Whether it is told anything.
    pub switch: WebhookSwitch,
}

/// What a webhook can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeKind {
    /// Every sealed block of the audit trail.
    #[serde(rename = "audit")]
    Audit,
    /// A client was suspended, by an administrator or by a rule.
    #[serde(rename = "client.suspended")]
    ClientSuspended,
    /// A secret or an API key will soon end.
    #[serde(rename = "secret.expiring")]
    SecretExpiring,
    /// A client asks for more tokens than it needs.
    #[serde(rename = "thrift.coach")]
    ThriftCoach,
    /// Somebody tries the webhook out. Every webhook is told, whatever it asked for.
    #[serde(rename = "webhook.test")]
    Test,
}

/// Where the address of a webhook may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookTarget {
    /// On the public internet, by https.
    Public,
    /// On this machine only, also by http. Only somebody at the machine can make such a webhook.
    Loopback,
}

/// Whether a webhook is told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookSwitch {
    /// It is.
    On,
    /// It is not; what happens meanwhile is not kept for it, except for the audit trail.
    Off,
}

impl Record for Webhook {
    const KIND: &'static Kind = &Kind {
        name: "webhook",
        columns: &[Column { name: "name", ty: ColumnType::Text }],
        indexes: &[Index { name: "name", columns: &["name"], unique: true }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.name.as_str().into()]
    }
}

/// How far a webhook has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookProgress {
    /// The webhook.
    pub key: Key,
    /// The last block of the audit chain that was delivered, or that it was made after.
    pub audit_after: u64,
    /// Attempts of the present message that failed.
    pub attempts: u32,
    /// Before then nothing is sent: a message is under way, or the last one failed.
    pub next_at: Time,
    /// When the first attempt of the present message failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Time>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When a message was last taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Time>,
}

impl Record for WebhookProgress {
    const KIND: &'static Kind = &Kind { name: "webhook_progress", columns: &[], indexes: &[], version: 1 };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        Vec::new()
    }
}

/// A message that waits for one webhook. It is written in the transaction of what it tells, and goes when it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Identity; every attempt carries it, so that a receiver can tell a repetition.
    pub key: Key,
    /// The webhook.
    pub webhook: Key,
    /// What it tells of.
    pub kind: NoticeKind,
    /// The JSON that is sent, the same at every attempt.
    pub body: String,
    /// When it is given up.
    pub expires_at: Time,
}

impl Record for Delivery {
    const KIND: &'static Kind = &Kind {
        name: "delivery",
        columns: &[Column { name: "webhook", ty: ColumnType::Bytes }],
        indexes: &[Index { name: "webhook", columns: &["webhook"], unique: false }],
        version: 1,
    };

    fn key(&self) -> Key {
        self.key
    }

    fn columns(&self) -> Vec<Value> {
        vec![self.webhook.into()]
    }

    fn expires_at(&self) -> Option<Time> {
        Some(self.expires_at)
    }
}

/// The webhooks, by name.
#[must_use]
pub fn webhooks() -> Lookup {
    Lookup { index: Some("name"), prefix: Vec::new(), guard: None }
}

/// The webhook of this name.
#[must_use]
pub fn webhook_by_name(name: &Label) -> Lookup {
    Lookup { index: Some("name"), prefix: vec![name.as_str().into()], guard: None }
}

/// The messages that wait for a webhook, oldest first.
#[must_use]
pub fn deliveries_of(webhook: Key) -> Lookup {
    Lookup { index: Some("webhook"), prefix: vec![webhook.into()], guard: None }
}
