//! Forgetting deletes the audit records of a realm that are older than its rules want, and leaves a signed statement of that.
//!
//! The blocks of the chain stay with all their digests. So what was forgotten by rule can be told from what somebody deleted.

use super::canonical::{forget_message, sign, signer};
use crate::name::{Key, Time};
use crate::record::{Actor, Audit, AuditMark, Realm, audit_of_realm};
use crate::refusal::Fault;
use crate::snapshot::DataKeys;
use crate::store::{Order, Records};
use crate::world::World;
use serde_json::json;

/// The action of the statement.
pub const FORGET: &str = "audit.forget";
const DAY: i64 = 86_400;

/// Forgets at most `limit` records of a realm. Returns how many went. Whole days go at once, so that the statements stay few.
pub fn forget(
    records: &mut Records<'_>,
    world: &World<'_>,
    data: &DataKeys,
    (realm, limit): (Key, usize),
) -> Result<usize, Fault> {
    let Some(realm) = records.read::<Realm>(realm)? else { return Ok(0) };
    let Some(days) = realm.settings.retention.audit_days else { return Ok(0) };
    let before = Time::from_seconds(world.now.plus_seconds(-days.saturating_mul(DAY)).seconds().div_euclid(DAY) * DAY);
    let old: Vec<Audit> = records.scan(audit_of_realm(realm.key), None, Order::Ascending, limit)?;
    let mut gone = 0;
    for audit in old.iter().take_while(|audit| audit.key.created_at() < before) {
        // What is not sealed yet has nothing that would remember it.
        if records.read::<AuditMark>(audit.key)?.is_some() {
            break;
        }
        records.delete(audit);
        gone += 1;
    }
    if gone > 0 {
        let proof = sign(&signer(data)?, &forget_message(realm.key, before))?;
        records.insert(&Audit {
            key: world.new_key("audit of forgetting"),
            actor: Actor::System,
            realm: Some(realm.key),
            action: FORGET.to_owned(),
            target: realm.name.to_string(),
            detail: json!({ "before": before.millis(), "at": before.to_rfc3339(), "count": gone, "proof": proof }),
            request_id: world.request_id.clone(),
        })?;
    }
    Ok(gone)
}
