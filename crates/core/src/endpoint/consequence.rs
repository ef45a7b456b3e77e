//! A refusal may have one named consequence; it is written although the request is refused.

use crate::name::{Key, Title};
use crate::notice::{self, Notice};
use crate::record::{Actor, Audit, Client, NoticeKind, Realm, Status};
use crate::refusal::Fault;
use crate::store::Records;
use crate::token::{dead_until, revoke_family};
use crate::world::{Consequence, World};
use serde_json::json;

/// Writes what a refusal brings with it.
pub fn apply(records: &mut Records<'_>, world: &World<'_>, consequence: Consequence) -> Result<(), Fault> {
    match consequence {
        Consequence::RevokeFamily(key) => revoke_family(records, world, key),
        Consequence::SuspendClient(key, wasted) => suspend(records, world, key, wasted),
    }
}

/// Suspends a client, in the server's own name, that asked so often for tokens that it did not need. Doing it again changes nothing.
fn suspend(records: &mut Records<'_>, world: &World<'_>, client: Key, wasted: u64) -> Result<(), Fault> {
    let Some(client) = records.read::<Client>(client)? else { return Ok(()) };
    let Some(realm) = records.read::<Realm>(client.realm)? else { return Ok(()) };
    if !client.status.is_active() {
        return Ok(());
    }
    let sentence = format!("It asked for {wasted} tokens in a row while those it had were still fresh.");
    let reason = Title::parse(&sentence).map_err(|_| Fault::Broken("the reason of a suspension is no title"))?;
    let fields = json!([
        { "field": "status", "from": "active", "to": "suspended" },
        { "field": "reason", "from": null, "to": reason },
    ]);
    records.insert(&Audit {
        key: world.new_key("audit of a suspension"),
        actor: Actor::System,
        realm: Some(realm.key),
        action: "client.suspend".to_owned(),
        target: format!("{}/client/{}", realm.name, client.client_id),
        detail: json!({ "fields": fields }),
        request_id: world.request_id.clone(),
    })?;
    let detail = json!({ "reason": reason, "by": "the server" });
    notice::emit(
        records,
        world,
        &Notice { kind: NoticeKind::ClientSuspended, realm: &realm, client: Some(&client.client_id), detail },
    )?;
    let not_before = dead_until(client.not_before.max(realm.not_before), world.now);
    records.update(&Client { status: Status::Suspended { reason }, not_before, ..client })
}
