//! A notice tells the webhooks of a realm, and those of the installation, that something happened.
//!
//! Whoever changes state calls [`emit`] in the same transaction; nothing is written when no webhook asks for the kind. A worker
//! of the server sends what waits: [`due`], [`claim`], one attempt, [`settle`].

mod dispatch;
mod signature;

pub use dispatch::{Attempt, FAILING_SECONDS, Quiet, claim, due, settle};
pub use signature::{SECRET_PREFIX, SecretError, parse_secret, secret_text, signature};

use crate::name::{ClientId, Key, Time};
use crate::record::{Delivery, NoticeKind, Realm, Webhook, WebhookSwitch, webhooks};
use crate::refusal::Fault;
use crate::store::{Order, Records};
use crate::world::World;
use serde_json::{Value, json};

/// Most webhooks of an installation.
pub const MOST_WEBHOOKS: usize = 1000;
/// After so many seconds a message that nobody took is given up.
const KEPT_SECONDS: i64 = 7 * 86_400;

/// Every kind of notice, its name in commands and messages, and what it tells.
pub const KINDS: &[(NoticeKind, &str, &str)] = &[
    (NoticeKind::Audit, "audit", "every sealed block of the audit trail"),
    (NoticeKind::ClientSuspended, "client.suspended", "a client was suspended"),
    (NoticeKind::SecretExpiring, "secret.expiring", "a secret or an API key will soon end"),
    (NoticeKind::ThriftCoach, "thrift.coach", "a client asks for more tokens than it needs"),
    (NoticeKind::Test, "webhook.test", "somebody tries the webhook out"),
];

/// The name of a kind.
#[must_use]
pub fn name_of(kind: NoticeKind) -> &'static str {
    KINDS.iter().find(|(known, ..)| *known == kind).map_or("unknown", |(_, name, _)| name)
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// What kind of thing.
    pub kind: NoticeKind,
    /// In which realm.
    pub realm: &'a Realm,
    /// To which client, if to one.
    pub client: Option<&'a ClientId>,
    /// What else is to be said, never a secret.
    pub detail: Value,
}

/// Puts a message for every webhook that asks for this into the present transaction.
///
/// Of one kind, one call per client and transaction: the messages' identities follow from the world's chance, the kind, the client
/// and the webhook.
pub fn emit(records: &mut Records<'_>, world: &World<'_>, notice: &Notice<'_>) -> Result<(), Fault> {
    let all: Vec<Webhook> = records.scan(webhooks(), None, Order::Ascending, MOST_WEBHOOKS)?;
    let asks = |webhook: &&Webhook| {
        webhook.switch == WebhookSwitch::On
            && webhook.kinds.contains(&notice.kind)
            && webhook.realm.is_none_or(|realm| realm == notice.realm.key)
    };
    let data = json!({ "realm": notice.realm.name, "client_id": notice.client, "detail": notice.detail });
    let about = notice.client.map_or("", ClientId::as_str);
    for webhook in all.iter().filter(asks) {
        let purpose = format!("notice {} {} {} {about}", name_of(notice.kind), webhook.key, notice.realm.key);
        records.insert(&delivery(world.new_key(&purpose), webhook.key, (notice.kind, &data), world.now))?;
    }
    Ok(())
}

/// A message for one webhook.
#[must_use]
pub fn delivery(key: Key, webhook: Key, (kind, data): (NoticeKind, &Value), now: Time) -> Delivery {
    let body = json!({ "type": name_of(kind), "timestamp": now.to_rfc3339(), "data": data }).to_string();
    Delivery { key, webhook, kind, body, expires_at: now.plus_seconds(KEPT_SECONDS) }
}
